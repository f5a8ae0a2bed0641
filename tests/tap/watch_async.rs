//! Observers of async sends, and of async receivers in other sends.
#![cfg(feature = "async")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use fanfare::watch;
use fanfare::{BoxFuture, Deferred, Sender, Signal};
use futures_util::FutureExt;
use pollster::block_on;

use crate::watch_lines::Lines;

type Tried = Signal<u32, Result<u32, u32>>;

/// Waits once, and returns the event. Panics at 2, and waits without end at 3.
fn waits<'a>(_sender: Sender<'a>, id: &'a u32) -> BoxFuture<'a, Result<u32, u32>> {
    let mut is_first = true;
    Box::pin(std::future::poll_fn(move |cx| {
        if is_first || *id == 3 {
            is_first = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        assert_ne!(*id, 2);
        Poll::Ready(Ok(*id))
    }))
}

/// Returns a signal with a receiver of each kind, that it is observed by `lines`.
fn observed(lines: &Lines) -> (Tried, watch::Watch) {
    let signal = Tried::new();
    signal.options().name("async").connect_async(waits);
    let named = signal.options().name("sync");
    named.connect(|_sender, id| if *id == 4 { Err(4) } else { Ok(*id) });
    let watch = watch::signal(&signal, lines.clone());
    (signal, watch)
}

const STARTS: [&str; 4] = [
    "Async from \"no sender\"",
    "sync starts",
    "sync Returned",
    "async starts",
];

fn after_starts(lines: &Lines) -> Vec<String> {
    let lines = lines.take();
    assert_eq!(lines[..4], STARTS);
    lines[4..].to_vec()
}

#[test]
fn each_step_of_an_async_send_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    assert_eq!(block_on(signal.asend(&1)).len(), 2);
    assert_eq!(after_starts(&lines), ["async Returned", "reached 2"]);
    assert!(block_on(signal.asend_robust(&1)).all_ok());
    assert_eq!(after_starts(&lines), ["async Returned", "reached 2"]);
    assert_eq!(block_on(signal.asend_until_err(&1)).unwrap().len(), 2);
    assert_eq!(after_starts(&lines), ["async Returned", "reached 2"]);
    block_on(signal.from("shop").asend(&1));
    assert_eq!(lines.take()[0], "Async from \"\\\"shop\\\"\"");
}

#[test]
fn a_panic_in_an_async_send_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    let sent = AssertUnwindSafe(signal.asend(&2)).catch_unwind();
    block_on(sent).unwrap_err();
    assert_eq!(
        after_starts(&lines),
        ["async Panicked", "reached 2, cut off"]
    );
    assert!(!block_on(signal.asend_robust(&2)).all_ok());
    assert_eq!(after_starts(&lines), ["async Panicked", "reached 2"]);
    let sent = AssertUnwindSafe(signal.asend_until_err(&2)).catch_unwind();
    let _ = block_on(sent).unwrap_err();
    assert_eq!(
        after_starts(&lines),
        ["async Panicked", "reached 2, cut off"]
    );
}

#[test]
fn an_error_that_stops_an_async_send_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    block_on(signal.asend_until_err(&4)).unwrap_err();
    assert_eq!(
        lines.take(),
        [STARTS[0], "sync starts", "sync Returned", "reached 1"]
    );
    let last = signal.options().name("failing");
    last.connect_async(|_sender, id| Box::pin(async { if *id == 3 { Err(3) } else { Ok(*id) } }));
    block_on(signal.asend_until_err(&3)).unwrap_err();
    let seen = lines.take();
    assert_eq!(seen[..5], [&["failing Connected"][..], &STARTS].concat());
    let ends = [
        "failing starts",
        "failing Returned",
        "async Dropped",
        "reached 3",
    ];
    assert_eq!(seen[5..], ends);
}

#[test]
fn a_drop_of_an_async_send_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    drop(signal.asend(&3));
    assert!(lines.take().is_empty(), "it starts with the first poll");
    let mut cx = Context::from_waker(Waker::noop());
    let mut polled = Box::pin(signal.asend(&3));
    assert!(polled.as_mut().poll(&mut cx).is_pending());
    drop(polled);
    assert_eq!(
        after_starts(&lines),
        ["async Dropped", "reached 2, cut off"]
    );
    let mut polled = Box::pin(signal.asend_robust(&3));
    assert!(polled.as_mut().poll(&mut cx).is_pending());
    drop(polled);
    assert_eq!(
        after_starts(&lines),
        ["async Dropped", "reached 2, cut off"]
    );
    let mut polled = Box::pin(signal.asend_until_err(&3));
    assert!(polled.as_mut().poll(&mut cx).is_pending());
    drop(polled);
    assert_eq!(
        after_starts(&lines),
        ["async Dropped", "reached 2, cut off"]
    );
}

