//! Points to roll back to.

use std::error::Error;
use std::fmt;

/// A point in the recording of a [`Deferred`](crate::Deferred) to roll back to. A copy is the same
/// savepoint.
#[must_use = "a savepoint is there to be rolled back to or released"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Savepoint {
    /// The `Deferred` that made it.
    pub(super) buffer: u64,
    /// The moment at which it was made.
    pub(super) moment: u64,
}

/// The error for a [`Savepoint`] that was used where it is not valid. The call had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SavepointError {
    /// The savepoint has been released, or has ended with an outer one, a commit or a rollback.
    Ended(Savepoint),
    /// Another [`Deferred`](crate::Deferred) made the savepoint.
    Foreign(Savepoint),
}

impl fmt::Display for SavepointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SavepointError::Ended(Savepoint { moment, .. }) => write!(
                f,
                "savepoint {moment} has ended: it was released, or an outer savepoint, a commit or \
                 a rollback ended it; make a new one with `savepoint`"
            ),
            SavepointError::Foreign(Savepoint { moment, buffer }) => write!(
                f,
                "savepoint {moment} is of another `Deferred`, the {buffer}. of this process: use \
                 it with the one whose `savepoint` returned it"
            ),
        }
    }
}

impl Error for SavepointError {}
