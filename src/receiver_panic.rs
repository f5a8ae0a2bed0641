//! The panic of a receiver, caught.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::id::ReceiverId;
use crate::panic_report;

/// A receiver panicked in a robust send.
pub struct Failure {
    receiver: ReceiverId,
    name: Cow<'static, str>,
    /// `None` once it has been taken out.
    payload: Option<Box<dyn Any + Send>>,
}

impl Failure {
    pub(crate) fn new(
        receiver: ReceiverId,
        name: Cow<'static, str>,
        payload: Box<dyn Any + Send>,
    ) -> Self {
        Failure {
            receiver,
            name,
            payload: Some(payload),
        }
    }

    /// Whose failure it is.
    pub fn receiver(&self) -> ReceiverId {
        self.receiver
    }

    /// The receiver's name: what [`name`](crate::ConnectOptions::name) gave it, else the
    /// name of its type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of the panic, or a stand-in if it carried none.
    pub fn message(&self) -> &str {
        self.payload.as_deref().map_or("", panic_report::message)
    }

    /// What the panic carried, for [`std::panic::resume_unwind`] or a downcast.
    pub fn into_panic(mut self) -> Box<dyn Any + Send> {
        self.payload
            .take()
            .expect("only this takes the payload out")
    }
}

impl Drop for Failure {
    /// What a panic carries may panic as it is dropped; that ends here.
    fn drop(&mut self) {
        if let Some(payload) = self.payload.take() {
            panic_report::discard(payload);
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("receiver", &self.receiver)
            .field("name", &self.name)
            .field("message", &self.message())
            .finish()
    }
}

impl fmt::Display for Failure {
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

impl Error for Failure {}
