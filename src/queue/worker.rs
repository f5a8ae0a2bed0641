//! The threads of a queue.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::job::{Job, discard};
use super::line::{Line, Started};
use super::pool::Pool;
use crate::panic_report;

/// Runs the jobs of one line on the thread of a worker, until the line is closed.
pub(super) fn run(pool: &Pool, line: usize) {
    pool.mark_worker();
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

/// Ends a job that has run. Breaks if the receiver has forked and this is the child: the worker of
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
    // The job is dropped before it is finished, so that a thread that has flushed finds that the
    // event and the receiver are released.
    discard(job);
    if pool.birth.is_before_fork() {
        return ControlFlow::Break(());
    }
    line.finish(started);
    ControlFlow::Continue(())
}
