//! How often a receiver runs.

use crate::table::link::Link;

/// The number of times that a receiver runs at most.
#[derive(Default)]
pub(crate) struct Limit {
    once: bool,
}

/// The reply to a send that is about to run a limited receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The receiver has run as often as it may.
    Refused,
    /// This send runs it for the last time.
    Last,
}

impl Limit {
    pub(crate) fn once() -> Self {
        Limit { once: true }
    }

    /// Returns `true` if the receiver does not run in every send.
    pub(crate) fn is_limited(&self) -> bool {
        self.once
    }

    /// Returns `true` if the receiver runs once.
    pub(crate) fn is_once(&self) -> bool {
        self.once
    }

    /// Takes one run of a limited receiver, whose `link` has the mark of the last.
    pub(crate) fn claim(&self, link: &Link) -> Claim {
        if link.claim() {
            Claim::Last
        } else {
            Claim::Refused
        }
    }
}
