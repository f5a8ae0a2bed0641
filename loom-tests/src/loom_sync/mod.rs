//! The interface of `src/table/sync.rs` over loom.
//!
//! loom keeps only the last access to each atomic, so a load by a thread hides that thread's next
//! access to the same atomic, and whole schedules are never tried. Here every access is therefore
//! preceded by a [`Tick`], a relaxed read-modify-write of an atomic that stands beside it: ticks
//! depend on one another whatever the access is, so the order of any two accesses is explored both
//! ways, and being relaxed they order nothing themselves.

mod counted;
mod debt;
mod leaky;

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::{Deref, DerefMut};
use std::sync::TryLockError;
use std::thread::panicking;
use std::time::Instant;

use loom::sync::atomic::AtomicUsize as Plain;

pub(crate) use counted::{Arc, Weak};
pub(crate) use loom::sync::Condvar;
pub(crate) use loom::sync::atomic::Ordering;

/// Over [`leaky`] cells with the orderings of the shipped one.
pub(crate) mod leaky_cell {
    pub(crate) use super::*;
    pub(crate) type Cell<T> = leaky::Cell<T, leaky::Sound>;
    pub(crate) type Guard<T> = leaky::Guard<T>;
}

/// A `leaky_cell` whose load does not acquire.
pub(crate) mod relaxed_load {
    pub(crate) use super::*;
    pub(crate) type Cell<T> = leaky::Cell<T, leaky::RelaxedLoad>;
    pub(crate) type Guard<T> = leaky::Guard<T>;
}

/// A `leaky_cell` whose swap does not release.
pub(crate) mod relaxed_swap {
    pub(crate) use super::*;
    pub(crate) type Cell<T> = leaky::Cell<T, leaky::RelaxedSwap>;
    pub(crate) type Guard<T> = leaky::Guard<T>;
}

/// Over [`debt`] cells, which drop tables that no reader holds.
pub(crate) mod debt_cell {
    pub(crate) use super::*;
    pub(crate) type Cell<T> = debt::Cell<T, debt::Fenced>;
    pub(crate) type Guard<T> = debt::Guard<T, debt::Fenced>;
}

/// A `debt_cell` without the fences between the two sides.
pub(crate) mod debt_without_fences {
    pub(crate) use super::*;
    pub(crate) type Cell<T> = debt::Cell<T, debt::Unfenced>;
    pub(crate) type Guard<T> = debt::Guard<T, debt::Unfenced>;
}

/// A `debt_cell` in which the emitter makes no barrier.
pub(crate) mod sending_without_barrier {
    pub(crate) use super::debt_cell::{Cell, Guard};
    pub(crate) use super::*;
    pub(crate) fn light() {}
}

/// Over the shipped cell of the feature `asymmetric`.
pub(crate) mod asymmetric_cell {
    pub(crate) use super::*;
    pub(crate) use crate::asymmetric::shipped::cell::{Cell, Guard};
}

/// Deterministic, as everything in a model must be.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// Shows loom that two accesses depend on each other. See the module.
struct Tick(Plain);

impl Tick {
    fn new() -> Self {
        Tick(Plain::new(0))
    }

    fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

macro_rules! ticking {
    ($name:ident, $value:ty, $($method:ident($($argument:ident: $type:ty),*) -> $result:ty),*) => {
        pub(crate) struct $name {
            tick: Tick,
            value: loom::sync::atomic::$name,
        }

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                $name {
                    tick: Tick::new(),
                    value: loom::sync::atomic::$name::new(value),
                }
            }

            $(pub(crate) fn $method(&self, $($argument: $type,)* ordering: Ordering) -> $result {
                self.tick.tick();
                self.value.$method($($argument,)* ordering)
            })*
        }
    };
}

ticking!(AtomicBool, bool, load() -> bool, store(value: bool) -> (), swap(value: bool) -> bool);
ticking!(AtomicU8, u8, load() -> u8, store(value: u8) -> (), fetch_or(bits: u8) -> u8);
ticking!(AtomicUsize, usize, load() -> usize, store(value: usize) -> ());
ticking!(AtomicU64, u64, load() -> u64, fetch_add(value: u64) -> u64);

/// A pointer to any type, like the other atomics here.
pub(crate) struct AtomicPtr<T> {
    tick: Tick,
    value: loom::sync::atomic::AtomicPtr<T>,
}

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        AtomicPtr {
            tick: Tick::new(),
            value: loom::sync::atomic::AtomicPtr::new(value),
        }
    }

    pub(crate) fn load(&self, ordering: Ordering) -> *mut T {
        self.tick.tick();
        self.value.load(ordering)
    }

    pub(crate) fn swap(&self, value: *mut T, ordering: Ordering) -> *mut T {
        self.tick.tick();
        self.value.swap(value, ordering)
    }

    pub(crate) fn compare_exchange(
        &self,
        expected: *mut T,
        value: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.tick.tick();
        self.value
            .compare_exchange(expected, value, success, failure)
    }
}

