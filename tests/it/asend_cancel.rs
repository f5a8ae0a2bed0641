//! An async send that is dropped: after the k-th poll, for every k, it is known which receivers had
//! finished. Every future is dropped once, and no receiver runs after that.
#![cfg(feature = "async")]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use fanfare::{BoxFuture, Connection, Sender, Signal};

type Asked = Signal<(), Result<usize, &'static str>>;

/// The record of one receiver's future.
#[derive(Default)]
struct Fate {
    started: AtomicUsize,
    polled: AtomicUsize,
    finished: AtomicUsize,
    dropped: AtomicUsize,
}

impl Fate {
    /// Returns how often it was started, polled, finished and dropped.
    fn seen(&self) -> [usize; 4] {
        [&self.started, &self.polled, &self.finished, &self.dropped]
            .map(|count| count.load(Ordering::Relaxed))
    }
}

/// Pends a number of times, and then ends as its plan says.
struct Steps {
    left: usize,
    end: fn() -> Result<usize, &'static str>,
    fate: Arc<Fate>,
    on_drop: fn(),
}

impl Future for Steps {
    type Output = Result<usize, &'static str>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.fate.polled.fetch_add(1, Ordering::Relaxed);
        if self.left == 0 {
            self.fate.finished.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready((self.end)());
        }
        self.left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.fate.dropped.fetch_add(1, Ordering::Relaxed);
        (self.on_drop)();
    }
}

/// A receiver that runs by a plan.
struct Plan {
    /// Makes the send note who has run, which it does only where it has to.
    once: bool,
    steps: usize,
    end: fn() -> Result<usize, &'static str>,
    on_drop: fn(),
}

const GOOD: Plan = Plan {
    once: false,
    steps: 0,
    end: || Ok(0),
    on_drop: || {},
};

fn connect(signal: &Asked, plan: Plan) -> (Connection, Arc<Fate>) {
    let fate = Arc::new(Fate::default());
    let seen = Arc::clone(&fate);
    let options = signal.options();
    let options = if plan.once { options.once() } else { options };
    let connection = options.connect_async(move |_, ()| {
        seen.started.fetch_add(1, Ordering::Relaxed);
        Box::pin(Steps {
            left: plan.steps,
            end: plan.end,
            fate: Arc::clone(&seen),
            on_drop: plan.on_drop,
        })
    });
    (connection, fate)
}

/// A send whose responses do not matter.
type Sent<'s> = BoxFuture<'s, ()>;
/// The three ways.
const WAYS: [fn(&Asked) -> Sent<'_>; 3] = [
    |signal| Box::pin(async { drop(signal.asend(&()).await) }),
    |signal| Box::pin(async { drop(signal.asend_robust(&()).await) }),
    |signal| Box::pin(async { drop(signal.asend_until_err(&()).await) }),
];
/// Numbers of receivers for each combinator, and whether they run once.
const SIZES: [(usize, bool); 7] = [
    (1, false),
    (1, true),
    (5, false),
    (5, true),
    (40, false),
    (40, true),
    (100, false),
];
/// The greatest number of steps that a receiver takes.
const STEPS: usize = 4;

