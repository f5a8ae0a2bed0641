//! Whatever a receiver or its destructor does to the signal that is being sent works.
//!
//! A lock held while user code runs would hang. So every test runs in a thread of its own that the
//! test waits for, and fails with a message when the wait takes too long.

use fanfare::connections::unmatched_senders;
use std::cell::{Cell, RefCell};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fanfare::{Connection, Identity, Sender, Signal, prepare_thread};

type Asked = Signal<(), u32>;

#[test]
fn a_receiver_may_connect_disconnect_send_and_look() {
    static SIGNAL: Asked = Asked::new();
    finishes(|| {
        let identity = Mutex::new(Some(Identity::new()));
        SIGNAL.connect(move |_, ()| {
            let identity = identity.lock().unwrap().take();
            use_everything(&SIGNAL, identity)
        });
        SIGNAL.connect(plain);
        assert_eq!(*SIGNAL.send(&()), [2, 0]);
        assert_eq!(*SIGNAL.send(&()), [2, 0]);
        assert_eq!(SIGNAL.receiver_count(), 2);
    });
}

#[test]
fn a_destructor_may_connect_disconnect_send_and_look() {
    static SIGNAL: Asked = Asked::new();
    static USED: AtomicUsize = AtomicUsize::new(0);
    let removals: [fn(&Connection); 6] = [
        |connection| assert!(connection.disconnect()),
        |connection| {
            connection
                .disconnect_and_wait(Duration::from_secs(20))
                .unwrap()
        },
        |connection| drop(connection.clone().scoped()),
        |_| assert_eq!(SIGNAL.from("gone").disconnect_all(), 1),
        |_| assert!(SIGNAL.options().disconnect_uid_everywhere("gone") == 1),
        |_| {
            let sent = SIGNAL.from("gone").send_robust(&());
            assert_eq!(sent.len(), 2, "it disconnects itself");
            SIGNAL.purge();
        },
    ];
    finishes(move || {
        SIGNAL.connect(plain);
        for (way, remove) in removals.into_iter().enumerate() {
            let identity = Identity::new();
            let guard = AtDrop(Some(Box::new(move || {
                use_everything(&SIGNAL, Some(identity));
                USED.fetch_add(1, Ordering::Relaxed);
            })));
            let connection = SIGNAL
                .options()
                .sender("gone")
                .dispatch_uid("gone")
                .connect(move |_, ()| {
                    assert!(guard.0.is_some());
                    u32::from(SIGNAL.options().sender("gone").disconnect_uid("gone"))
                });
            remove(&connection);
            assert_eq!(USED.load(Ordering::Relaxed), way + 1, "way {way}");
            assert_eq!(SIGNAL.receiver_count(), 1, "way {way}");
        }
    });
}

#[test]
fn a_destructor_may_remove_the_next_which_removes_the_next() {
    static SIGNAL: Asked = Asked::new();
    finishes(|| {
        let mut next: Option<Connection> = None;
        for index in 0..200_u32 {
            let following = next.take();
            let guard = AtDrop(Some(Box::new(move || {
                assert!(following.is_none_or(|following| following.disconnect()));
            })));
            next = Some(SIGNAL.connect(move |_, ()| index + u32::from(guard.0.is_none())));
        }
        assert_eq!(SIGNAL.receiver_count(), 200);
        assert!(next.unwrap().disconnect());
        assert_eq!(SIGNAL.receiver_count(), 0);
    });
}

#[test]
fn a_receiver_may_disconnect_all_and_the_rest_still_run() {
    static SIGNAL: Asked = Asked::new();
    finishes(|| {
        SIGNAL.connect(|_, ()| SIGNAL.disconnect_all() as u32);
        SIGNAL.connect(plain);
        SIGNAL.options().sender("a").connect(plain);
        assert_eq!(*SIGNAL.from("a").send(&()), [3, 0, 0]);
        assert_eq!(SIGNAL.receiver_count(), 0);
        assert!(SIGNAL.from("a").send(&()).is_empty());
    });
}

