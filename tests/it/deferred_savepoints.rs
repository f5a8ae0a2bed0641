//! Savepoints of deferred events are those of SQL.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use fanfare::deferred::{Savepoint, SavepointError};
use fanfare::{Deferred, Signal};

/// Notes its events.
struct Noting {
    signal: Signal<u32>,
    seen: std::sync::Arc<Mutex<Vec<u32>>>,
}

impl Noting {
    fn new() -> Self {
        let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
        let signal = Signal::new();
        let log = std::sync::Arc::clone(&seen);
        signal.connect(move |_, event| log.lock().unwrap().push(*event));
        Noting { signal, seen }
    }

    fn record<'s>(&'s self, deferred: &mut Deferred<'s>, events: impl IntoIterator<Item = u32>) {
        for event in events {
            deferred.record(&self.signal, event);
        }
    }

    fn committed(&self, deferred: &mut Deferred<'_>) -> Vec<u32> {
        let delivered = deferred.commit();
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert_eq!(delivered, seen.len());
        seen
    }
}

/// Records `1 [a 2 [b 3 [c 4`, on which the steps of each case follow.
fn three_deep(noting: &Noting) -> (Deferred<'_>, [Savepoint; 3]) {
    let mut deferred = Deferred::new();
    noting.record(&mut deferred, [1]);
    let a = deferred.savepoint();
    noting.record(&mut deferred, [2]);
    let b = deferred.savepoint();
    noting.record(&mut deferred, [3]);
    let c = deferred.savepoint();
    noting.record(&mut deferred, [4]);
    (deferred, [a, b, c])
}

#[test]
fn a_rollback_drops_the_later_events_at_each_of_three_depths() {
    let noting = Noting::new();
    let expected: [&[u32]; 3] = [&[1, 9], &[1, 2, 9], &[1, 2, 3, 9]];
    for (depth, expected) in expected.into_iter().enumerate() {
        let (mut deferred, savepoints) = three_deep(&noting);
        deferred.rollback_to(savepoints[depth]).unwrap();
        assert_eq!(deferred.len(), depth + 1);
        noting.record(&mut deferred, [9]);
        assert_eq!(noting.committed(&mut deferred), expected, "depth {depth}");
    }
}

#[test]
fn a_rollback_ends_the_savepoints_after_it_and_not_itself_nor_those_before() {
    let noting = Noting::new();
    let (mut deferred, [a, b, c]) = three_deep(&noting);
    deferred.rollback_to(b).unwrap();
    assert_eq!(deferred.rollback_to(c), Err(SavepointError::Ended(c)));
    assert_eq!(deferred.release(c), Err(SavepointError::Ended(c)));
    noting.record(&mut deferred, [5]);
    deferred.rollback_to(b).unwrap();
    assert_eq!(deferred.len(), 2);
    deferred.rollback_to(a).unwrap();
    assert_eq!(deferred.rollback_to(b), Err(SavepointError::Ended(b)));
    assert_eq!(noting.committed(&mut deferred), [1]);
}

#[test]
fn one_can_roll_back_to_the_same_savepoint_again_and_again() {
    let noting = Noting::new();
    let mut deferred = Deferred::new();
    noting.record(&mut deferred, [1]);
    let savepoint = deferred.savepoint();
    for round in 0..3 {
        noting.record(&mut deferred, 10..20 + round);
        deferred.rollback_to(savepoint).unwrap();
        assert_eq!(deferred.len(), 1);
        deferred.rollback_to(savepoint).unwrap();
        assert_eq!(deferred.len(), 1, "nothing was recorded in between");
    }
    deferred.release(savepoint).unwrap();
    noting.record(&mut deferred, [2]);
    assert_eq!(noting.committed(&mut deferred), [1, 2]);
}

#[test]
fn a_release_keeps_the_events_and_ends_the_savepoints_after_it() {
    let noting = Noting::new();
    for (released, ended) in [(0, &[0, 1, 2][..]), (1, &[1, 2]), (2, &[2])] {
        let (mut deferred, savepoints) = three_deep(&noting);
        deferred.release(savepoints[released]).unwrap();
        for savepoint in ended.iter().map(|depth| savepoints[*depth]) {
            assert_eq!(
                deferred.release(savepoint),
                Err(SavepointError::Ended(savepoint))
            );
            assert_eq!(
                deferred.rollback_to(savepoint),
                Err(SavepointError::Ended(savepoint))
            );
        }
        assert_eq!(noting.committed(&mut deferred), [1, 2, 3, 4]);
    }
}

/// Events that were recorded inside a released savepoint go with the one around it.
#[test]
fn a_release_merges_into_the_level_around() {
    let noting = Noting::new();
    let (mut deferred, [a, b, c]) = three_deep(&noting);
    deferred.release(c).unwrap();
    deferred.rollback_to(b).unwrap();
    assert_eq!(deferred.len(), 2);
    deferred.release(b).unwrap();
    noting.record(&mut deferred, [5]);
    assert_eq!(deferred.len(), 3);
    deferred.rollback_to(a).unwrap();
    assert_eq!(noting.committed(&mut deferred), [1]);
}

#[test]
fn a_commit_takes_the_events_of_open_savepoints_and_ends_them() {
    let noting = Noting::new();
    let (mut deferred, savepoints) = three_deep(&noting);
    assert_eq!(noting.committed(&mut deferred), [1, 2, 3, 4]);
    for savepoint in savepoints {
        assert_eq!(
            deferred.release(savepoint),
            Err(SavepointError::Ended(savepoint))
        );
    }
    let (mut deferred, savepoints) = three_deep(&noting);
    assert_eq!(deferred.commit_robust().sent(), 4);
    for savepoint in savepoints {
        assert_eq!(
            deferred.rollback_to(savepoint),
            Err(SavepointError::Ended(savepoint))
        );
    }
}

