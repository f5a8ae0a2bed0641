//! The panic of a receiver, caught.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::id::ReceiverId;
use crate::panic_report;

/// The panic of a receiver in a robust send.
pub struct ReceiverPanic {
    receiver: ReceiverId,
    name: Cow<'static, str>,
    /// The payload. It is `None` once it has been taken out.
    payload: Option<Box<dyn Any + Send>>,
}

impl ReceiverPanic {
    pub(crate) fn new(
        receiver: ReceiverId,
        name: Cow<'static, str>,
        payload: Box<dyn Any + Send>,
    ) -> Self {
        ReceiverPanic {
            receiver,
            name,
            payload: Some(payload),
        }
    }

    /// Returns the receiver that panicked.
    pub fn receiver(&self) -> ReceiverId {
        self.receiver
    }

    /// Returns the receiver's name: the name that [`name`](crate::ConnectOptions::name) set, or
    /// else the name of its type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text of the panic, or a stand-in if the panic carried no text.
    pub fn message(&self) -> &str {
        self.payload.as_deref().map_or("", panic_report::message)
    }

    /// Returns the payload of the panic, for [`std::panic::resume_unwind`] or a downcast.
    pub fn into_panic(mut self) -> Box<dyn Any + Send> {
        self.payload
            .take()
            .expect("only this method takes the payload out")
    }
}

impl Drop for ReceiverPanic {
    /// Drops the payload. The payload of a panic may panic as it is dropped, and that panic is
    /// caught here.
    fn drop(&mut self) {
        if let Some(payload) = self.payload.take() {
            panic_report::discard(payload);
        }
    }
}

impl fmt::Debug for ReceiverPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverPanic")
            .field("receiver", &self.receiver)
            .field("name", &self.name)
            .field("message", &self.message())
            .finish()
    }
}

impl fmt::Display for ReceiverPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "receiver {} ({}) panicked: {}",
            self.receiver,
            self.name,
            self.message()
        )
    }
}

impl Error for ReceiverPanic {}
