//! The end of a buffer: its events are sent, or dropped.

use super::record::Record;
use super::report::CommitReport;
use super::{Deferred, Savepoint};
use crate::nesting;
#[cfg(doc)]
use crate::signal::Signal;

/// # The end
///
/// After each of these methods the buffer can be used again, as a new one.
impl<'s> Deferred<'s> {
    /// Sends every event, in the order of recording, as [`Signal::send`] does, and returns their
    /// number. Ends all savepoints.
    ///
    /// # Panics
    ///
    /// Panics with the panic of the first receiver that panics. Its event counts as delivered,
    /// because other receivers may have received it. The later events stay here, for another commit
    /// or a rollback.
    ///
    /// Also panics if a send is refused. If sends are nested too deep (see [`Signal`]), it panics
    /// before any event is delivered. On a thread that runs an executor, it panics at the first
    /// event that would reach an async receiver (await `commit_async` there). That event stays
    /// here, too.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, order| assert!(*order != 2, "no such order"));
    ///
    /// let mut deferred = Deferred::new();
    /// for order in [1, 2, 3, 4] {
    ///     deferred.record(&PAID, order);
    /// }
    /// # std::panic::set_hook(Box::new(|_| ()));
    /// assert!(catch_unwind(AssertUnwindSafe(|| deferred.commit())).is_err());
    /// assert_eq!(deferred.len(), 2);
    /// assert_eq!(deferred.commit(), 2);
    /// ```
    pub fn commit(&mut self) -> usize {
        self.start_commit();
        let mut delivered = 0;
        while let Some(record) = self.next_record() {
            record.deliver();
            delivered += 1;
        }
        delivered
    }

    /// Commits like [`commit`](Deferred::commit), but sends as [`Signal::asend`] does, one event
    /// after the other.
    ///
    /// Dropping the future stops the commit. The event that was being delivered is dropped as that
    /// send is, and the later events stay here. The future is `Send`.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect_async(|_sender, order| Box::pin(async move { assert_ne!(*order, 0) }));
    ///
    /// # pollster::block_on(async {
    /// let mut deferred = Deferred::new();
    /// deferred.record(&PAID, 7);
    /// assert_eq!(deferred.commit_async().await, 1);
    /// # });
    /// ```
    #[cfg(feature = "async")]
    pub async fn commit_async(&mut self) -> usize {
        self.start_commit();
        let mut delivered = 0;
        while let Some((moment, entry)) = self.entries.pop_first() {
            self.forget(moment, &entry);
            entry.record.deliver_async().await;
            delivered += 1;
        }
        delivered
    }

    /// Commits like [`commit`](Deferred::commit), but sends as [`Signal::send_robust`] does: a
    /// panic of a receiver is caught and reported, and every receiver of every event runs.
    ///
    /// # Panics
    ///
    /// Panics if a send is refused, as `commit` does. Then there is no report of the events that
    /// had been delivered before.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, order| assert!(*order != 2, "no such order"));
    ///
    /// let mut deferred = Deferred::new();
    /// for order in [1, 2, 3] {
    ///     deferred.record(&PAID, order);
    /// }
    /// # std::panic::set_hook(Box::new(|_| ()));
    /// let report = deferred.commit_robust();
    /// assert_eq!(report.sent(), 3);
    /// assert_eq!(report.panics()[0].message(), "no such order");
    /// assert!(deferred.is_empty());
    /// ```
    pub fn commit_robust(&mut self) -> CommitReport {
        self.start_commit();
        let mut report = CommitReport::default();
        while let Some(record) = self.next_record() {
            report.panics.extend(record.deliver_robust());
            report.sent += 1;
        }
        report
    }

    /// Commits like [`commit_async`](Deferred::commit_async), but sends as [`Signal::asend_robust`]
    /// does: a panic of a receiver is caught and reported, and every receiver of every event runs.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect_async(|_, order| {
    ///     Box::pin(async move { assert!(*order != 2, "no such order") })
    /// });
    ///
    /// # std::panic::set_hook(Box::new(|_| ()));
    /// # pollster::block_on(async {
    /// let mut deferred = Deferred::new();
    /// for order in [1, 2, 3] {
    ///     deferred.record(&PAID, order);
    /// }
    /// let report = deferred.commit_async_robust().await;
    /// assert_eq!((report.sent(), report.panics().len()), (3, 1));
    /// # });
    /// ```
    #[cfg(feature = "async")]
    pub async fn commit_async_robust(&mut self) -> CommitReport {
        self.start_commit();
        let mut report = CommitReport::default();
        while let Some((moment, entry)) = self.entries.pop_first() {
            self.forget(moment, &entry);
            report
                .panics
                .extend(entry.record.deliver_async_robust().await);
            report.sent += 1;
        }
        report
    }

    /// Drops every event and ends all savepoints. Dropping the `Deferred` does the same.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, _order| unreachable!());
    ///
    /// let mut deferred = Deferred::new();
    /// deferred.record(&PAID, 7);
    /// deferred.rollback();
    /// assert_eq!(deferred.commit(), 0);
    /// ```
    pub fn rollback(&mut self) {
        self.savepoints.clear();
        self.latest.clear();
        self.replaced.clear();
        self.entries.clear();
    }

    fn start_commit(&mut self) {
        if !self.is_empty() {
            // The commit is refused here, and not by the first send, because that send would have
            // its event.
            nesting::check_for_sends();
        }
        if let Some(&moment) = self.savepoints.first() {
            let buffer = self.number;
            let released = self.release(Savepoint { buffer, moment });
            debug_assert_eq!(released, Ok(()), "the savepoint is open");
        }
    }

    /// Takes the first event out, unless it would be refused. No entry is hidden then.
    fn next_record(&mut self) -> Option<Box<dyn Record + Send + 's>> {
        #[cfg(feature = "async")]
        if let Some((_, first)) = self.entries.first_key_value() {
            first.record.refuse_on_an_executor();
        }
        let (moment, entry) = self.entries.pop_first()?;
        self.forget(moment, &entry);
        Some(entry.record)
    }
}
