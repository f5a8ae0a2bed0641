//! The allocations of each operation of a `Deferred`: the table in `docs/guarantees.md`.

use std::hint::black_box;

use fanfare::{Deferred, Signal};

use super::allocations;

/// Events that a node of the tree has room for.
const NODE: usize = 11;

/// Returns a signal whose sends do not allocate, on a thread that has sent, in a process whose
/// hashing has its seeds.
fn signal() -> Signal<u64> {
    let signal = Signal::new();
    signal.connect(|_, n| touch(*n));
    let mut deferred = Deferred::new();
    deferred.record_coalesced(&signal, 1, 1);
    deferred.commit();
    drop(deferred);
    signal
}

fn recorded<'s>(signal: &'s Signal<u64>, events: u64) -> Deferred<'s> {
    let mut deferred = Deferred::new();
    for n in 0..events {
        deferred.record(signal, n);
    }
    deferred
}

#[test]
fn a_new_deferred_does_not_allocate() {
    let _signal = signal();
    assert_eq!(allocations(|| drop(black_box(Deferred::new()))), 0);
}

#[test]
fn recording_allocates_a_box_for_each_event_and_a_node_for_about_six() {
    let signal = signal();
    let mut deferred = Deferred::new();
    // The first one makes the tree.
    assert_eq!(allocations(|| deferred.record(&signal, 0)), 2);
    for _ in 1..NODE {
        assert_eq!(allocations(|| deferred.record(&signal, 0)), 1);
    }
    let made = allocations(|| {
        for n in 0..6_000 {
            deferred.record(signal.from(7_u64), n);
        }
    });
    let nodes = made - 6_000;
    assert!(
        (900..=1_300).contains(&nodes),
        "{nodes} nodes for 6,000 events"
    );
}

#[test]
fn recording_from_a_name_allocates_its_text_as_well() {
    let signal = signal();
    let mut deferred = recorded(&signal, 1);
    assert_eq!(allocations(|| deferred.record(signal.from("shop"), 0)), 2);
    assert_eq!(allocations(|| deferred.record(signal.from(7_u64), 0)), 1);
    let made = allocations(|| deferred.record_coalesced(signal.from("shop"), 0, 1));
    // The key's table is its first.
    assert!((3..=6).contains(&made), "{made}");
}

#[test]
fn coalescing_allocates_as_recording_does_and_now_and_then_for_the_table_of_keys() {
    let signal = signal();
    let mut deferred = Deferred::new();
    let plain = allocations(|| {
        let mut plain = Deferred::new();
        (0..4_096).for_each(|n| plain.record(&signal, n));
        black_box(plain);
    });
    let made = allocations(|| {
        (0..4_096_u64).for_each(|n| deferred.record_coalesced(&signal, n, n));
    });
    // A table for 3 keys, then for 7, 14 and so on.
    assert!(
        (plain + 5..=plain + 13).contains(&made),
        "{made}, {plain} without keys"
    );
    // An event that takes the place of another needs no place.
    let made = allocations(|| deferred.record_coalesced(&signal, 7, 7));
    assert_eq!(made, 1);
}

#[test]
fn savepoints_allocate_a_vector_that_grows() {
    let signal = signal();
    let mut deferred = recorded(&signal, 3);
    let made: Vec<_> = (0..64)
        .map(|_| {
            allocations(|| {
                let _ = black_box(deferred.savepoint());
            })
        })
        .collect();
    assert_eq!(made.iter().sum::<usize>(), 5, "4, 8, 16, 32, 64: {made:?}");
    assert!(made.iter().all(|made| *made <= 1));
}

#[test]
fn ending_savepoints_allocates_no_more_than_a_few_nodes() {
    let signal = signal();
    for rolls_back in [true, false] {
        let mut deferred = Deferred::new();
        for key in 0..1_000_u64 {
            deferred.record_coalesced(&signal, key, key);
        }
        let savepoint = deferred.savepoint();
        for key in 0..1_000_u64 {
            deferred.record_coalesced(&signal, key, key);
        }
        let made = allocations(|| {
            if rolls_back {
                deferred.rollback_to(savepoint).unwrap();
            } else {
                deferred.release(savepoint).unwrap();
            }
        });
        assert!(made <= 16, "{made} for 1,000 events");
        assert_eq!(deferred.len(), 1_000);
    }
}

#[test]
fn commits_and_rollbacks_allocate_as_much_as_the_sends() {
    let signal = signal();
    let mut deferred = recorded(&signal, 100);
    assert_eq!(allocations(|| assert_eq!(deferred.commit(), 100)), 0);
    let mut deferred = recorded(&signal, 100);
    assert_eq!(
        allocations(|| assert!(deferred.commit_robust().all_ok())),
        0
    );
    let mut deferred = recorded(&signal, 100);
    assert_eq!(allocations(|| deferred.rollback()), 0);
    let deferred = recorded(&signal, 100);
    assert_eq!(allocations(|| drop(deferred)), 0);
    let mut empty = Deferred::new();
    assert_eq!(allocations(|| assert_eq!(empty.commit(), 0)), 0);

    // Sends that allocate.
    let numbers = Signal::<u64, u64>::new();
    (0..3).for_each(|n| drop(numbers.connect(move |_, m| n + m)));
    let each = allocations(|| drop(black_box(numbers.send(&1))));
    let mut deferred = Deferred::new();
    (0..100).for_each(|n| deferred.record(&numbers, n));
    let made = allocations(|| assert_eq!(deferred.commit(), 100));
    assert_eq!((each, made), (2, 0), "responses are not kept");
    let mut deferred = Deferred::new();
    (0..100).for_each(|n| deferred.record(&numbers, n));
    let made = allocations(|| assert!(deferred.commit_robust().all_ok()));
    assert_eq!(made, 100 * each);
}

#[cfg(feature = "async")]
#[test]
fn async_commits_allocate_a_box_for_each_event_more() {
    let signal = signal();
    let mut deferred = recorded(&signal, 100);
    let made = allocations(|| assert_eq!(pollster::block_on(deferred.commit_async()), 100));
    assert_eq!(made, 100 + 1, "and one that pollster makes");
    let mut deferred = recorded(&signal, 100);
    let made = allocations(|| {
        assert!(pollster::block_on(deferred.commit_async_robust()).all_ok());
    });
    assert_eq!(made, 100 + 1, "and one that pollster makes");
}

fn touch(number: u64) {
    black_box(number);
}
