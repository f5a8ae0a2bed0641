//! Async receivers, and the sends that await them.

use std::sync::Arc;

use crate::connect::{ConnectOptions, Prepared};
use crate::connection::Connection;
use crate::error::TrySendError;
use crate::event::Event;
#[cfg(feature = "tokio")]
use crate::event::OwnedEvent;
#[cfg(feature = "tokio")]
use crate::receiver::callee::Offloaded;
use crate::receiver::callee::{Awaited, AwaitedWeakly};
use crate::receiver::{BoxFuture, Kind};
use crate::responses::{Responses, RobustResponses};
use crate::send::future::{self, Marked};
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::Table;
use crate::table::publish::Hub;

/// # Connecting async receivers
impl<E: Event, R: 'static> Signal<E, R> {
    /// Connects an async `receiver` for any sender, beside the others.
    ///
    /// A receiver is a function or closure that returns its future boxed; the future may
    /// borrow the sender and the event. An `async fn` becomes one through
    /// `|sender, event| Box::pin(it(sender, event))`, or through `#[receiver]`. What a closure
    /// captures its future cannot borrow; it clones an `Arc` of it.
    ///
    /// Everything else is as for [`connect`](Signal::connect).
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static GREETED: Signal<&'static str, usize> = Signal::new();
    ///
    /// GREETED.connect_async(|_sender, name| Box::pin(async move { name.len() }));
    /// GREETED.connect(|_sender, name| 100 + name.len());
    ///
    /// let borrowed = String::from("Ada");
    /// let lengths = pollster::block_on(GREETED.asend(Sender::NONE, &&*borrowed));
    /// assert_eq!(*lengths, [103, 3]);
    /// ```
    #[track_caller]
    pub fn connect_async<F>(&self, receiver: F) -> Connection
    where
        F: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        self.options().connect_async(receiver)
    }

    /// Connects an async method of `target`, for any sender, without keeping `target` alive.
    ///
    /// A send that has started keeps it alive until it is over or dropped. Everything else
    /// is as for [`connect_weak`](Signal::connect_weak).
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
    /// ASKED.connect_weak_async(&shelf, Shelf::take);
    /// assert_eq!(*pollster::block_on(ASKED.asend(Sender::NONE, &9)), [5]);
    /// drop(shelf);
    /// assert!(pollster::block_on(ASKED.asend(Sender::NONE, &9)).is_empty());
    /// ```
    #[track_caller]
    pub fn connect_weak_async<T, M>(&self, target: &Arc<T>, method: M) -> Connection
    where
        T: Send + Sync + 'static,
        M: for<'a> Fn(&'a T, Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R>
            + Send
            + Sync
            + 'static,
    {
        self.options().connect_weak_async(target, method)
    }
}

/// # Async receivers
impl<E: Event, R: 'static> ConnectOptions<'_, E, R> {
    /// Connects an async `receiver`. See [`Signal::connect_async`].
    #[track_caller]
    pub fn connect_async<F>(self, receiver: F) -> Connection
    where
        F: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        let signal = self.signal();
        signal.connect_one(self.prepare_async(receiver))
    }

    /// Connects an async method of an object that the signal does not keep alive. See
    /// [`Signal::connect_weak_async`].
    #[track_caller]
    pub fn connect_weak_async<T, M>(self, target: &Arc<T>, method: M) -> Connection
    where
        T: Send + Sync + 'static,
        M: for<'a> Fn(&'a T, Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R>
            + Send
            + Sync
            + 'static,
    {
        let signal = self.signal();
        signal.connect_one(self.prepare_weak_async(target, method))
    }

    /// As [`prepare`](ConnectOptions::prepare), for an async receiver.
    #[track_caller]
    pub fn prepare_async<F>(self, receiver: F) -> Prepared<E, R>
    where
        F: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        self.slot(Awaited(receiver))
    }

    /// As [`prepare_weak`](ConnectOptions::prepare_weak), for an async method.
    #[track_caller]
    pub fn prepare_weak_async<T, M>(self, target: &Arc<T>, method: M) -> Prepared<E, R>
    where
        T: Send + Sync + 'static,
        M: for<'a> Fn(&'a T, Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R>
            + Send
            + Sync
            + 'static,
    {
        self.slot(AwaitedWeakly {
            target: Arc::downgrade(target),
            method,
        })
    }
}

