//! The promises of Django's tests of the model signals that are about the dispatcher,
//! with the lazy `"app.Model"` senders as named senders.
//!
//! Every test runs in the same frame: as many receivers after it as before it.

use fanfare::connections::unmatched_senders;
use std::any::type_name;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::{Event, Sender, Signal};

struct Person {
    name: &'static str,
}
struct Book;

struct Saved<'a> {
    instance: &'a Person,
}

impl Event for Saved<'static> {
    type Args<'a> = Saved<'a>;
}

const TOM: Saved<'static> = Saved {
    instance: &Person { name: "Tom" },
};

#[derive(Default)]
struct ModelSignals {
    pre_save: Signal<Saved<'static>>,
    post_save: Signal<Saved<'static>>,
    pre_delete: Signal<Saved<'static>>,
    post_delete: Signal<Saved<'static>>,
}

#[test]
fn the_frame_notices_a_leak() {
    let leak = std::panic::catch_unwind(|| {
        nothing_leaks(|signals| {
            signals.post_delete.connect(ignore);
        });
    });
    assert!(leak.is_err());
}

#[test]
fn disconnect_in_dispatch() {
    static POST_SAVE: Signal<Saved<'static>> = Signal::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn leaves_first(_: Sender<'_>, _: &Saved<'_>) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        assert!(
            POST_SAVE
                .options()
                .sender(Sender::of::<Person>())
                .disconnect(leaves_first)
        );
    }
    fn leaves_second(_: Sender<'_>, _: &Saved<'_>) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        assert!(
            POST_SAVE
                .options()
                .sender(Sender::of::<Person>())
                .disconnect(leaves_second)
        );
    }
    let person = Sender::of::<Person>();
    POST_SAVE.options().sender(person).connect(leaves_first);
    POST_SAVE.options().sender(person).connect(leaves_second);
    assert_eq!(POST_SAVE.from(person).send(&TOM).len(), 2);
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    assert_eq!(POST_SAVE.receiver_count(), 0);
    assert!(POST_SAVE.connections().is_empty());
}

/// Strong unless asked: `connect_weak` makes a weak reference, `connect` makes none.
#[test]
fn lazy_model_signal() {
    nothing_leaks(|signals| {
        let target = Arc::new(Person { name: "Ann" });
        let weak = signals
            .pre_delete
            .options()
            .sender("app.Book")
            .connect_weak(&target, method);
        let strong = signals
            .pre_delete
            .options()
            .sender("app.Book")
            .connect(ignore);
        assert!(Arc::weak_count(&target) > 0);
        assert_eq!(Arc::strong_count(&target), 1);
        let kinds: Vec<_> = signals
            .pre_delete
            .connections()
            .iter()
            .map(|info| (info.id, info.weak))
            .collect();
        assert_eq!(kinds, [(weak.id(), true), (strong.id(), false)]);
        assert!(weak.disconnect() && strong.disconnect());
        assert_eq!(Arc::weak_count(&target), 0);
    });
}

#[test]
fn a_disconnect_from_a_model_works_once() {
    nothing_leaks(|signals| {
        let calls = counter();
        let person = Sender::of::<Person>();
        signals
            .post_save
            .options()
            .sender(person)
            .dispatch_uid("count")
            .connect(counting(&calls));
        signals.post_save.options().sender(person).connect(ignore);
        assert!(
            signals
                .post_save
                .options()
                .sender(person)
                .disconnect(ignore)
        );
        assert!(
            !signals
                .post_save
                .options()
                .sender(person)
                .disconnect(ignore)
        );
        assert!(
            signals
                .post_save
                .options()
                .sender(person)
                .disconnect_uid("count")
        );
        assert!(
            !signals
                .post_save
                .options()
                .sender(person)
                .disconnect_uid("count")
        );
        assert!(signals.post_save.from(person).send(&TOM).is_empty());
        assert_eq!(calls.load(Ordering::Relaxed), 0);
    });
}

/// No text is malformed as a name, so a mistyped one is shown instead of refused.
#[test]
fn invalid_sender_model_name() {
    nothing_leaks(|signals| {
        for name in ["invalid", "a.b.c", "", "grüße", "app.Persn"] {
            assert!(
                signals
                    .post_save
                    .options()
                    .sender(name)
                    .connect(ignore)
                    .is_new(),
                "{name:?}"
            );
        }
        signals.post_save.from("app.Person").send(&TOM);
        assert_eq!(
            unmatched_senders(&signals.post_save),
            ["", "a.b.c", "app.Persn", "grüße", "invalid"].map(|name| format!("{name:?}"))
        );
        assert_eq!(signals.post_save.options().disconnect_everywhere(ignore), 5);
        assert!(unmatched_senders(&signals.post_save).is_empty());
    });
}

/// A name that has been sent from before works at once, and the receiver gets exactly the arguments
/// of the send.
#[test]
fn already_loaded_model() {
    nothing_leaks(|signals| {
        signals.post_save.from("app.Person").send(&TOM);
        let calls = counter();
        let seen = calls.clone();
        let connection =
            signals
                .post_save
                .options()
                .sender("app.Person")
                .connect(move |sender, saved| {
                    assert_eq!(sender, Sender::named("app.Person"));
                    assert_eq!(sender.name(), Some("app.Person"));
                    assert_eq!(saved.instance.name, "Tom");
                    seen.fetch_add(1, Ordering::Relaxed);
                });
        signals.post_save.from("app.Person").send(&TOM);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(connection.disconnect());
        signals.post_save.from("app.Person").send(&TOM);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    });
}

