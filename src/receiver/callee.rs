//! The kinds of receivers: what each does when a send gets to it.

use std::any::{Any, type_name};
use std::iter;
use std::slice;
use std::sync::{Arc, Weak};

#[cfg(feature = "async")]
use super::BoxFuture;
#[cfg(any(feature = "async", feature = "queue"))]
use super::Entry;
use super::key::Identified;
use super::{Kind, ReceiverId};
use crate::event::Event;
#[cfg(any(feature = "queue", feature = "tokio"))]
use crate::event::OwnedEvent;
#[cfg(feature = "queue")]
use crate::queue::{self, Handle, QueueAnswer, Shared};
use crate::send::batch::Answers;
use crate::sender::Sender;

/// A receiver as its user made it. `Function` is what it is known by.
pub(crate) trait Callee<E: Event, R: 'static>: Send + Sync + 'static {
    type Function: 'static;
    const KIND: Kind = Kind::Called;
    const WEAK: bool = false;
    /// Whether `call_slice` is one call.
    const TAKES_SLICES: bool = false;

    /// Runs the receiver. For a weak one only while its target is pinned, for an async or a
    /// queued one never.
    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R;

    /// Starts a receiver that an async send awaits: [`Kind::Awaited`] or [`Kind::Offloaded`].
    #[cfg(feature = "async")]
    fn start<'a>(
        &'a self,
        _entry: &Entry<E, R>,
        _pin: Option<&'a Pinned>,
        _sender: Sender<'a>,
        _event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        unreachable!("only receivers that are awaited are started")
    }

    /// Hands the event to the receiver's queue, where there is one.
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

    /// Runs a queued receiver, with what [`enqueue`](Callee::enqueue) handed to the queue.
    #[cfg(feature = "queue")]
    fn deliver(&self, _sent: &(dyn Any + Send + Sync)) {
        unreachable!("only queued receivers are delivered to")
    }

    /// Whether a queue's worker can drive it among others.
    #[cfg(all(feature = "async", feature = "queue"))]
    fn is_driven(&self) -> bool {
        false
    }

    #[cfg(all(feature = "async", feature = "queue"))]
    fn drive<'a>(&'a self, _sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
        unreachable!("only async receivers of a queue are driven")
    }

    /// Whether what the receiver still has to do can end only on this thread, or on one like
    /// it.
    fn waits_for_this_thread(&self) -> bool {
        false
    }

    /// Whether it runs on a queue that has events.
    fn has_queued_events(&self) -> bool {
        false
    }

    /// Whether only the parent of this process, which was forked, can do it.
    fn is_left_to_parent(&self) -> bool {
        false
    }

    /// Keeps a weak receiver's target alive; `None` if it has died.
    fn pin(&self) -> Option<Pinned> {
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

    /// As `call`, for each of `events`, in order, or for all of them at once. The loop is
    /// here and not in the send, where each call in it would be a virtual one.
    fn call_slice(
        &self,
        receiver: ReceiverId,
        sender: &Sender<'_>,
        events: &[E::Args<'_>],
        answers: &mut Answers<R>,
    ) {
        let values = events.iter().map(|event| self.call(sender, event));
        answers.extend(receiver, values);
    }
}

/// The target of a weak receiver, kept alive for one send.
pub(crate) type Pinned = Arc<dyn Any + Send + Sync>;

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

/// A function or closure that takes slices of events, owned.
pub(crate) struct Slices<F>(pub(crate) F);

impl<E, R, F> Callee<E, R> for Slices<F>
where
    E: Event,
    R: 'static,
    F: Fn(Sender<'_>, &[E::Args<'_>]) -> R + Send + Sync + 'static,
{
    type Function = F;
    const TAKES_SLICES: bool = true;

    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        (self.0)(*sender, slice::from_ref(event))
    }

    fn call_slice(
        &self,
        receiver: ReceiverId,
        sender: &Sender<'_>,
        events: &[E::Args<'_>],
        answers: &mut Answers<R>,
    ) {
        answers.extend(receiver, iter::once_with(|| (self.0)(*sender, events)));
    }
}

/// A method of an object that it does not keep alive.
pub(crate) struct Weakly<T, M> {
    pub(crate) target: Weak<T>,
    pub(crate) method: M,
}

impl<E, R, T, M> Callee<E, R> for Weakly<T, M>
where
    E: Event,
    R: 'static,
    T: Send + Sync + 'static,
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

    fn pin(&self) -> Option<Pinned> {
        self.target.upgrade().map(|target| target as _)
    }

    fn is_alive(&self) -> bool {
        self.target.strong_count() > 0
    }

    fn identity(&self) -> Option<Identified> {
        Identified::method::<M>(self.target.clone())
    }
}

/// An async function or closure, owned.
#[cfg(feature = "async")]
pub(crate) struct Awaited<F>(pub(crate) F);

#[cfg(feature = "async")]
impl<E, R, F> Callee<E, R> for Awaited<F>
where
    E: Event,
    R: 'static,
    F: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
{
    type Function = F;
    const KIND: Kind = Kind::Awaited;

    fn call(&self, _sender: &Sender<'_>, _event: &E::Args<'_>) -> R {
        unreachable!("async receivers are started, not called")
    }

    fn start<'a>(
        &'a self,
        _entry: &Entry<E, R>,
        _pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        (self.0)(sender, event)
    }
}