/// The barrier of an emitter: the shipped one is for the compiler, and `heavy` makes it this.
pub(crate) fn light() {
    fence(Ordering::SeqCst);
}

/// The barrier of a writer, for both.
pub(crate) fn heavy() -> bool {
    fence(Ordering::SeqCst);
    true
}

pub(crate) fn prepare_heavy() {}

/// A value that is set at most once, under a lock of the model's own. `set` releases it to `get`.
pub(crate) struct OnceLock<T> {
    is_set: AtomicUsize,
    value: loom::cell::UnsafeCell<Option<T>>,
}

// SAFETY: `set` is called by one thread at a time and writes only if nothing has been set; a
// reference is given out only after that, and loom panics at an access that nothing orders.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        OnceLock {
            is_set: AtomicUsize::new(0),
            value: loom::cell::UnsafeCell::new(None),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) == 0 {
            return None;
        }
        // SAFETY: it is set, and so is not written to any more.
        self.value.with(|value| unsafe { (*value).as_ref() })
    }

    /// For one thread at a time.
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        if self.is_set.load(Ordering::Acquire) != 0 {
            return Err(value);
        }
        // SAFETY: no other thread is in here, and no reference has been given out.
        self.value.with_mut(|place| unsafe { *place = Some(value) });
        self.is_set.store(1, Ordering::Release);
        Ok(())
    }
}

/// A fence that other threads may run before: loom takes it for a part of the step before it.
pub(crate) fn fence(ordering: Ordering) {
    FENCES.tick();
    loom::sync::atomic::fence(ordering);
}

loom::lazy_static! {
    static ref FENCES: Tick = Tick::new();
}

/// A lock whose release is a step of its own: loom knows only of the taking, and would not
/// try a `try_lock` between the two.
pub(crate) struct Mutex<T> {
    inner: loom::sync::Mutex<T>,
    release: Plain,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex {
            inner: loom::sync::Mutex::new(value),
            release: Plain::new(0),
        }
    }

    fn guard<'a>(&'a self, inner: loom::sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        MutexGuard {
            inner: Some(inner),
            mutex: self,
        }
    }
}

pub(crate) struct MutexGuard<'a, T> {
    inner: Option<loom::sync::MutexGuard<'a, T>>,
    mutex: &'a Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("held until it is dropped")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("held until it is dropped")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if panicking() {
            // The model has failed, and loom is no longer there to unlock.
            std::mem::forget(self.inner.take());
        } else if self.inner.is_some() {
            // A load: releases need not be tried against one another.
            self.mutex.release.load(Ordering::Relaxed);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.guard(mutex.inner.lock().expect("loom's locks know no poison"))
}

pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    mutex.release.fetch_add(1, Ordering::Relaxed);
    match mutex.inner.try_lock() {
        Ok(guard) => Some(mutex.guard(guard)),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Poisoned(_)) => unreachable!("loom's locks know no poison"),
    }
}

/// loom knows no time: a model either waits without a deadline or does not wait.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> MutexGuard<'a, T> {
    assert!(deadline.is_none(), "a model cannot wait for a deadline");
    let inner = guard.inner.take().expect("held until it is dropped");
    let inner = condvar.wait(inner).expect("loom's locks know no poison");
    guard.inner = Some(inner);
    guard
}

/// loom knows no time. The others run before the next look.
pub(crate) fn rest(_turn: u32, _deadline: Option<Instant>) {
    loom::thread::yield_now();
}

pub(crate) type ThreadId = loom::thread::ThreadId;

pub(crate) fn this_thread() -> ThreadId {
    loom::thread::current().id()
}

/// Memory without protection, as a receiver that trusts a promise of the crate may have it:
/// two accesses that nothing orders fail the model.
pub(crate) struct Ground(loom::cell::UnsafeCell<()>);

impl Ground {
    pub(crate) fn new() -> Self {
        Ground(loom::cell::UnsafeCell::new(()))
    }

    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }

    pub(crate) fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

// SAFETY: loom panics at an access that another thread's does not happen before.
unsafe impl Sync for Ground {}

/// A flag that one thread of a model sets for another.
pub(crate) struct Note(loom::sync::atomic::AtomicBool);

impl Note {
    pub(crate) fn new() -> Self {
        Note(loom::sync::atomic::AtomicBool::new(false))
    }

    pub(crate) fn write(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn read(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A place where others may run: here every access to a count is one.
pub(crate) fn pause() {}

pub(crate) struct Spawned<T>(loom::thread::JoinHandle<T>);

pub(crate) fn spawn<T: 'static>(run: impl FnOnce() -> T + 'static) -> Spawned<T> {
    Spawned(loom::thread::spawn(run))
}

impl<T> Spawned<T> {
    pub(crate) fn join(self) -> T {
        self.0.join().expect("a panic has failed the model already")
    }
}
