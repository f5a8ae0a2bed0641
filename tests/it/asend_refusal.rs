//! A blocking send to async receivers, on a thread that runs an executor, panics before
//! anything has run, and names what to use instead; elsewhere it runs them to their end.
#![cfg(feature = "tokio")]

use fanfare::connections::purged;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fanfare::Signal;
use smol::future::yield_now;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::LocalSet;

type Asked = Signal<(), Result<u32, ()>>;

/// Receivers of every kind, and how many of them have run.
struct Watched {
    signal: Asked,
    ran: Arc<AtomicUsize>,
}

const RECEIVERS: usize = 4;

impl Watched {
    fn new() -> Self {
        let watched = Watched {
            signal: Signal::new(),
            ran: Arc::default(),
        };
        let ran = || {
            let ran = Arc::clone(&watched.ran);
            move || ran.fetch_add(1, Ordering::Relaxed)
        };
        let signal = &watched.signal;
        let of_sync = ran();
        signal.options().priority(9).connect(move |_, ()| {
            of_sync();
            Ok(1)
        });
        let of_once = ran();
        signal.options().once().connect(move |_, ()| {
            of_once();
            Ok(2)
        });
        for _ in 0..2 {
            let of_async = ran();
            signal.connect_async(move |_, ()| {
                of_async();
                Box::pin(async {
                    yield_now().await;
                    Ok(3)
                })
            });
        }
        watched
    }

    fn ran(&self) -> usize {
        self.ran.swap(0, Ordering::Relaxed)
    }

    /// Checks that every way of sending is refused on this thread.
    fn is_refused(&self) {
        let signal = &self.signal;
        let ways: [&dyn Fn(); 8] = [
            &|| drop(signal.send(&())),
            &|| drop(signal.send_robust(&())),
            &|| drop(signal.send_until_err(&())),
            &|| {
                let _ = signal.send_until(&(), |_| true);
            },
            &|| {
                let _ = signal
                    .from("web")
                    .send_each(&(), |_, _| ControlFlow::Break(()));
            },
            &|| drop(signal.emitter().send(&())),
            &|| drop(signal.emitter().send_robust(&())),
            &|| {
                let each = |_, _| ControlFlow::Break(());
                let _ = signal.emitter().from("web").send_each(&(), each);
            },
        ];
        for (at, send) in ways.iter().enumerate() {
            let panic = catch_unwind(AssertUnwindSafe(send)).expect_err("it was not refused");
            let message = panic.downcast_ref::<String>().expect("a text");
            for named in [
                "a signal of `()`",
                "tests/it/asend_refusal.rs:",
                "`asend`",
                "`asend_robust`",
                "`asend_until_err`",
                "no receiver has run",
            ] {
                assert!(message.contains(named), "{message}");
            }
            assert_eq!(self.ran(), 0, "way {at}");
        }
    }

    /// Checks that a send runs all: those that run once have not been used up before.
    fn is_allowed(&self) {
        let responses: Result<Vec<_>, ()> = self.signal.from("web").send(&()).into_iter().collect();
        assert_eq!(responses, Ok(vec![1, 2, 3, 3]));
        assert_eq!(self.ran(), RECEIVERS);
    }
}

fn many_threads() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

#[test]
fn inside_of_every_tokio_runtime() {
    for runtime in [many_threads(), current_thread()] {
        let watched = Arc::new(Watched::new());
        runtime.block_on(async { watched.is_refused() });
        let task = Arc::clone(&watched);
        let spawned = runtime.spawn(async move { task.is_refused() });
        runtime.block_on(spawned).unwrap();
        LocalSet::new().block_on(&runtime, async { watched.is_refused() });
        Handle::block_on(runtime.handle(), async { watched.is_refused() });
        // The signal is as it was.
        let responses = runtime.block_on(watched.signal.asend(&()));
        assert_eq!(responses.len(), RECEIVERS);
    }
}

#[test]
fn on_a_thread_for_blocking_unless_it_runs_a_future() {
    for runtime in [many_threads(), current_thread()] {
        let watched = Arc::new(Watched::new());
        let blocking = Arc::clone(&watched);
        let ran = runtime.spawn_blocking(move || {
            Handle::current().block_on(async { blocking.is_refused() });
            blocking.is_allowed();
        });
        runtime.block_on(ran).unwrap();
    }
}

