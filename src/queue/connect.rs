//! Connecting receivers that run on a queue.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use super::pool::{Handle, Job, Sent};
use super::{Queue, QueueError};
use crate::connect::{ConnectOptions, Prepared};
use crate::connection::Connection;
use crate::event::{Event, OwnedEvent};
#[cfg(feature = "async")]
use crate::receiver::BoxFuture;
use crate::receiver::Entry;
#[cfg(feature = "async")]
use crate::receiver::callee::Awaited;
use crate::receiver::callee::{Queued, Strong};
use crate::report;
use crate::sender::Sender;

/// What a signal's answers need for receivers that have not run when the send returns.
///
/// Implemented for `()`, for `Option<T>` (the answer is `None`) and for `Result<T, X>` where `T`
/// has a default and `X` is made from a [`QueueError`], which is how a send learns of an event
/// that its queue refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a queued receiver, which runs after the send has returned",
    label = "this signal's receivers must answer at once",
    note = "signals that answer `()`, `Option<T>`, or `Result<T, X>` with `T: Default` and `X: From<QueueError>` have queued receivers"
)]
pub trait QueueAnswer: Sized {
    /// The answer of a receiver whose event is in the queue, or was dropped by the queue's
    /// policy.
    fn accepted() -> Self;

    /// The answer of a receiver whose event the queue refused.
    fn refused(error: QueueError) -> Self;
}

impl QueueAnswer for () {
    fn accepted() -> Self {}

    fn refused(_error: QueueError) -> Self {}
}

impl<T> QueueAnswer for Option<T> {
    fn accepted() -> Self {
        None
    }

    fn refused(_error: QueueError) -> Self {
        None
    }
}

impl<T: Default, X: From<QueueError>> QueueAnswer for Result<T, X> {
    fn accepted() -> Self {
        Ok(T::default())
    }

    fn refused(error: QueueError) -> Self {
        Err(error.into())
    }
}

impl<'s, E: Event, R: 'static> ConnectOptions<'s, E, R> {
    /// The receiver runs on a worker of `queue`, some time after the send has handed it the
    /// event.
    ///
    /// A send clones the event once for all queued receivers that it reaches, and its sender
    /// with it; it does not wait for the receivers, unless the queue is full and blocks (see
    /// [`Overflow`](crate::Overflow)). What the send gets as the answer is told by
    /// [`QueueAnswer`]. A receiver that is disconnected still gets what is in the queue for it,
    /// and [`disconnect_and_wait`](Connection::disconnect_and_wait) waits for that.
    ///
    /// ```
    /// use fanfare::{Queue, Sender, Signal};
    /// use std::sync::Mutex;
    ///
    /// static ORDERED: Signal<String> = Signal::new();
    /// static MAILED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// let queue = Queue::bounded(100)?;
    /// ORDERED.options().queued(&queue).connect(|_sender, order| {
    ///     MAILED.lock().unwrap().push(order.clone());
    /// });
    /// ORDERED.send(Sender::NONE, &"tea".to_string());
    /// ORDERED.send(Sender::NONE, &"milk".to_string());
    /// queue.flush().unwrap();
    /// assert_eq!(*MAILED.lock().unwrap(), ["tea", "milk"]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn queued(self, queue: &Queue) -> QueuedOptions<'s, E, R> {
        QueuedOptions {
            options: self,
            queue: Arc::clone(queue.handle()),
        }
    }
}

/// Options of one connection whose receiver runs on a [`Queue`]. Made by
/// [`ConnectOptions::queued`], after all other options.
#[must_use = "options do nothing until `connect` or `prepare`"]
pub struct QueuedOptions<'s, E: Event, R: 'static = ()> {
    options: ConnectOptions<'s, E, R>,
    queue: Arc<Handle>,
}

