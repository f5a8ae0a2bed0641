//! The errors of connecting, disconnecting and sending, with one type for each operation.
//!
//! ```
//! use fanfare::Signal;
//! use fanfare::error::{ConnectError, DisconnectError};
//!
//! let signal: Signal<u32> = Signal::new();
//! let connection = signal.connect(|_sender, _id| ());
//! signal.freeze();
//!
//! assert!(matches!(connection.try_disconnect(), Err(DisconnectError::Frozen { .. })));
//! let refused = signal.options().try_connect(|_sender, _id| ());
//! assert!(matches!(refused, Err(ConnectError::Frozen { .. })));
//! ```

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::id::ReceiverId;
pub use crate::receiver_panic::ReceiverPanic;
use crate::responses::Responses;

/// The `Err` that a receiver returned in [`Signal::send_until_err`](crate::Signal::send_until_err),
/// after which later receivers did not run.
pub struct ReceiverError<T, X> {
    /// The responses of the receivers that ran before it. If the receiver is async, these are only
    /// the responses of the sync receivers.
    pub before: Responses<T>,
    /// The receiver that failed.
    pub receiver: ReceiverId,
    /// The error that it returned.
    pub error: X,
}

impl<T, X: fmt::Debug> fmt::Debug for ReceiverError<T, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverError")
            .field("before", &self.before.len())
            .field("receiver", &self.receiver)
            .field("error", &self.error)
            .finish()
    }
}

impl<T, X> fmt::Display for ReceiverError<T, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before.len() {
            1 => write!(f, "receiver {} failed, after 1 response", self.receiver),
            responses => write!(
                f,
                "receiver {} failed, after {responses} responses",
                self.receiver
            ),
        }
    }
}

impl<T, X: Error + 'static> Error for ReceiverError<T, X> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The reason for which [`ConnectOptions::try_connect`](crate::ConnectOptions::try_connect) did not
/// connect a receiver.
#[non_exhaustive]
pub enum ConnectError<F> {
    /// The signal is [frozen](crate::Signal::freeze).
    #[non_exhaustive]
    Frozen {
        /// The place of the freeze.
        at: &'static Location<'static>,
        /// The receiver.
        receiver: F,
    },
}

impl<F> ConnectError<F> {
    /// Returns the receiver.
    pub fn into_receiver(self) -> F {
        let ConnectError::Frozen { receiver, .. } = self;
        receiver
    }
}

impl<F> fmt::Debug for ConnectError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectError::Frozen { at, .. } = self;
        f.debug_struct("Frozen")
            .field("at", at)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Display for ConnectError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectError::Frozen { at, .. } = self;
        write!(
            f,
            "the receiver was not connected because the signal was frozen at {at}: connect it \
             before `freeze`"
        )
    }
}

impl<F> Error for ConnectError<F> {}

/// The reason for which [`Connection::try_disconnect`](crate::Connection::try_disconnect) did not
/// disconnect a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectError {
    /// The signal is [frozen](crate::Signal::freeze).
    #[non_exhaustive]
    Frozen {
        /// The place of the freeze.
        at: &'static Location<'static>,
    },
}

impl fmt::Display for DisconnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DisconnectError::Frozen { at } = self;
        write!(
            f,
            "the receiver was not disconnected because the signal was frozen at {at}: disconnect \
             it before `freeze`"
        )
    }
}

impl Error for DisconnectError {}

/// The reason for which [`Connection::disconnect_and_wait`](crate::Connection::disconnect_and_wait)
/// did not wait until the receiver was dropped.
///
/// The receiver is disconnected, except if the signal is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The receiver was still held when the time was up.
    #[non_exhaustive]
    Timeout {
        /// The timeout.
        waited: Duration,
        /// The most likely holder at that moment. It is a guess from the state of the signal and of
        /// the queue, for messages and logs.
        held_by: HeldBy,
    },
    /// The receiver is still held, and the caller is inside a send of the same signal, inside the
    /// destructor of one of its receivers, or on a worker of the queue that the receiver runs on.
    /// To wait might be to wait for itself.
    InsideSend,
    /// The receiver is connected to a [frozen](crate::Signal::freeze) signal, and stays connected.
    #[non_exhaustive]
    Frozen {
        /// The place of the freeze.
        at: &'static Location<'static>,
    },
    /// The receiver runs on a queue that was made before this process was forked. It is still held
    /// by a copy of an event that only the parent delivers.
    Forked,
}

// No variant has the name of a trait of the prelude, because the compiler would then print that
// trait with its whole path in every message about a program that uses this crate.
/// A probable holder of a receiver that has been disconnected. It is part of
/// [`WaitError::Timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeldBy {
    /// A send that is running on some thread.
    RunningSend,
    /// An [`Emitter`](crate::Emitter) that is idle, on a system where its snapshot cannot be taken
    /// away: see [`Emitter`](crate::Emitter).
    IdleEmitter,
    /// The [queue](crate::Queue) on which the receiver runs, and which has events.
    QueuedEvents,
    /// The future of an async send that has not finished, such as
    /// [`asend`](crate::Signal::asend).
    SuspendedFuture,
    /// The destructor of the receiver, which is running.
    Destructor,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeldBy::RunningSend => "a running send: wait longer",
            HeldBy::IdleEmitter => "an idle emitter: release it, send with it, or drop it",
            HeldBy::QueuedEvents => {
                "its queue, which has events: wait longer, or shut the queue down"
            }
            HeldBy::SuspendedFuture => {
                "the future of an async send that has not finished: poll it to its end, or drop it"
            }
            HeldBy::Destructor => "its own destructor, which is running: wait longer",
        })
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::Timeout { waited, held_by } => {
                write!(f, "after {waited:?} the receiver was still held by {held_by}")
            }
            WaitError::InsideSend => f.write_str(
                "the receiver is still held and the caller is inside a send of its signal, which \
                 may be what holds it: use `disconnect` there, or wait on a thread that is not sending",
            ),
            WaitError::Frozen { at } => {
                let refused = DisconnectError::Frozen { at };
                write!(f, "{refused}")
            }
            WaitError::Forked => f.write_str(
                "the receiver is still held by a queue that was made before this process was \
                 forked, and whose workers do not exist here: wait in the parent, or use \
                 `disconnect`",
            ),
        }
    }
}

impl Error for WaitError {}
