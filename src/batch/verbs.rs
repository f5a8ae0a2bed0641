//! The send of several events.

use super::walk::collect;
use crate::event::Event;
use crate::responses::Responses;
use crate::signal::Signal;
use crate::signal_from::SignalFrom;
use crate::table::publish::Opening;

/// # Sending batches
impl<E: Event, R: 'static> Signal<E, R> {
    /// Sends all `events` over one snapshot, and returns the answers in the order of the
    /// calls. No events are no send: nothing is called, nothing is noted.
    ///
    /// Each receiver that the send reaches gets all events, in their order, before the next
    /// receiver gets any: one connected with [`connect_batch`](Signal::connect_batch) in one
    /// call, any other in a call for each. So priorities hold for the batch as a whole, and
    /// a receiver of slices has one place among the others. Where receivers are to take
    /// turns at each event, [`send`](Signal::send) each. What a receiver hears is the same
    /// in both, but that here no connect or disconnect comes in between.
    ///
    /// - A once-only receiver hears the first event, as it would of so many sends; one that
    ///   takes slices hears them all.
    /// - The target of a weak receiver is kept alive for the whole batch.
    /// - A queued receiver's queue is handed each event by itself, in their order.
    /// - Async receivers run last, on this thread: for each event in turn all of them
    ///   together.
    ///
    /// Progress and re-entry are as for `send`. Costs one snapshot and one virtual call for
    /// each receiver; the loop over the events is inside that call. Allocates nothing if `R`
    /// has no content and no more than 16 weak receivers, no queued and no async ones are
    /// reached.
    ///
    /// # Panics
    ///
    /// With the panic of the first call that does: that receiver hears no later event, later
    /// receivers hear nothing, and the earlier answers are lost. Also as `send` does, if
    /// sends are nested too deep or there are async receivers and an executor runs on this
    /// thread; then nothing has run.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static PAID: Signal<u32, u32> = Signal::new();
    /// let tax = PAID.connect(|_sender, cents| cents * 19 / 100);
    /// let sum = PAID.connect_batch(|_sender, all| all.iter().sum());
    ///
    /// let answers = PAID.send_batch(&[100, 300]);
    /// let who: Vec<_> = answers.pairs().collect();
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
