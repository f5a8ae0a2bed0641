//! A weak receiver lives as long as its target; the dead are counted and go.

use fanfare::connections::purged;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use fanfare::{Sender, Signal};

type Asked = Signal<(), u32>;

#[test]
fn a_weak_receiver_is_disconnected_by_target_method_and_sender() {
    let signal = Asked::new();
    let target = Arc::new(3);
    signal.connect_weak(&target, read);
    signal.options().sender("a").connect_weak(&target, read);
    assert!(!signal.options().sender("b").disconnect_weak(&target, read));
    assert!(
        !signal
            .options()
            .sender("a")
            .disconnect_weak(&Arc::new(3), read)
    );
    assert!(signal.options().sender("a").disconnect_weak(&target, read));
    assert_eq!(*signal.from("a").send(&()), [3]);
    assert!(signal.options().disconnect_weak(&target, read));
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn disconnect_weak_for_any_sender_leaves_those_of_one_sender() {
    let signal = Asked::new();
    let target = Arc::new(3);
    signal.options().sender("a").connect_weak(&target, read);
    signal.connect_weak(&target, read);
    signal.options().sender("b").connect_weak(&target, read);
    assert!(signal.options().disconnect_weak(&target, read));
    assert_eq!(*signal.from("a").send(&()), [3]);
    assert_eq!(*signal.from("b").send(&()), [3]);
    assert!(signal.send(&()).is_empty());
    assert!(
        !signal.options().disconnect_weak(&target, read),
        "there is none for any sender"
    );
    assert_eq!(signal.receiver_count(), 2);
    assert!(signal.options().sender("a").disconnect_weak(&target, read));
    assert_eq!(
        (
            signal.from("a").send(&()).len(),
            *signal.from("b").send(&())[..].first().unwrap()
        ),
        (0, 3)
    );
}

#[test]
fn disconnect_weak_from_a_sender_leaves_those_of_any_sender() {
    let signal = Asked::new();
    let target = Arc::new(3);
    signal.connect_weak(&target, read);
    signal.options().sender("a").connect_weak(&target, read);
    assert!(signal.options().sender("a").disconnect_weak(&target, read));
    assert_eq!(*signal.from("a").send(&()), [3]);
    assert!(!signal.options().sender("a").disconnect_weak(&target, read));
    assert_eq!(signal.receiver_count(), 1);
}

#[test]
fn a_weak_receiver_runs_while_its_target_lives_and_does_not_keep_it() {
    let signal = Asked::new();
    let target = Arc::new(3);
    let connection = signal.connect_weak(&target, read);
    assert_eq!(Arc::strong_count(&target), 1);
    assert_eq!(*signal.send(&()), [3]);
    assert_eq!(
        Arc::strong_count(&target),
        1,
        "nor does a send, once it is over"
    );
    assert!(connection.is_connected());
    assert_eq!(Arc::into_inner(target), Some(3));
    assert!(signal.send(&()).is_empty());
    assert!(!connection.is_connected());
}

#[test]
fn one_send_takes_out_all_the_dead_of_its_sender_and_counts_them() {
    let signal = Asked::new();
    let targets: Vec<_> = (0..3_000).map(Arc::new).collect();
    for (target, sender) in targets.iter().zip(["a", "b"].into_iter().cycle()) {
        match **target % 3 == 0 {
            true => signal.connect_weak(target, read),
            false => signal.options().sender(sender).connect_weak(target, read),
        };
    }
    drop(targets);
    assert_eq!((signal.receiver_count(), purged(&signal)), (3_000, 0));
    assert!(signal.from("a").send(&()).is_empty());
    assert_eq!((signal.receiver_count(), purged(&signal)), (1_000, 2_000));
    assert!(signal.from("b").send(&()).is_empty());
    assert_eq!((signal.receiver_count(), purged(&signal)), (0, 3_000));
}

/// A way of sending that a living receiver may stop.
type Way = fn(&Asked) -> bool;

/// The dead before a living receiver, at which some ways stop, and the dead behind it.
#[test]
fn every_way_of_sending_takes_out_all_the_dead_that_it_meets() {
    #[allow(unused_mut, reason = "features add more")]
    let mut ways: Vec<(&str, Way)> = vec![
        ("send", |signal| signal.from("n").send(&()).len() == 1),
        ("send_robust", |signal| {
            signal.from("n").send_robust(&()).len() == 1
        }),
        ("send_until", |signal| {
            signal.from("n").send_until(&(), |_| true).is_some()
        }),
        ("send_each", |signal| {
            signal
                .from("n")
                .send_each(&(), |_, _| std::ops::ControlFlow::Break(()))
                .is_break()
        }),
        ("send_batch", |signal| {
            signal.from("n").send_batch(&[(), ()]).len() == 2
        }),
        ("emitter", |signal| {
            signal.emitter().from("n").send(&()).len() == 1
        }),
    ];
    #[cfg(feature = "rayon")]
    ways.push(("send_parallel", |signal| {
        signal.from("n").send_parallel(&()).len() == 1
    }));
    #[cfg(feature = "async")]
    ways.extend::<[(&str, Way); 2]>([
        ("asend", |signal| {
            smol::block_on(signal.from("n").asend(&())).len() == 1
        }),
        ("asend_robust", |signal| {
            smol::block_on(signal.from("n").asend_robust(&())).len() == 1
        }),
    ]);
    for (way, send) in ways {
        let signal = Asked::new();
        let targets: Vec<_> = (0..1_000).map(Arc::new).collect();
        let (before, behind) = targets.split_at(500);
        let connect = |target| signal.options().sender("n").connect_weak(target, read);
        before.iter().for_each(|target| drop(connect(target)));
        let living = signal.connect(|_, ()| 7);
        behind.iter().for_each(|target| drop(connect(target)));
        drop(targets);
        assert!(send(&signal), "{way} reaches the living receiver");
        assert_eq!(
            (signal.receiver_count(), purged(&signal)),
            (1, 1_000),
            "{way}"
        );
        assert!(living.is_connected(), "{way}");
    }
}

/// Otherwise a program that looks before it sends would pay for the dead at each look.
#[test]
fn has_listeners_takes_out_the_dead_that_it_passes() {
    let signal = Asked::new();
    for value in 0..10 {
        signal.connect_weak(&Arc::new(value), read);
    }
    assert!(!signal.from("n").has_listeners());
    assert_eq!((signal.receiver_count(), purged(&signal)), (0, 10));

    signal.connect_weak(&Arc::new(1), read);
    signal.connect(|_, ()| 7);
    assert!(signal.from("n").has_listeners());
    assert_eq!((signal.receiver_count(), purged(&signal)), (1, 11));
}

#[test]
fn the_dead_of_other_senders_go_by_a_purge() {
    let signal = Asked::new();
    let target = Arc::new(1);
    signal
        .options()
        .sender("never sent from")
        .connect_weak(&target, read);
    drop(target);
    signal.from("another").send(&());
    let left = signal.receiver_count();
    assert_eq!(
        (signal.purge(), purged(&signal), signal.receiver_count()),
        (left, 1, 0)
    );
}

/// Without a single send, connects alone must not pile up the dead.
#[test]
fn connects_take_the_dead_away() {
    let signal = Asked::new();
    for value in 0..10_000 {
        signal.connect_weak(&Arc::new(value), read);
    }
    assert!(
        signal.receiver_count() < 1_000,
        "{} of 10,000 dead are held",
        signal.receiver_count()
    );
    assert_eq!(signal.receiver_count() as u64 + purged(&signal), 10_000);
    let kept = Arc::new(1);
    for value in 0..10_000_u64 {
        signal.options().sender(value).connect_weak(&kept, read);
        signal
            .options()
            .sender(value)
            .connect_weak(&Arc::new(2), read);
    }
    assert!(
        signal.receiver_count() < 25_000,
        "{} are held for 10,000 alive",
        signal.receiver_count()
    );
    signal.purge();
    assert_eq!((signal.receiver_count(), purged(&signal)), (10_000, 20_000));
}

#[test]
fn every_way_of_sending_skips_the_dead() {
    let ways: [fn(&Asked) -> usize; 5] = [
        |signal| signal.from("n").send(&()).len(),
        |signal| signal.from("n").send_robust(&()).len(),
        |signal| usize::from(signal.from("n").send_until(&(), |_| true).is_some()),
        |signal| {
            usize::from(
                signal
                    .from("n")
                    .send_each(&(), |_, _| std::ops::ControlFlow::Break(()))
                    .is_break(),
            )
        },
        |signal| signal.emitter().from("n").send(&()).len(),
    ];
    for (way, send) in ways.iter().enumerate() {
        let signal = Asked::new();
        let target = Arc::new(1);
        signal.options().sender("n").connect_weak(&target, read);
        assert_eq!(send(&signal), 1, "way {way}");
        drop(target);
        assert_eq!(send(&signal), 0, "way {way}");
        assert_eq!(
            (signal.receiver_count(), purged(&signal)),
            (0, 1),
            "way {way}"
        );
    }
}

#[test]
fn the_same_method_of_the_same_target_is_one_connection() {
    let signal = Asked::new();
    let (left, right) = (Arc::new(1), Arc::new(1));
    assert!(signal.connect_weak(&left, read).is_new());
    assert!(!signal.connect_weak(&left, read).is_new());
    assert!(!signal.connect_weak(&Arc::clone(&left), read).is_new());
    assert!(
        signal.connect_weak(&right, read).is_new(),
        "equal is not the same"
    );
    assert!(signal.connect_weak(&left, double).is_new());
    assert!(
        signal
            .options()
            .sender("a")
            .connect_weak(&left, read)
            .is_new()
    );
    let offset = 5;
    for _ in 0..2 {
        assert!(
            signal
                .connect_weak(&left, move |target: &u32, _, ()| target + offset)
                .is_new(),
            "what captures is always new"
        );
    }
    assert_eq!(*signal.from("a").send(&()), [1, 1, 2, 1, 6, 6]);
    assert!(signal.options().disconnect_weak(&left, read));
    assert!(
        !signal.options().disconnect_weak(&left, read),
        "the one for a sender is another"
    );
    assert_eq!(*signal.send(&()), [1, 2, 6, 6]);
}

/// Two targets of no size may share an address with anything; the allocation distinguishes them.
#[test]
fn targets_without_a_size_are_distinguished() {
    struct Nothing;
    let signal = Asked::new();
    let targets = [const { Nothing }; 3].map(Arc::new);
    for target in &targets {
        assert!(signal.connect_weak(target, |_: &Nothing, _, ()| 1).is_new());
    }
    assert_eq!(signal.send(&()).len(), 3);
}

/// The key is not an address that the next target could inherit.
#[test]
fn a_new_target_at_the_same_address_is_new() {
    let signal = Asked::new();
    for round in 0..200 {
        let target = Arc::new(round);
        assert!(signal.connect_weak(&target, read).is_new(), "round {round}");
        assert_eq!(*signal.send(&()), [round]);
        drop(target);
        let next = Arc::new(round + 1_000);
        assert!(signal.connect_weak(&next, read).is_new(), "round {round}");
        assert_eq!(*signal.send(&()), [round + 1_000]);
    }
    signal.purge();
    assert_eq!(purged(&signal), 400);
}

#[test]
fn dropped_during_a_send_it_still_runs_and_dies_after() {
    let drops = Arc::new(AtomicUsize::new(0));
    let signal = Asked::new();
    let target = Arc::new(Mortal(Arc::clone(&drops)));
    let last = Mutex::new(Some(Arc::clone(&target)));
    signal.connect(move |_, ()| last.lock().unwrap().take().map_or(0, |_| 1));
    signal.connect_weak(&target, Mortal::deaths);
    signal.connect_weak(&target, |mortal: &Mortal, _, ()| {
        mortal.0.load(Ordering::Relaxed) as u32 + 10
    });
    drop(target);
    assert_eq!(*signal.send(&()), [1, 0, 10], "alive to the last receiver");
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(*signal.send(&()), [0]);
    assert_eq!((signal.receiver_count(), purged(&signal)), (1, 2));
}

#[test]
fn dropped_by_another_thread_during_a_send_it_still_runs() {
    static SIGNAL: Asked = Asked::new();
    let (running, runs) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let goes = Mutex::new(goes);
    let blocking = SIGNAL.connect(move |_, ()| {
        running.send(()).unwrap();
        goes.lock().unwrap().recv().unwrap();
        1
    });
    let target = Arc::new(2);
    SIGNAL.connect_weak(&target, read);
    let send = thread::spawn(|| SIGNAL.send(&()).to_vec());
    runs.recv().unwrap();
    drop(target);
    go.send(()).unwrap();
    assert_eq!(send.join().unwrap(), [1, 2]);
    blocking.disconnect();
    assert!(SIGNAL.send(&()).is_empty());
}

#[test]
fn a_send_that_panics_releases_the_targets() {
    let signal = Asked::new();
    let target = Arc::new(1);
    signal.connect_weak(&target, read);
    signal.connect(|_, ()| panic!("after it"));
    signal.connect_weak(&target, double);
    assert!(catch_unwind(AssertUnwindSafe(|| signal.send(&()))).is_err());
    assert_eq!(Arc::strong_count(&target), 1);
    assert!(!signal.send_robust(&()).all_ok());
    assert_eq!(Arc::strong_count(&target), 1);
}

#[test]
fn disconnecting_frees_the_allocation_and_the_captures_of_the_method() {
    let signal = Asked::new();
    let target = Arc::new(1);
    let held = Arc::new(());
    let captured = Arc::clone(&held);
    let connection = signal.connect_weak(&target, move |target: &u32, _, ()| {
        target + Arc::strong_count(&captured) as u32
    });
    assert_eq!((Arc::weak_count(&target), Arc::strong_count(&held)), (1, 2));
    assert!(connection.disconnect());
    assert_eq!((Arc::weak_count(&target), Arc::strong_count(&held)), (0, 1));
    assert_eq!(purged(&signal), 0, "it was disconnected, it did not die");
}

#[test]
fn a_target_may_disconnect_itself_in_its_destructor() {
    static SIGNAL: Asked = Asked::new();
    struct Leaving(Mutex<Option<fanfare::Connection>>, Arc<AtomicUsize>);
    impl Drop for Leaving {
        fn drop(&mut self) {
            let connection = self.0.get_mut().unwrap().take().unwrap();
            self.1
                .store(1 + usize::from(connection.disconnect()), Ordering::Relaxed);
        }
    }
    let outcome = Arc::new(AtomicUsize::new(0));
    let target = Arc::new(Leaving(Mutex::new(None), Arc::clone(&outcome)));
    let connection = SIGNAL.connect_weak(&target, |_: &Leaving, _, ()| 1);
    *target.0.lock().unwrap() = Some(connection);
    drop(target);
    assert_ne!(outcome.load(Ordering::Relaxed), 0, "it came back");
    assert!(SIGNAL.send(&()).is_empty());
    assert_eq!(SIGNAL.receiver_count(), 0);
}

struct Mortal(Arc<AtomicUsize>);

impl Mortal {
    fn deaths(&self, _: Sender<'_>, (): &()) -> u32 {
        self.0.load(Ordering::Relaxed) as u32
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(target: &u32, _: Sender<'_>, (): &()) -> u32 {
    *target
}

fn double(target: &u32, _: Sender<'_>, (): &()) -> u32 {
    *target * 2
}
