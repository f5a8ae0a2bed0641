//! Sends over a rayon pool: the threads, the order of responses, the effect of a panic.
#![cfg(feature = "rayon")]

#[cfg(any(feature = "async", feature = "queue"))]
mod kinds;
mod panics;

use std::cell::Cell;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::blocked::blocking;
use fanfare::error::WaitError;
use fanfare::{Connection, Event, Sender, Signal};
use rayon::{ThreadPool, ThreadPoolBuilder};

type Numbers = Signal<u32, u32>;
type Threads = Signal<(), ThreadId>;

/// Long enough for any machine; a wait that needs it has failed.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn responses_are_in_the_order_of_a_send() {
    let signal = Numbers::new();
    let connections = signal.change(|changes| {
        for n in 0..1_000_u32 {
            let options = changes.options().priority((n % 7) as i32);
            let options = match n % 3 {
                0 => options,
                1 => options.sender("s"),
                _ => options.sender("t"),
            };
            options.connect(move |_, add| n + add);
        }
    });
    assert_eq!(connections.len(), 1_000);
    for pool in [pool(2), pool(5)] {
        for sender in [Sender::NONE, Sender::named("s"), Sender::named("t")] {
            let expected: Vec<_> = signal.from(sender).send(&5).into_pairs().collect();
            pool.install(|| {
                let responses = signal.from(sender).send_parallel(&5);
                assert!(responses.into_pairs().eq(expected.iter().copied()));
                let outcomes = signal.from(sender).send_parallel_robust(&5);
                assert!(outcomes.responses().clone().into_pairs().eq(expected));
            });
        }
    }
}

#[test]
fn receivers_run_at_the_same_time() {
    let signal = Signal::<()>::new();
    let meeting = Arc::new(Barrier::new(4));
    for _ in 0..4 {
        let meeting = Arc::clone(&meeting);
        signal.connect(move |_, ()| {
            meeting.wait();
        });
    }
    // Each waits for all others, so with fewer threads than receivers this would not end.
    let ended = within_long(move || pool(4).install(|| signal.from("s").send_parallel(&()).len()));
    assert_eq!(ended, 4);
}

/// Receivers of which one, whichever it is, runs until all others have started.
#[test]
fn a_slow_receiver_keeps_no_other_waiting() {
    fn others_start<R: Send + 'static>(threads: usize, receivers: usize, response: fn() -> R) {
        for slow in 0..receivers {
            let signal = Signal::<(), R>::new();
            let started = Arc::new((Mutex::new(0), Condvar::new()));
            for place in 0..receivers {
                let started = Arc::clone(&started);
                signal.connect(move |_, ()| {
                    let (count, changed) = &*started;
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    changed.notify_all();
                    if place == slow {
                        let waits = |count: &mut usize| *count < receivers;
                        let (count, waited) =
                            changed.wait_timeout_while(count, LONG, waits).unwrap();
                        assert!(!waited.timed_out(), "{count} of {receivers} started");
                    }
                    response()
                });
            }
            let pool = pool(threads);
            let outcomes = pool.install(|| signal.from("s").send_parallel_robust(&()));
            let failures: Vec<_> = outcomes
                .panics()
                .map(|it| it.message().to_owned())
                .collect();
            assert!(
                failures.is_empty(),
                "{slow} of {receivers} on {threads}: {failures:?}"
            );
        }
    }
    // Responses that are counted, and responses that are kept.
    others_start(4, 15, || ());
    others_start(4, 15, || 1_u32);
    others_start(2, 7, || ());
    others_start(2, 7, || 1_u32);
}

#[test]
fn they_run_in_the_pool_that_the_caller_is_in() {
    let signal = Threads::new();
    (0..16).for_each(|n| drop(signal.connect(move |_, ()| (thread::current().id(), n).0)));
    let own = pool(2);
    let threads = own.broadcast(|_| thread::current().id());
    let ran = own.install(|| signal.send_parallel(&()));
    assert!(ran.iter().all(|thread| threads.contains(thread)));
    let outside = signal.send_parallel(&());
    assert_eq!(outside.len(), 16);
    assert!(!outside.iter().any(|thread| threads.contains(thread)));
}

