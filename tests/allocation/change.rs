//! `Signal::change`: one publication for many receivers, in order, duplicates left out, and never
//! quadratic.

use fanfare::connections::purged;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use fanfare::connections::Changes;
use fanfare::{Identity, Sender, Signal};

type Asked = Signal<(), u32>;
/// The name of a way of connecting, and the way.
type Kind = (&'static str, fn(&mut Changes<(), u32>, u32));

#[test]
fn all_are_connected_in_their_order() {
    let signal = Asked::new();
    signal.connect(|_, ()| 100);
    let connections = signal.change(|changes| (0..5).for_each(|value| number(changes, value)));
    signal.connect(|_, ()| 200);
    assert!(
        connections
            .iter()
            .all(|connection| connection.is_new() && connection.is_connected())
    );
    assert!(connections.is_sorted_by_key(|connection| connection.id()));
    assert_eq!(*signal.send(&()), [100, 0, 1, 2, 3, 4, 200]);
    let ids: Vec<_> = signal.send(&()).pairs().map(|(id, _)| id).collect();
    assert_eq!(
        ids[1..6],
        connections
            .iter()
            .map(|connection| connection.id())
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_change_without_steps_changes_nothing() {
    let signal = Asked::new();
    assert!(signal.change(|_| ()).is_empty());
    assert_eq!(signal.receiver_count(), 0);
    signal.connect(|_, ()| 1);
    assert!(signal.change(|_| ()).is_empty());
    assert_eq!(*signal.send(&()), [1]);
    signal.freeze();
    assert!(signal.change(|_| ()).is_empty());
}

#[test]
fn each_keeps_its_own_options() {
    let signal = Asked::new();
    let identity = Identity::new();
    let target = Arc::new(6_u32);
    let connections = signal.change(|changes| {
        changes.options().priority(-1).connect(|_, ()| 1);
        changes.options().sender("a").connect(|_, ()| 2);
        let options = changes.options().sender(&identity).priority(9);
        options.connect(|_, ()| 3);
        changes.options().once().connect(|_, ()| 4);
        let options = changes.options().dispatch_uid("u").name("five");
        options.priority(1).connect(|_, ()| 5);
        let options = changes.options();
        options.connect_weak(&target, |target: &u32, _, ()| *target);
    });
    assert_eq!(connections.len(), 6);
    assert_eq!(*signal.from("a").send(&()), [5, 2, 4, 6, 1]);
    assert_eq!(*signal.from(&identity).send(&()), [3, 5, 6, 1]);
    drop(target);
    assert_eq!(*signal.from("a").send(&()), [5, 2, 1]);
    assert!(
        signal
            .connections()
            .iter()
            .any(|info| info.name == "five" && info.dispatch_uid.as_deref() == Some("u"))
    );
    assert!(signal.disconnect_uid("u"));
    drop(identity);
    assert_eq!(signal.receiver_count(), 2);
}

#[test]
fn what_was_connected_before_stays_and_is_handed_back() {
    let signal = Asked::new();
    let first = signal.connect(one);
    let connections = signal.change(|changes| {
        changes.options().priority(7).connect(one);
        changes.connect(|_, ()| 2);
    });
    assert_eq!(
        (
            connections[0].id(),
            connections[0].is_new(),
            connections[1].is_new()
        ),
        (first.id(), false, true)
    );
    assert_eq!(*signal.send(&()), [1, 2]);
    assert_eq!(signal.connections()[0].priority, 0);
}

#[test]
fn within_one_batch_the_first_wins_too() {
    let signal = Asked::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let guards = [0, 1, 2].map(|_| CountAtDrop(Arc::clone(&dropped)));
    let connections = signal.change(|changes| {
        for (guard, value) in guards.into_iter().zip(0..) {
            changes.options().dispatch_uid("u").connect(move |_, ()| {
                let _held = &guard;
                value
            });
        }
        changes.connect(one);
        changes.options().sender("a").connect(one);
        changes.connect(one);
    });
    let news: Vec<_> = connections
        .iter()
        .map(|connection| connection.is_new())
        .collect();
    assert_eq!(news, [true, false, false, true, true, false]);
    assert!(
        connections[..3]
            .iter()
            .all(|connection| connection.id() == connections[0].id())
    );
    assert_eq!(connections[5].id(), connections[3].id());
    assert_eq!(*signal.send(&()), [0, 1]);
    assert_eq!(
        dropped.load(Ordering::Relaxed),
        2,
        "what was left out is dropped"
    );
    assert!(connections[2].disconnect());
    assert_eq!(
        (signal.receiver_count(), dropped.load(Ordering::Relaxed)),
        (2, 3)
    );
}

#[test]
fn a_key_whose_holder_died_is_free_for_the_batch() {
    let signal = Asked::new();
    let target = Arc::new(0_u32);
    let dead = signal
        .options()
        .dispatch_uid("u")
        .connect_weak(&target, |target: &u32, _, ()| *target);
    drop(target);
    let connections = signal.change(|changes| {
        changes.options().dispatch_uid("u").connect(|_, ()| 1);
        changes.options().dispatch_uid("u").connect(|_, ()| 2);
    });
    assert_eq!(
        connections
            .iter()
            .map(|connection| connection.is_new())
            .collect::<Vec<_>>(),
        [true, false]
    );
    assert!(!dead.is_connected());
    assert_eq!(*signal.send(&()), [1]);
    assert_eq!((signal.receiver_count(), purged(&signal)), (1, 1));
}

#[test]
fn nothing_of_it_is_seen_before_its_end() {
    let signal = Asked::new();
    let connections = signal.change(|changes| {
        for value in 0..10 {
            number(changes, value);
            assert!(signal.receiver_count() == 0 && !signal.has_listeners());
            assert!(signal.send(&()).is_empty());
        }
    });
    assert_eq!((connections.len(), signal.receiver_count()), (10, 10));
}

/// A send on another thread counts all of a batch or none of it.
#[test]
fn a_send_sees_all_of_it_or_none() {
    const MANY: usize = 200;
    let signal = Asked::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Acquire) {
                let (any, named) = (signal.send(&()).len(), signal.from("a").send(&()).len());
                assert!(any == 0 || any == MANY, "{any} of {MANY}");
                assert!(named == 0 || named == 2 * MANY, "{named} of {}", 2 * MANY);
                seen += usize::from(any == MANY);
            }
            seen
        });
        for _ in 0..50 {
            signal.change(|changes| {
                for value in 0..MANY as u32 {
                    number(changes, value);
                    let options = changes.options().sender("a");
                    options.connect(move |_, ()| value);
                }
            });
            assert_eq!(signal.disconnect_all(), 2 * MANY);
        }
        done.store(true, Ordering::Release);
        sender.join().unwrap();
    });
}

