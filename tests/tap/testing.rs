//! Scopes of tests: what they see, what they assert, and the words of a failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fanfare::watch::{self, ObservedSend, Observer};
use fanfare::{Deferred, Sender, Signal, mute, testing};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

/// Returns the message with which `run` panics.
fn failure<T>(run: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("it did not fail");
    };
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn a_scope_sees_the_sends_inside_it_alone() {
    static PAID: Signal<u32> = Signal::new();
    PAID.connect(|_sender, _order| ());
    PAID.send(&1);
    testing::scope(|scope| {
        scope.nothing_sent();
        scope.assert_not_sent(&PAID);
        PAID.from("shop").send(&2);
        // A thread without the context is outside.
        thread::spawn(|| PAID.send(&3)).join().unwrap();
        assert_eq!(scope.sends(&PAID).len(), 1);
        assert!(scope.sends(&PAID)[0].is_from("shop"));
        PAID.send(&4);
        scope.assert_sent(&PAID).times(2).from("shop").once();
        scope.assert_sent(&PAID).from(Sender::NONE).once();
    });
    PAID.send(&5);
}

#[test]
fn an_inner_scope_is_a_part_of_the_outer_one() {
    static PAID: Signal<u32> = Signal::new();
    PAID.connect(|_sender, _order| ());
    testing::scope(|outer| {
        PAID.send(&1);
        testing::scope(|inner| {
            PAID.send(&2);
            inner.assert_sent(&PAID).once();
        });
        PAID.send(&3);
        outer.assert_sent(&PAID).times(3);
    });
}

#[test]
fn a_signal_that_was_never_connected_must_be_watched() {
    static PAID: Signal<u32> = Signal::new();
    testing::scope(|scope| {
        PAID.send(&1);
        let text = failure(|| scope.assert_not_sent(&PAID));
        assert!(
            text.contains("call `scope.watch` with the signal"),
            "{text}"
        );
        scope.watch(&PAID);
        scope.assert_not_sent(&PAID);
        PAID.send(&2);
        scope.assert_sent(&PAID).once();
    });
}

#[test]
fn a_failure_shows_the_tree_of_causes() {
    static PAID: Signal<u32> = Signal::new();
    static MAILED: Signal<u32> = Signal::new();
    PAID.options().name("bookkeeper").connect(|_sender, order| {
        MAILED.from("shop").send(order);
    });
    MAILED
        .options()
        .name("printer")
        .connect(|_sender, order| assert_ne!(*order, 2));
    testing::scope(|scope| {
        PAID.send(&1);
        let _ = catch_unwind(|| PAID.send(&2));
        let text = failure(|| scope.assert_sent(&PAID).once());
        let (first, tree) = text.split_once('\n').unwrap();
        assert_eq!(
            first,
            "`u32` was sent 2 times, and not 1 times; the scope has caused:"
        );
        let lines: Vec<&str> = tree
            .lines()
            .map(|line| line.split(" at ").next().unwrap())
            .collect();
        let end = tree.lines().last().unwrap();
        assert!(end.ends_with("(panicked)"), "{tree}");
        assert_eq!(
            lines,
            [
                "u32",
                "  -> bookkeeper",
                "    u32 from \"shop\"",
                "      -> printer",
                "u32 (panicked)",
                "  -> bookkeeper",
                "    u32 from \"shop\" (panicked)",
                "      -> printer",
            ]
        );
        let text = failure(|| scope.assert_sent(&PAID).from("till"));
        assert!(
            text.starts_with("`u32` from \"till\" was not sent; "),
            "{text}"
        );
    });
}

