//! Receivers that wait for their model: their handles, and the refusals of frozen signals.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fanfare::{Sender, Signal};
use fanfare_django::model::{
    self, CLASS_PREPARED, ModelSignal, PostSave, ReceiverResult, unresolved_models,
};

use super::model_names::{Saved, receiver, send};

/// A second connect of a receiver that waits returns a handle to the one that waits.
#[test]
fn a_handle_of_a_duplicate_that_waits_ends_the_first() {
    struct Duplicate;
    static SAVED: Saved = Signal::new();
    let connect = || SAVED.model("names.Duplicate").connect(receiver).unwrap();
    let [first, second] = [connect(), connect()];
    assert!(second.disconnect());
    assert!(!first.is_waiting() && !first.disconnect());
    assert!(!unresolved_models().contains(&"names.Duplicate".to_owned()));
    let [third, fourth] = [connect(), connect()];
    assert!(first.connection().is_none() && third.is_waiting());
    model::prepare::<Duplicate>("names.Duplicate").unwrap();
    assert_eq!(send::<Duplicate>(&SAVED), 1);
    assert_eq!(
        third.connection().unwrap().id(),
        fourth.connection().unwrap().id()
    );
    assert!(fourth.disconnect());
    assert!(!third.disconnect());
    assert_eq!(send::<Duplicate>(&SAVED), 0);
}

#[test]
fn a_model_connection_is_new_if_it_was_there_first() {
    struct Newness;
    static SAVED: Saved = Signal::new();
    let connect = || SAVED.model("names.Newness").connect(receiver).unwrap();
    let [first, second] = [connect(), connect()];
    assert_eq!([first.is_new(), second.is_new()], [true, false]);
    let typed = SAVED.options().sender(Sender::of::<Newness>());
    typed.dispatch_uid("uid").connect(receiver);
    let by_uid = SAVED.model("names.Newness").dispatch_uid("uid");
    let by_uid = by_uid.connect(receiver).unwrap();
    assert!(by_uid.is_new(), "its model is not known");
    model::prepare::<Newness>("names.Newness").unwrap();
    let third = connect();
    let handles = [&first, &second, &third, &by_uid];
    assert_eq!(handles.map(|it| it.is_new()), [true, false, false, false]);
    assert_eq!(SAVED.receiver_count(), 2);
}

/// A duplicate's destructor runs while the receivers of the model are being connected.
#[test]
fn a_receiver_is_found_while_the_receivers_of_its_model_are_connected() {
    struct Connecting;
    struct Disconnects;
    static SAVED: Saved = Signal::new();
    static FOUND: Mutex<Vec<bool>> = Mutex::new(Vec::new());
    static NEW: AtomicU32 = AtomicU32::new(0);
    fn is_later(_: Sender<'_>, _: &PostSave<'_>) -> ReceiverResult {
        Ok(())
    }
    impl Drop for Disconnects {
        fn drop(&mut self) {
            let model = || SAVED.model("names.Connecting");
            for _ in 0..2 {
                let found = [model().disconnect(receiver), model().disconnect(is_later)];
                FOUND.lock().unwrap().extend(found.map(Result::unwrap));
            }
            // Equal receivers are connected once, and the second handle is for the first.
            let [first, second] = [(); 2].map(|()| model().connect(is_later).unwrap());
            let waits = first.is_waiting();
            assert!(second.disconnect() && !first.disconnect());
            NEW.store(u32::from(waits), Ordering::SeqCst);
        }
    }
    let typed = SAVED.options().sender(Sender::of::<Connecting>());
    typed.dispatch_uid("uid").connect(|_, _| Ok(()));
    let first = SAVED.model("names.Connecting").connect(receiver).unwrap();
    let disconnects = Disconnects;
    let duplicate = SAVED.model("names.Connecting").dispatch_uid("uid");
    let duplicate = duplicate.connect(move |_, _| {
        let _kept = &disconnects;
        Ok(())
    });
    let later = SAVED.model("names.Connecting").connect(is_later).unwrap();
    model::prepare::<Connecting>("names.Connecting").unwrap();
    assert_eq!(*FOUND.lock().unwrap(), [true, true, false, false]);
    assert_eq!(NEW.load(Ordering::SeqCst), 1);
    assert!(!first.disconnect());
    assert!(!later.disconnect());
    assert_eq!(send::<Connecting>(&SAVED), 1);
    assert!(duplicate.unwrap().disconnect());
    assert_eq!(send::<Connecting>(&SAVED), 0);
}

