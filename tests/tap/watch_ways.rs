//! The steps of each way to send on the thread of the sender, or on a pool.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use fanfare::watch::{self, ObservedSend, Observer, SendId, Watch};
use fanfare::{Deferred, Signal};

#[cfg(feature = "rayon")]
use crate::pool::pool;
use crate::watch_lines::Lines;

type Tried = Signal<u32, Result<u32, u32>>;

const STARTS: &str = "Blocking from \"no sender\"";

/// Returns a signal with two receivers, that is observed by `lines`. The first fails at 4 and
/// panics at 2.
fn observed(lines: &Lines) -> (Tried, Watch) {
    let signal = Tried::new();
    signal.options().name("first").connect(|_sender, id| {
        assert_ne!(*id, 2);
        if *id == 4 { Err(4) } else { Ok(*id) }
    });
    let named = signal.options().name("second");
    named.connect(|_sender, id| Ok(*id));
    let watch = watch::signal(&signal, lines.clone());
    (signal, watch)
}

const BOTH: [&str; 5] = [
    "first starts",
    "first Returned",
    "second starts",
    "second Returned",
    "reached 2",
];
const ONE: [&str; 3] = ["first starts", "first Returned", "reached 1"];

fn steps<'a>(starts: &'a str, then: &[&'a str]) -> Vec<&'a str> {
    [&[starts], then].concat()
}

#[test]
fn a_robust_send_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    assert!(signal.send_robust(&1).all_ok());
    assert_eq!(lines.take(), steps(STARTS, &BOTH));
    assert!(!signal.send_robust(&2).all_ok());
    let panicked = ["first starts", "first Panicked"];
    assert_eq!(
        lines.take(),
        steps(STARTS, &[&panicked, &BOTH[2..]].concat())
    );
}

#[test]
fn sends_that_stop_are_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    signal.send_until_err(&1).unwrap();
    assert_eq!(lines.take(), steps(STARTS, &BOTH));
    signal.send_until_err(&4).unwrap_err();
    assert_eq!(lines.take(), steps(STARTS, &ONE));
    assert!(signal.send_until(&1, |_| true).is_some());
    assert_eq!(lines.take(), steps(STARTS, &ONE));
    assert!(signal.send_until(&1, |_| false).is_none());
    assert_eq!(lines.take(), steps(STARTS, &BOTH));
    let stopped = signal.send_each(&1, |_, _| ControlFlow::Break(()));
    assert!(stopped.is_break());
    assert_eq!(lines.take(), steps(STARTS, &ONE));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        signal.send_each(&1, |_, _| -> ControlFlow<()> { panic!("the caller") })
    }));
    panicked.unwrap_err();
    let cut_off = [ONE[0], ONE[1], "reached 1, cut off"];
    assert_eq!(lines.take(), steps(STARTS, &cut_off));
}

#[test]
fn a_batch_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    let starts = "Batch from \"no sender\"";
    signal.send_batch(&[1, 3, 4]);
    assert_eq!(lines.take(), steps(starts, &BOTH));
    signal.options().name("slices").connect_batch(|_, _| Ok(0));
    let named = signal.options().name("limited");
    named.max_calls(2).connect(|_, _| Ok(0));
    lines.take();
    signal.send_batch(&[1, 3, 4]);
    let limited = ["limited starts", "limited Returned"];
    let expected = [
        &BOTH[..4],
        &["slices starts", "slices Returned"],
        &limited,
        &limited,
        &["reached 5", "limited UsedUp"],
    ];
    assert_eq!(lines.take(), steps(starts, &expected.concat()));
    catch_unwind(AssertUnwindSafe(|| signal.send_batch(&[1, 2]))).unwrap_err();
    let panicked = ["first starts", "first Panicked", "reached 1, cut off"];
    assert_eq!(lines.take(), steps(starts, &panicked));
    signal.send_batch(&[]);
    assert!(lines.take().is_empty(), "an empty batch is no send");
}

