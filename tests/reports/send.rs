//! With the feature `tracing`, each caught panic is reported once, and so is a report without
//! receivers. A report does not fail a send.

use crate::listener::{Listener, told};
use fanfare::Signal;

type Asked = Signal<(), u32>;

#[test]
fn each_failure_is_reported_once() {
    let signal = Asked::new();
    signal.connect(|_, ()| 1);
    let failing = signal
        .options()
        .name("burnt")
        .connect(|_, ()| panic!("too hot"));
    let told = told(|| {
        assert_eq!(signal.send_robust(&()).panics().count(), 1);
    });
    let expected = format!(
        "ERROR fanfare: message=receiver panicked receiver={} name=\"burnt\" panic=\"too hot\" ",
        failing.id()
    );
    assert_eq!(told, [expected]);
}

#[test]
fn a_destructor_that_panics_is_reported_once() {
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
    let told = told(|| assert!(connection.disconnect()));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("broken"), "{told:?}");
}

#[test]
fn a_deferred_event_that_panics_as_it_is_dropped_is_reported_once() {
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
    deferred.record(&signal, Fragile);
    let told = told(|| drop(deferred));
    let expected = "ERROR fanfare: message=a deferred event, its key or a response panicked as it \
                    was dropped name=\"\" panic=\"broken\" ";
    assert_eq!(told, [expected]);
}

#[test]
fn a_listener_that_panics_fails_no_send() {
    let signal = Asked::new();
    signal.connect(|_, ()| panic!("too hot"));
    signal.connect(|_, ()| 2);
    let listener = Listener {
        panics_when_told: true,
        ..Listener::default()
    };
    tracing::subscriber::with_default(listener, || {
        let outcomes = signal.send_robust(&());
        assert_eq!(outcomes.panics().count(), 1);
        assert_eq!(**outcomes.responses(), [2]);
    });
}

#[test]
#[cfg(feature = "macros")]
fn a_report_without_receivers_emits_a_warning() {
    // No test of this program declares a receiver.
    let told = told(|| assert!(fanfare::connect_receivers().entries().is_empty()));
    let expected = "WARN fanfare: message=no receivers were found: name the crates that declare \
                    them with `fanfare::apps!`, or `use the_crate as _;` ";
    assert_eq!(told, [expected]);
}
