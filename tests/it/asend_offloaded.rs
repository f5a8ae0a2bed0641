//! Receivers that an async send runs on tokio's threads for blocking, beside its async ones.
#![cfg(feature = "tokio")]

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, mpsc};
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fanfare::error::WaitError;
use fanfare::{BoxFuture, Connection, Signal};
use tokio::runtime::{Builder, Runtime};

type Texts<R> = Signal<String, R>;

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap(),
        Builder::new_current_thread().build().unwrap(),
    ]
}

fn text() -> String {
    String::from("abc")
}

/// The time is not measured: only a test that fails gets to its end.
const NEVER: Duration = Duration::from_secs(60);

#[test]
fn an_offloaded_receiver_runs_on_another_thread_beside_the_async_ones() {
    for runtime in runtimes() {
        let signal = Texts::new();
        // Each waits for the other.
        let (ask, asked) = tokio::sync::oneshot::channel();
        let (response, responded) = mpsc::channel();
        let offloaded = Mutex::new(Some((ask, responded)));
        signal.options().connect_offloaded(move |_, _| {
            let (ask, responded) = offloaded.lock().unwrap().take().unwrap();
            ask.send(thread::current().id()).unwrap();
            responded
                .recv_timeout(NEVER)
                .expect("it stopped the async one")
        });
        let of_async = Mutex::new(Some((response, asked)));
        signal.connect_async(move |_, _| {
            let (response, asked) = of_async.lock().unwrap().take().unwrap();
            Box::pin(async move {
                let there: ThreadId = asked.await.unwrap();
                response.send(there).unwrap();
                thread::current().id()
            })
        });
        let responses = runtime.block_on(signal.from("web").asend(&text()));
        let threads: HashSet<_> = responses.iter().collect();
        assert_eq!(threads.len(), 2);
    }
}

#[test]
fn an_offloaded_receiver_gets_its_sender_and_a_clone_of_the_event() {
    for runtime in runtimes() {
        let signal = Texts::new();
        signal.options().connect_offloaded(|sender, text| {
            (
                sender.name().unwrap_or("nobody").to_owned(),
                text.as_ptr().addr(),
            )
        });
        let text = text();
        let name = String::from("web");
        let responses = runtime.block_on(signal.from(&name).asend(&text));
        let [(sender, address)] = &responses[..] else {
            panic!("one response")
        };
        assert_eq!(sender, "web");
        assert_ne!(*address, text.as_ptr().addr());
        let responses = signal.send(&text);
        assert_eq!(*responses, [("nobody".to_owned(), text.as_ptr().addr())]);
    }
}

#[test]
fn an_offloaded_receiver_is_among_the_async_ones_and_in_a_blocking_send_among_the_sync_ones() {
    let signal = Texts::new();
    signal.options().connect_offloaded(|_, _| "offloaded");
    signal.connect_async(|_, _| Box::pin(async { "async" }));
    signal
        .options()
        .priority(1)
        .connect_offloaded(|_, _| "offloaded, early");
    signal.connect(|_, _| "sync");
    let awaited = ["sync", "offloaded, early", "offloaded", "async"];
    for runtime in runtimes() {
        assert_eq!(
            *runtime.block_on(signal.from("web").asend(&text())),
            awaited
        );
        let outcomes = runtime.block_on(signal.from("web").asend_robust(&text()));
        assert_eq!(**outcomes.responses(), awaited);
    }
    let called = ["offloaded, early", "offloaded", "sync", "async"];
    assert_eq!(*signal.from("web").send(&text()), called);
}

#[test]
fn without_a_runtime_it_is_called_where_the_send_is_polled() {
    let signal = Texts::new();
    signal
        .options()
        .connect_offloaded(|_, _| thread::current().id());
    let here = thread::current().id();
    assert_eq!(*smol::block_on(signal.from("web").asend(&text())), [here]);
    assert_eq!(*signal.from("web").send(&text()), [here]);
}

#[test]
fn alone_it_does_not_make_a_blocking_send_refused() {
    let signal = Texts::new();
    signal.options().connect_offloaded(|_, text| text.len());
    for runtime in runtimes() {
        runtime.block_on(async { assert_eq!(*signal.from("web").send(&text()), [3]) });
    }
}