/// A receiver that is already connected is the first, and its handle is found.
#[test]
fn a_connect_during_the_preparation_finds_a_receiver_that_it_has_connected() {
    struct Begun;
    struct Connects;
    static SAVED: Saved = Signal::new();
    static ENDED: AtomicU32 = AtomicU32::new(0);
    impl Drop for Connects {
        fn drop(&mut self) {
            let connect = || SAVED.model("names.Begun").connect(receiver).unwrap();
            let second = connect();
            assert!(!second.is_waiting());
            assert_eq!(SAVED.model("names.Begun").disconnect(receiver), Ok(true));
            assert!(!second.disconnect());
            assert!(connect().is_waiting());
            ENDED.store(1, Ordering::SeqCst);
        }
    }
    let typed = SAVED.options().sender(Sender::of::<Begun>());
    typed.dispatch_uid("uid").connect(|_, _| Ok(()));
    let first = SAVED.model("names.Begun").connect(receiver).unwrap();
    let connects = Connects;
    let duplicate = SAVED.model("names.Begun").dispatch_uid("uid");
    let duplicate = duplicate.connect(move |_, _| {
        let _kept = &connects;
        Ok(())
    });
    duplicate.unwrap();
    model::prepare::<Begun>("names.Begun").unwrap();
    assert_eq!(ENDED.load(Ordering::SeqCst), 1);
    assert!(!first.disconnect());
    assert_eq!(send::<Begun>(&SAVED), 2);
}

#[test]
fn a_receiver_of_class_prepared_disconnects_one_that_was_connected_for_the_entity() {
    struct Typed;
    static SAVED: Saved = Signal::new();
    static FOUND: AtomicU32 = AtomicU32::new(0);
    let typed = SAVED.options().sender(Sender::of::<Typed>());
    typed.connect(receiver);
    let prepared = CLASS_PREPARED.options().sender(Sender::of::<Typed>());
    prepared.connect(|_sender, _event| {
        let found = SAVED.model("names.TypedFirst").disconnect(receiver);
        FOUND.store(u32::from(found.unwrap()), Ordering::SeqCst);
    });
    model::prepare::<Typed>("names.TypedFirst").unwrap();
    assert_eq!(FOUND.load(Ordering::SeqCst), 1);
    assert_eq!(send::<Typed>(&SAVED), 0);
}

/// The connect and the handle's change are one step, which the lock of the signal guards.
#[test]
fn a_disconnect_beside_a_preparation_leaves_no_receiver() {
    struct Race;
    static SAVED: Saved = Signal::new();
    for round in 0..300 {
        let name = &*format!("names.Race{round}");
        let handle = SAVED.model(name).connect(receiver).unwrap();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                model::prepare::<Race>(name).unwrap();
            });
            start.wait();
            // It ends before the preparation, in it or after it.
            for _ in 0..20 * round {
                std::hint::spin_loop();
            }
            assert!(handle.disconnect());
            for _ in 0..20 {
                let is_called = SAVED.from(Sender::of::<Race>()).has_listeners();
                assert!(!is_called, "it is connected after its disconnect");
            }
        });
        assert_eq!(SAVED.receiver_count(), 0);
    }
}

/// Returns the message of a panic.
fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    *panic.downcast().unwrap()
}

#[test]
fn a_prepare_reports_receivers_whose_signal_is_frozen_and_ends() {
    struct Frozen;
    static SAVED: Saved = Signal::new();
    static OTHER: Saved = Signal::new();
    let refused = SAVED.model("names.Frozen").connect(receiver).unwrap();
    let other = OTHER.model("names.Frozen").connect(receiver).unwrap();
    SAVED.freeze();
    let (done, is_done) = mpsc::channel();
    let second = done.clone();
    let [first, second] = [done, second].map(|done| {
        thread::spawn(move || done.send(model::prepare::<Frozen>("names.frozen")));
        let prepared = is_done.recv_timeout(Duration::from_secs(10));
        assert!(!refused.is_waiting());
        prepared.expect("it ends")
    });
    let at = SAVED.frozen_at().unwrap();
    assert_eq!(
        first.unwrap_err().to_string(),
        format!(
            "a receiver that waited for 'names.frozen' was not connected because its signal was \
             frozen at {at}: prepare the model before `freeze`"
        )
    );
    assert_eq!(second, Ok(false));
    assert!(refused.connection().is_none());
    assert_eq!(format!("{refused:?}"), "ModelConnection(\"refused\")");
    assert!(!refused.disconnect());
    assert!(other.connection().unwrap().is_connected());
    assert_eq!(send::<Frozen>(&OTHER), 1);
    assert_eq!(send::<Frozen>(&SAVED), 0);
}