#[test]
fn one_receiver_is_called_here() {
    let signal = Threads::new();
    signal.connect(|_, ()| thread::current().id());
    let here = thread::current().id();
    assert_eq!(*signal.send_parallel(&()), [here]);
    let robust = signal.send_parallel_robust(&());
    assert_eq!(**robust.responses(), [here]);
    assert!(Threads::new().send_parallel(&()).is_empty());
    assert!(Threads::new().send_parallel_robust(&()).is_empty());
}

#[test]
fn a_pool_of_one_thread_runs_them_in_order() {
    let signal = Numbers::new();
    let ran = Arc::new(Mutex::new(Vec::new()));
    for n in 0..100 {
        let ran = Arc::clone(&ran);
        signal.connect(move |_, _| {
            ran.lock().unwrap().push(n);
            n
        });
    }
    let responses = pool(1).install(|| signal.send_parallel(&0));
    assert!(responses.iter().copied().eq(0..100));
    assert!(ran.lock().unwrap().iter().copied().eq(0..100));
}

#[test]
fn events_may_borrow_and_responses_need_only_be_send() {
    struct Text<'a>(&'a str, &'a AtomicUsize);
    impl Event for Text<'static> {
        type Args<'a> = Text<'a>;
    }
    let signal = Signal::<Text<'static>, Cell<usize>>::new();
    for n in 0..10 {
        signal.connect(move |_, text| {
            text.1.fetch_add(1, Ordering::Relaxed);
            Cell::new(text.0.len() + n)
        });
    }
    let (text, read) = (String::from("borrowed"), AtomicUsize::new(0));
    let responses = pool(2).install(|| signal.send_parallel(&Text(&text, &read)));
    assert!(responses.into_iter().map(Cell::into_inner).eq(8..18));
    assert_eq!(read.into_inner(), 10);
}

#[test]
fn responses_without_content_are_counted() {
    let signal = Signal::<u32>::new();
    for n in 0..100 {
        signal.connect(move |_, bad| assert_ne!(n, *bad));
    }
    let pool = pool(2);
    pool.install(|| {
        assert_eq!(signal.send_parallel(&100).len(), 100);
        assert_eq!(signal.send_parallel_robust(&100).len(), 100);
        let outcomes = signal.send_parallel_robust(&7);
        assert_eq!((outcomes.len(), outcomes.responses().len()), (100, 99));
        assert!(outcomes.iter().nth(7).unwrap().is_err());
    });

    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Empty;
    impl Drop for Empty {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let empties = Signal::<(), Empty>::new();
    (0..10).for_each(|n| drop(empties.connect(move |_, ()| (Empty, n).0)));
    let responses = pool.install(|| empties.send_parallel(&()));
    assert_eq!((responses.len(), DROPPED.load(Ordering::Relaxed)), (10, 0));
    drop(responses);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 10);
}

#[test]
fn parallel_sends_may_be_nested() {
    static SIGNAL: Numbers = Numbers::new();
    for _ in 0..3 {
        SIGNAL
            .options()
            .dispatch_uid(format!("{:?}", SIGNAL.receiver_count()))
            .connect(|_, left| match *left {
                0 => 1,
                left => SIGNAL.send_parallel(&(left - 1)).iter().sum(),
            });
    }
    for threads in [1, 2, 4] {
        let sum = within_long(move || {
            let responses = pool(threads).install(|| SIGNAL.send_parallel(&5));
            responses.iter().sum::<u32>()
        });
        assert_eq!(sum, 3_u32.pow(6), "{threads} threads");
    }
    let sum = within_long(|| SIGNAL.send_parallel(&5).iter().sum::<u32>());
    assert_eq!(sum, 3_u32.pow(6), "rayon's own pool");
}

/// A stack that overflows ends the process, so it is another one.
#[test]
fn a_circle_of_parallel_sends_is_a_panic() {
    static SIGNAL: Numbers = Numbers::new();
    fn first_response(left: &u32) -> u32 {
        SIGNAL.send_parallel(left)[0]
    }
    alone("a_circle_of_parallel_sends_is_a_panic", || {
        SIGNAL.connect(|_, left| match *left {
            0 => 0,
            left => first_response(&(left - 1)) + 1,
        });
        (0..3).for_each(|n| drop(SIGNAL.connect(move |_, _| n)));
        for pool in [pool(1), pool(2), pool(4)] {
            assert_eq!(pool.install(|| first_response(&60)), 60);
            let circle = panic_of(|| first_response(&1_000_000));
            assert!(circle.contains("nested"), "{circle}");
            let circle = panic_of(AssertUnwindSafe(|| {
                pool.install(|| first_response(&1_000_000))
            }));
            assert!(circle.contains("nested"), "{circle}");
            assert_eq!(pool.install(|| first_response(&60)), 60, "after a circle");
        }
    });
}