#[cfg(feature = "macros")]
#[test]
fn messages_name_a_declared_signal() {
    fanfare::signals! {
        static OPENED: Signal<u32>;
        static CLOSED: Signal<u32>;
    }
    testing::scope(|scope| {
        let text = failure(|| scope.assert_sent(&OPENED));
        assert!(
            text.starts_with("a send of `tap::testing::OPENED` could not have been seen"),
            "{text}"
        );
        scope.watch(&CLOSED);
        let text = failure(|| scope.assert_listening(&CLOSED));
        assert!(
            text.starts_with("no receiver would run for a send of `tap::testing::CLOSED`: "),
            "{text}"
        );
        OPENED.connect(|_sender, _door| ());
        let text = failure(|| scope.assert_sent(&OPENED));
        assert!(
            text.starts_with("`tap::testing::OPENED` was not sent; "),
            "{text}"
        );
        OPENED.send(&1);
        let text = failure(|| scope.assert_sent(&OPENED).before(&CLOSED));
        assert!(
            text.contains(" was not sent before `tap::testing::CLOSED`, which was not sent"),
            "{text}"
        );
        let text = failure(|| scope.assert_sent(&OPENED).matching(|_| true));
        assert!(
            text.starts_with("sends of `tap::testing::OPENED` cannot be matched"),
            "{text}"
        );
        let mut deferred = Deferred::new();
        deferred.record(&CLOSED, 1);
        assert!(
            scope
                .tree()
                .ends_with("tap::testing::CLOSED, in a `Deferred` (has not ended)\n"),
            "{}",
            scope.tree()
        );
    });
}

#[test]
fn the_order_of_two_signals_is_asserted() {
    static FIRST: Signal<u32> = Signal::new();
    static SECOND: Signal<u32> = Signal::new();
    static NEVER: Signal<u32> = Signal::new();
    for signal in [&FIRST, &SECOND, &NEVER] {
        signal.connect(|_sender, _order| ());
    }
    testing::scope(|scope| {
        FIRST.send(&1);
        SECOND.send(&1);
        scope.assert_sent(&FIRST).before(&SECOND);
        failure(|| scope.assert_sent(&SECOND).before(&FIRST));
        failure(|| scope.assert_sent(&SECOND).before(&NEVER));
    });
}

#[test]
fn the_cause_of_a_send_is_asserted() {
    static PAID: Signal<u32> = Signal::new();
    static PACKED: Signal<u32> = Signal::new();
    static SHIPPED: Signal<u32> = Signal::new();
    static NEVER: Signal<u32> = Signal::new();
    PAID.connect(|_sender, order| {
        PACKED.send(order);
    });
    PACKED.connect(|_sender, order| {
        SHIPPED.send(order);
    });
    SHIPPED.connect(|_sender, _order| ());
    testing::scope(|scope| {
        PAID.send(&1);
        scope.assert_sent(&PACKED).caused_by(&PAID);
        scope
            .assert_sent(&SHIPPED)
            .caused_by(&PACKED)
            .caused_by(&PAID);
        for text in [
            failure(|| scope.assert_sent(&PAID).caused_by(&SHIPPED)),
            failure(|| scope.assert_sent(&PAID).caused_by(&PAID)),
            failure(|| scope.assert_sent(&PACKED).caused_by(&NEVER)),
        ] {
            assert!(
                text.starts_with("`u32` was not caused by `u32`; the scope has caused:\nu32\n"),
                "{text}"
            );
        }
        // Each of the sends must have the cause.
        PACKED.from("till").send(&2);
        failure(|| scope.assert_sent(&SHIPPED).caused_by(&PAID));
        scope.assert_sent(&SHIPPED).caused_by(&PACKED).times(2);
        scope
            .assert_sent(&PACKED)
            .from(Sender::NONE)
            .caused_by(&PAID);
    });
}

#[cfg(feature = "queue")]
#[test]
fn a_queue_and_a_commit_keep_the_cause() {
    static PAID: Signal<u32> = Signal::new();
    static PACKED: Signal<u32> = Signal::new();
    static SHIPPED: Signal<u32> = Signal::new();
    let queue = fanfare::Queue::builder().build().unwrap();
    PAID.options()
        .queued(&queue)
        .connect(|_sender, order: &u32| {
            let mut deferred = Deferred::new();
            deferred.record(&PACKED, *order);
            deferred.commit();
        });
    PACKED.connect(|_sender, order| {
        SHIPPED.send(order);
    });
    SHIPPED.connect(|_sender, _order| ());
    testing::scope(|scope| {
        PAID.send(&1);
        scope.settle(LONG).unwrap();
        scope
            .assert_sent(&SHIPPED)
            .once()
            .caused_by(&PACKED)
            .caused_by(&PAID);
    });
}

