//! The promises of Django's tests of async receivers: the responses of the sends, and that a value
//! of the caller's task is one value for all receivers.
//!
//! Every test runs in the same frame: as many receivers after it as before it.
#![cfg(feature = "async")]

use std::cell::Cell;
use std::panic;

use fanfare::responses::RobustResponses;
use fanfare::{BoxFuture, Connection, Sender, Signal};
use smol::future::{block_on, yield_now};

struct Model;

type Asked = Signal<(), &'static str>;

fn sync_receiver(_: Sender<'_>, (): &()) -> &'static str {
    "sync"
}

fn async_receiver<'a>(_: Sender<'a>, (): &'a ()) -> BoxFuture<'a, &'static str> {
    Box::pin(async {
        yield_now().await;
        "async"
    })
}

fn failing_receiver<'a>(_: Sender<'a>, (): &'a ()) -> BoxFuture<'a, &'static str> {
    Box::pin(async {
        yield_now().await;
        panic!("async error")
    })
}

/// Runs with a signal and checks that it is left as it was.
fn nothing_leaks<R: 'static>(test: impl FnOnce(&Signal<(), R>, &mut Vec<Connection>)) {
    let signal = Signal::new();
    let mut connections = Vec::new();
    test(&signal, &mut connections);
    for connection in connections {
        assert!(connection.disconnect());
    }
    assert_eq!(signal.receiver_count(), 0);
}

/// Returns the responses with the ids of their receivers.
fn pairs(signal: &Asked) -> [Vec<(fanfare::ReceiverId, &'static str)>; 2] {
    [
        block_on(signal.from(Sender::of::<Model>()).asend(&())),
        signal.from(Sender::of::<Model>()).send(&()),
    ]
    .map(|responses| responses.into_pairs().collect())
}

#[test]
fn asend_and_send() {
    nothing_leaks(|signal: &Asked, connections| {
        let of_sync = signal.connect(sync_receiver);
        let of_async = signal.connect_async(async_receiver);
        for responses in pairs(signal) {
            assert_eq!(
                responses,
                [(of_sync.id(), "sync"), (of_async.id(), "async")]
            );
        }
        connections.extend([of_sync, of_async]);
    });
}

/// Connects a failing, a good and a sync receiver, in that order.
fn three_of_which_one_fails(send: impl FnOnce(&Asked) -> RobustResponses<&'static str>) {
    nothing_leaks(|signal: &Asked, connections| {
        let failing = signal.connect_async(failing_receiver);
        let good = signal.connect_async(async_receiver);
        let of_sync = signal.connect(sync_receiver);
        let outcomes = send(signal);
        let responded: Vec<_> = outcomes.responses().pairs().collect();
        assert_eq!(responded, [(of_sync.id(), &"sync"), (good.id(), &"async")]);
        let [first, second, third] = <[_; 3]>::try_from(Vec::from_iter(outcomes)).unwrap();
        let failure = second.unwrap_err();
        assert_eq!(
            (first.unwrap(), failure.receiver(), third.unwrap()),
            ("sync", failing.id(), "async")
        );
        assert_eq!(failure.message(), "async error");
        let payload = failure.into_panic();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"async error"));
        connections.extend([failing, good, of_sync]);
    });
}

#[test]
fn a_robust_send_returns_each_receivers_outcome() {
    three_of_which_one_fails(|signal| signal.from(Sender::of::<Model>()).send_robust(&()));
}

#[test]
fn an_async_robust_send_returns_each_receivers_outcome() {
    three_of_which_one_fails(|signal| {
        block_on(signal.from(Sender::of::<Model>()).asend_robust(&()))
    });
}

#[test]
fn asend_only_async_receivers() {
    nothing_leaks(|signal: &Asked, connections| {
        let only = signal.connect_async(async_receiver);
        for responses in pairs(signal) {
            assert_eq!(responses, [(only.id(), "async")]);
        }
        connections.push(only);
    });
}

#[test]
fn asend_robust_only_async_receivers() {
    nothing_leaks(|signal: &Asked, connections| {
        connections.push(signal.connect_async(async_receiver));
        let outcomes = block_on(signal.from(Sender::of::<Model>()).asend_robust(&()));
        assert_eq!(*outcomes.into_result().unwrap(), ["async"]);
    });
}

tokio::task_local! {
    static STATE: Cell<u32>;
}

