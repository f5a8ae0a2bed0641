//! Cases that Django's tests of async receivers leave open: failures beside one another, a receiver
//! that cancels its own task, and changes while a send is suspended.
#![cfg(feature = "async")]

use fanfare::connections::purged;
use std::future::{self, Future};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use fanfare::{Sender, Signal};
use smol::future::{block_on, yield_now};
use tokio::sync::oneshot;

type Asked = Signal<(), u32>;
type Fallible = Signal<(), Result<u32, &'static str>>;

/// The steps that happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Notes its own end.
    fn guard(&self, what: &'static str) -> impl Drop + Send + use<> {
        struct Guard(Log, &'static str);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.note(self.1);
            }
        }
        Guard(self.clone(), what)
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns the text with which `run` panics.
fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let payload = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => payload,
    };
    match payload.downcast::<&str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => *payload.downcast::<String>().expect("a text"),
    }
}

/// E12.
#[test]
fn an_error_value_is_a_response_and_a_panic_is_none() {
    let signal = Fallible::new();
    signal.connect_async(|_, ()| Box::pin(async { Err("returned") }));
    signal.connect_async(|_, ()| Box::pin(async { panic!("panicked") }));
    for outcomes in [block_on(signal.asend_robust(&())), signal.send_robust(&())] {
        assert_eq!(**outcomes.responses(), [Err("returned")]);
        let failures: Vec<_> = outcomes
            .panics()
            .map(|it| it.message().to_owned())
            .collect();
        assert_eq!(failures, ["panicked"]);
    }
}

/// E13.
#[test]
fn of_two_panics_the_first_to_happen_travels_alone() {
    let signal = Asked::new();
    let log = Log::default();
    let (late, early) = (log.clone(), log.clone());
    signal.connect_async(move |_, ()| {
        let guard = late.guard("late dropped");
        Box::pin(async move {
            let _guard = guard;
            yield_now().await;
            panic!("late")
        })
    });
    signal.connect_async(move |_, ()| {
        let log = early.clone();
        Box::pin(async move {
            log.note("early panics");
            panic!("early")
        })
    });
    assert_eq!(panic_of(|| block_on(signal.asend(&()))), "early");
    assert_eq!(log.take(), ["early panics", "late dropped"]);
    assert_eq!(panic_of(|| signal.send(&())), "early");
    assert_eq!(log.take(), ["early panics", "late dropped"]);
    let outcomes = block_on(signal.asend_robust(&()));
    let failures: Vec<_> = outcomes
        .panics()
        .map(|it| it.message().to_owned())
        .collect();
    assert_eq!(failures, ["late", "early"], "in the order of the receivers");
}

/// E13.
#[test]
fn of_two_errors_the_first_to_happen_is_returned_alone() {
    let signal = Fallible::new();
    signal.connect_async(|_, ()| {
        Box::pin(async {
            yield_now().await;
            Err("late")
        })
    });
    let early = signal.connect_async(|_, ()| Box::pin(async { Err("early") }));
    signal.connect_async(|_, ()| Box::pin(async { Err("at the same time, but later in order") }));
    let stopped = block_on(signal.asend_until_err(&())).unwrap_err();
    assert_eq!((stopped.error, stopped.receiver), ("early", early.id()));
    assert!(stopped.before.is_empty());
}

/// E14.
#[test]
fn siblings_of_a_panic_are_dropped_unless_they_have_finished() {
    let signal = Asked::new();
    let log = Log::default();
    for (what, yields) in [("first", 0), ("second", 5)] {
        let log = log.clone();
        signal.connect_async(move |_, ()| {
            let log = log.clone();
            Box::pin(async move {
                let _guard = log.guard("dropped");
                for _ in 0..yields {
                    yield_now().await;
                }
                log.note(what);
                0
            })
        });
    }
    signal.connect_async(|_, ()| {
        Box::pin(async {
            yield_now().await;
            panic!("third")
        })
    });
    assert_eq!(panic_of(|| block_on(signal.asend(&()))), "third");
    assert_eq!(log.take(), ["first", "dropped", "dropped"]);
    assert_eq!(panic_of(|| signal.send(&())), "third");
    assert_eq!(log.take(), ["first", "dropped", "dropped"]);
    let outcomes = block_on(signal.asend_robust(&()));
    assert_eq!(**outcomes.responses(), [0, 0]);
    assert_eq!(log.take(), ["first", "dropped", "second", "dropped"]);
}

