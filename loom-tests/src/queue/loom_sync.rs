//! The interface of `src/queue/sync.rs` over loom.

use loom::sync::atomic::AtomicUsize as Plain;

pub(crate) use crate::loom_sync::{Condvar, Ground, Mutex, Ordering, Spawned, lock, spawn, wait};

#[path = "channel.rs"]
mod channel;

pub(crate) use channel::{Channel, Waiter};
pub(crate) use crossbeam_utils::CachePadded;

/// With a tick before each access: see `crate::loom_sync`.
pub(crate) struct AtomicU64 {
    tick: Plain,
    value: loom::sync::atomic::AtomicU64,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        AtomicU64 {
            tick: Plain::new(0),
            value: loom::sync::atomic::AtomicU64::new(value),
        }
    }

    fn ticked(&self) -> &loom::sync::atomic::AtomicU64 {
        self.tick.fetch_add(1, Ordering::Relaxed);
        &self.value
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        self.ticked().load(ordering)
    }

    pub(crate) fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        self.ticked().fetch_add(value, ordering)
    }

    pub(crate) fn fetch_or(&self, bits: u64, ordering: Ordering) -> u64 {
        self.ticked().fetch_or(bits, ordering)
    }

    pub(crate) fn fetch_and(&self, bits: u64, ordering: Ordering) -> u64 {
        self.ticked().fetch_and(bits, ordering)
    }

    pub(crate) fn fetch_xor(&self, bits: u64, ordering: Ordering) -> u64 {
        self.ticked().fetch_xor(bits, ordering)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.ticked()
            .compare_exchange_weak(current, new, success, failure)
    }
}
