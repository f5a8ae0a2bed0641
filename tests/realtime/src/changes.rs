//! The changes that the other thread makes.

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare::{Sender, Signal};

use crate::sends::SENDER;

/// Long enough for a machine that is busy with other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// The changes that were made so far.
static MADE: AtomicU64 = AtomicU64::new(0);

pub(crate) fn made() -> u64 {
    // Relaxed, here and below: a count that guards no data.
    MADE.load(Ordering::Relaxed)
}

/// An event for which receivers hold their send up until a change was made meanwhile, so that the
/// send ends with a table that was replaced. It ends soon in any case: a change may wait for it.
pub(crate) const LINGER: u64 = 0;
const LONGEST: u32 = 1_000;

/// Returns a receiver that captures a box: its destructor frees, which no send may do.
pub(crate) fn receiver(number: u64) -> impl Fn(Sender<'_>, &u64) + Send + Sync + 'static {
    let captured = Box::new(number);
    move |_sender, event| {
        black_box(*captured + event);
        if *event == LINGER && *captured == 0 {
            let before = made();
            let mut turns = 0;
            while made() == before && turns < LONGEST {
                turns += 1;
                spin_loop();
            }
        }
    }
}

/// A change that leaves the receivers of the signal as they were.
type Change = fn(&Signal<u64>);

/// Makes every change, in turn, until `stop`.
pub(crate) fn without_pause(signal: &Signal<u64>, stop: impl Fn() -> bool) {
    MADE.store(0, Ordering::Relaxed);
    for change in CHANGES.iter().cycle() {
        change(signal);
        MADE.fetch_add(1, Ordering::Relaxed);
        if stop() {
            break;
        }
    }
}

const CHANGES: [Change; 8] = [
    connect_and_disconnect,
    connect_and_wait,
    connect_for_sender,
    connect_for_sender_and_wait,
    connect_before_others_in_a_scope,
    connect_many_with_uids,
    connect_for_another_and_disconnect_it,
    connect_weak_and_purge,
];

fn connect_and_disconnect(signal: &Signal<u64>) {
    assert!(signal.connect(receiver(0)).disconnect());
}

/// Connects and waits, so that the receiver's destructor has run when this returns, and not in a
/// send.
fn connect_and_wait(signal: &Signal<u64>) {
    let connection = signal.connect(receiver(2));
    assert_eq!(connection.disconnect_and_wait(PATIENCE), Ok(()));
}

fn connect_for_sender(signal: &Signal<u64>) {
    let connection = signal.options().sender(SENDER).connect(receiver(0));
    assert!(connection.disconnect());
}

fn connect_for_sender_and_wait(signal: &Signal<u64>) {
    let connection = signal.options().sender(SENDER).connect(receiver(4));
    assert_eq!(connection.disconnect_and_wait(PATIENCE), Ok(()));
}

fn connect_before_others_in_a_scope(signal: &Signal<u64>) {
    let _scope = signal.options().priority(1).connect(receiver(0)).scoped();
}

fn connect_many_with_uids(signal: &Signal<u64>) {
    const UIDS: [&str; 3] = ["a", "b", "c"];
    signal.change(|changes| {
        for uid in UIDS {
            changes.options().dispatch_uid(uid).connect(receiver(6));
        }
    });
    for uid in UIDS {
        assert!(signal.disconnect_uid(uid));
    }
}

fn connect_for_another_and_disconnect_it(signal: &Signal<u64>) {
    signal.options().sender("another").connect(receiver(7));
    assert_eq!(signal.from("another").disconnect_all(), 1);
}

/// Connects for another sender, because a send that meets a weak receiver counts its target, and
/// may drop that.
fn connect_weak_and_purge(signal: &Signal<u64>) {
    let target = Arc::new(8_u64);
    let options = signal.options().sender("another");
    options.connect_weak(&target, |target: &u64, _sender, event| {
        black_box(target + event);
    });
    drop(target);
    assert_eq!(signal.purge(), 1);
}
