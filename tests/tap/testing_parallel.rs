//! Scopes of tests beside parallel sends: a send is in the scope of its sender on each thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use fanfare::{Signal, testing};

use crate::pool::pool;

const LONG: Duration = Duration::from_secs(60);

/// Connects two receivers that wait for each other, so that two threads run them.
fn connect_two_that_meet(signal: &Signal<u32>, then: impl Fn() + Clone + Send + Sync + 'static) {
    let both = Arc::new(Barrier::new(2));
    for _ in 0..2 {
        let (both, then) = (Arc::clone(&both), then.clone());
        signal.connect(move |_sender, _id| {
            both.wait();
            then();
        });
    }
}

#[test]
fn a_parallel_send_in_a_scope_is_in_it_on_all_threads() {
    static OUTER: Signal<u32> = Signal::new();
    static INNER: Signal<u32> = Signal::new();
    connect_two_that_meet(&OUTER, || drop(INNER.send(&1)));
    pool(2).install(|| {
        testing::scope(|scope| {
            scope.watch(&INNER);
            OUTER.send_parallel(&1);
            let sent = scope.assert_sent(&INNER).times(2);
            sent.caused_by(&OUTER);
        });
    });
}

/// The thread in the scope helps the other one, and runs one of two receivers.
#[test]
fn a_parallel_send_outside_of_a_scope_is_outside_on_a_thread_in_the_scope() {
    static OUTER: Signal<u32> = Signal::new();
    static INNER: Signal<u32> = Signal::new();
    static THREADS: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());
    connect_two_that_meet(&OUTER, || {
        THREADS.lock().unwrap().push(thread::current().id());
        INNER.send(&1);
    });
    let pool = pool(2);
    let (is_inside, is_over) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            pool.install(|| {
                is_inside.wait();
                OUTER.send_parallel(&1);
                is_over.store(true, Ordering::Release);
            });
        });
        pool.install(|| {
            testing::scope(|scope| {
                scope.watch(&INNER);
                is_inside.wait();
                let start = Instant::now();
                while !is_over.load(Ordering::Acquire) {
                    assert!(start.elapsed() < LONG, "the send has not ended");
                    rayon::yield_now();
                    thread::yield_now();
                }
                assert!(THREADS.lock().unwrap().contains(&thread::current().id()));
                scope.assert_not_sent(&INNER);
            });
        });
    });
}
