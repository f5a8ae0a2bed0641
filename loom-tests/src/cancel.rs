//! A model of an async send that is dropped while its receivers finish, and of the report about
//! them (`src/awaited/walk.rs`, `src/awaited/outcome.rs`).
//!
//! A future has one owner at a time, so nothing of the send is shared; but the owner may be
//! a thread that polls it and then another that drops it. Whatever hands it over is the
//! executor's, here a spin lock. The notes are relaxed and lean on that.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::harness::{self, Model};

/// The lock with which an executor has a future to itself.
struct Executor {
    busy: AtomicBool,
    take: Ordering,
    release: Ordering,
}

impl Executor {
    fn with<T>(&self, own: impl FnOnce() -> T) -> T {
        while self
            .busy
            .compare_exchange(false, true, self.take, Ordering::Relaxed)
            .is_err()
        {
            thread::yield_now();
        }
        let done = own();
        self.busy.store(false, self.release);
        done
    }
}

/// A send with two receivers. The effect of each is in a cell that only the owner touches.
struct Send {
    executor: Executor,
    finished: [AtomicBool; 2],
    ran: [UnsafeCell<bool>; 2],
    dropped: UnsafeCell<bool>,
}

/// SAFETY: only the thread that has the executor's lock touches the cells, which loom checks.
unsafe impl Sync for Send {}

impl Send {
    /// Finishes a receiver, as `Outcome::poll` of a future that is ready does.
    fn poll(&self, at: usize) {
        self.executor.with(|| {
            // SAFETY: see `Sync`.
            if self.dropped.with(|dropped| unsafe { *dropped }) {
                return;
            }
            // SAFETY: see `Sync`.
            self.ran[at].with_mut(|ran| unsafe { *ran = true });
            self.finished[at].store(true, Ordering::Relaxed);
        });
    }

    /// Drops the send, as `Cancelled`'s destructor does, and returns its report about the two
    /// receivers.
    fn cancel(&self) -> [bool; 2] {
        self.executor.with(|| {
            // SAFETY: see `Sync`.
            self.dropped.with_mut(|dropped| unsafe { *dropped = true });
            [0, 1].map(|at| {
                let finished = self.finished[at].load(Ordering::Relaxed);
                // SAFETY: see `Sync`.
                let ran = self.ran[at].with(|ran| unsafe { *ran });
                assert_eq!(finished, ran, "the report is not what happened");
                finished
            })
        })
    }
}

fn cancel_vs_completion(take: Ordering, release: Ordering) -> String {
    let send = Arc::new(Send {
        executor: Executor {
            busy: AtomicBool::new(false),
            take,
            release,
        },
        finished: [AtomicBool::new(false), AtomicBool::new(false)],
        ran: [UnsafeCell::new(false), UnsafeCell::new(false)],
        dropped: UnsafeCell::new(false),
    });
    let polled = Arc::clone(&send);
    let poller = thread::spawn(move || {
        polled.poll(0);
        polled.poll(1);
    });
    let reported = send.cancel();
    poller.join().expect("a poll does not panic");
    match reported {
        [false, false] => "none had finished",
        [true, false] => "the first had finished",
        [true, true] => "both had finished",
        [false, true] => "the second alone had finished",
    }
    .into()
}

fn model(run: fn() -> String) -> Model {
    Model {
        name: "cancel_vs_completion",
        outcomes: &[
            "none had finished",
            "the first had finished",
            "both had finished",
        ],
        run,
    }
}

#[test]
fn over_an_executor() {
    harness::loom(model(|| {
        cancel_vs_completion(Ordering::Acquire, Ordering::Release)
    }));
}

/// The twin: an executor that hands futures over without making anything visible.
#[test]
fn over_one_that_does_not_hand_over() {
    harness::must_fail(
        harness::loom,
        model(|| cancel_vs_completion(Ordering::Relaxed, Ordering::Relaxed)),
        "Causality violation",
    );
}