#[cfg(feature = "async")]
#[test]
fn an_async_commit_keeps_the_cause_of_each_event() {
    static PAID: Signal<u32> = Signal::new();
    static PACKED: Signal<u32> = Signal::new();
    static EVENTS: Mutex<Option<Deferred<'static>>> = Mutex::new(None);
    PAID.connect(|_sender, order| {
        let mut events = EVENTS.lock().unwrap();
        events.get_or_insert_default().record(&PACKED, *order);
    });
    PACKED.connect(|_sender, _order| ());
    for is_robust in [false, true] {
        testing::scope(|scope| {
            PAID.send(&1);
            let mut events = EVENTS.lock().unwrap().take().unwrap();
            if is_robust {
                assert!(pollster::block_on(events.commit_async_robust()).all_ok());
            } else {
                pollster::block_on(events.commit_async());
            }
            scope.assert_sent(&PACKED).once().caused_by(&PAID);
        });
    }
}

#[test]
fn kept_events_are_matched() {
    static PAID: Signal<String> = Signal::new();
    static READ: Signal<&str, ()> = Signal::new();
    PAID.connect(|_sender, _order| ());
    testing::scope(|scope| {
        PAID.send(&"before".to_owned());
        let text = failure(|| scope.assert_sent(&PAID).matching(|_| true));
        assert!(text.contains("call `scope.keep`"), "{text}");
        scope.keep(&PAID);
        scope.keep_with(&READ, |line| line.len());
        PAID.send(&"seven".to_owned());
        READ.send(&"four");
        scope
            .assert_sent(&PAID)
            .matching(|text| text == "seven")
            .once();
        failure(|| scope.assert_sent(&PAID).matching(|text| text == "eight"));
        scope
            .assert_sent(&READ)
            .matching_kept(|len: &usize| *len == 4)
            .once();
        assert_eq!(scope.events(&PAID), ["seven"]);
    });
}

#[test]
fn settle_reports_the_event_that_waits_in_a_deferred() {
    static PAID: Signal<u32> = Signal::new();
    PAID.connect(|_sender, _order| ());
    testing::scope(|scope| {
        let mut deferred = Deferred::new();
        deferred.record(&PAID, 1);
        let unsettled = scope.settle(SHORT).unwrap_err();
        assert_eq!(unsettled.running().len(), 1);
        assert!(unsettled.running()[0].starts_with("u32, in a `Deferred`, for "));
        deferred.commit();
        scope.settle(LONG).unwrap();
        scope.assert_sent(&PAID).once();
        deferred.record(&PAID, 2);
        deferred.rollback();
        scope.settle(LONG).unwrap();
    });
}

#[cfg(feature = "queue")]
#[test]
fn settle_reports_the_receiver_that_runs_and_the_chain_to_it() {
    static OUTER: Signal<u32> = Signal::new();
    static SLOW: Signal<u32> = Signal::new();
    let queue = fanfare::Queue::builder().build().unwrap();
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    OUTER.connect(|_sender, order| {
        SLOW.send(order);
    });
    SLOW.options()
        .name("slow")
        .queued(&queue)
        .connect(move |_sender, _order: &u32| {
            gate.lock().unwrap().recv().unwrap();
        });
    testing::scope(|scope| {
        OUTER.send(&1);
        let unsettled = scope.settle(SHORT).unwrap_err();
        let text = unsettled.to_string();
        assert!(
            unsettled.running()[0].contains("slow at tests/tap/testing.rs:"),
            "{text}"
        );
        // The name of a closure is that of its type.
        assert!(text.contains("-> tap::testing::"), "{text}");
        go.send(()).unwrap();
        let started = Instant::now();
        scope.settle(LONG).unwrap();
        assert!(started.elapsed() < LONG);
        scope.assert_sent(&OUTER).before(&SLOW);
    });
}

#[cfg(all(feature = "async", feature = "queue"))]
#[test]
fn an_async_test_settles_without_blocking_its_thread() {
    static SLOW: Signal<u32> = Signal::new();
    let queue = fanfare::Queue::builder().build().unwrap();
    SLOW.options()
        .queued(&queue)
        .connect(|_sender, _order: &u32| thread::sleep(SHORT));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(testing::scope_async(async |scope| {
        SLOW.asend(&1).await;
        let unsettled = scope.settle_async(Duration::ZERO).await;
        assert!(unsettled.is_err());
        scope.settle_async(LONG).await.unwrap();
        scope.assert_sent(&SLOW).once();
    }));
}

