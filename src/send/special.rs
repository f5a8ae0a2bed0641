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
/// Receivers that ended elsewhere and that one send takes out at most, so that no send
/// pays for the end of many. Those that it spent itself it takes out all.
const DISCARDS: usize = 8;

/// As [`super::walk`], in two groups: first those that are called or handed to their
/// queue, then those that are awaited.
#[inline(never)]
pub(super) fn walk<E: Event, R: 'static, B>(
    hub: &Hub<Table<E, R>>,
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
    walk_any(hub, selection, sender, event, turns)
}

/// On its own for its large frame.
#[cold]
#[inline(never)]
fn walk_any<E: Event, R: 'static, B>(
    hub: &Hub<Table<E, R>>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    #[cfg(feature = "async")]
    super::future::refuse_on_an_executor(selection);
    let pins = Pins::of(selection);
    let mut discards = Discards::of(hub);
    let mut shared = Shared::default();
    for_each_live(
        selection,
        &pins,
        &mut discards,
        Group::Called,
        |entry, _| turns.visit(Turn::or_enqueue(entry, &mut shared)),
    )?;
    #[cfg(feature = "async")]
    super::future::drive(selection, &pins, &mut discards, sender, event, turns)?;
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
            discards.note(entry);
            return ControlFlow::Continue(());
        }
        if about.once {
            if !about.link.claim() {
                discards.note(entry);
                return ControlFlow::Continue(());
            }
            discards.spent.push(entry.clone());
        }
        each(entry, pin.and_then(Option::as_ref))
    })
}

/// The targets of all weak receivers of a selection, in order: kept alive from before the
/// first call, so that one that dies during the send still runs in it.
pub(super) struct Pins(SmallVec<[Option<Pinned>; PINS]>);

impl Pins {
    pub(super) fn of<E: Event, R: 'static>(selection: &Selection<'_, E, R>) -> Self {
        let weak = selection.iter().filter(|entry| entry.about().weak);
        Pins(weak.map(|entry| entry.pin()).collect())
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

/// Takes out what has ended when the walk ends, be it by a panic. What this send spent goes
/// for certain, and so may wait for a writer, as a disconnect does; what ended elsewhere
/// goes only if no writer is at work.
pub(super) struct Discards<'h, E: Event, R: 'static> {
    hub: &'h Hub<Table<E, R>>,
    spent: SmallVec<[Entry<E, R>; DISCARDS]>,
    found: SmallVec<[Entry<E, R>; DISCARDS]>,
}

impl<'h, E: Event, R: 'static> Discards<'h, E, R> {
    pub(super) fn of(hub: &'h Hub<Table<E, R>>) -> Self {
        Discards {
            hub,
            spent: SmallVec::new(),
            found: SmallVec::new(),
        }
    }

    fn note(&mut self, entry: &Entry<E, R>) {
        if self.found.len() < DISCARDS {
            self.found.push(entry.clone());
        }
    }
}

impl<E: Event, R: 'static> Drop for Discards<'_, E, R> {
    fn drop(&mut self) {
        if !self.spent.is_empty() {
            self.found.extend(self.spent.drain(..));
            self.hub.disconnect_these(|_| self.found.to_vec());
        } else if !self.found.is_empty() {
            self.hub.try_discard(&self.found);
        }
    }
}
