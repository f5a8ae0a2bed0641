//! A writer whose system call for the barrier is refused takes no table away from an emitter, which
//! may be about to send.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::blocked::LONG;
use fanfare::Signal;
use fanfare::error::{HeldBy, WaitError};

/// A wait that is to run out.
const SHORT: Duration = Duration::from_millis(30);

/// Makes the kernel refuse `membarrier` to this thread, for the rest of its life.
fn refuse_barriers() {
    let step = |code: u32, if_equal, if_not, operand: u32| libc::sock_filter {
        code: code as u16,
        jt: if_equal,
        jf: if_not,
        k: operand,
    };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    // Loads the number of the call, which comes first in the input of a filter, and compares it.
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_membarrier as u32,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the call takes numbers alone. It keeps this thread from new privileges.
    let is_limited = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(is_limited, 0, "the kernel has no filters for calls");
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: `filter` points at `len` steps, which live until the kernel has copied them.
    let is_filtered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
    assert_eq!(is_filtered, 0, "the kernel has no filters for calls");
}

/// Registers the process for the barrier, on a thread that may: the first writer that finds an idle
/// emitter does so, and remembers a refusal for the whole process.
fn register_for_barriers() {
    let signal = Signal::<()>::new();
    let connection = signal.connect(|_, ()| ());
    let mut emitter = signal.emitter();
    assert_eq!(emitter.send(&()).len(), 1);
    assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
}

#[test]
fn an_idle_emitter_keeps_a_receiver_while_the_barrier_is_refused() {
    register_for_barriers();
    let signal = Signal::<()>::new();
    let held = Arc::new(());
    let captured = Arc::clone(&held);
    let connection = signal.connect(move |_, ()| drop(Arc::clone(&captured)));
    let mut emitter = signal.emitter();
    assert_eq!(emitter.send(&()).len(), 1);
    // Here, because the feature `asymmetric` needs the barrier to replace a table as well.
    assert!(connection.disconnect());
    let waited = thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            refuse_barriers();
            connection.disconnect_and_wait(SHORT)
        });
        waiter.join().unwrap()
    });
    let idle = HeldBy::IdleEmitter;
    assert!(
        matches!(waited, Err(WaitError::Timeout { held_by, .. }) if held_by == idle),
        "{waited:?}"
    );
    assert_eq!(Arc::strong_count(&held), 2, "the emitter keeps it");

    assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(emitter.send(&()).is_empty());
}
