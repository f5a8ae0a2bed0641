//! Receivers that connect by a model's name.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fanfare::{Sender, Signal};
use fanfare_django::model::{
    self, CLASS_PREPARED, Context, ModelNameError, ModelSignal, PostSave, ReceiverResult,
    unresolved_models,
};

pub(super) type Saved = Signal<PostSave<'static>, ReceiverResult>;

pub(super) fn send<E: 'static>(signal: &Saved) -> usize {
    let event = PostSave::new(&(), true, None, Context::default());
    signal
        .from(Sender::of::<E>())
        .send_until_err(&event)
        .unwrap()
        .len()
}

pub(super) fn receiver(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    Ok(())
}

#[test]
fn a_malformed_name_is_refused_at_once() {
    static SAVED: Saved = Signal::new();
    for name in ["invalid", "", ".", "a.", ".b", "a.b.c", "a..b"] {
        let error = SAVED.model(name).connect(receiver).unwrap_err();
        assert_eq!(error, ModelNameError::Malformed(name.to_owned()));
        assert_eq!(
            error.to_string(),
            format!(
                "invalid model reference '{name}': string model references must be of the form \
                 'app_label.ModelName'"
            )
        );
        assert_eq!(SAVED.model(name).disconnect(receiver), Err(error.clone()));
        assert_eq!(SAVED.model(name).disconnect_uid("uid"), Err(error.clone()));
        assert_eq!(model::prepare::<()>(name), Err(error));
    }
}

#[test]
fn a_model_that_is_there_is_connected_at_once() {
    struct There;
    static SAVED: Saved = Signal::new();
    model::prepare::<There>("names.There").unwrap();
    let connection = SAVED.model("names.There").connect(receiver).unwrap();
    assert!(!connection.is_waiting());
    assert_eq!(send::<There>(&SAVED), 1);
    assert_eq!(send::<()>(&SAVED), 0);
}

#[test]
fn a_model_that_comes_later_is_connected_then_in_order() {
    struct Later;
    static SAVED: Saved = Signal::new();
    static ORDER: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    for n in 0..3 {
        let note = move |_: Sender<'_>, _: &PostSave<'_>| {
            ORDER.lock().unwrap().push(n);
            Ok(())
        };
        assert!(
            SAVED
                .model("names.Later")
                .connect(note)
                .unwrap()
                .is_waiting()
        );
    }
    assert_eq!(SAVED.receiver_count(), 0);
    assert_eq!(send::<Later>(&SAVED), 0);
    model::prepare::<Later>("names.Later").unwrap();
    assert_eq!(send::<Later>(&SAVED), 3);
    assert_eq!(*ORDER.lock().unwrap(), [0, 1, 2]);
}

#[test]
fn the_case_of_the_model_does_not_matter_but_that_of_the_app_does() {
    struct Cased;
    static SAVED: Saved = Signal::new();
    model::prepare::<Cased>("names.Cased").unwrap();
    assert!(
        !SAVED
            .model("names.CASED")
            .connect(|_, _| Ok(()))
            .unwrap()
            .is_waiting()
    );
    assert!(
        SAVED
            .model("Names.Cased")
            .connect(|_, _| Ok(()))
            .unwrap()
            .is_waiting()
    );
    assert_eq!(send::<Cased>(&SAVED), 1);
}

#[test]
fn a_receiver_of_a_known_model_is_disconnected_once() {
    struct Known;
    static SAVED: Saved = Signal::new();
    model::prepare::<Known>("names.Known").unwrap();
    SAVED.model("names.Known").connect(receiver).unwrap();
    assert_eq!(SAVED.model("names.known").disconnect(receiver), Ok(true));
    assert_eq!(SAVED.model("names.known").disconnect(receiver), Ok(false));
    assert_eq!(send::<Known>(&SAVED), 0);
}

