//! Events that wait for a transaction's commit behind a shared handle.

use std::sync::Mutex;
use std::thread;

use fanfare::Signal;
use fanfare_django::transaction::{AfterCommit, COMMITTED, Committed, ROLLED_BACK, RolledBack};
use static_assertions::assert_impl_all;

assert_impl_all!(AfterCommit: Send, Sync, Clone);

#[test]
fn every_clone_records_into_the_same_transaction() {
    static TOLD: Signal<u32> = Signal::new();
    static SEEN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    TOLD.connect(|_sender, n| SEEN.lock().unwrap().push(*n));
    let after_commit = AfterCommit::new();
    after_commit.record(&TOLD, 1);
    let clone = after_commit.clone();
    thread::spawn(move || clone.record(&TOLD, 2))
        .join()
        .unwrap();
    assert_eq!(after_commit.len(), 2);
    let mut taken = after_commit.take();
    after_commit.record(&TOLD, 3);
    assert_eq!(taken.commit(), 2);
    assert_eq!(*SEEN.lock().unwrap(), [1, 2]);
    assert_eq!(after_commit.len(), 1);
}

#[test]
fn equal_keys_coalesce_and_savepoints_roll_back() {
    static TOLD: Signal<u32> = Signal::new();
    static SEEN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    TOLD.connect(|_sender, n| SEEN.lock().unwrap().push(*n));
    let after_commit = AfterCommit::new();
    after_commit.record_coalesced(&TOLD, 1, "row");
    after_commit.record_coalesced(&TOLD, 2, "row");
    let savepoint = after_commit.lock().savepoint();
    after_commit.record_coalesced(&TOLD, 3, "row");
    after_commit.lock().rollback_to(savepoint).unwrap();
    assert_eq!(after_commit.take().commit(), 1);
    assert_eq!(*SEEN.lock().unwrap(), [2]);
    assert!(after_commit.is_empty());
}

#[test]
fn the_ends_carry_the_connection_and_what_waits() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let replica = |text: String| SEEN.lock().unwrap().push(text);
    COMMITTED
        .options()
        .sender("replica")
        .connect(move |_sender, event| {
            replica(format!("{} {}", event.using(), event.waiting()));
        });
    ROLLED_BACK
        .options()
        .sender("replica")
        .connect(move |_sender, event| {
            let nested = event.is_nested();
            replica(format!("{} {} {nested}", event.using(), event.discarded()));
        });
    COMMITTED
        .from("replica")
        .send(&Committed::new("replica", 3));
    COMMITTED
        .from("default")
        .send(&Committed::new("default", 3));
    ROLLED_BACK
        .from("replica")
        .send(&RolledBack::new("replica", 2, true));
    assert_eq!(*SEEN.lock().unwrap(), ["replica 3", "replica 2 true"]);
}