/// Reads, adds one and stores.
fn increment() -> u32 {
    STATE.with(|state| {
        state.set(state.get() + 1);
        state.get()
    })
}

type Counted = Signal<(), u32>;

#[derive(Clone, Copy)]
enum Kind {
    Sync,
    Async,
}
use Kind::{Async, Sync};

fn connect(signal: &Counted, kind: Kind) -> Connection {
    // The uid of each is its place: two of one function would be one receiver.
    let options = signal
        .options()
        .dispatch_uid(signal.receiver_count().to_string());
    match kind {
        Sync => options.connect(|_, ()| increment()),
        Async => options.connect_async(|_, ()| {
            Box::pin(async {
                yield_now().await;
                let seen = increment();
                yield_now().await;
                seen
            })
        }),
    }
}

/// Checks that the caller sets 1, two receivers see 2 and 3, and the caller then sees 3.
fn state_is_shared(kinds: [Kind; 2], send: impl FnOnce(&Counted) -> (Vec<u32>, u32)) {
    nothing_leaks(|signal: &Counted, connections| {
        connections.extend(kinds.map(|kind| connect(signal, kind)));
        let (mut seen, after) = send(signal);
        seen.sort_unstable();
        assert_eq!((&seen[..], after), (&[2, 3][..], 3));
    });
}

fn state() -> u32 {
    STATE.with(Cell::get)
}

fn by_asend(signal: &Counted) -> (Vec<u32>, u32) {
    let send = async { (signal.asend(&()).await.into_vec(), state()) };
    block_on(STATE.scope(Cell::new(1), send))
}

fn by_asend_robust(signal: &Counted) -> (Vec<u32>, u32) {
    let send = async {
        let outcomes = signal.asend_robust(&()).await;
        (outcomes.into_result().unwrap().into_vec(), state())
    };
    block_on(STATE.scope(Cell::new(1), send))
}

fn by_send(signal: &Counted) -> (Vec<u32>, u32) {
    STATE.sync_scope(Cell::new(1), || (signal.send(&()).into_vec(), state()))
}

fn by_send_robust(signal: &Counted) -> (Vec<u32>, u32) {
    STATE.sync_scope(Cell::new(1), || {
        let outcomes = signal.send_robust(&());
        (outcomes.into_result().unwrap().into_vec(), state())
    })
}

macro_rules! state_is_shared {
    ($($send:ident: $by_async:ident $by_sync:ident $mixed:ident)*) => {
        $(
            #[test]
            fn $by_async() {
                state_is_shared([Async, Async], $send);
            }

            #[test]
            fn $by_sync() {
                state_is_shared([Sync, Sync], $send);
            }

            #[test]
            fn $mixed() {
                state_is_shared([Async, Sync], $send);
                state_is_shared([Sync, Async], $send);
            }
        )*
    };
}

state_is_shared! {
    by_asend: asend_shares_with_async asend_shares_with_sync asend_shares_with_both
    by_asend_robust: asend_robust_shares_with_async asend_robust_shares_with_sync asend_robust_shares_with_both
    by_send: send_shares_with_async send_shares_with_sync send_shares_with_both
    by_send_robust: send_robust_shares_with_async send_robust_shares_with_sync send_robust_shares_with_both
}

#[test]
fn values_that_a_failing_receiver_stored_stay() {
    nothing_leaks(|signal: &Counted, connections| {
        connections.push(connect(signal, Async));
        connections.push(signal.connect_async(|_, ()| {
            Box::pin(async {
                yield_now().await;
                increment();
                panic!("after the store")
            })
        }));
        let robust = async {
            let outcomes = signal.asend_robust(&()).await;
            (outcomes.panics().count(), state())
        };
        assert_eq!(block_on(STATE.scope(Cell::new(1), robust)), (1, 3));
        let unwound = STATE.sync_scope(Cell::new(1), || {
            let send = panic::AssertUnwindSafe(|| signal.send(&()));
            (panic::catch_unwind(send).is_err(), state())
        });
        assert_eq!(unwound, (true, 3));
    });
}

#[test]
fn the_frame_notices_a_leak() {
    let leak = panic::catch_unwind(|| {
        nothing_leaks(|signal: &Asked, _| {
            signal.connect_async(async_receiver);
        });
    });
    assert!(leak.is_err());
}