#[test]
fn the_receivers_of_a_change_that_panics_are_dropped() {
    let signal = Asked::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = CountAtDrop(Arc::clone(&dropped));
    let changed = catch_unwind(AssertUnwindSafe(|| {
        signal.change(|changes| {
            changes.options().dispatch_uid("u").connect(move |_, ()| {
                let _held = &guard;
                1
            });
            panic!("no change");
        })
    }));
    assert!(changed.is_err());
    assert_eq!(signal.receiver_count(), 0);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    assert!(
        signal
            .options()
            .dispatch_uid("u")
            .connect(|_, ()| 2)
            .is_new()
    );
}

/// Otherwise nothing could disconnect the receiver by its sender.
#[test]
fn a_receiver_of_an_identity_that_died_in_the_change_is_not_kept() {
    let signal = Asked::new();
    let identity = Identity::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = CountAtDrop(Arc::clone(&dropped));
    signal.change(|changes| {
        changes.options().sender(&identity).connect(move |_, ()| {
            let _held = &guard;
            1
        });
        drop(identity);
    });
    assert_eq!(
        (signal.receiver_count(), dropped.load(Ordering::Relaxed)),
        (0, 1)
    );
}

#[test]
fn a_hundred_thousand_are_all_there() {
    let signal = Asked::new();
    let connections =
        signal.change(|changes| (0..100_000).for_each(|value| number(changes, value)));
    assert_eq!(
        (connections.len(), signal.receiver_count()),
        (100_000, 100_000)
    );
    let responses = signal.send(&());
    assert!(responses.iter().copied().eq(0..100_000));
    for connection in connections.iter().step_by(3) {
        assert!(connection.disconnect());
    }
    assert!(
        signal
            .send(&())
            .iter()
            .copied()
            .eq((0..100_000).filter(|value| value % 3 != 0))
    );
    assert_eq!(signal.disconnect_all(), 66_666);
    assert!(
        connections
            .iter()
            .all(|connection| !connection.is_connected())
    );
}

