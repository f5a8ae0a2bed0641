//! The callables of receivers that run on a queue.

use std::any::{Any, type_name};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::job::{Job, Sent};
use super::pool::Handle;
use super::response::Response;
#[cfg(feature = "async")]
use crate::awaited::blocking;
#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::event::{Event, OwnedEvent};
use crate::kind::ReceiverKind;
use crate::receiver::callee::{Callee, Strong};
use crate::receiver::delivery::{Observe, Shared};
use crate::receiver::entry::Entry;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::sender::Sender;
use crate::tap::verdict::Verdict;

/// A receiver that runs on a queue, and the way to the value that the queue keeps for it.
pub(crate) struct Queued<C, K> {
    pub(crate) queue: Arc<Handle>,
    pub(crate) receiver: C,
    pub(crate) keep: K,
}

/// A way to the value that a queue keeps of an event. It runs in the send.
pub(crate) trait Keep<E: Event>: Send + Sync + 'static {
    type Owned: Send + Sync + 'static;

    /// The type that identifies a receiver whose callable is an `F`.
    type Function<F: 'static>: 'static;

    /// Returns a [`Sent`] of `Owned`.
    fn keep(
        &self,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
    ) -> Arc<dyn Any + Send + Sync>;
}

/// The queue keeps a clone of the event, which all such receivers of one send share.
pub(crate) struct Cloned;

impl<E: OwnedEvent + Clone + Send + Sync> Keep<E> for Cloned {
    type Owned = E;
    type Function<F: 'static> = F;

    fn keep(
        &self,
        sender: &Sender<'_>,
        event: &E,
        shared: &mut Shared,
    ) -> Arc<dyn Any + Send + Sync> {
        shared.get_or_make(|| Sent {
            sender: sender.to_key(),
            event: event.clone(),
        })
    }
}

/// The queue keeps the value that a function of the user makes of the event, for one receiver.
pub(crate) struct Made<M, O> {
    make: M,
    owned: PhantomData<fn() -> O>,
}

impl<M, O> Made<M, O> {
    pub(crate) fn new(make: M) -> Self {
        let owned = PhantomData;
        Made { make, owned }
    }
}

impl<E, M, O> Keep<E> for Made<M, O>
where
    E: Event,
    M: Fn(&E::Args<'_>) -> O + Send + Sync + 'static,
    O: Send + Sync + 'static,
{
    type Owned = O;
    /// Two receivers are the same only if both functions are.
    type Function<F: 'static> = (M, F);

    fn keep(
        &self,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        _shared: &mut Shared,
    ) -> Arc<dyn Any + Send + Sync> {
        let event = (self.make)(event);
        let sender = sender.to_key();
        Arc::new(Sent { sender, event })
    }
}

/// A receiver without the types of its responses, as a queue's worker runs it.
pub(crate) trait Run<E>: Send + Sync + 'static {
    type Function: 'static;

    fn run(&self, sender: Sender<'_>, event: &E);

    #[cfg(feature = "async")]
    const ASYNC: bool = false;

    /// Starts the future of a receiver that is `ASYNC`.
    #[cfg(feature = "async")]
    fn start<'a>(&'a self, _sender: Sender<'a>, _event: &'a E) -> BoxFuture<'a, ()> {
        unreachable!("only async receivers are driven")
    }
}

impl<E, F: Fn(Sender<'_>, &E) + Send + Sync + 'static> Run<E> for Strong<F> {
    type Function = F;

    fn run(&self, sender: Sender<'_>, event: &E) {
        (self.0)(sender, event);
    }
}

#[cfg(feature = "async")]
impl<E, F> Run<E> for Awaited<F>
where
    F: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
{
    type Function = F;

    fn run(&self, sender: Sender<'_>, event: &E) {
        blocking::drive((self.0)(sender, event));
    }

    const ASYNC: bool = true;

    fn start<'a>(&'a self, sender: Sender<'a>, event: &'a E) -> BoxFuture<'a, ()> {
        (self.0)(sender, event)
    }
}

impl<E, R, C, K> Callee<E, R> for Queued<C, K>
where
    E: Event,
    R: Response + 'static,
    K: Keep<E>,
    C: Run<K::Owned>,
{
    type Function = K::Function<C::Function>;
    const KIND: ReceiverKind = ReceiverKind::Queued;

    fn call(&self, _sender: &Sender<'_>, _event: &E::Args<'_>) -> R {
        unreachable!("queued receivers are not called by a send")
    }

    /// Gives the event of one send to the queue.
    fn enqueue(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
    ) -> R {
        let job = Job {
            sent: self.keep.keep(sender, event, shared),
            receiver: entry.to_arc().into_deliver(),
        };
        match self.queue.push(lane(&self.queue, entry, sender), job) {
            Ok(()) => R::accepted(),
            Err(error) => R::refused(error),
        }
    }

    fn enqueue_as(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
        observe: &Observe<'_>,
    ) -> (R, bool) {
        let job = Job {
            sent: self.keep.keep(sender, event, shared),
            receiver: observe(entry.to_arc().into_deliver()),
        };
        match self.queue.push(lane(&self.queue, entry, sender), job) {
            Ok(()) => (R::accepted(), true),
            Err(error) => (R::refused(error), false),
        }
    }

    fn intake(&self, entry: &Entry<E, R>, sender: &Sender<'_>) -> Verdict {
        self.queue.intake(lane(&self.queue, entry, sender))
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

    fn type_name(&self) -> &'static str {
        type_name::<C::Function>()
    }

    fn deliver(&self, sent: &(dyn Any + Send + Sync)) {
        let (sender, event) = unpack::<K::Owned>(sent);
        self.receiver.run(sender, event);
    }

    #[cfg(feature = "async")]
    fn is_driven(&self) -> bool {
        C::ASYNC
    }

    #[cfg(feature = "async")]
    fn drive<'a>(&'a self, sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
        let (sender, event) = unpack::<K::Owned>(sent);
        self.receiver.start(sender, event)
    }
}

/// Returns the sender of a job, and the event or the value that was made of it.
fn unpack<O: 'static>(sent: &(dyn Any + Send + Sync)) -> (Sender<'_>, &O) {
    let sent: &Sent<O> = sent
        .downcast_ref()
        .expect("a send and its receivers have one type of event");
    let sender = sent.sender.as_ref();
    (
        sender.map_or(Sender::NONE, |key| key.as_sender()),
        &sent.event,
    )
}

/// Returns the number of the worker's line. It is always the same for a receiver and a sender.
fn lane<E: Event, R: 'static>(queue: &Handle, entry: &Entry<E, R>, sender: &Sender<'_>) -> u64 {
    static HASHER: OnceLock<ahash::RandomState> = OnceLock::new();
    if queue.has_one_line() {
        return 0;
    }
    let hasher = HASHER.get_or_init(ahash::RandomState::new);
    hasher.hash_one((entry.id(), sender.probe()))
}
