//! The async sends of a signal.

use std::sync::Arc;

use super::marked::Marked;
use super::walk;
use crate::error::TrySendError;
use crate::event::Event;
use crate::receiver::kind::Mode;
use crate::receiver::{Hub, Table};
use crate::responses::{Responses, RobustResponses};
use crate::sender::Sender;
use crate::signal::Signal;

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
            kind.is_awaited(Mode::Async) || kind.may_block()
        })
    }
}

type Taken<'s, E, R> = (&'s Hub<E, R>, Arc<Table<E, R>>);

impl<E: Event, R: 'static> Signal<E, R> {
    /// The table, owned, for a send that lets go of its thread.
    fn taken(&self) -> Option<Taken<'_, E, R>> {
        let hub = self.occupied()?;
        Some((hub, hub.load_full()?))
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
            if walk::needs_books(&selection) {
                // Boxed, for it is large and the common case is not.
                let gathered = Box::pin(walk::gather(hub, table, &sender, event, false));
                return Marked::new(hub, gathered).await.into_answers();
            }
            if let Some(run) = selection.only_awaited() {
                walk::wait(hub, run.iter(), sender, event, &mut responses).await;
            } else {
                let awaited = walk::call_first(hub, &selection, &sender, event, &mut responses);
                let awaited = awaited.iter().copied();
                walk::wait(hub, awaited, sender, event, &mut responses).await;
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
            Marked::new(hub, walk::gather(hub, table, &sender, event, true)).await
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
    /// PAY.connect_async(|_sender, _cents| Box::pin(std::walk::pending()));
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
            Marked::new(hub, walk::try_gather(hub, table, &sender, event)).await
        }
    }
}
