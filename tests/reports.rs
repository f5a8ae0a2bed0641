//! With the feature `tracing`, each caught panic is told once, and telling fails nothing.
#![cfg(feature = "tracing")]

use std::fmt;
use std::sync::{Arc, Mutex};

use fanfare::{Sender, Signal};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

type Asked = Signal<(), u32>;

#[test]
fn each_failure_is_told_once() {
    let signal = Asked::new();
    signal.connect(|_, ()| 1);
    let failing = signal
        .options()
        .name("burnt")
        .connect(|_, ()| panic!("too hot"));
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || {
        assert_eq!(signal.send_robust(Sender::NONE, &()).failures().count(), 1);
    });
    let expected = format!(
        "ERROR fanfare: message=receiver panicked receiver={} name=\"burnt\" panic=\"too hot\" ",
        failing.id()
    );
    let told = listener.told.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0], expected);
}

#[test]
fn a_destructor_that_panics_is_told_once() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("broken");
        }
    }
    let signal = Asked::new();
    let fragile = Fragile;
    let connection = signal.connect(move |_, ()| {
        let _held = &fragile;
        1
    });
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || assert!(connection.disconnect()));
    let told = listener.told.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("broken"), "{told:?}");
}

#[test]
fn a_deferred_event_that_panics_as_it_is_dropped_is_told_once() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("broken");
        }
    }
    impl fanfare::Event for Fragile {
        type Args<'a> = Fragile;
    }
    let signal = Signal::<Fragile>::new();
    let mut deferred = fanfare::Deferred::new();
    deferred.send(&signal, Sender::NONE, Fragile);
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || drop(deferred));
    let expected = "ERROR fanfare: message=a deferred event, its key or an answer panicked as it \
                    was dropped name=\"\" panic=\"broken\" ";
    assert_eq!(*listener.told.lock().unwrap(), [expected]);
}

#[test]
fn a_listener_that_panics_fails_no_send() {
    let signal = Asked::new();
    signal.connect(|_, ()| panic!("too hot"));
    signal.connect(|_, ()| 2);
    let listener = Listener {
        panics: true,
        ..Listener::default()
    };
    tracing::subscriber::with_default(listener, || {
        let outcomes = signal.send_robust(Sender::NONE, &());
        assert_eq!(outcomes.failures().count(), 1);
        assert_eq!(**outcomes.answers(), [2]);
    });
}

#[derive(Clone, Default)]
struct Listener {
    told: Arc<Mutex<Vec<String>>>,
    panics: bool,
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        assert!(!self.panics, "a listener of its own faults");
        let metadata = event.metadata();
        let mut text = Text(format!("{} {}: ", metadata.level(), metadata.target()));
        event.record(&mut text);
        self.told.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}
