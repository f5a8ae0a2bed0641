//! A panic travels or is caught, and after it everything works as before.

use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::{Connection, Identity, Sender, Signal};

type Asked = Signal<(), u32>;

#[test]
fn a_panic_travels_with_its_payload_and_the_rest_do_not_run() {
    let signal = Asked::new();
    let ran = Arc::new(AtomicUsize::new(0));
    signal.connect(counting(&ran));
    signal.connect(|_, ()| panic_any(404_u16));
    signal.connect(counting(&ran));
    let payload = catch_unwind(AssertUnwindSafe(|| signal.send(&()))).unwrap_err();
    assert_eq!(payload.downcast_ref::<u16>(), Some(&404));
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

#[test]
fn every_way_of_sending_lets_a_panic_travel_but_the_robust_one() {
    let ways: [fn(&Asked); 5] = [
        |signal| drop(signal.from("n").send(&())),
        |signal| assert!(signal.from("n").send_until(&(), |_| false).is_none()),
        |signal| {
            assert!(
                signal
                    .from("n")
                    .send_each(&(), |_, _| ControlFlow::Break(()))
                    .is_break()
            )
        },
        |signal| drop(signal.emitter().from("n").send(&())),
        |signal| {
            assert!(
                signal
                    .emitter()
                    .from("n")
                    .send_each(&(), |_, _| ControlFlow::Break(()))
                    .is_break()
            )
        },
    ];
    let signal = Asked::new();
    let ran = Arc::new(AtomicUsize::new(0));
    signal.connect(|_, ()| panic!("travels"));
    signal.connect(counting(&ran));
    for (way, send) in ways.iter().enumerate() {
        let payload = catch_unwind(AssertUnwindSafe(|| send(&signal))).unwrap_err();
        assert_eq!(
            payload.downcast_ref::<&str>(),
            Some(&"travels"),
            "way {way}"
        );
    }
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    assert_eq!(signal.from("n").send_robust(&()).panics().count(), 1);
    assert_eq!(
        signal.emitter().from("n").send_robust(&()).panics().count(),
        1
    );
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}

/// Few receivers, many, those of a sender among them, weak ones: each is walked in its own way.
#[test]
fn for_every_shape_of_table_the_rest_do_not_run() {
    let target = Arc::new(());
    type Shape = fn(&Asked, &Arc<()>, &Arc<AtomicUsize>);
    let shapes: [(usize, Shape); 5] = [
        (3, |signal, _, ran| drop(signal.connect(counting(ran)))),
        (100, |signal, _, ran| drop(signal.connect(counting(ran)))),
        (100, |signal, _, ran| {
            drop(signal.options().sender("n").connect(counting(ran)))
        }),
        (20, |signal, _, ran| {
            drop(signal.options().once().connect(counting(ran)))
        }),
        (20, |signal, target, ran| {
            let counting = counting(ran);
            signal.connect_weak(target, move |(): &(), sender, event| {
                counting(sender, event)
            });
        }),
    ];
    for (shape, (many, connect)) in shapes.iter().enumerate() {
        let signal = Asked::new();
        let ran = Arc::new(AtomicUsize::new(0));
        (0..*many).for_each(|_| connect(&signal, &target, &ran));
        let failing = signal.connect(|_, ()| panic!("in the middle"));
        (0..*many).for_each(|_| connect(&signal, &target, &ran));
        assert!(catch_unwind(AssertUnwindSafe(|| signal.from("n").send(&()))).is_err());
        assert_eq!(ran.swap(0, Ordering::Relaxed), *many, "shape {shape}");
        let responses = signal.from("n").send_robust(&());
        let failures: Vec<_> = responses
            .panics()
            .map(fanfare::ReceiverPanic::receiver)
            .collect();
        assert_eq!(failures, [failing.id()], "shape {shape}");
        assert_eq!(
            ran.load(Ordering::Relaxed),
            responses.len() - 1,
            "shape {shape}"
        );
        assert!(responses.len() > *many, "shape {shape}");
        assert_works(&signal);
    }
}

#[test]
fn a_panic_of_the_one_who_asks_travels_too() {
    let signal = Asked::new();
    signal.connect(|_, ()| 1);
    let until = catch_unwind(AssertUnwindSafe(|| {
        signal.send_until(&(), |_| panic!("asker"))
    }));
    assert!(until.is_err());
    let each = catch_unwind(AssertUnwindSafe(|| {
        signal.send_each::<()>(&(), |_, _| panic!("asker"))
    }));
    assert!(each.is_err());
    assert_works(&signal);
}

#[test]
fn robust_sends_catch_every_kind_of_payload() {
    let signal = Asked::new();
    signal.connect(|_, ()| panic!("a literal"));
    signal.connect(|_, ()| panic!("a {}", "format"));
    signal.connect(|_, ()| panic_any(7_u8));
    signal.connect(|_, ()| panic_any(Box::<dyn std::error::Error + Send + Sync>::from("boxed")));
    signal.connect(|_, ()| 5);
    let responses = signal.send_robust(&());
    let messages: Vec<_> = responses
        .panics()
        .map(|failure| failure.message().to_owned())
        .collect();
    assert_eq!(messages[..2], ["a literal", "a format"]);
    assert!(
        messages.iter().all(|message| !message.is_empty()),
        "{messages:?}"
    );
    assert_eq!(
        responses.iter().filter_map(Result::ok).collect::<Vec<_>>(),
        [&5]
    );
    let third = responses.into_iter().nth(2).unwrap().unwrap_err();
    assert_eq!(third.into_panic().downcast_ref::<u8>(), Some(&7));
}

/// The receiver's name unless it has been given another: the path of the function, of the method,
/// or of the function that a closure stands in.
#[test]
fn a_failure_has_the_name_of_its_receiver_exactly() {
    fn fails(_: Sender<'_>, (): &()) -> u32 {
        panic!("of a function")
    }
    fn method(_: &u32, _: Sender<'_>, (): &()) -> u32 {
        panic!("of a method")
    }
    let here = concat!(
        module_path!(),
        "::a_failure_has_the_name_of_its_receiver_exactly"
    );
    let signal = Asked::new();
    let target = Arc::new(1);
    signal.connect(fails);
    signal.connect(|_, ()| panic!("of a closure"));
    signal.connect_weak(&target, method);
    signal.options().once().sender("n").connect(fails);
    signal.options().dispatch_uid("bell").connect(fails);
    signal
        .options()
        .name("the bell")
        .dispatch_uid("named")
        .connect(fails);
    let outcomes = signal.from("n").send_robust(&());
    let names: Vec<_> = outcomes.panics().map(|it| it.name().to_owned()).collect();
    let [function, closure, method] =
        ["fails", "{{closure}}", "method"].map(|name| format!("{here}::{name}"));
    let expected = [
        &*function, &closure, &method, &function, &function, "the bell",
    ];
    assert_eq!(names, expected);
    let shown: Vec<_> = outcomes.panics().map(ToString::to_string).collect();
    let id = outcomes.panics().next().unwrap().receiver();
    assert_eq!(
        shown[0],
        format!("receiver {id} ({function}) panicked: of a function")
    );
}

#[cfg(feature = "async")]
#[test]
fn a_failure_of_an_async_receiver_has_its_name_exactly() {
    fn fails<'a>(_: Sender<'a>, (): &'a ()) -> fanfare::BoxFuture<'a, u32> {
        Box::pin(async { panic!("of a future") })
    }
    fn method<'a>(_: &'a u32, _: Sender<'a>, (): &'a ()) -> fanfare::BoxFuture<'a, u32> {
        panic!("of a method")
    }
    let here = concat!(
        module_path!(),
        "::a_failure_of_an_async_receiver_has_its_name_exactly"
    );
    let signal = Asked::new();
    let target = Arc::new(1);
    signal.connect_async(fails);
    signal.connect_async(|_, ()| Box::pin(async { panic!("of a closure") }));
    signal.options().connect_weak_async(&target, method);
    signal
        .options()
        .name("the bell")
        .sender("n")
        .connect_async(fails);
    let expected = ["fails", "{{closure}}", "method"].map(|name| format!("{here}::{name}"));
    for outcomes in [
        signal.from("n").send_robust(&()),
        pollster::block_on(signal.from("n").asend_robust(&())),
    ] {
        let names: Vec<_> = outcomes.panics().map(|it| it.name().to_owned()).collect();
        assert_eq!(names[..3], expected);
        assert_eq!(names[3..], ["the bell"]);
    }
}

