//! `disconnect_and_wait` returns `Ok` only when the receiver does not run and never will again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::blocked::{LONG, blocking};
use fanfare::error::{HeldBy, WaitError};
use fanfare::{Connection, Sender, Signal};

type Plain = Signal<()>;

/// A wait that is to run out.
const SHORT: Duration = Duration::from_millis(30);

#[test]
fn an_idle_receiver_is_gone_at_once() {
    let signal = Plain::new();
    let held = Arc::new(());
    let connection = signal.connect(holding(&held));
    signal.send(&());
    assert_eq!(connection.disconnect_and_wait(Duration::ZERO), Ok(()));
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(!connection.is_connected() && signal.receiver_count() == 0);
    assert_eq!(
        connection.disconnect_and_wait(Duration::ZERO),
        Ok(()),
        "once more"
    );
}

#[test]
fn a_wait_lasts_until_the_run_and_the_destructor_end() {
    static SIGNAL: Plain = Plain::new();
    let finished = Arc::new(AtomicBool::new(false));
    let dropped = Arc::new(AtomicBool::new(false));
    let ran = Arc::clone(&finished);
    let last = SetAtDrop(Arc::clone(&dropped));
    let (receiver, blocked) = blocking(move || {
        let _held = &last;
        ran.store(true, Ordering::Release);
    });
    let connection = SIGNAL.connect(receiver);
    let send = thread::spawn(|| SIGNAL.send(&()).len());
    blocked.wait_until_it_runs();
    let waiter = thread::spawn(move || {
        connection.disconnect_and_wait(LONG).map(|()| {
            (
                finished.load(Ordering::Acquire),
                dropped.load(Ordering::Acquire),
            )
        })
    });
    blocked.let_go();
    assert_eq!(waiter.join().unwrap(), Ok((true, true)));
    assert_eq!(send.join().unwrap(), 1);
}

#[test]
fn a_wait_ends_when_the_time_is_up() {
    static SIGNAL: Plain = Plain::new();
    let held = Arc::new(());
    let captured = Arc::clone(&held);
    let (receiver, blocked) = blocking(move || assert!(Arc::strong_count(&captured) > 0));
    let connection = SIGNAL.connect(receiver);
    let send = thread::spawn(|| SIGNAL.send(&()).len());
    blocked.wait_until_it_runs();
    assert!(matches!(
        connection.disconnect_and_wait(Duration::ZERO),
        Err(WaitError::Timeout { .. })
    ));
    let start = Instant::now();
    let error = connection.disconnect_and_wait(SHORT).unwrap_err();
    assert!(
        start.elapsed() >= SHORT,
        "gave up after {:?}",
        start.elapsed()
    );
    let WaitError::Timeout { waited, .. } = error else {
        panic!("gave up with {error:?}")
    };
    assert!(waited >= SHORT);
    assert!(
        !connection.is_connected(),
        "it is disconnected all the same"
    );
    assert!(SIGNAL.send(&()).is_empty());
    assert_eq!(Arc::strong_count(&held), 2);
    blocked.let_go();
    assert_eq!(
        connection.disconnect_and_wait(LONG),
        Ok(()),
        "a second wait may have more luck"
    );
    assert_eq!(send.join().unwrap(), 1);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_wait_works_for_a_receiver_that_is_already_disconnected() {
    static SIGNAL: Plain = Plain::new();
    let ways: [fn(&Connection); 4] = [
        |connection| assert!(connection.disconnect()),
        |_| assert!(SIGNAL.disconnect_uid("u")),
        |_| assert_eq!(SIGNAL.disconnect_all(), 1),
        |connection| {
            assert!(matches!(
                connection.clone().disconnect_and_wait(Duration::ZERO),
                Err(WaitError::Timeout { .. })
            ))
        },
    ];
    for (way, disconnect) in ways.into_iter().enumerate() {
        let (receiver, blocked) = blocking(|| ());
        let connection = SIGNAL.options().dispatch_uid("u").connect(receiver);
        let send = thread::spawn(|| SIGNAL.send(&()).len());
        blocked.wait_until_it_runs();
        disconnect(&connection);
        assert!(
            matches!(
                connection.disconnect_and_wait(SHORT),
                Err(WaitError::Timeout { .. })
            ),
            "way {way}"
        );
        blocked.let_go();
        assert_eq!(connection.disconnect_and_wait(LONG), Ok(()), "way {way}");
        send.join().unwrap();
    }
}

#[test]
fn many_may_wait_for_one() {
    static SIGNAL: Plain = Plain::new();
    let (receiver, blocked) = blocking(|| ());
    let connection = SIGNAL.connect(receiver);
    let send = thread::spawn(|| SIGNAL.send(&()).len());
    blocked.wait_until_it_runs();
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let connection = connection.clone();
            thread::spawn(move || connection.disconnect_and_wait(LONG))
        })
        .collect();
    blocked.let_go();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Ok(()));
    }
    send.join().unwrap();
}

