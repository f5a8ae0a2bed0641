//! The sender for the hottest loops.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{collect, counted, robust};
use crate::any_thread::AnyThread;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::{Hub, Table};
use crate::responses::{Responses, RobustResponses};
use crate::sender::Sender;
use crate::table::held::{Held, InUse};

/// Sends a signal from one place over and over, at about the cost of the bare calls.
///
/// It keeps the snapshot of its last send and only checks whether that is still the
/// current one: two loads, a comparison and two stores of its own, where
/// [`Signal::send`](crate::Signal::send) does two atomic read-modify-writes.
///
/// **The price**: between sends it keeps that snapshot alive. A receiver that was
/// disconnected meanwhile is not called again, but it is not dropped either, until this emitter
/// sends again, is [released](Emitter::release) or is dropped, or until
/// [`disconnect_and_wait`](crate::Connection::disconnect_and_wait) or
/// [`purge`](crate::Signal::purge) takes the snapshot away. They do so while the emitter is not
/// sending, on Linux. On other systems the wait runs into its timeout; release an emitter there
/// before a pause. The emitter frees nothing itself: the next change of the signal frees the
/// snapshots that it has released.
///
/// Making an emitter takes the lock of the signal's changes, and allocates.
///
/// Sends through an emitter see, return and panic as those of the signal do. A receiver
/// cannot use the emitter that is calling it (it is borrowed); the signal itself it can.
///
/// ```
/// use fanfare::{Sender, Signal};
///
/// static TICK: Signal<u64> = Signal::new();
///
/// let connection = TICK.connect(|_sender, tick| println!("{tick}"));
/// let mut emitter = TICK.emitter();
/// for tick in 0..3 {
///     assert_eq!(emitter.send(Sender::NONE, &tick).len(), 1);
/// }
/// connection.disconnect();
/// assert!(emitter.send(Sender::NONE, &3).is_empty());
/// ```
pub struct Emitter<'s, E: Event, R: 'static = ()> {
    hub: AnyThread<&'s Hub<E, R>>,
    held: AnyThread<Arc<Held<Table<E, R>>>>,
}

impl<'s, E: Event, R: 'static> Emitter<'s, E, R> {
    pub(crate) fn new(hub: &'s Hub<E, R>) -> Self {
        Emitter {
            hub: AnyThread::new(hub),
            held: AnyThread::new(hub.emitter()),
        }
    }

    /// The caller has this mutably, so that there is one at a time.
    #[inline(always)]
    fn table(&self) -> InUse<'_, Table<E, R>> {
        self.held.start(*self.hub)
    }

    /// As [`Signal::send`](crate::Signal::send).
    #[inline(always)]
    pub fn send<'a>(&mut self, sender: impl Into<Sender<'a>>, event: &E::Args<'_>) -> Responses<R> {
        let hub = *self.hub;
        let sender = sender.into();
        counted::collect(hub, || self.table(), &sender, event)
    }

    /// As [`Signal::send_robust`](crate::Signal::send_robust).
    #[inline]
    pub fn send_robust<'a>(
        &mut self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
    ) -> RobustResponses<R> {
        let hub = *self.hub;
        let sender = sender.into();
        robust::collect(hub, || self.table(), &sender, event)
    }

    /// As [`Signal::send_each`](crate::Signal::send_each).
    #[inline]
    pub fn send_each<'a, B>(
        &mut self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
        mut each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let hub = *self.hub;
        let sender = sender.into();
        collect::each(hub, || self.table(), &sender, event, &mut each)
    }

    /// Releases the snapshot; the next send takes the one that is current then. Frees nothing: the
    /// next change of the signal does.
    pub fn release(&mut self) {
        self.held.release();
    }
}

impl<E: Event, R: 'static> fmt::Debug for Emitter<'_, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("holds_snapshot", &self.held.is_some())
            .finish()
    }
}
