//! Async sends inside async sends: each poll is counted like a send, so a circle ends in a panic
//! with a message, and between polls no send is counted.
#![cfg(feature = "async")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use fanfare::{BoxFuture, Responses, Signal};
use smol::future::{block_on, yield_now};

/// Returns the message with which `run` panics.
fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).err().expect("a panic");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn a_circle_of_asend_ends_in_a_panic() {
    static CIRCLE: Signal<(), usize> = Signal::new();
    CIRCLE.connect_async(|_, ()| {
        Box::pin(async { CIRCLE.asend(&()).await.iter().sum::<usize>() + 1 })
    });
    for _ in 0..2 {
        let message = panic_of(|| block_on(CIRCLE.asend(&())));
        assert!(message.starts_with("sends are nested"), "{message}");
    }
}

#[test]
fn a_circle_that_suspends_at_each_turn_ends_in_one_too() {
    static DEEPEST: AtomicUsize = AtomicUsize::new(0);
    static CIRCLE: Signal<usize, usize> = Signal::new();
    CIRCLE.connect_async(|_, depth| {
        Box::pin(async move {
            yield_now().await;
            DEEPEST.fetch_max(*depth, Ordering::Relaxed);
            let inner = depth + 1;
            CIRCLE.asend(&inner).await.iter().sum::<usize>() + 1
        })
    });
    let message = panic_of(|| block_on(CIRCLE.asend(&1)));
    assert!(message.starts_with("sends are nested"), "{message}");
    let deepest = DEEPEST.load(Ordering::Relaxed);
    assert!((32..=1_000).contains(&deepest), "{deepest}");

    // A send that is dropped on the way down leaves no trace.
    let mut send: BoxFuture<'_, _> = Box::pin(CIRCLE.asend(&1));
    for _ in 0..deepest / 2 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(send.as_mut().poll(&mut cx).is_pending());
    }
    drop(send);
}

#[test]
fn in_a_robust_send_it_is_the_failure_of_the_innermost() {
    static CIRCLE: Signal<(), usize> = Signal::new();
    CIRCLE.connect_async(|_, ()| {
        Box::pin(async {
            let inner = CIRCLE.asend_robust(&()).await;
            inner
                .into_iter()
                .map(|outcome| outcome.unwrap_or(0))
                .sum::<usize>()
                + 1
        })
    });
    let turns = block_on(CIRCLE.asend_robust(&()));
    let turns = turns.into_result().expect("an inner one caught it")[0];
    assert!((32..=1_000).contains(&turns), "{turns}");
}

/// More sends than may be nested, all of one thread, all suspended: they are not inside one
/// another.
#[test]
fn sends_that_are_suspended_side_by_side_are_not_nested() {
    let signal = Signal::<(), u32>::new();
    signal.connect_async(|_, ()| {
        Box::pin(async {
            yield_now().await;
            7
        })
    });
    let mut sends: Vec<BoxFuture<'_, Responses<u32>>> = (0..2_000)
        .map(|_| Box::pin(signal.asend(&())) as BoxFuture<'_, _>)
        .collect();
    for send in &mut sends {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(send.as_mut().poll(&mut cx).is_pending());
    }
    // Dropped in an order other than that of their beginning.
    let rest = sends.split_off(1_000);
    for send in sends {
        assert_eq!(*block_on(send), [7]);
    }
    drop(rest);
    assert_eq!(*signal.send(&()), [7]);
}

#[test]
fn async_and_blocking_sends_nest_in_one_another() {
    static OUTER: Signal<u32, u32> = Signal::new();
    static MIDDLE: Signal<u32, u32> = Signal::new();
    static INNER: Signal<u32, u32> = Signal::new();
    OUTER.connect(|sender, n| MIDDLE.from(sender).send(n).iter().sum::<u32>() + 1);
    OUTER.connect_async(|sender, n| {
        Box::pin(async move {
            yield_now().await;
            let responses = INNER.from(sender).asend(n).await;
            responses.iter().sum::<u32>() + MIDDLE.from(sender).send(n).len() as u32
        })
    });
    MIDDLE.connect(|_, n| n * 10);
    INNER.connect(|sender, n| MIDDLE.from(sender).send(n).iter().sum());
    INNER.connect_async(|_, n| Box::pin(async move { n * 100 }));
    assert_eq!(*block_on(OUTER.from("web").asend(&2)), [21, 221]);
    assert_eq!(*OUTER.from("web").send(&2), [21, 221]);
}
