//! Faults of observers, which no send and no change notices.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use fanfare::Signal;
use fanfare::watch::{
    self, ObservedReceiver, ObservedSend, Observer, ReceiverChange, ReceiverEnd, SendEnd,
    SignalInfo, Watch,
};

use crate::watch_lines::{Lines, Pairs};

/// An observer that panics in each method.
struct Panics(Arc<AtomicUsize>);

impl Panics {
    fn panic(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("an observer");
    }
}

impl Observer for Panics {
    fn send_started(&self, _send: &ObservedSend<'_>) {
        self.panic();
    }

    fn send_ended(&self, _send: &ObservedSend<'_>, _end: &SendEnd) {
        self.panic();
    }

    fn receiver_started(&self, _send: &ObservedSend<'_>, _receiver: &ObservedReceiver<'_>) {
        self.panic();
    }

    fn receiver_ended(
        &self,
        _send: &ObservedSend<'_>,
        _receiver: &ObservedReceiver<'_>,
        _end: &ReceiverEnd,
    ) {
        self.panic();
    }

    fn receiver_changed(
        &self,
        _signal: &SignalInfo,
        _receiver: &ObservedReceiver<'_>,
        _change: ReceiverChange,
    ) {
        self.panic();
    }

    fn wants_durations(&self) -> bool {
        panic!("an observer");
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.panic();
    }
}

#[test]
fn no_call_notices_an_observer_that_panics_in_each_method() {
    let signal = Signal::<u32, u32>::new();
    let (panics, lines) = (Arc::new(AtomicUsize::new(0)), Lines::default());
    let watches = [
        watch::signal(&signal, Panics(panics.clone())),
        watch::signal(&signal, lines.clone()),
    ];
    let name = |name: &'static str| signal.options().name(name);
    let connection = name("first").connect(|_sender, id| *id);
    name("second").connect(|_sender, id| {
        assert_ne!(*id, 2);
        *id
    });
    assert_eq!(*signal.send(&1), [1, 1]);
    catch_unwind(AssertUnwindSafe(|| signal.send(&2))).unwrap_err();
    connection.disconnect();
    assert_eq!(panics.load(Ordering::Relaxed), 2 + 6 + 6 + 1);
    assert_eq!(lines.take().len(), 15);
    drop(watches);
    assert_eq!(panics.load(Ordering::Relaxed), 16);
    assert_eq!(*signal.send(&1), [1]);
}