#[test]
fn a_panic_leaves_the_signal_as_it_was() {
    let signal = Asked::new();
    let failing = signal.connect(|_, ()| panic!("always"));
    let held = Arc::new(());
    let captured = Arc::clone(&held);
    let other = signal
        .options()
        .sender("a")
        .connect(move |_, ()| Arc::strong_count(&captured) as u32);
    for _ in 0..50 {
        assert!(catch_unwind(AssertUnwindSafe(|| signal.from("a").send(&()))).is_err());
        assert!(!signal.from("a").send_robust(&()).all_ok());
    }
    assert!(failing.is_connected() && other.is_connected());
    assert_eq!(signal.receiver_count(), 2);
    assert!(failing.disconnect());
    assert_eq!(*signal.from("a").send(&()), [2]);
    other.disconnect();
    assert_eq!(
        Arc::strong_count(&held),
        1,
        "no snapshot was left behind by the panics"
    );
    assert_works(&signal);
}

#[test]
fn a_signal_may_cross_catch_unwind_as_it_is() {
    static SIGNAL: Asked = Asked::new();
    SIGNAL.connect(|_, ()| panic!("crosses"));
    assert!(catch_unwind(|| SIGNAL.send(&())).is_err());
    let signal = Asked::new();
    let connection = signal.connect(|_, ()| 1);
    assert!(catch_unwind(move || signal.send(&()).len()).is_ok_and(|count| count == 1));
    assert!(!connection.is_connected());
}

