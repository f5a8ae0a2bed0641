//! Counts that one thread adds to and others read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

/// A count. Relaxed: it orders no other data, and the last reader has waited for all threads that
/// add.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of the events of one receiver, which counts them itself.
#[derive(Default)]
pub(crate) struct Tally {
    begun: Count,
    pub(crate) delivered: Count,
    pub(crate) failed: Count,
    /// Begun and given up: the receiver's future was dropped.
    pub(crate) left: Count,
}

impl Tally {
    pub(crate) fn begin(&self) -> Turn<'_> {
        self.begun.add(1);
        Turn { tally: Some(self) }
    }

    /// Begun and not over.
    pub(crate) fn in_hand(&self) -> u64 {
        // The ends first: what ends meanwhile is not to make this negative.
        let over = self.delivered.get() + self.failed.get() + self.left.get();
        self.begun.get().saturating_sub(over)
    }
}

/// One event in a receiver's hands. Dropped without an outcome, it counts as failed in a panic,
/// else as left.
pub(crate) struct Turn<'t> {
    tally: Option<&'t Tally>,
}

impl Turn<'_> {
    pub(crate) fn delivered(self) {
        self.end(|tally| &tally.delivered);
    }

    pub(crate) fn failed(self) {
        self.end(|tally| &tally.failed);
    }

    fn end(mut self, which: impl FnOnce(&Tally) -> &Count) {
        if let Some(tally) = self.tally.take() {
            which(tally).add(1);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(tally) = self.tally.take() {
            let count = if thread::panicking() {
                &tally.failed
            } else {
                &tally.left
            };
            count.add(1);
        }
    }
}
