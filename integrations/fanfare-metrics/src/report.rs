//! The report, which adds the counts of all threads to the metrics of a recorder.

use std::collections::HashSet;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use metrics::{counter, histogram};

use crate::cells::{BUCKETS, ReceiverCells, SignalCells, middle_of};
use crate::observer::{Counts, Metrics, Reported, Series, Shared, lock};

impl Metrics {
    /// Adds everything that was counted since the last report to the metrics of the recorder that
    /// is installed.
    pub fn report(&self) {
        self.0.report();
    }

    /// Starts a thread that reports at this interval. It ends after the last handle was dropped.
    ///
    /// # Errors
    ///
    /// Returns the error of the system if it cannot start a thread.
    pub fn report_every(&self, interval: Duration) -> io::Result<()> {
        let shared = Arc::downgrade(&self.0);
        let thread = thread::Builder::new().name("fanfare-metrics".to_owned());
        thread.spawn(move || {
            while let Some(shared) = shared.upgrade() {
                shared.report();
                drop(shared);
                thread::sleep(interval);
            }
        })?;
        Ok(())
    }
}

/// The counts that are being reported. The drop puts them back, also after a panic.
struct Taken<'s> {
    shared: &'s Shared,
    series: Vec<Series>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        lock(&self.shared.series).append(&mut self.series);
    }
}

impl Shared {
    fn report(&self) {
        let gone: HashSet<_> = mem::take(&mut *lock(&self.gone)).into_iter().collect();
        // The recorder of `metrics` is called without the lock, because it may send.
        let mut taken = Taken {
            shared: self,
            series: mem::take(&mut *lock(&self.series)),
        };
        taken.series.retain_mut(|series| {
            match &series.counts {
                Counts::Receiver { id, cells, .. } if gone.contains(id) => cells.mark_gone(),
                _ => (),
            }
            self.report_one(series)
        });
    }

    /// Reports the counts of one thread. Returns `false` if they will not change again.
    fn report_one(&self, series: &mut Series) -> bool {
        let (signal, reported) = (&series.signal, &mut series.reported);
        match &series.counts {
            Counts::Signal(cells) => {
                // The thread has one handle, and this list the other.
                let is_owned = Arc::strong_count(cells) > 1;
                report_signal(cells, signal, reported);
                is_owned
            }
            Counts::Receiver { name, cells, .. } => {
                let is_owned = Arc::strong_count(cells) > 1;
                let has_changed = self.report_receiver(cells, signal, name, reported);
                is_owned && (has_changed || !cells.is_gone())
            }
        }
    }

    /// Returns `true` if the receiver has run since the last report.
    fn report_receiver(
        &self,
        cells: &ReceiverCells,
        signal: &Arc<str>,
        name: &Arc<str>,
        reported: &mut Reported,
    ) -> bool {
        let counts = [
            ("fanfare_receiver_failures_total", &cells.failed),
            ("fanfare_receiver_queued_total", &cells.queued),
            ("fanfare_receiver_refused_total", &cells.refused),
            ("fanfare_receiver_discarded_total", &cells.discarded),
        ];
        let labels = || {
            let signal = ("signal", Arc::clone(signal));
            [signal, ("receiver", Arc::clone(name))]
        };
        let mut has_changed = false;
        for ((metric, count), before) in counts.iter().zip(&mut reported.counts) {
            let more = count.get() - *before;
            if more > 0 {
                counter!(*metric, &labels()).increment(more);
                *before += more;
                has_changed = true;
            }
        }
        reported.times.resize(BUCKETS, 0);
        for (bucket, (count, before)) in cells.times.iter().zip(&mut reported.times).enumerate() {
            let more = count.get() - *before;
            if more > 0 {
                let seconds = self.clock.delta(0, middle_of(bucket)).as_secs_f64();
                let histogram = histogram!("fanfare_receiver_seconds", &labels());
                histogram.record_many(seconds, usize::try_from(more).unwrap_or(usize::MAX));
                *before += more;
                has_changed = true;
            }
        }
        has_changed
    }
}

fn report_signal(cells: &SignalCells, signal: &Arc<str>, reported: &mut Reported) {
    let counts = [
        ("fanfare_sends_total", &cells.ended),
        ("fanfare_sends_unreached_total", &cells.unreached),
        ("fanfare_sends_cut_off_total", &cells.cut_off),
    ];
    for ((metric, count), before) in counts.iter().zip(&mut reported.counts) {
        let more = count.get() - *before;
        if more > 0 {
            counter!(*metric, "signal" => Arc::clone(signal)).increment(more);
            *before += more;
        }
    }
}
