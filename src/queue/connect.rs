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
    /// Selects `queue` for the receiver: it runs on a worker of the queue, some time after the send
    /// has given the event to the queue.
    ///
    /// A send clones the event, and its sender with it, once for all queued receivers that it
    /// reaches. It does not wait for the receivers, except if the queue is full and blocks (see
    /// [`Overflow`](crate::queue::Overflow)). The [`Response`] trait defines the responses that the
    /// send returns. A receiver that is disconnected still gets the events that are in the queue
    /// for it, and [`disconnect_and_wait`](Connection::disconnect_and_wait) waits for them.
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

/// The options of one connection whose receiver runs on a [`Queue`].
///
/// [`ConnectOptions::queued`] makes them, after all other options.
#[must_use = "options do nothing until `connect` or `prepare`"]
pub struct QueuedOptions<'s, E: Event, R: 'static = ()> {
    options: ConnectOptions<'s, E, R>,
    queue: Arc<Handle>,
}

/// The events must own their contents, and the responses implement [`Response`].
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
    /// [`Builder::concurrency`](crate::queue::Builder::concurrency) states. The rules for the
    /// queue's order, overflow and end hold for them as well. The future runs in the tokio runtime
    /// that [`Builder`](crate::queue::Builder)'s `on_tokio` gave the queue (with the feature
    /// `tokio`), or in no runtime.
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

    /// Makes an async receiver for [`Signal::connect_many`](crate::Signal::connect_many), as
    /// [`prepare`](QueuedOptions::prepare) makes a sync one.
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
