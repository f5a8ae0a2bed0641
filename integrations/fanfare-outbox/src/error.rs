//! The errors of the outbox.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use sea_orm::DbErr;

use crate::status::Status;

/// An error of connecting a durable receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// A receiver of this process has the name.
    NameTaken {
        /// The name.
        name: String,
    },
    /// Another signal of this process has the event's type.
    AnotherSignal {
        /// The name of the event.
        event: &'static str,
    },
    /// The name cannot be in an index of a database.
    Unfit(Unfit),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::NameTaken { name } => write!(
                f,
                "a durable receiver of this process has the name {name:?}: choose another name, or disconnect \
                 that receiver first"
            ),
            ConnectError::AnotherSignal { event } => another_signal(f, event),
            ConnectError::Unfit(unfit) => unfit.fmt(f),
        }
    }
}

impl Error for ConnectError {}

/// A text that cannot be in an index of each database: it is too long, or has a NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfit {
    /// The text's part in the outbox.
    pub part: &'static str,
    /// The length in bytes.
    pub length: usize,
}

impl Unfit {
    /// The longest text, in bytes. An index of PostgreSQL takes two such texts in a row.
    pub const LONGEST: usize = 1_000;

    /// Returns an error if the text cannot be indexed.
    pub(crate) fn check(part: &'static str, text: &str) -> Result<(), Self> {
        let length = text.len();
        if length > Self::LONGEST || text.contains('\0') {
            return Err(Unfit { part, length });
        }
        Ok(())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, length, longest) = (self.part, self.length, Self::LONGEST);
        if length > longest {
            return write!(
                f,
                "the {part} has {length} bytes, and an index takes {longest}: shorten it, or use a hash of it"
            );
        }
        write!(
            f,
            "the {part} has a NUL, which PostgreSQL cannot store: remove it"
        )
    }
}

impl Error for Unfit {}

impl From<Unfit> for ConnectError {
    fn from(unfit: Unfit) -> Self {
        ConnectError::Unfit(unfit)
    }
}

impl From<Unfit> for SendError {
    fn from(unfit: Unfit) -> Self {
        SendError::Unfit(unfit)
    }
}

fn another_signal(f: &mut fmt::Formatter<'_>, event: &str) -> fmt::Result {
    write!(
        f,
        "another signal sends the durable event {event:?}: events are stored by that name, so use one signal \
         for it, or an event type of its own for each signal"
    )
}

/// An error of [`send_durable`](crate::SendDurable::send_durable).
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The sender is a type or an [`Identity`](fanfare::Identity), which cannot be stored.
    Sender {
        /// The sender, as it displays.
        sender: String,
    },
    /// Another signal of this process has the event's type.
    AnotherSignal {
        /// The name of the event.
        event: &'static str,
    },
    /// The sender or the key cannot be in an index of a database.
    Unfit(Unfit),
    /// The event could not be serialized.
    Payload(serde_json::Error),
    /// The database refused, or the transaction has ended.
    Database(DbErr),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Sender { sender } => write!(
                f,
                "the sender {sender} exists in this process only: send from a name or from a number"
            ),
            SendError::AnotherSignal { event } => another_signal(f, event),
            SendError::Unfit(unfit) => unfit.fmt(f),
            SendError::Payload(error) => write!(
                f,
                "the event could not be serialized: {error}: correct its `Serialize`"
            ),
            SendError::Database(error) => error.fmt(f),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SendError::Payload(error) => Some(error),
            SendError::Database(error) => Some(error),
            SendError::Sender { .. } | SendError::AnotherSignal { .. } | SendError::Unfit(_) => {
                None
            }
        }
    }
}

impl From<DbErr> for SendError {
    fn from(error: DbErr) -> Self {
        SendError::Database(error)
    }
}

/// The error inside a `DbErr`, for functions that return that.
impl From<SendError> for DbErr {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Database(error) => error,
            error => DbErr::TryIntoErr {
                from: "an event",
                into: "a stored event",
                source: Arc::new(error),
            },
        }
    }
}

/// An error of [`Message::read`](crate::transport::Message::read).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The message has another event.
    OtherEvent {
        /// The name of the message's event.
        name: String,
        /// The name of the event that was to be read.
        event: &'static str,
    },
    /// The payload is not one of the event, or its `upcast` returns none.
    Payload(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::OtherEvent { name, event } => write!(
                f,
                "the message has the event {name:?}, and not {event:?}: read it as the type of that name"
            ),
            ReadError::Payload(error) => write!(f, "the payload cannot be read: {error}"),
        }
    }
}