/// What a batch allocates in all, per receiver, does not grow with the batch.
#[test]
fn a_batch_costs_the_same_for_each_receiver_however_large() {
    let kinds: [Kind; 4] = [
        ("any", number),
        ("uids", |changes, value| {
            let options = changes.options().dispatch_uid(value.to_string());
            options.connect(one);
        }),
        ("a sender each", |changes, value| {
            changes.options().sender(u64::from(value)).connect(one);
        }),
        ("priorities", |changes, value| {
            let options = changes.options().priority((value % 17) as i32);
            options.connect(move |_, ()| value);
        }),
    ];
    for (kind, connect) in kinds {
        let per_receiver = [1_000, 100_000].map(|many| {
            let signal = Asked::new();
            let bytes = allocated(|| {
                signal.change(|changes| (0..many).for_each(|value| connect(changes, value)));
            });
            bytes / f64::from(many)
        });
        let [small, large] = per_receiver;
        assert!(
            large < 3.0 * small,
            "{kind}: {small:.0} bytes each for 1,000, {large:.0} for 100,000"
        );
    }
}

/// One by one it costs more, but not by the number of those connected before.
#[test]
fn one_connect_and_disconnect_among_many_costs_hardly_more_than_among_few() {
    let kinds: [Kind; 3] = [
        ("any", number),
        ("a sender each", |changes, value| {
            changes.options().sender(u64::from(value)).connect(one);
        }),
        ("priorities", |changes, value| {
            let options = changes.options().priority((value % 17) as i32);
            options.connect(move |_, ()| value);
        }),
    ];
    for (kind, connect) in kinds {
        let per_change = [1_000, 100_000].map(|many| {
            let signal = Asked::new();
            let connections =
                signal.change(|changes| (0..many).for_each(|value| connect(changes, value)));
            let bytes = allocated(|| {
                for step in 0..100 {
                    connections[(step * 7_919 + 13) % connections.len()].disconnect();
                    signal.change(|changes| connect(changes, many + step as u32));
                }
            });
            bytes / 100.0
        });
        let [few, many] = per_change;
        assert!(
            many < 5.0 * few,
            "{kind}: {few:.0} bytes among 1,000, {many:.0} among 100,000"
        );
    }
}

/// Each takes the place of the dead one before it.
#[test]
fn a_batch_of_the_dead_under_one_uid_keeps_the_living() {
    let signal = Asked::new();
    let connections = signal.change(|changes| {
        (0..2_000).for_each(|value| number(changes, value));
        for _ in 0..2_000 {
            let options = changes.options().dispatch_uid("u");
            options.connect_weak(&Arc::new(1_u32), |target: &u32, _, ()| *target);
        }
    });
    let connected = connections
        .iter()
        .filter(|connection| connection.is_connected());
    assert_eq!(connected.count(), 2_000);
    assert!(signal.options().dispatch_uid("u").connect(one).is_new());
    assert_eq!((signal.receiver_count(), purged(&signal)), (2_001, 2_000));
    assert_eq!(signal.send(&()).len(), 2_001);
}

fn one(_: Sender<'_>, (): &()) -> u32 {
    1
}

/// Connects a receiver that captures its number, for any sender.
fn number(changes: &mut Changes<(), u32>, value: u32) {
    changes.connect(move |_, ()| value);
}

struct CountAtDrop(Arc<AtomicUsize>);

impl Drop for CountAtDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many bytes `work` asked for on this thread, given back or not.
fn allocated(work: impl FnOnce()) -> f64 {
    allocation_counter::measure(work).bytes_total as f64
}
