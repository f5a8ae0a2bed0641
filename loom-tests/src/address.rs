//! A table at the address of one that was taken from an emitter (row H1).
//!
//! The other models never use an address again. This one is a sketch of three steps, with numbers
//! for addresses: the store of the address in `Change::publish`, the exchange in `Held::take`, and
//! the two loads in `Held::start`.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};

use crate::harness::{self, Model};

const S: usize = 7;
const OTHER: usize = 8;
const NULL: usize = 0;

/// A writer replaces the table at S and takes it from the idle emitter. Another publishes a table
/// at S again. An emitter that finds that one current must not find its old pointer to S.
fn an_address_is_used_again_with(publish: Ordering) -> String {
    let current = Arc::new(AtomicUsize::new(S));
    let held = Arc::new(AtomicUsize::new(S));
    let is_free = Arc::new(Mutex::new(false));

    let (hub, place, freed) = (current.clone(), held.clone(), is_free.clone());
    let waiting = loom::thread::spawn(move || {
        let mut is_free = freed.lock().expect("no thread panics");
        hub.store(OTHER, publish);
        let taken = place.compare_exchange(S, NULL, Ordering::Relaxed, Ordering::Relaxed);
        *is_free = taken.is_ok();
    });
    let hub = current.clone();
    let connecting = loom::thread::spawn(move || {
        if *is_free.lock().expect("no thread panics") {
            hub.store(S, publish);
        }
    });
    let before = current.load(Ordering::Acquire);
    let then = current.load(Ordering::Acquire);
    let table = held.load(Ordering::Relaxed);
    waiting.join().expect("no thread panics");
    connecting.join().expect("no thread panics");
    match (before, then) {
        (OTHER, S) => {
            assert_eq!(table, NULL, "a pointer to another table");
            "used again".into()
        }
        (_, OTHER) => "replaced".into(),
        _ => "not yet, or not known".into(),
    }
}

const fn model(run: fn() -> String) -> Model {
    Model {
        name: "an_address_is_used_again",
        outcomes: &["used again", "replaced", "not yet, or not known"],
        run,
    }
}

#[test]
fn an_address_is_used_again() {
    harness::loom_unbounded(model(|| an_address_is_used_again_with(Ordering::Release)));
}

/// The twin: the address is stored relaxed.
#[test]
fn address_not_released() {
    let twin = model(|| an_address_is_used_again_with(Ordering::Relaxed));
    harness::must_fail(harness::loom_unbounded, twin, "a pointer to another table");
}
