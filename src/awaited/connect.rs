//! Connecting async receivers, and receivers that an async send runs elsewhere.

use std::sync::Arc;

#[cfg(feature = "tokio")]
use super::callee::Offloaded;
use super::callee::{Awaited, AwaitedWeakly};
use crate::connection::connect_options::ConnectOptions;
use crate::connection::handle::Connection;
use crate::connection::target::ConnectTarget;
use crate::event::Event;
#[cfg(feature = "tokio")]
use crate::event::OwnedEvent;
use crate::receiver::future::BoxFuture;
use crate::sender::Sender;
use crate::signal::Signal;

/// # Connecting async receivers
impl<E: Event, R: 'static> Signal<E, R> {
    /// Connects an async `receiver` for any sender, in addition to the receivers that are
    /// connected.
    ///
    /// A receiver is a function or closure that returns its future boxed. The future may borrow the
    /// sender and the event. To connect an `async fn`, pass
    /// `|sender, event| Box::pin(it(sender, event))` or use `#[receiver]`. An async closure
    /// (`async |sender, event| ..`) does not compile here, because stable Rust cannot require that
    /// its future may change threads. Write `|sender, event| Box::pin(async move { .. })`. The
    /// future cannot borrow a variable that the closure captures. Clone an `Arc` of the variable
    /// into the future instead.
    ///
    /// Otherwise it works like [`connect`](Signal::connect).
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static GREETED: Signal<&'static str, usize> = Signal::new();
    ///
    /// GREETED.connect_async(|_sender, name| Box::pin(async move { name.len() }));
    /// GREETED.connect(|_sender, name| 100 + name.len());
    ///
    /// let borrowed = String::from("Ada");
    /// let lengths = pollster::block_on(GREETED.asend(&&*borrowed));
    /// assert_eq!(*lengths, [103, 3]);
    /// ```
    #[track_caller]
    pub fn connect_async<F>(&self, receiver: F) -> Connection
    where
        F: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        self.options().connect_async(receiver)
    }
}

/// # Async receivers
impl<E: Event, R: 'static, T: ConnectTarget<E, R>> ConnectOptions<E, R, T> {
    /// Connects an async `receiver`. See [`Signal::connect_async`].
    #[track_caller]
    pub fn connect_async<F>(self, receiver: F) -> T::Connected
    where
        F: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        self.connect_callee(Awaited(receiver))
    }

    /// Connects an async method of `object`, without keeping `object` alive.
    ///
    /// A send that has started keeps `object` alive until the send is over or dropped. Otherwise
    /// this works like [`Signal::connect_weak`].
    ///
    /// ```
    /// use fanfare::{BoxFuture, Sender, Signal};
    /// use std::sync::Arc;
    ///
    /// static ASKED: Signal<u32, u32> = Signal::new();
    ///
    /// struct Shelf(u32);
    /// impl Shelf {
    ///     fn take<'a>(&'a self, _sender: Sender<'a>, n: &'a u32) -> BoxFuture<'a, u32> {
    ///         Box::pin(async move { self.0.min(*n) })
    ///     }
    /// }
    ///
    /// let shelf = Arc::new(Shelf(5));
    /// ASKED.options().connect_weak_async(&shelf, Shelf::take);
    /// assert_eq!(*pollster::block_on(ASKED.asend(&9)), [5]);
    /// drop(shelf);
    /// assert!(pollster::block_on(ASKED.asend(&9)).is_empty());
    /// ```
    #[track_caller]
    pub fn connect_weak_async<O, M>(self, object: &Arc<O>, method: M) -> T::Connected
    where
        O: ?Sized + Send + Sync + 'static,
        M: for<'a> Fn(&'a O, Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R>
            + Send
            + Sync
            + 'static,
    {
        self.connect_callee(AwaitedWeakly {
            target: Arc::downgrade(object),
            method,
        })
    }
}

/// # Receivers that block
#[cfg(feature = "tokio")]
impl<E: Event, R: 'static, T: ConnectTarget<E, R>> ConnectOptions<E, R, T> {
    /// Connects a receiver that an async send runs, with a clone of the event, on a thread that
    /// tokio keeps for blocking (`spawn_blocking`).
    ///
    /// An async send awaits it together with the async receivers, and returns its response among
    /// their responses. If that send is dropped, the receiver still runs to its end. Without a
    /// tokio runtime, the thread that polls the send calls the receiver. A blocking send calls it
    /// like any other sync receiver. It costs about 30 µs more than a call. For a receiver that
    /// borrows its event, see [`blocking`](ConnectOptions::blocking).
    ///
    /// ```
    /// use fanfare::Signal;
    /// use std::thread;
    ///
    /// static SAVED: Signal<String, thread::ThreadId> = Signal::new();
    /// SAVED.options().connect_offloaded(|_sender, _text| thread::current().id());
    ///
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let text = "kept".to_string();
    /// let there = runtime.block_on(SAVED.asend(&text));
    /// assert_ne!(there[0], thread::current().id());
    /// assert_eq!(*SAVED.send(&text), [thread::current().id()]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_offloaded<F>(self, receiver: F) -> T::Connected
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: Send,
        F: Fn(Sender<'_>, &E) -> R + Send + Sync + 'static,
    {
        self.connect_callee(Offloaded(receiver))
    }
}
