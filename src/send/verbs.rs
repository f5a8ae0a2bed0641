//! The sends to sync receivers. Each send of a signal is that of a [`SignalFrom`] without a sender.

use std::ops::ControlFlow;

use super::emitter::Emitter;
use super::{collect, counted, robust};
use crate::error::ReceiverError;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::responses::{Response, Responses, RobustResponses};
use crate::sender::Sender;
use crate::sender::into_sender::IntoSender;
use crate::signal::Signal;
use crate::signal_from::SignalFrom;
use crate::table::hub::Opening;

/// # Sending
impl<E: Event, R: 'static> Signal<E, R> {
    /// Calls each receiver that is connected for any sender, one after the other on this thread,
    /// and returns their responses.
    ///
    /// To send from a sender, which reaches the receivers connected for that sender as well, use
    /// [`from`](Signal::from): `SIGNAL.from(sender).send(&event)`.
    ///
    /// The send does not allocate if `R` has no content (see [`Responses`]) and if it reaches no
    /// more than 16 weak receivers. It costs the calls of its receivers and the 10 to 20 ns that
    /// `arc_swap` takes for a snapshot, whatever is connected for other senders.
    ///
    /// # Panics
    ///
    /// Panics with the panic of the first receiver that panics. Later receivers do not run, and the
    /// earlier responses are lost. The signal remains usable. Also panics if sends are nested too
    /// deep: see [`Signal`].
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static ADD: Signal<(), u8> = Signal::new();
    /// struct Till;
    ///
    /// ADD.connect(|_sender, ()| 1);
    /// ADD.options().sender(Sender::of::<Till>()).connect(|_sender, ()| 2);
    /// assert_eq!(*ADD.send(&()), [1]);
    /// assert_eq!(*ADD.from(Sender::of::<Till>()).send(&()), [1, 2]);
    /// ```
    #[inline(always)]
    pub fn send(&self, event: &E::Args<'_>) -> Responses<R> {
        self.send_from(&Sender::NONE, event)
    }

    /// Sends like [`send`](Signal::send), but catches the panic of a receiver, which becomes the
    /// outcome of that receiver. The other receivers run.
    ///
    /// Each panic is also reported once: with the feature `tracing`, as a `tracing` event at level
    /// error with target `fanfare`. A report that fails does not make the send fail. Catching needs
    /// `panic = "unwind"`.
    ///
    /// # Panics
    ///
    /// Panics if sends are nested too deep: see [`Signal`].
    #[inline(always)]
    pub fn send_robust(&self, event: &E::Args<'_>) -> RobustResponses<R> {
        SignalFrom::from(self).send_robust(event)
    }

    /// Sends like [`send`](Signal::send), but stops at the first response that satisfies `enough`.
    /// Returns that response, or `None` if no response satisfies `enough`.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static MAY_CLOSE: Signal<u32, Result<(), &'static str>> = Signal::new();
    /// MAY_CLOSE.connect(|_sender, unsaved| match unsaved {
    ///     0 => Ok(()),
    ///     _ => Err("unsaved work"),
    /// });
    ///
    /// let veto = MAY_CLOSE.send_until(&2, Result::is_err);
    /// assert_eq!(veto.unwrap().value, Err("unsaved work"));
    /// assert!(MAY_CLOSE.send_until(&0, Result::is_err).is_none());
    /// ```
    #[inline(always)]
    pub fn send_until(
        &self,
        event: &E::Args<'_>,
        enough: impl FnMut(&R) -> bool,
    ) -> Option<Response<R>> {
        SignalFrom::from(self).send_until(event, enough)
    }

    /// Sends like [`send`](Signal::send), but passes each response to `each` as it comes, with its
    /// receiver, and stops when `each` breaks. It allocates only if it reaches more than 16 weak
    /// receivers, whatever `R` is.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use std::ops::ControlFlow;
    ///
    /// static VOTE: Signal<(), bool> = Signal::new();
    /// for n in 0..5 {
    ///     VOTE.connect(move |_sender, ()| n % 2 == 0);
    /// }
    /// let mut ayes = 0;
    /// let _ = VOTE.send_each(&(), |_receiver, aye| {
    ///     ayes += u32::from(aye);
    ///     ControlFlow::<()>::Continue(())
    /// });
    /// assert_eq!(ayes, 3);
    /// ```
    #[inline(always)]
    pub fn send_each<B>(
        &self,
        event: &E::Args<'_>,
        each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        SignalFrom::from(self).send_each(event, each)
    }

    /// Returns this signal together with `sender`, which the sends made through it are from.
    ///
    /// A send from a sender calls the receivers connected for that sender as well as the receivers
    /// connected for any sender.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static RANG: Signal<u32, &'static str> = Signal::new();
    /// RANG.connect(|_sender, _times| "any door");
    /// RANG.options().sender("front").connect(|_sender, _times| "the front door");
    ///
    /// assert_eq!(*RANG.from("front").send(&2), ["any door", "the front door"]);
    /// assert_eq!(*RANG.from("back").send(&1), ["any door"]);
    /// assert_eq!(*RANG.send(&1), ["any door"]);
    /// ```
    #[inline(always)]
    pub fn from<'a>(&self, sender: impl IntoSender<'a>) -> SignalFrom<'_, 'a, E, R> {
        SignalFrom {
            signal: self,
            sender: sender.into_sender(),
        }
    }

    /// Returns a handle for sending over and over from one place. See [`Emitter`] for its price.
    /// This method allocates, and waits for a change of this signal that is in progress.
    pub fn emitter(&self) -> Emitter<'_, E, R> {
        Emitter::new(self.hub())
    }

    /// Returns `true` if a send that started now would call a receiver. Receivers that have ended
    /// do not count. For a send from a sender, see [`SignalFrom::has_listeners`].
    ///
    /// Costs a few loads if no receiver is connected at all. Takes out the dead receivers that it
    /// passes, as a send does.
    #[inline(always)]
    pub fn has_listeners(&self) -> bool {
        SignalFrom::from(self).has_listeners()
    }
}

