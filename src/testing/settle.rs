//! Waiting until all that a scope has caused has ended.

use std::error::Error;
use std::fmt;
#[cfg(feature = "async")]
use std::future::poll_fn;
#[cfg(feature = "async")]
use std::sync::{Arc, Mutex};
#[cfg(feature = "async")]
use std::task::{Poll, Waker};
#[cfg(feature = "async")]
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::test_scope::Scope;
#[cfg(feature = "async")]
use crate::lock::lock;
use crate::tap::cause_tree::tree_of;
use crate::tap::steps::{Step, Work};

impl Scope {
    /// Blocks until all that the scope has caused has ended: sends, receivers, events in queues,
    /// events in a [`Deferred`](crate::Deferred), and receivers on other threads.
    ///
    /// It looks at no clock in between: the end of the last step wakes it. Inside an async runtime
    /// with one thread, await [`settle_async`](Scope::settle_async), because the tasks need the
    /// thread.
    ///
    /// # Errors
    ///
    /// Returns [`Unsettled`] if it takes longer than `timeout`.
    pub fn settle(&self, timeout: Duration) -> Result<(), Unsettled> {
        let settled = self.record().wait_settled(timeout);
        settled.map_err(|open| self.unsettled(open))
    }

    /// Waits like [`settle`](Scope::settle), without blocking the thread. A thread of its own keeps
    /// the time.
    ///
    /// # Errors
    ///
    /// Returns [`Unsettled`] if it takes longer than `timeout`.
    #[cfg(feature = "async")]
    pub async fn settle_async(&self, timeout: Duration) -> Result<(), Unsettled> {
        let deadline = Instant::now().checked_add(timeout);
        let mut alarm = None;
        poll_fn(|cx| {
            if self.record().poll_settled(cx.waker()) {
                return Poll::Ready(Ok(()));
            }
            let Some(deadline) = deadline else {
                return Poll::Pending;
            };
            if deadline <= Instant::now() {
                let open = self.record().open_steps();
                return Poll::Ready(Err(self.unsettled(open)));
            }
            alarm
                .get_or_insert_with(|| Alarm::at(deadline))
                .wake(cx.waker());
            Poll::Pending
        })
        .await
    }

    fn unsettled(&self, open: Vec<Step>) -> Unsettled {
        let now = Instant::now();
        let of = |step: &Step| {
            let age = now.saturating_duration_since(step.started);
            let chain = match step.cause {
                Some(cause) => format!(", caused by receiver {} of {}", cause.receiver, cause.send),
                None => String::new(),
            };
            format!("{}, for {age:?}{chain}", step.work)
        };
        // A send or a receiver that waits for another one is no news.
        let is_leaf = |step: &&Step| !matches!(step.work, Work::Send(_));
        let leaves: Vec<_> = open.iter().filter(is_leaf).map(of).collect();
        let running = match leaves.is_empty() {
            true => open.iter().map(of).collect(),
            false => leaves,
        };
        Unsettled {
            running,
            tree: tree_of(&self.steps()),
        }
    }
}

/// The error of a scope that has not settled in time.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsettled {
    running: Vec<String>,
    tree: String,
}

impl Unsettled {
    /// Returns a line for each step that has not ended: its receiver, the place of the connect, its
    /// age and its cause.
    pub fn running(&self) -> &[String] {
        &self.running
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the scope has not settled; these have not ended:")?;
        for line in &self.running {
            writeln!(f, "  {line}")?;
        }
        write!(f, "all that the scope has caused:\n{}", self.tree)
    }
}

/// The same as `Display`, because a test unwraps the result of `settle`.
impl fmt::Debug for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Unsettled {}

/// A thread that wakes a task at a moment. The drop ends it.
#[cfg(feature = "async")]
struct Alarm {
    /// The waker of the task, or `None` once the alarm has rung or is dropped.
    task: Arc<Mutex<Option<Waker>>>,
    thread: Thread,
}

#[cfg(feature = "async")]
impl Alarm {
    fn at(deadline: Instant) -> Self {
        let task = Arc::new(Mutex::new(Some(Waker::noop().clone())));
        let rings = Arc::clone(&task);
        let thread = thread::spawn(move || {
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() || lock(&rings).is_none() {
                    break;
                }
                thread::park_timeout(left);
            }
            let waker = lock(&rings).take();
            waker.into_iter().for_each(Waker::wake);
        });
        Alarm {
            task,
            thread: thread.thread().clone(),
        }
    }

    /// Has the alarm wake this task.
    fn wake(&self, waker: &Waker) {
        let mut task = lock(&self.task);
        match &mut *task {
            Some(task) => task.clone_from(waker),
            // It has rung in this moment.
            None => waker.wake_by_ref(),
        }
    }
}

#[cfg(feature = "async")]
impl Drop for Alarm {
    fn drop(&mut self) {
        drop(lock(&self.task).take());
        self.thread.unpark();
    }
}
