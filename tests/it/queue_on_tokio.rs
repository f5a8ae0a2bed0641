//! A queue whose workers run in a tokio runtime: no call waits on the one thread that drives it.
#![cfg(all(feature = "queue", feature = "tokio"))]

use std::time::Duration;

use fanfare::{Queue, Signal, queue};
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

/// Makes a queue inside of `runtime`, with one receiver that sleeps there, and an event in it.
fn with_an_event(runtime: &Runtime, signal: &Signal<u32>) -> Queue {
    let _entered = runtime.enter();
    let queue = Queue::builder().name("slow").on_tokio().build().unwrap();
    signal
        .options()
        .queued(&queue)
        .connect_async(|_, _| Box::pin(tokio::time::sleep(Duration::from_millis(1))));
    signal.send(&1);
    queue
}

#[test]
fn a_current_thread_runtime_is_not_waited_for_on_its_own_thread() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let signal = Signal::new();
    let queue = with_an_event(&runtime, &signal);
    let waiting = queue.clone();
    runtime.block_on(async {
        let refused = queue.flush().unwrap_err();
        assert!(matches!(refused, queue::WaitError::OnItsRuntime { .. }));
        assert_eq!(
            refused.to_string(),
            "the caller drives the current-thread runtime that the workers of queue \"slow\" \
             wait for: flush or shut down in `spawn_blocking`, or use a multi-threaded runtime"
        );
        let refused = queue.shutdown(Duration::MAX).unwrap_err();
        assert!(matches!(refused, queue::WaitError::OnItsRuntime { .. }));
        assert!(!queue.is_closed());
        let flushed = spawn_blocking(move || waiting.flush()).await.unwrap();
        assert_eq!((flushed, queue.delivered()), (Ok(()), 1));
        signal.send(&2);
        // The last of them: refused as well, so it does not wait.
        drop(queue);
    });
}

#[test]
fn other_threads_wait_for_a_runtime() {
    let current = Builder::new_current_thread().enable_time().build().unwrap();
    let of_others = Builder::new_multi_thread().enable_time().build().unwrap();
    for (queues, callers) in [(&of_others, &of_others), (&of_others, &current)] {
        let signal = Signal::new();
        let queue = with_an_event(queues, &signal);
        assert_eq!(callers.block_on(async { queue.flush() }), Ok(()));
        assert_eq!(queue.delivered(), 1);
    }
}
