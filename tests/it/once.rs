//! A receiver connected with `once` runs exactly once in all.

use fanfare::connections::purged;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use fanfare::{Sender, Signal};

type Asked = Signal<(), u32>;

#[test]
fn a_once_receiver_responds_to_one_send_and_is_gone() {
    let signal = Asked::new();
    signal.connect(|_, ()| 1);
    let once = signal.options().once().connect(|_, ()| 2);
    signal.connect(|_, ()| 3);
    assert!(once.is_connected() && once.is_new());
    assert_eq!(*signal.send(&()), [1, 2, 3]);
    assert!(!once.is_connected());
    assert!(!once.disconnect());
    assert_eq!(*signal.send(&()), [1, 3]);
    assert_eq!(
        (signal.receiver_count(), signal.connections().len()),
        (2, 2)
    );
}

#[test]
fn every_way_of_sending_spends_it() {
    let ways: [fn(&Asked) -> usize; 7] = [
        |signal| signal.from("n").send(&()).len(),
        |signal| signal.from("n").send_robust(&()).len(),
        |signal| usize::from(signal.from("n").send_until(&(), |_| true).is_some()),
        |signal| {
            let mut count = 0;
            let _ = signal.from("n").send_each(&(), |_, _| {
                count += 1;
                ControlFlow::<()>::Continue(())
            });
            count
        },
        |signal| signal.emitter().from("n").send(&()).len(),
        |signal| signal.emitter().from("n").send_robust(&()).len(),
        |signal| {
            usize::from(
                signal
                    .emitter()
                    .from("n")
                    .send_each(&(), |_, _| ControlFlow::Break(()))
                    .is_break(),
            )
        },
    ];
    for (way, send) in ways.iter().enumerate() {
        let signal = Asked::new();
        let held = Arc::new(());
        let captured = Arc::clone(&held);
        signal
            .options()
            .sender("n")
            .once()
            .connect(move |_, ()| Arc::strong_count(&captured) as u32);
        assert_eq!(send(&signal), 1, "way {way}");
        assert_eq!(send(&signal), 0, "way {way}");
        assert_eq!(signal.receiver_count(), 0, "way {way}");
        // An emitter held the table when the receiver was taken out, and frees no memory.
        signal.purge();
        assert_eq!(Arc::strong_count(&held), 1, "way {way} keeps the receiver");
    }
}

#[test]
fn an_emitter_that_saw_it_before_does_not_run_it_again() {
    let signal = Asked::new();
    let mut emitter = signal.emitter();
    signal.options().once().connect(|_, ()| 1);
    assert_eq!(emitter.send(&()).len(), 1);
    assert_eq!(emitter.send(&()).len(), 0);
    assert!(signal.send(&()).is_empty());
}

#[test]
fn a_send_from_another_sender_does_not_spend_it() {
    let signal = Asked::new();
    let once = signal.options().sender("a").once().connect(|_, ()| 1);
    assert!(signal.from("b").send(&()).is_empty());
    assert!(signal.send(&()).is_empty());
    assert!(once.is_connected());
    assert_eq!(signal.from("a").send(&()).len(), 1);
}

