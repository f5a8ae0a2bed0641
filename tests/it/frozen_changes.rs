//! Changes of frozen signals: each is refused with the place of the freeze, or has no effect.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::error::{DisconnectError, WaitError};
use fanfare::{Connection, Identity, Sender, Signal};

type Doubled = Signal<u32, u32>;

fn one(_sender: Sender<'_>, n: &u32) -> u32 {
    n + 1
}

fn two(_sender: Sender<'_>, n: &u32) -> u32 {
    n + 2
}

/// Returns a frozen signal with `one` for any sender, `two` for the sender "two", and the handles.
fn frozen() -> (Doubled, [Connection; 2]) {
    let signal = Doubled::new();
    let connections = [
        signal.connect(one),
        signal.options().sender("two").connect(two),
    ];
    signal.freeze();
    (signal, connections)
}

/// Returns the message of the panic in which `change` ends.
fn refusal<T>(change: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(change)) else {
        panic!("the change was not refused");
    };
    *panic.downcast::<String>().expect("a formatted message")
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_empty_frozen_signal_sends_and_refuses_receivers() {
    for had_one in [false, true] {
        let signal = Doubled::new();
        if had_one {
            assert!(signal.connect(two).disconnect());
        }
        assert_eq!(signal.frozen_at(), None);
        signal.freeze();
        let at = signal.frozen_at().unwrap();
        assert!(signal.send(&1).is_empty());
        assert!(signal.emitter().send(&1).is_empty());
        assert!(!signal.has_listeners());
        assert!(refusal(|| signal.connect(one)).contains(&at.to_string()));
        assert!(signal.options().try_connect(one).is_err());
        assert_eq!((signal.receiver_count(), signal.purge()), (0, 0));
        assert!(signal.send(&1).is_empty());
    }
}

#[test]
fn the_first_freeze_gives_the_place() {
    let signal = Doubled::new();
    let here = Location::caller();
    signal.freeze();
    signal.freeze();
    let at = signal.frozen_at().unwrap();
    assert_eq!((at.file(), at.line()), (here.file(), here.line() + 1));
}

#[test]
fn each_connect_is_refused_with_the_place_of_the_freeze() {
    let (signal, _connections) = frozen();
    let at = signal.frozen_at().unwrap().to_string();
    let target = Arc::new(3);
    fn read(target: &u32, _sender: Sender<'_>, n: &u32) -> u32 {
        target + n
    }
    let messages = [
        refusal(|| signal.connect(two)),
        // A duplicate as well: whether there is one cannot be the difference.
        refusal(|| signal.connect(one)),
        refusal(|| signal.connect_weak(&target, read)),
        refusal(|| {
            signal
                .options()
                .connect_batch(|_sender, events| events.iter().sum())
        }),
        refusal(|| signal.options().dispatch_uid("uid").connect(one)),
        refusal(|| signal.options().once().connect(one)),
        refusal(|| signal.options().connect_weak(&target, read)),
    ];
    for message in messages {
        let expected = format!(
            "a receiver was not connected because the signal was frozen at {at}: connect it \
             before `freeze`, or use `try_connect`"
        );
        assert_eq!(message, expected);
    }
    assert_eq!(
        (signal.receiver_count(), Arc::strong_count(&target)),
        (2, 1)
    );
    assert_eq!(Arc::weak_count(&target), 0, "what was refused is dropped");
    assert_eq!(*signal.from("two").send(&1), [2, 3]);
}

#[test]
fn a_refused_receiver_is_handed_back_whole() {
    let (signal, _connections) = frozen();
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&drops));
    let receiver = move |_sender: Sender<'_>, n: &u32| {
        let _ = &counted;
        *n
    };
    let refused = signal
        .options()
        .sender("two")
        .try_connect(receiver)
        .unwrap_err();
    let at = signal.frozen_at().unwrap();
    assert_eq!(
        refused.to_string(),
        format!(
            "the receiver was not connected because the signal was frozen at {at}: connect it \
             before `freeze`"
        )
    );
    assert!(format!("{refused:?}").starts_with("Frozen { at: Location"));
    let receiver = refused.into_receiver();
    assert_eq!(
        (receiver(Sender::NONE, &4), drops.load(Ordering::Relaxed)),
        (4, 0)
    );
    let other = Doubled::new();
    let connected = other.options().dispatch_uid("uid").try_connect(receiver);
    assert!(connected.unwrap().is_new());
    let again = other.options().dispatch_uid("uid").try_connect(one);
    assert!(!again.unwrap().is_new());
    assert_eq!(*other.send(&4), [4]);
    drop(other);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn a_try_connect_notes_its_caller_and_minds_a_dead_identity() {
    let signal = Doubled::new();
    let connection = signal.options().try_connect(one).unwrap();
    let location = signal.connections()[0].location;
    assert_eq!((location.file(), location.line()), (file!(), line!() - 2));
    assert!(connection.disconnect());
    let identity = Identity::new();
    let connected = signal.options().sender(&identity).try_connect(one).unwrap();
    drop(identity);
    assert!(!connected.is_connected() && signal.receiver_count() == 0);
}

