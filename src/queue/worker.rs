//! The threads of a queue, and what they do with a job.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::pool::{Job, Pool};
use crate::report;

thread_local! {
    /// The address of the pool that this thread is a worker of; 0 for none.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is a worker of the pool.
pub(super) fn is_worker_of(pool: &Pool) -> bool {
    WORKS_FOR.get() == ptr::from_ref(pool).addr()
}

/// What a worker's thread runs: everything in its line, until the line is closed.
pub(super) fn run(pool: &Pool, line: usize) {
    WORKS_FOR.set(ptr::from_ref(pool).addr());
    let line = &pool.lines[line];
    while let Some((started, job)) = line.next() {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.receiver.deliver(&*job.sent))) {
            line.count_panicked();
            report::queued_receiver_panicked(job.receiver.id(), &job.receiver.name(), payload);
        }
        // Before it is finished: who has flushed finds the event and the receiver let go of.
        discard(job);
        if pool.birth.is_before_fork() {
            // The receiver has forked, and this is the child: the parent's worker goes on.
            return;
        }
        line.finish(started);
    }
}

/// Lets go of a job, which may drop the event and the receiver. A panic of their destructors
/// ends here: it concerns neither the worker nor who happens to push.
pub(super) fn discard(job: Job) {
    let Job { receiver, sent } = job;
    let id = receiver.id();
    // The receiver first: an event's destructor may wait until it has gone.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(receiver))) {
        report::destructor_panicked(id, payload);
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(sent))) {
        report::event_panicked(payload);
    }
}
