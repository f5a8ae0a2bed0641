//! The number of times that a receiver runs.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::table::link::Link;

/// The number of times that a receiver runs at most.
pub(crate) struct Limit {
    max_calls: NonZeroU32,
    /// The claims so far. Sends that claim at the same time as the last run may take the number
    /// above `max_calls`. It is not used if one run is all.
    claims: AtomicU64,
}

/// One run of a limited receiver, taken by one send.
pub(crate) struct Claim {
    pub(crate) is_last: bool,
}

impl Limit {
    pub(crate) fn calls(calls: NonZeroU32) -> Self {
        Limit {
            max_calls: calls,
            claims: AtomicU64::new(0),
        }
    }

    /// Returns the number of runs that the user allowed.
    pub(crate) fn max_calls(&self) -> u32 {
        self.max_calls.get()
    }

    /// Takes one run of the receiver, whose `link` has the mark of the last. Returns `None` if the
    /// receiver has run as often as it may.
    ///
    /// A claim that is refused sets the mark as well: the send that took the last run may not have
    /// come to it yet, and a connect of the same key must find that the receiver is spent.
    pub(crate) fn claim(&self, link: &Link) -> Option<Claim> {
        if self.max_calls() == 1 {
            return link.claim().then_some(Claim { is_last: true });
        }
        let max = u64::from(self.max_calls());
        // Relaxed, both: the modification order of this counter alone lets as many claims succeed
        // as there are runs; the receiver itself was acquired with the snapshot. The load keeps
        // later sends from writing. Row C2.
        let earlier = match self.claims.load(Ordering::Relaxed) {
            claims if claims >= max => claims,
            _ => self.claims.fetch_add(1, Ordering::Relaxed),
        };
        let is_last = earlier + 1 >= max;
        if is_last {
            link.mark_spent();
        }
        (earlier < max).then_some(Claim { is_last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(calls: u32) -> Limit {
        Limit::calls(NonZeroU32::new(calls).unwrap())
    }

    #[test]
    fn the_last_claim_marks_a_limited_receiver_as_spent() {
        let (limit, link) = (limit(3), Link::new(1));
        let claims = [(); 4].map(|()| limit.claim(&link).map(|claim| claim.is_last));
        assert_eq!(claims, [Some(false), Some(false), Some(true), None]);
        assert!(!link.is_connected());
    }

    /// Another send has taken the last run, and has not come to the mark.
    #[test]
    fn a_refused_claim_marks_a_limited_receiver_as_spent() {
        let (limit, link) = (limit(3), Link::new(1));
        limit.claims.store(3, Ordering::Relaxed);
        assert!(link.is_connected());
        assert!(limit.claim(&link).is_none());
        assert!(!link.is_connected());
    }
}