/// However a receiver is removed, its destructor's panic stays where it was.
#[test]
fn a_panic_in_a_destructor_never_travels() {
    let removals: [fn(&Asked, Connection, Identity); 7] = [
        |_, connection, _| assert!(connection.disconnect()),
        |_, connection, _| drop(connection.scoped()),
        |_, connection, _| {
            connection
                .disconnect_and_wait(std::time::Duration::from_secs(30))
                .unwrap()
        },
        |_, _, identity| drop(identity),
        |signal, _, identity| assert_eq!(signal.from(&identity).disconnect_all(), 2),
        |signal, _, _| assert_eq!(signal.disconnect_all(), 2),
        |signal, _, identity| assert!(signal.options().sender(&identity).disconnect_uid("u")),
    ];
    for (way, remove) in removals.iter().enumerate() {
        let signal = Asked::new();
        let identity = Identity::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let connection = signal
            .options()
            .sender(&identity)
            .dispatch_uid("u")
            .connect(explosive(&dropped));
        signal
            .options()
            .sender(&identity)
            .connect(explosive(&dropped));
        let outcome = catch_unwind(AssertUnwindSafe(|| remove(&signal, connection, identity)));
        assert!(outcome.is_ok(), "way {way} let it travel");
        assert!(
            dropped.load(Ordering::Relaxed) >= 1,
            "way {way} dropped nothing"
        );
        signal.disconnect_all();
        assert_eq!(dropped.load(Ordering::Relaxed), 2, "way {way} lost one");
        assert_works(&signal);
    }
}

#[test]
fn a_panic_in_a_destructor_does_not_travel_out_of_connect_or_the_end_of_a_signal() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let signal = Asked::new();
    signal.options().dispatch_uid("u").connect(|_, ()| 1);
    let refused = catch_unwind(AssertUnwindSafe(|| {
        signal
            .options()
            .dispatch_uid("u")
            .connect(explosive(&dropped))
    }));
    assert!(
        refused.is_ok_and(|connection| !connection.is_new()),
        "a refused duplicate"
    );
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    signal.options().once().connect(explosive(&dropped));
    let once = catch_unwind(AssertUnwindSafe(|| signal.send(&()).len()));
    assert_eq!(once.ok(), Some(2), "one that is spent");
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    signal.connect(explosive(&dropped));
    signal.connect(explosive(&dropped));
    assert!(
        catch_unwind(AssertUnwindSafe(|| drop(signal))).is_ok(),
        "the end of the signal"
    );
    assert_eq!(dropped.load(Ordering::Relaxed), 4);
}

/// A receiver that was disconnected during a send is freed by a later change.
#[test]
fn a_panic_in_a_destructor_that_a_later_change_runs_does_not_travel() {
    static SIGNAL: Asked = Asked::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    SIGNAL.connect(|_, ()| SIGNAL.disconnect_all() as u32);
    SIGNAL.connect(explosive(&dropped));
    let sent = catch_unwind(|| SIGNAL.send(&()).to_vec());
    assert_eq!(sent.ok(), Some(vec![2, 0]));
    assert_eq!(dropped.load(Ordering::Relaxed), 0, "a send frees nothing");
    assert!(catch_unwind(|| SIGNAL.purge()).is_ok());
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    assert_works(&SIGNAL);
}