/// # Sending to receivers that can fail
impl<E: Event, T: 'static, X: 'static> Signal<E, Result<T, X>> {
    /// Sends like [`send`](Signal::send), but stops at the first `Err`.
    ///
    /// The `Err` of an async receiver ends the send as its panic does: each async receiver has
    /// begun, and the async receivers that have not finished are dropped.
    ///
    /// # Errors
    ///
    /// Returns that error, its receiver, and the responses that came before. If the receiver is
    /// async, the responses of async receivers that had finished are lost. To pass on the error of
    /// the receiver alone, write `.map_err(|stopped| stopped.error)?`.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static PAY: Signal<u32, Result<u32, String>> = Signal::new();
    /// PAY.connect(|_sender, cents| Ok(cents / 100));
    /// PAY.connect(|_sender, cents| Err(format!("{cents} cents are too few")));
    /// PAY.connect(|_sender, _cents| unreachable!());
    ///
    /// let stopped = PAY.send_until_err(&250).unwrap_err();
    /// assert_eq!(*stopped.before, [2]);
    /// assert_eq!(stopped.error, "250 cents are too few");
    /// ```
    #[inline(always)]
    pub fn send_until_err(&self, event: &E::Args<'_>) -> Result<Responses<T>, ReceiverError<T, X>> {
        SignalFrom::from(self).send_until_err(event)
    }
}

impl<E: Event, R: 'static> Signal<E, R> {
    /// Sends `event` from `sender`. A send of the signal itself passes a constant, so that the
    /// compiler removes each look at it. A `SignalFrom` without a sender would be built first.
    #[inline(always)]
    pub(crate) fn send_from(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> Responses<R> {
        match self.opening() {
            Opening::Live(hub) => counted::collect(hub, || hub.snapshot(), sender, event),
            Opening::Nobody => Responses::new(),
            Opening::Frozen(hub, table) => counted::collect_frozen(hub, table, sender, event),
        }
    }
}

/// # Sending
impl<E: Event, R: 'static> SignalFrom<'_, '_, E, R> {
    /// Sends `event` from this sender. See [`Signal::send`].
    #[inline(always)]
    pub fn send(self, event: &E::Args<'_>) -> Responses<R> {
        self.signal.send_from(&self.sender, event)
    }

    /// Sends `event` from this sender and catches panics. See [`Signal::send_robust`].
    #[inline]
    pub fn send_robust(self, event: &E::Args<'_>) -> RobustResponses<R> {
        let sender = &self.sender;
        match self.signal.opening() {
            Opening::Live(hub) => robust::collect(hub, || hub.snapshot(), sender, event),
            Opening::Nobody => RobustResponses::new(),
            Opening::Frozen(hub, table) => robust::collect(hub, || table, sender, event),
        }
    }

    /// Sends `event` from this sender until a response satisfies `enough`. See
    /// [`Signal::send_until`].
    #[inline]
    pub fn send_until(
        self,
        event: &E::Args<'_>,
        mut enough: impl FnMut(&R) -> bool,
    ) -> Option<Response<R>> {
        let first = self.send_each(event, |receiver, value| {
            if enough(&value) {
                ControlFlow::Break(Response { receiver, value })
            } else {
                ControlFlow::Continue(())
            }
        });
        first.break_value()
    }

    /// Sends `event` from this sender and passes each response to `each`. See
    /// [`Signal::send_each`].
    #[inline]
    pub fn send_each<B>(
        self,
        event: &E::Args<'_>,
        mut each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let sender = &self.sender;
        match self.signal.opening() {
            Opening::Live(hub) => collect::each(hub, || hub.snapshot(), sender, event, &mut each),
            Opening::Nobody => ControlFlow::Continue(()),
            Opening::Frozen(hub, table) => collect::each(hub, || table, sender, event, &mut each),
        }
    }

    /// Returns `true` if a send from this sender would reach a receiver. See
    /// [`Signal::has_listeners`].
    #[inline]
    pub fn has_listeners(self) -> bool {
        self.signal.has_listener(&self.sender, |_| true)
    }
}

/// # Sending to receivers that can fail
impl<E: Event, T: 'static, X: 'static> SignalFrom<'_, '_, E, Result<T, X>> {
    /// Sends `event` from this sender until a receiver returns an `Err`. See
    /// [`Signal::send_until_err`].
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Signal::send_until_err`].
    #[inline]
    pub fn send_until_err(self, event: &E::Args<'_>) -> Result<Responses<T>, ReceiverError<T, X>> {
        let sender = &self.sender;
        match self.signal.opening() {
            Opening::Live(hub) => collect::until_error(hub, || hub.snapshot(), sender, event),
            Opening::Nobody => Ok(Responses::new()),
            Opening::Frozen(hub, table) => collect::until_error(hub, || table, sender, event),
        }
    }
}
