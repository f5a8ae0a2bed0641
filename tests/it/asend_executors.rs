//! Async sends on different executors, moved between threads, and beside threads that
//! connect and disconnect.
#![cfg(feature = "async")]

use std::future::{self, Future};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use fanfare::error::WaitError;
use fanfare::responses::RobustResponses;
use fanfare::{BoxFuture, Event, Responses, Signal};
use tokio::sync::{Mutex, mpsc as channel, oneshot};

/// An event that borrows.
struct Line<'a> {
    text: &'a str,
}

impl Event for Line<'static> {
    type Args<'a> = Line<'a>;
}

/// The time is not measured: only a test that fails gets to its end.
const NEVER: Duration = Duration::from_secs(60);

type Lines<R = usize> = Signal<Line<'static>, R>;

/// Connects two sync receivers and ten async ones, of which each waits until the next has begun, so
/// that none ends unless all run at once.
fn of_twelve() -> Lines {
    const RING: usize = 10;
    let signal = Lines::new();
    signal.connect(|_, line| line.text.len());
    signal.connect(|_, line| line.text.len() + 1);
    let (notes, notices): (Vec<_>, Vec<_>) = (0..RING).map(|_| channel::channel(1)).unzip();
    for (place, noticed) in notices.into_iter().enumerate() {
        let noticed = Arc::new(Mutex::new(noticed));
        let next = notes[(place + 1) % RING].clone();
        signal.connect_async(move |_, line| {
            let (next, noticed) = (next.clone(), Arc::clone(&noticed));
            Box::pin(async move {
                next.send(()).await.unwrap();
                noticed.lock().await.recv().await.unwrap();
                line.text.len() * place
            })
        });
    }
    signal
}

