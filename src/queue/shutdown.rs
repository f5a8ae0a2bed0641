//! What a shutdown leaves.

use std::borrow::Cow;
use std::fmt;

use super::job::{Job, Sent, discard};
use crate::id::ReceiverId;
use crate::sender::Sender;

/// What [`Queue::shutdown`](crate::Queue::shutdown) could not deliver in time.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "what was not delivered is lost with it"]
pub struct ShutdownReport {
    /// What no receiver has got: line by line, and in each in the order of sending. Of
    /// one receiver and one sender, everything here came after everything delivered, unless several
    /// events of a line run at a time.
    pub undelivered: Vec<Undelivered>,
    /// How many receivers were still running when the time was up. Those runs count
    /// as delivered when they end, and nothing follows them.
    pub still_running: usize,
}

/// One event that one receiver has not got.
///
/// It keeps the event and the receiver alive.
pub struct Undelivered {
    /// `None` only while it is dropped.
    job: Option<Job>,
}

impl Undelivered {
    pub(super) fn new(job: Job) -> Self {
        Undelivered { job: Some(job) }
    }

    fn job(&self) -> &Job {
        self.job.as_ref().expect("only the destructor takes it out")
    }

    /// Whose it is.
    pub fn receiver(&self) -> ReceiverId {
        self.job().receiver.id()
    }

    /// The receiver's name: what [`name`](crate::ConnectOptions::name) gave it, else the
    /// name of its type.
    pub fn name(&self) -> Cow<'static, str> {
        self.job().receiver.name()
    }

    /// The event, if `E` is its type. It may be shared with other receivers of the same send.
    pub fn event<E: 'static>(&self) -> Option<&E> {
        let sent = self.job().sent.downcast_ref::<Sent<E>>()?;
        Some(&sent.event)
    }

    /// The sender and the event, if `E` is its type: all that it takes to send it again.
    pub fn sent<E: 'static>(&self) -> Option<(Sender<'_>, &E)> {
        let sent = self.job().sent.downcast_ref::<Sent<E>>()?;
        let sender = sent.sender.as_ref();
        Some((
            sender.map_or(Sender::NONE, |key| key.as_sender()),
            &sent.event,
        ))
    }
}

impl Drop for Undelivered {
    /// The user's destructors may panic; that ends here.
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            discard(job);
        }
    }
}

impl fmt::Debug for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undelivered")
            .field("receiver", &self.receiver())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
