//! The walk over receivers that a send cannot simply call.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use smallvec::SmallVec;

use super::{Shared, Turn, Turns};
use crate::event::Event;
use crate::receiver::callee::Pinned;
use crate::receiver::{Entry, Kind};
use crate::report;
use crate::sender::Sender;
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

/// Weak receivers that a send pins without allocating.
const PINS: usize = 16;

/// As [`super::walk`], in two groups: first those that are called or handed to their
/// queue, then those that are awaited.
#[inline(never)]
pub(super) fn walk<E: Event, R: 'static, B>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    #[cfg(feature = "queue")]
    if let Some(run) = selection.called_or_queued() {
        let mut shared = Shared::default();
        return run
            .iter()
            .try_for_each(|entry| turns.visit(Turn::or_enqueue(entry, &mut shared)));
    }
    walk_any(discards, selection, sender, event, turns)
}

/// On its own for its large frame.
#[cold]
#[inline(never)]
fn walk_any<E: Event, R: 'static, B>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    #[cfg(feature = "async")]
    super::future::refuse_on_an_executor(selection);
    let pins = Pins::of(selection, discards);
    let mut shared = Shared::default();
    for_each_live(selection, &pins, discards, Group::Called, |entry, _| {
        turns.visit(Turn::or_enqueue(entry, &mut shared))
    })?;
    #[cfg(feature = "async")]
    super::future::drive(selection, &pins, discards, sender, event, turns)?;
    #[cfg(not(feature = "async"))]
    let _ = (sender, event);
    ControlFlow::Continue(())
}

/// Which receivers of a selection.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "async"),
    allow(dead_code, reason = "no async receivers")
)]
pub(super) enum Group {
    /// Those that a send on this thread calls, or hands to their queue.
    Called,
    /// Those that it awaits.
    Awaited,
    /// Those that an async send calls, or hands to their queue.
    Inline,
    /// Those that it awaits.
    Concurrent,
}

impl Group {
    pub(super) fn has(self, kind: Kind) -> bool {
        let offloaded =
            matches!(self, Group::Inline | Group::Concurrent) && kind == Kind::Offloaded;
        let awaited = kind == Kind::Awaited || offloaded;
        awaited == matches!(self, Group::Awaited | Group::Concurrent)
    }
}

/// Hands each receiver of `group` that is still to run to `each`, with what keeps it alive
/// if it is weak. Claims a once-only receiver before that.
pub(super) fn for_each_live<'t, E: Event, R: 'static, B>(
    selection: &Selection<'t, E, R>,
    pins: &'t Pins,
    discards: &mut Discards<'_, E, R>,
    group: Group,
    mut each: impl FnMut(&'t Entry<E, R>, Option<&'t Pinned>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut pinned = pins.0.iter();
    selection.iter().try_for_each(|entry| {
        let about = entry.about();
        let pin = if about.weak { pinned.next() } else { None };
        if !group.has(about.kind) {
            return ControlFlow::Continue(());
        }
        if about.weak && pin.is_none_or(Option::is_none) {
            return ControlFlow::Continue(());
        }
        if about.once {
            if !about.link.claim() {
                discards.note(entry);
                return ControlFlow::Continue(());
            }
            discards.note_spent(entry);
        }
        each(entry, pin.and_then(Option::as_ref))
    })
}

/// The targets of all weak receivers of a selection, in order: kept alive from before the
/// first call, so that one that dies during the send still runs in it.
pub(super) struct Pins(SmallVec<[Option<Pinned>; PINS]>);

impl Pins {
    /// Notes the receivers whose targets have died, also those behind the receiver at which a send
    /// stops.
    pub(super) fn of<E: Event, R: 'static>(
        selection: &Selection<'_, E, R>,
        discards: &mut Discards<'_, E, R>,
    ) -> Self {
        let weak = selection.iter().filter(|entry| entry.about().weak);
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

/// Where this turns out to be a target's last owner, a panic of its destructor is no
/// business of the sender's.
impl Drop for Pins {
    fn drop(&mut self) {
        for pin in self.0.drain(..).flatten() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(pin))) {
                report::target_panicked(payload);
            }
        }
    }
}

/// Takes the receivers that a send found spent or dead out of the table, when the send has
/// released its table, also after a panic. Never waits for a writer: see [`Hub::discard`].
pub(crate) struct Discards<'h, E: Event, R: 'static> {
    hub: &'h Hub<Table<E, R>>,
    /// Allocates only if there are some.
    ended: Vec<Entry<E, R>>,
    /// Whether this send spent some of them.
    has_spent: bool,
}

impl<'h, E: Event, R: 'static> Discards<'h, E, R> {
    #[inline]
    pub(crate) fn of(hub: &'h Hub<Table<E, R>>) -> Self {
        Discards {
            hub,
            ended: Vec::new(),
            has_spent: false,
        }
    }

    /// Notes a receiver that ended elsewhere. However many a send notes, it takes out all of them:
    /// otherwise later sends would meet, and pay for, each of the others again.
    pub(crate) fn note(&mut self, entry: &Entry<E, R>) {
        // A frozen signal keeps it, and later sends pass it by.
        if self.hub.frozen_at().is_none() {
            self.ended.push(entry.clone());
        }
    }

    fn note_spent(&mut self, entry: &Entry<E, R>) {
        self.has_spent = true;
        self.note(entry);
    }
}

impl<E: Event, R: 'static> Drop for Discards<'_, E, R> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended.is_empty() {
            self.hub.discard(&self.ended, self.has_spent);
        }
    }
}
