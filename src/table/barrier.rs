//! A barrier that one side has for both: cheap for many readers, dear for the rare writer.

use std::sync::atomic::{Ordering, compiler_fence};

#[cfg(target_os = "linux")]
pub(crate) use by_membarrier::heavy;
#[cfg(all(target_os = "linux", feature = "asymmetric"))]
pub(crate) use by_membarrier::is_asymmetric;

/// The reader's barrier: for the compiler alone. A writer's `heavy` makes it one for the processor.
#[inline(always)]
pub(crate) fn light() {
    compiler_fence(Ordering::SeqCst);
}

/// The writer's barrier, also for every other thread; false if it cannot be had.
#[cfg(not(target_os = "linux"))]
pub(crate) fn heavy() -> bool {
    false
}

#[cfg(target_os = "linux")]
mod by_membarrier {
    use std::sync::OnceLock;

    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    /// Whether the system has the barrier. Found out once: the answer is that of the first call.
    pub(crate) fn is_asymmetric() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(REGISTER_PRIVATE_EXPEDITED))
    }

    /// The writer's barrier, also for every other thread; false if it cannot be had.
    pub(crate) fn heavy() -> bool {
        is_asymmetric() && membarrier(PRIVATE_EXPEDITED)
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two numbers, and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}
