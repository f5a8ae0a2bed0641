//! The errors of a queue.

use std::error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The reason for which a [`Queue`](crate::Queue) refused an event for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There was no room, and the policy is [`Overflow::Reject`](crate::queue::Overflow::Reject).
    #[non_exhaustive]
    Full {
        /// The queue's name.
        queue: Arc<str>,
        /// The number of events for which each worker has room.
        capacity: usize,
    },
    /// The queue has been shut down. A send that waited for room gets this error as well.
    #[non_exhaustive]
    Closed {
        /// The queue's name.
        queue: Arc<str>,
    },
    /// There was no room, the policy is [`Overflow::Block`](crate::queue::Overflow::Block), and the
    /// sender is a worker of the queue. It would have waited for itself, or for another worker that
    /// may be waiting for it.
    #[non_exhaustive]
    WouldDeadlock {
        /// The queue's name.
        queue: Arc<str>,
        /// The number of events for which each worker has room.
        capacity: usize,
    },
    /// The queue was made before this process was forked, and its workers do not exist here.
    #[non_exhaustive]
    Forked {
        /// The queue's name.
        queue: Arc<str>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Full { queue, capacity } => write!(
                f,
                "queue {queue:?} is full with {capacity} events for this worker: give it more capacity \
                 or workers, or another overflow policy"
            ),
            Error::Closed { queue } => write!(
                f,
                "queue {queue:?} is shut down: send before its shutdown, or disconnect its receivers"
            ),
            Error::WouldDeadlock { queue, capacity } => write!(
                f,
                "queue {queue:?} is full with {capacity} events for this worker, and the sender is a \
                 worker of the queue, which must not wait for itself: give it more capacity or \
                 another overflow policy, or send from another thread"
            ),
            Error::Forked { queue } => write_forked(f, queue),
        }
    }
}

impl error::Error for Error {}

fn write_forked(f: &mut fmt::Formatter<'_>, queue: &str) -> fmt::Result {
    write!(
        f,
        "queue {queue:?} was made before this process was forked, and its workers do not exist \
         here: make a queue after the fork"
    )
}

/// The reason for which [`Queue::flush`](crate::Queue::flush),
/// [`Queue::flush_timeout`](crate::Queue::flush_timeout) or
/// [`Queue::shutdown`](crate::Queue::shutdown) did not wait, or not long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The caller is a worker of the queue, so it would wait for itself. The queue was not changed.
    #[non_exhaustive]
    InsideWorker {
        /// The queue's name.
        queue: Arc<str>,
    },
    /// The queue's workers run in a current-thread runtime of tokio, and the caller is the thread
    /// that drives it. The timers, inputs and outputs of the workers would wait for the caller. The
    /// queue was not changed.
    #[non_exhaustive]
    OnItsRuntime {
        /// The queue's name.
        queue: Arc<str>,
    },
    /// Some events were not delivered when the time was up.
    #[non_exhaustive]
    Timeout {
        /// The queue's name.
        queue: Arc<str>,
        /// The time that the call waited.
        waited: Duration,
    },
    /// The queue was made before this process was forked, and its workers do not exist here, so the
    /// wait would never end. The queue was not changed.
    #[non_exhaustive]
    Forked {
        /// The queue's name.
        queue: Arc<str>,
    },
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::InsideWorker { queue } => write!(
                f,
                "the caller is a worker of queue {queue:?} and would wait for itself: flush or shut \
                 down from another thread"
            ),
            WaitError::OnItsRuntime { queue } => write!(
                f,
                "the caller drives the current-thread runtime that the workers of queue {queue:?} \
                 wait for: flush or shut down in `spawn_blocking`, or use a multi-threaded runtime"
            ),
            WaitError::Timeout { queue, waited } => write!(
                f,
                "queue {queue:?} had undelivered events after {waited:?}: wait longer, or shut it down \
                 to get them back"
            ),
            WaitError::Forked { queue } => write_forked(f, queue),
        }
    }
}

impl error::Error for WaitError {}
