//! The interface of `src/table/asymmetric/sync.rs` over loom: fences on both sides.
//!
//! With a tick before each access: see `crate::loom_sync`. In a panic the model has failed,
//! and loom is no longer there: accesses do nothing.

use std::thread::panicking;

use loom::sync::atomic::AtomicUsize as Plain;
use loom::sync::atomic::fence;

pub(crate) use crate::loom_sync::{Arc, Ground, Mutex, Note, Ordering, lock, spawn};

/// Two that are kept without a count, and the last.
pub(crate) const SLOTS: usize = 3;

macro_rules! statics {
    ($(#[$doc:meta])* pub(super) static $name:ident: $type:ty = $init:expr;) => {
        loom::lazy_static! {
            $(#[$doc])*
            pub(super) static ref $name: $type = $init;
        }
    };
}
macro_rules! per_thread {
    ($(#[$doc:meta])* static $name:ident: $type:ty = $init:expr;) => {
        $(#[$doc])*
        static $name: crate::asymmetric::sync::Local<$type> = {
            loom::thread_local! {
                static INNER: $type = $init;
            }
            crate::asymmetric::sync::Local(&INNER)
        };
    };
}
pub(crate) use {per_thread, statics};

/// A thread-local variable.
pub(crate) struct Local<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

impl<T> Local<T> {
    pub(crate) fn with<R>(&'static self, run: impl FnOnce(&T) -> R) -> R {
        self.0.with(run)
    }

    pub(crate) fn try_with<R>(&'static self, run: impl FnOnce(&T) -> R) -> Result<R, ()> {
        if panicking() {
            return Err(());
        }
        self.0.try_with(run).map_err(|_| ())
    }
}

/// Leaked in each execution.
pub(crate) fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

pub(crate) fn pause(_turn: u32) {
    loom::thread::yield_now();
}

pub(crate) fn full() {
    if !panicking() {
        fence(Ordering::SeqCst);
    }
}

pub(crate) fn light() {
    full();
}

pub(crate) fn heavy() -> bool {
    full();
    true
}

pub(crate) fn is_asymmetric() -> bool {
    true
}

/// A system on which threads cannot be made to pass a barrier: each send has fences of its own.
pub(crate) mod fenced {
    pub(crate) use super::*;

    pub(crate) fn light() {
        unreachable!("nothing is entered without a fence");
    }

    pub(crate) fn is_asymmetric() -> bool {
        false
    }
}

macro_rules! ticking {
    ($name:ident $(<$param:ident>)?, $inner:ty, $value:ty, $none:expr) => {
        pub(crate) struct $name$(<$param>)? {
            tick: Plain,
            value: $inner,
        }

        #[allow(dead_code, reason = "not every atomic is used in every way")]
        impl$(<$param>)? $name$(<$param>)? {
            pub(crate) fn new(value: $value) -> Self {
                $name {
                    tick: Plain::new(0),
                    value: <$inner>::new(value),
                }
            }

            fn ticked(&self) -> Option<&$inner> {
                if panicking() {
                    return None;
                }
                self.tick.fetch_add(1, Ordering::Relaxed);
                Some(&self.value)
            }

            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                self.ticked().map_or($none, |inner| inner.load(ordering))
            }

            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                if let Some(inner) = self.ticked() {
                    inner.store(value, ordering);
                }
            }

            pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                self.ticked().map_or($none, |inner| inner.swap(value, ordering))
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.ticked()
                    .map_or(Err($none), |inner| inner.compare_exchange(current, new, success, failure))
            }
        }
    };
}

ticking!(AtomicBool, loom::sync::atomic::AtomicBool, bool, false);
ticking!(AtomicUsize, loom::sync::atomic::AtomicUsize, usize, 0);
ticking!(
    AtomicPtr<T>,
    loom::sync::atomic::AtomicPtr<T>,
    *mut T,
    std::ptr::null_mut()
);
