//! A panic of a receiver, a destructor or a key costs no event that it does not concern.

use std::any::Any;
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::deferred::{Savepoint, SavepointError};
use fanfare::{Deferred, Event, Signal, SignalFrom};

/// Returns the text of a panic.
fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).map(|_| ()).unwrap_err();
    let text = payload.downcast_ref::<String>().cloned();
    text.unwrap_or_else(|| (*payload.downcast::<&str>().unwrap()).to_owned())
}

/// Returns a signal that notes numbers, and then refuses odd ones.
fn only_even() -> (Signal<u32>, Arc<Mutex<Vec<u32>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let signal = Signal::new();
    let log = Arc::clone(&seen);
    signal.connect(move |_, n: &u32| log.lock().unwrap().push(*n));
    signal
        .options()
        .name("even")
        .connect(|_, n| assert!(n % 2 == 0, "{n} is odd"));
    let log = Arc::clone(&seen);
    signal.connect(move |_, n: &u32| log.lock().unwrap().push(*n + 100));
    (signal, seen)
}

#[test]
fn a_receivers_panic_travels_and_the_later_events_stay() {
    let (signal, seen) = only_even();
    let mut deferred = Deferred::new();
    for n in [2, 3, 4, 5, 6] {
        deferred.record(&signal, n);
    }
    assert_eq!(panic_of(|| deferred.commit()), "3 is odd");
    assert_eq!(deferred.len(), 3);
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), [2, 102, 3]);
    assert_eq!(panic_of(|| deferred.commit()), "5 is odd");
    assert_eq!(deferred.len(), 1);
    deferred.record(&signal, 8);
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), [4, 104, 5]);
    assert_eq!(deferred.commit(), 2);
    assert_eq!(*seen.lock().unwrap(), [6, 106, 8, 108]);
}

#[test]
fn events_that_a_failed_commit_left_can_be_rolled_back() {
    let (signal, seen) = only_even();
    let mut deferred = Deferred::new();
    let outer = deferred.savepoint();
    deferred.record(&signal, 1);
    deferred.record(&signal, 2);
    assert_eq!(panic_of(|| deferred.commit()), "1 is odd");
    assert_eq!(
        deferred.rollback_to(outer),
        Err(SavepointError::Ended(outer))
    );
    let savepoint = deferred.savepoint();
    deferred.record(&signal, 4);
    deferred.rollback_to(savepoint).unwrap();
    assert_eq!(deferred.len(), 1);
    deferred.rollback();
    assert_eq!(deferred.commit(), 0);
    assert_eq!(*seen.lock().unwrap(), [1]);
}

#[test]
fn events_that_a_failed_commit_left_still_coalesce() {
    let (signal, seen) = only_even();
    let mut deferred = Deferred::new();
    for n in [2, 3, 4, 6] {
        deferred.record_coalesced(&signal, n, n);
    }
    assert_eq!(panic_of(|| deferred.commit()), "3 is odd");
    seen.lock().unwrap().clear();
    deferred.record_coalesced(&signal, 14, 4_u32);
    deferred.record_coalesced(&signal, 12, 2_u32);
    assert_eq!(deferred.commit(), 3);
    assert_eq!(*seen.lock().unwrap(), [6, 106, 14, 114, 12, 112]);
}

#[test]
fn a_robust_commit_delivers_all_and_returns_each_failure() {
    let (signal, seen) = only_even();
    let (failing, others) = (Signal::<u32>::new(), Signal::<u32>::new());
    let first = failing.connect(|_, _| panic!("first"));
    let second = failing.connect(|_, _| panic_any(404_u16));
    let log = Arc::clone(&seen);
    others.connect(move |_, n| log.lock().unwrap().push(*n));

    let mut deferred = Deferred::new();
    deferred.record(&signal, 3);
    deferred.record(&failing, 0);
    let _ = deferred.savepoint();
    deferred.record(&others, 9);
    deferred.record(&signal, 5);
    let report = deferred.commit_robust();
    assert!(deferred.is_empty());
    assert!(!report.all_ok());
    assert_eq!(report.sent(), 4);
    assert_eq!(*seen.lock().unwrap(), [3, 103, 9, 5, 105]);
    let told: Vec<_> = report
        .panics()
        .iter()
        .map(|it| it.message().to_owned())
        .collect();
    assert_eq!(
        told,
        ["3 is odd", "first", "a panic without a message", "5 is odd"]
    );
    assert_eq!(report.panics()[0].name(), "even");
    assert_eq!(report.panics()[1].receiver(), first.id());
    let third = report.into_panics().swap_remove(2);
    assert_eq!(third.receiver(), second.id());
    assert_eq!(third.into_panic().downcast_ref::<u16>(), Some(&404));
}

