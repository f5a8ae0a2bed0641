//! The walk over receivers that may be dead or spent.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::Event;
use crate::receiver::{Entry, Receive};
use crate::report;
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

/// Weak receivers that a send pins without allocating.
const PINS: usize = 16;
/// Receivers that ended elsewhere and that one send takes out at most, so that no send
/// pays for the end of many. Those that it spent itself it takes out all.
const DISCARDS: usize = 8;

/// As [`super::walk`]: pins every weak receiver's target before the first call, so that
/// one that dies during the send still runs in it; claims each once-only receiver before
/// its call.
#[cold]
pub(super) fn walk<E: Event, R: 'static, B>(
    hub: &Hub<Table<E, R>>,
    selection: &Selection<'_, E, R>,
    visit: &mut impl FnMut(&dyn Receive<E, R>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let weak = selection.iter().filter(|entry| entry.about().weak);
    let pins = Pins(weak.map(|entry| entry.pin()).collect());
    let mut pinned = pins.0.iter();
    let mut discards = Discards {
        hub,
        spent: SmallVec::new(),
        found: SmallVec::new(),
    };
    selection.iter().try_for_each(|entry| {
        let about = entry.about();
        if about.weak && pinned.next().is_none_or(Option::is_none) {
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
        visit(&**entry)
    })
}

/// Keeps targets alive for one send. Where it turns out to be their last owner, a panic of
/// their destructor is no business of the sender's.
struct Pins(SmallVec<[Option<Arc<dyn Any + Send + Sync>>; PINS]>);

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
struct Discards<'h, E: Event, R: 'static> {
    hub: &'h Hub<Table<E, R>>,
    spent: SmallVec<[Entry<E, R>; DISCARDS]>,
    found: SmallVec<[Entry<E, R>; DISCARDS]>,
}

impl<E: Event, R: 'static> Discards<'_, E, R> {
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
