//! A barrier that one side has for both: cheap for many readers, expensive for the rare writer.

use std::sync::atomic::{Ordering, compiler_fence};

#[cfg(all(target_os = "linux", feature = "asymmetric", not(fanfare_fences)))]
pub(crate) use by_membarrier::is_asymmetric;
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) use by_membarrier::{heavy, prepare_heavy};

/// Makes the reader's barrier, which is for the compiler alone. A writer's `heavy` makes it one for
/// the processor.
#[inline(always)]
pub(crate) fn light() {
    compiler_fence(Ordering::SeqCst);
}

/// Makes the writer's barrier, also for every other thread. Returns `false` if it cannot be had.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub(crate) fn heavy() -> bool {
    false
}

/// Does the work that the first `heavy` would do once.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub(crate) fn prepare_heavy() {}

#[cfg(target_os = "linux")]
#[cfg_attr(miri, allow(dead_code, reason = "Miri has no such call"))]
mod by_membarrier {
    use std::sync::atomic::{AtomicU8, Ordering};

    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    const UNKNOWN: u8 = 0;
    const REGISTERED: u8 = 1;
    const REFUSED: u8 = 2;

    /// The state of the process's registration. It is not a `OnceLock`, because a fork in the
    /// middle of one would leave it taken in the child forever. Threads that come at the same time
    /// each register, which does no harm. A child of `fork` inherits the registration.
    static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

    /// Returns `true` if the system has the barrier. The first call registers the process, which
    /// takes milliseconds.
    pub(crate) fn is_asymmetric() -> bool {
        // Relaxed, both: the kernel keeps the registration. Row E3.
        match STATE.load(Ordering::Relaxed) {
            UNKNOWN => {
                let is_registered = membarrier(REGISTER_PRIVATE_EXPEDITED);
                let state = if is_registered { REGISTERED } else { REFUSED };
                STATE.store(state, Ordering::Relaxed);
                is_registered
            }
            state => state == REGISTERED,
        }
    }

    /// Makes the writer's barrier, also for every other thread. Returns `false` if it cannot be
    /// had.
    pub(crate) fn heavy() -> bool {
        is_asymmetric() && membarrier(PRIVATE_EXPEDITED)
    }

    /// Does the work that the first `heavy` would do once: it registers the process.
    #[cfg(not(miri))]
    pub(crate) fn prepare_heavy() {
        is_asymmetric();
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two numbers, and does not touch our memory.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}
