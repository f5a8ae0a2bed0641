//! A failure of an async receiver travels when each receiver of the send has begun, as in Django:
//! its future has been polled once. Those that have not finished are then dropped.
#![cfg(feature = "async")]

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use fanfare::{Connection, Deferred, Signal};
use smol::future::{block_on, yield_now};

type Asked = Signal<(), Result<usize, &'static str>>;

/// A number of receivers for each combinator.
const FEW_AND_MANY: [usize; 3] = [2, 5, 80];

/// Waits for longer than any send here takes.
async fn long() -> Result<usize, &'static str> {
    for _ in 0..10_000 {
        yield_now().await;
    }
    Ok(0)
}

/// A way in which a receiver fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fails {
    WithError,
    WithPanic,
    /// The function that makes the future panics.
    BeforeItsFuture,
}
use Fails::{BeforeItsFuture, WithError, WithPanic};

/// Receivers that wait beside one that fails.
struct Round {
    signal: Asked,
    /// The places that began, in order.
    begun: Arc<Mutex<Vec<usize>>>,
    dropped: Arc<AtomicUsize>,
    once: bool,
}

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Round {
    /// Returns a round of sends. With `once`, the send has to note which receivers ran.
    fn new(once: bool) -> Self {
        Round {
            signal: Asked::new(),
            begun: Arc::default(),
            dropped: Arc::default(),
            once,
        }
    }

    fn connect(&self, place: usize, fails: Option<Fails>) -> Connection {
        let (begun, dropped) = (Arc::clone(&self.begun), Arc::clone(&self.dropped));
        let options = self.signal.options();
        let options = if self.once { options.once() } else { options };
        options.connect_async(move |_, ()| {
            if fails == Some(BeforeItsFuture) {
                begun.lock().unwrap().push(place);
                panic!("receiver {place} failed");
            }
            let (begun, counts) = (Arc::clone(&begun), CountsDrop(Arc::clone(&dropped)));
            Box::pin(async move {
                let _counts = counts;
                begun.lock().unwrap().push(place);
                match fails {
                    Some(WithError) => Err("failed"),
                    Some(_) => panic!("receiver {place} failed"),
                    None => long().await,
                }
            })
        })
    }

    fn take_begun(&self) -> Vec<usize> {
        std::mem::take(&mut self.begun.lock().unwrap())
    }
}

type Way = (&'static str, fn(&Asked));

/// Each way of sending that lets a panic through.
const STOPS_AT_A_PANIC: &[Way] = &[
    ("asend", |signal| {
        drop(block_on(signal.asend(&())));
    }),
    ("asend_until_err", |signal| {
        drop(block_on(signal.asend_until_err(&())));
    }),
    ("send", |signal| drop(signal.send(&()))),
    ("send_until_err", |signal| {
        drop(signal.send_until_err(&()));
    }),
    ("send_until", |signal| {
        let _ = signal.send_until(&(), |_| false);
    }),
    ("emitter", |signal| {
        drop(signal.emitter().send(&()));
    }),
    ("send_batch", |signal| {
        drop(signal.send_batch(&[()]));
    }),
    #[cfg(feature = "rayon")]
    ("send_parallel", |signal| {
        drop(signal.send_parallel(&()));
    }),
    ("commit", |signal| {
        let mut deferred = Deferred::new();
        deferred.record(signal, ());
        deferred.commit();
    }),
    ("commit_async", |signal| {
        let mut deferred = Deferred::new();
        deferred.record(signal, ());
        block_on(deferred.commit_async());
    }),
];

/// Each way of sending that stops at an `Err`.
const STOPS_AT_AN_ERROR: &[Way] = &[
    ("asend_until_err", |signal| {
        let stopped = block_on(signal.asend_until_err(&())).unwrap_err();
        assert_eq!(stopped.error, "failed");
    }),
    ("send_until_err", |signal| {
        let stopped = signal.send_until_err(&()).unwrap_err();
        assert_eq!(stopped.error, "failed");
    }),
];

/// Checks that every receiver waits, except the one at `place`.
fn each_begins(ways: &[Way], fails: Fails, receivers: usize, place: usize, once: bool) {
    for (name, way) in ways {
        let round = Round::new(once);
        for at in 0..receivers {
            round.connect(at, (at == place).then_some(fails));
        }
        let sent = catch_unwind(AssertUnwindSafe(|| way(&round.signal)));
        let case = format!("{name}, {fails:?}, {place} of {receivers}, once {once}");
        match sent {
            Ok(()) => assert_eq!(fails, WithError, "{case}"),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().unwrap();
                assert_eq!(*text, format!("receiver {place} failed"), "{case}");
            }
        }
        let mut begun = round.take_begun();
        // The function that makes a future may be called before other futures are polled.
        begun.sort_unstable();
        assert_eq!(begun, Vec::from_iter(0..receivers), "{case}");
        let futures = receivers - usize::from(fails == BeforeItsFuture);
        assert_eq!(round.dropped.load(Relaxed), futures, "{case}");
    }
}