fn poll(send: &mut Sent<'_>) -> Poll<()> {
    send.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn count(counter: &'static AtomicUsize) -> impl Fn(Sender<'_>, &()) -> Result<usize, &'static str> {
    |_, ()| Ok(counter.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn after_every_poll_it_is_known_who_had_finished() {
    static SYNC: AtomicUsize = AtomicUsize::new(0);
    for way in WAYS {
        for (receivers, once) in SIZES {
            for polls in 0..=STEPS + 1 {
                let signal = Asked::new();
                SYNC.store(0, Ordering::Relaxed);
                signal.connect(count(&SYNC));
                let fates: Vec<_> = (0..receivers)
                    .map(|place| {
                        let steps = if place == 0 { STEPS } else { place % STEPS };
                        (
                            steps,
                            connect(
                                &signal,
                                Plan {
                                    steps,
                                    once,
                                    ..GOOD
                                },
                            )
                            .1,
                        )
                    })
                    .collect();
                let mut send = way(&signal);
                for _ in 0..polls.min(STEPS) {
                    assert!(poll(&mut send).is_pending());
                }
                if polls > STEPS {
                    assert!(poll(&mut send).is_ready());
                }
                let begun = usize::from(polls > 0);
                assert_eq!(SYNC.load(Ordering::Relaxed), begun);
                drop(send);
                assert_eq!(SYNC.load(Ordering::Relaxed), begun);
                for (steps, fate) in fates {
                    let expected = [
                        begun,
                        polls.min(steps + 1),
                        usize::from(polls > steps),
                        begun,
                    ];
                    assert_eq!(fate.seen(), expected, "{polls} of {steps} in {receivers}");
                }
            }
        }
    }
}

/// A future that was never polled has not run a receiver, and the signal is as free as before.
#[test]
fn a_send_that_is_never_polled_runs_and_holds_no_receiver() {
    static SYNC: AtomicUsize = AtomicUsize::new(0);
    for way in WAYS {
        let signal = Asked::new();
        let own = signal.connect(count(&SYNC));
        let (connection, fate) = connect(&signal, GOOD);
        let send = way(&signal);
        for connection in [own, connection] {
            let waited = connection.disconnect_and_wait(std::time::Duration::ZERO);
            assert_eq!(waited, Ok(()));
        }
        drop(send);
        assert_eq!(SYNC.load(Ordering::Relaxed), 0);
        assert_eq!(fate.seen(), [0; 4]);
    }
}

#[test]
fn a_future_whose_destructor_panics_is_contained() {
    for way in WAYS {
        for (receivers, once) in SIZES {
            let signal = Asked::new();
            let fates: Vec<_> = (0..receivers)
                .map(|place| {
                    let on_drop: fn() = if place % 2 == 0 {
                        || panic!("as it is dropped")
                    } else {
                        || {}
                    };
                    let steps = 1 + place % 2;
                    let plan = Plan {
                        once,
                        steps,
                        on_drop,
                        ..GOOD
                    };
                    connect(&signal, plan).1
                })
                .collect();
            let mut send = way(&signal);
            assert!(poll(&mut send).is_pending());
            drop(send);
            for fate in &fates {
                assert_eq!(fate.seen(), [1, 1, 0, 1]);
            }
        }
    }
}

/// Returns the text with which `run` panics.
fn panic_of(run: impl FnOnce()) -> &'static str {
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    payload.downcast_ref::<&str>().unwrap()
}

#[test]
fn a_panic_drops_the_siblings_of_asend_and_asend_until_err() {
    for way in [WAYS[0], WAYS[2]] {
        for (receivers, once) in SIZES {
            let signal = Asked::new();
            let done = connect(&signal, Plan { once, ..GOOD }).1;
            let fates: Vec<_> = (0..receivers)
                // Even in the presence of more panics.
                .map(|_| Plan {
                    steps: 9,
                    on_drop: || panic!("as it is dropped"),
                    ..GOOD
                })
                .map(|plan| connect(&signal, plan).1)
                .collect();
            let failing = connect(
                &signal,
                Plan {
                    steps: 2,
                    end: || panic!("of a receiver"),
                    ..GOOD
                },
            );
            let mut send = way(&signal);
            assert!(poll(&mut send).is_pending());
            assert!(poll(&mut send).is_pending());
            assert_eq!(
                panic_of(|| assert!(poll(&mut send).is_ready())),
                "of a receiver"
            );
            // The siblings are gone before the panic has left.
            assert_eq!(done.seen(), [1, 1, 1, 1]);
            assert_eq!(failing.1.seen(), [1, 3, 1, 1]);
            for fate in &fates {
                assert_eq!(fate.seen(), [1, 3, 0, 1]);
            }
            drop(send);
            assert_eq!(fates[0].seen(), [1, 3, 0, 1]);
            // And the signal is as good as before.
            assert!(failing.0.disconnect());
            assert!(poll(&mut way(&signal)).is_pending());
        }
    }
}

#[test]
fn a_panic_leaves_the_siblings_of_asend_robust_running() {
    for (receivers, _) in SIZES {
        let signal = Asked::new();
        let failing = connect(
            &signal,
            Plan {
                end: || panic!("of a receiver"),
                ..GOOD
            },
        );
        let plans = (0..receivers).map(|_| Plan { steps: 2, ..GOOD });
        let fates: Vec<_> = plans.map(|plan| connect(&signal, plan).1).collect();
        let mut send: BoxFuture<'_, _> = Box::pin(signal.asend_robust(&()));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(send.as_mut().poll(&mut cx).is_pending());
            assert_eq!(failing.1.seen(), [1, 1, 1, 1], "and dropped at once");
        }
        let Poll::Ready(outcomes) = send.as_mut().poll(&mut cx) else {
            panic!("all have ended")
        };
        for fate in &fates {
            assert_eq!(fate.seen(), [1, 3, 1, 1]);
        }
        assert_eq!(outcomes.responses().len(), receivers);
        let failure = outcomes.panics().next().unwrap();
        assert_eq!(failure.receiver(), failing.0.id());
    }
}

