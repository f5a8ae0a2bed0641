//! The report of a commit.

use crate::receiver_panic::ReceiverPanic;

/// The report of [`Deferred::commit_robust`](crate::Deferred::commit_robust) and its async form.
#[must_use = "the report has the receivers that panicked"]
#[derive(Debug, Default)]
pub struct CommitReport {
    pub(super) sent: usize,
    pub(super) panics: Vec<ReceiverPanic>,
}

impl CommitReport {
    /// Returns the number of events that were sent, whatever their receivers did or returned. A
    /// queue may have refused an event: only a response reports that, and responses are dropped.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Returns `true` if no receiver panicked.
    pub fn all_ok(&self) -> bool {
        self.panics.is_empty()
    }

    /// Returns the panics of receivers: event by event, and for each event in the order of the
    /// calls.
    pub fn panics(&self) -> &[ReceiverPanic] {
        &self.panics
    }

    /// Converts the report into the panics of receivers, in the order of
    /// [`panics`](CommitReport::panics).
    pub fn into_panics(self) -> Vec<ReceiverPanic> {
        self.panics
    }
}
