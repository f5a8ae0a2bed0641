//! The last errors of a relay and of its workers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The last error of the relay, which has no name here, and of the worker of each receiver.
#[derive(Default)]
pub(crate) struct Faults(Mutex<BTreeMap<Option<String>, String>>);

impl Faults {
    /// Sets the last error of the relay, or of the worker of a receiver. `None` removes it.
    pub(crate) fn set(&self, receiver: Option<&str>, error: Option<String>) {
        let receiver = receiver.map(str::to_owned);
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => drop(faults.insert(receiver, error)),
            None => drop(faults.remove(&receiver)),
        }
    }

    /// Returns an error, that of the relay if it has one.
    pub(crate) fn first(&self) -> Option<String> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (receiver, error) = faults.first_key_value()?;
        Some(match receiver {
            Some(receiver) => format!("the receiver {receiver:?}: {error}"),
            None => error.clone(),
        })
    }
}
