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

/// Runs a function that may block. On a worker of tokio's multi-threaded runtime, it runs after the
/// worker's other tasks have been handed on. Elsewhere it runs at once.
pub(crate) fn in_place<T>(run: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tokio")]
    if is_worker() {
        // In a `LocalSet` tokio panics before it calls the closure, and this cannot be detected
        // beforehand.
        let mut run = Some(run);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            tokio::task::block_in_place(|| {
                let _blocking = nesting::Polling::suspend();
                run.take().map(|run| run())
            })
        }));
        return match (ran, run) {
            (Ok(response), _) => response.expect("a blocking receiver is called once"),
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

/// Runs a function that may block on a thread that tokio keeps for that. Without a runtime, the
/// function runs at once.
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
        Ok(response) => response,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // This is not left pending, because the task that awaits it may be outside of that
            // runtime.
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
    /// The number of runtimes that are remembered. The runtime that was used first is forgotten
    /// first.
    const REMEMBERED: usize = 64;
    static USED: Mutex<VecDeque<(Id, Birth)>> = Mutex::new(VecDeque::new());

    // The lock is not waited for, because a fork while another thread has it leaves it taken in the
    // child.
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

/// Drives a future to its end on a thread of the crate, in the tokio runtime that the thread has
/// entered, if any.
#[cfg(feature = "queue")]
pub(crate) fn drive<T>(future: impl Future<Output = T>) -> T {
    let _polling = nesting::Polling::start();
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = Handle::try_current() {
        return runtime.block_on(future);
    }
    pollster::block_on(future)
}

/// Returns `true` if blocking this thread would block an executor. It detects the async sends of
/// this crate and, with the feature `tokio`, the runtimes of tokio.
pub(crate) fn is_forbidden() -> bool {
    nesting::is_polling() || runs_tokio()
}

/// Returns `true` if this thread is inside a tokio runtime where blocking is forbidden.
///
/// Inside a runtime there is a handle to it. The threads that tokio keeps for blocking have a
/// handle as well, but blocking is allowed there. Only tokio's locks make this difference, and they
/// report it by a panic, which the panic hook would print. So a task is first detected by its
/// budget, if it has one.
#[cfg(feature = "tokio")]
fn runs_tokio() -> bool {
    Handle::try_current().is_ok()
        && (has_budget()
            || catch_unwind(|| {
                let _ = tokio::sync::Mutex::new(()).blocking_lock();
            })
            .is_err())
}

/// Returns `true` if tokio polls a task or a `block_on` here and gives it a budget of steps. A
/// budget that ends is detected, and left as it was. A task has no budget if it is `unconstrained`,
/// is dropped with the runtime, or may block.
#[cfg(feature = "tokio")]
fn has_budget() -> bool {
    /// A number of steps above tokio's budget, which is 128.
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
    // Each step puts back the budget that it found, and the first step does so last.
    while taken.pop().is_some() {}
    ends
}

/// Returns `true` if this thread is the only one that drives `runtime`. A wait for the runtime on
/// this thread would never end.
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