fn sends_to_twelve() -> impl Future<Output = ()> + Send + 'static {
    let signal = of_twelve();
    async move {
        for text in ["alpha", "be"] {
            let borrowed = String::from(text);
            let line = Line { text: &borrowed };
            let n = text.len();
            let expected: Vec<_> = [n, n + 1]
                .into_iter()
                .chain((0..10).map(|at| at * n))
                .collect();
            let responses = signal.from("web").asend(&line).await;
            assert_eq!(*responses, *expected);
            let outcomes = signal.from("web").asend_robust(&line).await;
            assert_eq!(*outcomes.into_result().unwrap(), *expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_multi_thread_runtime() {
    sends_to_twelve().await;
    tokio::spawn(sends_to_twelve()).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn on_a_current_thread_runtime() {
    sends_to_twelve().await;
    tokio::spawn(sends_to_twelve()).await.unwrap();
    let local = tokio::task::LocalSet::new();
    let on_local = local.run_until(async {
        tokio::task::spawn_local(sends_to_twelve()).await.unwrap();
    });
    on_local.await;
}

#[test]
fn async_sends_run_on_smol() {
    smol::block_on(async {
        sends_to_twelve().await;
        smol::spawn(sends_to_twelve()).await;
    });
    let own = smol::Executor::new();
    smol::block_on(own.run(own.spawn(sends_to_twelve())));
}

/// Receivers can use the runtime's services for its tasks, because they run inside the caller's
/// task.
#[tokio::test]
async fn receivers_use_the_timer_and_the_tasks_of_their_runtime() {
    let signal = Lines::<u32>::new();
    signal.connect_async(|_, _| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::spawn(future::ready(7)).await.unwrap()
        })
    });
    assert_eq!(*signal.asend(&Line { text: "" }).await, [7]);
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn futures_are_send() {
    // None of these has a response that another thread may look at.
    static CELLS: Signal<u32, Result<std::cell::Cell<u8>, std::cell::Cell<u8>>> = Signal::new();
    drop(is_send(CELLS.asend(&1)));
    drop(is_send(CELLS.asend_robust(&1)));
    drop(is_send(CELLS.asend_until_err(&1)));

    // The lifetimes of borrowed values there need not be 'static.
    let signal = Lines::<String>::new();
    let (text, sender) = (String::from("text"), String::from("sender"));
    let line = Line { text: &text };
    let plain: BoxFuture<'_, Responses<String>> = Box::pin(signal.from(&sender).asend(&line));
    let robust: BoxFuture<'_, RobustResponses<String>> =
        Box::pin(signal.from(&sender).asend_robust(&line));
    drop((plain, robust));
}

#[test]
fn a_send_may_be_polled_by_one_thread_after_another() {
    static STEPS: AtomicUsize = AtomicUsize::new(0);
    fn step(left: usize) -> impl Future<Output = usize> + Send {
        let mut left = left;
        future::poll_fn(move |cx| {
            STEPS.fetch_add(1, Ordering::Relaxed);
            if left == 0 {
                return Poll::Ready(0);
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
    for receivers in [1, 3, 70] {
        STEPS.store(0, Ordering::Relaxed);
        let signal = Lines::new();
        for place in 0..receivers {
            signal.connect_async(move |_, line| {
                Box::pin(async move { step(place % 4).await + line.text.len() + place })
            });
        }
        let line = Line { text: "abc" };
        let mut send: BoxFuture<'_, _> = Box::pin(signal.asend(&line));
        let responses = loop {
            let polled = thread::scope(|scope| {
                let polled = scope.spawn(|| {
                    let mut cx = Context::from_waker(Waker::noop());
                    send.as_mut().poll(&mut cx)
                });
                polled.join().unwrap()
            });
            if let Poll::Ready(responses) = polled {
                break responses;
            }
        };
        assert_eq!(*responses, *Vec::from_iter(3..3 + receivers));
        let steps = (0..receivers).map(|place| place % 4 + 1).sum::<usize>();
        assert_eq!(STEPS.load(Ordering::Relaxed), steps);
    }
}

/// Connects a receiver that signals that it is running and then waits for a signal to end.
fn suspended(signal: &Lines) -> (fanfare::Connection, mpsc::Receiver<()>, oneshot::Sender<()>) {
    let (running, is_running) = mpsc::channel();
    let (end, told) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let connection = signal.connect_async(move |_, line| {
        let told = told.lock().unwrap().take();
        running.send(()).unwrap();
        Box::pin(async move {
            if let Some(told) = told {
                let _ = told.await;
            }
            line.text.len()
        })
    });
    (connection, is_running, end)
}

#[test]
fn connects_and_disconnects_go_on_while_a_send_is_suspended() {
    let signal = Lines::new();
    let (_, is_running, end) = suspended(&signal);
    thread::scope(|scope| {
        let send = scope.spawn(|| smol::block_on(signal.from("web").asend(&Line { text: "abc" })));
        is_running.recv().unwrap();
        // More changes, and more tables that are dropped, than arc-swap has slots for guards of one
        // thread. Each runs without waiting.
        for _ in 0..1_000 {
            let own = signal.connect(|_, _| 0);
            assert_eq!(
                *signal.from("nobody waits").send(&Line { text: "" }),
                [0, 0]
            );
            assert_eq!(own.disconnect_and_wait(NEVER), Ok(()));
            is_running.recv().unwrap();
        }
        end.send(()).unwrap();
        assert_eq!(*send.join().unwrap(), [3]);
    });
}

#[test]
fn disconnect_and_wait_waits_for_a_suspended_send_and_its_end() {
    let signal = Lines::new();
    let (connection, is_running, end) = suspended(&signal);
    thread::scope(|scope| {
        let send = scope.spawn(|| smol::block_on(signal.from("web").asend(&Line { text: "abc" })));
        is_running.recv().unwrap();
        let timeout = connection.disconnect_and_wait(Duration::ZERO);
        assert!(matches!(timeout, Err(WaitError::Timeout { .. })));
        let waits = scope.spawn(|| connection.disconnect_and_wait(NEVER));
        end.send(()).unwrap();
        assert_eq!(*send.join().unwrap(), [3]);
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}

#[test]
fn disconnect_and_wait_waits_for_a_suspended_send_that_is_dropped() {
    for receivers in [0, 1, 40] {
        let signal = Lines::new();
        for place in 0..receivers {
            signal.connect_async(move |_, _| {
                Box::pin(async move {
                    future::pending::<()>().await;
                    place
                })
            });
        }
        assert_eq!(signal.receiver_count(), receivers);
        let (connection, is_running, end) = suspended(&signal);
        let line = Line { text: "abc" };
        let mut send: BoxFuture<'_, _> = Box::pin(signal.from("web").asend(&line));
        assert!(
            send.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        is_running.recv().unwrap();
        let dropped = AtomicBool::new(false);
        let both = Barrier::new(2);
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                assert!(matches!(
                    connection.disconnect_and_wait(Duration::ZERO),
                    Err(WaitError::Timeout { .. })
                ));
                both.wait();
                let waited = connection.disconnect_and_wait(NEVER);
                (waited, dropped.load(Ordering::Relaxed))
            });
            both.wait();
            dropped.store(true, Ordering::Relaxed);
            drop(send);
            assert_eq!(waits.join().unwrap(), (Ok(()), true));
        });
        assert!(end.is_closed());
    }
}

/// The send is of this thread, but no longer inside of it: waiting would not be waiting for
/// the caller, and only the time ends it.
#[test]
fn disconnect_and_wait_between_two_polls_is_not_inside() {
    let signal = Lines::new();
    let (connection, is_running, _end) = suspended(&signal);
    let line = Line { text: "abc" };
    let mut send: BoxFuture<'_, _> = Box::pin(signal.from("web").asend(&line));
    assert!(
        send.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    is_running.recv().unwrap();
    let waited = connection.disconnect_and_wait(Duration::from_millis(1));
    assert!(matches!(waited, Err(WaitError::Timeout { .. })));
    drop(send);
    assert_eq!(connection.disconnect_and_wait(Duration::ZERO), Ok(()));
}

/// But inside of a poll it is, and inside of the drop.
#[test]
fn disconnect_and_wait_from_a_receiver_or_its_destructor_is_refused() {
    static ASKED: Lines<Option<WaitError>> = Signal::new();
    static FOUND: std::sync::Mutex<Option<WaitError>> = std::sync::Mutex::new(None);
    static OWN: std::sync::OnceLock<fanfare::Connection> = std::sync::OnceLock::new();
    fn wait() -> Option<WaitError> {
        OWN.get().unwrap().disconnect_and_wait(NEVER).err()
    }
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            *FOUND.lock().unwrap() = wait();
        }
    }
    let own = ASKED.connect_async(|_, line| {
        Box::pin(async move {
            smol::future::yield_now().await;
            if line.text.is_empty() {
                return wait();
            }
            let _waits = Waits;
            future::pending().await
        })
    });
    OWN.set(own).unwrap();
    let mut send: BoxFuture<'_, _> = Box::pin(ASKED.asend(&Line { text: "never" }));
    for _ in 0..2 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(send.as_mut().poll(&mut cx).is_pending());
    }
    let responses = smol::block_on(ASKED.asend(&Line { text: "" }));
    assert_eq!(*responses, [Some(WaitError::InsideSend)]);
    assert_eq!(*FOUND.lock().unwrap(), None);
    drop(send);
    assert_eq!(*FOUND.lock().unwrap(), Some(WaitError::InsideSend));
    assert_eq!(
        OWN.get().unwrap().disconnect_and_wait(Duration::ZERO),
        Ok(())
    );
}

/// A send wakes the task that polled it last, and no other.
#[test]
fn wakes_the_waker_of_the_last_poll() {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    for receivers in [1, 3, 70] {
        let signal = Lines::<usize>::new();
        for place in 1..receivers {
            signal.connect_async(move |_, _| Box::pin(future::ready(place)));
        }
        let (_, is_running, end) = suspended(&signal);
        let line = Line { text: "abc" };
        let mut send: BoxFuture<'_, _> = Box::pin(signal.from("web").asend(&line));
        let [first, last] = [0, 0].map(|_| Arc::new(Woken(AtomicUsize::new(0))));
        for woken in [&first, &last] {
            let waker = Waker::from(Arc::clone(woken));
            assert!(
                send.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        is_running.recv().unwrap();
        let before = first.0.load(Ordering::Relaxed);
        end.send(()).unwrap();
        assert_eq!(first.0.load(Ordering::Relaxed), before, "of {receivers}");
        assert_eq!(last.0.load(Ordering::Relaxed), 1, "of {receivers}");
        assert_eq!(smol::block_on(send).len(), receivers);
    }
}
