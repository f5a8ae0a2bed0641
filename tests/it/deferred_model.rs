//! Random transactions on a `Deferred` and on a list that is copied at each savepoint: both must
//! deliver the same, and hold the same events at every step.
//!
//! More of them: `PROPTEST_CASES=20000 cargo test --test it deferred_model`.

use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use fanfare::deferred::{Savepoint, SavepointError};
use fanfare::{Deferred, Event, Sender, Signal};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

#[derive(Clone, Copy, Debug)]
enum Op {
    Send(To),
    Coalesce {
        to: To,
        key: u8,
        typed: bool,
        breaks: Breaks,
    },
    Savepoint,
    /// The index, modulo their number, among all savepoints there ever were, of others as well.
    RollbackTo(u16),
    Release(u16),
    Commit {
        robust: bool,
    },
    Rollback,
    /// Drops the buffer, and goes on with a new one.
    Exchange,
}

/// The destination of an event, and whether a receiver panics at it.
#[derive(Clone, Copy, Debug)]
struct To {
    signal: usize,
    sender: u8,
    explodes: bool,
}

/// The method of a key that panics in this call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Breaks {
    Nothing,
    Hash,
    Eq,
}

fn to() -> impl Strategy<Value = To> {
    (0..2_usize, 0..3_u8, proptest::bool::weighted(0.1)).prop_map(|(signal, sender, explodes)| To {
        signal,
        sender,
        explodes,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let breaks = prop_oneof![
        12 => Just(Breaks::Nothing),
        1 => Just(Breaks::Hash),
        1 => Just(Breaks::Eq),
    ];
    prop_oneof![
        4 => to().prop_map(Op::Send),
        12 => (to(), 0..4_u8, proptest::bool::weighted(0.2), breaks)
            .prop_map(|(to, key, typed, breaks)| Op::Coalesce { to, key, typed, breaks }),
        6 => Just(Op::Savepoint),
        4 => any::<u16>().prop_map(Op::RollbackTo),
        4 => any::<u16>().prop_map(Op::Release),
        1 => any::<bool>().prop_map(|robust| Op::Commit { robust }),
        1 => Just(Op::Rollback),
        1 => Just(Op::Exchange),
    ]
}

type Shared = Arc<Mutex<Vec<u32>>>;

/// Numbered, and known to be alive.
struct Numbered {
    number: u32,
    explodes: bool,
    alive: Arc<Mutex<HashSet<u32>>>,
}

impl Event for Numbered {
    type Args<'a> = Numbered;
}

impl Drop for Numbered {
    fn drop(&mut self) {
        assert!(
            self.alive.lock().unwrap().remove(&self.number),
            "dropped twice"
        );
    }
}

thread_local! {
    static BREAKS: Cell<Breaks> = const { Cell::new(Breaks::Nothing) };
}

/// Keys 0 and 2, and 1 and 3, hash to the same.
struct Key(u8);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        assert!(BREAKS.get() != Breaks::Eq, "in eq");
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert!(BREAKS.get() != Breaks::Hash, "in hash");
        state.write_u8(self.0 % 2);
    }
}

/// The same of another type.
#[derive(PartialEq, Eq, Hash)]
struct Typed(Key);

#[derive(Clone, Copy, PartialEq)]
struct Listed {
    number: u32,
    to: (usize, u8),
    key: Option<(u8, bool)>,
    explodes: bool,
}

/// The recorded events, with their states when each of the open savepoints was made.
#[derive(Default)]
struct Model {
    events: Vec<Listed>,
    open: Vec<(Savepoint, Vec<Listed>)>,
}

impl Model {
    fn place(&self, savepoint: Savepoint, foreign: bool) -> Result<usize, SavepointError> {
        if foreign {
            return Err(SavepointError::Foreign(savepoint));
        }
        let place = self.open.iter().position(|(open, _)| *open == savepoint);
        place.ok_or(SavepointError::Ended(savepoint))
    }

    /// Returns all events that a rollback may bring back, and those that are recorded.
    fn held(&self) -> HashSet<u32> {
        let kept = self.open.iter().flat_map(|(_, events)| events);
        self.events
            .iter()
            .chain(kept)
            .map(|event| event.number)
            .collect()
    }
}

/// Sends as much as is delivered; returns the numbers, and how many of them explode.
fn deliver(model: &mut Model, robust: bool) -> (Vec<u32>, usize) {
    model.open.clear();
    let stop = model
        .events
        .iter()
        .position(|event| event.explodes && !robust);
    let end = stop.map_or(model.events.len(), |stop| stop + 1);
    let delivered: Vec<_> = model.events.drain(..end).collect();
    let exploding = delivered.iter().filter(|event| event.explodes).count();
    (
        delivered.iter().map(|event| event.number).collect(),
        exploding,
    )
}

