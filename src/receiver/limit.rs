//! The number of times that a receiver runs.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::table::link::Link;

/// The maximum number of times that a receiver runs.
#[derive(Default)]
pub(crate) struct Limit {
    /// The maximum. It is 0 for a receiver without a limit.
    max_calls: u32,
    /// The runs that no send has claimed. It is not used if one run is all.
    left: AtomicU32,
}

/// One run of a limited receiver, taken by one send.
pub(crate) struct Claim {
    pub(crate) is_last: bool,
}

impl Limit {
    /// Limits a receiver to `calls` runs, of which there is one at least.
    pub(crate) fn calls(calls: u32) -> Self {
        debug_assert!(calls > 0);
        Limit {
            max_calls: calls,
            left: AtomicU32::new(calls),
        }
    }

    /// Returns `true` if the receiver does not run in every send.
    pub(crate) fn is_limited(&self) -> bool {
        self.max_calls > 0
    }

    /// Returns the number of runs that the user allowed, or `None` for any number.
    pub(crate) fn max_calls(&self) -> Option<u32> {
        self.is_limited().then_some(self.max_calls)
    }

    /// Takes one run of a limited receiver, whose `link` has the mark of the last. Returns `None`
    /// if the receiver has run as often as it may.
    pub(crate) fn claim(&self, link: &Link) -> Option<Claim> {
        if self.max_calls == 1 {
            return link.claim().then_some(Claim { is_last: true });
        }
        // Relaxed, both: the modification order of this counter alone lets as many claims succeed
        // as there are runs. The receiver itself was acquired with the snapshot. Row L5.
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        let is_last = taken.ok()? == 1;
        if is_last {
            link.claim();
        }
        Some(Claim { is_last })
    }
}
