//! What a commit says of itself.

use crate::error::Failure;

/// What [`Deferred::commit_robust`](crate::Deferred::commit_robust) and its async form did.
#[must_use = "it has the receivers that panicked"]
#[derive(Debug, Default)]
pub struct CommitReport {
    pub(super) sent: usize,
    pub(super) failures: Vec<Failure>,
}

impl CommitReport {
    /// How many events were sent, whatever their receivers did or answered: a queue may have
    /// refused them, which only an answer tells, and answers are dropped.
    pub fn sent(&self) -> usize {
        self.sent
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
