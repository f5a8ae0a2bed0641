//! The sends of a signal.

use std::ops::ControlFlow;

use super::emitter::Emitter;
use super::{collect, counted, robust};
use crate::error::TrySendError;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::responses::{Response, Responses, RobustResponses};
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::publish::Opening;

/// # Sending
impl<E: Event, R: 'static> Signal<E, R> {
    /// Calls each receiver that `sender` reaches, one after the other on this thread, and
    /// returns their answers.
    ///
    /// Allocates nothing if `R` has no content (see [`Responses`]) and no more than 16 weak
    /// receivers are reached. Costs its receivers plus what `arc_swap` takes for a snapshot,
    /// 10 to 20 ns, whatever is connected for other senders.
    ///
    /// # Panics
    ///
    /// With the panic of the first receiver that does: later ones do not run and the
    /// earlier answers are lost. The signal is as good as before. Also if sends are nested
    /// too deep: see [`Signal`].
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static ADD: Signal<(), u8> = Signal::new();
    /// struct Till;
    ///
    /// ADD.connect(|_sender, ()| 1);
    /// ADD.options().sender(Sender::of::<Till>()).connect(|_sender, ()| 2);
    /// assert_eq!(*ADD.send(Sender::of::<Till>(), &()), [1, 2]);
    /// assert_eq!(*ADD.send(Sender::NONE, &()), [1]);
    /// ```
    #[inline(always)]
    pub fn send<'a>(&self, sender: impl Into<Sender<'a>>, event: &E::Args<'_>) -> Responses<R> {
        match self.opening() {
            Opening::Live(hub) => {
                let sender = sender.into();
                counted::collect(hub, || hub.snapshot(), &sender, event)
            }
            Opening::Nobody => Responses::new(),
            Opening::Frozen(hub, table) => {
                counted::collect_frozen(hub, table, &sender.into(), event)
            }
        }
    }

    /// As [`send`](Signal::send), but a panic of a receiver is caught and becomes its
    /// outcome; the others run.
    ///
    /// Each failure is also reported once, as a `tracing` event at level error and target
    /// `fanfare` with the feature `tracing`. A failing report fails nothing. Catching needs
    /// `panic = "unwind"`.
    ///
    /// # Panics
    ///
    /// If sends are nested too deep: see [`Signal`].
    #[inline]
    pub fn send_robust<'a>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
    ) -> RobustResponses<R> {
        let sender = sender.into();
        match self.opening() {
            Opening::Live(hub) => robust::collect(hub, || hub.snapshot(), &sender, event),
            Opening::Nobody => RobustResponses::new(),
            Opening::Frozen(hub, table) => robust::collect(hub, || table, &sender, event),
        }
    }

    /// As [`send`](Signal::send), but stops at the first answer that satisfies `enough` and
    /// returns it; `None` if none did.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static MAY_CLOSE: Signal<u32, Result<(), &'static str>> = Signal::new();
    /// MAY_CLOSE.connect(|_sender, unsaved| if *unsaved == 0 { Ok(()) } else { Err("unsaved work") });
    ///
    /// let veto = MAY_CLOSE.send_until(Sender::NONE, &2, Result::is_err);
    /// assert_eq!(veto.unwrap().value, Err("unsaved work"));
    /// assert!(MAY_CLOSE.send_until(Sender::NONE, &0, Result::is_err).is_none());
    /// ```
    pub fn send_until<'a>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
        mut enough: impl FnMut(&R) -> bool,
    ) -> Option<Response<R>> {
        let first = self.send_each(sender, event, |receiver, value| {
            if enough(&value) {
                ControlFlow::Break(Response { receiver, value })
            } else {
                ControlFlow::Continue(())
            }
        });
        first.break_value()
    }

    /// As [`send`](Signal::send), but hands each answer to `each` as it comes, with its
    /// receiver, and stops where `each` breaks. Allocates nothing whatever `R` is, but for
    /// more than 16 weak receivers.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use std::ops::ControlFlow;
    ///
    /// static VOTE: Signal<(), bool> = Signal::new();
    /// for n in 0..5 {
    ///     VOTE.connect(move |_sender, ()| n % 2 == 0);
    /// }
    /// let mut ayes = 0;
    /// let _ = VOTE.send_each(Sender::NONE, &(), |_receiver, aye| {
    ///     ayes += u32::from(aye);
    ///     ControlFlow::<()>::Continue(())
    /// });
    /// assert_eq!(ayes, 3);
    /// ```
    pub fn send_each<'a, B>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
        mut each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let sender = sender.into();
        match self.opening() {
            Opening::Live(hub) => collect::each(hub, || hub.snapshot(), &sender, event, &mut each),
            Opening::Nobody => ControlFlow::Continue(()),
            Opening::Frozen(hub, table) => collect::each(hub, || table, &sender, event, &mut each),
        }
    }

    /// Returns a handle for sending over and over from one place; see its price there. Allocates, and
    /// waits for a change of this signal that is under way.
    pub fn emitter(&self) -> Emitter<'_, E, R> {
        Emitter::new(self.hub())
    }

    /// Whether a send from `sender` that started now would call anything: receivers for
    /// any sender count, those of `sender` count, dead and spent ones do not.
    ///
    /// A few loads if nothing at all is connected. Takes out the dead receivers that it passes, as a
    /// send does.
    pub fn has_listeners<'a>(&self, sender: impl Into<Sender<'a>>) -> bool {
        self.has_listener(&sender.into(), |_| true)
    }
}

/// # Sending to receivers that can fail
impl<E: Event, T: 'static, X: 'static> Signal<E, Result<T, X>> {
    /// As [`send`](Signal::send), but stops at the first `Err`.
    ///
    /// The `Err` of an async receiver ends the send as its panic does: each async receiver has
    /// begun, and those that have not finished are dropped.
    ///
    /// # Errors
    ///
    /// With that error, its receiver, and the answers that came before. Those of async receivers
    /// that had finished are lost, if the receiver is async.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static PAY: Signal<u32, Result<u32, String>> = Signal::new();
    /// PAY.connect(|_sender, cents| Ok(cents / 100));
    /// PAY.connect(|_sender, cents| Err(format!("{cents} cents are too few")));
    /// PAY.connect(|_sender, _cents| unreachable!());
    ///
    /// let stopped = PAY.try_send(Sender::NONE, &250).unwrap_err();
    /// assert_eq!(*stopped.before, [2]);
    /// assert_eq!(stopped.error, "250 cents are too few");
    /// ```
    pub fn try_send<'a>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
    ) -> Result<Responses<T>, TrySendError<T, X>> {
        let sender = sender.into();
        match self.opening() {
            Opening::Live(hub) => collect::until_error(hub, || hub.snapshot(), &sender, event),
            Opening::Nobody => Ok(Responses::new()),
            Opening::Frozen(hub, table) => collect::until_error(hub, || table, &sender, event),
        }
    }
}
