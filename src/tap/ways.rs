//! The ways in which receivers run, and in which their runs end.

use std::thread;

/// The way in which the receivers of a send run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendWay {
    /// One after the other, on the thread of the sender: `send` and its siblings.
    Blocking,
    /// In the future of `asend` or one of its siblings.
    Async,
    /// As in `Blocking`, with several events: `send_batch`.
    Batch,
    /// On a rayon pool: `send_parallel` and its sibling.
    Parallel,
}

/// The way in which the run of a receiver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned a response. An `Err` is a response.
    Returned,
    /// It panicked.
    Panicked,
    /// Its future was dropped before its end.
    Dropped,
}

impl Outcome {
    /// Returns the outcome of a run that ends now, which has returned or not.
    pub(crate) fn of(has_returned: bool) -> Self {
        match has_returned {
            true => Outcome::Returned,
            false if thread::panicking() => Outcome::Panicked,
            false => Outcome::Dropped,
        }
    }
}
