//! Connecting receivers that run on a queue.

use std::sync::Arc;

use super::Queue;
use super::callee::Queued;
use super::pool::Handle;
use super::response::Response;
#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::connection::connect_options::{ConnectOptions, Prepared};
use crate::connection::handle::Connection;
use crate::event::{Event, OwnedEvent};
use crate::receiver::callee::Strong;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::sender::Sender;

impl<'s, E: Event, R: 'static> ConnectOptions<'s, E, R> {
    /// The receiver runs on a worker of `queue`, some time after the send has handed it the
    /// event.
    ///
    /// A send clones the event once for all queued receivers that it reaches, and its sender
    /// with it; it does not wait for the receivers, unless the queue is full and blocks (see
    /// [`Overflow`](crate::queue::Overflow)). The [`Response`] states what the send
    /// returns. A receiver that is disconnected still gets what is in the queue for it,
    /// and [`disconnect_and_wait`](Connection::disconnect_and_wait) waits for that.
    ///
    /// ```
    /// use fanfare::{Queue, Signal};
    /// use std::sync::Mutex;
    ///
    /// static ORDERED: Signal<String> = Signal::new();
    /// static MAILED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// let queue = Queue::bounded(100)?;
    /// ORDERED.options().queued(&queue).connect(|_sender, order| {
    ///     MAILED.lock().unwrap().push(order.clone());
    /// });
    /// ORDERED.send(&"tea".to_string());
    /// ORDERED.send(&"milk".to_string());
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

/// The events must own what they carry, and the responses implement [`Response`].
impl<E: Event, R: 'static> QueuedOptions<'_, E, R> {
    /// Connects `receiver`, which returns no response.
    ///
    /// Everything else is as for [`Signal::connect`](crate::Signal::connect).
    #[track_caller]
    pub fn connect<F>(self, receiver: F) -> Connection
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: Response,
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
        R: Response,
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
    /// [`Builder::concurrency`](crate::queue::Builder::concurrency) states. Everything
    /// that is said of the queue's order, overflow and end holds for them. The future runs
    /// in the tokio runtime that the queue was given by
    /// [`Builder`](crate::queue::Builder)'s `on_tokio` (with the feature `tokio`), or in none.
    ///
    /// ```
    /// use fanfare::{Queue, Signal};
    /// use std::sync::Mutex;
    ///
    /// static ORDERED: Signal<String> = Signal::new();
    /// static INDEXED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// let queue = Queue::bounded(100)?;
    /// ORDERED.options().queued(&queue).connect_async(|_sender, order| {
    ///     Box::pin(async move { INDEXED.lock().unwrap().push(order.clone()) })
    /// });
    /// ORDERED.send(&"tea".to_string());
    /// queue.flush().unwrap();
    /// assert_eq!(*INDEXED.lock().unwrap(), ["tea"]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_async<F>(self, receiver: F) -> Connection
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: Response,
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
        R: Response,
        F: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        self.options.slot(Queued {
            queue: self.queue,
            receiver: Awaited(receiver),
        })
    }
}
