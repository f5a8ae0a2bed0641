//! Receivers that block their thread, in async sends: they stop no other task of their
//! worker, they may do what blocks, and they keep their place.
#![cfg(feature = "tokio")]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fanfare::{BoxFuture, Event, ReceiverPanic, Sender, Signal};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::LocalSet;

struct Line<'a> {
    text: &'a str,
}

impl Event for Line<'static> {
    type Args<'a> = Line<'a>;
}

type Lines<R> = Signal<Line<'static>, R>;

/// Returns a runtime whose only worker is the one that a receiver may block.
fn one_worker() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// The time is not measured: only a test that fails gets to its end.
const NEVER: Duration = Duration::from_secs(60);

#[test]
fn another_task_of_the_worker_runs_meanwhile() {
    let runtime = one_worker();
    let signal = Lines::new();
    signal.options().blocking().connect(|_, line| {
        let (response, responded) = mpsc::channel();
        // Goes to this worker, ahead of all else that it has to do.
        tokio::spawn(async move { response.send(7).unwrap() });
        let seven: usize = responded
            .recv_timeout(NEVER)
            .expect("the worker was stopped");
        line.text.len() + seven
    });
    let sent = runtime.spawn(async move {
        let borrowed = String::from("abc");
        signal
            .from("web")
            .asend(&Line { text: &borrowed })
            .await
            .into_vec()
    });
    assert_eq!(runtime.block_on(sent).unwrap(), [10]);
}

/// Responds with the response of a blocking send to async receivers.
fn sends(_: Sender<'_>, line: &Line<'_>) -> usize {
    static INNER: Signal<usize, usize> = Signal::new();
    INNER.connect_async(|_, n| {
        Box::pin(async move {
            let (told, tell) = tokio::sync::oneshot::channel();
            tokio::spawn(async { told.send(1).unwrap() });
            n + tell.await.unwrap()
        })
    });
    INNER.send(&line.text.len()).iter().sum()
}

#[test]
fn may_use_a_blocking_send_to_async_receivers() {
    let signal = Lines::new();
    signal.options().blocking().connect(sends);
    signal.options().blocking().connect(|_, line| {
        // And tokio's own ways to block.
        Handle::current().block_on(async { line.text.len() })
    });
    one_worker().block_on(async {
        let line = Line { text: "abc" };
        assert_eq!(*signal.from("web").asend(&line).await, [4, 3]);
        let outcomes = signal.from("web").asend_robust(&line).await;
        assert_eq!(**outcomes.responses(), [4, 3]);
    });
    // Without the option they cannot, nor where there is nothing that hands tasks on.
    let refused = |signal: &Lines<usize>, block_on: &dyn Fn(BoxFuture<'_, usize>) -> usize| {
        let failures = block_on(Box::pin(async {
            let outcomes = signal.from("web").asend_robust(&Line { text: "abc" }).await;
            let refused = |failure: &&ReceiverPanic| failure.message().contains("`asend`");
            outcomes.panics().filter(refused).count()
        }));
        assert_eq!(failures, 1);
    };
    let plain = Lines::new();
    plain.connect(sends);
    refused(&plain, &|future| one_worker().block_on(future));
    let blocking = Lines::new();
    blocking.options().blocking().connect(sends);
    refused(&blocking, &|future| current_thread().block_on(future));
    refused(&blocking, &|future| {
        LocalSet::new().block_on(&one_worker(), future)
    });
    refused(&blocking, &|future| smol::block_on(future));
}

/// Connects a sync receiver that compares its thread with the one that polls the send.
#[allow(clippy::manual_async_fn, reason = "it says that the future is Send")]
fn place(signal: &Lines<ThreadId>) -> impl Future<Output = bool> + Send {
    async {
        let polls = thread::current().id();
        *signal.from("web").asend(&Line { text: "" }).await == [polls, polls]
    }
}

#[test]
fn elsewhere_it_is_called_as_any_other() {
    let signal = Lines::new();
    signal.connect(|_, _| thread::current().id());
    signal
        .options()
        .blocking()
        .connect(|_, _| thread::current().id());
    assert!(current_thread().block_on(place(&signal)));
    assert!(smol::block_on(place(&signal)));
    assert!(one_worker().block_on(place(&signal)));
    let here = thread::current().id();
    assert_eq!(*signal.from("web").send(&Line { text: "" }), [here, here]);
    // A blocking send only calls it, on any thread.
    let line = Line { text: "" };
    one_worker().block_on(async { assert_eq!(*signal.from("web").send(&line), [here, here]) });
    current_thread().block_on(async { assert_eq!(*signal.from("web").send(&line), [here, here]) });
}