#[test]
fn other_sends_may_be_inside_and_outside() {
    static OUTER: Numbers = Numbers::new();
    static INNER: Numbers = Numbers::new();
    (0..10).for_each(|n| drop(INNER.connect(move |_, add| n + add)));
    OUTER.connect(|_, add| INNER.send_parallel(add).iter().sum());
    OUTER.connect(|_, add| INNER.send(add).iter().sum());
    assert_eq!(*OUTER.send(&1), [55, 55]);
    assert_eq!(*OUTER.send_parallel(&1), [55, 55]);
    assert_eq!(*OUTER.send_batch(&[0, 1]), [45, 55, 45, 55]);
}

#[test]
fn a_wait_on_the_pools_threads_for_a_receiver_of_the_send_is_refused() {
    static SIGNAL: Signal<(), Option<WaitError>> = Signal::new();
    static OTHER: Signal<(), Option<WaitError>> = Signal::new();
    static LAST: OnceLock<Connection> = OnceLock::new();
    fn wait() -> Option<WaitError> {
        LAST.get()?.disconnect_and_wait(LONG).err()
    }
    // One on each thread of the pool.
    let meeting = Arc::new(Barrier::new(3));
    for n in 0..3 {
        let meeting = Arc::clone(&meeting);
        SIGNAL.connect(move |_, ()| {
            meeting.wait();
            if n == 0 { OTHER.send(&())[0] } else { wait() }
        });
    }
    OTHER.connect(|_, ()| wait());
    LAST.get_or_init(|| SIGNAL.connect(|_, ()| None));
    let refused = Some(WaitError::InsideSend);
    within_long(move || {
        let pool = pool(3);
        let send = || SIGNAL.send_parallel(&());
        assert_eq!(*pool.install(send), [refused, refused, refused, None]);
        // It is out now, and no thread of the pool is marked any more.
        assert_eq!(LAST.get().unwrap().disconnect_and_wait(LONG), Ok(()));
        assert_eq!(*pool.install(send), [None; 3]);
        SIGNAL.disconnect_all();
        let (receiver, blocked) = blocking(|| ());
        let held = SIGNAL.connect(move |sender, ()| {
            receiver(sender, &());
            None
        });
        let holds = thread::spawn(|| SIGNAL.send(&()).len());
        blocked.wait_until_it_runs();
        let waited = pool.broadcast(|_| held.disconnect_and_wait(Duration::ZERO));
        let in_vain = |waited| matches!(waited, Err(WaitError::Timeout { .. }));
        assert!(waited.iter().copied().all(in_vain), "{waited:?}");
        blocked.let_go();
        assert_eq!(holds.join().unwrap(), 1);
    });
}

