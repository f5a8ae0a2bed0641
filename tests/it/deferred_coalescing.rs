//! One of several equal events is delivered: the latest, in its place of recording, unless it is
//! rolled back.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::deferred::Savepoint;
use fanfare::{Deferred, Event, Identity, Sender, Signal};

/// The event, which counts its living copies.
struct Change {
    text: String,
    alive: Arc<AtomicUsize>,
}

impl Event for Change {
    type Args<'a> = Change;
}

impl Drop for Change {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct World {
    changed: Signal<Change>,
    seen: Arc<Mutex<Vec<String>>>,
    alive: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let world = World::default();
        let seen = Arc::clone(&world.seen);
        let note = move |_: Sender<'_>, change: &Change| {
            seen.lock().unwrap().push(change.text.clone());
        };
        world.changed.connect(note);
        world
    }

    fn change(&self, text: impl Into<String>) -> Change {
        self.alive.fetch_add(1, Ordering::Relaxed);
        Change {
            text: text.into(),
            alive: Arc::clone(&self.alive),
        }
    }

    /// Records changes of rows, `7 blue` for row 7.
    fn record<'s>(&'s self, deferred: &mut Deferred<'s>, changes: &[&str]) {
        for text in changes {
            let row: u32 = text.split(' ').next().unwrap().parse().unwrap();
            deferred.record_coalesced(&self.changed, self.change(*text), row);
        }
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    fn committed(&self, deferred: &mut Deferred<'_>) -> Vec<String> {
        let expected = deferred.len();
        let delivered = deferred.commit();
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert_eq!((delivered, seen.len()), (expected, expected));
        assert_eq!(self.alive(), 0);
        seen
    }
}

#[test]
fn the_latest_is_delivered_once_at_its_own_place() {
    let world = World::new();
    let mut deferred = Deferred::new();
    world.record(
        &mut deferred,
        &["7 red", "8 red", "7 green", "9 red", "7 blue", "8 blue"],
    );
    assert_eq!(deferred.len(), 3);
    assert_eq!(
        world.committed(&mut deferred),
        ["9 red", "7 blue", "8 blue"]
    );
    world.record(&mut deferred, &["7 white"]);
    assert_eq!(world.committed(&mut deferred), ["7 white"]);
}

#[test]
fn a_replaced_event_is_dropped_at_once_if_no_rollback_can_bring_it_back() {
    let world = World::new();
    let mut deferred = Deferred::new();
    world.record(&mut deferred, &["7 red"; 1_000]);
    assert_eq!(world.alive(), 1);
    let savepoint = deferred.savepoint();
    world.record(&mut deferred, &["7 green"; 1_000]);
    assert_eq!((world.alive(), deferred.len()), (2, 1));
    let inner = deferred.savepoint();
    world.record(&mut deferred, &["7 blue"; 1_000]);
    assert_eq!((world.alive(), deferred.len()), (3, 1));
    deferred.release(inner).unwrap();
    assert_eq!((world.alive(), deferred.len()), (2, 1));
    deferred.release(savepoint).unwrap();
    assert_eq!((world.alive(), deferred.len()), (1, 1));
    assert_eq!(world.committed(&mut deferred), ["7 blue"]);
}

#[test]
fn a_rollback_brings_replaced_events_back_to_their_places() {
    let world = World::new();
    let mut deferred = Deferred::new();
    world.record(&mut deferred, &["7 red", "8 red"]);
    let outer = deferred.savepoint();
    world.record(&mut deferred, &["7 green", "9 red", "7 lime"]);
    let inner = deferred.savepoint();
    world.record(&mut deferred, &["7 blue", "8 blue", "9 blue"]);

    deferred.rollback_to(inner).unwrap();
    assert_eq!((world.alive(), deferred.len()), (4, 3));
    world.record(&mut deferred, &["9 white"]);
    deferred.rollback_to(inner).unwrap();
    world.record(&mut deferred, &["7 black"]);
    assert_eq!(
        deferred.len(),
        3,
        "what came back is replaced like any other"
    );
    deferred.rollback_to(outer).unwrap();
    assert_eq!((world.alive(), deferred.len()), (2, 2));
    assert_eq!(world.committed(&mut deferred), ["7 red", "8 red"]);
}

/// Two savepoints lie between the replaced event and the one that replaces it.
#[test]
fn any_of_the_savepoints_in_between_brings_it_back() {
    let world = World::new();
    for way in 0..4 {
        let mut deferred = Deferred::new();
        world.record(&mut deferred, &["7 red"]);
        let outer = deferred.savepoint();
        let inner = deferred.savepoint();
        world.record(&mut deferred, &["7 blue"]);
        let expected = match way {
            0 => {
                deferred.rollback_to(inner).unwrap();
                "7 red"
            }
            1 => {
                deferred.rollback_to(outer).unwrap();
                "7 red"
            }
            2 => {
                deferred.release(inner).unwrap();
                assert_eq!(world.alive(), 2);
                deferred.rollback_to(outer).unwrap();
                "7 red"
            }
            _ => {
                deferred.release(outer).unwrap();
                "7 blue"
            }
        };
        assert_eq!(world.alive(), 1, "way {way}");
        assert_eq!(world.committed(&mut deferred), [expected], "way {way}");
    }
}