/// `block_in_place` itself would panic here.
#[test]
fn on_a_local_set_it_is_called_as_any_other() {
    let signal = Lines::new();
    signal.connect(|_, _| thread::current().id());
    signal
        .options()
        .blocking()
        .connect(|_, _| thread::current().id());
    let runtime = one_worker();
    assert!(LocalSet::new().block_on(&runtime, place(&signal)));
    let local = LocalSet::new();
    runtime.block_on(async { assert!(local.run_until(place(&signal)).await) });
    assert!(LocalSet::new().block_on(&current_thread(), place(&signal)));
}

/// On a thread that tokio keeps for blocking, and that drives a send of its own.
#[test]
fn on_a_thread_that_may_block_it_may() {
    let runtime = one_worker();
    let signal = Arc::new(Lines::new());
    signal.options().blocking().connect(sends);
    let sent = runtime.spawn_blocking(move || {
        let line = Line { text: "abc" };
        Handle::current().block_on(async { signal.from("web").asend(&line).await.into_vec() })
    });
    assert_eq!(runtime.block_on(sent).unwrap(), [4]);
}

#[test]
fn a_blocking_receiver_keeps_its_place_among_the_sync_ones() {
    let signal = Lines::<&str>::new();
    let running = Arc::new(AtomicUsize::new(0));
    let alone = |running: &AtomicUsize| {
        assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
        running.fetch_sub(1, Ordering::Relaxed);
    };
    signal.connect_async(|_, _| Box::pin(async { "async" }));
    for (priority, blocking, name) in [
        (0, false, "first"),
        (0, true, "second, blocks"),
        (0, false, "third"),
        (5, true, "early, blocks"),
    ] {
        let running = Arc::clone(&running);
        let options = signal.options().priority(priority);
        let options = if blocking {
            options.blocking()
        } else {
            options
        };
        options.connect(move |_, _| {
            alone(&running);
            name
        });
    }
    let expected = ["early, blocks", "first", "second, blocks", "third", "async"];
    one_worker().block_on(async {
        assert_eq!(
            *signal.from("web").asend(&Line { text: "" }).await,
            expected
        );
    });
    assert_eq!(*signal.from("web").send(&Line { text: "" }), expected);
}

#[test]
fn its_panic_is_as_that_of_any_other() {
    let signal = Lines::<u32>::new();
    let ran = Arc::new(Mutex::new(Vec::new()));
    for (place, fails) in [(1, false), (2, true), (3, false)] {
        let ran = Arc::clone(&ran);
        signal.options().blocking().connect(move |_, _| {
            ran.lock().unwrap().push(place);
            assert!(!fails, "place {place}");
            place
        });
    }
    let runtime = one_worker();
    let line = Line { text: "" };
    let send = AssertUnwindSafe(|| runtime.block_on(signal.from("web").asend(&line)));
    let panic = catch_unwind(send).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "place 2");
    assert_eq!(*ran.lock().unwrap(), [1, 2]);
    let outcomes = runtime.block_on(signal.from("web").asend_robust(&line));
    assert_eq!(**outcomes.responses(), [1, 3]);
    assert_eq!(outcomes.panics().next().unwrap().message(), "place 2");
    // The thread is marked no longer: it may block again, and so is allowed to.
    let inner = Signal::<u32, u32>::new();
    inner.connect_async(|_, n| Box::pin(async move { n + 1 }));
    assert_eq!(*inner.send(&1), [2]);
}

#[test]
fn a_blocking_receiver_sees_the_state_of_the_callers_task() {
    tokio::task_local! {
        static STATE: u32;
    }
    let signal = Lines::new();
    signal.options().blocking().connect(|_, _| STATE.get());
    let line = Line { text: "" };
    let sent = STATE.scope(7, signal.from("web").asend(&line));
    assert_eq!(*one_worker().block_on(sent), [7]);
}

#[test]
fn once_and_weak_block_as_well() {
    let signal = Lines::<usize>::new();
    let shelf = Arc::new(5);
    signal.options().blocking().once().connect(sends);
    let options = signal.options().blocking();
    options.connect_weak(&shelf, |shelf, sender, line| sends(sender, line) + *shelf);
    let sent = |signal: &Lines<usize>| {
        one_worker().block_on(async {
            signal
                .from("web")
                .asend(&Line { text: "a" })
                .await
                .into_vec()
        })
    };
    assert_eq!(sent(&signal), [2, 7]);
    assert_eq!(sent(&signal), [7]);
    drop(shelf);
    assert_eq!(sent(&signal), [0; 0]);
}