/// The events must own what they carry, and the answers be those of [`QueueAnswer`].
impl<E: Event, R: 'static> QueuedOptions<'_, E, R> {
    /// Connects `receiver`, which answers nobody: what it has to tell it must tell itself.
    ///
    /// Everything else is as for [`Signal::connect`](crate::Signal::connect).
    #[track_caller]
    pub fn connect<F>(self, receiver: F) -> Connection
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: QueueAnswer,
        F: Fn(Sender<'_>, &E) + Send + Sync + 'static,
    {
        let signal = self.options.signal();
        signal.connect_one(self.prepare(receiver))
    }

    /// Makes a receiver for [`Signal::connect_many`](crate::Signal::connect_many).
    #[track_caller]
    pub fn prepare<F>(self, receiver: F) -> Prepared<E, R>
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: QueueAnswer,
        F: Fn(Sender<'_>, &E) + Send + Sync + 'static,
    {
        self.options.slot(Queued {
            queue: self.queue,
            receiver: Strong(receiver),
        })
    }
}

/// # Async receivers
#[cfg(feature = "async")]
impl<E: Event, R: 'static> QueuedOptions<'_, E, R> {
    /// Connects an async `receiver`, whose future a worker of the queue drives to its end
    /// before it takes the next event.
    ///
    /// So a queue runs as many of its futures at a time as it has workers, or as many times that as
    /// [`QueueBuilder::concurrency`](crate::QueueBuilder::concurrency) states. Everything
    /// that is said of the queue's order, overflow and end holds for them. The future runs
    /// in the tokio runtime that the queue was given by
    /// [`QueueBuilder`](crate::QueueBuilder)'s `on_tokio` (with the feature `tokio`), or in none.
    ///
    /// ```
    /// use fanfare::{Queue, Sender, Signal};
    /// use std::sync::Mutex;
    ///
    /// static ORDERED: Signal<String> = Signal::new();
    /// static INDEXED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// let queue = Queue::bounded(100)?;
    /// ORDERED.options().queued(&queue).connect_async(|_sender, order| {
    ///     Box::pin(async move { INDEXED.lock().unwrap().push(order.clone()) })
    /// });
    /// ORDERED.send(Sender::NONE, &"tea".to_string());
    /// queue.flush().unwrap();
    /// assert_eq!(*INDEXED.lock().unwrap(), ["tea"]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_async<F>(self, receiver: F) -> Connection
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: QueueAnswer,
        F: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        let signal = self.options.signal();
        signal.connect_one(self.prepare_async(receiver))
    }

    /// As [`prepare`](QueuedOptions::prepare), for an async receiver.
    #[track_caller]
    pub fn prepare_async<F>(self, receiver: F) -> Prepared<E, R>
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: QueueAnswer,
        F: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        self.options.slot(Queued {
            queue: self.queue,
            receiver: Awaited(receiver),
        })
    }
}

/// What the queued receivers of one send share, made when the first is reached.
#[derive(Default)]
pub(crate) struct Shared(Option<Arc<dyn Any + Send + Sync>>);

impl Drop for Shared {
    /// Where the workers were faster, the sender lets go of the event last. A panic of its
    /// destructor is no business of the sender's.
    fn drop(&mut self) {
        let Some(sent) = self.0.take() else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(sent))) {
            report::event_panicked(payload);
        }
    }
}

impl Shared {
    fn of<E: OwnedEvent + Clone + Send + Sync>(
        &mut self,
        sender: &Sender<'_>,
        event: &E,
    ) -> Arc<dyn Any + Send + Sync> {
        let shared = self.0.get_or_insert_with(|| {
            Arc::new(Sent {
                sender: sender.to_key(),
                event: event.clone(),
            })
        });
        Arc::clone(shared)
    }
}

/// What a worker finds in a job.
pub(crate) fn unpack<E: OwnedEvent>(sent: &(dyn Any + Send + Sync)) -> (Sender<'_>, &E) {
    let sent: &Sent<E> = sent.downcast_ref().expect("the send made it of this event");
    let sender = sent.sender.as_ref();
    (
        sender.map_or(Sender::NONE, |key| key.as_sender()),
        &sent.event,
    )
}

/// Hands the event of one send to the queue of one receiver.
pub(crate) fn enqueue<E, R>(
    queue: &Handle,
    entry: &Entry<E, R>,
    sender: &Sender<'_>,
    event: &E,
    shared: &mut Shared,
) -> R
where
    E: OwnedEvent + Clone + Send + Sync,
    R: QueueAnswer + 'static,
{
    let job = Job {
        receiver: entry.to_arc().into_deliver(),
        sent: shared.of(sender, event),
    };
    match queue.push(lane(queue, entry, sender), job) {
        Ok(()) => R::accepted(),
        Err(error) => R::refused(error),
    }
}

/// Which worker gets it: always the same for a receiver and a sender.
fn lane<E: Event, R: 'static>(queue: &Handle, entry: &Entry<E, R>, sender: &Sender<'_>) -> u64 {
    static HASHER: OnceLock<ahash::RandomState> = OnceLock::new();
    if queue.has_one_line() {
        return 0;
    }
    let hasher = HASHER.get_or_init(ahash::RandomState::new);
    hasher.hash_one((entry.id(), sender.probe()))
}
