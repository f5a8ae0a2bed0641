//! A lease that this process holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanfare::watch::Context;
use tokio::sync::watch;

use crate::faults::{AFTER_ERROR, Faults, Part};
use crate::store::Store;
use crate::store::lease::Lease;

/// A lease, as long as this process can be sure of it.
///
/// The process counts from the moment before it requested the lease, so that its time is over
/// before that of the database.
pub(crate) struct Held {
    pub(crate) lease: Lease,
    until: Mutex<Option<Instant>>,
    stop: watch::Receiver<bool>,
    faults: Arc<Faults>,
    /// The context in which the relay was started.
    pub(crate) context: Context,
    /// `true` if a program with a newer version of the event should take over.
    gives_way: AtomicBool,
}

impl Held {
    pub(crate) fn new(
        lease: Lease,
        until: Instant,
        stop: watch::Receiver<bool>,
        faults: Arc<Faults>,
        context: Context,
    ) -> Self {
        Held {
            lease,
            until: Mutex::new(Some(until)),
            stop,
            faults,
            context,
            gives_way: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Sets the last error of the receiver's worker.
    pub(crate) fn set_error(&self, error: Option<String>) {
        let part = Part::Worker(self.lease.receiver.clone());
        self.faults.set(part, error);
    }

    /// Returns `true` if another delivery may start.
    pub(crate) fn may_start(&self) -> bool {
        self.is_held() && !is_stopped(&self.stop)
    }

    pub(crate) fn give_way(&self) {
        // Relaxed: no other memory depends on it.
        self.gives_way.store(true, Ordering::Relaxed);
    }

    pub(crate) fn gives_way(&self) -> bool {
        self.gives_way.load(Ordering::Relaxed)
    }

    pub(crate) fn lose(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Prolongs the lease, unless it is lost.
    fn prolong(&self, until: Instant) {
        let mut held = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.map(|_| until);
    }

    /// Renews the lease at every third of its time, until it is lost.
    pub(crate) async fn keep(&self, store: &Store, time: Duration) {
        let mut pause = time / 3;
        loop {
            tokio::time::sleep(pause).await;
            pause = time / 3;
            let asked = Instant::now();
            match store.renew(&self.lease, time).await {
                Ok(true) => self.prolong(asked + time),
                Ok(false) => {
                    self.lose();
                    return;
                }
                // Two thirds are left.
                Err(_) => pause = pause.min(AFTER_ERROR),
            }
        }
    }
}

/// Returns `true` if the relay is being shut down, or its handle was dropped.
pub(crate) fn is_stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}