/// # Whether to await
impl<E: Event, R: 'static> Signal<E, R> {
    /// Whether a send from `sender` that started now would get to an async receiver, or to
    /// one that blocks: whether [`asend`](Signal::asend) is the way to send it, where both
    /// are open. Otherwise as [`has_listeners`](Signal::has_listeners).
    ///
    /// Looks at each receiver that the send would get to.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static TOLD: Signal<u32> = Signal::new();
    /// TOLD.connect(|_sender, _n| ());
    /// assert!(!TOLD.has_async_listeners(Sender::NONE));
    /// TOLD.options().sender("till").connect_async(|_sender, _n| Box::pin(async {}));
    /// assert!(!TOLD.has_async_listeners(Sender::NONE));
    /// assert!(TOLD.has_async_listeners("till"));
    /// ```
    pub fn has_async_listeners<'a>(&self, sender: impl Into<Sender<'a>>) -> bool {
        self.has_listener(&sender.into(), |kind| {
            !matches!(kind, Kind::Called | Kind::Queued)
        })
    }
}

type Taken<'s, E, R> = (&'s Hub<Table<E, R>>, Arc<Table<E, R>>);

impl<E: Event, R: 'static> Signal<E, R> {
    /// The table, owned, for a send that lets go of its thread.
    fn taken(&self) -> Option<Taken<'_, E, R>> {
        let hub = self.occupied()?;
        Some((hub, hub.load_full()?))
    }
}

/// # Receivers that block
#[cfg(feature = "tokio")]
impl<E: Event, R: 'static> ConnectOptions<'_, E, R> {
    /// Connects a receiver that an async send runs on a thread which tokio keeps for
    /// blocking (`spawn_blocking`), with a clone of the event.
    ///
    /// An async send awaits it together with the async receivers, and its answer stands
    /// among theirs. Should that send be dropped, the receiver runs on to its end. Without a
    /// tokio runtime it is called where the send is polled, and in a blocking send as any
    /// other sync receiver. Costs some 30 µs more than a call. See
    /// [`blocking`](ConnectOptions::blocking) for one that borrows its event.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use std::thread;
    ///
    /// static SAVED: Signal<String, thread::ThreadId> = Signal::new();
    /// SAVED.options().connect_offloaded(|_sender, _text| thread::current().id());
    ///
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let text = "kept".to_string();
    /// let there = runtime.block_on(SAVED.asend(Sender::NONE, &text));
    /// assert_ne!(there[0], thread::current().id());
    /// assert_eq!(*SAVED.send(Sender::NONE, &text), [thread::current().id()]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect_offloaded<F>(self, receiver: F) -> Connection
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: Send,
        F: Fn(Sender<'_>, &E) -> R + Send + Sync + 'static,
    {
        let signal = self.signal();
        signal.connect_one(self.prepare_offloaded(receiver))
    }

    /// As [`prepare`](ConnectOptions::prepare), for such a receiver.
    #[track_caller]
    pub fn prepare_offloaded<F>(self, receiver: F) -> Prepared<E, R>
    where
        E: OwnedEvent + Clone + Send + Sync,
        R: Send,
        F: Fn(Sender<'_>, &E) -> R + Send + Sync + 'static,
    {
        self.slot(Offloaded(receiver))
    }
}

/// # Sending to async receivers
impl<E: Event, R: Send + 'static> Signal<E, R> {
    /// Calls each sync receiver that `sender` reaches, then runs the async ones together,
    /// and returns the answers: of the sync receivers, then of the async ones, each in
    /// their order, whichever is done first.
    ///
    /// The future does nothing until it is polled; its first poll takes the snapshot and
    /// calls the sync receivers. It is `Send`, works on any executor, and its receivers run
    /// inside the caller's task. Between polls it keeps the snapshot alive, so
    /// [`disconnect_and_wait`](Connection::disconnect_and_wait) waits for its end; no guard
    /// of `arc_swap` is held then.
    ///
    /// A poll blocks for as long as a sync receiver does (see
    /// [`blocking`](ConnectOptions::blocking)), and where a queue is full and its policy is
    /// to block.
    ///
    /// Allocates for each async receiver, whatever `R` is.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops those of the receivers that have not finished; sync
    /// receivers have either all run by then or none has, and offloaded ones run on. With
    /// the feature `tracing` one event at level warn, target `fanfare`, names those that had
    /// finished, those that were dropped, and those that run on; so it does where the panic of a future ends the send. It is told if a subscriber wanted it
    /// at the first poll.
    ///
    /// # Panics
    ///
    /// Panics with the first panic of a receiver. Each async receiver has been polled once by then,
    /// unless a sync receiver panicked. The futures that have not finished are dropped before the
    /// panic leaves. Also panics if sends are nested too deep: see [`Signal`].
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static ADD: Signal<u32, u32> = Signal::new();
    /// ADD.connect_async(|_sender, n| Box::pin(async move { n + 1 }));
    /// ADD.connect(|_sender, n| n + 2);
    ///
    /// # pollster::block_on(async {
    /// assert_eq!(*ADD.asend(Sender::NONE, &10).await, [12, 11]);
    /// # });
    /// ```
    pub fn asend<'a, 'e, S: Into<Sender<'a>>>(
        &'a self,
        sender: S,
        event: &'a E::Args<'e>,
    ) -> impl Future<Output = Responses<R>> + Send + use<'a, 'e, E, R, S>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let sender = sender.into();
        async move {
            // First, to outlive the table: destructors of answers are the user's.
            let mut responses = Responses::new();
            let Some((hub, table)) = self.taken() else {
                return responses;
            };
            let selection = table.select(&sender);
            if future::needs_books(&selection) {
                // Boxed, for it is large and the common case is not.
                let gathered = Box::pin(future::gather(hub, table, &sender, event, false));
                return Marked::new(hub, gathered).await.into_answers();
            }
            if let Some(run) = selection.only_awaited() {
                future::wait(hub, run.iter(), sender, event, &mut responses).await;
            } else {
                let awaited = future::call_first(hub, &selection, &sender, event, &mut responses);
                let awaited = awaited.iter().copied();
                future::wait(hub, awaited, sender, event, &mut responses).await;
            }
            responses
        }
    }

    /// As [`asend`](Signal::asend), but a panic of a receiver is caught and becomes its
    /// outcome; the others run.
    ///
    /// Each failure is also reported once, as in [`send_robust`](Signal::send_robust).
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static DIVIDE: Signal<u32, u32> = Signal::new();
    /// DIVIDE.connect_async(|_sender, by| Box::pin(async move { 100 / by }));
    /// DIVIDE.connect_async(|_sender, by| Box::pin(async move { 7 * by }));
    ///
    /// # std::panic::set_hook(Box::new(|_| ()));
    /// # pollster::block_on(async {
    /// let outcomes = DIVIDE.asend_robust(Sender::NONE, &0).await;
    /// assert_eq!(outcomes.failures().count(), 1);
    /// assert_eq!(**outcomes.answers(), [0]);
    /// # });
    /// ```
    pub fn asend_robust<'a, 'e, S: Into<Sender<'a>>>(
        &'a self,
        sender: S,
        event: &'a E::Args<'e>,
    ) -> impl Future<Output = RobustResponses<R>> + Send + use<'a, 'e, E, R, S>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let sender = sender.into();
        async move {
            let Some((hub, table)) = self.taken() else {
                return RobustResponses::new();
            };
            Marked::new(hub, future::gather(hub, table, &sender, event, true)).await
        }
    }
}

