//! The receivers of a send that have not run yet.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use smallvec::SmallVec;

use super::discards::Discards;
use super::watching::Watching;
use crate::event::Event;
use crate::kind::{Mode, ReceiverKind};
use crate::panic_report;
use crate::receiver::limit::Limit;
use crate::receiver::pin::Pinned;
use crate::receiver::{Entry, Selection};

/// The number of weak receivers that a send pins without allocating.
const PINS: usize = 16;

/// A part of the receivers of a selection.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "async"),
    allow(dead_code, reason = "no async receivers")
)]
pub(crate) enum Group {
    /// The receivers that a send on this thread calls, or to whose queue it gives the event.
    Called,
    /// The receivers that such a send awaits.
    Awaited,
    /// The receivers that an async send calls, or to whose queue it gives the event.
    Inline,
    /// The receivers that an async send awaits.
    Concurrent,
}

impl Group {
    pub(crate) fn has(self, kind: ReceiverKind) -> bool {
        match self {
            Group::Called => !kind.is_awaited(Mode::Blocking),
            Group::Awaited => kind.is_awaited(Mode::Blocking),
            Group::Inline => !kind.is_awaited(Mode::Async),
            Group::Concurrent => kind.is_awaited(Mode::Async),
        }
    }
}

/// Passes each receiver of `group` that has not run yet to `each`, with the pin of its target if it
/// is weak. Leaves the receivers out that `watching` does not keep. Claims a run of a limited
/// receiver before that.
pub(crate) fn for_each_live<'t, 'p, E: Event, R: 'static, B>(
    selection: &Selection<'t, E, R>,
    pins: &'t Pins<'p>,
    discards: &mut Discards<'_, E, R>,
    group: Group,
    watching: &impl Watching,
    mut each: impl FnMut(
        &'t Entry<E, R>,
        Option<&'t Pinned<'p>>,
        &mut Discards<'_, E, R>,
    ) -> ControlFlow<B>,
) -> ControlFlow<B> {
    #[cfg(feature = "testing")]
    if let Some(receivers) = shuffled(selection, pins, watching) {
        return receivers.into_iter().try_for_each(|(entry, pin)| {
            if is_due(entry, pin, group, watching, discards) {
                each(entry, pin.and_then(Option::as_ref), discards)
            } else {
                ControlFlow::Continue(())
            }
        });
    }
    let mut pinned = pins.0.iter();
    selection.try_for_each(|entry| {
        let about = entry.about();
        let pin = if about.options.weak {
            pinned.next()
        } else {
            None
        };
        if !group.has(about.kind()) {
            return ControlFlow::Continue(());
        }
        if about.options.weak && pin.is_none_or(Option::is_none) {
            return ControlFlow::Continue(());
        }
        if !watching.keeps(entry) {
            return ControlFlow::Continue(());
        }
        if let Some(limit) = about.options.limit() {
            if !claim_of(limit, entry, discards) {
                return ControlFlow::Continue(());
            }
        }
        each(entry, pin.and_then(Option::as_ref), discards)
    })
}

/// Returns `true` if a send that is shuffled runs the receiver, whose target `pin` has if it is
/// weak. Claims a run of a limited receiver then.
///
/// [`for_each_live`] has the same conditions written out: with a function in common, each limited
/// receiver costs other sends 7 instructions more.
#[cfg(feature = "testing")]
fn is_due<E: Event, R: 'static>(
    entry: &Entry<E, R>,
    pin: Option<&Option<Pinned<'_>>>,
    group: Group,
    watching: &impl Watching,
    discards: &mut Discards<'_, E, R>,
) -> bool {
    let about = entry.about();
    group.has(about.kind())
        && !(about.options.weak && pin.is_none_or(Option::is_none))
        && watching.keeps(entry)
        && claim(entry, discards)
}

/// A receiver, and the pin of its target if it is weak.
#[cfg(feature = "testing")]
type WithPin<'t, 'p, E, R> = (&'t Entry<E, R>, Option<&'t Option<Pinned<'p>>>);

/// Returns the receivers with the pins of their targets, in the order of a scope that shuffles
/// them, or `None` if there is none.
#[cfg(feature = "testing")]
fn shuffled<'t, 'p, E: Event, R: 'static>(
    selection: &Selection<'t, E, R>,
    pins: &'t Pins<'p>,
    watching: &impl Watching,
) -> Option<Vec<WithPin<'t, 'p, E, R>>> {
    let list = || {
        let mut pinned = pins.0.iter();
        let with_pin = |entry: &'t Entry<E, R>| {
            let is_weak = entry.about().options.weak;
            (entry, if is_weak { pinned.next() } else { None })
        };
        selection.iter().map(with_pin).collect()
    };
    watching.shuffled(list, |(entry, _)| entry.about().options.priority)
}

/// Claims a run of the receiver. Returns `false` if it has run as often as it may.
#[inline]
pub(crate) fn claim<E: Event, R: 'static>(
    entry: &Entry<E, R>,
    discards: &mut Discards<'_, E, R>,
) -> bool {
    match entry.about().options.limit() {
        Some(limit) => claim_of(limit, entry, discards),
        None => true,
    }
}

fn claim_of<E: Event, R: 'static>(
    limit: &Limit,
    entry: &Entry<E, R>,
    discards: &mut Discards<'_, E, R>,
) -> bool {
    match limit.claim(&entry.about().link) {
        Some(claim) => {
            if claim.is_last {
                discards.note_spent(entry);
            }
            true
        }
        None => {
            discards.note(entry);
            false
        }
    }
}

/// The targets of all weak receivers of a selection, in order. They are kept alive from before the
/// first call, so that a receiver whose target dies during the send still runs in it.
pub(crate) struct Pins<'t>(SmallVec<[Option<Pinned<'t>>; PINS]>);

impl<'t> Pins<'t> {
    /// Pins the targets of weak receivers. Notes the receivers whose targets have died, also those
    /// behind the receiver at which a send stops.
    pub(crate) fn of<E: Event, R: 'static>(
        selection: &Selection<'t, E, R>,
        discards: &mut Discards<'_, E, R>,
    ) -> Self {
        if !selection.has_mortal_receiver() {
            return Pins(SmallVec::new());
        }
        let weak = selection.iter().filter(|entry| entry.about().options.weak);
        let pins = weak.map(|entry| {
            let pin = entry.pin();
            if pin.is_none() {
                discards.note(entry);
            }
            pin
        });
        Pins(pins.collect())
    }
}

/// Drops the targets. If this was a target's last owner, a panic of its destructor does not concern
/// the sender.
impl Drop for Pins<'_> {
    fn drop(&mut self) {
        for pin in self.0.drain(..).flatten() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(pin))) {
                panic_report::target_panicked(payload);
            }
        }
    }
}
