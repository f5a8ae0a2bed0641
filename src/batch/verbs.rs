//! The send of several events.

use super::walk::collect;
use crate::event::Event;
use crate::responses::Responses;
use crate::signal::Signal;
use crate::signal_from::SignalFrom;
use crate::table::hub::Opening;

/// # Sending batches
impl<E: Event, R: 'static> Signal<E, R> {
    /// Sends all `events` over one snapshot, and returns the responses in the order of the calls.
    /// An empty slice is not a send: no receiver is called, and no send is noted.
    ///
    /// Each receiver that the send reaches gets all events, in their order, before the next
    /// receiver gets any. A receiver connected with
    /// [`connect_batch`](crate::ConnectOptions::connect_batch) gets them in one call. Any other
    /// receiver gets them in one call for each event. So priorities hold for the batch as a whole,
    /// and a receiver of slices has one place among the other receivers. If receivers should take
    /// turns at each event, [`send`](Signal::send) each event. A receiver gets the same events in
    /// both cases, except that no connect or disconnect comes between the events of a batch.
    ///
    /// - A limited receiver gets as many of the first events as it has runs left, as it would if
    ///   each event were sent alone. For a receiver that takes slices the batch is one run.
    /// - The target of a weak receiver is kept alive for the whole batch.
    /// - The queue of a queued receiver gets each event by itself, in their order.
    /// - Async receivers run last, on this thread: for each event in turn, all of them together.
    ///
    /// Progress and re-entry are as for `send`. The send costs one snapshot and one virtual call
    /// for each receiver, because the loop over the events is inside that call. It does not
    /// allocate if `R` has no content and if it reaches no more than 16 weak receivers and no
    /// queued or async receivers.
    ///
    /// # Panics
    ///
    /// Panics with the panic of the first call that panics. That receiver gets no later event,
    /// later receivers get no events, and the earlier responses are lost. Also panics as `send`
    /// does, if sends are nested too deep, or if there are async receivers and an executor runs on
    /// this thread. In these cases no receiver has run.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static PAID: Signal<u32, u32> = Signal::new();
    /// let tax = PAID.connect(|_sender, cents| cents * 19 / 100);
    /// let sum = PAID.options().connect_batch(|_sender, all| all.iter().sum());
    ///
    /// let responses = PAID.send_batch(&[100, 300]);
    /// let who: Vec<_> = responses.pairs().collect();
    /// assert_eq!(who, [(tax.id(), &19), (tax.id(), &57), (sum.id(), &400)]);
    /// ```
    #[inline(always)]
    pub fn send_batch(&self, events: &[E::Args<'_>]) -> Responses<R> {
        SignalFrom::from(self).send_batch(events)
    }
}

/// # Sending batches
impl<E: Event, R: 'static> SignalFrom<'_, '_, E, R> {
    /// Sends all `events` from this sender over one snapshot. See [`Signal::send_batch`].
    #[inline]
    pub fn send_batch(self, events: &[E::Args<'_>]) -> Responses<R> {
        if events.is_empty() {
            return Responses::new();
        }
        let sender = &self.sender;
        match self.signal.opening() {
            Opening::Live(hub) => collect(hub, || hub.snapshot(), sender, events),
            Opening::Nobody => Responses::new(),
            Opening::Frozen(hub, table) => collect(hub, || table, sender, events),
        }
    }
}
