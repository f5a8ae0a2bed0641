//! The report of a shutdown.

use std::borrow::Cow;
use std::fmt;

use super::job::{Job, Sent, discard};
use crate::id::ReceiverId;
use crate::sender::Sender;

/// The events that [`Queue::shutdown`](crate::Queue::shutdown) could not deliver in time.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "undelivered events are lost when this is dropped"]
pub struct ShutdownReport {
    /// The events that their receivers have not received, line by line, and in each line in the
    /// order of sending.
    ///
    /// For one receiver and one sender, each event here was sent after every event that was
    /// delivered, unless several events of a line run at a time.
    pub undelivered: Vec<Undelivered>,
    /// The number of receivers that were still running when the time was up. Those runs count as
    /// delivered when they end, and no run follows them.
    pub still_running: usize,
}

/// One event that one receiver has not received.
///
/// It keeps the event and the receiver alive.
pub struct Undelivered {
    /// The job. It is `None` only while it is dropped.
    job: Option<Job>,
}

impl Undelivered {
    pub(super) fn new(job: Job) -> Self {
        Undelivered { job: Some(job) }
    }

    fn job(&self) -> &Job {
        self.job.as_ref().expect("only the destructor takes it out")
    }

    /// Returns the receiver to which the event was sent.
    pub fn receiver(&self) -> ReceiverId {
        self.job().receiver.id()
    }

    /// Returns the receiver's name: the name that [`name`](crate::ConnectOptions::name) set, or
    /// else the name of its type.
    pub fn name(&self) -> Cow<'static, str> {
        self.job().receiver.name()
    }

    /// Returns the event, if `E` is its type. It may be shared with other receivers of the same
    /// send.
    pub fn event<E: 'static>(&self) -> Option<&E> {
        let sent = self.job().sent.downcast_ref::<Sent<E>>()?;
        Some(&sent.event)
    }

    /// Returns the sender and the event, if `E` is its type. They are enough to send the event
    /// again.
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
    /// Drops the job. A panic of the user's destructors is caught here.
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