/// The thread unwinds because of its own panic, not because of the receiver's.
#[test]
fn a_future_that_is_dropped_while_its_thread_unwinds_has_not_panicked() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    catch_unwind(AssertUnwindSafe(|| {
        let mut polled = Box::pin(signal.asend(&3));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(polled.as_mut().poll(&mut cx).is_pending());
        panic!("of the thread");
    }))
    .unwrap_err();
    assert_eq!(
        after_starts(&lines),
        ["async Dropped", "reached 2, cut off"]
    );
}

/// The destructor of the receiver's future is a part of the receiver.
#[test]
fn the_end_of_a_receiver_comes_after_the_drop_of_its_future() {
    static HAD_A_CAUSE: AtomicBool = AtomicBool::new(false);
    struct Sends(Arc<Tried>);
    impl Drop for Sends {
        fn drop(&mut self) {
            let cause = watch::Context::current().cause();
            HAD_A_CAUSE.store(cause.is_some(), Ordering::Relaxed);
            let _ = self.0.send(&9);
        }
    }
    let lines = Lines::default();
    let (outer, inner) = (Signal::<u32>::new(), Arc::new(Tried::new()));
    let sends = Arc::clone(&inner);
    outer
        .options()
        .name("outer")
        .connect_async(move |_sender, _id| {
            let sends = Sends(sends.clone());
            Box::pin(async move {
                let _sends = sends;
                std::future::pending().await
            })
        });
    inner.options().name("inner").connect(|_sender, _id| {
        assert!(watch::Context::current().cause().is_some());
        Ok(1)
    });
    let _watches = [
        watch::signal(&outer, lines.clone()),
        watch::signal(&inner, lines.clone()),
    ];
    let mut polled = Box::pin(outer.asend(&1));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(polled.as_mut().poll(&mut cx).is_pending());
    lines.take();
    drop(polled);
    assert_eq!(
        lines.take(),
        [
            "Blocking from \"no sender\"",
            "inner starts",
            "inner Returned",
            "reached 1",
            "outer Dropped",
            "reached 1, cut off"
        ]
    );
    assert!(HAD_A_CAUSE.load(Ordering::Relaxed));
}

#[test]
fn async_receivers_in_blocking_sends_are_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    let sent = |lines: &Lines, way: &str, reached: usize| {
        let expected = [
            &format!("{way} from \"no sender\""),
            "sync starts",
            "sync Returned",
            "async starts",
            "async Returned",
            &format!("reached {reached}"),
        ];
        assert_eq!(lines.take(), expected);
    };
    let _ = signal.send(&1);
    sent(&lines, "Blocking", 2);
    assert!(signal.send_robust(&1).all_ok());
    sent(&lines, "Blocking", 2);
    signal.send_until_err(&1).unwrap();
    sent(&lines, "Blocking", 2);
    signal.send_batch(&[1]);
    sent(&lines, "Batch", 2);
    catch_unwind(AssertUnwindSafe(|| signal.send(&2))).unwrap_err();
    assert_eq!(lines.take()[4..], ["async Panicked", "reached 2, cut off"]);
    signal.send_until_err(&4).unwrap_err();
    assert_eq!(lines.take().len(), 4);
}

#[test]
fn an_async_commit_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    let mut deferred = Deferred::new();
    deferred.record(&signal, 1);
    block_on(deferred.commit_async());
    assert_eq!(after_starts(&lines), ["async Returned", "reached 2"]);
    deferred.record(&signal, 2);
    let report = block_on(deferred.commit_async_robust());
    assert_eq!(report.panics().len(), 1);
    assert_eq!(after_starts(&lines), ["async Panicked", "reached 2"]);
}

#[test]
fn an_async_send_to_no_receiver_is_seen() {
    let (signal, lines) = (Tried::new(), Lines::default());
    let _watch = watch::signal(&signal, lines.clone());
    block_on(signal.asend(&1));
    block_on(signal.asend_robust(&1));
    block_on(signal.asend_until_err(&1)).unwrap();
    let one = ["Async from \"no sender\"", "reached 0"];
    assert_eq!(lines.take(), [one; 3].concat());
}

#[cfg(feature = "tokio")]
#[test]
fn an_offloaded_receiver_is_seen_and_has_its_cause() {
    let (signal, inner) = (Signal::<u32>::new(), Arc::new(Signal::<u32>::new()));
    let lines = Lines::default();
    let sends = inner.clone();
    let named = signal.options().name("offloaded");
    named.connect_offloaded(move |_sender, id| {
        assert!(watch::Context::current().cause().is_some());
        sends.send(id);
    });
    let _watches = [
        watch::signal(&signal, lines.clone()),
        watch::signal(&inner, lines.clone()),
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).build().unwrap();
    runtime.block_on(signal.asend(&1));
    assert_eq!(
        lines.take(),
        [
            STARTS[0],
            "offloaded starts",
            "Blocking from \"no sender\"",
            "reached 0",
            "offloaded Returned",
            "reached 1"
        ]
    );
}
