//! Muted receivers are left out of each send that starts while the mute holds, and of no other.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use fanfare::mute::{self, Mute};
use fanfare::watch::{self, ObservedSend, Observer, SendEnd};
use fanfare::{Sender, Signal};

type Asked = Signal<u32, Result<u32, ()>>;

/// Returns the number of receivers that `send` reaches in each way of sending that blocks.
fn reached_in_each_way(signal: &Asked) -> Vec<usize> {
    let mut each = 0;
    let _ = signal.send_each::<()>(&1, |_receiver, _response| {
        each += 1;
        ControlFlow::Continue(())
    });
    let mut until = 0;
    signal.send_until(&1, |_| {
        until += 1;
        false
    });
    let mut emitter = signal.emitter();
    let from = signal.from("a sender");
    let ways = [
        signal.send(&1).len(),
        signal.send_robust(&1).len(),
        until,
        signal.send_until_err(&1).unwrap().len(),
        signal.send_batch(&[1]).len(),
        from.send(&1).len(),
        from.send_batch(&[1]).len(),
        emitter.send(&1).len(),
        emitter.from("a sender").send_robust(&1).len(),
        each,
    ];
    #[allow(unused_mut, reason = "the features add ways")]
    let mut ways = Vec::from(ways);
    #[cfg(feature = "rayon")]
    ways.extend([
        signal.send_parallel(&1).len(),
        signal.send_parallel_robust(&1).len(),
    ]);
    #[cfg(feature = "async")]
    ways.extend(pollster::block_on(async {
        [
            signal.asend(&1).await.len(),
            signal.asend_robust(&1).await.len(),
            signal.asend_until_err(&1).await.unwrap().len(),
        ]
    }));
    ways
}

#[test]
fn a_muted_signal_reaches_no_receiver_in_any_way() {
    static ASKED: Asked = Signal::new();
    for n in 0..3 {
        ASKED.connect(move |_sender, id| Ok(*id + n));
    }
    #[cfg(feature = "async")]
    ASKED.connect_async(|_sender, id| Box::pin(async move { Ok(*id) }));
    let all = ASKED.receiver_count();
    assert!(all >= 3);
    assert!(
        reached_in_each_way(&ASKED)
            .iter()
            .all(|reached| *reached == all)
    );
    let muted = mute::signal(&ASKED).everywhere();
    assert!(
        reached_in_each_way(&ASKED)
            .iter()
            .all(|reached| *reached == 0)
    );
    drop(muted);
    assert!(
        reached_in_each_way(&ASKED)
            .iter()
            .all(|reached| *reached == all)
    );
}

#[test]
fn the_other_receivers_of_a_signal_run_in_every_way() {
    static ASKED: Asked = Signal::new();
    let first = ASKED.connect(|_sender, id| Ok(*id));
    ASKED.connect(|_sender, id| Ok(*id));
    ASKED.connect(|_sender, id| Ok(*id));
    let _muted = mute::receiver(&first).everywhere();
    assert!(
        reached_in_each_way(&ASKED)
            .iter()
            .all(|reached| *reached == 2)
    );
}

#[test]
fn a_muted_sender_reaches_no_receiver() {
    let signal = Signal::<u32, u32>::new();
    signal.connect(|_sender, id| *id);
    signal.options().sender("order").connect(|_sender, id| *id);
    let reached = || {
        [
            signal.from("order").send(&1).len(),
            signal.from("customer").send(&1).len(),
            signal.send(&1).len(),
        ]
    };
    assert_eq!(reached(), [2, 1, 1]);
    let order = mute::sender(&signal, "order").everywhere();
    assert_eq!(reached(), [0, 1, 1]);
    let unnamed = mute::sender(&signal, Sender::NONE).everywhere();
    assert_eq!(reached(), [0, 1, 0]);
    drop(order);
    assert_eq!(reached(), [2, 1, 0]);
    drop(unnamed);
    assert_eq!(reached(), [2, 1, 1]);
}

