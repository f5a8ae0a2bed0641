//! The callables of receivers that run on a queue.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use super::job::{Job, Sent};
use super::pool::Handle;
use super::response::Response;
#[cfg(feature = "async")]
use crate::awaited::blocking;
#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::event::{Event, OwnedEvent};
use crate::receiver::callee::{Callee, Strong};
use crate::receiver::delivery::Shared;
use crate::receiver::entry::Entry;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::receiver::kind::ReceiverKind;
use crate::sender::Sender;

/// A receiver that runs on a queue.
pub(crate) struct Queued<C> {
    pub(crate) queue: Arc<Handle>,
    pub(crate) receiver: C,
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

impl<E, R, C> Callee<E, R> for Queued<C>
where
    E: OwnedEvent + Clone + Send + Sync,
    R: Response + 'static,
    C: Run<E>,
{
    type Function = C::Function;
    const KIND: ReceiverKind = ReceiverKind::Queued;

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
        enqueue(&self.queue, entry, sender, event, shared)
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
        let (sender, event) = unpack::<E>(sent);
        self.receiver.run(sender, event);
    }

    #[cfg(feature = "async")]
    fn is_driven(&self) -> bool {
        C::ASYNC
    }

    #[cfg(feature = "async")]
    fn drive<'a>(&'a self, sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
        let (sender, event) = unpack::<E>(sent);
        self.receiver.start(sender, event)
    }
}

/// Returns the sender and the event of a job.
fn unpack<E: OwnedEvent>(sent: &(dyn Any + Send + Sync)) -> (Sender<'_>, &E) {
    let sent: &Sent<E> = sent.downcast_ref().expect("the send made it of this event");
    let sender = sent.sender.as_ref();
    (
        sender.map_or(Sender::NONE, |key| key.as_sender()),
        &sent.event,
    )
}

/// Gives the event of one send to the queue of one receiver.
fn enqueue<E, R>(
    queue: &Handle,
    entry: &Entry<E, R>,
    sender: &Sender<'_>,
    event: &E,
    shared: &mut Shared,
) -> R
where
    E: OwnedEvent + Clone + Send + Sync,
    R: Response + 'static,
{
    let job = Job {
        receiver: entry.to_arc().into_deliver(),
        sent: shared.get_or_make(|| Sent {
            sender: sender.to_key(),
            event: event.clone(),
        }),
    };
    match queue.push(lane(queue, entry, sender), job) {
        Ok(()) => R::accepted(),
        Err(error) => R::refused(error),
    }
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