#[test]
fn a_rollback_of_everything_ends_them() {
    let noting = Noting::new();
    let (mut deferred, savepoints) = three_deep(&noting);
    deferred.rollback();
    noting.record(&mut deferred, [5]);
    for savepoint in savepoints {
        assert_eq!(
            deferred.rollback_to(savepoint),
            Err(SavepointError::Ended(savepoint))
        );
    }
    assert_eq!(noting.committed(&mut deferred), [5]);
}

/// Each has made as many savepoints, at the same moments.
#[test]
fn a_savepoint_of_another_buffer_is_refused() {
    let noting = Noting::new();
    let (mut left, lefts) = three_deep(&noting);
    let (mut right, rights) = three_deep(&noting);
    for savepoint in rights {
        assert_eq!(
            left.rollback_to(savepoint),
            Err(SavepointError::Foreign(savepoint))
        );
        assert_eq!(
            left.release(savepoint),
            Err(SavepointError::Foreign(savepoint))
        );
    }
    assert_eq!(left.len(), 4);
    right.rollback();
    assert_eq!(
        left.release(rights[0]),
        Err(SavepointError::Foreign(rights[0]))
    );
    for savepoint in lefts.into_iter().rev() {
        left.rollback_to(savepoint).unwrap();
    }
    assert_eq!(noting.committed(&mut left), [1]);
}

#[test]
fn savepoints_go_where_the_buffer_goes() {
    let noting = Noting::new();
    let (mut deferred, [_, b, _]) = three_deep(&noting);
    let mut taken = std::mem::take(&mut deferred);
    assert_eq!(deferred.rollback_to(b), Err(SavepointError::Foreign(b)));
    taken.rollback_to(b).unwrap();
    assert_eq!(noting.committed(&mut taken), [1, 2]);
}

#[test]
fn a_refused_savepoint_does_not_change_the_buffer() {
    let noting = Noting::new();
    let (mut deferred, [a, b, c]) = three_deep(&noting);
    deferred.release(c).unwrap();
    let foreign = Deferred::new().savepoint();
    let before = format!("{deferred:?}");
    for refused in [c, foreign] {
        deferred.rollback_to(refused).unwrap_err();
        deferred.release(refused).unwrap_err();
    }
    assert_eq!(format!("{deferred:?}"), before);
    deferred.rollback_to(b).unwrap();
    deferred.rollback_to(a).unwrap();
    assert_eq!(noting.committed(&mut deferred), [1]);
}

#[test]
fn the_errors_state_the_fix() {
    let mut deferred = Deferred::new();
    let savepoint = deferred.savepoint();
    deferred.release(savepoint).unwrap();
    let ended = deferred.release(savepoint).unwrap_err();
    assert_eq!(
        ended.to_string(),
        "savepoint 1 has ended: it was released, or an outer savepoint, a commit or a rollback \
         ended it; make a new one with `savepoint`"
    );
    let foreign = Deferred::new().release(savepoint).unwrap_err().to_string();
    assert!(
        foreign.starts_with("savepoint 1 is of another `Deferred`"),
        "{foreign}"
    );
    assert!(
        foreign.ends_with("use it with the one whose `savepoint` returned it"),
        "{foreign}"
    );
}

#[test]
fn ten_thousand_savepoints_nest() {
    let noting = Noting::new();
    let mut deferred = Deferred::new();
    let mut savepoints = Vec::new();
    for event in 0..10_000 {
        savepoints.push(deferred.savepoint());
        noting.record(&mut deferred, [event]);
    }
    for savepoint in savepoints.drain(5_000..).rev() {
        deferred.release(savepoint).unwrap();
    }
    assert_eq!(deferred.len(), 10_000);
    deferred.rollback_to(savepoints[4_999]).unwrap();
    assert_eq!(deferred.len(), 4_999);
    deferred.rollback_to(savepoints[1]).unwrap();
    assert_eq!(noting.committed(&mut deferred), [0]);
}

#[test]
fn events_recorded_in_a_nested_part_that_fails_are_rolled_back() {
    let noting = Noting::new();
    let mut deferred = Deferred::new();
    noting.record(&mut deferred, [1]);
    let inner = deferred.nested(|deferred| {
        noting.record(deferred, [2]);
        let failed = deferred.nested(|deferred| {
            noting.record(deferred, [3]);
            Err::<(), _>("no")
        });
        assert_eq!(failed, Err("no"));
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            deferred.nested(|deferred| -> Result<(), ()> {
                noting.record(deferred, [4]);
                panic!("stop");
            })
        }));
        assert!(unwound.is_err());
        noting.record(deferred, [5]);
        Ok::<_, ()>(deferred.len())
    });
    assert_eq!(inner, Ok(3));
    assert_eq!(noting.committed(&mut deferred), [1, 2, 5]);
}

#[test]
fn a_nested_part_may_end_its_own_savepoint() {
    let noting = Noting::new();
    for result in [Ok(()), Err(())] {
        let mut deferred = Deferred::new();
        let outer = deferred.savepoint();
        let ended = deferred.nested(|deferred| {
            noting.record(deferred, [1]);
            deferred.release(outer).unwrap();
            result
        });
        assert_eq!(ended, result);
        assert_eq!(noting.committed(&mut deferred), [1]);
    }
}
