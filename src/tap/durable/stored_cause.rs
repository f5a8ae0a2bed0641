//! The cause of a durable event, as it is stored with the event, and a delivery that has it.

use std::fmt;
use std::sync::OnceLock;

/// The receiver that caused a durable event, as it is stored with the event.
///
/// [`ObservedDelivery::cause`](crate::watch::ObservedDelivery::cause) returns it, also in another
/// process than the one in which the event was sent. The numbers of sends are those of their
/// processes.
///
/// It displays as `"bill" in send 5 of shop::ORDERED, process 4242-9f3ab2c4d5e6f708`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCause {
    /// The process in which the receiver ran: its id, and a random number, which no other process
    /// has.
    pub process: String,
    /// The number of the send whose receiver it was, as [`SendId`](crate::watch::SendId)
    /// displays it.
    pub send: u64,
    /// The name of the signal.
    pub signal: String,
    /// The name of the receiver.
    pub receiver: String,
    /// The process of the first send of the chain.
    pub root_process: String,
    /// The number of the first send of the chain, which no receiver caused.
    pub root: u64,
    /// The number of the receiver's id.
    pub(crate) receiver_id: u64,
}

impl StoredCause {
    /// Makes a cause that was stored. fanfare-outbox calls it.
    #[doc(hidden)]
    pub fn of(
        [process, signal, receiver, root_process]: [String; 4],
        [send, receiver_id, root]: [u64; 3],
    ) -> Self {
        StoredCause {
            process,
            send,
            signal,
            receiver,
            root_process,
            root,
            receiver_id,
        }
    }

    /// Returns the number of the receiver's id. fanfare-outbox stores it.
    #[doc(hidden)]
    pub fn receiver_number(&self) -> u64 {
        self.receiver_id
    }
}

impl fmt::Display for StoredCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoredCause {
            process,
            send,
            signal,
            receiver,
            ..
        } = self;
        write!(
            f,
            "{receiver:?} in send {send} of {signal}, process {process}"
        )
    }
}

/// One attempt to deliver an event, as observers see it.
pub(crate) struct DeliveryParts {
    pub(crate) event_id: i64,
    pub(crate) attempt: u32,
    pub(crate) cause: Option<StoredCause>,
    /// The error that the receiver has returned.
    pub(crate) error: OnceLock<String>,
}

/// An attempt to deliver a stored event to a durable receiver.
///
/// [`ObservedReceiver::delivery`](crate::watch::ObservedReceiver::delivery) returns it. The event
/// was stored by fanfare-outbox.
#[derive(Clone, Copy)]
pub struct ObservedDelivery<'a>(pub(crate) &'a DeliveryParts);

impl<'a> ObservedDelivery<'a> {
    /// Returns the id of the stored event.
    pub fn event_id(&self) -> i64 {
        self.0.event_id
    }

    /// Returns the number of the attempt, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Returns the receiver that sent the event, which may have run in another process. It is
    /// `None` if the event was sent outside of receivers that were observed.
    pub fn cause(&self) -> Option<&'a StoredCause> {
        self.0.cause.as_ref()
    }

    /// Returns the error that the receiver has returned. It is `None` until the end of the
    /// attempt.
    pub fn error(&self) -> Option<&'a str> {
        self.0.error.get().map(String::as_str)
    }
}

impl fmt::Debug for ObservedDelivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedDelivery")
            .field("event_id", &self.event_id())
            .field("attempt", &self.attempt())
            .field("cause", &self.cause())
            .field("error", &self.error())
            .finish()
    }
}