/// At the depth at which the next send panics, so does a commit, which has not taken an event.
#[test]
fn sends_nested_too_deep_cost_no_event() {
    static ROUND: Signal<()> = Signal::new();
    static DEFERRED: Mutex<Option<Deferred<'static>>> = Mutex::new(None);
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static RAN: AtomicUsize = AtomicUsize::new(0);
    static SAVED: Signal<u32> = Signal::new();
    SAVED.connect(|_, _| {
        RAN.fetch_add(1, Ordering::Relaxed);
    });
    ROUND.connect(|_, ()| {
        if catch_unwind(|| ROUND.send(&())).is_ok() {
            return;
        }
        let mut deferred = DEFERRED.lock().unwrap();
        let open = deferred.as_mut();
        if let Some(deferred) = open.filter(|_| TOLD.lock().unwrap().is_empty()) {
            let told = [
                panic_of(|| deferred.commit()),
                panic_of(|| deferred.commit_robust()),
            ];
            TOLD.lock().unwrap().extend(told);
        }
    });
    let mut deferred = Deferred::new();
    deferred.record(&SAVED, 1);
    let savepoint = deferred.savepoint();
    deferred.record(&SAVED, 2);
    *DEFERRED.lock().unwrap() = Some(deferred);
    ROUND.send(&());

    let told = TOLD.lock().unwrap();
    assert_eq!(told.len(), 2);
    for told in &*told {
        assert!(
            told.contains("a receiver sends a signal that leads back to it"),
            "{told}"
        );
    }
    let mut deferred = DEFERRED.lock().unwrap().take().unwrap();
    assert_eq!((deferred.len(), RAN.load(Ordering::Relaxed)), (2, 0));
    deferred.rollback_to(savepoint).unwrap();
    assert_eq!(deferred.commit(), 1);
}

/// It counts its end, whatever its destructor does.
struct Fragile {
    alive: Arc<AtomicUsize>,
    breaks: bool,
}

impl Fragile {
    fn new(alive: &Arc<AtomicUsize>, breaks: bool) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        let alive = Arc::clone(alive);
        Fragile { alive, breaks }
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
        assert!(!self.breaks, "broken in the destructor");
    }
}

impl Event for Fragile {
    type Args<'a> = Fragile;
}

