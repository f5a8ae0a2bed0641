//! Blocking sends with async receivers: each runs them, together and to their end, on the
//! calling thread, after the sync ones.
#![cfg(feature = "async")]

use fanfare::connections::purged;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use fanfare::error::WaitError;
use fanfare::{Connection, Signal};
use smol::future::yield_now;
use tokio::sync::oneshot;

/// The time is not measured: only a test that fails gets to its end.
const NEVER: Duration = Duration::from_secs(60);

type Asked = Signal<(), Result<u32, &'static str>>;

/// Connects receivers that note their ends: two sync and three async ones.
fn noting() -> (Asked, Arc<Mutex<Vec<u32>>>) {
    let signal = Asked::new();
    let ended = Arc::new(Mutex::new(Vec::new()));
    for place in [3, 4, 5] {
        let ended = Arc::clone(&ended);
        signal.connect_async(move |_, ()| {
            let ended = Arc::clone(&ended);
            Box::pin(async move {
                for _ in place..5 {
                    yield_now().await;
                }
                ended.lock().unwrap().push(place);
                if place == 4 { Err("four") } else { Ok(place) }
            })
        });
    }
    for place in [1, 2] {
        let ended = Arc::clone(&ended);
        signal.connect(move |_, ()| {
            ended.lock().unwrap().push(place);
            Ok(place)
        });
    }
    (signal, ended)
}

fn take(ended: &Mutex<Vec<u32>>) -> Vec<u32> {
    std::mem::take(&mut ended.lock().unwrap())
}

const ALL: [Result<u32, &str>; 5] = [Ok(1), Ok(2), Ok(3), Err("four"), Ok(5)];