#[test]
fn where_tokio_blocks_in_place_it_is_allowed() {
    let watched = Watched::new();
    many_threads().block_on(async {
        watched.is_refused();
        tokio::task::block_in_place(|| watched.is_allowed());
        watched.is_refused();
    });
}

/// A runtime that was entered is not run by this thread.
#[test]
fn beside_a_runtime_it_is_allowed() {
    for runtime in [many_threads(), current_thread()] {
        Watched::new().is_allowed();
        let _entered = runtime.enter();
        Watched::new().is_allowed();
    }
    let allowed = async { thread::spawn(|| Watched::new().is_allowed()).join() };
    many_threads().block_on(allowed).unwrap();
}

/// The kind of executor does not matter.
#[test]
fn inside_of_an_async_send_of_any_signal() {
    static OUTER: Signal<()> = Signal::new();
    static WATCHED: std::sync::LazyLock<Watched> = std::sync::LazyLock::new(Watched::new);

    OUTER.connect(|_, ()| WATCHED.is_refused());
    OUTER.connect_async(|_, ()| {
        Box::pin(async {
            WATCHED.is_refused();
            yield_now().await;
            WATCHED.is_refused();
        })
    });
    assert_eq!(smol::block_on(OUTER.asend(&())).len(), 2);
    WATCHED.is_allowed();
}

/// A blocking send is an executor for its own async receivers; its sync ones run before.
#[test]
fn inside_of_an_async_receiver_of_a_blocking_send() {
    static OUTER: Signal<()> = Signal::new();
    static WATCHED: std::sync::LazyLock<Watched> = std::sync::LazyLock::new(Watched::new);

    OUTER.options().once().connect(|_, ()| WATCHED.is_allowed());
    OUTER.connect_async(|_, ()| {
        Box::pin(async {
            yield_now().await;
            WATCHED.is_refused();
        })
    });
    assert_eq!(OUTER.send(&()).len(), 2);
}

/// Other executors are not known: it blocks the thread, and works.
#[test]
fn on_other_executors_it_is_not_noticed() {
    smol::block_on(async { Watched::new().is_allowed() });
    smol::block_on(smol::spawn(async { Watched::new().is_allowed() }));
    smol::block_on(smol::unblock(|| Watched::new().is_allowed()));
    polled_by_hand(async { Watched::new().is_allowed() });
}

fn polled_by_hand(future: impl Future<Output = ()>) {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(future).poll(&mut cx).is_ready());
}

/// Only receivers that this very send would have to await count.
#[test]
fn a_send_without_async_receivers_for_its_sender_is_not_refused() {
    let signal = Signal::<(), u32>::new();
    signal.connect(|_, ()| 1);
    signal
        .options()
        .sender("shop")
        .connect_async(|_, ()| Box::pin(async { 2 }));
    current_thread().block_on(async {
        assert_eq!(*signal.from("web").send(&()), [1]);
        let shop = AssertUnwindSafe(|| signal.from("shop").send(&()));
        assert!(catch_unwind(shop).is_err());
    });
}

/// Dead or spent receivers would not be awaited, and a refused send would never take them out.
#[test]
fn a_send_to_dead_and_spent_receivers_is_not_refused() {
    let signal = Signal::<(), u32>::new();
    signal.connect(|_, ()| 1);
    let target = Arc::new(2);
    signal
        .options()
        .connect_weak_async(&target, |target, _, ()| Box::pin(async { *target }));
    drop(target);
    current_thread().block_on(async {
        assert_eq!(*signal.send(&()), [1]);
        assert_eq!((signal.receiver_count(), purged(&signal)), (1, 1));
    });
    // Spent, but still connected while the send that spent it is suspended.
    let spent = signal.options().once();
    spent.connect_async(|_, ()| Box::pin(std::future::pending()));
    let mut suspended = Box::pin(signal.asend(&()));
    current_thread().block_on(async {
        assert!(smol::future::poll_once(&mut suspended).await.is_none());
        assert_eq!(*signal.send(&()), [1]);
    });
}
