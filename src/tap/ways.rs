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
    /// One attempt of a durable receiver, to which a relay of fanfare-outbox gives a stored event.
    /// The send has this receiver alone, and
    /// [`ObservedReceiver::delivery`](crate::watch::ObservedReceiver::delivery) returns the
    /// attempt.
    Durable,
}

/// The way in which the run of a receiver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned a response. An `Err` is a response, except that of a durable receiver.
    Returned,
    /// It panicked.
    Panicked,
    /// Its future was dropped before its end.
    Dropped,
    /// It is a durable receiver that returned an `Err`, so that it gets the event again, or the
    /// event is a dead letter.
    Failed,
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
