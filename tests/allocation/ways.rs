//! The allocations of each way of sending and of looking: the tables in `docs/guarantees.md`.

use fanfare::connections::{purged, unmatched_senders};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fanfare::Signal;

use super::allocations;

type Fallible = Signal<u64, Result<u64, u64>>;

fn fallible(receivers: u64) -> Fallible {
    let signal = Signal::new();
    for n in 0..receivers {
        signal.connect(move |_, m| if *m < 1_000 { Ok(n + m) } else { Err(n) });
    }
    drop(signal.send(&1));
    signal
}

#[test]
fn sends_that_keep_responses_allocate_two_vectors() {
    for receivers in [1, 3, 16, 100] {
        let signal = fallible(receivers);
        assert_eq!(
            allocations(|| drop(black_box(signal.from("n").send(&1)))),
            2
        );
        assert_eq!(
            allocations(|| drop(black_box(signal.from("n").send_robust(&1)))),
            2
        );
        let mut emitter = signal.emitter();
        emitter.from("n").send(&1);
        assert_eq!(
            allocations(|| drop(black_box(emitter.from("n").send(&1)))),
            2
        );
        assert_eq!(
            allocations(|| drop(black_box(signal.from("n").send_batch(&[1, 2, 3])))),
            2
        );
        // Vectors that grow: 4, 8, 16 and so on.
        let growths = |len: u64| 2 * (1 + (len.max(4) as f64 / 4.0).log2().ceil() as usize);
        let made = allocations(|| drop(black_box(signal.from("n").send_until_err(&1).ok())));
        assert_eq!(made, growths(receivers), "{receivers}");
        let made = allocations(|| assert!(signal.from("n").send_until_err(&1_000).is_err()));
        assert_eq!(made, 0, "there is no response before the first");
        let never = allocations(|| {
            let flow = signal
                .from("n")
                .send_each(&1, |_, _| ControlFlow::<()>::Continue(()));
            assert!(flow.is_continue());
            assert!(signal.from("n").send_until(&1, |_| false).is_none());
            assert!(signal.from("n").send_until(&1, |_| true).is_some());
        });
        assert_eq!(never, 0);
    }
}

#[test]
fn send_until_err_does_not_store_units() {
    let signal = Signal::<u64, Result<(), u64>>::new();
    (0..100)
        .for_each(|n| drop(signal.connect(move |_, m| if n + m > 0 { Ok(()) } else { Err(n) })));
    drop(signal.send(&1));
    assert_eq!(
        allocations(|| assert_eq!(signal.from("n").send_until_err(&1).unwrap().len(), 100)),
        0
    );
}

#[test]
fn a_robust_send_allocates_for_failures() {
    let signal = Signal::<u64>::new();
    signal.connect(|_, n| assert!(*n < 10));
    signal.send(&1);
    assert_eq!(
        allocations(|| assert!(signal.from("n").send_robust(&1).all_ok())),
        0
    );
    let made = allocations(|| assert!(!signal.from("n").send_robust(&10).all_ok()));
    assert!(made > 0);
    let travels = allocations(|| {
        assert!(catch_unwind(AssertUnwindSafe(|| signal.from("n").send(&10))).is_err());
    });
    assert!(made > travels, "{made} {travels}");
}

#[test]
fn weak_receivers_allocate_a_list_that_grows_from_17_on() {
    let signal = Signal::<u64>::new();
    let target = Arc::new(1_u64);
    for weak in 1..=40_usize {
        let options = signal.options().dispatch_uid(weak.to_string());
        options.connect_weak(&target, |target, _, n| touch(*target + n));
        signal.send(&1);
        let made = allocations(|| assert_eq!(signal.from("n").send(&1).len(), weak));
        let lists = usize::from(weak > 16) + usize::from(weak > 32);
        assert_eq!(made, lists, "{weak} weak receivers");
    }
}

#[test]
fn dead_and_spent_receivers_allocate_a_list_and_a_change() {
    let signal = Signal::<u64>::new();
    (0..3).for_each(|n| drop(signal.connect(move |_, m| touch(n + m))));
    signal.send(&1);
    let extra = |prepare: &dyn Fn(), send: &dyn Fn()| {
        prepare();
        let change = {
            let connection = signal.connect(|_, n| touch(*n));
            allocations(|| assert!(connection.disconnect()))
        };
        (allocations(send), change)
    };
    let dead = || {
        let target = Arc::new(1_u64);
        signal.connect_weak(&target, |target, _, n| touch(*target + n));
    };
    let send = || assert_eq!(signal.from("n").send(&1).len(), 3);
    let (made, change) = extra(&dead, &send);
    assert!(
        (1..=1 + change).contains(&made),
        "{made}, a change {change}"
    );
    assert_eq!(allocations(send), 0, "it has been taken out");
    let once = || drop(signal.options().once().connect(|_, n| touch(*n)));
    let (made, change) = extra(&once, &|| assert_eq!(signal.from("n").send(&1).len(), 4));
    assert!(
        (1..=1 + change).contains(&made),
        "{made}, a change {change}"
    );
    assert_eq!(allocations(send), 0, "it has been taken out");
}