impl Error for ReadError {}

/// An error of [`Delivered::complete_in`](crate::Delivered::complete_in).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompleteError {
    /// The connection is in no transaction, or the transaction is being committed.
    NoTransaction,
}

impl fmt::Display for CompleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompleteError::NoTransaction => f.write_str(
                "there is no transaction that could complete the delivery: begin one, and call \
                 `complete_in` before its commit",
            ),
        }
    }
}

impl Error for CompleteError {}

/// The error inside a `DbErr`, for functions that return that.
impl From<CompleteError> for DbErr {
    fn from(error: CompleteError) -> Self {
        DbErr::TryIntoErr {
            from: "a delivery",
            into: "a part of a transaction",
            source: Arc::new(error),
        }
    }
}

/// An error of [`Outbox::start`](crate::Outbox::start).
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The database refused. Perhaps its tables do not exist: see
    /// [`create_tables`](crate::create_tables).
    Database(DbErr),
    /// A receiver is stored with this name, for another event.
    OtherEvent {
        /// The name of the receiver.
        receiver: String,
        /// The name of the stored receiver's event.
        stored: String,
        /// The name of this receiver's event.
        event: String,
    },
    /// A relay has the lease of the receiver that is to be renamed.
    InUse {
        /// The new name of the receiver.
        receiver: String,
        /// The old name of the receiver.
        was: String,
        /// The relay.
        owner: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Database(error) => write!(
                f,
                "the outbox could not read its tables (make them with `create_tables` or the migration): {error}"
            ),
            StartError::OtherEvent {
                receiver,
                stored,
                event,
            } => write!(
                f,
                "the durable receiver {receiver:?} is stored for the event {stored:?}, and is now connected for \
                 {event:?}: give it another name, or remove the stored one with `Outbox::remove`"
            ),
            StartError::InUse {
                receiver,
                was,
                owner,
            } => write!(
                f,
                "the durable receiver {receiver:?} was {was:?}, whose lease the relay {owner:?} has: end the program \
                 of that relay first, or wait until the lease is over"
            ),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StartError::Database(error) => Some(error),
            StartError::OtherEvent { .. } | StartError::InUse { .. } => None,
        }
    }
}

impl From<DbErr> for StartError {
    fn from(error: DbErr) -> Self {
        StartError::Database(error)
    }
}

/// An error of [`Outbox::remove`](crate::Outbox::remove).
#[derive(Debug)]
#[non_exhaustive]
pub enum RemoveError {
    /// The receiver is connected in this process.
    Connected {
        /// The name of the receiver.
        receiver: String,
    },
    /// A relay has the lease of the receiver.
    Leased {
        /// The name of the receiver.
        receiver: String,
        /// The relay.
        owner: String,
    },
    /// The database refused.
    Database(DbErr),
}

impl fmt::Display for RemoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoveError::Connected { receiver } => write!(
                f,
                "the durable receiver {receiver:?} is connected in this process: disconnect it first"
            ),
            RemoveError::Leased { receiver, owner } => write!(
                f,
                "the relay {owner:?} has the lease of the durable receiver {receiver:?}: disconnect it there, \
                 or wait until the lease is over"
            ),
            RemoveError::Database(error) => error.fmt(f),
        }
    }
}

impl Error for RemoveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RemoveError::Database(error) => Some(error),
            RemoveError::Connected { .. } | RemoveError::Leased { .. } => None,
        }
    }
}

impl From<DbErr> for RemoveError {
    fn from(error: DbErr) -> Self {
        RemoveError::Database(error)
    }
}

/// An error of [`Outbox::settle`](crate::Outbox::settle): events are still pending.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unsettled {
    /// The time is over.
    Pending(Status),
    /// The database refused.
    Database(DbErr),
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsettled::Pending(status) => write!(f, "events are still pending: {status}"),
            Unsettled::Database(error) => error.fmt(f),
        }
    }
}

impl Error for Unsettled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Unsettled::Pending(_) => None,
            Unsettled::Database(error) => Some(error),
        }
    }
}

impl From<DbErr> for Unsettled {
    fn from(error: DbErr) -> Self {
        Unsettled::Database(error)
    }
}
