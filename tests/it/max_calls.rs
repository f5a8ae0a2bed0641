//! A receiver connected with `max_calls(n)` runs at most `n` times in all.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

#[cfg(feature = "queue")]
use fanfare::Queue;
use fanfare::Signal;

type Asked = Signal<u32, u32>;

/// Returns a signal with a receiver that returns its event in at most `calls` sends, and one
/// without limit.
fn limited(calls: u32) -> Asked {
    let signal = Asked::new();
    signal.options().max_calls(calls).connect(|_, event| *event);
    signal.connect(|_, event| 100 + event);
    signal
}

#[test]
fn a_limited_receiver_runs_in_its_number_of_sends_and_is_gone() {
    let signal = limited(3);
    for event in 0..3 {
        assert_eq!(signal.connections()[0].max_calls, Some(3));
        assert_eq!(*signal.send(&event), [event, 100 + event]);
    }
    assert_eq!(*signal.send(&3), [103]);
    assert_eq!(signal.connections().len(), 1);
}

#[test]
fn once_is_max_calls_of_one() {
    let signal = Asked::new();
    signal.options().once().connect(|_, event| *event);
    assert_eq!(signal.connections()[0].max_calls, Some(1));
    assert_eq!(*signal.send(&1), [1]);
    assert!(signal.send(&2).is_empty());
}

/// A way of sending, which returns the number of responses.
type Way = fn(&Asked) -> usize;

fn assert_takes_one_run(ways: &[Way]) {
    for (number, way) in ways.iter().enumerate() {
        let signal = Asked::new();
        signal.options().max_calls(2).connect(|_, event| *event);
        let calls = [(); 3].map(|()| way(&signal));
        assert_eq!(calls, [1, 1, 0], "way {number}");
        assert!(signal.connections().is_empty(), "way {number}");
    }
}

#[test]
fn every_way_of_sending_takes_one_run_of_a_limited_receiver() {
    assert_takes_one_run(&[
        |signal| signal.from("n").send(&1).len(),
        |signal| signal.from("n").send_robust(&1).len(),
        |signal| usize::from(signal.from("n").send_until(&1, |_| true).is_some()),
        |signal| {
            let mut count = 0;
            let _ = signal.from("n").send_each(&1, |_, _| {
                count += 1;
                ControlFlow::<()>::Continue(())
            });
            count
        },
        |signal| signal.emitter().from("n").send(&1).len(),
    ]);
}

#[cfg(feature = "rayon")]
#[test]
fn a_parallel_send_takes_one_run_of_a_limited_receiver() {
    assert_takes_one_run(&[
        |signal| signal.from("n").send_parallel(&1).len(),
        |signal| signal.from("n").send_parallel_robust(&1).len(),
    ]);
}

#[cfg(feature = "async")]
#[test]
fn an_async_send_takes_one_run_of_a_limited_receiver() {
    assert_takes_one_run(&[
        |signal| pollster::block_on(signal.from("n").asend(&1)).len(),
        |signal| pollster::block_on(signal.from("n").asend_robust(&1)).len(),
    ]);
}

#[test]
fn each_event_of_a_batch_is_one_run_of_a_limited_receiver() {
    let signal = limited(3);
    assert_eq!(*signal.send_batch(&[1, 2]), [1, 2, 101, 102], "two runs");
    assert_eq!(
        *signal.send_batch(&[3, 4, 5]),
        [3, 103, 104, 105],
        "the last"
    );
    assert_eq!(*signal.send_batch(&[6]), [106]);
}

#[test]
fn a_panic_in_a_batch_leaves_the_later_runs_of_a_limited_receiver() {
    let signal = Asked::new();
    signal.options().max_calls(3).connect(|_, event| {
        assert_ne!(*event, 2, "a test panics");
        *event
    });
    let failed = catch_unwind(AssertUnwindSafe(|| signal.send_batch(&[1, 2, 3, 4])));
    assert!(failed.is_err());
    assert_eq!(*signal.send_batch(&[5, 6]), [5]);
    assert!(signal.connections().is_empty());
}

#[test]
fn a_key_is_free_when_the_runs_of_its_limited_receiver_are_over() {
    let signal = Asked::new();
    let connect = |response: u32| {
        let options = signal.options().dispatch_uid("bell").max_calls(2);
        options.connect(move |_, _| response).is_new()
    };
    assert!(connect(1) && !connect(2));
    assert_eq!([signal.send(&0)[0], signal.send(&0)[0]], [1, 1]);
    assert!(connect(3));
    assert_eq!(*signal.send(&0), [3]);
}

