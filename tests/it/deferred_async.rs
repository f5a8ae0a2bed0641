//! A commit that may not block for async receivers is refused, and costs no event.

#![cfg(feature = "async")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use fanfare::{Deferred, Signal};

type Log = Arc<Mutex<Vec<u32>>>;

/// Returns two signals, the second of which has an async receiver for one sender.
fn noting(log: &Log) -> (Signal<u32>, Signal<u32>) {
    let (inline, awaited) = (Signal::<u32>::new(), Signal::<u32>::new());
    let seen = Arc::clone(log);
    inline.connect(move |_, n| seen.lock().unwrap().push(*n));
    let seen = Arc::clone(log);
    awaited.options().sender("own").connect_async(move |_, n| {
        let seen = Arc::clone(&seen);
        Box::pin(async move { seen.lock().unwrap().push(n + 100) })
    });
    (inline, awaited)
}

/// Runs it where an executor would be blocked: inside of an async receiver.
fn on_an_executor(run: impl FnOnce() + Send + 'static) {
    let entered = Signal::<()>::new();
    let run = Mutex::new(Some(run));
    entered.connect_async(move |_, ()| {
        let run = run.lock().unwrap().take().unwrap();
        Box::pin(async move { run() })
    });
    assert_eq!(pollster::block_on(entered.asend(&())).len(), 1);
}

fn told<T>(refused: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(refused))
        .map(|_| ())
        .unwrap_err();
    *payload.downcast::<String>().unwrap()
}

#[test]
fn a_commit_drives_async_receivers_to_their_end() {
    let log = Log::default();
    let (inline, awaited) = noting(&log);
    let mut deferred = Deferred::new();
    deferred.record(awaited.from("own"), 1);
    deferred.record(&inline, 2);
    deferred.record(awaited.from("own"), 3);
    assert_eq!(deferred.commit(), 3);
    assert_eq!(*log.lock().unwrap(), [101, 2, 103]);
}

/// Pending once, and then ready with its value.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

#[test]
fn an_awaited_commit_delivers_in_order_and_keeps_the_rest_when_it_is_dropped() {
    fn assert_send<F: Future + Send>(future: F) -> F {
        future
    }
    let log = Log::default();
    let (inline, awaited) = noting(&log);
    awaited.connect_async(|_, _| Box::pin(Once(false)));
    let mut deferred = Deferred::new();
    for n in 1..=3 {
        deferred.record(&inline, n);
        deferred.record_coalesced(awaited.from("own"), n, n);
    }
    {
        let mut dropped = pin!(assert_send(deferred.commit_async()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(dropped.as_mut().poll(&mut context).is_pending());
        assert!(dropped.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(
        deferred.len(),
        2,
        "the second that waited was being delivered"
    );
    assert_eq!(std::mem::take(&mut *log.lock().unwrap()), [1, 101, 2, 102]);
    let mut rest = pin!(deferred.commit_async());
    let mut context = Context::from_waker(Waker::noop());
    assert!(rest.as_mut().poll(&mut context).is_pending());
    assert_eq!(rest.as_mut().poll(&mut context), Poll::Ready(2));
    assert_eq!(*log.lock().unwrap(), [3, 103]);
}

/// Each receiver waits, so that a later event could overtake.
#[test]
fn an_awaited_commit_delivers_one_event_after_the_other() {
    let log = Log::default();
    let signal = Signal::<u32>::new();
    for receiver in [0, 1] {
        let log = Arc::clone(&log);
        signal.connect_async(move |_, n| {
            let log = Arc::clone(&log);
            Box::pin(async move {
                log.lock().unwrap().push(n * 100 + receiver);
                // The first event takes the longest.
                for _ in 0..10 - 3 * n {
                    smol::future::yield_now().await;
                }
                log.lock().unwrap().push(n * 100 + 10 + receiver);
            })
        });
    }
    let other = Signal::<u32>::new();
    let seen = Arc::clone(&log);
    other.connect(move |_, n| seen.lock().unwrap().push(*n));
    let commits: [fn(&mut Deferred<'_>) -> usize; 2] = [
        |deferred| pollster::block_on(deferred.commit_async()),
        |deferred| pollster::block_on(deferred.commit_async_robust()).sent(),
    ];
    for commit in commits {
        let mut deferred = Deferred::new();
        for n in 1..=3 {
            deferred.record(&signal, n);
            deferred.record(&other, n);
        }
        assert_eq!(commit(&mut deferred), 6);
        let expected = [1, 2, 3].map(|n| [n * 100, n * 100 + 1, n * 100 + 10, n * 100 + 11, n]);
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), expected.concat());
    }
}

#[test]
fn on_an_executor_it_stops_before_the_event_that_would_block() {
    let log = Log::default();
    let (inline, awaited) = noting(&log);
    let (inline, awaited): (&'static _, &'static _) =
        (Box::leak(Box::new(inline)), Box::leak(Box::new(awaited)));
    let deferred = Arc::new(Mutex::new(Deferred::new()));
    for n in 1..=3 {
        let mut deferred = deferred.lock().unwrap();
        deferred.record(inline, n);
        deferred.record(awaited.from("own"), n);
    }
    let (shared, seen) = (Arc::clone(&deferred), Arc::clone(&log));
    on_an_executor(move || {
        let mut deferred = shared.lock().unwrap();
        for (refused, expected) in [
            (told(|| deferred.commit()), 5),
            (told(|| deferred.commit()), 5),
            (told(|| deferred.commit_robust()), 5),
        ] {
            assert!(
                refused.contains("the event is still in the buffer"),
                "{refused}"
            );
            assert_eq!(deferred.len(), expected);
        }
        assert_eq!(*seen.lock().unwrap(), [1]);
    });
    let mut deferred = std::mem::take(&mut *deferred.lock().unwrap());
    assert_eq!(deferred.commit(), 5);
    assert_eq!(*log.lock().unwrap(), [1, 101, 2, 102, 3, 103]);
}

#[test]
fn events_that_reach_no_async_receiver_are_committed_there() {
    let log = Log::default();
    let (inline, _) = noting(&log);
    let (other, _) = noting(&log);
    let (inline, own): (&'static _, &'static _) =
        (Box::leak(Box::new(inline)), Box::leak(Box::new(other)));
    own.options()
        .sender("own")
        .connect_async(|_, _| Box::pin(async {}));
    let mut deferred = Deferred::new();
    deferred.record(inline, 1);
    deferred.record(own.from("another"), 2);
    deferred.record(inline, 3);
    on_an_executor(move || assert_eq!(deferred.commit(), 3));
    assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn a_robust_async_commit_runs_every_receiver_of_every_event() {
    let log = Log::default();
    let (inline, awaited) = noting(&log);
    inline.connect(|_, n| assert_ne!(*n, 2, "two"));
    let burnt = awaited.options().sender("own");
    burnt.connect_async(|_, n| Box::pin(async move { assert_ne!(*n, 1, "one") }));
    let mut deferred = Deferred::new();
    deferred.record(awaited.from("own"), 1);
    deferred.record(&inline, 2);
    deferred.record(awaited.from("own"), 3);
    let report = pollster::block_on(deferred.commit_async_robust());
    assert_eq!((report.sent(), report.all_ok()), (3, false));
    let failed: Vec<_> = report.panics().iter().map(|it| it.message()).collect();
    assert!(
        failed[0].contains("one") && failed[1].contains("two"),
        "{failed:?}"
    );
    assert_eq!(failed.len(), 2);
    assert_eq!(*log.lock().unwrap(), [101, 2, 103]);
    assert!(deferred.is_empty());
}
