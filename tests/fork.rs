//! A child of `fork` sends, connects and disconnects, if no other thread was inside fanfare at the
//! moment of the fork. In a program of its own, because that must be known of every thread.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fanfare::{Connection, Sender, Signal};

static SIGNAL: Signal<()> = Signal::new();
static CALLS: AtomicUsize = AtomicUsize::new(0);

fn count(_sender: Sender<'_>, _event: &()) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Uses the signal in every way. Returns `true` if all of it had its effect.
fn works(first: &Connection) -> bool {
    let before = CALLS.load(Ordering::Relaxed);
    let sent = SIGNAL.send(Sender::NONE, &()).len();
    let second = SIGNAL.options().dispatch_uid("second").connect(count);
    let sent_to_two = SIGNAL.send(Sender::NONE, &()).len();
    let waited = second.disconnect_and_wait(Duration::from_secs(10));
    let on_a_thread = thread::spawn(|| SIGNAL.send(Sender::NONE, &()).len()).join();
    (sent, sent_to_two, waited, on_a_thread.ok()) == (1, 2, Ok(()), Some(1))
        && first.is_connected()
        && CALLS.load(Ordering::Relaxed) == before + 4
}

#[test]
fn a_child_of_fork_sends_and_changes() {
    let first = SIGNAL.connect(count);
    // A thread that has sent and has ended leaves its node to the child.
    thread::spawn(|| SIGNAL.send(Sender::NONE, &()))
        .join()
        .unwrap();
    assert!(works(&first));
    // SAFETY: the only other thread of this program is the harness's, which waits for this one and
    // holds no lock that the child uses.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no child could be made");
    if child == 0 {
        // SAFETY: it makes the kernel end the child if it hangs.
        unsafe { libc::alarm(60) };
        let status = if works(&first) { 0 } else { 1 };
        // SAFETY: it ends the child, and runs nothing of the harness.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: `child` is a child of this process, and the pointer is to a local variable.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(
        (ended, status),
        (child, 0),
        "the child failed or was killed"
    );
    assert!(works(&first), "the parent goes on");
}
