//! The primitives that `publish` stands on.
//!
//! `publish.rs` names no atomic, lock or cell but through its sibling `sync`, so that the
//! model checkers can compile that same file over theirs.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use std::sync::{PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;

/// Takes the lock, also one that a panic left: what it guards is changed only by steps
/// that cannot be seen half done.
#[cfg_attr(fanfare_realtime, sanitize(realtime = "blocking"))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lock if nobody holds it.
#[cfg_attr(fanfare_realtime, sanitize(realtime = "blocking"))]
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Pauses before the next look at something that another thread is about to do: longer each
/// turn, up to a millisecond, and not past `deadline`.
pub(crate) fn rest(turn: u32, deadline: Option<Instant>) {
    if turn < 16 {
        return thread::yield_now();
    }
    let pause = Duration::from_micros(16 << (turn - 16).min(6));
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    thread::sleep(left.map_or(pause, |left| pause.min(left)));
}

/// Has this thread take the node that its first load from any cell takes.
///
/// A thread's node serves every cell, so that a cell of this function's own will do. A load goes
/// through the same steps as that of a send, also on a thread whose thread-local variables are
/// gone.
pub(crate) fn prepare_thread() {
    drop(Cell::<()>::empty().load());
}

#[cfg(feature = "asymmetric")]
pub(crate) use super::asymmetric::{Cell, Guard};
#[cfg(not(feature = "asymmetric"))]
pub(crate) use by_arc_swap::{Cell, Guard};

#[cfg(not(feature = "asymmetric"))]
mod by_arc_swap {
    use super::Arc;
    use arc_swap::ArcSwapOption;

    /// Holds the current snapshot, or none.
    pub(crate) struct Cell<T>(ArcSwapOption<T>);

    /// A snapshot as one send holds it.
    pub(crate) type Guard<T> = arc_swap::Guard<Option<Arc<T>>>;

    impl<T> Cell<T> {
        pub(crate) const fn empty() -> Self {
            Cell(ArcSwapOption::const_empty())
        }

        /// The current snapshot. Acquires what the `swap` that stored it had done.
        #[inline]
        pub(crate) fn load(&self) -> Guard<T> {
            self.0.load()
        }

        /// The current snapshot, owned.
        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }

        /// Publishes `next` and hands back what it replaces. Releases what was done before.
        pub(crate) fn swap(&self, next: Option<Arc<T>>) -> Option<Arc<T>> {
            self.0.swap(next)
        }
    }
}