/// A name may be connected before anything knows it, and matches a text built later, elsewhere.
#[test]
fn not_loaded_model() {
    nothing_leaks(|signals| {
        let calls = counter();
        let connection = signals
            .post_save
            .options()
            .sender("app.Created")
            .connect(counting(&calls));
        assert_eq!(unmatched_senders(&signals.post_save), ["\"app.Created\""]);
        let built = ["app", "Created"].join(".");
        signals.post_save.from(built.as_str()).send(&TOM);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(unmatched_senders(&signals.post_save).is_empty());
        assert!(connection.disconnect());
    });
}

/// Better than the original, which cannot return whether a lazy disconnect removed anything.
#[test]
fn disconnect_registered_model() {
    nothing_leaks(|signals| {
        signals
            .post_save
            .options()
            .sender("app.Person")
            .connect(ignore);
        assert_eq!(signals.post_save.from("app.Person").send(&TOM).len(), 1);
        assert!(
            signals
                .post_save
                .options()
                .sender("app.Person")
                .disconnect(ignore)
        );
        assert!(
            !signals
                .post_save
                .options()
                .sender("app.Person")
                .disconnect(ignore)
        );
        assert_eq!(signals.post_save.from("app.Person").send(&TOM).len(), 0);
    });
}

#[test]
fn disconnect_unregistered_model() {
    nothing_leaks(|signals| {
        signals
            .post_save
            .options()
            .sender("app.Never")
            .connect(ignore);
        assert!(
            signals
                .post_save
                .options()
                .sender("app.Never")
                .disconnect(ignore)
        );
        assert!(
            !signals
                .post_save
                .options()
                .sender("app.Never")
                .disconnect(ignore)
        );
        assert!(unmatched_senders(&signals.post_save).is_empty());
        assert_eq!(signals.post_save.from("app.Never").send(&TOM).len(), 0);
    });
}

/// A type is a sender at once: it needs no preparation. It is listed until it sends.
#[test]
fn register_model_class_senders_immediately() {
    nothing_leaks(|signals| {
        signals
            .pre_save
            .options()
            .sender(Sender::of::<Person>())
            .connect(ignore);
        assert_eq!(
            unmatched_senders(&signals.pre_save),
            [type_name::<Person>()]
        );
        assert!(
            signals
                .pre_save
                .from(Sender::of::<Person>())
                .has_listeners()
        );
        assert!(
            !signals
                .pre_save
                .from(Sender::named(std::any::type_name::<Person>()))
                .has_listeners()
        );
        assert!(!signals.pre_save.from(Sender::of::<Book>()).has_listeners());
        assert_eq!(
            signals
                .pre_save
                .from(Sender::of::<Person>())
                .disconnect_all(),
            1
        );
    });
}

#[cfg(feature = "macros")]
mod decorator {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use fanfare::{Sender, Signal, receiver};

    use super::{Book, Person, Saved, TOM};

    static POST_SAVE: Signal<Saved<'static>> = Signal::new();
    static ANY: AtomicUsize = AtomicUsize::new(0);
    static PERSON: AtomicUsize = AtomicUsize::new(0);

    #[receiver(POST_SAVE)]
    fn any(_: Sender<'_>, _: &Saved<'_>) {
        ANY.fetch_add(1, Ordering::Relaxed);
    }

    #[receiver(POST_SAVE, sender = Person)]
    fn person(_: Sender<'_>, _: &Saved<'_>) {
        PERSON.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn decorated_receivers_connect_once() {
        fanfare::connect_receivers();
        assert_eq!(POST_SAVE.from(Sender::of::<Person>()).send(&TOM).len(), 2);
        assert_eq!(POST_SAVE.from(Sender::of::<Book>()).send(&TOM).len(), 1);
        assert_eq!(
            (ANY.load(Ordering::Relaxed), PERSON.load(Ordering::Relaxed)),
            (2, 1)
        );
        fanfare::connect_receivers();
        assert_eq!(
            POST_SAVE.receiver_count(),
            2,
            "collecting twice connects once"
        );
    }
}

fn ignore(_: Sender<'_>, _: &Saved<'_>) {}

fn method(_: &Person, _: Sender<'_>, _: &Saved<'_>) {}

fn counter() -> Arc<AtomicUsize> {
    Arc::default()
}

fn counting(calls: &Arc<AtomicUsize>) -> impl Fn(Sender<'_>, &Saved<'_>) + Send + Sync + 'static {
    let calls = Arc::clone(calls);
    move |_, _| {
        calls.fetch_add(1, Ordering::Relaxed);
    }
}

fn nothing_leaks(test: impl FnOnce(&ModelSignals)) {
    let signals = ModelSignals::default();
    let before = signals.counts();
    test(&signals);
    assert_eq!(signals.counts(), before, "a receiver was left connected");
}

impl ModelSignals {
    fn counts(&self) -> [usize; 4] {
        [
            &self.pre_save,
            &self.post_save,
            &self.pre_delete,
            &self.post_delete,
        ]
        .map(Signal::receiver_count)
    }
}