#[test]
fn a_receiver_may_drop_an_identity_of_its_own_signal() {
    static SIGNAL: Asked = Asked::new();
    finishes(|| {
        let identity = Identity::new();
        let held = Arc::new(());
        let captured = Arc::clone(&held);
        let connection = SIGNAL
            .options()
            .sender(&identity)
            .connect(move |_, ()| Arc::strong_count(&captured) as u32);
        let last = Mutex::new(Some(identity));
        SIGNAL.connect(move |_, ()| u32::from(last.lock().unwrap().take().is_some()));
        assert_eq!(*SIGNAL.send(&()), [1]);
        assert!(!connection.is_connected());
        SIGNAL.purge();
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(SIGNAL.receiver_count(), 1);
    });
}

#[test]
fn a_receiver_that_connects_itself_does_not_change_the_send() {
    static SIGNAL: Asked = Asked::new();
    fn again(_: Sender<'_>, (): &()) -> u32 {
        u32::from(SIGNAL.connect(again).is_new())
    }
    finishes(|| {
        SIGNAL.connect(again);
        for _ in 0..3 {
            assert_eq!(*SIGNAL.send(&()), [0]);
        }
        assert_eq!(SIGNAL.receiver_count(), 1);
    });
}

#[test]
fn a_receiver_that_connects_another_like_itself_doubles_at_each_send() {
    static SIGNAL: Asked = Asked::new();
    fn splits(depth: u32) -> u32 {
        SIGNAL.connect(move |_, ()| splits(depth + 1));
        depth
    }
    finishes(|| {
        SIGNAL.connect(|_, ()| splits(0));
        for expected in [1, 2, 4, 8, 16] {
            assert_eq!(SIGNAL.send(&()).len(), expected);
        }
        assert_eq!(SIGNAL.receiver_count(), 32);
    });
}

#[test]
fn a_receiver_may_replace_itself() {
    static SIGNAL: Asked = Asked::new();
    fn first(_: Sender<'_>, (): &()) -> u32 {
        assert!(SIGNAL.disconnect(first));
        assert!(SIGNAL.connect(second).is_new());
        1
    }
    fn second(_: Sender<'_>, (): &()) -> u32 {
        assert!(SIGNAL.disconnect(second));
        assert!(SIGNAL.connect(first).is_new());
        2
    }
    finishes(|| {
        SIGNAL.connect(first);
        for round in 0..6 {
            assert_eq!(*SIGNAL.send(&()), [1 + round % 2]);
        }
    });
}

/// The closures given to `send_until` and `send_each` run between the receivers, and are as free.
#[test]
fn the_one_who_asks_may_use_the_signal_too() {
    static SIGNAL: Asked = Asked::new();
    finishes(|| {
        SIGNAL.connect(plain);
        let until = SIGNAL.send_until(&(), |_| use_everything(&SIGNAL, Some(Identity::new())) == 1);
        assert!(until.is_some());
        let _ = SIGNAL.send_each(&(), |_, _| {
            assert_eq!(use_everything(&SIGNAL, None), 1);
            std::ops::ControlFlow::<()>::Continue(())
        });
        assert_eq!(SIGNAL.receiver_count(), 1);
    });
}

#[test]
fn the_closure_of_a_change_may_use_the_signal() {
    static SIGNAL: Asked = Asked::new();
    finishes(|| {
        SIGNAL.connect(plain);
        let connections = SIGNAL.change(|changes| {
            for index in 0..3_u32 {
                changes.connect(move |_, ()| index);
                assert_eq!(
                    use_everything(&SIGNAL, Some(Identity::new())),
                    1,
                    "no part of the change is seen before its end"
                );
            }
        });
        assert_eq!((connections.len(), SIGNAL.receiver_count()), (3, 4));
    });
}

#[test]
fn two_signals_may_send_to_each_other() {
    static PING: Signal<u32, u32> = Signal::new();
    static PONG: Signal<u32, u32> = Signal::new();
    finishes(|| {
        PING.connect(|_, left| {
            if *left == 0 {
                0
            } else {
                PONG.send(&(left - 1))[0] + 1
            }
        });
        PONG.connect(|_, left| {
            if *left == 0 {
                0
            } else {
                PING.send(&(left - 1))[0] + 1
            }
        });
        assert_eq!(*PING.send(&100), [100]);
    });
}

