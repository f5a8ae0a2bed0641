//! Observers see each step of each send, and nothing of sends outside of their time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use fanfare::watch::{self, ObservedReceiver, ObservedSend, Observer};
use fanfare::{Deferred, Signal};

use crate::watch_lines::Lines;

#[test]
fn each_step_of_a_send_is_seen() {
    static SAVED: Signal<u32> = Signal::new();
    let lines = Lines::default();
    SAVED.options().name("first").connect(|_sender, _id| ());
    let second = SAVED
        .options()
        .name("second")
        .connect(|_sender, id| assert_ne!(*id, 2));
    let watch = watch::signal(&SAVED, lines.clone());
    SAVED.send(&1);
    assert_eq!(
        lines.take(),
        [
            "Blocking from \"no sender\"",
            "first starts",
            "first Returned",
            "second starts",
            "second Returned",
            "reached 2"
        ]
    );
    catch_unwind(AssertUnwindSafe(|| SAVED.from("shop").send(&2))).unwrap_err();
    assert_eq!(
        lines.take()[3..],
        ["second starts", "second Panicked", "reached 2, cut off"]
    );
    second.disconnect();
    assert_eq!(lines.take(), ["second Disconnected"]);
    drop(watch);
    SAVED.send(&1);
    assert!(lines.take().is_empty());
}

#[test]
fn a_send_to_no_receiver_is_seen() {
    static SAVED: Signal<u32> = Signal::new();
    let lines = Lines::default();
    let watch = watch::signal(&SAVED, lines.clone());
    SAVED.send(&1);
    assert_eq!(lines.take(), ["Blocking from \"no sender\"", "reached 0"]);
    assert!(!SAVED.has_listeners());
    drop(watch);
    SAVED.send(&1);
    assert!(lines.take().is_empty());
}

#[test]
fn a_frozen_signal_is_seen() {
    static SAVED: Signal<u32, u32> = Signal::new();
    let lines = Lines::default();
    SAVED.options().name("first").connect(|_sender, id| *id);
    SAVED.freeze();
    for _ in 0..3 {
        let watch = watch::signal(&SAVED, lines.clone());
        assert_eq!(*SAVED.send(&1), [1]);
        assert_eq!(lines.take().len(), 4);
        drop(watch);
        assert_eq!(*SAVED.send(&1), [1]);
        assert!(lines.take().is_empty());
    }
}

#[test]
fn an_emitter_is_seen() {
    static SAVED: Signal<u32> = Signal::new();
    let lines = Lines::default();
    SAVED.options().name("first").connect(|_sender, _id| ());
    let mut emitter = SAVED.emitter();
    emitter.send(&1);
    let watch = watch::signal(&SAVED, lines.clone());
    emitter.send(&1);
    assert_eq!(lines.take().len(), 4);
    drop(watch);
    emitter.send(&1);
    assert!(lines.take().is_empty());
}

#[test]
fn a_send_in_a_receiver_has_its_cause() {
    static OUTER: Signal<u32> = Signal::new();
    static INNER: Signal<u32> = Signal::new();
    /// A send, and the send and the receiver that caused it.
    type Seen = (String, Option<String>);
    #[derive(Clone, Default)]
    struct Causes(Arc<Mutex<Vec<Seen>>>);
    impl Observer for Causes {
        fn send_started(&self, send: &ObservedSend<'_>) {
            let cause = send
                .cause()
                .map(|cause| format!("{} {}", cause.send, cause.receiver));
            let mut causes = self.0.lock().unwrap();
            causes.push((send.id().to_string(), cause));
        }
    }
    let causes = Causes::default();
    let relay = OUTER.connect(|_sender, id| {
        INNER.send(id);
        let mut deferred = Deferred::new();
        deferred.record(&INNER, *id);
        std::thread::scope(|scope| {
            scope.spawn(|| deferred.commit());
        });
    });
    INNER.connect(|_sender, _id| ());
    let _watches = [
        watch::signal(&OUTER, causes.clone()),
        watch::signal(&INNER, causes.clone()),
    ];
    OUTER.send(&1);
    let causes = causes.0.lock().unwrap().clone();
    let expected = format!("{} {}", causes[0].0, relay.id());
    assert_eq!(causes[0].1, None);
    assert_eq!(causes[1].1.as_deref(), Some(&*expected));
    assert_eq!(causes[2].1.as_deref(), Some(&*expected));
}

#[test]
fn a_watch_shows_the_signal_that_it_observes() {
    let signal = Signal::<u32>::new();
    struct Sees;
    impl Observer for Sees {}
    assert_eq!(
        format!("{:?}", watch::all(Sees)),
        "Watch { signal: None, .. }"
    );
    let watch = format!("{:?}", watch::signal(&signal, Sees));
    let number = watch.strip_prefix("Watch { signal: Some(").unwrap();
    let number = number.strip_suffix("), .. }").unwrap();
    number.parse::<u64>().unwrap();
}

#[test]
fn an_observed_receiver_shows_the_sender_that_it_was_connected_for() {
    #[derive(Clone, Default)]
    struct Senders(Arc<Mutex<Vec<Option<String>>>>);
    impl Observer for Senders {
        fn receiver_started(&self, _send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
            self.0.lock().unwrap().push(receiver.sender());
        }
    }
    let (signal, senders) = (Signal::<u32>::new(), Senders::default());
    signal.connect(|_sender, _id| ());
    signal.options().sender("shop").connect(|_sender, _id| ());
    let _watch = watch::signal(&signal, senders.clone());
    signal.from("shop").send(&1);
    let seen = senders.0.lock().unwrap();
    assert_eq!(*seen, [None, Some(String::from("\"shop\""))]);
}