#[test]
fn each_disconnect_is_refused_with_the_place_of_the_freeze() {
    let signal = Doubled::new();
    let target = Arc::new(3);
    fn read(target: &u32, _sender: Sender<'_>, n: &u32) -> u32 {
        target + n
    }
    let connection = signal.connect(one);
    signal.options().dispatch_uid("uid").connect(two);
    signal.connect_weak(&target, read);
    signal.freeze();
    let at = signal.frozen_at().unwrap();
    let messages = [
        refusal(|| connection.disconnect()),
        refusal(|| signal.disconnect(one)),
        refusal(|| signal.options().sender("nobody").disconnect(one)),
        refusal(|| signal.options().disconnect_everywhere(one)),
        refusal(|| signal.options().disconnect_weak(&target, read)),
        refusal(|| {
            signal
                .options()
                .sender("nobody")
                .disconnect_weak(&target, read)
        }),
        refusal(|| signal.disconnect_uid("uid")),
        refusal(|| signal.options().sender("nobody").disconnect_uid("uid")),
        refusal(|| signal.options().disconnect_uid_everywhere("uid")),
        refusal(|| signal.from(Sender::NONE).disconnect_all()),
        refusal(|| signal.disconnect_all()),
    ];
    for message in messages {
        let expected = format!(
            "a receiver was not disconnected because the signal was frozen at {at}: disconnect \
             it before `freeze`, or use `try_disconnect`"
        );
        assert_eq!(message, expected);
    }
    let refused = connection.try_disconnect().unwrap_err();
    assert!(matches!(refused, DisconnectError::Frozen { at: place, .. } if place == at));
    let message = format!(
        "the receiver was not disconnected because the signal was frozen at {at}: disconnect it \
         before `freeze`"
    );
    assert_eq!(refused.to_string(), message);
    let waited = connection.disconnect_and_wait(Duration::MAX).unwrap_err();
    assert!(matches!(waited, WaitError::Frozen { at: place, .. } if place == at));
    assert_eq!(waited.to_string(), message);
    assert!(connection.is_connected());
    assert_eq!(*signal.send(&1), [2, 3, 4]);
}

#[test]
fn a_receiver_that_was_out_before_the_freeze_can_be_asked_for_again() {
    let signal = Doubled::new();
    let mut emitter = signal.emitter();
    let gone = signal.connect(two);
    emitter.send(&1);
    assert!(gone.disconnect());
    signal.freeze();
    // The emitter still holds the receiver.
    assert!(!gone.disconnect());
    assert_eq!(gone.try_disconnect(), Ok(false));
    if !cfg!(target_os = "linux") {
        emitter.release();
    }
    assert_eq!(gone.disconnect_and_wait(Duration::ZERO), Ok(()));
    assert!(emitter.send(&1).is_empty());
    assert_eq!(gone.try_disconnect(), Ok(false));
}

#[test]
fn the_drop_of_a_guard_does_not_change_the_signal() {
    let (signal, [first, second]) = frozen();
    drop(first.scoped());
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _guard = second.scoped();
        panic!("unwinds through the guard");
    }));
    assert!(unwound.is_err());
    assert_eq!(*signal.from("two").send(&1), [2, 3]);
}

#[test]
fn the_drop_of_an_identity_does_not_change_the_signal() {
    let signal = Doubled::new();
    let (gone, kept) = (Identity::new(), Identity::new());
    let of_gone = signal.options().sender(&gone).connect(one);
    signal.options().sender(&kept).connect(two);
    signal.freeze();
    drop(gone);
    assert_eq!(signal.receiver_count(), 2);
    assert!(of_gone.is_connected());
    assert_eq!(*signal.from(&kept).send(&1), [3]);
    assert!(signal.from(&Identity::new()).send(&1).is_empty());
}