#[test]
fn an_emitter_may_be_used_while_its_signal_is_sent() {
    static SIGNAL: Signal<u32, u32> = Signal::new();
    finishes(|| {
        SIGNAL.connect(|_, left| match *left {
            0 => 0,
            left => {
                let mut emitter = SIGNAL.emitter();
                SIGNAL.options().priority(-1).connect(other);
                let sum = emitter.send(&(left - 1)).iter().sum::<u32>();
                emitter.release();
                sum + 1
            }
        });
        let mut emitter = SIGNAL.emitter();
        assert_eq!(*emitter.send(&3), [3]);
        assert_eq!(*emitter.send(&3), [3, 0]);
    });
    fn other(_: Sender<'_>, _: &u32) -> u32 {
        0
    }
}

/// Thread-locals of the engine may be gone by then.
#[test]
fn the_destructor_of_a_thread_local_may_send_and_disconnect() {
    static SIGNAL: Asked = Asked::new();
    thread_local! {
        static LAST: RefCell<Option<AtDrop>> = const { RefCell::new(None) };
    }
    for warmed in [false, true] {
        let (told, tells) = mpsc::channel();
        let worker = thread::spawn(move || {
            let last = AtDrop(Some(Box::new(move || {
                let outcome = catch_unwind(|| {
                    prepare_thread();
                    let connection = SIGNAL.connect(|_, ()| 7);
                    let sent = SIGNAL.send(&()).to_vec();
                    let robust = SIGNAL.send_robust(&()).len();
                    (
                        sent,
                        robust,
                        connection
                            .disconnect_and_wait(Duration::from_secs(20))
                            .is_ok(),
                    )
                });
                let _ = told.send(outcome.ok());
            })));
            LAST.with(|slot| slot.replace(Some(last)));
            if warmed {
                let connection = SIGNAL.connect(plain);
                SIGNAL.send(&());
                connection.disconnect();
            }
        });
        let seen = tells
            .recv_timeout(Duration::from_secs(30))
            .expect("the destructor hangs");
        assert_eq!(seen, Some((vec![7], 1, true)), "warmed: {warmed}");
        worker.join().unwrap();
    }
}

/// Does to `signal` all that a receiver could, leaves it as it was, and returns the number of its
/// receivers.
///
/// Its own sends may call the receiver that called it: those calls have no effect.
fn use_everything(signal: &'static Asked, identity: Option<Identity>) -> u32 {
    thread_local! {
        static BUSY: Cell<bool> = const { Cell::new(false) };
    }
    if BUSY.replace(true) {
        return 0;
    }
    let before = signal.receiver_count();
    let looked = |added: usize| {
        assert_eq!(signal.receiver_count(), before + added);
        assert_eq!(signal.connections().len(), before + added);
        assert_eq!(
            signal.from("everything").has_listeners(),
            before + added > 0
        );
    };
    let target = Arc::new(1);
    let mine = signal.connect(move |_, ()| before as u32);
    signal.connect_weak(&target, |target: &u32, _, ()| *target);
    signal
        .options()
        .sender("everything")
        .once()
        .connect(|_, ()| 2);
    signal.change(|changes| {
        changes
            .options()
            .dispatch_uid("everything")
            .connect(|_, ()| 3)
    });
    looked(4);
    assert!(signal.from("everything").send(&()).len() >= 4);
    looked(3);
    assert!(signal.send_robust(&()).all_ok());
    assert!(signal.send_until(&(), |_| true).is_some());
    assert!(signal.emitter().send(&()).len() >= 3);
    if let Some(identity) = identity {
        signal.options().sender(&identity).connect(|_, ()| 4);
        looked(4);
        drop(identity);
    }
    drop(target);
    assert_eq!(signal.purge(), 1);
    assert!(signal.disconnect_uid("everything"));
    assert!(mine.disconnect());
    assert!(unmatched_senders(signal).is_empty());
    looked(0);
    BUSY.set(false);
    before as u32
}

fn plain(_: Sender<'_>, (): &()) -> u32 {
    0
}

struct AtDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}

/// Runs `test` in a thread and fails if it does not end: a hang becomes a failure with a name.
fn finishes(test: impl FnOnce() + Send + 'static) {
    let (done, ends) = mpsc::channel();
    let worker = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match ends.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => worker
            .join()
            .unwrap_or_else(|payload| std::panic::resume_unwind(payload)),
    }
}
