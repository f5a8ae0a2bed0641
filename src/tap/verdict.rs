//! The verdict of a look on a receiver: it would run, or it would not and why.

use std::fmt;
use std::panic::Location;

use super::info::ConnectionInfo;

/// The verdict on one connection: whether a send would run its receiver.
///
/// [`Signal::explain`](crate::Signal::explain) returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Verdict {
    /// The send would run the receiver, or give the event to its queue.
    WouldRun,
    /// The queue of the receiver is full, and the send would wait for room.
    #[non_exhaustive]
    WouldWait {
        /// The name of the queue.
        queue: String,
        /// The number of events for which each worker has room.
        capacity: usize,
    },
    /// The queue of the receiver is full, and the event would take the place of the oldest.
    #[non_exhaustive]
    WouldDisplace {
        /// The name of the queue.
        queue: String,
        /// The number of events for which each worker has room.
        capacity: usize,
    },
    /// The send would not run the receiver.
    WouldNotRun(NotRun),
}

impl Verdict {
    /// Returns `true` if the receiver would get the event.
    pub fn would_run(&self) -> bool {
        !matches!(self, Verdict::WouldNotRun(_))
    }
}

impl From<NotRun> for Verdict {
    fn from(reason: NotRun) -> Self {
        Verdict::WouldNotRun(reason)
    }
}

/// A connection of a signal, and the verdict on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExplainedConnection {
    /// The verdict.
    pub verdict: Verdict,
    /// The connection.
    pub connection: ConnectionInfo,
}

/// The reason for which a send would not run a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NotRun {
    /// The receiver is connected for another sender.
    #[non_exhaustive]
    OtherSender {
        /// The sender that it is connected for, in words, with a name in quotes.
        sender: String,
    },
    /// The receiver has run as often as it may.
    #[non_exhaustive]
    UsedUp {
        /// The maximum number of its runs.
        max_calls: u32,
    },
    /// The target of the method has died.
    TargetDied,
    /// The receiver has been disconnected. Only an observer that
    /// [keeps](crate::watch::KeepDisconnected) such receivers, or a disconnect that is under way,
    /// makes this reason.
    Disconnected,
    /// The receiver is muted.
    #[non_exhaustive]
    Muted {
        /// The place in the source where it was muted.
        #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
        at: &'static Location<'static>,
        /// The part of the program in which it is muted, in words: `everywhere`, or `on thread 3`.
        scope: String,
    },
    /// The receiver was connected in a scope of a test, and the send would not be made in it.
    OtherScope,
    /// The receiver is durable: a relay of fanfare-outbox gives it the events of `send_durable`,
    /// which it takes from a database. No other send reaches it, and no mute concerns it.
    Durable,
    /// The queue is full, and its policy is to reject or to drop the new event.
    #[non_exhaustive]
    QueueFull {
        /// The name of the queue.
        queue: String,
        /// The number of events for which each worker has room.
        capacity: usize,
        /// `true` if the send would get an error, and `false` if the event would be dropped without
        /// one.
        is_error: bool,
    },
    /// The queue is full, and the sender is a worker of the queue, which must not wait for itself.
    #[non_exhaustive]
    WouldDeadlock {
        /// The name of the queue.
        queue: String,
        /// The number of events for which each worker has room.
        capacity: usize,
    },
    /// The queue has been shut down, or the stream has been closed.
    #[non_exhaustive]
    QueueClosed {
        /// The name of the queue.
        queue: String,
    },
    /// The queue was made before this process was forked, and its workers do not exist here.
    #[non_exhaustive]
    QueueForked {
        /// The name of the queue.
        queue: String,
    },
    /// The send would be refused as a whole. It would block a thread that runs an executor, because
    /// one of its receivers is async.
    #[non_exhaustive]
    Refused {
        /// The name of the first async receiver.
        receiver: String,
        /// The place in the source where that receiver was connected.
        #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
        connected_at: &'static Location<'static>,
    },
}

/// Serializes a place as a text.
#[cfg(feature = "serde")]
fn place<S: serde::Serializer>(
    place: &'static Location<'static>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(place)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::WouldRun => f.write_str("would run"),
            Verdict::WouldWait { queue, capacity } => write!(
                f,
                "would run once queue {queue:?}, which is full with {capacity} events, has room"
            ),
            Verdict::WouldDisplace { queue, capacity } => write!(
                f,
                "would run, and drop the oldest event of queue {queue:?}, which is full with \
                 {capacity} events"
            ),
            Verdict::WouldNotRun(reason) => write!(f, "would not run: {reason}"),
        }
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotRun::OtherSender { sender } => write!(f, "connected for another sender, {sender}"),
            NotRun::UsedUp { max_calls: 1 } => f.write_str("has had its only run"),
            NotRun::UsedUp { max_calls } => write!(f, "has had all of its {max_calls} runs"),
            NotRun::TargetDied => f.write_str("its target has died"),
            NotRun::Disconnected => f.write_str("disconnected"),
            NotRun::Muted { at, scope } => write!(f, "muted {scope}, at {at}"),
            NotRun::OtherScope => f.write_str("connected in another scope of a test"),
            NotRun::Durable => f.write_str(
                "durable, so it gets the events of `send_durable` from a relay, and \
                 `Outbox::status` counts those that are pending, failed or dead",
            ),
            NotRun::QueueFull {
                queue,
                capacity,
                is_error,
            } => {
                let end = if *is_error { "rejects" } else { "drops" };
                write!(
                    f,
                    "queue {queue:?} is full with {capacity} events, and {end} new ones"
                )
            }
            NotRun::WouldDeadlock { queue, capacity } => write!(
                f,
                "queue {queue:?} is full with {capacity} events, and this thread is a worker of \
                 it, which must not wait for itself"
            ),
            NotRun::QueueClosed { queue } => write!(f, "queue {queue:?} is closed"),
            NotRun::QueueForked { queue } => {
                write!(f, "queue {queue:?} was made before this process was forked")
            }
            NotRun::Refused {
                receiver,
                connected_at,
            } => write!(
                f,
                "a blocking send is refused on a thread that runs an executor, because {receiver:?} \
                 of {connected_at} is async"
            ),
        }
    }
}

impl fmt::Display for ExplainedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectionInfo {
            id, name, location, ..
        } = &self.connection;
        write!(f, "{}: {name} ({id}) at {location}", self.verdict)
    }
}
