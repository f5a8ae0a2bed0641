//! A receiver's part in the protocol: its claim, and the flag for its end.
//!
//! This file is compiled twice more, over loom and over shuttle, by `loom-tests/`: it
//! may name only `std`'s plain types and its sibling `sync`.

use std::time::{Duration, Instant};

use super::sync::{Arc, AtomicBool, AtomicU8, Mutex, Ordering, lock, rest};

/// The mark that the entry was taken out of the table. It is set by the writer that does so.
const REMOVED: u8 = 1;
/// The mark that the table without the entry has been published. It is set by that writer, after
/// `REMOVED`.
const UNREACHABLE: u8 = 4;
/// The mark that the one run of a once-only receiver has been claimed. It is set by the send that
/// got it.
const SPENT: u8 = 2;

/// An entry's part in the protocol: its number, its state, and the flag for threads that wait for
/// its end.
pub(crate) struct Link {
    number: u64,
    state: AtomicU8,
    watch: Mutex<Option<Arc<Quiet>>>,
}

impl Link {
    pub(crate) fn new(number: u64) -> Self {
        Link {
            number,
            state: AtomicU8::new(0),
            watch: Mutex::new(None),
        }
    }

    /// Returns the connection's number, which is unique and rises in the order of connecting.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Takes the only run of a once-only receiver. Returns `true` to exactly one caller.
    pub(crate) fn claim(&self) -> bool {
        // Relaxed: of two claims the modification order of this byte alone lets one find SPENT
        // unset. The receiver itself was acquired with the snapshot. Row L1.
        self.state.fetch_or(SPENT, Ordering::Relaxed) & SPENT == 0
    }

    /// Marks a receiver of which all runs have been claimed.
    #[allow(dead_code, reason = "the models have receivers with one run")]
    pub(crate) fn mark_spent(&self) {
        // Release: the claims that a limit has counted, to `is_connected`, so that a thread that
        // reads the mark, and then sends, finds no run left. Row L5.
        self.state.fetch_or(SPENT, Ordering::Release);
    }

    /// Returns `true` if a send that starts now finds the receiver and does not have to pass over
    /// it.
    pub(crate) fn is_connected(&self) -> bool {
        // Acquire: with the release in `mark_unreachable`, so that a thread that reads that the
        // receiver is out, and then sends, sends to the table without it. Row L2.
        self.state.load(Ordering::Acquire) & (UNREACHABLE | SPENT) == 0
    }

    pub(crate) fn is_spent(&self) -> bool {
        // Relaxed: a send may claim the receiver at any moment after this. Row L1.
        self.state.load(Ordering::Relaxed) & SPENT != 0
    }

    pub(super) fn is_removed(&self) -> bool {
        // Relaxed: read under the writer's lock, or after this thread has had it, which orders it
        // after the `mark_removed` of any earlier writer. Row L3.
        self.state.load(Ordering::Relaxed) & REMOVED != 0
    }

    pub(super) fn mark_removed(&self) {
        // Relaxed: set and read under the writer's lock. Row L3.
        self.state.fetch_or(REMOVED, Ordering::Relaxed);
    }

    pub(super) fn mark_unreachable(&self) {
        // Release: after the swap that took the entry out, which `is_connected` acquires
        // with this. Row L2.
        self.state.fetch_or(UNREACHABLE, Ordering::Release);
    }

    /// Returns the flag that is set once the receiver has gone. The caller must then drop its
    /// entry.
    pub(crate) fn watch(&self) -> Arc<Quiet> {
        Arc::clone(lock(&self.watch).get_or_insert_with(|| Arc::new(Quiet::new())))
    }

    /// Sets the flag, if there is one. The last owner of the receiver calls it, after the
    /// receiver's destructor.
    pub(crate) fn announce_gone(&self) {
        if let Some(quiet) = lock(&self.watch).take() {
            // Release: the effects of the receiver and its destructor, to `is_gone`. Row L4.
            quiet.gone.store(true, Ordering::Release);
        }
    }
}

/// A flag that a receiver has gone from every table and every queue, and that its destructor has
/// run.
pub(crate) struct Quiet {
    gone: AtomicBool,
}

impl Quiet {
    fn new() -> Self {
        Quiet {
            gone: AtomicBool::new(false),
        }
    }

    /// Returns `true` if the receiver has gone.
    pub(crate) fn is_gone(&self) -> bool {
        // Acquire: with the release in `announce_gone`, so that a thread that waited may free the
        // data that the receiver used. Row L4.
        self.gone.load(Ordering::Acquire)
    }

    /// Waits until the receiver has gone. Returns `false` if `timeout` passes first. A timeout that
    /// the clock cannot represent is no limit.
    ///
    /// It looks again and again, with pauses that grow to a millisecond, because a send that ends
    /// must not pay for a notification. `free` runs before each look.
    pub(crate) fn wait(&self, timeout: Duration, free: impl Fn()) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut turn = 0;
        loop {
            free();
            if self.is_gone() {
                return true;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
            rest(turn, deadline);
            turn = turn.saturating_add(1);
        }
    }
}
