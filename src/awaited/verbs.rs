//! The async sends. Each send of a signal is that of a [`SignalFrom`] without a sender.

use std::sync::Arc;

use super::marked::Marked;
use super::walk;
use crate::error::ReceiverError;
use crate::event::Event;
use crate::kind::Mode;
use crate::receiver::{Hub, Table};
use crate::responses::{Responses, RobustResponses};
use crate::signal::Signal;
use crate::signal_from::SignalFrom;

type Taken<'s, E, R> = (&'s Hub<E, R>, Arc<Table<E, R>>);

impl<E: Event, R: 'static> Signal<E, R> {
    /// Returns the hub and the table, if a receiver is connected. The table is owned, because the
    /// send may leave its thread between polls.
    fn taken(&self) -> Option<Taken<'_, E, R>> {
        let hub = self.occupied()?;
        Some((hub, hub.load_full()?))
    }
}

/// # Sending to async receivers
impl<E: Event, R: Send + 'static> Signal<E, R> {
    /// Calls each sync receiver that is connected for any sender, then runs the async receivers
    /// together, and returns the responses.
    ///
    /// The responses of the sync receivers come first, then the responses of the async receivers.
    /// Each of the two groups is in the order of the receivers, whichever receiver is done first.
    ///
    /// The future does nothing until it is polled. Its first poll takes the snapshot and calls the
    /// sync receivers. It is `Send`, works on any executor, and runs its receivers inside the
    /// caller's task. Between polls it keeps the snapshot alive, so
    /// [`disconnect_and_wait`](crate::Connection::disconnect_and_wait) waits for its end. It holds
    /// no guard of `arc_swap` between polls.
    ///
    /// A poll blocks for as long as a sync receiver blocks (see
    /// [`blocking`](crate::ConnectOptions::blocking)). It also blocks if a queue is full and its
    /// policy is to block.
    ///
    /// The send allocates for each async receiver, whatever `R` is.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the futures of the receivers that have not finished. By then
    /// either all sync receivers have run or none has. Offloaded receivers run on. With the feature
    /// `tracing`, one event at level warn with target `fanfare` names the receivers that had
    /// finished, the receivers that were dropped, and the receivers that run on. It does so as well
    /// if the panic of a future ends the send. The event is emitted if a subscriber wanted it at
    /// the first poll.
    ///
    /// # Panics
    ///
    /// Panics with the first panic of a receiver. Each async receiver has been polled once by then,
    /// unless a sync receiver panicked. The futures that have not finished are dropped before the
    /// panic leaves. Also panics if sends are nested too deep: see [`Signal`].
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static ADD: Signal<u32, u32> = Signal::new();
    /// ADD.connect_async(|_sender, n| Box::pin(async move { n + 1 }));
    /// ADD.connect(|_sender, n| n + 2);
    ///
    /// # pollster::block_on(async {
    /// assert_eq!(*ADD.asend(&10).await, [12, 11]);
    /// # });
    /// ```
    pub fn asend<'a, 'e>(
        &'a self,
        event: &'a E::Args<'e>,
    ) -> impl Future<Output = Responses<R>> + Send + use<'a, 'e, E, R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        SignalFrom::from(self).asend(event)
    }

    /// Sends like [`asend`](Signal::asend), but catches the panic of a receiver, which becomes the
    /// outcome of that receiver. The other receivers run.
    ///
    /// Each panic is also reported once, as in [`send_robust`](Signal::send_robust).
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static DIVIDE: Signal<u32, u32> = Signal::new();
    /// DIVIDE.connect_async(|_sender, by| Box::pin(async move { 100 / by }));
    /// DIVIDE.connect_async(|_sender, by| Box::pin(async move { 7 * by }));
    ///
    /// # std::panic::set_hook(Box::new(|_| ()));
    /// # pollster::block_on(async {
    /// let outcomes = DIVIDE.asend_robust(&0).await;
    /// assert_eq!(outcomes.panics().count(), 1);
    /// assert_eq!(**outcomes.responses(), [0]);
    /// # });
    /// ```
    pub fn asend_robust<'a, 'e>(
        &'a self,
        event: &'a E::Args<'e>,
    ) -> impl Future<Output = RobustResponses<R>> + Send + use<'a, 'e, E, R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        SignalFrom::from(self).asend_robust(event)
    }
}

