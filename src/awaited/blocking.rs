//! Blocking on a thread that may run an executor.

#[cfg(feature = "tokio")]
use crate::fork::Birth;
use crate::nesting;
#[cfg(feature = "tokio")]
use std::collections::VecDeque;
#[cfg(feature = "tokio")]
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
#[cfg(feature = "tokio")]
use std::sync::Mutex;
#[cfg(feature = "tokio")]
use std::task::{Context, Poll, Waker};
#[cfg(feature = "tokio")]
use tokio::runtime::{Handle, Id, RuntimeFlavor};
#[cfg(feature = "tokio")]
use tokio::task::coop;

/// Runs what may block: on a worker of tokio's multi-threaded runtime after its other tasks
/// have been handed on, elsewhere at once.
pub(crate) fn in_place<T>(run: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tokio")]
    if is_worker() {
        // In a `LocalSet` tokio panics before it calls, and nothing tells beforehand.
        let mut run = Some(run);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            tokio::task::block_in_place(|| {
                let _blocking = nesting::Polling::suspend();
                run.take().map(|run| run())
            })
        }));
        return match (ran, run) {
            (Ok(answer), _) => answer.expect("it is called once"),
            (Err(_), Some(run)) => run(),
            (Err(panic), None) => resume_unwind(panic),
        };
    }
    run()
}

/// Returns `true` if this thread is in a multi-threaded runtime of tokio.
#[cfg(feature = "tokio")]
fn is_worker() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Runs what may block on a thread that tokio keeps for that; without a runtime, at once.
#[cfg(feature = "tokio")]
pub(crate) async fn elsewhere<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let Ok(runtime) = Handle::try_current() else {
        return run();
    };
    assert!(
        !is_before_fork(&runtime),
        "an offloaded receiver could not run: the tokio runtime was used before this process was \
         forked, and its threads do not exist here; make a runtime after the fork"
    );
    match runtime.spawn_blocking(run).await {
        Ok(answer) => answer,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Not left pending: who awaits this need not be a task of that runtime.
            Err(_) => panic!(
                "an offloaded receiver could not run: the tokio runtime whose handle this thread \
                 has entered has shut down"
            ),
        },
    }
}

/// Returns `true` if a receiver was offloaded to the runtime before this process was forked.
#[cfg(feature = "tokio")]
fn is_before_fork(runtime: &Handle) -> bool {
    /// Runtimes that are remembered, those that were used first for the longest time.
    const REMEMBERED: usize = 64;
    static USED: Mutex<VecDeque<(Id, Birth)>> = Mutex::new(VecDeque::new());

    // Not waited for: a fork while another thread has the lock leaves it taken in the child.
    let Ok(mut used) = USED.try_lock() else {
        return false;
    };
    let id = runtime.id();
    if let Some((_, birth)) = used.iter().find(|(used, _)| *used == id) {
        return birth.is_before_fork();
    }
    if used.len() == REMEMBERED {
        used.pop_front();
    }
    used.push_back((id, Birth::now()));
    false
}

/// Drives a future to its end on a thread of our own, in the tokio runtime that the thread
/// has entered, if any.
#[cfg(feature = "queue")]
pub(crate) fn drive<T>(future: impl Future<Output = T>) -> T {
    let _polling = nesting::Polling::start();
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = Handle::try_current() {
        return runtime.block_on(future);
    }
    pollster::block_on(future)
}

/// Whether blocking this thread would block an executor. Knows of our own async sends and,
/// with the feature `tokio`, of its runtimes.
pub(crate) fn is_forbidden() -> bool {
    nesting::is_polling() || runs_tokio()
}

/// Inside of a runtime there is a handle to it; but also on the threads that tokio keeps
/// for blocking, and there nothing is forbidden. Only its locks know the difference, and they tell by
/// a panic, which the panic hook would print. So what is surely a task is found by its budget.
#[cfg(feature = "tokio")]
fn runs_tokio() -> bool {
    Handle::try_current().is_ok()
        && (has_budget()
            || catch_unwind(|| {
                let _ = tokio::sync::Mutex::new(()).blocking_lock();
            })
            .is_err())
}

/// Whether tokio polls a task or a `block_on` here, which it gives a budget of steps: one that ends is
/// found, and left as it was. None has one that is `unconstrained`, is dropped with the runtime,
/// or may block.
#[cfg(feature = "tokio")]
fn has_budget() -> bool {
    /// More than tokio gives, which is 128.
    const STEPS: usize = 512;
    let mut nobody = Context::from_waker(Waker::noop());
    let mut taken = Vec::with_capacity(STEPS);
    let ends = (0..STEPS).any(|_| match coop::poll_proceed(&mut nobody) {
        Poll::Ready(step) => {
            taken.push(step);
            false
        }
        Poll::Pending => true,
    });
    // Each puts back what it found: the first one last.
    while taken.pop().is_some() {}
    ends
}

/// Whether this thread drives `runtime`, and no other does: what waits for it on this thread
/// waits forever.
#[cfg(all(feature = "queue", feature = "tokio"))]
pub(crate) fn is_its_only_thread(runtime: &Handle) -> bool {
    runtime.runtime_flavor() == RuntimeFlavor::CurrentThread
        && Handle::try_current().is_ok_and(|current| current.id() == runtime.id())
        && runs_tokio()
}

#[cfg(not(feature = "tokio"))]
fn runs_tokio() -> bool {
    false
}