#[test]
fn an_error_drops_the_siblings_of_asend_until_err() {
    for (receivers, _) in SIZES {
        let signal = Asked::new();
        signal.connect(|_, ()| Ok(7));
        let done = connect(
            &signal,
            Plan {
                end: || Ok(8),
                ..GOOD
            },
        )
        .1;
        let plans = (0..receivers).map(|_| Plan { steps: 9, ..GOOD });
        let fates: Vec<_> = plans.map(|plan| connect(&signal, plan).1).collect();
        let end = || Err("too hot");
        let failing = connect(
            &signal,
            Plan {
                steps: 2,
                end,
                ..GOOD
            },
        );
        let mut send: BoxFuture<'_, _> = Box::pin(signal.asend_until_err(&()));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(send.as_mut().poll(&mut cx).is_pending());
        }
        let Poll::Ready(Err(stopped)) = send.as_mut().poll(&mut cx) else {
            panic!("one has failed")
        };
        assert_eq!(
            (stopped.receiver, stopped.error),
            (failing.0.id(), "too hot")
        );
        assert_eq!(
            *stopped.before,
            [7],
            "and the responses of async ones are lost"
        );
        assert_eq!(done.seen(), [1, 1, 1, 1]);
        assert_eq!(failing.1.seen(), [1, 3, 1, 1]);
        for fate in &fates {
            assert_eq!(fate.seen()[2..], [0, 1]);
        }
    }
}

#[test]
fn an_error_of_a_sync_receiver_starts_no_async_one() {
    let signal = Asked::new();
    let (_, fate) = connect(&signal, GOOD);
    signal.connect(|_, ()| Ok(7));
    let failing = signal.connect(|_, ()| Err("too hot"));
    signal.connect(|_, ()| unreachable!("after an error"));
    let stopped = smol::block_on(signal.asend_until_err(&())).unwrap_err();
    assert_eq!((stopped.receiver, stopped.error), (failing.id(), "too hot"));
    assert_eq!(*stopped.before, [7]);
    assert_eq!(fate.seen(), [0; 4]);
}

/// Cancelled as a program does it, by what comes first.
#[tokio::test]
async fn select_drops_the_send_that_was_too_late() {
    let signal = Asked::new();
    let (done, fate) = connect(&signal, GOOD);
    let late = connect(
        &signal,
        Plan {
            steps: usize::MAX,
            ..GOOD
        },
    )
    .1;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stop = Mutex::new(Some(stop));
    signal.connect_async(move |_, ()| {
        let stop = stop.lock().unwrap().take().unwrap();
        Box::pin(async {
            stop.send(()).unwrap();
            std::future::pending().await
        })
    });
    tokio::select! {
        biased;
        _ = signal.asend(&()) => panic!("it never ends"),
        stop = stopped => stop.unwrap(),
    }
    assert_eq!(fate.seen(), [1, 1, 1, 1]);
    let [started, polled, finished, dropped] = late.seen();
    assert!(polled > 0);
    assert_eq!([started, finished, dropped], [1, 0, 1]);
    assert!(done.disconnect());
}

/// The content of an outcome is the sender's, but the sender has not seen this one.
#[test]
fn a_caught_panic_whose_payload_panics_as_it_is_dropped_is_contained() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("of a payload");
        }
    }
    for (receivers, _) in SIZES {
        let signal = Asked::new();
        let end = || std::panic::panic_any(Fragile);
        let failing = connect(&signal, Plan { end, ..GOOD }).1;
        let plans = (0..receivers).map(|_| Plan { steps: 9, ..GOOD });
        let fates: Vec<_> = plans.map(|plan| connect(&signal, plan).1).collect();
        let mut send = WAYS[1](&signal);
        assert!(poll(&mut send).is_pending());
        drop(send);
        assert_eq!(failing.seen(), [1, 1, 1, 1]);
        for fate in fates {
            assert_eq!(fate.seen(), [1, 1, 0, 1]);
        }
    }
}
