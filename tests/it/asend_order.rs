//! The order of an async send: sync receivers, then async ones; each by priority and
//! connecting, whichever is done first.
#![cfg(feature = "async")]

use fanfare::connections::purged;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use fanfare::{BoxFuture, ConnectOptions, Connection, Sender, Signal};
use smol::future::{block_on, yield_now};
use tokio::sync::oneshot;

type Asked = Signal<(), usize>;

/// A number of receivers for each combinator.
const FEW_AND_MANY: [usize; 2] = [5, 80];

fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// Async receivers, each of which responds with its place when its gate is opened.
#[derive(Default)]
struct Gates(Mutex<BTreeMap<usize, oneshot::Sender<()>>>);

impl Gates {
    fn wait<'a>(self: &Arc<Self>, place: usize) -> BoxFuture<'a, usize> {
        let (open, gate) = oneshot::channel();
        self.0.lock().unwrap().insert(place, open);
        Box::pin(async move {
            gate.await.unwrap();
            place
        })
    }

    fn open(&self, place: usize) {
        let gate = self.0.lock().unwrap().remove(&place).unwrap();
        gate.send(()).unwrap();
    }

    fn connect(
        self: &Arc<Self>,
        options: ConnectOptions<(), usize, &Signal<(), usize>>,
        place: usize,
    ) {
        let gates = Arc::clone(self);
        options.connect_async(move |_, ()| gates.wait(place));
    }
}

/// Returns the numbers below `n` in several orders: forwards, backwards, from the middle, shuffled.
fn orders(n: usize) -> Vec<Vec<usize>> {
    let stride = if n % 7 == 0 { 5 } else { 7 };
    vec![
        (0..n).collect(),
        (0..n).rev().collect(),
        (n / 2..n).chain((0..n / 2).rev()).collect(),
        (0..n).map(|at| at * stride % n).collect(),
    ]
}

#[test]
fn responses_keep_their_order_whatever_finishes_first() {
    for receivers in FEW_AND_MANY {
        for order in orders(receivers) {
            let signal = Asked::new();
            let gates = Arc::new(Gates::default());
            for place in 0..receivers {
                gates.connect(signal.options(), place);
            }
            let mut send: BoxFuture<'_, _> = Box::pin(signal.asend(&()));
            for place in &order {
                assert!(poll(&mut send).is_pending());
                gates.open(*place);
            }
            assert_eq!(*block_on(send), *Vec::from_iter(0..receivers), "{order:?}");
        }
    }
}

#[test]
fn outcomes_and_successes_keep_it_too() {
    for receivers in FEW_AND_MANY {
        let signal = Signal::<(), Result<usize, ()>>::new();
        let gates = Arc::new(Gates::default());
        for place in 0..receivers {
            let gates = Arc::clone(&gates);
            signal.connect_async(move |_, ()| {
                let gate = gates.wait(place);
                Box::pin(async move { Ok(gate.await) })
            });
        }
        let all = Vec::from_iter(0..receivers);
        let backwards = |mut send: BoxFuture<'_, Vec<Result<usize, ()>>>| {
            for place in (0..receivers).rev() {
                assert!(poll(&mut send).is_pending());
                gates.open(place);
            }
            let responses: Result<Vec<_>, ()> = block_on(send).into_iter().collect();
            assert_eq!(responses.unwrap(), all);
        };
        backwards(Box::pin(async {
            let outcomes = signal.asend_robust(&()).await;
            outcomes.into_result().unwrap().into_vec()
        }));
        backwards(Box::pin(async {
            let responses = signal.asend_until_err(&()).await.unwrap();
            responses.into_iter().map(Ok).collect()
        }));
    }
}

/// Connects a receiver that notes its start, and responds with its place in the log.
fn noting(
    options: ConnectOptions<(), &'static str, &Signal<(), &'static str>>,
    is_async: bool,
    name: &'static str,
    log: &Arc<Mutex<Vec<&'static str>>>,
) -> Connection {
    let log = Arc::clone(log);
    if is_async {
        options.connect_async(move |_, ()| {
            let log = Arc::clone(&log);
            Box::pin(async move {
                log.lock().unwrap().push(name);
                yield_now().await;
                name
            })
        })
    } else {
        options.connect(move |_, ()| {
            log.lock().unwrap().push(name);
            name
        })
    }
}

#[test]
fn sync_receivers_run_before_any_async_one_starts() {
    let signal = Signal::new();
    let log = Arc::default();
    for (priority, is_async, name) in [
        (0, true, "async"),
        (0, false, "sync"),
        (9, true, "async, early"),
        (-9, false, "sync, late"),
        (9, false, "sync, early"),
        (-9, true, "async, late"),
        (0, true, "async, second"),
        (0, false, "sync, second"),
    ] {
        noting(signal.options().priority(priority), is_async, name, &log);
    }
    let expected = [
        "sync, early",
        "sync",
        "sync, second",
        "sync, late",
        "async, early",
        "async",
        "async, second",
        "async, late",
    ];
    assert_eq!(*block_on(signal.asend(&())), expected);
    assert_eq!(*log.lock().unwrap(), expected, "started in that order");
    assert_eq!(*signal.send(&()), expected, "by a blocking send");
    assert_eq!(log.lock().unwrap()[8..], expected);
}