#[test]
fn a_receiver_that_waits_can_be_disconnected() {
    struct Unknown;
    static SAVED: Saved = Signal::new();
    static OTHER: Saved = Signal::new();
    SAVED.model("names.Unknown").connect(receiver).unwrap();
    OTHER.model("names.Unknown").connect(receiver).unwrap();
    assert_eq!(SAVED.model("names.Unknown").disconnect(receiver), Ok(true));
    assert_eq!(SAVED.model("names.Unknown").disconnect(receiver), Ok(false));

    let options = SAVED.model("names.Unknown").dispatch_uid("uid");
    options.connect(|_, _| Ok(())).unwrap();
    assert_eq!(SAVED.model("names.Unknown").disconnect_uid("uid"), Ok(true));

    let captured = 7;
    let with_state = SAVED
        .model("names.Unknown")
        .connect(move |_, _| {
            assert_eq!(captured, 7);
            Ok(())
        })
        .unwrap();
    assert!(with_state.disconnect());
    assert!(!with_state.disconnect());

    model::prepare::<Unknown>("names.Unknown").unwrap();
    assert_eq!(send::<Unknown>(&SAVED), 0);
    assert_eq!(send::<Unknown>(&OTHER), 1);
    assert!(with_state.connection().is_none());
}

/// Connect, disconnect, connect: the last word counts.
#[test]
fn a_receiver_disconnected_while_it_waited_can_be_connected_again() {
    struct Again;
    static SAVED: Saved = Signal::new();
    SAVED.model("names.Again").connect(receiver).unwrap();
    SAVED.model("names.Again").disconnect(receiver).unwrap();
    SAVED.model("names.Again").connect(receiver).unwrap();
    SAVED.model("names.Again").connect(receiver).unwrap();
    model::prepare::<Again>("names.Again").unwrap();
    assert_eq!(send::<Again>(&SAVED), 1);
}

#[test]
fn a_type_as_the_sender_connects_at_once() {
    struct Typed;
    static SAVED: Saved = Signal::new();
    SAVED
        .options()
        .sender(Sender::of::<Typed>())
        .connect(receiver);
    assert_eq!(send::<Typed>(&SAVED), 1);
    assert!(
        !unresolved_models()
            .iter()
            .any(|name| name.contains("Typed"))
    );
}

