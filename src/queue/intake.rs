//! The verdict of a queue that is full on one more event.

use super::line::Overflow;
use crate::tap::verdict::{NotRun, Verdict};

impl Overflow {
    /// Returns the verdict of a full queue on an event. `may_wait` is `true` if the sender may wait
    /// for room.
    pub(super) fn verdict_if_full(self, queue: String, capacity: usize, may_wait: bool) -> Verdict {
        let is_error = self == Overflow::Reject;
        match self {
            Overflow::Block if may_wait => Verdict::WouldWait { queue, capacity },
            Overflow::Block => NotRun::WouldDeadlock { queue, capacity }.into(),
            Overflow::DropOldest => Verdict::WouldDisplace { queue, capacity },
            Overflow::DropNewest | Overflow::Reject => NotRun::QueueFull {
                queue,
                capacity,
                is_error,
            }
            .into(),
        }
    }
}
