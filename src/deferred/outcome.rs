//! What a commit says of itself.

use crate::error::Failure;

/// What [`Deferred::commit_robust`](crate::Deferred::commit_robust) did.
#[must_use = "it has the receivers that panicked"]
#[derive(Debug)]
pub struct CommitReport {
    pub(super) delivered: usize,
    pub(super) failures: Vec<Failure>,
}

impl CommitReport {
    /// How many events were sent, whatever their receivers did.
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// Whether no receiver panicked.
    pub fn all_ok(&self) -> bool {
        self.failures.is_empty()
    }

    /// One for each panic of a receiver: event by event, and each in the order of the calls.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// As [`failures`](CommitReport::failures), giving them away.
    pub fn into_failures(self) -> Vec<Failure> {
        self.failures
    }
}