/// `1 [a 2 [b 3 [c 4` of one row, with the levels taken back and merged in every order.
#[test]
fn a_chain_through_three_levels_comes_back_link_by_link() {
    type Way = fn(&mut Deferred<'_>, [Savepoint; 3]);
    let ways: [(Way, &str, usize); 7] = [
        (|_, _| (), "7 4", 4),
        (|it, [_, _, c]| it.rollback_to(c).unwrap(), "7 3", 3),
        (|it, [_, b, _]| it.rollback_to(b).unwrap(), "7 2", 2),
        (|it, [a, _, _]| it.rollback_to(a).unwrap(), "7 1", 1),
        (|it, [_, b, _]| it.release(b).unwrap(), "7 4", 2),
        (
            |it, [_, b, c]| {
                it.release(c).unwrap();
                it.rollback_to(b).unwrap();
            },
            "7 2",
            2,
        ),
        (
            |it, [a, b, c]| {
                it.rollback_to(c).unwrap();
                it.release(b).unwrap();
                it.rollback_to(a).unwrap();
            },
            "7 1",
            1,
        ),
    ];
    let world = World::new();
    for (way, (step, expected, alive)) in ways.into_iter().enumerate() {
        let mut deferred = Deferred::new();
        world.record(&mut deferred, &["7 1"]);
        let a = deferred.savepoint();
        world.record(&mut deferred, &["7 2"]);
        let b = deferred.savepoint();
        world.record(&mut deferred, &["7 3"]);
        let c = deferred.savepoint();
        world.record(&mut deferred, &["7 4"]);
        step(&mut deferred, [a, b, c]);
        assert_eq!((world.alive(), deferred.len()), (alive, 1), "way {way}");
        assert_eq!(world.committed(&mut deferred), [expected], "way {way}");
    }
}

#[test]
fn another_signal_another_sender_or_another_type_of_key_is_another_event() {
    struct Till;
    let (world, other) = (World::new(), World::new());
    let (door, window) = (Identity::new(), Identity::new());
    let mut deferred = Deferred::new();
    for round in ["old", "new"] {
        deferred.record_coalesced(&world.changed, world.change(round), 7_u32);
        deferred.record_coalesced(&other.changed, other.change(round), 7_u32);
        deferred.record_coalesced(&world.changed, world.change(round), 7_u64);
        deferred.record_coalesced(&world.changed, world.change(round), "7");
        deferred.record_coalesced(world.changed.from("7"), world.change(round), 7_u32);
        deferred.record_coalesced(world.changed.from(7_u64), world.change(round), 7_u32);
        deferred.record_coalesced(world.changed.from(&door), world.change(round), 7_u32);
        deferred.record_coalesced(world.changed.from(&window), world.change(round), 7_u32);
        deferred.record_coalesced(
            world.changed.from(Sender::of::<Till>()),
            world.change(round),
            7_u32,
        );
        deferred.record_coalesced(&world.changed, world.change(round), ());
    }
    assert_eq!(deferred.len(), 10);
    assert_eq!((world.alive(), other.alive()), (9, 1));
    assert_eq!(deferred.commit(), 10);
    assert_eq!(*world.seen.lock().unwrap(), ["new"; 9]);
    assert_eq!(*other.seen.lock().unwrap(), ["new"]);
}

/// Two signals that follow one another in memory, and share their types.
#[test]
fn signals_beside_each_other_in_memory_do_not_coalesce() {
    let signals: [Signal<u32>; 8] = std::array::from_fn(|_| Signal::new());
    let mut deferred = Deferred::new();
    for signal in signals.iter().chain(&signals) {
        deferred.record_coalesced(signal, 1, "key");
    }
    assert_eq!(deferred.len(), 8);
}

#[test]
fn plain_sends_stand_for_themselves() {
    let world = World::new();
    let mut deferred = Deferred::new();
    deferred.record(&world.changed, world.change("plain 1"));
    deferred.record_coalesced(&world.changed, world.change("keyed 1"), ());
    deferred.record(&world.changed, world.change("plain 2"));
    deferred.record_coalesced(&world.changed, world.change("keyed 2"), ());
    deferred.record(&world.changed, world.change("plain 3"));
    assert_eq!(
        world.committed(&mut deferred),
        ["plain 1", "plain 2", "keyed 2", "plain 3"]
    );
}

/// All have the same hash, and only `Eq` distinguishes them.
#[derive(PartialEq, Eq)]
struct Colliding(u32);

impl Hash for Colliding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(0);
    }
}

#[test]
fn keys_of_one_hash_are_distinguished() {
    let world = World::new();
    let mut deferred = Deferred::new();
    for row in (0..20).chain(10..15) {
        let change = world.change(format!("{row}"));
        deferred.record_coalesced(&world.changed, change, Colliding(row));
    }
    let savepoint = deferred.savepoint();
    for row in (0..30).rev() {
        let change = world.change("rolled back");
        deferred.record_coalesced(&world.changed, change, Colliding(row));
    }
    assert_eq!(deferred.len(), 30);
    deferred.rollback_to(savepoint).unwrap();
    assert_eq!((deferred.len(), world.alive()), (20, 20));
    let expected: Vec<_> = (0..10)
        .chain(15..20)
        .chain(10..15)
        .map(|row| row.to_string())
        .collect();
    assert_eq!(world.committed(&mut deferred), expected);
}

/// A key that is not equal to any key, not even to itself, does not coalesce.
#[test]
fn a_key_that_breaks_the_rules_of_eq_does_not_coalesce() {
    struct Odd;
    impl PartialEq for Odd {
        fn eq(&self, _: &Self) -> bool {
            false
        }
    }
    impl Eq for Odd {}
    impl Hash for Odd {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    let world = World::new();
    let mut deferred = Deferred::new();
    deferred.record_coalesced(&world.changed, world.change("1"), Odd);
    let savepoint = deferred.savepoint();
    deferred.record_coalesced(&world.changed, world.change("2"), Odd);
    deferred.record_coalesced(&world.changed, world.change("3"), Odd);
    assert_eq!(deferred.len(), 3);
    deferred.rollback_to(savepoint).unwrap();
    assert_eq!(world.committed(&mut deferred), ["1"]);
}