/// E15.
#[tokio::test]
async fn a_receiver_that_aborts_its_own_task_drops_the_send() {
    static ASKED: Asked = Signal::new();
    static LOG: OnceLock<Log> = OnceLock::new();
    static OWN: Mutex<Option<oneshot::Receiver<tokio::task::AbortHandle>>> = Mutex::new(None);
    let log = LOG.get_or_init(Log::default);

    ASKED.connect_async(|_, ()| {
        Box::pin(async {
            let own = OWN.lock().unwrap().take().unwrap();
            own.await.unwrap().abort();
            LOG.get().unwrap().note("aborted");
            future::pending().await
        })
    });
    ASKED.connect_async(|_, ()| {
        let guard = LOG.get().unwrap().guard("sibling dropped");
        Box::pin(async move {
            let _guard = guard;
            future::pending().await
        })
    });
    let (give, own) = oneshot::channel();
    *OWN.lock().unwrap() = Some(own);
    let task = tokio::spawn(async { ASKED.asend_robust(&()).await.len() });
    give.send(task.abort_handle()).unwrap();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(log.take(), ["aborted", "sibling dropped"]);
}

/// E15.
#[tokio::test]
async fn a_receiver_whose_child_task_is_aborted_fails_alone() {
    let signal = Asked::new();
    signal.connect_async(|_, ()| {
        Box::pin(async {
            let child = tokio::spawn(future::pending::<u32>());
            child.abort();
            child.await.unwrap_or(7)
        })
    });
    signal.connect_async(|_, ()| Box::pin(async { 8 }));
    assert_eq!(*signal.asend(&()).await, [7, 8]);
}

/// E21.
#[test]
fn sync_responses_first_whatever_the_order_of_connecting() {
    let signal = Asked::new();
    signal.connect_async(|_, ()| Box::pin(async { 3 }));
    signal.connect(|_, ()| 1);
    signal.connect_async(|_, ()| Box::pin(async { 4 }));
    signal.connect(|_, ()| 2);
    assert_eq!(*block_on(signal.asend(&())), [1, 2, 3, 4]);
    assert_eq!(*signal.send(&()), [1, 2, 3, 4]);
    let outcomes = block_on(signal.asend_robust(&()));
    assert_eq!(**outcomes.responses(), [1, 2, 3, 4]);
    assert_eq!(**signal.send_robust(&()).responses(), [1, 2, 3, 4]);
}

/// E24.
#[test]
fn after_a_panic_of_a_sync_receiver_no_async_one_starts() {
    let signal = Asked::new();
    let log = Log::default();
    let started = log.clone();
    signal.connect_async(move |_, ()| {
        started.note("started");
        Box::pin(async { 2 })
    });
    let failing = signal.connect(|_, ()| panic!("sync"));
    assert_eq!(panic_of(|| block_on(signal.asend(&()))), "sync");
    assert_eq!(panic_of(|| signal.send(&())), "sync");
    assert_eq!(log.take(), [""; 0]);
    for outcomes in [block_on(signal.asend_robust(&())), signal.send_robust(&())] {
        assert_eq!(**outcomes.responses(), [2]);
        assert_eq!(outcomes.panics().next().unwrap().receiver(), failing.id());
    }
    assert_eq!(log.take(), ["started", "started"]);
    assert!(failing.disconnect());
    assert_eq!(*block_on(signal.asend(&())), [2]);
}