/// An observer that calls a function at the start of each send, and in its destructor.
struct Calls<F: Fn(&'static str) + Send + Sync + 'static>(F);

impl<F: Fn(&'static str) + Send + Sync + 'static> Observer for Calls<F> {
    fn send_started(&self, _send: &ObservedSend<'_>) {
        (self.0)("start");
    }
}

impl<F: Fn(&'static str) + Send + Sync + 'static> Drop for Calls<F> {
    fn drop(&mut self) {
        (self.0)("drop");
    }
}

#[test]
fn an_observer_may_do_everything_with_its_signal() {
    static SAVED: Signal<u32> = Signal::new();
    static OWN: Mutex<Option<Watch>> = Mutex::new(None);
    static OTHER: OnceLock<Lines> = OnceLock::new();
    static CALLS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let lines = OTHER.get_or_init(Lines::default);
    SAVED.options().name("first").connect(|_sender, _id| ());
    let watch = watch::signal(
        &SAVED,
        Calls(|at| {
            CALLS.lock().unwrap().push(at);
            let connection = SAVED.connect(|_sender, _id| ());
            SAVED.send(&7);
            connection.disconnect();
            watch::signal(&SAVED, OTHER.get().unwrap().clone()).forget();
            drop(OWN.lock().unwrap().take());
        }),
    );
    *OWN.lock().unwrap() = Some(watch);
    SAVED.send(&1);
    assert!(OWN.lock().unwrap().is_none(), "it has detached itself");
    assert!(
        lines.take().is_empty(),
        "the send started before the attach"
    );
    // The table that has the observer is freed by a change after the last send with it.
    SAVED.connect(|_sender, _id| ()).disconnect();
    assert_eq!(*CALLS.lock().unwrap(), ["start", "drop"]);
    lines.take();
    SAVED.send(&1);
    let seen = lines.take();
    assert_eq!(seen.len(), 8, "each step twice: {seen:?}");
}

#[test]
fn signals_that_are_used_first_beside_attaches_to_all_are_seen() {
    struct OfThis(Pairs);
    impl Observer for OfThis {
        fn send_started(&self, send: &ObservedSend<'_>) {
            if send.signal().name().contains("Once") {
                self.0.send_started(send);
            }
        }
        fn send_ended(&self, send: &ObservedSend<'_>, end: &SendEnd) {
            if send.signal().name().contains("Once") {
                self.0.send_ended(send, end);
            }
        }
    }
    struct Once;
    impl fanfare::Event for Once {
        type Args<'a> = Once;
    }
    let (is_over, pairs) = (AtomicBool::new(false), Pairs::default());
    let rounds = 300;
    let _watch = watch::all(OfThis(pairs.clone()));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                drop(watch::all(Lines::default()));
                let signal = Signal::<Once>::new();
                drop(watch::signal(&signal, Lines::default()));
            }
        });
        for _ in 0..rounds {
            let signal = Signal::<Once>::new();
            thread::scope(|scope| {
                scope.spawn(|| {
                    signal.connect(|_sender, _event| ());
                    signal.send(&Once);
                });
                signal.connect(|_sender, _event| ());
                signal.send(&Once);
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(pairs.ended(), 2 * rounds);
}

#[test]
fn a_signal_may_end_while_it_is_observed() {
    let lines = Lines::default();
    let signal = Signal::<u32>::new();
    signal.connect(|_sender, _id| ());
    let watch = watch::signal(&signal, lines.clone());
    signal.send(&1);
    drop(signal);
    assert_eq!(lines.take().len(), 4);
    assert_eq!(Arc::strong_count(&lines.0), 2, "the watch has the observer");
    drop(watch);
    assert_eq!(Arc::strong_count(&lines.0), 1);
}

#[test]
fn a_receiver_its_destructor_and_an_observers_destructor_may_attach() {
    static SAVED: Signal<u32> = Signal::new();
    static LINES: OnceLock<Lines> = OnceLock::new();
    struct Attaches;
    impl Drop for Attaches {
        fn drop(&mut self) {
            watch::signal(&SAVED, LINES.get_or_init(Lines::default).clone()).forget();
        }
    }
    impl Observer for Attaches {}
    let (held, lines) = (Attaches, LINES.get_or_init(Lines::default));
    let connection = SAVED.connect(move |_sender, _id| {
        let _ = &held;
        drop(Attaches);
    });
    SAVED.send(&1);
    assert!(lines.take().is_empty());
    connection.disconnect();
    lines.take();
    drop(watch::signal(&SAVED, Attaches));
    SAVED.send(&1);
    assert_eq!(lines.take().len(), 6, "three have attached an observer");
}

#[test]
fn an_observer_of_all_and_one_of_a_signal_see_the_same() {
    struct OfThis(Lines);
    struct Both;
    impl fanfare::Event for Both {
        type Args<'a> = u32;
    }
    impl Observer for OfThis {
        fn send_started(&self, send: &ObservedSend<'_>) {
            if send.signal().event_type().ends_with("Both") {
                self.0.send_started(send);
            }
        }
    }
    let (all, one) = (Lines::default(), Lines::default());
    let of_all = watch::all(OfThis(all.clone()));
    let signal = Signal::<Both>::new();
    signal.connect(|_sender, _id| ());
    let of_one = watch::signal(&signal, OfThis(one.clone()));
    signal.send(&1);
    assert_eq!(all.take(), one.take());
    drop(of_all);
    signal.send(&1);
    assert_eq!((all.take().len(), one.take().len()), (0, 1));
    drop(of_one);
    signal.send(&1);
    assert_eq!((all.take().len(), one.take().len()), (0, 0));
}

#[test]
fn a_freeze_and_an_attach_in_any_order_are_seen() {
    for freezes_first in [true, false] {
        let (signal, lines) = (Signal::<u32, u32>::new(), Lines::default());
        signal.connect(|_sender, id| *id);
        signal.options().sender("shop").connect(|_sender, id| *id);
        let mut emitter = signal.emitter();
        if freezes_first {
            signal.freeze();
        }
        let watch = watch::signal(&signal, lines.clone());
        emitter.send(&1);
        signal.freeze();
        assert_eq!(lines.take().len(), 4);
        for _ in 0..2 {
            assert_eq!(*emitter.send(&1), [1]);
            assert_eq!(*signal.from("shop").send(&2), [2, 2]);
            assert_eq!(lines.take().len(), 4 + 6);
        }
        drop(watch);
        assert_eq!(*emitter.send(&1), [1]);
        assert_eq!(*signal.from("shop").send(&2), [2, 2]);
        assert!(lines.take().is_empty());
    }
}

#[test]
fn a_frozen_signal_without_receivers_is_seen() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    signal.freeze();
    for _ in 0..2 {
        let watch = watch::signal(&signal, lines.clone());
        signal.send(&1);
        signal.emitter().send(&1);
        assert_eq!(lines.take().len(), 4);
        drop(watch);
        signal.send(&1);
        assert!(lines.take().is_empty());
        assert!(!signal.has_listeners());
    }
}

#[test]
fn freezes_beside_attaches_are_exact() {
    for _ in 0..200 {
        let (signal, pairs) = (Signal::<u32>::new(), Pairs::default());
        signal.connect(|_sender, _id| ());
        thread::scope(|scope| {
            scope.spawn(|| signal.freeze());
            let watch = watch::signal(&signal, pairs.clone());
            signal.send(&1);
            drop(watch);
            signal.send(&1);
        });
        assert_eq!(pairs.ended(), 1);
        let watch = watch::signal(&signal, pairs.clone());
        signal.send(&1);
        drop(watch);
        signal.send(&1);
        assert_eq!(pairs.ended(), 2);
    }
}

#[test]
fn a_thread_that_ends_sends_in_its_destructors() {
    static SAVED: Signal<u32> = Signal::new();
    struct Sends;
    impl Drop for Sends {
        fn drop(&mut self) {
            let mut deferred = fanfare::Deferred::new();
            deferred.record(&SAVED, 2);
            SAVED.send(&1);
            deferred.commit();
        }
    }
    thread_local! {
        static LAST: Sends = const { Sends };
    }
    let lines = Lines::default();
    SAVED.connect(|_sender, id| {
        if *id == 1 {
            SAVED.send(&3);
        }
    });
    let _watch = watch::signal(&SAVED, lines.clone());
    for sends_first in [true, false] {
        thread::spawn(move || {
            // The one that is used first is destroyed last.
            if sends_first {
                SAVED.send(&4);
            }
            LAST.with(|_| ());
            SAVED.send(&4);
        })
        .join()
        .unwrap();
        assert_eq!(lines.take().len(), 4 * (4 + usize::from(sends_first)));
    }
}