#[test]
fn limited_and_weak_receivers_are_seen() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    let target = Arc::new(());
    signal.options().name("once").once().connect(|_, _| ());
    let named = signal.options().name("weak");
    named.connect_weak(&target, |_: &(), _, _| ());
    let _watch = watch::signal(&signal, lines.clone());
    signal.send(&1);
    let expected = [
        "once starts",
        "once Returned",
        "weak starts",
        "weak Returned",
        "reached 2",
        "once UsedUp",
    ];
    assert_eq!(lines.take(), steps(STARTS, &expected));
    drop(target);
    signal.send(&1);
    assert_eq!(lines.take(), steps(STARTS, &["reached 0", "weak Died"]));
    signal.send(&1);
    assert_eq!(lines.take(), steps(STARTS, &["reached 0"]));
}

#[test]
fn changes_of_receivers_are_seen() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    let _watch = watch::signal(&signal, lines.clone());
    let uid = || signal.options().name("once").dispatch_uid("uid");
    let connection = uid().connect(|_, _| ());
    uid().connect(|_, _| ());
    assert_eq!(lines.take(), ["once Connected"], "the second is the same");
    connection.disconnect();
    assert_eq!(lines.take(), ["once Disconnected"]);
    signal.change(|changes| {
        changes.options().name("a").connect(|_, _| ());
        changes
            .options()
            .name("b")
            .sender("shop")
            .connect(|_, _| ());
    });
    assert_eq!(lines.take(), ["a Connected", "b Connected"]);
}

#[test]
fn receivers_by_sender_are_seen() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    signal
        .options()
        .name("shop")
        .sender("shop")
        .connect(|_, _| ());
    for _ in 0..2 {
        let watch = watch::signal(&signal, lines.clone());
        signal.from("shop").send(&1);
        let one = ["shop starts", "shop Returned", "reached 1"];
        assert_eq!(lines.take(), steps("Blocking from \"\\\"shop\\\"\"", &one));
        signal.from("till").send(&1);
        assert_eq!(lines.take().last().unwrap(), "reached 0");
        drop(watch);
        signal.from("shop").send(&1);
        assert!(lines.take().is_empty());
    }
}

#[test]
fn an_emitter_in_each_state_is_seen() {
    let lines = Lines::default();
    let (signal, watch) = observed(&lines);
    let mut emitter = signal.emitter();
    let _ = emitter.send(&1);
    assert_eq!(lines.take(), steps(STARTS, &BOTH));
    let _ = emitter.send(&4);
    assert_eq!(lines.take(), steps(STARTS, &BOTH));
    drop(watch);
    let _ = emitter.send(&1);
    assert!(lines.take().is_empty());
}

#[test]
fn a_commit_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    let mut deferred = Deferred::new();
    deferred.record(&signal, 1);
    assert!(lines.take().is_empty());
    deferred.commit();
    assert_eq!(lines.take(), steps(STARTS, &BOTH));
    deferred.record(&signal, 1);
    deferred.rollback();
    deferred.commit();
    assert!(lines.take().is_empty());
    deferred.record(&signal, 2);
    assert_eq!(deferred.commit_robust().panics().len(), 1);
    assert_eq!(lines.take()[2], "first Panicked");
}

#[test]
fn each_way_to_send_to_no_receiver_is_seen() {
    let (signal, lines) = (Tried::new(), Lines::default());
    let _watch = watch::signal(&signal, lines.clone());
    let mut sends = 0;
    let mut seen = |starts: &str| {
        sends += 1;
        assert_eq!(lines.take(), [starts, "reached 0"], "send {sends}");
    };
    let _ = signal.send(&1);
    seen(STARTS);
    signal.send_robust(&1);
    seen(STARTS);
    signal.send_until_err(&1).unwrap();
    seen(STARTS);
    signal.send_until(&1, |_| true);
    seen(STARTS);
    let _ = signal.send_each(&1, |_, _| ControlFlow::<()>::Continue(()));
    seen(STARTS);
    signal.send_batch(&[1]);
    seen("Batch from \"no sender\"");
    let _ = signal.emitter().send(&1);
    seen(STARTS);
    #[cfg(feature = "rayon")]
    {
        signal.send_parallel(&1);
        seen(STARTS);
    }
}

