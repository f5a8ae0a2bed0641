//! Connecting receivers that run on a queue.

use std::sync::Arc;

use super::Queue;
use super::callee::{Cloned, Keep, Made, Queued, Run};
use super::kept::Keeps;
use super::pool::Handle;
use super::response::Response;
#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::connection::connect_options::ConnectOptions;
use crate::connection::target::ConnectTarget;
use crate::event::{Event, OwnedEvent};
use crate::receiver::callee::Strong;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::sender::Sender;

impl<E: Event, R: 'static, T: ConnectTarget<E, R>> ConnectOptions<E, R, T> {
    /// Selects `queue` for the receiver. Write it after all other options. The receiver runs on a
    /// worker of the queue, some time after the send has given the event to the queue.
    ///
    /// A send clones the event, and its sender with it, once for all queued receivers that it
    /// reaches. It does not wait for the receivers, except if the queue is full and blocks (see
    /// [`Overflow`](crate::queue::Overflow)). The [`Response`] trait defines the responses that the
    /// send returns. A receiver that is disconnected still gets the events that are in the queue
    /// for it, and [`disconnect_and_wait`](crate::Connection::disconnect_and_wait) waits for them.
    ///
    /// An event that borrows is queued with [`connect_owned`](QueuedOptions::connect_owned).
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
    pub fn queued(self, queue: &Queue) -> QueuedOptions<E, R, T> {
        QueuedOptions {
            options: self,
            queue: Arc::clone(queue.handle()),
        }
    }
}

/// The options of one connection whose receiver runs on a [`Queue`].
///
/// [`ConnectOptions::queued`] makes them, after all other options.
#[must_use = "options do nothing until `connect` or one of its siblings"]
pub struct QueuedOptions<E: Event, R: 'static, T> {
    options: ConnectOptions<E, R, T>,
    queue: Arc<Handle>,
}

/// The responses must implement [`Response`].
impl<E: Event, R: 'static, T: ConnectTarget<E, R>> QueuedOptions<E, R, T> {
    /// Connects `receiver`, which returns no response.
    ///
    /// The event must own its contents: see [`connect_owned`](QueuedOptions::connect_owned) for an
    /// event that borrows. Everything else is as for [`Signal::connect`](crate::Signal::connect).
    #[track_caller]
    pub fn connect<F, K>(self, receiver: F) -> T::Connected
    where
        Queue: Keeps<E, K>,
        E: OwnedEvent + Clone + Send + Sync,
        R: Response,
        F: Fn(Sender<'_>, &E) + Send + Sync + 'static,
    {
        self.connect_kept(Cloned, Strong(receiver))
    }

    /// Connects `receiver`, which gets the value that `make` makes of each event. So an event that
    /// borrows can be queued.
    ///
    /// `make` runs in the send, on the thread of the sender, once for each event and each receiver,
    /// also if the queue then refuses or drops its value.
    /// The queue keeps its value, and [`Undelivered::event`](crate::queue::Undelivered::event)
    /// returns it after a shutdown. A panic of `make` is a panic of the receiver in that send: it
    /// travels to the sender, or [`send_robust`](crate::Signal::send_robust) catches it, and the
    /// queue gets no event.
    ///
    /// The connection is a duplicate if both functions are those of an earlier connect, and capture
    /// no variables. It is disconnected by its [`Connection`](crate::Connection), its id or its
    /// uid, because the type of `receiver` alone does not identify it. Everything else is as for
    /// [`connect`](QueuedOptions::connect).
    ///
    /// ```
    /// use fanfare::{Event, Queue, Signal};
    /// use std::sync::Mutex;
    ///
    /// struct LineRead<'a> {
    ///     text: &'a str,
    /// }
    /// impl Event for LineRead<'static> {
    ///     type Args<'a> = LineRead<'a>;
    /// }
    ///
    /// static LINE_READ: Signal<LineRead<'static>> = Signal::new();
    /// static INDEXED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// let queue = Queue::bounded(100)?;
    /// LINE_READ.options().queued(&queue).connect_owned(
    ///     |line| line.text.to_owned(),
    ///     |_sender, text| INDEXED.lock().unwrap().push(text.clone()),
    /// );
    /// for text in "two\nlines".lines() {
    ///     LINE_READ.send(&LineRead { text });
    /// }
    /// queue.flush().unwrap();
    /// assert_eq!(*INDEXED.lock().unwrap(), ["two", "lines"]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_owned<O, M, F>(self, make: M, receiver: F) -> T::Connected
    where
        O: Send + Sync + 'static,
        R: Response,
        M: Fn(&E::Args<'_>) -> O + Send + Sync + 'static,
        F: Fn(Sender<'_>, &O) + Send + Sync + 'static,
    {
        self.connect_kept(Made::new(make), Strong(receiver))
    }

    #[track_caller]
    fn connect_kept<K, C>(self, keep: K, receiver: C) -> T::Connected
    where
        R: Response,
        K: Keep<E>,
        C: Run<K::Owned>,
    {
        self.options.connect_callee(Queued {
            queue: self.queue,
            receiver,
            keep,
        })
    }
}

/// # Async receivers
#[cfg(feature = "async")]
impl<E: Event, R: 'static, T: ConnectTarget<E, R>> QueuedOptions<E, R, T> {
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
    pub fn connect_async<F, K>(self, receiver: F) -> T::Connected
    where
        Queue: Keeps<E, K>,
        E: OwnedEvent + Clone + Send + Sync,
        R: Response,
        F: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        self.connect_kept(Cloned, Awaited(receiver))
    }

    /// Connects an async `receiver`, which gets the value that `make` makes of each event.
    ///
    /// `make` is as for [`connect_owned`](QueuedOptions::connect_owned), and the future as for
    /// [`connect_async`](QueuedOptions::connect_async).
    ///
    /// ```
    /// use fanfare::{Queue, Signal};
    /// use std::sync::Mutex;
    ///
    /// static SAID: Signal<&'static str> = Signal::new();
    /// static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// let queue = Queue::bounded(100)?;
    /// SAID.options().queued(&queue).connect_owned_async(
    ///     |text| String::from(*text),
    ///     |_sender, text| Box::pin(async move { KEPT.lock().unwrap().push(text.clone()) }),
    /// );
    /// let text = String::from("hello");
    /// SAID.send(&&*text);
    /// drop(text);
    /// queue.flush().unwrap();
    /// assert_eq!(*KEPT.lock().unwrap(), ["hello"]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_owned_async<O, M, F>(self, make: M, receiver: F) -> T::Connected
    where
        O: Send + Sync + 'static,
        R: Response,
        M: Fn(&E::Args<'_>) -> O + Send + Sync + 'static,
        F: for<'a> Fn(Sender<'a>, &'a O) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        self.connect_kept(Made::new(make), Awaited(receiver))
    }
}
