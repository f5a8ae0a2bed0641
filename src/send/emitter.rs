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
use crate::sender::into_sender::IntoSender;
use crate::table::held::{Held, InUse};

/// A handle that sends one signal from one place over and over, at about the cost of the bare
/// calls.
///
/// It keeps the snapshot of its last send and only checks whether that snapshot is still current.
/// The check costs two loads, a comparison and two stores of its own, while
/// [`Signal::send`](crate::Signal::send) does two atomic read-modify-writes.
///
/// **The price**: between sends it keeps that snapshot alive. The emitter does not call a receiver
/// that was disconnected meanwhile, but that receiver is not dropped yet. It is kept until this
/// emitter sends again, is [released](Emitter::release) or is dropped, or until
/// [`disconnect_and_wait`](crate::Connection::disconnect_and_wait) or
/// [`purge`](crate::Signal::purge) takes the snapshot away. They do so on Linux, while the emitter
/// is not sending. On other systems the wait runs into its timeout, so release an emitter there
/// before a pause. The emitter does not free snapshots itself: the next change of the signal frees
/// the snapshots that it has released.
///
/// Making an emitter takes the lock of the signal's changes, and allocates.
///
/// A send through an emitter reaches the same receivers as a send of the signal, returns the same
/// responses, and panics in the same cases. A receiver cannot use the emitter that is calling it,
/// because the emitter is borrowed. It can use the signal itself.
///
/// ```
/// use fanfare::Signal;
///
/// static TICK: Signal<u64> = Signal::new();
///
/// let connection = TICK.connect(|_sender, tick| println!("{tick}"));
/// let mut emitter = TICK.emitter();
/// for tick in 0..3 {
///     assert_eq!(emitter.send(&tick).len(), 1);
/// }
/// connection.disconnect();
/// assert!(emitter.send(&3).is_empty());
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

    /// Returns the table in use. The caller has this mutably, so that there is one at a time.
    #[inline(always)]
    fn table(&self) -> InUse<'_, Table<E, R>> {
        self.held.start(*self.hub)
    }

    /// Returns this emitter together with `sender`, which the sends made through it are from.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static RANG: Signal<u32, &'static str> = Signal::new();
    /// RANG.options().sender("front").connect(|_sender, _times| "the front door");
    ///
    /// let mut emitter = RANG.emitter();
    /// assert_eq!(*emitter.from("front").send(&2), ["the front door"]);
    /// assert!(emitter.send(&1).is_empty());
    /// ```
    #[inline(always)]
    pub fn from<'m, 'a>(
        &'m mut self,
        sender: impl IntoSender<'a>,
    ) -> EmitterFrom<'m, 's, 'a, E, R> {
        EmitterFrom {
            emitter: self,
            sender: sender.into_sender(),
        }
    }

    /// Sends `event`. See [`Signal::send`](crate::Signal::send).
    #[inline(always)]
    pub fn send(&mut self, event: &E::Args<'_>) -> Responses<R> {
        counted::collect(*self.hub, || self.table(), &Sender::NONE, event)
    }

    /// Sends `event` and catches panics. See [`Signal::send_robust`](crate::Signal::send_robust).
    #[inline(always)]
    pub fn send_robust(&mut self, event: &E::Args<'_>) -> RobustResponses<R> {
        self.from(Sender::NONE).send_robust(event)
    }

    /// Sends `event` and passes each response to `each`. See
    /// [`Signal::send_each`](crate::Signal::send_each).
    #[inline(always)]
    pub fn send_each<B>(
        &mut self,
        event: &E::Args<'_>,
        each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.from(Sender::NONE).send_each(event, each)
    }

    /// Releases the snapshot. The next send takes the snapshot that is current then. This method
    /// does not free the snapshot: the next change of the signal does.
    pub fn release(&mut self) {
        self.held.release();
    }
}

/// An [`Emitter`] together with the sender of the sends made through it. Made by [`Emitter::from`].
///
/// ```
/// use fanfare::Signal;
///
/// static RANG: Signal<u32> = Signal::new();
/// RANG.options().sender("front").connect(|_sender, times| assert!(*times < 3));
///
/// let mut emitter = RANG.emitter();
/// let mut front = emitter.from("front");
/// for times in 0..3 {
///     assert_eq!(front.send(&times).len(), 1);
/// }
/// ```
#[must_use = "events are sent only by its methods"]
pub struct EmitterFrom<'m, 's, 'a, E: Event, R: 'static = ()> {
    emitter: &'m mut Emitter<'s, E, R>,
    sender: Sender<'a>,
}

impl<E: Event, R: 'static> EmitterFrom<'_, '_, '_, E, R> {
    /// Sends `event` from this sender. See [`Signal::send`](crate::Signal::send).
    #[inline(always)]
    pub fn send(&mut self, event: &E::Args<'_>) -> Responses<R> {
        let emitter = &*self.emitter;
        counted::collect(*emitter.hub, || emitter.table(), &self.sender, event)
    }

    /// Sends `event` from this sender and catches panics. See
    /// [`Signal::send_robust`](crate::Signal::send_robust).
    #[inline]
    pub fn send_robust(&mut self, event: &E::Args<'_>) -> RobustResponses<R> {
        let emitter = &*self.emitter;
        robust::collect(*emitter.hub, || emitter.table(), &self.sender, event)
    }

    /// Sends `event` from this sender and passes each response to `each`. See
    /// [`Signal::send_each`](crate::Signal::send_each).
    #[inline]
    pub fn send_each<B>(
        &mut self,
        event: &E::Args<'_>,
        mut each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let emitter = &*self.emitter;
        collect::each(
            *emitter.hub,
            || emitter.table(),
            &self.sender,
            event,
            &mut each,
        )
    }
}

impl<E: Event, R: 'static> fmt::Debug for EmitterFrom<'_, '_, '_, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitterFrom")
            .field("emitter", &*self.emitter)
            .field("sender", &self.sender)
            .finish()
    }
}

impl<E: Event, R: 'static> fmt::Debug for Emitter<'_, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("holds_snapshot", &self.held.is_some())
            .finish()
    }
}