/// A send that holds the receiver in its snapshot may still come to it.
#[test]
fn a_wait_lasts_until_a_send_that_has_not_reached_the_receiver_ends() {
    static SIGNAL: Plain = Plain::new();
    let (receiver, blocked) = blocking(|| ());
    let ahead = SIGNAL.connect(receiver);
    let ran = Arc::new(AtomicUsize::new(0));
    let connection = SIGNAL.connect(counting(&ran));
    let send = thread::spawn(|| SIGNAL.send(&()).len());
    blocked.wait_until_it_runs();
    assert!(matches!(
        connection.disconnect_and_wait(SHORT),
        Err(WaitError::Timeout { .. })
    ));
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    blocked.let_go();
    assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
    assert_eq!(ran.load(Ordering::Relaxed), 1, "the snapshot rule holds");
    send.join().unwrap();
    ahead.disconnect();
}

/// The run is over, the destructor is not: a thread that waited for the run waits for that as well.
#[test]
fn a_wait_does_not_return_while_the_destructor_runs() {
    let (dropping, drops) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = AtDrop(Some(Box::new({
        let dropped = Arc::clone(&dropped);
        move || {
            dropping.send(()).unwrap();
            goes.recv().unwrap();
            dropped.store(1, Ordering::Relaxed);
        }
    })));
    let guard = Mutex::new(guard);
    let signal = Plain::new();
    let connection = signal.connect(move |_, ()| assert!(guard.lock().unwrap().0.is_some()));
    let mut emitter = signal.emitter();
    emitter.send(&());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let outcome = connection.disconnect_and_wait(LONG);
            (outcome, dropped.load(Ordering::Relaxed))
        });
        while connection.is_connected() {
            thread::yield_now();
        }
        let last_owner = scope.spawn(move || emitter.release());
        drops.recv().unwrap();
        go.send(()).unwrap();
        assert_eq!(waiter.join().unwrap(), (Ok(()), 1));
        last_owner.join().unwrap();
    });
}

#[test]
fn after_a_panic_the_receiver_is_released() {
    let signal = Plain::new();
    let failing = signal.connect(|_, ()| panic!("once"));
    let other = signal.connect(|_, ()| ());
    assert!(std::panic::catch_unwind(|| signal.send(&())).is_err());
    let responses = signal.send_robust(&());
    assert_eq!(failing.disconnect_and_wait(Duration::ZERO), Ok(()));
    assert_eq!(other.disconnect_and_wait(Duration::ZERO), Ok(()));
    assert_eq!(
        responses.panics().count(),
        1,
        "kept responses do not keep receivers"
    );
}

