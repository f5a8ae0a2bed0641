//! The primitives under the asymmetric cell, and the barrier that its writer has for both
//! sides.

pub(super) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
pub(super) use std::sync::{Arc, Mutex};

use std::sync::atomic::fence;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// The number of slots of a thread: sends inside one another that each hold a table without a
/// count.
pub(super) const SLOTS: usize = 8;

/// Takes the lock, also one that a panic left. It guards no data.
#[cfg_attr(fanfare_realtime, sanitize(realtime = "blocking"))]
pub(super) fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Statics whose initial values are constants.
macro_rules! statics {
    ($(#[$doc:meta])* pub(super) static $name:ident: $type:ty = $init:expr;) => {
        $(#[$doc])*
        pub(super) static $name: $type = $init;
    };
}
/// Thread-local variables whose initial values are constants.
macro_rules! per_thread {
    ($(#[$doc:meta])* static $name:ident: $type:ty = $init:expr;) => {
        thread_local! {
            $(#[$doc])*
            static $name: $type = const { $init };
        }
    };
}
pub(super) use {per_thread, statics};

/// Keeps a value that is never freed.
pub(super) fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Waits a little for a thread that is between two instructions. The wait is longer each time,
/// because that thread may have lost its processor to the very thread that waits here.
pub(super) fn pause(turn: u32) {
    match turn {
        0..64 => std::hint::spin_loop(),
        64..128 => std::thread::yield_now(),
        _ => std::thread::sleep(Duration::from_micros(50)),
    }
}

/// Makes a barrier on both sides, for systems that have no other.
#[inline(always)]
pub(super) fn full() {
    fence(Ordering::SeqCst);
}

#[cfg(not(all(target_os = "linux", not(fanfare_fences))))]
pub(super) use by_fences::{heavy, is_asymmetric, light};
#[cfg(all(target_os = "linux", not(fanfare_fences)))]
pub(super) use by_membarrier::{heavy, is_asymmetric, light};

#[cfg(all(target_os = "linux", not(fanfare_fences)))]
mod by_membarrier {
    use crate::table::barrier;

    pub(in super::super) use barrier::{is_asymmetric, light};

    /// Makes the writer's barrier, also for every other thread. Returns `false` if it cannot be
    /// had.
    pub(in super::super) fn heavy() -> bool {
        if is_asymmetric() {
            barrier::heavy()
        } else {
            super::full();
            true
        }
    }
}

#[cfg(not(all(target_os = "linux", not(fanfare_fences))))]
mod by_fences {
    #[inline(always)]
    pub(in super::super) fn light() {
        super::full();
    }

    pub(in super::super) fn is_asymmetric() -> bool {
        true
    }

    pub(in super::super) fn heavy() -> bool {
        super::full();
        true
    }
}
