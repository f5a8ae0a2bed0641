//! The counts of one thread, which other threads read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The number of buckets for each power of two, as a power of two.
const SUB_BITS: u32 = 2;
/// The number of buckets. The last one has all times from 2^46 ticks on, which is hours.
pub(crate) const BUCKETS: usize = 45 << SUB_BITS;

/// A count that only one thread changes.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds one. Only the thread of the count calls this.
    #[inline]
    pub(crate) fn add_one(&self) {
        // Relaxed: no other thread changes it, and no other data is read because of it. Row N1.
        self.0
            .store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Relaxed: as in `add_one`. Row N1.
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of a signal's sends on one thread.
#[derive(Default)]
pub(crate) struct SignalCells {
    pub(crate) ended: Count,
    pub(crate) unreached: Count,
    pub(crate) cut_off: Count,
}

/// The counts of a receiver's runs on one thread.
pub(crate) struct ReceiverCells {
    pub(crate) failed: Count,
    pub(crate) queued: Count,
    pub(crate) refused: Count,
    pub(crate) discarded: Count,
    /// The runs, by their times in ticks of the clock.
    pub(crate) times: [Count; BUCKETS],
    is_gone: AtomicBool,
}

impl ReceiverCells {
    pub(crate) fn new() -> Self {
        ReceiverCells {
            failed: Count::default(),
            queued: Count::default(),
            refused: Count::default(),
            discarded: Count::default(),
            times: [const { Count(AtomicU64::new(0)) }; BUCKETS],
            is_gone: AtomicBool::new(false),
        }
    }

    /// Counts a run that took `ticks`.
    #[inline]
    pub(crate) fn add_time(&self, ticks: u64) {
        self.times[bucket_of(ticks)].add_one();
    }

    /// Notes that the receiver is no longer connected.
    pub(crate) fn mark_gone(&self) {
        // Relaxed: a hint. A thread that sees it late frees the counts late. Row N1.
        self.is_gone.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_gone(&self) -> bool {
        // Relaxed: as in `mark_gone`. Row N1.
        self.is_gone.load(Ordering::Relaxed)
    }
}

/// Returns the bucket of a time.
#[inline]
fn bucket_of(ticks: u64) -> usize {
    // The highest bit chooses the power of two, and the bits below it the part of it.
    let ticks = ticks.max(1 << SUB_BITS);
    let power = ticks.ilog2() - SUB_BITS;
    let bucket = (power << SUB_BITS) as usize + (ticks >> power) as usize - (1 << SUB_BITS);
    bucket.min(BUCKETS - 1)
}

/// Returns the ticks in the middle of a bucket.
pub(crate) fn middle_of(bucket: usize) -> u64 {
    let (power, part) = (bucket >> SUB_BITS, bucket % (1 << SUB_BITS));
    let least = ((1 << SUB_BITS) + part as u64) << power;
    least + ((1 << power) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_bucket_is_near_its_times() {
        for ticks in (4..4_000).chain([1 << 20, 3 << 30, (1 << 46) - 1]) {
            let middle = middle_of(bucket_of(ticks));
            assert!(middle.abs_diff(ticks) * 8 <= ticks, "{ticks}: {middle}");
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }
}