#[test]
fn work_that_outlives_its_scope_is_recorded_no_more() {
    static PAID: Signal<u32> = Signal::new();
    PAID.connect(|_sender, _order| ());
    let (context, mut deferred) = testing::scope(|scope| {
        let mut deferred = Deferred::new();
        deferred.record(&PAID, 1);
        (scope.context(), deferred)
    });
    assert_eq!(deferred.commit(), 1);
    context.enter(|| PAID.send(&2));
}

#[test]
fn a_receiver_of_a_scope_exists_there_alone() {
    static PAID: Signal<u32, &'static str> = Signal::new();
    fn count(_sender: Sender<'_>, _order: &u32) -> &'static str {
        "count"
    }
    PAID.connect(|_sender, _order| "always");
    let outside = testing::scope(|_outer| {
        assert!(PAID.connect(count).is_new());
        assert!(!PAID.connect(count).is_new());
        assert_eq!(*PAID.send(&1), ["always", "count"]);
        testing::scope(|_inner| {
            // It is the same receiver in the scope around this one.
            assert!(!PAID.connect(count).is_new());
            PAID.connect(|_sender, _order| "inner");
            assert_eq!(*PAID.send(&1), ["always", "count", "inner"]);
        });
        assert_eq!(*PAID.send(&1), ["always", "count"]);
        let outside = thread::spawn(|| {
            let other = testing::scope(|_other| {
                assert!(PAID.connect(count).is_new());
                PAID.send(&1).len()
            });
            (
                other,
                PAID.send(&1).len(),
                PAID.from("shop").has_listeners(),
            )
        });
        outside.join().unwrap()
    });
    assert_eq!(outside, (2, 1, true));
    assert_eq!(PAID.receiver_count(), 1);
    assert!(!PAID.disconnect(count));
}

#[test]
fn a_disconnect_in_a_scope_finds_the_receiver_of_the_scope_first() {
    static PAID: Signal<u32> = Signal::new();
    fn count(_sender: Sender<'_>, _order: &u32) {}
    PAID.options()
        .dispatch_uid("outer")
        .connect(|_sender, _order| ());
    testing::scope(|_scope| {
        PAID.connect(count);
        PAID.options()
            .dispatch_uid("inner")
            .connect(|_sender, _order| ());
        assert!(PAID.disconnect(count));
        assert!(!PAID.disconnect(count));
        assert!(PAID.disconnect_uid("inner"));
        assert!(PAID.disconnect_uid("outer"));
    });
    assert_eq!(PAID.receiver_count(), 0);
}

#[test]
fn an_explanation_names_the_scope_and_the_fake() {
    static PAID: Signal<u32> = Signal::new();
    PAID.options().name("mail").connect(|_sender, _order| ());
    testing::scope(|scope| {
        PAID.options().name("own").connect(|_sender, _order| ());
        let outside = thread::spawn(|| PAID.explain(Sender::NONE).to_string());
        let outside = outside.join().unwrap();
        assert!(
            outside.contains("would not run: connected in another scope of a test"),
            "{outside}"
        );
        scope.fake(mute::signal(&PAID));
        let inside = PAID.explain(Sender::NONE).to_string();
        assert_eq!(
            inside.matches("would not run: muted in scope").count(),
            2,
            "{inside}"
        );
        assert!(inside.contains("at tests/tap/testing.rs:"), "{inside}");
        assert!(PAID.send(&1).is_empty() && !PAID.has_listeners());
        scope.assert_sent(&PAID).once();
    });
    assert_eq!(PAID.send(&1).len(), 1);
}

#[test]
fn a_fake_ends_with_its_scope() {
    static PAID: Signal<u32> = Signal::new();
    PAID.connect(|_sender, _order| ());
    testing::scope(|outer| {
        testing::scope(|inner| {
            inner.fake(mute::all());
            assert!(PAID.send(&1).is_empty());
        });
        assert_eq!(PAID.send(&1).len(), 1);
        outer.assert_sent(&PAID).times(2);
        outer.assert_listening(&PAID);
    });
}

#[test]
fn the_wiring_is_compared_with_a_file() {
    static PAID: Signal<u32> = Signal::new();
    fn connect_mail() {
        PAID.options()
            .name("wiring::mail")
            .priority(3)
            .connect(|_sender, _order| ());
    }
    fn connect_print() {
        PAID.options()
            .name("wiring::print")
            .sender("shop")
            .connect(|_sender, _order| ());
    }
    let file = std::env::temp_dir().join(format!("fanfare-wiring-{}", std::process::id()));
    let of_this_test = |signal: &fanfare::watch::SignalEntry| {
        let names = signal.connections.iter().map(|it| &it.name);
        names.into_iter().any(|name| name.starts_with("wiring::"))
    };
    connect_mail();
    let missing = failure(|| testing::assert_wiring(&file, of_this_test));
    assert!(
        missing.contains("write it with FANFARE_WIRING=write"),
        "{missing}"
    );
    let first = "# The signals of the program, and their receivers in order.\n\nu32: u32 -> ()\n  \
                 wiring::mail in tests/tap/testing.rs, priority 3, Called\n";
    std::fs::write(&file, first).unwrap();
    testing::assert_wiring(&file, of_this_test);
    connect_print();
    let differs = failure(|| testing::assert_wiring(&file, of_this_test));
    std::fs::remove_file(&file).unwrap();
    let added =
        "\n+ wiring::print in tests/tap/testing.rs, sender \"shop\", Called (of u32: u32 -> ())\n";
    assert!(differs.ends_with(added), "{differs}");
}

#[test]
fn a_receiver_of_an_ended_scope_runs_in_no_send() {
    static FROZEN: Signal<u32> = Signal::new();
    static LATE: Signal<u32> = Signal::new();
    let context = testing::scope(|scope| {
        FROZEN.connect(|_sender, _order| ());
        FROZEN.freeze();
        assert_eq!(FROZEN.send(&1).len(), 1);
        scope.context()
    });
    assert!(FROZEN.send(&2).is_empty());
    assert!(!FROZEN.has_listeners());
    // Sends of an observer are not observed. They leave the receiver out all the same.
    struct Sends(Arc<Mutex<Vec<usize>>>);
    impl Observer for Sends {
        fn send_started(&self, _send: &ObservedSend<'_>) {
            self.0.lock().unwrap().push(FROZEN.send(&3).len());
        }
    }
    let reached = Arc::default();
    let (noticed, sends) = (Signal::<u32>::new(), Sends(Arc::clone(&reached)));
    noticed.connect(|_sender, _order| ());
    let watch = watch::signal(&noticed, sends);
    noticed.send(&1);
    drop(watch);
    assert_eq!(*reached.lock().unwrap(), [0]);
    // A thread that goes on in the scope connects after its end.
    context.enter(|| LATE.connect(|_sender, _order| ()));
    assert!(LATE.send(&1).is_empty());
    assert_eq!(LATE.receiver_count(), 0);
}

#[test]
fn a_test_neither_lists_nor_disconnects_the_receivers_of_another() {
    static PAID: Signal<u32> = Signal::new();
    PAID.connect(|_sender, _order| ());
    testing::scope(|_scope| {
        PAID.connect(|_sender, _order| ());
        assert_eq!(PAID.connections().len(), 2);
        let other = thread::spawn(|| (PAID.connections().len(), PAID.disconnect_all()));
        assert_eq!(other.join().unwrap(), (1, 1));
        assert_eq!(PAID.send(&1).len(), 1);
    });
}

#[test]
fn a_committed_event_is_in_the_tree_once() {
    static PAID: Signal<u32> = Signal::new();
    PAID.options().name("book").connect(|_sender, _order| ());
    testing::scope(|scope| {
        let mut deferred = Deferred::new();
        deferred.record(&PAID, 1);
        assert_eq!(scope.tree(), "u32, in a `Deferred` (has not ended)\n");
        deferred.commit();
        assert_eq!(scope.tree().lines().count(), 2, "{}", scope.tree());
        assert!(scope.tree().starts_with("u32\n  -> book at "));
    });
}
