//! The callables of receivers, and the callables that a send simply calls.

#[cfg(feature = "queue")]
use std::any::Any;
use std::any::type_name;
use std::sync::Weak;

#[cfg(feature = "queue")]
use super::delivery::{Observe, Shared};
#[cfg(any(feature = "async", feature = "queue"))]
use super::entry::Entry;
#[cfg(feature = "async")]
use super::future::BoxFuture;
use super::key::Identified;
use super::pin::Pinned;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::kind::ReceiverKind;
use crate::responses::BatchResponses;
use crate::sender::Sender;
#[cfg(feature = "queue")]
use crate::tap::verdict::Verdict;

/// A receiver as its user made it. `Function` is the type that identifies it.
pub(crate) trait Callee<E: Event, R: 'static>: Send + Sync + 'static {
    type Function: 'static;
    const KIND: ReceiverKind = ReceiverKind::Called;
    const WEAK: bool = false;
    /// `true` if `call_slice` is one call.
    const TAKES_SLICES: bool = false;

    /// Runs the receiver. A weak receiver runs only while its target is pinned. An async or a
    /// queued receiver never runs here.
    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R;

    /// Starts a receiver that an async send awaits: [`ReceiverKind::Awaited`] or
    /// [`ReceiverKind::Offloaded`].
    #[cfg(feature = "async")]
    fn start<'a>(
        &'a self,
        _entry: &Entry<E, R>,
        _pin: Option<&'a Pinned<'_>>,
        _sender: Sender<'a>,
        _event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        unreachable!("only receivers that are awaited are started")
    }

    /// Gives the event to the receiver's queue, if it has one.
    #[cfg(feature = "queue")]
    fn enqueue(
        &self,
        _entry: &Entry<E, R>,
        _sender: &Sender<'_>,
        _event: &E::Args<'_>,
        _shared: &mut Shared,
    ) -> R {
        unreachable!("only queued receivers are enqueued")
    }

    /// Gives the event to the queue for the receiver that `observe` makes of this one. Returns the
    /// response, and `true` if the queue has accepted the event.
    #[cfg(feature = "queue")]
    fn enqueue_as(
        &self,
        _entry: &Entry<E, R>,
        _sender: &Sender<'_>,
        _event: &E::Args<'_>,
        _shared: &mut Shared,
        _observe: &Observe<'_>,
    ) -> (R, bool) {
        unreachable!("only queued receivers are enqueued")
    }

    /// Returns the verdict of the receiver's queue on an event that is sent now on this thread.
    #[cfg(feature = "queue")]
    fn intake(&self, _entry: &Entry<E, R>, _sender: &Sender<'_>) -> Verdict {
        Verdict::WouldRun
    }

    /// Runs a queued receiver, with the event that [`enqueue`](Callee::enqueue) gave to the queue.
    #[cfg(feature = "queue")]
    fn deliver(&self, _sent: &(dyn Any + Send + Sync)) {
        unreachable!("only queued receivers are delivered to")
    }

    /// Returns `true` if a queue's worker can drive it among others.
    #[cfg(all(feature = "async", feature = "queue"))]
    fn is_driven(&self) -> bool {
        false
    }

    #[cfg(all(feature = "async", feature = "queue"))]
    fn drive<'a>(&'a self, _sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
        unreachable!("only async receivers of a queue are driven")
    }

    /// Returns `true` if the work that the receiver still has to do can end only on this thread, or
    /// on one like it.
    fn waits_for_this_thread(&self) -> bool {
        false
    }

    /// Returns `true` if it runs on a queue that has events.
    fn has_queued_events(&self) -> bool {
        false
    }

    /// Returns `true` if only the parent of this process, which was forked, can do the work of the
    /// receiver.
    fn is_left_to_parent(&self) -> bool {
        false
    }

    /// Keeps a weak receiver's target alive. Returns `None` if the target has died.
    fn pin(&self) -> Option<Pinned<'_>> {
        None
    }

    fn is_alive(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<Identified> {
        Identified::function::<Self::Function>()
    }

    fn type_name(&self) -> &'static str {
        type_name::<Self::Function>()
    }

    /// Calls the receiver for each of `events`, in order, or for all of them at once. The loop is
    /// here and not in the send, where each call in it would be a virtual one.
    fn call_slice(
        &self,
        receiver: ReceiverId,
        sender: &Sender<'_>,
        events: &[E::Args<'_>],
        responses: &mut BatchResponses<R>,
    ) {
        let values = events.iter().map(|event| self.call(sender, event));
        responses.extend(receiver, values);
    }
}

/// A function or closure, owned.
pub(crate) struct Strong<F>(pub(crate) F);

impl<E, R, F> Callee<E, R> for Strong<F>
where
    E: Event,
    R: 'static,
    F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    type Function = F;

    #[inline]
    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        (self.0)(*sender, event)
    }
}

/// A method of an object that the receiver does not keep alive.
pub(crate) struct Weakly<T: ?Sized, M> {
    pub(crate) target: Weak<T>,
    pub(crate) method: M,
}

impl<E, R, T, M> Callee<E, R> for Weakly<T, M>
where
    E: Event,
    R: 'static,
    T: ?Sized + Send + Sync + 'static,
    M: Fn(&T, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    type Function = M;
    const WEAK: bool = true;

    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        let target = self
            .target
            .upgrade()
            .expect("the send has pinned the target");
        (self.method)(&target, *sender, event)
    }

    fn pin(&self) -> Option<Pinned<'_>> {
        Pinned::of(&self.target)
    }

    fn is_alive(&self) -> bool {
        self.target.strong_count() > 0
    }

    fn identity(&self) -> Option<Identified> {
        Identified::method::<M, T>(&self.target)
    }
}