/// Two panics at once would end the process: the destructor's must be caught while the receiver's
/// unwinds.
#[test]
fn a_panic_in_a_destructor_while_a_panic_travels_does_not_abort() {
    static SIGNAL: Asked = Asked::new();
    static OTHER: Asked = Asked::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    SIGNAL.connect(move |_, ()| {
        let _disconnects = OTHER.connect(explosive(&count)).scoped();
        panic!("travels")
    });
    let payload = catch_unwind(|| SIGNAL.send(&())).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"travels"));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    SIGNAL.disconnect_all();
    assert_works(&SIGNAL);
}

#[test]
fn a_panic_in_the_destructor_of_a_weak_target_does_not_travel() {
    struct Target;
    impl Drop for Target {
        fn drop(&mut self) {
            panic!("target");
        }
    }
    let signal = Asked::new();
    let target = Arc::new(Target);
    let last = Mutex::new(Some(Arc::clone(&target)));
    signal.connect(move |_, ()| u32::from(last.lock().unwrap().take().is_some()));
    signal.connect_weak(&target, |_: &Target, _, ()| 2);
    drop(target);
    let sent = catch_unwind(AssertUnwindSafe(|| signal.send(&()).to_vec()));
    assert_eq!(
        sent.ok(),
        Some(vec![1, 2]),
        "the send was the last to hold the target"
    );
    assert_eq!(*signal.send(&()), [0]);
    assert_works(&signal);
}

#[test]
fn a_panic_in_the_destructor_of_a_target_while_a_panic_travels_does_not_abort() {
    let signal = Asked::new();
    let targets = [const { Bomb }; 3].map(Arc::new);
    for target in &targets {
        signal.connect_weak(target, |_: &Bomb, _, ()| 1);
    }
    let last = Mutex::new(Some(targets));
    signal.connect(move |_, ()| {
        let targets = last.lock().unwrap().take();
        targets.map_or(0, |_| panic!("travels"))
    });
    let payload = catch_unwind(AssertUnwindSafe(|| signal.send(&()))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"travels"));
    assert_eq!(*signal.send(&()), [0], "the targets are gone");
    assert_works(&signal);
}

#[test]
fn a_payload_that_panics_when_dropped_does_not_stop_a_robust_send() {
    let signal = Asked::new();
    let ran = Arc::new(AtomicUsize::new(0));
    signal.connect(|_, ()| panic_any(Bomb));
    signal.connect(|_, ()| panic_any(Bomb));
    signal.connect(counting(&ran));
    let responses = catch_unwind(AssertUnwindSafe(|| signal.send_robust(&())))
        .expect("the send itself succeeds");
    assert_eq!(
        (
            responses.len(),
            responses.panics().count(),
            ran.load(Ordering::Relaxed)
        ),
        (3, 2, 1)
    );
    for failure in responses.into_iter().filter_map(Result::err) {
        std::mem::forget(*failure.into_panic().downcast::<Bomb>().unwrap());
    }
    assert_works(&signal);
}

/// One is enough here: two that travelled out of one list would end the process.
#[test]
fn dropping_a_failure_whose_payload_panics_does_not_travel() {
    let signal = Asked::new();
    signal.connect(|_, ()| panic_any(Bomb));
    let responses = signal.send_robust(&());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(responses))).is_ok());
    assert_works(&signal);
}

#[test]
fn a_debug_that_panics_hurts_only_the_one_who_formats() {
    struct Unprintable;
    impl fmt::Debug for Unprintable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("not to be printed")
        }
    }
    let signal = Signal::<(), Result<Unprintable, Unprintable>>::new();
    signal.connect(|_, ()| Ok(Unprintable));
    signal.connect(|_, ()| Err(Unprintable));
    signal.connect(|_, ()| panic_any(Unprintable));
    let robust = signal.send_robust(&());
    assert_eq!(robust.panics().count(), 1);
    let failure = robust.panics().next().unwrap();
    assert!(
        !format!("{failure} {failure:?}").is_empty(),
        "a payload is not formatted"
    );
    assert!(catch_unwind(AssertUnwindSafe(|| format!("{robust:?}"))).is_err());
    let tried = signal.send_until_err(&()).unwrap_err();
    assert!(catch_unwind(AssertUnwindSafe(|| format!("{tried:?}"))).is_err());
    assert_eq!((tried.before.len(), signal.receiver_count()), (1, 3));
    assert_eq!(signal.disconnect_all(), 3);
}

