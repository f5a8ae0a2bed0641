//! The last errors of a relay and of its workers, and the time that they rest after one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The time between an error of the database and the next try.
pub(crate) const AFTER_ERROR: Duration = Duration::from_secs(1);

/// A part of a relay, from the one whose errors are shown first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Relay,
    /// The worker of this receiver.
    Worker(String),
    /// The subscription to notices of other processes.
    Notices,
}

/// The last error of each part of a relay.
#[derive(Default)]
pub(crate) struct Faults(Mutex<BTreeMap<Part, String>>);

impl Faults {
    /// Sets the last error of a part. `None` removes it.
    pub(crate) fn set(&self, part: Part, error: Option<String>) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => drop(faults.insert(part, error)),
            None => drop(faults.remove(&part)),
        }
    }

    /// Returns an error, that of the relay if it has one.
    pub(crate) fn first(&self) -> Option<String> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (part, error) = faults.first_key_value()?;
        Some(match part {
            Part::Worker(receiver) => format!("the receiver {receiver:?}: {error}"),
            Part::Relay | Part::Notices => error.clone(),
        })
    }
}
