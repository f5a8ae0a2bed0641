//! Locks that ignore poison.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Takes the lock, also one that a panic left. The content is changed only by steps that cannot be
/// seen half done.
#[cfg_attr(fanfare_realtime, sanitize(realtime = "blocking"))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lock if it is free.
#[cfg_attr(fanfare_realtime, sanitize(realtime = "blocking"))]
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