#[test]
fn a_receiver_is_muted_by_its_id_or_its_connection() {
    let signal = Signal::<u32, &str>::new();
    let a = signal.connect(|_sender, _id| "a");
    let b = signal.connect(|_sender, _id| "b");
    {
        let _muted = mute::receiver(&a).everywhere();
        assert_eq!(*signal.send(&1), ["b"]);
    }
    {
        let _muted = mute::receiver_id(b.id()).everywhere();
        assert_eq!(*signal.send(&1), ["a"]);
    }
    assert_eq!(*signal.send(&1), ["a", "b"]);
}

#[test]
fn a_mute_of_an_unknown_receiver_has_no_effect() {
    let signal = Signal::<u32, &str>::new();
    let gone = signal.connect(|_sender, _id| "gone");
    let id = gone.id();
    gone.disconnect();
    signal.connect(|_sender, _id| "here");
    let _by_id = mute::receiver_id(id).everywhere();
    let _by_connection = mute::receiver(&gone).everywhere();
    assert_eq!(*signal.send(&1), ["here"]);
    // The receiver that comes back has another id.
    signal.connect(|_sender, _id| "gone");
    assert_eq!(*signal.send(&1), ["here", "gone"]);
}

#[test]
fn a_tag_spans_signals() {
    let saved = Signal::<u32, &str>::new();
    let deleted = Signal::<(), &str>::new();
    let tagged = saved
        .options()
        .tag("tap::mail")
        .tag("tap::slow")
        .tag("tap::mail");
    tagged.connect(|_sender, _id| "mail");
    saved.connect(|_sender, _id| "count");
    deleted
        .options()
        .tag("tap::slow")
        .connect(|_sender, ()| "clean");
    assert_eq!(saved.connections()[0].tags, ["tap::mail", "tap::slow"]);
    assert!(saved.connections()[1].tags.is_empty());

    let mail = mute::tag("tap::mail").everywhere();
    assert_eq!((saved.send(&1).len(), deleted.send(&()).len()), (1, 1));
    let slow = mute::tag("tap::slow").everywhere();
    assert_eq!((saved.send(&1).len(), deleted.send(&()).len()), (1, 0));
    // A signal that is used for the first time now obeys the mutes, too.
    let late = Signal::<u32>::new();
    late.options().tag("tap::slow").connect(|_sender, _id| ());
    late.connect(|_sender, _id| ());
    assert_eq!(late.send(&1).len(), 1);
    drop((mail, slow));
    assert_eq!((saved.send(&1).len(), deleted.send(&()).len()), (2, 1));
    assert_eq!(late.send(&1).len(), 2);
}

#[test]
#[should_panic(expected = "the tag \"\" is empty")]
fn an_empty_tag_panics() {
    let _ = Signal::<u32>::new().options().tag("");
}

#[test]
fn all_receivers_are_muted_on_a_thread() {
    let saved = Signal::<u32>::new();
    saved.connect(|_sender, _id| ());
    let muted = mute::all().on_this_thread();
    let late = Signal::<u32>::new();
    late.connect(|_sender, _id| ());
    assert_eq!((saved.send(&1).len(), late.send(&1).len()), (0, 0));
    drop(muted);
    assert_eq!((saved.send(&1).len(), late.send(&1).len()), (1, 1));
}

#[test]
fn a_receiver_is_muted_while_any_guard_holds() {
    let signal = Signal::<u32>::new();
    let receiver = signal
        .options()
        .tag("tap::nested")
        .connect(|_sender, _id| ());
    let guards = || {
        vec![
            mute::signal(&signal).everywhere(),
            mute::signal(&signal).everywhere(),
            mute::receiver(&receiver).on_this_thread(),
            mute::tag("tap::nested").everywhere(),
        ]
    };
    for rotation in 0..4 {
        let mut held = guards();
        held.rotate_left(rotation);
        while !held.is_empty() {
            assert_eq!(signal.send(&1).len(), 0);
            held.pop();
        }
        assert_eq!(signal.send(&1).len(), 1);
    }
    let both = mute::receiver(&receiver).and(mute::tag("tap::nested"));
    let muted = both.clone().everywhere();
    let again = both.everywhere();
    drop(muted);
    assert_eq!(signal.send(&1).len(), 0);
    drop(again);
    assert_eq!(signal.send(&1).len(), 1);
}