#[test]
fn every_way_of_sending_runs_them_and_keeps_their_order() {
    let (signal, ended) = noting();
    let all_ended = || assert_eq!(take(&ended), [1, 2, 5, 4, 3]);
    assert_eq!(*signal.from("web").send(&()), ALL);
    all_ended();
    assert_eq!(**signal.from("web").send_robust(&()).responses(), ALL);
    all_ended();
    assert_eq!(*signal.emitter().from("web").send(&()), ALL);
    all_ended();
    let mut each = Vec::new();
    let _ = signal.from("web").send_each(&(), |_, response| {
        each.push(response);
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(each, ALL);
    all_ended();
}

/// They run together: where one response ends the send, the others have run as well.
#[test]
fn a_send_until_that_stops_at_an_async_response_has_run_them_all() {
    let (signal, ended) = noting();
    let three = signal
        .from("web")
        .send_until(&(), |response| *response == Ok(3));
    assert_eq!(three.unwrap().value, Ok(3));
    assert_eq!(take(&ended), [1, 2, 5, 4, 3]);
}

#[test]
fn a_send_until_err_that_stops_at_an_async_error_drops_those_that_wait() {
    let (signal, ended) = noting();
    let stopped = signal.from("web").send_until_err(&()).unwrap_err();
    assert_eq!(stopped.error, "four");
    assert_eq!(*stopped.before, [1, 2]);
    assert_eq!(take(&ended), [1, 2, 5, 4]);
}

#[test]
fn a_send_that_stops_at_a_sync_response_has_not_started_async_receivers() {
    let (signal, ended) = noting();
    let two = signal
        .from("web")
        .send_until(&(), |response| *response == Ok(2));
    assert_eq!(two.unwrap().value, Ok(2));
    assert_eq!(take(&ended), [1, 2]);
}

#[test]
fn on_the_calling_thread_and_together() {
    thread_local! {
        static CALLER: Cell<bool> = const { Cell::new(false) };
    }
    let signal = Signal::<(), bool>::new();
    let (there, here) = oneshot::channel();
    let (back, response) = oneshot::channel();
    let both = [
        (Some(there), None, Some(response)),
        (None, Some((here, back)), None),
    ];
    for (tell, told, response) in both {
        let ends = Mutex::new(Some((tell, told, response)));
        signal.connect_async(move |_, ()| {
            let (tell, told, response) = ends.lock().unwrap().take().unwrap();
            Box::pin(async move {
                // The first asks the second, which responds: neither ends alone.
                if let (Some(tell), Some(response)) = (tell, response) {
                    tell.send(()).unwrap();
                    response.await.unwrap();
                }
                if let Some((told, response)) = told {
                    told.await.unwrap();
                    response.send(()).unwrap();
                }
                CALLER.get()
            })
        });
    }
    CALLER.set(true);
    assert_eq!(*signal.from("web").send(&()), [true, true]);
}

#[test]
fn a_blocking_send_sleeps_until_another_thread_wakes_it() {
    let signal = Signal::<(), u32>::new();
    let (ask, asked) = mpsc::channel::<oneshot::Sender<u32>>();
    signal.connect_async(move |_, ()| {
        let (response, responded) = oneshot::channel();
        ask.send(response).unwrap();
        Box::pin(async { responded.await.unwrap() })
    });
    thread::scope(|scope| {
        let sent = scope.spawn(|| signal.from("web").send(&()));
        asked.recv().unwrap().send(7).unwrap();
        assert_eq!(*sent.join().unwrap(), [7]);
    });
}

#[test]
fn responses_without_content_are_counted() {
    let signal = Signal::<()>::new();
    for steps in 0..40 {
        signal.connect_async(move |_, ()| {
            Box::pin(async move {
                for _ in 0..steps % 3 {
                    yield_now().await;
                }
            })
        });
        assert_eq!(signal.from("web").send(&()).len(), steps + 1);
        assert_eq!(
            smol::block_on(signal.from("web").asend(&())).len(),
            steps + 1
        );
    }
    signal.connect(|_, ()| ());
    assert_eq!(signal.from("web").send(&()).len(), 41);
    assert_eq!(smol::block_on(signal.from("web").asend(&())).len(), 41);
    assert_eq!(signal.from("web").send_robust(&()).len(), 41);
}

#[test]
fn a_panic_leaves_the_thread_as_it_was() {
    let signal = Signal::<u32, u32>::new();
    let even = |n: u32| {
        assert!(n % 2 == 0, "odd");
        n
    };
    signal.connect_async(move |_, n| {
        Box::pin(async move {
            yield_now().await;
            even(*n)
        })
    });
    for n in 0..100 {
        let sent = catch_unwind(AssertUnwindSafe(|| signal.from("web").send(&n)));
        assert_eq!(sent.is_ok(), n % 2 == 0, "{n}");
        let outcomes = signal.from("web").send_robust(&n);
        assert_eq!(outcomes.all_ok(), n % 2 == 0);
    }
}

#[test]
fn once_and_weak() {
    let signal = Signal::<(), u32>::new();
    let target = Arc::new(2);
    let once = signal.options().once();
    once.connect_async(|_, ()| Box::pin(async { 1 }));
    signal
        .options()
        .connect_weak_async(&target, |target, _, ()| Box::pin(async { *target }));
    assert_eq!(*signal.from("web").send(&()), [1, 2]);
    assert_eq!(*signal.from("web").send(&()), [2]);
    drop(target);
    assert!(signal.from("web").send(&()).is_empty());
    assert_eq!((signal.receiver_count(), purged(&signal)), (0, 1));
}

#[test]
fn disconnect_and_wait_waits_for_it_and_is_refused_inside() {
    static ASKED: Signal<(), Option<WaitError>> = Signal::new();
    static OWN: OnceLock<Connection> = OnceLock::new();
    static GATE: Mutex<Option<oneshot::Receiver<()>>> = Mutex::new(None);

    let (running, is_running) = mpsc::channel();
    let own = ASKED.connect_async(move |_, ()| {
        running.send(()).unwrap();
        let gate = GATE.lock().unwrap().take().unwrap();
        Box::pin(async {
            gate.await.unwrap();
            OWN.get().unwrap().disconnect_and_wait(NEVER).err()
        })
    });
    OWN.set(own).unwrap();
    let (open, gate) = oneshot::channel();
    *GATE.lock().unwrap() = Some(gate);
    thread::scope(|scope| {
        let sent = scope.spawn(|| ASKED.from("web").send(&()));
        is_running.recv().unwrap();
        let waited = OWN.get().unwrap().disconnect_and_wait(Duration::ZERO);
        assert!(matches!(waited, Err(WaitError::Timeout { .. })));
        let waits = scope.spawn(|| OWN.get().unwrap().disconnect_and_wait(NEVER));
        open.send(()).unwrap();
        assert_eq!(*sent.join().unwrap(), [Some(WaitError::InsideSend)]);
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}
