//! The errors of transports.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use sea_orm::DbErr;

use crate::error::Unfit;

/// The reason for which a message was not published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// A text of the message is too long, or has a NUL.
    Unfit(Unfit),
    /// The transport refused the message, or could not be reached.
    Refused(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Unfit(unfit) => unfit.fmt(f),
            PublishError::Refused(error) => {
                write!(
                    f,
                    "the message was not published: {error}: publish it again"
                )
            }
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PublishError::Unfit(unfit) => Some(unfit),
            PublishError::Refused(error) => Some(&**error),
        }
    }
}

impl From<DbErr> for PublishError {
    fn from(error: DbErr) -> Self {
        PublishError::Refused(Arc::new(error))
    }
}

/// An error of fetching, acknowledging or delaying messages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TransportError {
    /// The time of the receipt is over, the message is done, or an earlier one of its key was
    /// delayed. The message comes again, unless it is done.
    Lost,
    /// An earlier message of the key is out: acknowledge that one first.
    TooEarly,
    /// The consumer's name belongs to another event.
    OtherEvent {
        /// The consumer's name.
        consumer: String,
        /// The name of the event for which it is known.
        known: String,
    },
    /// The consumer's name is too long, or has a NUL.
    Unfit(Unfit),
    /// The transport refused, or could not be reached.
    Refused(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::Lost => f.write_str(
                "the receipt is lost, because its time is over, its message is done, or an earlier one of the \
                 key was delayed: fetch again",
            ),
            TransportError::TooEarly => f.write_str(
                "an earlier message of the key is not acknowledged yet: acknowledge that one first",
            ),
            TransportError::OtherEvent { consumer, known } => write!(
                f,
                "the consumer {consumer:?} is known for the event {known:?}: use another name for this event"
            ),
            TransportError::Unfit(unfit) => unfit.fmt(f),
            TransportError::Refused(error) => {
                write!(f, "the transport refused: {error}: try again later")
            }
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TransportError::Unfit(unfit) => Some(unfit),
            TransportError::Refused(error) => Some(&**error),
            TransportError::Lost | TransportError::TooEarly | TransportError::OtherEvent { .. } => {
                None
            }
        }
    }
}

impl From<DbErr> for TransportError {
    fn from(error: DbErr) -> Self {
        TransportError::Refused(Arc::new(error))
    }
}