/// From a thread that is no part of it, a wait is for the whole send.
#[test]
fn a_wait_from_outside_ends_after_the_send() {
    static SIGNAL: Signal<()> = Signal::new();
    let (entered, has_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let slow = SIGNAL.connect(move |_, ()| {
        entered.send(()).unwrap();
        may_leave.lock().unwrap().recv().unwrap();
    });
    SIGNAL.connect(|_, ()| ());
    let sending = thread::spawn(|| pool(2).install(|| SIGNAL.from("s").send_parallel(&()).len()));
    has_entered.recv_timeout(LONG).unwrap();
    let waited = slow.disconnect_and_wait(Duration::from_millis(20));
    assert!(
        matches!(waited, Err(WaitError::Timeout { .. })),
        "{waited:?}"
    );
    leave.send(()).unwrap();
    assert_eq!(slow.disconnect_and_wait(LONG), Ok(()));
    assert_eq!(sending.join().unwrap(), 2);
}

#[test]
fn the_snapshot_is_taken_before_the_first_call() {
    static SIGNAL: Numbers = Numbers::new();
    static CONNECTIONS: Mutex<Vec<Connection>> = Mutex::new(Vec::new());
    let all = SIGNAL.change(|changes| {
        for n in 0..50 {
            changes.connect(move |_, _| {
                CONNECTIONS
                    .lock()
                    .unwrap()
                    .drain(..)
                    .for_each(|all| assert!(all.disconnect()));
                SIGNAL.connect(move |_, _| 100 + n);
                n
            });
        }
    });
    CONNECTIONS.lock().unwrap().extend(all);
    let responses = pool(2).install(|| SIGNAL.send_parallel(&0));
    assert!(responses.iter().copied().eq(0..50));
    let mut later = SIGNAL.send(&0).into_vec();
    later.sort();
    assert!(later.into_iter().eq(100..150));
}

#[test]
fn weak_targets_are_kept_from_before_the_first_call() {
    let signal = Numbers::new();
    let targets: Vec<_> = (0..30_u32).map(|n| Arc::new(n * 10)).collect();
    let watched: Vec<_> = targets.iter().map(Arc::downgrade).collect();
    let dead = Arc::new(1_u32);
    let held = Arc::new(Mutex::new(targets));
    for n in 0..30 {
        let target = held.lock().unwrap()[n].clone();
        signal.connect_weak(&target, |target: &u32, _, add| target + add);
        let held = Arc::clone(&held);
        signal.connect(move |_, _| {
            held.lock().unwrap().clear();
            n as u32
        });
    }
    signal.connect_weak(&dead, |_: &u32, _, _| unreachable!("it is dead"));
    drop(dead);
    let responses = pool(2).install(|| signal.send_parallel(&1));
    assert!(
        responses
            .iter()
            .copied()
            .eq((0..30).flat_map(|n| [n * 10 + 1, n]))
    );
    assert!(watched.iter().all(|target| target.strong_count() == 0));
    assert_eq!(signal.receiver_count(), 60, "the one that was dead is out");
}

#[test]
fn a_once_only_receiver_runs_in_one_of_many_parallel_sends() {
    let signal = Numbers::new();
    let ran = Arc::new(AtomicU32::new(0));
    for n in 0..50 {
        let ran = Arc::clone(&ran);
        let options = signal.options().once();
        options.connect(move |_, _| ran.fetch_add(1, Ordering::Relaxed) * n);
    }
    (0..4).for_each(|n| drop(signal.connect(move |_, _| n)));
    let pool = pool(3);
    let responded: usize = thread::scope(|scope| {
        let send = || pool.install(|| signal.send_parallel(&0).len());
        let sends: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        sends.into_iter().map(|send| send.join().unwrap()).sum()
    });
    assert_eq!((responded, ran.load(Ordering::Relaxed)), (4 * 4 + 50, 50));
    assert_eq!(signal.receiver_count(), 4);
}

#[test]
fn a_receiver_of_batches_takes_a_slice_of_one() {
    let signal = Numbers::new();
    signal
        .options()
        .connect_batch(|_, events| events.len() as u32 * 100 + events[0]);
    signal.connect(|_, event| *event);
    assert_eq!(*signal.send_parallel(&7), [107, 7]);
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
}

/// Returns the message of the panic that comes out of `send`.
fn panic_of<T>(send: impl FnOnce() -> T + std::panic::UnwindSafe) -> String {
    let Err(panic) = catch_unwind(send) else {
        panic!("there was no panic");
    };
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast::<&str>().unwrap().to_string(),
    }
}

/// Returns the result of `work`, unless it hangs.
fn within_long<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    let worker = thread::spawn(move || done.send(work()).unwrap());
    match is_done.recv_timeout(LONG) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(worker.join().unwrap_err())
        }
    }
}

/// Runs `test` in a process of its own, which may not end by a signal.
fn alone(name: &str, test: impl FnOnce() + Send + 'static) {
    const CHILD: &str = "FANFARE_PARALLEL_TEST";
    if env::var(CHILD).is_ok_and(|child| child == name) {
        return within_long(test);
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", &format!("parallel::{name}"), "--nocapture"]);
    // A trace of every level at every level takes minutes.
    child.env(CHILD, name).env("RUST_BACKTRACE", "0");
    let child = child.output().unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}\n{said}", child.status);
    let ran = String::from_utf8_lossy(&child.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}