#[test]
fn an_offloaded_receiver_may_use_a_blocking_send_to_async_receivers() {
    static INNER: Signal<usize, usize> = Signal::new();
    INNER.connect_async(|_, n| Box::pin(async move { n + 1 }));
    let signal = Texts::new();
    signal
        .options()
        .connect_offloaded(|_, text| INNER.send(&text.len()).iter().sum::<usize>());
    for runtime in runtimes() {
        assert_eq!(*runtime.block_on(signal.from("web").asend(&text())), [4]);
    }
}

#[test]
fn its_panic_is_as_that_of_an_async_receiver() {
    for runtime in runtimes() {
        let signal = Texts::<u32>::new();
        signal.connect(|_, _| 1);
        let failing = signal.options().connect_offloaded(|_, _| panic!("too hot"));
        signal.connect_async(|_, _| Box::pin(async { 2 }));
        let outcomes = runtime.block_on(signal.from("web").asend_robust(&text()));
        assert_eq!(**outcomes.responses(), [1, 2]);
        let failure = outcomes.panics().next().unwrap();
        assert_eq!(
            (failure.receiver(), failure.message()),
            (failing.id(), "too hot")
        );
        let send = AssertUnwindSafe(|| runtime.block_on(signal.from("web").asend(&text())));
        let panic = catch_unwind(send).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"too hot"));
    }
}

#[test]
fn a_dropped_send_leaves_it_running_and_disconnect_and_wait_waits() {
    for runtime in runtimes() {
        let signal = Texts::new();
        let (running, is_running) = mpsc::channel();
        let (end, told) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let told = Mutex::new(told);
        let connection = signal.options().connect_offloaded(move |_, text| {
            running.send(()).unwrap();
            told.lock().unwrap().recv_timeout(NEVER).unwrap();
            ended.send(text.clone()).unwrap();
        });
        {
            let _inside = runtime.enter();
            let text = text();
            let mut send: BoxFuture<'_, _> = Box::pin(signal.from("web").asend(&text));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(send.as_mut().poll(&mut cx).is_pending());
            is_running.recv_timeout(NEVER).unwrap();
        }
        let waited = connection.disconnect_and_wait(Duration::ZERO);
        assert!(matches!(waited, Err(WaitError::Timeout { .. })));
        end.send(()).unwrap();
        assert_eq!(connection.disconnect_and_wait(NEVER), Ok(()));
        assert_eq!(
            has_ended.try_recv().unwrap(),
            "abc",
            "it ended before the wait did"
        );
    }
}

#[test]
fn once_runs_once_and_a_wait_for_itself_is_refused() {
    static WAITS: Texts<Option<WaitError>> = Signal::new();
    static OWN: OnceLock<Connection> = OnceLock::new();
    let options = WAITS.options().once();
    let own = options.connect_offloaded(|_, _| OWN.get().unwrap().disconnect_and_wait(NEVER).err());
    OWN.set(own).unwrap();
    let [runtime, _] = runtimes();
    let responses = runtime.block_on(WAITS.from("web").asend(&text()));
    assert_eq!(*responses, [Some(WaitError::InsideSend)]);
    assert!(
        runtime
            .block_on(WAITS.from("web").asend(&text()))
            .is_empty()
    );
    assert_eq!(WAITS.receiver_count(), 0);
}

/// A handle outlives its runtime, and a caller that waits beside it must not wait forever.
#[test]
fn a_runtime_that_has_shut_down_fails_it() {
    for runtime in runtimes() {
        let signal = Texts::<usize>::new();
        signal.connect(|_, _| 1);
        let failing = signal.options().connect_offloaded(|_, text| text.len());
        let handle = runtime.handle().clone();
        drop(runtime);
        let _inside = handle.enter();
        let outcomes = smol::block_on(signal.from("web").asend_robust(&text()));
        assert_eq!(**outcomes.responses(), [1]);
        let failure = outcomes.panics().next().unwrap();
        assert_eq!(failure.receiver(), failing.id());
        assert!(failure.message().contains("shut down"), "{failure}");
    }
}