/// # Sending to async receivers that can fail
impl<E: Event, T: Send + 'static, X: Send + 'static> Signal<E, Result<T, X>> {
    /// As [`asend`](Signal::asend), but stops at the first `Err`: of a sync receiver, and
    /// then no later one runs and no async one starts; of an async receiver, whichever
    /// fails first, and then the others are dropped where they are. Before the `Err` of an async
    /// receiver is returned, the future of each async receiver has been polled once.
    ///
    /// # Errors
    ///
    /// With that error, its receiver, and the answers of the sync receivers before it. Those
    /// of async receivers that had finished are lost.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static PAY: Signal<u32, Result<u32, String>> = Signal::new();
    /// PAY.connect(|_sender, cents| Ok(cents / 100));
    /// PAY.connect_async(|_sender, _cents| Box::pin(std::future::pending()));
    /// PAY.connect_async(|_sender, cents| {
    ///     Box::pin(async move { Err(format!("{cents} cents are too few")) })
    /// });
    ///
    /// # pollster::block_on(async {
    /// let stopped = PAY.try_asend(Sender::NONE, &250).await.unwrap_err();
    /// assert_eq!(*stopped.before, [2]);
    /// assert_eq!(stopped.error, "250 cents are too few");
    /// # });
    /// ```
    pub fn try_asend<'a, 'e, S: Into<Sender<'a>>>(
        &'a self,
        sender: S,
        event: &'a E::Args<'e>,
    ) -> impl Future<Output = Result<Responses<T>, TrySendError<T, X>>> + Send + use<'a, 'e, E, T, X, S>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let sender = sender.into();
        async move {
            let Some((hub, table)) = self.taken() else {
                return Ok(Responses::new());
            };
            Marked::new(hub, future::try_gather(hub, table, &sender, event)).await
        }
    }
}