#[test]
fn receivers_for_any_sender_and_for_one_are_interleaved() {
    let signal = Signal::new();
    let log = Arc::default();
    for (sender, is_async, name) in [
        (Sender::NONE, true, "a"),
        (Sender::named("web"), true, "b"),
        (Sender::named("shop"), true, "of another"),
        (Sender::NONE, false, "c"),
        (Sender::named("web"), false, "d"),
        (Sender::NONE, true, "e"),
        (Sender::named("web"), true, "f"),
    ] {
        noting(signal.options().sender(sender), is_async, name, &log);
    }
    let sent = |sender| block_on(signal.from(sender).asend(&())).into_vec();
    assert_eq!(sent(Sender::named("web")), ["c", "d", "a", "b", "e", "f"]);
    assert_eq!(sent(Sender::named("shop")), ["c", "a", "of another", "e"]);
    assert_eq!(sent(Sender::NONE), ["c", "a", "e"]);
}

#[test]
fn the_future_sees_its_sender() {
    let signal = Signal::<(), String>::new();
    signal.connect_async(|sender, ()| {
        Box::pin(async move {
            yield_now().await;
            sender.name().unwrap_or("nobody").to_owned()
        })
    });
    let name = String::from("web");
    assert_eq!(*block_on(signal.from(&name).asend(&())), ["web"]);
    assert_eq!(*block_on(signal.asend(&())), ["nobody"]);
}

#[test]
fn each_response_has_its_receiver() {
    for receivers in FEW_AND_MANY {
        let signal = Asked::new();
        let mut expected = Vec::new();
        for place in 0..receivers {
            let connection = signal.connect_async(move |_, ()| {
                Box::pin(async move {
                    for _ in 0..place % 5 {
                        yield_now().await;
                    }
                    place
                })
            });
            expected.push((connection.id(), place));
        }
        let own = signal.connect(|_, ()| usize::MAX);
        expected.insert(0, (own.id(), usize::MAX));
        let responses = block_on(signal.asend(&()));
        assert_eq!(Vec::from_iter(responses.into_pairs()), expected);
    }
}

#[test]
fn a_failure_has_its_place() {
    for receivers in FEW_AND_MANY {
        let signal = Asked::new();
        for place in 0..receivers {
            signal.connect_async(move |_, ()| {
                Box::pin(async move {
                    for _ in 0..receivers - place {
                        yield_now().await;
                    }
                    assert!(place % 3 != 1, "{place}");
                    place
                })
            });
        }
        let outcomes = block_on(signal.asend_robust(&()));
        assert_eq!(outcomes.len(), receivers);
        for (place, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(response) => assert!(response == place && place % 3 != 1),
                Err(failure) => assert_eq!(failure.message(), place.to_string()),
            }
        }
    }
}

#[test]
fn dead_weak_receivers_are_left_out() {
    let signal = Asked::new();
    let mut targets: Vec<_> = (0..5).map(Arc::new).collect();
    for target in &targets {
        signal
            .options()
            .priority(i32::try_from(**target).unwrap())
            .connect_weak_async(target, |target, _, ()| {
                Box::pin(async {
                    yield_now().await;
                    *target
                })
            });
    }
    assert_eq!(*block_on(signal.asend(&())), [4, 3, 2, 1, 0]);
    targets.retain(|target| ![0, 2].contains(&**target));
    assert_eq!(*block_on(signal.asend(&())), [4, 3, 1]);
    assert_eq!((signal.receiver_count(), purged(&signal)), (3, 2));
    drop(targets);
    assert!(block_on(signal.asend(&())).is_empty());
}

#[test]
fn once_is_claimed_by_the_first_poll_of_one_send() {
    let signal = Asked::new();
    let gates = Arc::new(Gates::default());
    gates.connect(signal.options().once(), 0);
    gates.connect(signal.options(), 1);
    let mut never_polled: BoxFuture<'_, _> = Box::pin(signal.asend(&()));
    let mut first: BoxFuture<'_, _> = Box::pin(signal.asend(&()));
    let mut second: BoxFuture<'_, _> = Box::pin(signal.asend(&()));

    assert!(poll(&mut first).is_pending());
    gates.open(1);
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    gates.open(1);
    match poll(&mut second) {
        Poll::Ready(responses) => assert_eq!(*responses, [1], "the other send has it"),
        Poll::Pending => panic!("it was woken"),
    }
    gates.open(0);
    assert_eq!(*block_on(first), [0, 1]);
    assert!(poll(&mut never_polled).is_pending());
    gates.open(1);
    assert_eq!(*block_on(never_polled), [1]);
    assert_eq!(signal.receiver_count(), 1);
}

#[test]
fn once_is_used_up_by_a_send_that_is_dropped_after_its_first_poll() {
    let signal = Asked::new();
    let gates = Arc::new(Gates::default());
    gates.connect(signal.options().once(), 0);
    drop(signal.asend(&()));
    assert!(signal.has_listeners());

    let mut send: BoxFuture<'_, _> = Box::pin(signal.asend(&()));
    assert!(poll(&mut send).is_pending());
    assert!(!signal.has_listeners());
    drop(send);
    assert_eq!(signal.receiver_count(), 0);
}
