//! Blocking on a thread that may run an executor.

use crate::nesting;
#[cfg(feature = "tokio")]
use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs what may block: on a worker of tokio's multi-threaded runtime after its other tasks
/// have been handed on, elsewhere at once.
pub(crate) fn in_place<T>(run: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = Handle::try_current()
        && runtime.runtime_flavor() == RuntimeFlavor::MultiThread
    {
        return tokio::task::block_in_place(|| {
            let _blocking = nesting::Polling::suspend();
            run()
        });
    }
    run()
}

/// Runs what may block on a thread that tokio keeps for that; without a runtime, at once.
#[cfg(feature = "tokio")]
pub(crate) async fn elsewhere<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let Ok(runtime) = Handle::try_current() else {
        return run();
    };
    match runtime.spawn_blocking(run).await {
        Ok(answer) => answer,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and has not started it: so is this task.
            Err(_) => std::future::pending().await,
        },
    }
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
/// for blocking, and there nothing is forbidden. Only its locks know the difference.
#[cfg(feature = "tokio")]
fn runs_tokio() -> bool {
    Handle::try_current().is_ok()
        && std::panic::catch_unwind(|| {
            let _ = tokio::sync::Mutex::new(()).blocking_lock();
        })
        .is_err()
}

#[cfg(not(feature = "tokio"))]
fn runs_tokio() -> bool {
    false
}