/// Weak stays weak once it is connected; while it waits its method is held, not its target.
#[test]
fn a_weak_receiver_is_weak_when_it_is_connected() {
    struct Weakly;
    struct Target;
    impl Target {
        fn hear(&self, _sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
            Ok(())
        }
    }
    static SAVED: Saved = Signal::new();
    let target = Arc::new(Target);
    let weakly = SAVED.model("names.Weakly");
    weakly.connect_weak(&target, Target::hear).unwrap();
    SAVED.model("names.Weakly").connect(receiver).unwrap();
    model::prepare::<Weakly>("names.Weakly").unwrap();
    let connections = SAVED.connections();
    assert_eq!(
        connections.iter().map(|it| it.weak).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(send::<Weakly>(&SAVED), 2);
    drop(target);
    assert_eq!(send::<Weakly>(&SAVED), 1);
}

#[test]
fn options_are_kept_and_the_model_is_the_sender() {
    struct Options;
    static SAVED: Saved = Signal::new();
    SAVED.model("names.Options").connect(receiver).unwrap();
    let first = SAVED
        .model("names.Options")
        .sender("elsewhere")
        .priority(9)
        .name("first");
    first.connect(|_, _| Ok(())).unwrap();
    model::prepare::<Options>("names.Options").unwrap();
    assert_eq!(send::<Options>(&SAVED), 2);
    let connections = SAVED.connections();
    assert_eq!(
        (&*connections[0].name, connections[0].priority),
        ("first", 9)
    );
    assert!(
        SAVED
            .connections()
            .iter()
            .all(|it| it.sender == connections[0].sender)
    );
}

/// Django does not report a misspelled name.
#[test]
fn names_without_a_model_are_listed() {
    struct Spelt;
    static SAVED: Saved = Signal::new();
    let typo = SAVED.model("names.Splet").connect(|_, _| Ok(())).unwrap();
    SAVED.model("names.Spelt").connect(|_, _| Ok(())).unwrap();
    let ours = || {
        let names = unresolved_models().into_iter();
        names
            .filter(|it| it.starts_with("names.Sp"))
            .collect::<Vec<_>>()
    };
    assert_eq!(ours(), ["names.Spelt", "names.Splet"]);
    model::prepare::<Spelt>("names.Spelt").unwrap();
    assert_eq!(ours(), ["names.Splet"]);
    typo.disconnect();
    assert!(ours().is_empty());
}

#[test]
fn two_models_cannot_have_one_name() {
    struct First;
    struct Second;
    assert_eq!(model::prepare::<First>("names.Twice"), Ok(true));
    let taken = model::prepare::<Second>("names.twice");
    assert_eq!(taken, Err(ModelNameError::Taken("names.twice".to_owned())));
    assert_eq!(model::prepare::<First>("names.Twice"), Ok(false));
}

#[test]
fn class_prepared_comes_once_before_those_that_wait() {
    struct Prepared;
    static SAVED: Saved = Signal::new();
    static TOLD: AtomicU32 = AtomicU32::new(0);
    let model = Sender::of::<Prepared>();
    CLASS_PREPARED
        .options()
        .sender(model)
        .connect(|_sender, event| {
            assert_eq!(event.name(), "names.Prepared");
            assert_eq!(SAVED.receiver_count(), 0);
            // From inside itself it returns at once.
            assert_eq!(model::prepare::<Prepared>("names.Prepared"), Ok(false));
            TOLD.fetch_add(1, Ordering::SeqCst);
        });
    SAVED.model("names.Prepared").connect(receiver).unwrap();
    assert_eq!(model::prepare::<Prepared>("names.Prepared"), Ok(true));
    assert_eq!(model::prepare::<Prepared>("names.Prepared"), Ok(false));
    assert_eq!(TOLD.load(Ordering::SeqCst), 1);
    assert_eq!(SAVED.receiver_count(), 1);
}

#[test]
fn a_panic_in_class_prepared_loses_no_receiver() {
    struct Panics;
    static SAVED: Saved = Signal::new();
    let model = Sender::of::<Panics>();
    CLASS_PREPARED
        .options()
        .sender(model)
        .once()
        .connect(|_sender, _event| panic!("no"));
    SAVED.model("names.Panics").connect(receiver).unwrap();
    assert!(catch_unwind(|| model::prepare::<Panics>("names.Panics")).is_err());
    assert_eq!(send::<Panics>(&SAVED), 1);
}

/// The thread that prepares second waits until the waiting receivers are connected.
#[test]
fn a_second_thread_waits_for_the_preparation() {
    struct Slow;
    static SAVED: Saved = Signal::new();
    let (started, starts) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    CLASS_PREPARED
        .options()
        .sender(Sender::of::<Slow>())
        .connect(move |_sender, _event| {
            started.send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap();
        });
    SAVED.model("names.Slow").connect(receiver).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| model::prepare::<Slow>("names.Slow").unwrap());
        starts.recv().unwrap();
        let (done, is_done) = mpsc::channel();
        scope.spawn(move || {
            assert_eq!(model::prepare::<Slow>("names.Slow"), Ok(false));
            done.send(send::<Slow>(&SAVED)).unwrap();
        });
        let early = is_done.recv_timeout(Duration::from_millis(20));
        go_on.send(()).unwrap();
        assert!(early.is_err());
        assert_eq!(is_done.recv().unwrap(), 1);
    });
}

/// The destructor of a receiver that is a duplicate is the user's code: no lock is held for it.
#[test]
fn destructors_may_use_the_registry() {
    struct Reenters;
    struct Destroyed;
    impl Drop for Destroyed {
        fn drop(&mut self) {
            unresolved_models();
        }
    }
    static SAVED: Saved = Signal::new();
    for _ in 0..2 {
        let destroyed = Destroyed;
        let twice = SAVED.model("names.Reenters").dispatch_uid("once");
        let connected = twice.connect(move |_, _| {
            let _kept = &destroyed;
            Ok(())
        });
        connected.unwrap();
    }
    let dropped = Destroyed;
    let waiting = SAVED.model("names.Reenters").connect(move |_, _| {
        let _kept = &dropped;
        Ok(())
    });
    assert!(waiting.unwrap().disconnect());
    model::prepare::<Reenters>("names.Reenters").unwrap();
    assert_eq!(send::<Reenters>(&SAVED), 1);
}