/// # Sending to async receivers that can fail
impl<E: Event, T: Send + 'static, X: Send + 'static> Signal<E, Result<T, X>> {
    /// Sends like [`asend`](Signal::asend), but stops at the first `Err`.
    ///
    /// After the `Err` of a sync receiver, no later sync receiver runs and no async receiver
    /// starts. Among the async receivers, the one that fails first ends the send, and the others
    /// are dropped where they are. Before the `Err` of an async receiver is returned, the future of
    /// each async receiver has been polled once.
    ///
    /// # Errors
    ///
    /// Returns that error, its receiver, and the responses of the sync receivers before it. The
    /// responses of async receivers that had finished are lost.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static PAY: Signal<u32, Result<u32, String>> = Signal::new();
    /// PAY.connect(|_sender, cents| Ok(cents / 100));
    /// PAY.connect_async(|_sender, _cents| Box::pin(std::future::pending()));
    /// PAY.connect_async(|_sender, cents| {
    ///     Box::pin(async move { Err(format!("{cents} cents are too few")) })
    /// });
    ///
    /// # pollster::block_on(async {
    /// let stopped = PAY.asend_until_err(&250).await.unwrap_err();
    /// assert_eq!(*stopped.before, [2]);
    /// assert_eq!(stopped.error, "250 cents are too few");
    /// # });
    /// ```
    pub fn asend_until_err<'a, 'e>(
        &'a self,
        event: &'a E::Args<'e>,
    ) -> impl Future<Output = Result<Responses<T>, ReceiverError<T, X>>> + Send + use<'a, 'e, E, T, X>
    where
        for<'x> E::Args<'x>: Sync,
    {
        SignalFrom::from(self).asend_until_err(event)
    }
}

/// # Choosing between `send` and `asend`
impl<E: Event, R: 'static> SignalFrom<'_, '_, E, R> {
    /// Returns `true` if a send would reach a receiver that [`asend`](SignalFrom::asend) serves
    /// better than [`send`](SignalFrom::send) does: an async receiver, or a receiver that may block
    /// the thread.
    ///
    /// Looks at each receiver that the send would reach. Receivers that have ended do not count.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, _cents| ());
    /// PAID.options().sender("till").connect_async(|_sender, _cents| Box::pin(async {}));
    ///
    /// assert!(PAID.from("till").wants_asend());
    /// assert!(!PAID.from("web").wants_asend());
    /// ```
    pub fn wants_asend(self) -> bool {
        self.signal.has_listener(&self.sender, |kind| {
            kind.is_awaited(Mode::Async) || kind.may_block()
        })
    }
}

/// # Sending to async receivers
///
/// The futures borrow the signal, the sender and the event. They do not borrow the `SignalFrom`.
impl<'s, 'a, E: Event, R: Send + 'static> SignalFrom<'s, 'a, E, R> {
    /// Sends `event` from this sender and awaits the async receivers. See [`Signal::asend`].
    pub fn asend<'v, 'e>(
        self,
        event: &'v E::Args<'e>,
    ) -> impl Future<Output = Responses<R>> + Send + use<'s, 'a, 'v, 'e, E, R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let SignalFrom { signal, sender } = self;
        async move {
            // This comes first, to outlive the table: the destructors of responses are the user's
            // code.
            let mut responses = Responses::new();
            let Some((hub, table)) = signal.taken() else {
                return responses;
            };
            let selection = table.select(&sender);
            if walk::needs_books(&selection) {
                // This future is boxed because it is large and the future of the common case is
                // not.
                let gathered = Box::pin(walk::gather(hub, table, &sender, event, false));
                return Marked::new(hub, gathered).await.into_responses();
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

    /// Sends `event` from this sender, awaits the async receivers and catches panics. See
    /// [`Signal::asend_robust`].
    pub fn asend_robust<'v, 'e>(
        self,
        event: &'v E::Args<'e>,
    ) -> impl Future<Output = RobustResponses<R>> + Send + use<'s, 'a, 'v, 'e, E, R>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let SignalFrom { signal, sender } = self;
        async move {
            let Some((hub, table)) = signal.taken() else {
                return RobustResponses::new();
            };
            Marked::new(hub, walk::gather(hub, table, &sender, event, true)).await
        }
    }
}

/// # Sending to async receivers that can fail
impl<'s, 'a, E: Event, T: Send + 'static, X: Send + 'static> SignalFrom<'s, 'a, E, Result<T, X>> {
    /// Sends `event` from this sender, and awaits the async receivers, until one returns an `Err`.
    /// See [`Signal::asend_until_err`].
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Signal::asend_until_err`].
    pub fn asend_until_err<'v, 'e>(
        self,
        event: &'v E::Args<'e>,
    ) -> impl Future<Output = Result<Responses<T>, ReceiverError<T, X>>>
    + Send
    + use<'s, 'a, 'v, 'e, E, T, X>
    where
        for<'x> E::Args<'x>: Sync,
    {
        let SignalFrom { signal, sender } = self;
        async move {
            let Some((hub, table)) = signal.taken() else {
                return Ok(Responses::new());
            };
            Marked::new(hub, walk::try_gather(hub, table, &sender, event)).await
        }
    }
}