#[test]
fn a_limited_receiver_that_is_weak_ends_with_its_target_or_its_runs() {
    let target = Arc::new(7_u32);
    let signal = Asked::new();
    let connect = || {
        let options = signal.options().max_calls(2);
        options.connect_weak(&target, |target: &u32, _, event: &u32| target + event)
    };
    connect();
    assert_eq!([signal.send(&1)[0], signal.send(&2)[0]], [8, 9]);
    assert!(signal.send(&3).is_empty());
    connect();
    drop(target);
    assert!(signal.send(&4).is_empty());
}

#[test]
fn a_batch_is_one_run_of_a_limited_receiver_that_takes_slices() {
    let signal = Asked::new();
    let options = signal.options().max_calls(2);
    options.connect_batch(|_, events| events.iter().sum());
    assert_eq!(*signal.send_batch(&[1, 2, 3]), [6]);
    assert_eq!(*signal.send(&4), [4]);
    assert!(signal.send_batch(&[5, 6]).is_empty());
}

#[cfg(feature = "queue")]
#[test]
fn each_event_that_a_queue_gets_is_one_run_of_a_limited_receiver() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let queue = Queue::bounded(16).unwrap();
    let signal = Signal::<u32>::new();
    signal
        .options()
        .max_calls(3)
        .queued(&queue)
        .connect(|_, event| {
            SEEN.fetch_add(*event, Ordering::Relaxed);
        });
    signal.send_batch(&[1, 10]);
    for event in [100, 1_000, 10_000] {
        signal.send(&event);
    }
    queue.flush().unwrap();
    assert_eq!(SEEN.load(Ordering::Relaxed), 111);
}

#[cfg(feature = "queue")]
#[test]
fn a_limited_queued_receiver_of_a_batch_gets_the_first_events_beside_another() {
    use std::sync::Mutex;

    for limited_is_first in [true, false] {
        let queue = Queue::bounded(16).unwrap();
        let signal = Signal::<u32>::new();
        let seen = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
        let connect = |calls: u32, place: usize| {
            let seen = Arc::clone(&seen);
            let options = signal.options().max_calls(calls).queued(&queue);
            options.connect(move |_, event| seen.lock().unwrap()[place].push(*event));
        };
        let order = if limited_is_first {
            [(2, 0), (9, 1)]
        } else {
            [(9, 1), (2, 0)]
        };
        for (calls, place) in order {
            connect(calls, place);
        }
        signal.send_batch(&[1, 2, 3, 4]);
        queue.flush().unwrap();
        assert_eq!(*seen.lock().unwrap(), [vec![1, 2], vec![1, 2, 3, 4]]);
    }
}

#[cfg(feature = "async")]
#[test]
fn each_event_of_a_batch_is_one_run_of_a_limited_async_receiver() {
    let signal = Asked::new();
    let options = signal.options().max_calls(3);
    options.connect_async(|_, event| Box::pin(async move { *event }));
    assert_eq!(*signal.send_batch(&[1, 2]), [1, 2]);
    assert_eq!(*signal.send_batch(&[3, 4, 5]), [3]);
    assert!(signal.connections().is_empty());
}

#[test]
fn a_run_that_panics_counts() {
    let signal = Signal::<u32>::new();
    signal
        .options()
        .max_calls(2)
        .connect(|_, event| assert_eq!(*event, 7, "a test panics"));
    let failed = catch_unwind(AssertUnwindSafe(|| signal.send(&1)));
    assert!(failed.is_err());
    assert_eq!(signal.send(&7).len(), 1);
    assert!(signal.send(&7).is_empty());
}

#[test]
fn a_frozen_signal_passes_a_limited_receiver_by_when_its_runs_are_over() {
    let signal = limited(2);
    signal.freeze();
    let calls = [1, 2, 3, 4].map(|event| signal.send(&event).len());
    assert_eq!(calls, [2, 2, 1, 1]);
}

#[test]
fn sends_on_many_threads_run_a_receiver_exactly_max_calls_times() {
    const RUNS: u32 = 1_000;
    for _ in 0..5 {
        let signal = Arc::new(Signal::<u32>::new());
        let ran = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&ran);
        signal.options().max_calls(RUNS).connect(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for event in 0..RUNS / 2 {
                        signal.send(&event);
                    }
                });
            }
        });
        assert_eq!(ran.load(Ordering::Relaxed), RUNS);
        assert!(signal.connections().is_empty());
    }
}

#[test]
#[should_panic = "`max_calls(0)` allows no run"]
fn max_calls_of_zero_is_refused() {
    let _ = Asked::new().options().max_calls(0);
}
