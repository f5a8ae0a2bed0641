//! The interface of `src/table/sync.rs` over shuttle.
//!
//! shuttle runs one interleaving after another and knows neither weak memory nor the counts of an
//! `Arc`. The cell is a lock. The real cell is checked over loom.

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::Deref;
use std::sync::{PoisonError, TryLockError};
use std::time::Instant;

pub(crate) use shuttle::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// A `OnceLock` like std's, in which every step is a place where other threads may run.
pub(crate) struct OnceLock<T> {
    is_set: AtomicBool,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        OnceLock {
            is_set: AtomicBool::new(false),
            value: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::SeqCst) {
            self.value.get()
        } else {
            None
        }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.is_set.store(true, Ordering::SeqCst);
        Ok(())
    }
}

pub(crate) fn light() {}

pub(crate) fn heavy() -> bool {
    true
}

pub(crate) fn prepare_heavy() {}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> MutexGuard<'a, T> {
    assert!(deadline.is_none(), "a model cannot wait for a deadline");
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn rest(_turn: u32, _deadline: Option<Instant>) {
    shuttle::thread::yield_now();
}

pub(crate) type ThreadId = shuttle::thread::ThreadId;

pub(crate) fn this_thread() -> ThreadId {
    shuttle::thread::current().id()
}

pub(crate) struct Cell<T>(Mutex<Option<Arc<T>>>);

pub(crate) struct Guard<T>(Option<Arc<T>>);

impl<T> Deref for Guard<T> {
    type Target = Option<Arc<T>>;

    fn deref(&self) -> &Option<Arc<T>> {
        &self.0
    }
}

impl<T> Cell<T> {
    pub(crate) fn empty() -> Self {
        Cell(Mutex::new(None))
    }

    pub(crate) fn load(&self) -> Guard<T> {
        Guard(self.load_full())
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        lock(&self.0).clone()
    }

    pub(crate) fn swap(&self, next: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *lock(&self.0), next)
    }
}

/// See the one of `loom_sync`: here only a place where others may run.
pub(crate) struct Ground(AtomicU64);

impl Ground {
    pub(crate) fn new() -> Self {
        Ground(AtomicU64::new(0))
    }

    pub(crate) fn read(&self) {
        self.0.load(Ordering::SeqCst);
    }

    pub(crate) fn write(&self) {
        self.0.store(1, Ordering::SeqCst);
    }
}

/// A flag that one thread of a model sets for another.
pub(crate) struct Note(AtomicBool);

impl Note {
    pub(crate) fn new() -> Self {
        Note(AtomicBool::new(false))
    }

    pub(crate) fn write(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn read(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A place where others may run: an access to a count is none.
pub(crate) fn pause() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

pub(crate) struct Spawned<T>(shuttle::thread::JoinHandle<T>);

pub(crate) fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Spawned<T> {
    Spawned(shuttle::thread::spawn(run))
}

impl<T> Spawned<T> {
    pub(crate) fn join(self) -> T {
        self.0.join().expect("a panic has failed the model already")
    }
}