/// A market that is quiet must not hold up the swap of a strategy.
#[cfg(target_os = "linux")]
#[test]
fn an_idle_emitter_gives_up_a_disconnected_receiver() {
    let signal = Plain::new();
    let mut emitters = [signal.emitter(), signal.emitter(), signal.emitter()];
    for round in 0..1_000 {
        let held = Arc::new(());
        let connection = signal.connect(holding(&held));
        // The next table may be at the address of the one that was taken.
        for emitter in &mut emitters[..2] {
            assert_eq!(emitter.send(&()).len(), 1, "round {round}");
        }
        assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
        assert_eq!(Arc::strong_count(&held), 1, "round {round}");
        assert!(emitters[0].send(&()).is_empty());
    }
    assert!(emitters[2].send(&()).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_purge_takes_the_old_receivers_of_idle_emitters() {
    let signal = Plain::new();
    let held = Arc::new(());
    let stays = signal.connect(|_, ()| ());
    let goes = signal.connect(holding(&held));
    let mut emitter = signal.emitter();
    assert_eq!(emitter.send(&()).len(), 2);
    goes.disconnect();
    assert_eq!(Arc::strong_count(&held), 2, "the emitter keeps it");
    signal.purge();
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(emitter.send(&()).len(), 1);
    assert!(stays.is_connected());
}

#[cfg(target_os = "linux")]
#[test]
fn an_emitter_that_moves_between_threads_gives_up_receivers_while_idle() {
    let signal = Plain::new();
    let mut emitter = signal.emitter();
    for _ in 0..100 {
        let held = Arc::new(());
        let connection = signal.connect(holding(&held));
        thread::scope(|scope| {
            let send = || assert_eq!(emitter.send(&()).len(), 1);
            scope.spawn(send).join().unwrap();
        });
        assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[test]
fn a_send_of_an_emitter_is_waited_for() {
    static SIGNAL: Plain = Signal::new();
    let (receiver, blocked) = blocking(|| ());
    let connection = SIGNAL.connect(receiver);
    let send = thread::spawn(|| SIGNAL.emitter().send(&()).len());
    blocked.wait_until_it_runs();
    let timeout = connection.disconnect_and_wait(SHORT).unwrap_err();
    assert!(matches!(
        timeout,
        WaitError::Timeout {
            held_by: HeldBy::RunningSend,
            ..
        }
    ));
    blocked.let_go();
    assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
    assert_eq!(send.join().unwrap(), 1);
}

/// Checks that a wait ran out, and names `holder`.
#[track_caller]
fn assert_held_by(waited: Result<(), WaitError>, holder: HeldBy) {
    assert!(
        matches!(waited, Err(WaitError::Timeout { held_by, .. }) if held_by == holder),
        "{waited:?}"
    );
}

#[cfg(feature = "async")]
#[test]
fn a_timeout_names_a_suspended_future() {
    use std::future::pending;
    use std::pin::pin;
    use std::task::{Context, Waker};

    let mut waiting = Context::from_waker(Waker::noop());
    let signal = Plain::new();
    for robust in [false, true] {
        let connection = signal.connect_async(|_, ()| Box::pin(pending()));
        let mut robustly = pin!(signal.asend_robust(&()));
        let mut send = pin!(signal.asend(&()));
        let is_pending = match robust {
            true => robustly.as_mut().poll(&mut waiting).is_pending(),
            false => send.as_mut().poll(&mut waiting).is_pending(),
        };
        assert!(is_pending);
        let timeout = connection.disconnect_and_wait(Duration::ZERO);
        assert_held_by(timeout, HeldBy::SuspendedFuture);
    }
    let connection = signal.connect_async(|_, ()| Box::pin(pending()));
    assert_eq!(connection.disconnect_and_wait(Duration::ZERO), Ok(()));
}

/// The future has ended or was dropped, and only the send on another thread has the receiver.
#[cfg(feature = "async")]
#[test]
fn a_timeout_names_the_send_and_not_a_future_that_has_ended() {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Waker};

    let mut waiting = Context::from_waker(Waker::noop());
    let signal = Plain::new();
    for ends in [false, true] {
        let (receiver, blocked) = blocking(|| ());
        let connection = signal.connect_async(move |_, ()| match ends {
            true => Box::pin(smol::future::yield_now()),
            false => Box::pin(pending()),
        });
        {
            let mut send = pin!(signal.asend(&()));
            assert!(send.as_mut().poll(&mut waiting).is_pending());
            if ends {
                assert!(send.as_mut().poll(&mut waiting).is_ready());
            }
        }
        connection.disconnect();
        let awaited = signal.connect_async(|_, ()| Box::pin(ready(())));
        let blocks = signal.connect(receiver);
        thread::scope(|scope| {
            let send = scope.spawn(|| smol::block_on(signal.asend(&())).len());
            blocked.wait_until_it_runs();
            let timeout = awaited.disconnect_and_wait(SHORT);
            blocked.let_go();
            assert_eq!(send.join().unwrap(), 2);
            assert_held_by(timeout, HeldBy::RunningSend);
        });
        blocks.disconnect();
    }
}

/// An emitter that has no table, or the current one, holds up no wait.
#[test]
fn a_timeout_names_the_send_and_not_an_emitter_without_the_receiver() {
    let signal = Plain::new();
    let (mut current, unused) = (signal.emitter(), signal.emitter());
    let connection = signal.connect(|_, ()| ());
    let (receiver, blocked) = blocking(|| ());
    let blocks = signal.options().sender("blocks").connect(receiver);
    thread::scope(|scope| {
        let send = scope.spawn(|| signal.from("blocks").send(&()).len());
        blocked.wait_until_it_runs();
        assert!(connection.disconnect());
        current.send(&());
        let timeout = connection.disconnect_and_wait(SHORT);
        blocked.let_go();
        assert_eq!(send.join().unwrap(), 2);
        assert_held_by(timeout, HeldBy::RunningSend);
    });
    drop(unused);
    assert!(blocks.is_connected());
}

/// Two threads wait for the receiver, and at least one does not run its destructor. A wait that
/// starts late may miss the destructor, and the test tries again.
#[test]
fn a_timeout_names_a_destructor_that_runs_on_another_thread() {
    let start = Instant::now();
    let is_named = || {
        let (go, goes) = mpsc::channel::<()>();
        let at_drop = AtDrop(Some(Box::new(move || goes.recv().unwrap())));
        let at_drop = Mutex::new(at_drop);
        let (receiver, blocked) = blocking(move || assert!(at_drop.lock().unwrap().0.is_some()));
        let signal = Plain::new();
        let connection = signal.connect(receiver);
        thread::scope(|scope| {
            scope.spawn(|| signal.send(&()).len());
            blocked.wait_until_it_runs();
            let wait = || connection.disconnect_and_wait(10 * SHORT);
            let waits = [scope.spawn(wait), scope.spawn(wait)];
            thread::sleep(SHORT);
            blocked.let_go();
            while !waits.iter().any(|wait| wait.is_finished()) {
                thread::yield_now();
            }
            go.send(()).unwrap();
            let waited = waits.map(|wait| wait.join().unwrap());
            waited.iter().any(|waited| {
                let Err(WaitError::Timeout { held_by, .. }) = waited else {
                    return false;
                };
                *held_by == HeldBy::Destructor
            })
        })
    };
    while !is_named() {
        assert!(start.elapsed() < LONG, "no wait names it");
    }
}

/// The queue has delivered its event, and only the send on another thread has the receiver.
#[cfg(feature = "queue")]
#[test]
fn a_timeout_names_the_send_and_not_an_idle_queue() {
    let queue = fanfare::Queue::bounded(8).unwrap();
    let signal = Plain::new();
    let queued = signal.options().queued(&queue).connect(|_, ()| ());
    let (receiver, blocked) = blocking(|| ());
    signal.connect(receiver);
    thread::scope(|scope| {
        let send = scope.spawn(|| signal.send(&()).len());
        blocked.wait_until_it_runs();
        queue.flush().unwrap();
        let timeout = queued.disconnect_and_wait(SHORT);
        blocked.let_go();
        assert_eq!(send.join().unwrap(), 2);
        assert_held_by(timeout, HeldBy::RunningSend);
    });
    assert_eq!(queued.disconnect_and_wait(LONG), Ok(()));
}

#[cfg(feature = "queue")]
#[test]
fn a_timeout_names_the_queue() {
    let queue = fanfare::Queue::bounded(8).unwrap();
    let signal = Plain::new();
    let (receiver, blocked) = blocking(|| ());
    let options = signal.options().queued(&queue);
    let connection = options.connect(move |sender, ()| receiver(sender, &()));
    signal.send(&());
    blocked.wait_until_it_runs();
    let timeout = connection.disconnect_and_wait(SHORT);
    assert!(
        matches!(
            timeout,
            Err(WaitError::Timeout {
                held_by: HeldBy::QueuedEvents,
                ..
            })
        ),
        "{timeout:?}"
    );
    blocked.let_go();
    assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
}

#[test]
fn an_emitter_that_releases_or_sends_or_goes_keeps_no_old_receiver() {
    let signal = Plain::new();
    let ends: [fn(fanfare::Emitter<'_, ()>); 3] = [
        |mut emitter| emitter.release(),
        |mut emitter| assert!(emitter.send(&()).is_empty()),
        |emitter| drop(emitter),
    ];
    for (way, end) in ends.iter().enumerate() {
        let held = Arc::new(());
        let connection = signal.connect(holding(&held));
        let mut emitter = signal.emitter();
        assert_eq!(emitter.send(&()).len(), 1);
        connection.disconnect();
        end(emitter);
        assert_eq!(connection.disconnect_and_wait(Duration::ZERO), Ok(()));
        assert_eq!(Arc::strong_count(&held), 1, "way {way}");
    }
}

#[test]
fn an_emitter_that_has_not_sent_pins_no_table() {
    let signal = Plain::new();
    let connection = signal.connect(|_, ()| ());
    let emitter = signal.emitter();
    assert_eq!(connection.disconnect_and_wait(Duration::ZERO), Ok(()));
    drop(emitter);
}

#[test]
fn a_weak_and_a_once_receiver_can_be_waited_for() {
    static SIGNAL: Plain = Plain::new();
    let target = Arc::new(());
    let (receiver, blocked) = blocking(|| ());
    let weak = SIGNAL.connect_weak(&target, move |(): &(), sender, event| {
        receiver(sender, event)
    });
    let send = thread::spawn(|| SIGNAL.send(&()).len());
    blocked.wait_until_it_runs();
    assert!(matches!(
        weak.disconnect_and_wait(SHORT),
        Err(WaitError::Timeout { .. })
    ));
    blocked.let_go();
    assert_eq!(weak.disconnect_and_wait(LONG), Ok(()));
    send.join().unwrap();
    assert_eq!(Arc::strong_count(&target), 1);

    let (receiver, blocked) = blocking(|| ());
    let once = SIGNAL.options().once().connect(receiver);
    let send = thread::spawn(|| SIGNAL.send(&()).len());
    blocked.wait_until_it_runs();
    assert!(!once.is_connected(), "it is spent");
    assert!(matches!(
        once.disconnect_and_wait(SHORT),
        Err(WaitError::Timeout { .. })
    ));
    blocked.let_go();
    assert_eq!(once.disconnect_and_wait(LONG), Ok(()));
    send.join().unwrap();
}

#[test]
fn the_errors_state_the_fix() {
    let inside = WaitError::InsideSend.to_string();
    assert!(inside.contains("send"), "{inside:?}");
    static SIGNAL: Plain = Signal::new();
    let (receiver, blocked) = blocking(|| ());
    let connection = SIGNAL.connect(receiver);
    let send = thread::spawn(|| SIGNAL.send(&()));
    blocked.wait_until_it_runs();
    let timeout = connection
        .disconnect_and_wait(Duration::from_millis(7))
        .unwrap_err();
    assert_eq!(
        timeout.to_string(),
        "after 7ms the receiver was still held by a running send: wait longer"
    );
    blocked.let_go();
    send.join().unwrap();
    let _: &dyn std::error::Error = &WaitError::InsideSend;
}

struct SetAtDrop(Arc<AtomicBool>);

impl Drop for SetAtDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

struct AtDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}

fn holding(held: &Arc<()>) -> impl Fn(Sender<'_>, &()) + Send + Sync + 'static {
    let held = Arc::clone(held);
    move |_, ()| assert!(Arc::strong_count(&held) > 0)
}

fn counting(ran: &Arc<AtomicUsize>) -> impl Fn(Sender<'_>, &()) + Send + Sync + 'static {
    let ran = Arc::clone(ran);
    move |_, ()| {
        ran.fetch_add(1, Ordering::Relaxed);
    }
}
