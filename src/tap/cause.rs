//! The number of a send, and the receiver that caused it.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::id::ReceiverId;

/// The number of a send that is observed.
///
/// It is unique in the process and is never used again. A later send of the same thread has a
/// greater one. Sends of different threads are not in the order of their numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(NonZeroU64);

impl SendId {
    /// Returns the number of the next send.
    pub(crate) fn next() -> Self {
        /// The number of ids that a thread takes at a time, so that two senders seldom write one
        /// cache line.
        const BLOCK: u64 = 1 << 12;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            /// The id before the next one of this thread, and the last one that it may use.
            static OWN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
        }
        let (mut last, mut end) = OWN.get();
        if last == end {
            // Relaxed: each block is another one by the modification order of this counter alone.
            // Row W1.
            last = NEXT.fetch_add(BLOCK, Ordering::Relaxed);
            end = last + BLOCK;
        }
        OWN.set((last + 1, end));
        SendId(NonZeroU64::MIN.saturating_add(last))
    }
}

impl SendId {
    /// Returns the number.
    pub(super) fn number(self) -> u64 {
        self.0.get()
    }

    /// Returns the send with this number, or `None` for 0.
    pub(super) fn of(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(SendId)
    }
}

impl fmt::Display for SendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "send {}", self.0)
    }
}

impl fmt::Debug for SendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendId({})", self.0)
    }
}

/// The receiver whose run caused a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Cause {
    /// The send whose receiver it is.
    pub send: SendId,
    /// The first send of the chain, which no receiver caused.
    pub root: SendId,
    /// The receiver.
    pub receiver: ReceiverId,
}
