//! A worker that drives several futures, beside receivers that block and receivers that panic.
#![cfg(all(feature = "async", feature = "queue"))]

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::queue_gate::assert_adds_up;
use fanfare::{Queue, Signal};
use tokio::sync::Semaphore;

/// A sync receiver runs on the worker's thread, and the futures on another.
#[test]
fn a_sync_receiver_that_blocks_does_not_stop_futures_that_run() {
    let queue = Queue::builder().concurrency(2).build().unwrap();
    let signal = Signal::<u32>::new();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let gate = Arc::new(Semaphore::new(0));
    let (ended, has_ended) = mpsc::channel();
    let (opens, ends) = (Arc::clone(&gate), ended.clone());
    signal.options().queued(&queue).connect_async(move |_, _| {
        let (gate, ends) = (Arc::clone(&opens), ends.clone());
        Box::pin(async move {
            let _ = gate.acquire().await;
            ends.send("async").unwrap();
        })
    });
    signal.options().queued(&queue).connect(move |_, _| {
        wait.lock().unwrap().recv().unwrap();
        ended.send("sync").unwrap();
    });
    signal.from("shop").send(&1);
    while queue.stats().running < 2 {
        thread::yield_now();
    }
    gate.close();
    assert_eq!(has_ended.recv_timeout(Duration::from_secs(60)), Ok("async"));
    go_on.send(()).unwrap();
    assert_eq!(has_ended.recv(), Ok("sync"));
    queue.flush().unwrap();
}

/// A panic of the function that makes the future, and of a future's destructor.
#[test]
fn a_panic_around_a_future_costs_its_event_alone() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("of a destructor");
        }
    }
    let queue = Queue::builder().concurrency(3).build().unwrap();
    let signal = Signal::<u32>::new();
    signal
        .options()
        .queued(&queue)
        .connect_async(|_, n| match n {
            0 => panic!("before the future"),
            1 => Box::pin(async {
                let _fragile = Fragile;
            }),
            _ => Box::pin(async {}),
        });
    for n in [0, 1, 2, 0, 1, 2] {
        signal.from("shop").send(&n);
    }
    queue.flush().unwrap();
    let stats = queue.stats();
    assert_eq!((stats.delivered, stats.panicked), (6, 4));
    assert_adds_up(stats);
}

/// Each waits for the others, on a timer of the runtime before.
#[cfg(feature = "tokio")]
#[test]
fn futures_of_one_worker_run_together_in_a_tokio_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entered = runtime.enter();
    let queue = Queue::builder().concurrency(10).on_tokio().build().unwrap();
    drop(entered);
    let signal = Signal::<u32>::new();
    let all = Arc::new(tokio::sync::Barrier::new(10));
    signal.options().queued(&queue).connect_async(move |_, n| {
        let all = Arc::clone(&all);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(u64::from(*n))).await;
            all.wait().await;
        })
    });
    for n in 0..10 {
        signal.from("shop").send(&n);
    }
    queue.flush_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(queue.delivered(), 10);
}