/// E24: the function that makes the future, and not the future.
#[test]
fn a_panic_before_there_is_a_future_counts_as_one_of_it() {
    let signal = Asked::new();
    signal.connect_async(|_, ()| Box::pin(async { 1 }));
    let failing = signal.connect_async(|_, ()| panic!("no future"));
    assert_eq!(panic_of(|| block_on(signal.asend(&()))), "no future");
    assert_eq!(panic_of(|| signal.send(&())), "no future");
    for outcomes in [block_on(signal.asend_robust(&())), signal.send_robust(&())] {
        assert_eq!(**outcomes.responses(), [1]);
        assert_eq!(outcomes.panics().next().unwrap().receiver(), failing.id());
    }
}

/// A.9.
#[test]
fn a_receiver_disconnected_during_the_send_still_runs_in_it() {
    static ASKED: Asked = Signal::new();
    fn disconnects(_: Sender<'_>, (): &()) -> u32 {
        u32::from(ASKED.disconnect_uid("async"))
    }
    ASKED.connect(disconnects);
    let gone = ASKED
        .options()
        .dispatch_uid("async")
        .connect_async(|_, ()| Box::pin(async { 7 }));
    assert_eq!(*block_on(ASKED.asend(&())), [1, 7]);
    assert!(!gone.is_connected());
    assert_eq!(*block_on(ASKED.asend(&())), [0]);
}

/// A.9.
#[test]
fn a_receiver_connected_during_the_send_runs_in_a_nested_one_only() {
    static ASKED: Asked = Signal::new();
    ASKED.options().once().connect_async(|_, ()| {
        Box::pin(async {
            ASKED.connect_async(|_, ()| Box::pin(async { 5 }));
            yield_now().await;
            ASKED.asend(&()).await.iter().sum::<u32>() * 10
        })
    });
    assert_eq!(*block_on(ASKED.asend(&())), [50]);
    assert_eq!(*block_on(ASKED.asend(&())), [5]);
}

/// A.9: the snapshot is that of the first poll, and stays that of all polls.
#[test]
fn what_changes_between_two_polls_changes_no_running_send() {
    let signal = Asked::new();
    let (finish, finished) = oneshot::channel::<u32>();
    let finished = Mutex::new(Some(finished));
    let first = signal.connect_async(move |_, ()| {
        let finished = finished.lock().unwrap().take().unwrap();
        Box::pin(async move { finished.await.unwrap() })
    });
    let late = signal.asend(&());
    let second = signal.connect(|_, ()| 2);
    let mut send = Box::pin(late);
    assert!(poll(&mut send).is_pending(), "with both");
    assert!(first.disconnect() && second.disconnect());
    signal.connect(|_, ()| 3);
    finish.send(1).unwrap();
    match poll(&mut send) {
        Poll::Ready(responses) => assert_eq!(*responses, [2, 1]),
        Poll::Pending => panic!("it was woken"),
    }
    assert_eq!(*block_on(signal.asend(&())), [3]);
}

/// A.9.
#[test]
fn a_weak_receiver_whose_target_dies_during_the_send_still_runs() {
    struct Shelf(Log);
    impl Drop for Shelf {
        fn drop(&mut self) {
            self.0.note("gone");
        }
    }
    let signal = Asked::new();
    let log = Log::default();
    let shelf = Arc::new(Shelf(log.clone()));
    signal.options().connect_weak_async(&shelf, |shelf, _, ()| {
        Box::pin(async {
            yield_now().await;
            shelf.0.note("used");
            1
        })
    });
    let mut send = Box::pin(signal.asend(&()));
    assert!(poll(&mut send).is_pending());
    drop(shelf);
    assert_eq!(log.take(), [""; 0]);
    assert_eq!(*block_on(send), [1]);
    assert_eq!(log.take(), ["used", "gone"]);
    assert!(block_on(signal.asend(&())).is_empty());
    assert_eq!((signal.receiver_count(), purged(&signal)), (0, 1));
}