#[test]
fn each_async_receiver_begins_before_a_panic_travels() {
    for fails in [WithPanic, BeforeItsFuture] {
        for receivers in FEW_AND_MANY {
            for place in [0, receivers / 2, receivers - 1] {
                for once in [false, true] {
                    each_begins(STOPS_AT_A_PANIC, fails, receivers, place, once);
                }
            }
        }
    }
}

#[test]
fn each_async_receiver_begins_before_an_error_travels() {
    for receivers in FEW_AND_MANY {
        for place in [0, receivers / 2, receivers - 1] {
            for once in [false, true] {
                each_begins(STOPS_AT_AN_ERROR, WithError, receivers, place, once);
            }
        }
    }
}

/// Django's program: the receiver 4 fails at once, and 5 is healthy.
#[test]
fn a_healthy_receiver_that_need_not_wait_runs_to_its_end_beside_a_failing_one() {
    static LOG: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    let signal = Signal::<()>::new();
    signal.connect_async(|_, ()| {
        Box::pin(async {
            LOG.lock().unwrap().push(4);
            panic!("four");
        })
    });
    signal.connect_async(|_, ()| Box::pin(async { LOG.lock().unwrap().push(5) }));
    let sent = AssertUnwindSafe(|| block_on(signal.asend(&())));
    assert!(catch_unwind(sent).is_err());
    assert_eq!(*LOG.lock().unwrap(), [4, 5]);
}

#[test]
fn of_two_failures_in_the_first_poll_that_of_the_first_receiver_travels() {
    for receivers in FEW_AND_MANY {
        for once in [false, true] {
            let round = || {
                let round = Round::new(once);
                let connected = (0..receivers).map(|at| {
                    let fails = [WithError, WithPanic][at % 2];
                    round.connect(at, Some(fails)).id()
                });
                let first = connected.collect::<Vec<_>>()[0];
                (round, first)
            };
            let (round_of_asend, first) = round();
            let stopped = block_on(round_of_asend.signal.asend_until_err(&()));
            assert_eq!(stopped.unwrap_err().receiver, first);
            assert_eq!(round_of_asend.take_begun().len(), receivers);
            let (round_of_send, first) = round();
            let stopped = round_of_send.signal.send_until_err(&());
            assert_eq!(stopped.unwrap_err().receiver, first);
            assert_eq!(round_of_send.take_begun().len(), receivers);
        }
    }
}

#[test]
fn of_two_panics_in_the_first_poll_that_of_the_first_receiver_travels() {
    for (name, way) in STOPS_AT_A_PANIC {
        for (first, second) in [
            (WithPanic, WithPanic),
            (WithPanic, BeforeItsFuture),
            (BeforeItsFuture, WithPanic),
            (BeforeItsFuture, BeforeItsFuture),
        ] {
            let round = Round::new(false);
            round.connect(0, Some(first));
            round.connect(1, Some(second));
            let sent = catch_unwind(AssertUnwindSafe(|| way(&round.signal)));
            let panic = sent.unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert_eq!(text, "receiver 0 failed", "{name}, {first:?}, {second:?}");
        }
    }
}

/// Only the first poll waits for the others: later failures travel at once.
#[test]
fn a_failure_after_the_first_poll_travels_in_the_poll_that_meets_it() {
    let signal = Asked::new();
    let polled = Arc::new(AtomicUsize::new(0));
    signal.connect_async(|_, ()| {
        Box::pin(async {
            yield_now().await;
            Err("late")
        })
    });
    let polls = Arc::clone(&polled);
    signal.connect_async(move |_, ()| {
        let polls = Arc::clone(&polls);
        Box::pin(async move {
            let mut waits = pin!(long());
            let polled = poll_fn(|cx| {
                polls.fetch_add(1, Relaxed);
                waits.as_mut().poll(cx)
            });
            polled.await
        })
    });
    assert!(block_on(signal.asend_until_err(&())).is_err());
    assert_eq!(polled.load(Relaxed), 1);
    assert!(signal.send_until_err(&()).is_err());
    assert_eq!(polled.load(Relaxed), 2);
}

#[test]
fn a_blocking_send_until_err_stops_at_an_async_error_and_drops_the_receivers_that_wait() {
    let signal = Asked::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    signal.connect(|_, ()| Ok(1));
    let counts = Arc::clone(&dropped);
    signal.connect_async(move |_, ()| {
        let counts = CountsDrop(Arc::clone(&counts));
        Box::pin(async move {
            let _counts = counts;
            long().await
        })
    });
    signal.connect_async(|_, ()| Box::pin(async { Ok(3) }));
    let failing = signal.connect_async(|_, ()| {
        Box::pin(async {
            yield_now().await;
            Err("four")
        })
    });
    let stopped = signal.send_until_err(&()).unwrap_err();
    assert_eq!((stopped.error, stopped.receiver), ("four", failing.id()));
    assert_eq!(*stopped.before, [1], "as `asend_until_err` returns");
    assert_eq!(dropped.load(Relaxed), 1);
    let awaited = block_on(signal.asend_until_err(&())).unwrap_err();
    assert_eq!(*awaited.before, *stopped.before);
}