#[test]
fn the_order_is_that_from_before_the_mute() {
    let signal = Signal::<u32, u32>::new();
    let _connections: Vec<_> = (0..4)
        .map(|n| {
            signal
                .options()
                .priority(n % 2)
                .connect(move |_sender, _id| n.unsigned_abs())
        })
        .collect();
    let muted = mute::signal(&signal).everywhere();
    signal.options().priority(1).connect(|_sender, _id| 4);
    assert!(signal.send(&1).is_empty());
    drop(muted);
    assert_eq!(*signal.send(&1), [1, 3, 4, 0, 2]);
}

#[test]
fn a_muted_receiver_uses_up_no_run() {
    let signal = Signal::<u32>::new();
    let once = signal.options().once().connect(|_sender, _id| ());
    signal.options().max_calls(2).connect(|_sender, _id| ());
    let muted = mute::signal(&signal).everywhere();
    for _ in 0..3 {
        assert_eq!(signal.send(&1).len(), 0);
        assert_eq!(signal.send_batch(&[1, 2]).len(), 0);
    }
    drop(muted);
    assert!(once.is_connected());
    assert_eq!(signal.send(&1).len(), 2);
    assert_eq!(signal.send_batch(&[1, 2]).len(), 1);
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn a_muted_weak_receiver_is_taken_out_when_its_target_dies() {
    let signal = Signal::<u32>::new();
    let target = Arc::new(());
    signal.connect_weak(&target, |(), _sender, _id| ());
    let muted = mute::signal(&signal).everywhere();
    assert_eq!(signal.send(&1).len(), 0);
    assert_eq!(signal.receiver_count(), 1);
    drop(target);
    assert_eq!(signal.send(&1).len(), 0);
    assert_eq!(signal.receiver_count(), 0);
    drop(muted);
}

#[test]
fn has_listeners_does_not_count_muted_receivers() {
    let signal = Signal::<u32>::new();
    let a = signal.connect(|_sender, _id| ());
    signal.options().sender("order").connect(|_sender, _id| ());
    let muted = mute::receiver(&a).on_this_thread();
    assert!(!signal.has_listeners());
    assert!(signal.from("order").has_listeners());
    let elsewhere = thread::scope(|scope| scope.spawn(|| signal.has_listeners()).join());
    assert!(elsewhere.unwrap());
    let scope = mute::signal(&signal).in_a_scope();
    assert!(!scope.enter(|| signal.from("order").has_listeners()));
    drop(muted);
    assert!(signal.has_listeners());
}

#[test]
fn a_frozen_signal_can_be_muted() {
    static SAVED: Signal<u32, u32> = Signal::new();
    let first = SAVED.connect(|_sender, id| *id);
    SAVED.connect(|_sender, id| *id + 1);
    SAVED.freeze();
    let mut emitter = SAVED.emitter();
    for _ in 0..3 {
        assert_eq!(*SAVED.send(&1), [1, 2]);
        let muted = mute::receiver(&first).everywhere();
        assert_eq!(*SAVED.send(&1), [2]);
        assert_eq!(*emitter.send(&1), [2]);
        drop(muted);
        assert_eq!(*emitter.send(&1), [1, 2]);
    }
}

#[test]
fn a_mute_on_a_thread_concerns_that_thread_alone() {
    let signal = Signal::<u32>::new();
    signal.connect(|_sender, _id| ());
    let elsewhere = || thread::scope(|scope| scope.spawn(|| signal.send(&1).len()).join().unwrap());
    let muted = mute::signal(&signal).on_this_thread();
    assert_eq!((signal.send(&1).len(), elsewhere()), (0, 1));
    drop(muted);
    assert_eq!((signal.send(&1).len(), elsewhere()), (1, 1));
}

#[test]
fn a_guard_that_another_thread_drops_ends_its_own_mute_alone() {
    let signal = Signal::<u32>::new();
    signal.connect(|_sender, _id| ());
    let first = mute::signal(&signal).on_this_thread();
    let second = mute::signal(&signal).on_this_thread();
    thread::spawn(move || drop(first)).join().unwrap();
    assert_eq!(signal.send(&1).len(), 0);
    thread::spawn(move || drop(second)).join().unwrap();
    assert_eq!(signal.send(&1).len(), 1);
}

#[test]
fn a_guard_may_outlive_its_signal() {
    let signal = Signal::<u32>::new();
    let connection = signal.connect(|_sender, _id| ());
    let guards: Vec<Mute> = vec![
        mute::signal(&signal).everywhere(),
        mute::sender(&signal, "order").on_this_thread(),
        mute::receiver(&connection).everywhere(),
        mute::receiver_id(connection.id()).everywhere(),
    ];
    drop(signal);
    let late = mute::receiver(&connection).everywhere();
    let other = Signal::<u32>::new();
    other.connect(|_sender, _id| ());
    assert_eq!(other.send(&1).len(), 1);
    drop(late);
    drop(guards);
    assert_eq!(other.send(&1).len(), 1);
}

#[test]
fn a_receiver_may_mute_the_signal_of_its_send() {
    static SAVED: Signal<u32> = Signal::new();
    static GUARD: Mutex<Option<Mute>> = Mutex::new(None);
    static AFTER: AtomicUsize = AtomicUsize::new(0);
    SAVED.connect(|_sender, depth| {
        if *depth == 0 {
            *GUARD.lock().unwrap() = Some(mute::signal(&SAVED).everywhere());
            assert!(SAVED.send(&1).is_empty());
        }
    });
    SAVED.connect(|_sender, _depth| {
        AFTER.fetch_add(1, Ordering::Relaxed);
    });
    // The send that has started goes on as it began.
    assert_eq!(SAVED.send(&0).len(), 2);
    assert_eq!(AFTER.load(Ordering::Relaxed), 1);
    assert!(SAVED.send(&0).is_empty());
    drop(GUARD.lock().unwrap().take());
    assert_eq!(SAVED.send(&1).len(), 2);
}

/// An observer that notes the end of each send, and sends another signal at its start.
struct Relays {
    other: Arc<Signal<u32>>,
    ends: Arc<Mutex<Vec<SendEnd>>>,
}

impl Observer for Relays {
    fn send_started(&self, _send: &ObservedSend<'_>) {
        self.other.send(&1);
    }

    fn send_ended(&self, _send: &ObservedSend<'_>, end: &SendEnd) {
        self.ends.lock().unwrap().push(*end);
    }
}

#[test]
fn observers_see_the_number_of_muted_receivers() {
    let signal = Signal::<u32>::new();
    let other = Arc::new(Signal::<u32>::new());
    let ran = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&ran);
    other.connect(move |_sender, _id| {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    signal.connect(|_sender, _id| ());
    let second = signal.connect(|_sender, _id| ());
    signal.options().sender("order").connect(|_sender, _id| ());
    let ends = Arc::<Mutex<Vec<SendEnd>>>::default();
    let observer = || Relays {
        other: Arc::clone(&other),
        ends: Arc::clone(&ends),
    };
    let _watches = [
        watch::signal(&signal, observer()),
        watch::signal(&*other, observer()),
    ];
    let reached_and_muted = || {
        let ends = std::mem::take(&mut *ends.lock().unwrap());
        let ends = ends.into_iter().map(|end| (end.reached, end.muted));
        ends.collect::<Vec<_>>()
    };
    let one = mute::receiver(&second).everywhere();
    signal.send(&1);
    signal.send_batch(&[1, 2]);
    assert_eq!(reached_and_muted(), [(1, 1), (1, 1)]);
    assert_eq!(ran.load(Ordering::Relaxed), 2);
    let all = mute::signal(&signal).everywhere();
    signal.from("order").send(&1);
    assert_eq!(reached_and_muted(), [(0, 3)]);
    drop(one);
    // A weak receiver whose target has died is not reached, and so it is not muted.
    let target = Arc::new(());
    let options = signal.options().sender("weak");
    options.connect_weak(&target, |_target, _sender, _id| ());
    drop(target);
    signal.from("weak").send(&1);
    assert_eq!(reached_and_muted(), [(0, 2)]);
    drop(all);
    // The send of an observer is muted, although it is not observed.
    let _muted = mute::signal(&*other).everywhere();
    signal.send(&1);
    assert_eq!(reached_and_muted(), [(2, 0)]);
    assert_eq!(ran.load(Ordering::Relaxed), 4);
}

#[test]
fn a_guard_shows_its_subject_its_reach_and_its_place() {
    let line = line!() + 1;
    let muted = mute::tag("tap::shown").everywhere();
    let shown = format!("{muted:?}");
    assert!(
        shown.contains("the tag \\\"tap::shown\\\" is muted everywhere, by "),
        "{shown}"
    );
    assert!(shown.contains(&format!("mute.rs:{line}:")), "{shown}");
    let shown = format!("{:?}", mute::tag("tap::shown").in_a_scope());
    assert!(shown.contains("is muted in scope "), "{shown}");
}

#[test]
fn an_explanation_names_the_mute() {
    let signal = Signal::<u32>::new();
    signal
        .options()
        .name("mail")
        .tag("tap::explained")
        .connect(|_sender, _id| ());
    let quiet = mute::tag("tap::explained").in_a_scope();
    let line = line!() - 1;
    let would_run = || signal.explain(Sender::NONE).would_run();
    assert_eq!((would_run(), quiet.enter(would_run)), (1, 0));
    let explained = quiet.enter(|| signal.explain(Sender::NONE).to_string());
    assert!(
        explained.contains("would not run: muted in scope "),
        "{explained}"
    );
    assert!(
        explained.contains(&format!(", at tests/tap/mute.rs:{line}:")),
        "{explained}"
    );
}

#[test]
fn a_mute_holds_for_each_send_between_its_call_and_its_drop() {
    const TOGGLES: usize = if cfg!(miri) { 20 } else { 200 };
    let signal = Signal::<u32>::new();
    for n in 1..4 {
        signal.connect(move |_sender, id| assert_ne!(*id, 7 * n));
    }
    // Odd while the mute may be changing. 0 modulo 4 without it, 2 with it.
    let state = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let checked = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let before = state.load(Ordering::SeqCst);
                    let reached = signal.send(&1).len();
                    let after = state.load(Ordering::SeqCst);
                    // A send is never muted in part.
                    assert!(reached == 0 || reached == 3, "{reached}");
                    if before == after && before % 2 == 0 {
                        assert_eq!(reached, if before % 4 == 0 { 3 } else { 0 });
                        checked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for _ in 0..TOGGLES {
            state.fetch_add(1, Ordering::SeqCst);
            let muted = mute::signal(&signal).everywhere();
            state.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
            state.fetch_add(1, Ordering::SeqCst);
            drop(muted);
            state.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(checked.load(Ordering::Relaxed) > 0);
}

/// `INNER` is sent inside an observer, where the observers of other tests do not see it.
#[test]
fn a_send_that_only_a_mute_looks_at_causes_nothing() {
    static INNER: Signal<u32> = Signal::new();
    static CAUSES: Mutex<Vec<Option<watch::Cause>>> = Mutex::new(Vec::new());
    struct Sends;
    impl Observer for Sends {
        fn send_started(&self, _send: &ObservedSend<'_>) {
            INNER.send(&1);
        }
    }
    let muted = INNER.connect(|_sender, _id| panic!("it is muted"));
    let _mute = mute::receiver(&muted).everywhere();
    INNER.connect(|_sender, _id| {
        let cause = watch::Context::current().cause();
        CAUSES.lock().unwrap().push(cause);
    });
    let outer = Signal::<u32>::new();
    let _watch = watch::signal(&outer, Sends);
    outer.send(&1);
    assert_eq!(*CAUSES.lock().unwrap(), [None]);
}
