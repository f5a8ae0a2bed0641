//! The state that the handles and the workers of a queue share.

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::{Error, WaitError};
use super::job::{Job, discard};
use super::line::{Line, Overflow, Pushed, Refusal};
use crate::fork::Birth;
use crate::lock::lock;
use crate::panic_report;
use crate::tap::verdict::{NotRun, Verdict};

/// The state that the users' handles of one queue share.
pub(super) struct Users(pub(super) Arc<Handle>);

/// The state that the users' handles and the queue's receivers share.
pub(crate) struct Handle {
    pub(super) pool: Arc<Pool>,
    /// The worker threads. They are taken out at a shutdown, because they are not waited for after
    /// one.
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The state that the handles share with the workers.
pub(super) struct Pool {
    pub(super) name: Arc<str>,
    pub(super) capacity: Option<usize>,
    pub(super) overflow: Overflow,
    /// The lines: one for each worker, or one for all.
    pub(super) lines: Box<[Line<Job>]>,
    pub(super) workers: usize,
    pub(super) birth: Birth,
    /// The number of events that were refused in this child of `fork`.
    pub(super) refused_after_fork: AtomicU64,
    /// The runtime in which the workers run.
    #[cfg(feature = "tokio")]
    pub(super) runtime: Option<tokio::runtime::Handle>,
}

thread_local! {
    /// The address of the pool that this thread is a worker of. It is 0 on other threads.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

impl Pool {
    /// Does the remaining work of a push that was not simply accepted.
    #[cold]
    fn not_simply(&self, pushed: Pushed<Job>) -> Result<(), Error> {
        match pushed {
            Pushed::Accepted => Ok(()),
            Pushed::Displaced { oldest, more } => {
                discard(oldest);
                more.into_iter().for_each(discard);
                Ok(())
            }
            Pushed::Dropped(job) => {
                discard(job);
                Ok(())
            }
            Pushed::Refused(why, job) => {
                discard(job);
                Err(self.error(why))
            }
        }
    }

    fn error(&self, why: Refusal) -> Error {
        let queue = Arc::clone(&self.name);
        // Without a capacity a line is never full.
        let capacity = self.capacity.unwrap_or(usize::MAX);
        match why {
            Refusal::Full => Error::Full { queue, capacity },
            Refusal::Closed => Error::Closed { queue },
            Refusal::WouldWait => Error::WouldDeadlock { queue, capacity },
        }
    }

    /// Refuses a job in a child of `fork`, where no thread would take it out. It does not touch the
    /// line, because a thread of the parent may have had its lock.
    #[cold]
    fn refuse_after_fork(&self, job: Job) -> Error {
        // Relaxed: a statistic. Row F3.
        self.refused_after_fork.fetch_add(1, Ordering::Relaxed);
        discard(job);
        let queue = Arc::clone(&self.name);
        Error::Forked { queue }
    }

    /// Returns the line of the worker that `lane` selects.
    #[inline]
    fn line(&self, lane: u64) -> &Line<Job> {
        match &*self.lines {
            [only] => only,
            // The remainder fits, because it is less than a length.
            lines => &lines[(lane % lines.len() as u64) as usize],
        }
    }

    /// Returns `true` if this thread is a worker of the pool.
    fn is_worker(&self) -> bool {
        WORKS_FOR.get() == ptr::from_ref(self).addr()
    }

    /// Makes this thread a worker of the pool.
    pub(super) fn mark_worker(&self) {
        WORKS_FOR.set(ptr::from_ref(self).addr());
    }

    /// Returns an error if a wait for the workers could not end.
    pub(super) fn check_may_wait(&self) -> Result<(), WaitError> {
        if self.birth.is_before_fork() {
            let queue = Arc::clone(&self.name);
            return Err(WaitError::Forked { queue });
        }
        if self.is_worker() {
            let queue = Arc::clone(&self.name);
            return Err(WaitError::InsideWorker { queue });
        }
        #[cfg(feature = "tokio")]
        if self
            .runtime
            .as_ref()
            .is_some_and(crate::awaited::blocking::is_its_only_thread)
        {
            let queue = Arc::clone(&self.name);
            return Err(WaitError::OnItsRuntime { queue });
        }
        Ok(())
    }

    pub(super) fn flush(&self, timeout: Duration) -> Result<(), WaitError> {
        self.check_may_wait()?;
        let deadline = Instant::now().checked_add(timeout);
        if self.lines.iter().all(|line| line.flush(deadline)) {
            return Ok(());
        }
        Err(WaitError::Timeout {
            queue: Arc::clone(&self.name),
            waited: timeout,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lines.iter().all(Line::is_closed)
    }

    pub(super) fn close(&self) {
        self.lines.iter().for_each(Line::close);
    }
}

impl Handle {
    /// Gives a job to the worker that `lane` selects. It does not allocate while there is room in a
    /// bounded line, and takes only the lock of a worker that sleeps.
    #[inline]
    pub(crate) fn push(&self, lane: u64, job: Job) -> Result<(), Error> {
        let pool = &*self.pool;
        if pool.birth.is_before_fork() {
            return Err(pool.refuse_after_fork(job));
        }
        let line = pool.line(lane);
        let may_wait = || !pool.is_worker();
        match line.push(job, pool.overflow, may_wait) {
            Pushed::Accepted => Ok(()),
            other => pool.not_simply(other),
        }
    }

    /// Returns the verdict on a job that this thread would give to the worker that `lane` selects.
    pub(crate) fn intake(&self, lane: u64) -> Verdict {
        let pool = &*self.pool;
        let queue = pool.name.to_string();
        if pool.birth.is_before_fork() {
            return NotRun::QueueForked { queue }.into();
        }
        let line = pool.line(lane);
        if line.is_closed() {
            return NotRun::QueueClosed { queue }.into();
        }
        let Some(capacity) = pool.capacity.filter(|room| line.counts().depth >= *room) else {
            return Verdict::WouldRun;
        };
        let may_wait = !pool.is_worker();
        pool.overflow.verdict_if_full(queue, capacity, may_wait)
    }

    /// Returns `true` if all events go into one line.
    pub(crate) fn has_one_line(&self) -> bool {
        self.pool.lines.len() == 1
    }

    /// Returns `true` if events wait in the queue or run.
    pub(crate) fn has_events(&self) -> bool {
        self.pool.lines.iter().any(|line| {
            let counts = line.counts();
            counts.depth > 0 || counts.running > 0
        })
    }

    /// Returns `true` if the queue was made before this process was forked.
    pub(crate) fn is_before_fork(&self) -> bool {
        self.pool.birth.is_before_fork()
    }

    /// Returns `true` if this thread is a worker of the queue.
    pub(crate) fn is_inside_worker(&self) -> bool {
        self.pool.is_worker()
    }
}

impl Drop for Users {
    /// Waits for the events that are inside. They hold a handle, so they would be lost without a
    /// report if the process ended next. After a shutdown the drop does not wait.
    fn drop(&mut self) {
        let pool = &self.0.pool;
        if !pool.is_closed() {
            // If the flush is refused, the workers deliver the events, and the drop does not wait.
            let _ = pool.flush(Duration::MAX);
        }
    }
}

impl Drop for Handle {
    /// Closes the lines. No handle is left, so no thread pushes. The workers deliver the events
    /// that are inside, and end.
    fn drop(&mut self) {
        if self.pool.birth.is_before_fork() {
            // The threads are the parent's. Their handles are not dropped, because that would
            // detach threads that do not exist here.
            let threads = self
                .threads
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner);
            mem::forget(mem::take(threads));
            return;
        }
        self.pool.close();
        if self.pool.is_worker() {
            return;
        }
        let threads = mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // A worker catches every panic in it.
            if let Err(payload) = thread.join() {
                panic_report::discard(payload);
            }
        }
    }
}
