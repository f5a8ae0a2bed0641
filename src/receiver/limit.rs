//! How often a receiver runs.

use crate::table::link::Link;

/// The number of times that a receiver runs at most.
#[derive(Default)]
pub(crate) struct Limit {
    once: bool,
}

/// One run of a limited receiver, taken by one send.
pub(crate) struct Claim {
    pub(crate) is_last: bool,
}

impl Limit {
    pub(crate) fn once() -> Self {
        Limit { once: true }
    }

    /// Returns `true` if the receiver does not run in every send.
    pub(crate) fn is_limited(&self) -> bool {
        self.once
    }

    /// Takes one run of a limited receiver, whose `link` has the mark of the last. Returns `None` if
    /// the receiver has run as often as it may.
    pub(crate) fn claim(&self, link: &Link) -> Option<Claim> {
        link.claim().then_some(Claim { is_last: true })
    }
}