/// A panic out of the connect would be a second one, which aborts the process.
#[test]
fn a_panic_in_class_prepared_keeps_the_report_of_a_frozen_signal_for_the_next_call() {
    struct FrozenPanics;
    static SAVED: Saved = Signal::new();
    let prepared = CLASS_PREPARED
        .options()
        .sender(Sender::of::<FrozenPanics>());
    prepared.connect(|_sender, _event| panic!("no"));
    for _ in 0..2 {
        let waits = SAVED.model("names.FrozenPanics").connect(|_, _| Ok(()));
        waits.unwrap();
    }
    let state = 7;
    let waits = SAVED.model("names.FrozenPanics").connect(move |_, _| {
        assert_eq!(state, 7);
        Ok(())
    });
    waits.unwrap();
    SAVED.freeze();
    let prepare = || model::prepare::<FrozenPanics>("names.FrozenPanics");
    assert!(catch_unwind(prepare).is_err());
    let error = prepare().unwrap_err();
    let expected = "2 receivers that waited for 'names.FrozenPanics' were not connected because \
                    their signals were frozen, the first at ";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!(prepare(), Ok(false));
}

#[test]
fn a_frozen_signal_refuses_a_receiver_of_a_model_that_is_not_known() {
    static SAVED: Saved = Signal::new();
    let waiting = SAVED.model("names.Nowhere").connect(receiver).unwrap();
    SAVED.freeze();
    let refused = catch_unwind(|| SAVED.model("names.Nowhere").connect(|_, _| Ok(())));
    let at = SAVED.frozen_at().unwrap();
    assert_eq!(
        message(refused.unwrap_err()),
        format!(
            "a receiver for the model 'names.Nowhere' was not connected because the signal was \
             frozen at {at}: connect it before `freeze`"
        )
    );
    assert!(waiting.disconnect(), "the signal has no part in it yet");
    assert_eq!(SAVED.model("names.Nowhere").disconnect(receiver), Ok(false));
}

#[test]
fn a_handle_of_a_receiver_in_a_frozen_signal_stays_connected() {
    struct Kept;
    static SAVED: Saved = Signal::new();
    model::prepare::<Kept>("names.Kept").unwrap();
    let kept = SAVED.model("names.Kept").connect(receiver).unwrap();
    SAVED.freeze();
    for _ in 0..2 {
        let refused = catch_unwind(|| kept.disconnect());
        let at = SAVED.frozen_at().unwrap();
        assert_eq!(
            message(refused.unwrap_err()),
            format!(
                "a receiver was not disconnected because the signal was frozen at {at}: \
                 disconnect it before `freeze`, or use `try_disconnect`"
            )
        );
        assert_eq!(format!("{kept:?}"), "ModelConnection(\"connected\")");
        assert!(kept.connection().unwrap().is_connected());
    }
    assert!(catch_unwind(|| SAVED.model("names.Kept").disconnect(receiver)).is_err());
    assert_eq!(send::<Kept>(&SAVED), 1);
}

#[test]
fn a_model_connection_of_a_frozen_signal_returns_the_refusal() {
    struct Tried;
    static SAVED: Saved = Signal::new();
    let [waits, kept] =
        ["names.Untried", "names.Tried"].map(|name| SAVED.model(name).connect(receiver).unwrap());
    model::prepare::<Tried>("names.Tried").unwrap();
    SAVED.freeze();
    assert_eq!(waits.try_disconnect(), Ok(true));
    assert_eq!(waits.try_disconnect(), Ok(false));
    assert!(kept.try_disconnect().is_err());
    assert_eq!(send::<Tried>(&SAVED), 1);
}