impl PartialEq for Fragile {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Fragile {}

impl Hash for Fragile {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Records two events that end well between three whose destructors panic, and so do those of their
/// keys.
fn fragile<'s>(
    signal: &'s Signal<Fragile, Fragile>,
    alive: &Arc<AtomicUsize>,
) -> (Deferred<'s>, Savepoint) {
    let mut deferred = Deferred::new();
    let savepoint = deferred.savepoint();
    for (sender, breaks) in [true, false, true, false, true].into_iter().enumerate() {
        let (event, key) = (Fragile::new(alive, breaks), Fragile::new(alive, breaks));
        deferred.record_coalesced(signal.from(sender as u64), event, key);
        deferred.record(signal, Fragile::new(alive, breaks));
    }
    assert_eq!((deferred.len(), alive.load(Ordering::Relaxed)), (10, 15));
    (deferred, savepoint)
}

/// However events are dropped, all of them are, and their panics stay where they were.
#[test]
fn a_panic_in_a_destructor_never_travels() {
    type Way = fn(Deferred<'_>, Savepoint) -> Option<usize>;
    let ways: [(Way, Option<usize>); 5] = [
        (
            |it, _| {
                drop(it);
                None
            },
            None,
        ),
        (
            |mut it, _| {
                it.rollback();
                Some(it.commit())
            },
            Some(0),
        ),
        (
            |mut it, savepoint| {
                it.rollback_to(savepoint).unwrap();
                Some(it.commit())
            },
            Some(0),
        ),
        (|mut it, _| Some(it.commit()), Some(10)),
        (|mut it, _| Some(it.commit_robust().sent()), Some(10)),
    ];
    for (number, (way, expected)) in ways.into_iter().enumerate() {
        let alive = Arc::new(AtomicUsize::new(0));
        let signal = Signal::new();
        for breaks in [true, false, true] {
            let alive = Arc::clone(&alive);
            signal.connect(move |_, _| Fragile::new(&alive, breaks));
        }
        let (deferred, savepoint) = fragile(&signal, &alive);
        let outcome = catch_unwind(AssertUnwindSafe(|| way(deferred, savepoint)));
        assert_eq!(outcome.ok(), Some(expected), "way {number}");
        assert_eq!(alive.load(Ordering::Relaxed), 0, "way {number} leaked");
    }
}

#[test]
fn a_panic_in_the_destructor_of_a_replaced_event_never_travels() {
    let alive = Arc::new(AtomicUsize::new(0));
    let signal = Signal::<Fragile>::new();
    let mut deferred = Deferred::new();
    let pair = || (Fragile::new(&alive, true), Fragile::new(&alive, true));
    for _ in 0..3 {
        let (event, key) = pair();
        deferred.record_coalesced(&signal, event, key);
    }
    assert_eq!((deferred.len(), alive.load(Ordering::Relaxed)), (1, 2));
    let savepoint = deferred.savepoint();
    let (event, key) = pair();
    deferred.record_coalesced(&signal, event, key);
    assert_eq!((deferred.len(), alive.load(Ordering::Relaxed)), (1, 4));
    deferred.release(savepoint).unwrap();
    assert_eq!((deferred.len(), alive.load(Ordering::Relaxed)), (1, 2));
    assert_eq!(deferred.commit(), 1);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// A transaction that panics drops its buffer while it unwinds; one more panic there, uncaught,
/// would end the process.
#[test]
fn destructors_may_panic_while_the_transaction_unwinds() {
    let alive = Arc::new(AtomicUsize::new(0));
    let signal = Signal::new();
    let told = panic_of(|| {
        let (_deferred, _) = fragile(&signal, &alive);
        panic!("the transaction failed");
    });
    assert_eq!(told, "the transaction failed");
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// The event whose receiver panics is dropped while that panic travels, with earlier responses.
#[test]
fn destructors_may_panic_while_a_receivers_panic_travels() {
    let alive = Arc::new(AtomicUsize::new(0));
    let signal = Signal::new();
    let responses = Arc::clone(&alive);
    signal.connect(move |_, _| Fragile::new(&responses, true));
    signal.connect(|_, _| -> Fragile { panic!("travels") });
    let (mut deferred, _) = fragile(&signal, &alive);
    for left in (0..10).rev() {
        assert_eq!(panic_of(|| deferred.commit()), "travels");
        assert_eq!(deferred.len(), left);
    }
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// A payload whose own destructor panics.
#[test]
fn a_panic_that_carries_a_panic_is_contained_too() {
    struct Bomb(#[expect(dead_code, reason = "held for its destructor")] Box<dyn Any + Send>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the payload");
        }
    }
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            panic_any(Bomb(Box::new(())));
        }
    }
    impl Event for Last {
        type Args<'a> = Last;
    }
    let signal = Signal::<Last>::new();
    let mut deferred = Deferred::new();
    deferred.record(&signal, Last);
    deferred.record(&signal, Last);
    assert_eq!(deferred.commit(), 2);
}

thread_local! {
    /// The method of a key that is to panic now.
    static PANICS: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// All hash to the same.
struct Key(u32);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        assert!(PANICS.get() != Some("eq"), "in eq");
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, _: &mut H) {
        assert!(PANICS.get() != Some("hash"), "in hash");
    }
}

#[test]
fn a_panic_of_a_key_leaves_the_buffer_as_it_was() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (counted, (signal, seen)) = (Signal::<Fragile>::new(), only_even());
    for panics in ["hash", "eq"] {
        let mut deferred = Deferred::new();
        deferred.record_coalesced(&counted, Fragile::new(&alive, false), Key(1));
        for n in [2, 4] {
            deferred.record_coalesced(&signal, n, Key(n));
        }
        let savepoint = deferred.savepoint();
        deferred.record_coalesced(&signal, 12, Key(2));
        let before = (deferred.len(), format!("{deferred:?}"));

        for key in [1, 2, 3, 4] {
            PANICS.set(Some(panics));
            let told = panic_of(|| {
                // Its destructor panics as well, while the key's panic travels.
                let event = Fragile::new(&alive, true);
                deferred.record_coalesced(&counted, event, Key(key));
            });
            assert_eq!(told, format!("in {panics}"));
            let told = panic_of(|| deferred.record_coalesced(&signal, 0, Key(key)));
            assert_eq!(told, format!("in {panics}"));
            PANICS.set(None);
            assert_eq!((deferred.len(), format!("{deferred:?}")), before);
            assert_eq!(alive.load(Ordering::Relaxed), 1, "what was refused is gone");
        }

        // The following operations call no method of the keys, and the next ones find the recorded
        // events.
        PANICS.set(Some(panics));
        deferred.rollback_to(savepoint).unwrap();
        PANICS.set(None);
        deferred.record_coalesced(&signal, 14, Key(4));
        PANICS.set(Some(panics));
        assert_eq!(deferred.commit(), 3);
        PANICS.set(None);
        assert_eq!(
            std::mem::take(&mut *seen.lock().unwrap()),
            [2, 102, 14, 114]
        );
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_panic_of_the_conversion_into_a_signal_leaves_the_buffer_as_it_was() {
    struct NoSignal;
    impl From<NoSignal> for SignalFrom<'_, '_, Fragile> {
        fn from(_: NoSignal) -> Self {
            panic!("no signal");
        }
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let signal = Signal::<Fragile>::new();
    let mut deferred = Deferred::new();
    deferred.record_coalesced(&signal, Fragile::new(&alive, false), 1);
    let event = Fragile::new(&alive, true);
    assert_eq!(panic_of(|| deferred.record(NoSignal, event)), "no signal");
    let (event, key) = (Fragile::new(&alive, true), Fragile::new(&alive, true));
    let told = panic_of(|| deferred.record_coalesced(NoSignal, event, key));
    assert_eq!(told, "no signal");
    assert_eq!((deferred.len(), alive.load(Ordering::Relaxed)), (1, 1));
    assert_eq!(deferred.commit(), 1);
}