/// An async method of an object that it does not keep alive.
#[cfg(feature = "async")]
pub(crate) struct AwaitedWeakly<T, M> {
    pub(crate) target: Weak<T>,
    pub(crate) method: M,
}

#[cfg(feature = "async")]
impl<E, R, T, M> Callee<E, R> for AwaitedWeakly<T, M>
where
    E: Event,
    R: 'static,
    T: Send + Sync + 'static,
    M: for<'a> Fn(&'a T, Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
{
    type Function = M;
    const KIND: Kind = Kind::Awaited;
    const WEAK: bool = true;

    fn call(&self, _sender: &Sender<'_>, _event: &E::Args<'_>) -> R {
        unreachable!("async receivers are started, not called")
    }

    fn start<'a>(
        &'a self,
        _entry: &Entry<E, R>,
        pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        let target = pin.and_then(|pin| pin.downcast_ref());
        let target = target.expect("the send has pinned the target");
        (self.method)(target, sender, event)
    }

    fn pin(&self) -> Option<Pinned> {
        self.target.upgrade().map(|target| target as _)
    }

    fn is_alive(&self) -> bool {
        self.target.strong_count() > 0
    }

    fn identity(&self) -> Option<Identified> {
        Identified::method::<M>(self.target.clone())
    }
}

/// A receiver that runs on a queue.
#[cfg(feature = "queue")]
pub(crate) struct Queued<C> {
    pub(crate) queue: Arc<Handle>,
    pub(crate) receiver: C,
}

/// What a queue's worker does with an event.
#[cfg(feature = "queue")]
pub(crate) trait Run<E>: Send + Sync + 'static {
    type Function: 'static;

    fn run(&self, sender: Sender<'_>, event: &E);

    #[cfg(feature = "async")]
    const ASYNC: bool = false;

    /// The future of a receiver that is `ASYNC`.
    #[cfg(feature = "async")]
    fn start<'a>(&'a self, _sender: Sender<'a>, _event: &'a E) -> BoxFuture<'a, ()> {
        unreachable!("only async receivers are driven")
    }
}

#[cfg(feature = "queue")]
impl<E, F: Fn(Sender<'_>, &E) + Send + Sync + 'static> Run<E> for Strong<F> {
    type Function = F;

    fn run(&self, sender: Sender<'_>, event: &E) {
        (self.0)(sender, event);
    }
}

#[cfg(all(feature = "async", feature = "queue"))]
impl<E, F> Run<E> for Awaited<F>
where
    F: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
{
    type Function = F;

    fn run(&self, sender: Sender<'_>, event: &E) {
        crate::blocking::drive((self.0)(sender, event));
    }

    const ASYNC: bool = true;

    fn start<'a>(&'a self, sender: Sender<'a>, event: &'a E) -> BoxFuture<'a, ()> {
        (self.0)(sender, event)
    }
}

#[cfg(feature = "queue")]
impl<E, R, C> Callee<E, R> for Queued<C>
where
    E: OwnedEvent + Clone + Send + Sync,
    R: QueueAnswer + 'static,
    C: Run<E>,
{
    type Function = C::Function;
    const KIND: Kind = Kind::Queued;

    fn call(&self, _sender: &Sender<'_>, _event: &E) -> R {
        unreachable!("queued receivers are not called by a send")
    }

    fn enqueue(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E,
        shared: &mut Shared,
    ) -> R {
        queue::enqueue(&self.queue, entry, sender, event, shared)
    }

    fn waits_for_this_thread(&self) -> bool {
        self.queue.is_inside_worker()
    }

    fn has_queued_events(&self) -> bool {
        self.queue.has_events()
    }

    fn is_left_to_parent(&self) -> bool {
        self.queue.is_before_fork()
    }

    fn deliver(&self, sent: &(dyn Any + Send + Sync)) {
        let (sender, event) = queue::unpack::<E>(sent);
        self.receiver.run(sender, event);
    }

    #[cfg(feature = "async")]
    fn is_driven(&self) -> bool {
        C::ASYNC
    }

    #[cfg(feature = "async")]
    fn drive<'a>(&'a self, sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
        let (sender, event) = queue::unpack::<E>(sent);
        self.receiver.start(sender, event)
    }
}

/// A function or closure that an async send runs on a thread of tokio's for blocking.
#[cfg(feature = "tokio")]
pub(crate) struct Offloaded<F>(pub(crate) F);

#[cfg(feature = "tokio")]
impl<E, R, F> Callee<E, R> for Offloaded<F>
where
    E: OwnedEvent + Clone + Send + Sync,
    R: Send + 'static,
    F: Fn(Sender<'_>, &E) -> R + Send + Sync + 'static,
{
    type Function = F;
    const KIND: Kind = Kind::Offloaded;

    fn call(&self, sender: &Sender<'_>, event: &E) -> R {
        (self.0)(*sender, event)
    }

    fn start<'a>(
        &'a self,
        entry: &Entry<E, R>,
        _pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E,
    ) -> BoxFuture<'a, R> {
        // Owned by the thread that runs it, which a cancelled send does not wait for; so it
        // has the entry too, and `disconnect_and_wait` waits.
        let entry = entry.clone();
        let (key, event) = (sender.to_key(), event.clone());
        Box::pin(crate::blocking::elsewhere(move || {
            let sender = key.as_ref().map_or(Sender::NONE, |key| key.as_sender());
            entry.call_marked(&sender, &event)
        }))
    }
}