fn check(ops: &[Op]) {
    let seen = Shared::default();
    let alive = Arc::new(Mutex::new(HashSet::new()));
    let signals: [Signal<Numbered, u32>; 2] = std::array::from_fn(|_| Signal::new());
    for signal in &signals {
        let seen = Arc::clone(&seen);
        signal.connect(move |_, event| {
            seen.lock().unwrap().push(event.number);
            assert!(!event.explodes, "exploded");
            event.number
        });
    }

    let mut deferred = Deferred::new();
    let mut model = Model::default();
    // Each with how often the buffer had been exchanged when it was made.
    let mut savepoints: Vec<(Savepoint, usize)> = vec![(Deferred::new().savepoint(), usize::MAX)];
    let mut exchanged = 0;

    for (number, op) in (0_u32..).zip(ops) {
        let event = |to: To| {
            alive.lock().unwrap().insert(number);
            let alive = Arc::clone(&alive);
            let explodes = to.explodes;
            Numbered {
                number,
                explodes,
                alive,
            }
        };
        let sender = |to: To| match to.sender {
            0 => Sender::NONE,
            1 => Sender::named("one"),
            _ => Sender::key(2),
        };
        let listed = |to: To, key| Listed {
            number,
            to: (to.signal, to.sender),
            key,
            explodes: to.explodes,
        };
        let chosen = |index: u16| savepoints[usize::from(index) % savepoints.len()];

        match *op {
            Op::Send(to) => {
                deferred.record(signals[to.signal].from(sender(to)), event(to));
                model.events.push(listed(to, None));
            }
            Op::Coalesce {
                to,
                key,
                typed,
                breaks,
            } => {
                BREAKS.set(breaks);
                let (signal, sender, event) = (&signals[to.signal], sender(to), event(to));
                let recorded = catch_unwind(AssertUnwindSafe(|| {
                    if typed {
                        deferred.record_coalesced(signal.from(sender), event, Typed(Key(key)));
                    } else {
                        deferred.record_coalesced(signal.from(sender), event, Key(key));
                    }
                }));
                BREAKS.set(Breaks::Nothing);
                let new = listed(to, Some((key, typed)));
                let is_asked = |it: &Listed| {
                    let same_hash =
                        |(other, other_typed)| other % 2 == key % 2 && other_typed == typed;
                    it.to == new.to && it.key.is_some_and(same_hash)
                };
                let fails = match breaks {
                    Breaks::Nothing => false,
                    Breaks::Hash => true,
                    Breaks::Eq => model.events.iter().any(is_asked),
                };
                assert_eq!(recorded.is_err(), fails);
                if !fails {
                    model
                        .events
                        .retain(|it| (it.to, it.key) != (new.to, new.key));
                    model.events.push(new);
                }
            }
            Op::Savepoint => {
                let savepoint = deferred.savepoint();
                savepoints.push((savepoint, exchanged));
                model.open.push((savepoint, model.events.clone()));
            }
            Op::RollbackTo(index) => {
                let (savepoint, of) = chosen(index);
                let place = model.place(savepoint, of != exchanged);
                assert_eq!(deferred.rollback_to(savepoint), place.map(|_| ()));
                if let Ok(place) = place {
                    model.open.truncate(place + 1);
                    model.events.clone_from(&model.open[place].1);
                }
            }
            Op::Release(index) => {
                let (savepoint, of) = chosen(index);
                let place = model.place(savepoint, of != exchanged);
                assert_eq!(deferred.release(savepoint), place.map(|_| ()));
                if let Ok(place) = place {
                    model.open.truncate(place);
                }
            }
            Op::Commit { robust: true } => {
                let (expected, exploding) = deliver(&mut model, true);
                let report = deferred.commit_robust();
                assert_eq!(report.sent(), expected.len());
                assert_eq!(report.panics().len(), exploding);
                assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
            }
            Op::Commit { robust: false } => {
                let (expected, exploding) = deliver(&mut model, false);
                let delivered = catch_unwind(AssertUnwindSafe(|| deferred.commit()));
                assert_eq!(delivered.ok(), (exploding == 0).then_some(expected.len()));
                assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
            }
            Op::Rollback => {
                deferred.rollback();
                model = Model::default();
            }
            Op::Exchange => {
                deferred = Deferred::new();
                exchanged += 1;
                model = Model::default();
            }
        }
        assert_eq!(deferred.len(), model.events.len());
        assert_eq!(deferred.is_empty(), model.events.is_empty());
        assert_eq!(*alive.lock().unwrap(), model.held(), "after {op:?}");
    }

    let rest: Vec<_> = deliver(&mut model, true).0;
    assert_eq!(deferred.commit_robust().sent(), rest.len());
    assert_eq!(*seen.lock().unwrap(), rest);
    assert!(alive.lock().unwrap().is_empty());
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() })]

    #[test]
    fn transactions_deliver_the_same_events_as_the_model(ops in vec(op(), 0..80)) {
        check(&ops);
    }
}
