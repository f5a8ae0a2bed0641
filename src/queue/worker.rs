//! The threads of a queue, and what they do with a job.

use std::any::Any;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::line::{Line, Started};
use super::pool::{Job, Pool};
use crate::panic_report;

thread_local! {
    /// The address of the pool that this thread is a worker of; 0 for none.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is a worker of the pool.
pub(super) fn is_worker_of(pool: &Pool) -> bool {
    WORKS_FOR.get() == ptr::from_ref(pool).addr()
}

/// Makes this thread a worker of the pool.
pub(super) fn work_for(pool: &Pool) {
    WORKS_FOR.set(ptr::from_ref(pool).addr());
}

/// What a worker's thread runs: everything in its line, until the line is closed.
pub(super) fn run(pool: &Pool, line: usize) {
    work_for(pool);
    let line = &pool.lines[line];
    while let Some((started, job)) = line.next() {
        if deliver(pool, line, started, job).is_break() {
            break;
        }
    }
}

/// Runs a receiver on this thread. Breaks as [`end`] does.
pub(super) fn deliver(
    pool: &Pool,
    line: &Line<Job>,
    started: Started,
    job: Job,
) -> ControlFlow<()> {
    let ran = catch_unwind(AssertUnwindSafe(|| job.receiver.deliver(&*job.sent)));
    end(pool, line, started, job, ran.err())
}

/// What follows a run. Breaks where the receiver has forked and this is the child: the worker of
/// the parent goes on.
pub(super) fn end(
    pool: &Pool,
    line: &Line<Job>,
    started: Started,
    job: Job,
    panic: Option<Box<dyn Any + Send>>,
) -> ControlFlow<()> {
    if let Some(payload) = panic {
        line.count_panicked();
        panic_report::queued_receiver_panicked(job.receiver.id(), &job.receiver.name(), payload);
    }
    // Before it is finished: who has flushed finds the event and the receiver let go of.
    discard(job);
    if pool.birth.is_before_fork() {
        return ControlFlow::Break(());
    }
    line.finish(started);
    ControlFlow::Continue(())
}

/// Lets go of a job, which may drop the event and the receiver. A panic of their destructors
/// ends here: it concerns neither the worker nor who happens to push.
pub(super) fn discard(job: Job) {
    let Job { receiver, sent } = job;
    let id = receiver.id();
    // The receiver first: an event's destructor may wait until it has gone.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(receiver))) {
        panic_report::destructor_panicked(id, payload);
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(sent))) {
        panic_report::event_panicked(payload);
    }
}
