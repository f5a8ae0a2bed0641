//! The state of an outbox, as people see it.

use std::fmt;
use std::time::Duration;

/// The state of an outbox at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The events of several receivers that are not handed out yet.
    pub new: u64,
    /// The events that no known receiver takes. They wait for one.
    pub parked: u64,
    /// The receivers that are known to the database, by name.
    pub receivers: Vec<ReceiverStatus>,
    /// The last error of this process's relay, until it works again.
    pub relay_error: Option<String>,
}

impl Status {
    /// Returns the receiver with this name, if the database has it.
    pub fn receiver(&self, name: &str) -> Option<&ReceiverStatus> {
        self.receivers.iter().find(|it| it.name == name)
    }
}

/// The state of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverStatus {
    /// The name of the receiver.
    pub name: String,
    /// The name of its event.
    pub event: String,
    /// `true` if the receiver is connected in this process.
    pub is_connected: bool,
    /// The name of the relay that has the lease, if one has it.
    pub owner: Option<String>,
    /// The deliveries that have not failed, and those that run. They may wait behind others of
    /// their key.
    pub pending: u64,
    /// The deliveries that have failed and will be tried again.
    pub failed: u64,
    /// The dead letters.
    pub dead: u64,
    /// The deliveries that wait for a program with their version of the event.
    pub parked: u64,
    /// The highest number of failed attempts of a delivery.
    pub attempts: u32,
    /// The last error of the oldest delivery that has one.
    pub last_error: Option<String>,
    /// The time since the oldest event was stored that is still owed.
    pub oldest: Option<Duration>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} new, {} parked", self.new, self.parked)?;
        for receiver in &self.receivers {
            write!(f, "; {receiver}")?;
        }
        if let Some(error) = &self.relay_error {
            write!(f, "; the relay fails: {error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ReceiverStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} pending, {} failed, {} dead, {} parked",
            self.name, self.pending, self.failed, self.dead, self.parked
        )?;
        if !self.is_connected {
            f.write_str(", not connected here")?;
        }
        if let Some(error) = &self.last_error {
            write!(f, ", last error: {error}")?;
        }
        Ok(())
    }
}

/// A delivery that has failed at its last attempt, and waits for
/// [`resubmit`](crate::Outbox::resubmit) or [`discard`](crate::Outbox::discard).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The name of the receiver.
    pub receiver: String,
    /// The id of the event.
    pub event_id: i64,
    /// The name of the event.
    pub event: String,
    /// The time since the event was stored.
    pub age: Duration,
    /// The key whose later events wait.
    pub key: String,
    /// The event's JSON.
    pub payload: String,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The last error.
    pub last_error: String,
}