mod declared {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use fanfare::{Event, Sender, Signal, receiver};
    use fanfare_django::model::{
        self, Context, ModelSender, POST_SAVE, PostSave, ReceiverResult, unknown_senders,
    };

    struct Later;
    struct Now;

    impl ModelSender for Now {}

    static CALLS: AtomicUsize = AtomicUsize::new(0);

    #[receiver(POST_SAVE, sender = "declared.later", dispatch_uid = "declared")]
    fn first(_: Sender<'_>, event: &PostSave<'_>) -> ReceiverResult {
        assert_eq!(event.model_name(), "declared.Later");
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    #[receiver(POST_SAVE, sender = "declared.Later", dispatch_uid = "declared")]
    fn second(_: Sender<'_>, _: &PostSave<'_>) -> ReceiverResult {
        CALLS.fetch_add(100, Ordering::Relaxed);
        Ok(())
    }

    #[receiver(POST_SAVE, sender = Now)]
    fn of_type(_: Sender<'_>, _: &PostSave<'_>) -> ReceiverResult {
        Ok(())
    }

    const LINE: u32 = line!() + 1;
    #[receiver(POST_SAVE, model = self, dispatch_uid = "takes instance")]
    fn takes_instance(_: &Entity, _: &PostSave<'_>) {}

    /// The type that `model = self` means.
    struct Entity;

    impl ModelSender for Entity {}

    #[receiver(POST_SAVE, model = self, dispatch_uid = "takes instance, async")]
    async fn takes_instance_async(_: &Entity, _: &PostSave<'_>) {}

    #[test]
    fn connections_of_declared_receivers_are_located_at_the_attribute() {
        fanfare::connect_receivers();
        let connections = POST_SAVE.connections();
        let of_entity = connections.iter();
        let of_entity = of_entity.filter(|it| it.name.contains("takes_instance"));
        let places: Vec<_> = of_entity.map(|it| it.location).collect();
        assert!(!places.is_empty());
        for place in places {
            assert!(place.file().ends_with("model_names.rs"), "{place}");
            assert!(place.line() >= LINE, "{place}");
        }
    }

    #[test]
    fn a_declared_receiver_waits_for_the_model_of_its_senders_name() {
        let report = fanfare::connect_receivers();
        let entry = |receiver: &str| {
            let mut entries = report.entries().iter();
            let entry = entries.find(|it| it.receiver.ends_with(receiver)).unwrap();
            (entry.sender.clone().unwrap(), entry.is_new)
        };
        assert_eq!(
            entry("declared::first"),
            ("model \"declared.later\"".into(), true)
        );
        assert_eq!(
            entry("declared::second"),
            ("model \"declared.Later\"".into(), false)
        );
        assert!(entry("declared::of_type").0.ends_with("declared::Now"));

        assert!(!POST_SAVE.from(Sender::of::<Later>()).has_listeners());
        model::prepare::<Later>("declared.Later").unwrap();
        let context = Context::default().with_model_name("declared.Later");
        let event = PostSave::new(&Later, true, None, context);
        let sent = POST_SAVE
            .from(Sender::of::<Later>())
            .send_until_err(&event)
            .unwrap();
        assert_eq!(sent.len(), 1);
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
        let unknown = unknown_senders();
        assert!(
            !unknown.iter().any(|it| it.contains("Later")),
            "{unknown:?}"
        );
    }
    /// An event that is not of this crate.
    struct Archived;

    impl Event for Archived {
        type Args<'a> = Archived;
    }

    fanfare_django::model_event!(Archived);

    static ARCHIVED: Signal<Archived, u8> = Signal::new();

    #[receiver(ARCHIVED, sender = "declared.Page")]
    fn archived(_: Sender<'_>, _: &Archived) -> u8 {
        1
    }

    #[test]
    fn a_declared_receiver_of_a_users_model_event_waits_for_the_model() {
        struct Page;
        fanfare::connect_receivers();
        assert!(ARCHIVED.from("declared.Page").send(&Archived).is_empty());
        model::prepare::<Page>("declared.Page").unwrap();
        assert_eq!(*ARCHIVED.from(Sender::of::<Page>()).send(&Archived), [1]);
    }
}
