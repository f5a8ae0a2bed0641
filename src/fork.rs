//! Detecting that this process is a child of `fork`, in which threads that were made before do not
//! exist.

use std::sync::atomic::{AtomicU64, Ordering};

/// The process in which a value was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    forks: u64,
}

impl Birth {
    /// Returns the mark of this process.
    pub(crate) fn now() -> Self {
        count_forks();
        // Relaxed: a child starts with one thread, which has called `fork`, and all other threads
        // of it are made later. Row F1.
        let forks = FORKS.load(Ordering::Relaxed);
        Birth { forks }
    }

    /// Returns `true` if this process was forked since. Costs a load.
    #[inline]
    pub(crate) fn is_before_fork(self) -> bool {
        // Relaxed: as in `now`. Row F1.
        self.forks != FORKS.load(Ordering::Relaxed)
    }
}

/// The number of forks between the process in which the count began and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Registers a handler that counts each later `fork` in the child. A child that is made by the bare
/// system call is not counted.
#[cfg(unix)]
fn count_forks() {
    use std::sync::atomic::AtomicBool;

    // It is not a `Once`: a fork in the middle of one would leave it taken in the child.
    static COUNTED: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" fn in_child() {
        // Relaxed: as in `Birth::now`. Row F1.
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    // Relaxed: no other memory is read because of it, and a second handler does no harm. Row F2.
    if !COUNTED.swap(true, Ordering::Relaxed) {
        // SAFETY: the handler is a function of this program that takes no argument. It does only an
        // atomic addition, which is allowed after a fork.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        debug_assert_eq!(refused, 0, "there is no memory for the handler");
    }
}

/// Does not count, because there is no `fork`.
#[cfg(not(unix))]
fn count_forks() {}