/// A frozen signal keeps its receivers. Sends skip the receivers that have ended.
#[test]
fn ended_receivers_of_a_frozen_signal_allocate_nothing() {
    let signal = Signal::<u64>::new();
    signal.connect(|_, n| touch(*n));
    signal.options().once().connect(|_, n| touch(*n));
    let target = Arc::new(1_u64);
    signal.connect_weak(&target, |target, _, n| touch(*target + n));
    signal.freeze();
    drop(target);
    for calls in [2, 1, 1] {
        let made = allocations(|| assert_eq!(signal.send(&1).len(), calls));
        assert_eq!(made, 0, "{calls} calls");
    }
}

#[test]
fn a_connect_and_a_disconnect_allocate_a_dozen_or_so() {
    let signal = Signal::<u64>::new();
    let target = Arc::new(1_u64);
    let mut made = Vec::new();
    let mut most = |work: &mut dyn FnMut()| made.push(allocations(work));
    for n in 0..2_000_u64 {
        let mut connections = Vec::with_capacity(4);
        most(&mut || connections.push(signal.connect(move |_, m| touch(n + m))));
        most(&mut || {
            let options = signal.options().sender(n);
            connections.push(options.connect(move |_, m| touch(n + m)));
        });
        most(&mut || {
            let options = signal.options().sender("n").priority((n % 9) as i32);
            connections.push(options.connect_weak(&target, move |it, _, m| touch(n + *it + m)));
        });
        if n % 3 == 0 {
            connections
                .iter()
                .for_each(|it| most(&mut || assert!(it.disconnect())));
        }
    }
    let all = made.iter().sum::<usize>() as f64 / made.len() as f64;
    assert!((4.0..=16.0).contains(&all), "{all} on average");
    assert!(
        made.iter().all(|made| *made <= 32),
        "{:?}",
        made.iter().max()
    );
}

#[test]
fn looking_allocates_where_the_table_states_it() {
    let signal = fallible(20);
    let connection = signal.options().sender("till").connect(|_, n| Ok(*n));
    let nothing = allocations(|| {
        assert!(signal.from("till").has_listeners() && signal.receiver_count() != 0);
        assert_eq!((signal.receiver_count(), purged(&signal)), (21, 0));
        assert!(connection.is_connected());
        #[cfg(feature = "async")]
        assert!(!signal.from("till").wants_asend());
    });
    assert_eq!(nothing, 0);
    assert!(allocations(|| assert_eq!(signal.connections().len(), 21)) > 0);
    assert!(allocations(|| assert_eq!(unmatched_senders(&signal).len(), 1)) > 0);
}

#[cfg(feature = "async")]
#[test]
fn async_sends_allocate_each_future_and_a_few_vectors() {
    use fanfare::BoxFuture;
    fn pending_once<'a>() -> BoxFuture<'a, ()> {
        Box::pin(smol::future::yield_now())
    }
    for receivers in [1, 2, 10, 30, 31, 100_usize] {
        let (ready, waits, responses) = (
            Signal::<u64>::new(),
            Signal::<u64>::new(),
            Signal::<u64, u64>::new(),
        );
        for n in 0..receivers as u64 {
            ready.connect_async(move |_, m| Box::pin(async move { touch(n + m) }));
            waits.connect_async(move |_, _| {
                black_box(n);
                pending_once()
            });
            responses.connect_async(move |_, m| Box::pin(async move { n + m }));
        }
        // Beside the boxes of the futures, and what pollster makes.
        let idle = allocations(|| pollster::block_on(async {}));
        let made = |run: &dyn Fn()| {
            run();
            allocations(run) - receivers - idle
        };
        // From 31 on a waker for each.
        let wakers = if receivers > 30 { receivers } else { 0 };
        // A list that grows, and those of a combinator.
        let lists = wakers + 4 + receivers.ilog2() as usize;
        // Two vectors that grow.
        let kept = 2 * (1 + receivers.div_ceil(4).next_power_of_two().ilog2() as usize);
        let asend = made(&|| drop(pollster::block_on(ready.from("n").asend(&1))));
        if receivers <= 30 {
            assert_eq!(asend, 0, "{receivers}");
        } else {
            assert!(
                (wakers..=wakers + 16).contains(&asend),
                "{receivers}: {asend}"
            );
        }
        let asend = made(&|| drop(pollster::block_on(waits.from("n").asend(&1))));
        assert!(
            (wakers + 1..=lists + 8).contains(&asend),
            "{receivers}: {asend}"
        );
        let asend = made(&|| drop(pollster::block_on(responses.from("n").asend(&1))));
        assert!(
            (kept..=kept + lists + 8).contains(&asend),
            "{receivers}: {asend}"
        );
        // One future is awaited without a combinator.
        let most = if receivers == 1 { 4 } else { lists + 16 };
        let robust = made(&|| drop(pollster::block_on(ready.from("n").asend_robust(&1))));
        assert!(
            (1 + wakers..=most).contains(&robust),
            "{receivers}: {robust}"
        );
        let send = made(&|| drop(ready.from("n").send(&1)));
        assert!(
            (1 + wakers..=lists + 16).contains(&send),
            "{receivers}: {send}"
        );
    }
}

fn touch(number: u64) {
    black_box(number);
}