#[cfg(feature = "rayon")]
#[test]
fn a_parallel_send_is_seen() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    let pool = pool(2);
    let sorted = |lines: &Lines| {
        let mut seen = lines.take();
        assert_eq!(seen.remove(0), "Parallel from \"no sender\"");
        seen.sort_unstable();
        seen
    };
    pool.install(|| signal.send_parallel(&1));
    let mut both = BOTH;
    both.sort_unstable();
    assert_eq!(sorted(&lines), both);
    assert!(!pool.install(|| signal.send_parallel_robust(&2)).all_ok());
    let mut panicked = BOTH;
    panicked[1] = "first Panicked";
    panicked.sort_unstable();
    assert_eq!(sorted(&lines), panicked);
    catch_unwind(AssertUnwindSafe(|| {
        pool.install(|| signal.send_parallel(&2))
    }))
    .unwrap_err();
    let seen = sorted(&lines);
    assert!(seen.contains(&"first Panicked".into()), "{seen:?}");
    assert!(
        seen.iter().any(|line| line.ends_with("cut off")),
        "{seen:?}"
    );
}

#[cfg(feature = "rayon")]
#[test]
fn a_parallel_send_counts_each_receiver_that_it_reaches() {
    struct Reached(Arc<Mutex<Vec<usize>>>);
    impl Observer for Reached {
        fn send_ended(&self, _send: &ObservedSend<'_>, end: &watch::SendEnd) {
            self.0.lock().unwrap().push(end.reached);
        }
    }
    let (signal, reached) = (Signal::<u32>::new(), Arc::default());
    let receivers = 2_000;
    for receiver in 0..receivers {
        signal.connect(move |_, _| drop(receiver.to_string()));
    }
    let _watch = watch::signal(&signal, Reached(Arc::clone(&reached)));
    let pool = pool(4);
    for _ in 0..10 {
        pool.install(|| signal.send_parallel(&1));
    }
    assert_eq!(*reached.lock().unwrap(), [receivers; 10]);
}

/// Receivers that are called on the thread of the sender, as in [`STARTS`], although the send may
/// use a pool.
#[cfg(feature = "rayon")]
#[test]
fn a_parallel_send_to_one_receiver_is_a_blocking_one() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    signal.options().name("one").connect(|_, _| ());
    let _watch = watch::signal(&signal, lines.clone());
    signal.send_parallel(&1);
    let one = ["one starts", "one Returned", "reached 1"];
    assert_eq!(lines.take(), steps(STARTS, &one));
}

#[cfg(feature = "rayon")]
#[test]
fn a_parallel_send_on_a_pool_of_one_thread_is_a_blocking_one() {
    let lines = Lines::default();
    let (signal, _watch) = observed(&lines);
    pool(1).install(|| signal.send_parallel(&1));
    assert_eq!(lines.take(), steps(STARTS, &BOTH));
}

#[test]
fn sends_of_many_threads_have_numbers_of_their_own() {
    #[derive(Clone, Default)]
    struct Ids(Arc<Mutex<Vec<SendId>>>);
    impl Observer for Ids {
        fn send_started(&self, send: &ObservedSend<'_>) {
            self.0.lock().unwrap().push(send.id());
        }
    }
    // More than the block of numbers that a thread takes at a time.
    let (threads, sends) = (4, 5_000);
    let (signal, ids) = (Signal::<u32>::new(), Ids::default());
    let _watch = watch::signal(&signal, ids.clone());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..sends).for_each(|id| drop(signal.send(&id))));
        }
    });
    let ids = std::mem::take(&mut *ids.0.lock().unwrap());
    assert_eq!(ids.len(), threads * sends as usize);
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
}