#[test]
fn a_send_that_stops_before_it_does_not_spend_it() {
    let signal = Asked::new();
    let first = signal.connect(|_, ()| 0);
    let once = signal.options().once().connect(|_, ()| 1);
    assert_eq!(
        signal
            .send_until(&(), |value| *value == 0)
            .map(|response| response.value),
        Some(0)
    );
    assert!(
        signal
            .send_each(&(), |_, _| ControlFlow::Break(()))
            .is_break()
    );
    first.disconnect();
    let failing = signal
        .options()
        .priority(1)
        .connect(|_, ()| panic!("before it"));
    assert!(catch_unwind(AssertUnwindSafe(|| signal.send(&()))).is_err());
    failing.disconnect();
    assert!(once.is_connected());
    assert_eq!(*signal.send(&()), [1]);
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn a_once_receiver_is_spent_by_its_own_panic_and_by_a_later_ones() {
    let signal = Asked::new();
    let ran = Arc::new(AtomicU32::new(0));
    signal.options().once().connect(counting(&ran));
    signal.options().once().connect(|_, ()| panic!("its own"));
    assert!(catch_unwind(AssertUnwindSafe(|| signal.send(&()))).is_err());
    assert_eq!(signal.receiver_count(), 0);
    signal.options().once().connect(|_, ()| panic!("its own"));
    assert!(!signal.send_robust(&()).all_ok());
    assert_eq!(signal.receiver_count(), 0);
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

#[test]
fn disconnected_before_any_send_it_never_runs() {
    let signal = Asked::new();
    let once = signal.options().once().connect(|_, ()| 1);
    assert!(once.disconnect());
    assert!(signal.send(&()).is_empty());
}

#[test]
fn a_send_nested_in_its_run_does_not_run_it_again() {
    static SIGNAL: Asked = Asked::new();
    static DEPTH: AtomicU32 = AtomicU32::new(0);
    SIGNAL.options().once().connect(|_, ()| {
        assert_eq!(DEPTH.fetch_add(1, Ordering::Relaxed), 0);
        SIGNAL.send(&()).len() as u32
    });
    assert_eq!(*SIGNAL.send(&()), [0]);
    assert_eq!(DEPTH.load(Ordering::Relaxed), 1);
}

#[test]
fn a_nested_send_may_take_it_from_the_outer_one() {
    static SIGNAL: Asked = Asked::new();
    let nested = AtomicU32::new(0);
    SIGNAL.connect(move |_, ()| match nested.fetch_add(1, Ordering::Relaxed) {
        0 => SIGNAL.send(&()).len() as u32,
        _ => 0,
    });
    SIGNAL.options().once().connect(|_, ()| 9);
    assert_eq!(
        *SIGNAL.send(&()),
        [2],
        "the nested send had both, this one only the first"
    );
    assert!(SIGNAL.receiver_count() == 1);
}

#[test]
fn its_key_is_free_once_it_is_spent() {
    let signal = Asked::new();
    let first = signal.options().once().connect(one);
    assert!(!signal.options().once().connect(one).is_new());
    signal.send(&());
    let second = signal.options().once().dispatch_uid("u").connect(one);
    let third = signal.connect(one);
    assert!(second.is_new() && third.is_new());
    assert!(
        !first.disconnect(),
        "the spent one's handle does not reach the next"
    );
    assert_eq!(signal.receiver_count(), 2);
    signal.send(&());
    assert!(signal.options().dispatch_uid("u").connect(one).is_new());
}

/// It is spent when it is called, so it may connect itself again, and that connection stays.
#[test]
fn a_once_receiver_may_connect_itself_anew_from_inside() {
    static SIGNAL: Asked = Asked::new();
    fn rearms(_: Sender<'_>, (): &()) -> u32 {
        u32::from(SIGNAL.options().once().connect(rearms).is_new())
    }
    SIGNAL.options().once().connect(rearms);
    for round in 0..5 {
        assert_eq!(*SIGNAL.send(&()), [1], "round {round}");
        assert_eq!(SIGNAL.receiver_count(), 1, "round {round}");
    }
    assert!(SIGNAL.disconnect(rearms));
    assert_eq!(SIGNAL.receiver_count(), 0);
}

#[test]
fn a_weak_one_runs_once_or_dies_first() {
    let signal = Asked::new();
    let target = Arc::new(5);
    signal
        .options()
        .once()
        .connect_weak(&target, |target: &u32, _, ()| *target);
    assert_eq!(*signal.send(&()), [5]);
    assert_eq!(signal.receiver_count(), 0);
    signal
        .options()
        .once()
        .connect_weak(&target, |target: &u32, _, ()| *target);
    drop(target);
    assert!(signal.send(&()).is_empty());
    assert_eq!(signal.receiver_count(), 0);
    assert_eq!(purged(&signal), 1, "only the one that died was purged");
}

#[test]
fn many_at_once_all_run_and_all_go() {
    let signal = Asked::new();
    let connections = signal.change(|changes| {
        for value in 0..500 {
            let options = changes.options().once().priority((value % 3) as i32);
            options.connect(move |_, ()| value);
        }
    });
    signal.connect(|_, ()| 1_000);
    assert_eq!(signal.send(&()).len(), 501);
    assert!(
        connections
            .iter()
            .all(|connection| !connection.is_connected())
    );
    assert_eq!(*signal.send(&()), [1_000]);
    assert_eq!(signal.receiver_count(), 1);
}

#[test]
fn threads_that_send_together_share_it() {
    let signal = Asked::new();
    let start = Barrier::new(4);
    for round in 0..100 {
        let ran = Arc::new(AtomicU32::new(0));
        for _ in 0..3 {
            signal.options().once().connect(counting(&ran));
        }
        let responses: usize = thread::scope(|scope| {
            let senders: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        signal.send(&()).len()
                    })
                })
                .collect();
            senders
                .into_iter()
                .map(|sender| sender.join().unwrap())
                .sum()
        });
        assert_eq!(
            (ran.load(Ordering::Relaxed), responses),
            (3, 3),
            "round {round}"
        );
        assert_eq!(signal.receiver_count(), 0, "round {round}");
    }
}

fn one(_: Sender<'_>, (): &()) -> u32 {
    1
}

fn counting(ran: &Arc<AtomicU32>) -> impl Fn(Sender<'_>, &()) -> u32 + Send + Sync + 'static {
    let ran = Arc::clone(ran);
    move |_, ()| ran.fetch_add(1, Ordering::Relaxed)
}
