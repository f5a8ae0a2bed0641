//! Wakes the relays of this process.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// The relays of this process, each with the name of its connection.
static RELAYS: Mutex<Vec<(String, Weak<Notify>)>> = Mutex::new(Vec::new());

/// Returns the handle that wakes a relay on the connection `using`.
pub(crate) fn register(using: &str) -> Arc<Notify> {
    let notify = Arc::new(Notify::new());
    let mut relays = RELAYS.lock().unwrap_or_else(PoisonError::into_inner);
    relays.retain(|(_, relay)| relay.strong_count() > 0);
    relays.push((using.to_owned(), Arc::downgrade(&notify)));
    notify
}

/// Wakes the relays of the connection `using`.
pub(crate) fn of(using: &str) {
    wake(|name| name == using);
}

/// Wakes all relays, because the receivers of the process have changed.
pub(crate) fn all() {
    wake(|_| true);
}

fn wake(matches: impl Fn(&str) -> bool) {
    let relays = RELAYS.lock().unwrap_or_else(PoisonError::into_inner);
    for (using, relay) in &*relays {
        if matches(using)
            && let Some(relay) = relay.upgrade()
        {
            // It keeps one permit, so that a relay that is busy looks once more.
            relay.notify_one();
        }
    }
}