#[test]
fn a_panic_inside_a_nested_send_travels_to_the_frame_that_catches_it() {
    static INNER: Asked = Asked::new();
    static OUTER: Asked = Asked::new();
    INNER.connect(|_, ()| panic!("deep"));
    INNER.connect(|_, ()| 1);
    OUTER.connect(|_, ()| INNER.send(&()).len() as u32);
    OUTER.connect(|_, ()| INNER.send_robust(&()).len() as u32);
    assert!(catch_unwind(|| OUTER.send(&())).is_err());
    let responses = OUTER.send_robust(&());
    assert_eq!(
        responses
            .panics()
            .map(|failure| failure.message().to_owned())
            .collect::<Vec<_>>(),
        ["deep"]
    );
    assert_eq!(
        responses
            .into_iter()
            .filter_map(Result::ok)
            .collect::<Vec<_>>(),
        [2]
    );
    assert_works(&OUTER);
    assert_works(&INNER);
}

/// A panic that climbs out of a send takes the send's nesting with it.
#[test]
fn panics_do_not_use_up_the_nesting_depth() {
    static SIGNAL: Signal<u32, u32> = Signal::new();
    SIGNAL.connect(|_, left| match *left {
        0 => 0,
        1_000_000 => panic!("at once"),
        left => SIGNAL.send(&(left - 1))[0] + 1,
    });
    for _ in 0..1_500 {
        assert!(catch_unwind(|| SIGNAL.send(&1_000_000)).is_err());
        assert!(!SIGNAL.send_robust(&1_000_000).all_ok());
    }
    assert_eq!(*SIGNAL.send(&500), [500]);
}

#[test]
fn a_panic_in_the_closure_of_a_change_makes_no_change() {
    let signal = Asked::new();
    let kept = signal.connect(|_, ()| 100);
    let changed = catch_unwind(AssertUnwindSafe(|| {
        signal.change(|changes| {
            changes.disconnect_each([&kept]);
            for index in 0..10 {
                assert!(index < 7, "runs dry");
                changes.connect(move |_, ()| index);
            }
        })
    }));
    assert!(changed.is_err());
    assert_eq!(*signal.send(&()), [100]);
    assert_works(&signal);
}

#[test]
fn a_once_receiver_that_panics_is_spent() {
    let signal = Asked::new();
    let once = signal.options().once().connect(|_, ()| panic!("only once"));
    let kept = signal.connect(|_, ()| 1);
    assert!(catch_unwind(AssertUnwindSafe(|| signal.send(&()))).is_err());
    assert!(!once.is_connected());
    assert_eq!(*signal.send(&()), [1]);
    assert!(kept.disconnect());
    assert_works(&signal);
}

/// Connects, sends, and disconnects once more in every way that takes a lock.
fn assert_works(signal: &Asked) {
    signal.disconnect_all();
    let target = Arc::new(3_u32);
    let scoped = signal.connect(|_, ()| 1).scoped();
    signal.connect_weak(&target, |target: &u32, _, ()| *target);
    let many = signal.change(|changes| changes.connect(|_, ()| 4));
    assert_eq!(*signal.send(&()), [1, 3, 4]);
    assert!(signal.send_robust(&()).all_ok());
    drop((scoped, target));
    assert_eq!(*signal.send(&()), [4]);
    many[0]
        .disconnect_and_wait(std::time::Duration::from_secs(30))
        .unwrap();
    signal.purge();
    assert_eq!(signal.receiver_count(), 0);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Connects a receiver whose destructor counts and then panics.
fn explosive(
    dropped: &Arc<AtomicUsize>,
) -> impl Fn(Sender<'_>, &()) -> u32 + Send + Sync + 'static {
    struct Charge(Arc<AtomicUsize>);
    impl Drop for Charge {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("in the destructor of a receiver");
        }
    }
    let charge = Charge(Arc::clone(dropped));
    move |_, ()| charge.0.load(Ordering::Relaxed) as u32
}

fn counting(ran: &Arc<AtomicUsize>) -> impl Fn(Sender<'_>, &()) -> u32 + Send + Sync + 'static {
    let ran = Arc::clone(ran);
    move |_, ()| ran.fetch_add(1, Ordering::Relaxed) as u32
}
