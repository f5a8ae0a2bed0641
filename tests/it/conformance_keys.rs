//! Which connections are the same, and the return value of disconnecting.
//!
//! `eNN`: see `conformance_edges.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::receivers::{Asked, message_of, of_size, one, read, response, two};
use fanfare::Sender;

struct Kitchen;

// Which connections are the same.

#[test]
fn e1_a_duplicate_does_not_change_the_first() {
    let signal = Asked::new();
    signal.connect(response(9));
    let first = signal.options().priority(1).name("first").connect(one);
    let again = signal
        .options()
        .priority(5)
        .name("again")
        .once()
        .connect(one);
    assert_eq!((again.id(), again.is_new()), (first.id(), false));
    for _ in 0..2 {
        assert_eq!(*signal.send(&()), [1, 9], "neither moved nor once");
    }
    let info = &signal.connections()[0];
    assert_eq!(
        (info.id, info.priority, info.max_calls, info.weak),
        (first.id(), 1, None, false)
    );
    assert_eq!(info.name, "first");
}

#[test]
fn e1_a_strong_duplicate_under_a_uid_leaves_the_first_weak_and_the_reverse() {
    let signal = Asked::new();
    let target = Arc::new(5);
    let weak = signal
        .options()
        .dispatch_uid("u")
        .connect_weak(&target, read);
    assert!(!signal.options().dispatch_uid("u").connect(one).is_new());
    drop(target);
    assert!(signal.send(&()).is_empty());
    assert!(!weak.is_connected());

    let target = Arc::new(5);
    assert!(signal.options().dispatch_uid("u").connect(one).is_new());
    assert!(
        !signal
            .options()
            .dispatch_uid("u")
            .connect_weak(&target, read)
            .is_new()
    );
    drop(target);
    assert_eq!(*signal.send(&()), [1]);
}

#[test]
fn a_once_duplicate_does_not_make_the_first_stay() {
    let signal = Asked::new();
    assert!(signal.options().once().connect(one).is_new());
    assert!(!signal.connect(one).is_new());
    assert_eq!(*signal.send(&()), [1]);
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn the_receiver_of_a_refused_duplicate_is_dropped_at_once() {
    let signal = Asked::new();
    let held = Arc::new(());
    signal.options().dispatch_uid("u").connect(one);
    let captured = Arc::clone(&held);
    let refused = signal
        .options()
        .dispatch_uid("u")
        .connect(move |_, ()| Arc::strong_count(&captured) as u32);
    assert!(!refused.is_new());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn the_handle_of_a_duplicate_disconnects_the_first() {
    let signal = Asked::new();
    let first = signal.connect(one);
    let again = signal.connect(one);
    assert!(again.disconnect());
    assert!(!first.is_connected());
    assert!(!first.disconnect());
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn e2_any_and_a_sender_and_a_uid_are_three_connections() {
    let signal = Asked::new();
    let kitchen = Sender::of::<Kitchen>();
    assert!(signal.connect(one).is_new());
    assert!(signal.options().sender(kitchen).connect(one).is_new());
    assert!(signal.options().dispatch_uid("u").connect(one).is_new());
    assert_eq!(*signal.from(kitchen).send(&()), [1, 1, 1]);
    assert_eq!(*signal.send(&()), [1, 1]);
}

#[test]
fn a_uid_is_scoped_by_its_sender() {
    let signal = Asked::new();
    let senders = [Sender::of::<Kitchen>(), Sender::named("u"), Sender::key(1)];
    assert!(signal.options().dispatch_uid("u").connect(one).is_new());
    for sender in senders {
        assert!(
            signal
                .options()
                .dispatch_uid("u")
                .sender(sender)
                .connect(one)
                .is_new(),
            "for {sender}"
        );
        assert!(
            !signal
                .options()
                .dispatch_uid("u")
                .sender(sender)
                .connect(two)
                .is_new(),
            "for {sender}"
        );
    }
    assert_eq!(signal.receiver_count(), 4);
    assert!(signal.options().sender("u").disconnect_uid("u"));
    assert!(!signal.options().sender("u").disconnect_uid("u"));
    assert!(signal.disconnect_uid("u"));
    assert_eq!(signal.options().disconnect_uid_everywhere("u"), 2);
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn e3_an_empty_uid_is_refused_and_no_receiver_is_connected() {
    let signal = Asked::new();
    let refusal = catch_unwind(|| signal.options().dispatch_uid("").connect(one)).unwrap_err();
    let message = message_of(&*refusal);
    assert!(
        message.contains("uid") && message.contains("empty"),
        "said {message:?}"
    );
    assert_eq!(signal.receiver_count(), 0);
    assert!(signal.connect(one).is_new());
}

/// Whatever text a uid is, it is no receiver; and the other way round.
#[test]
fn e4_uids_and_receivers_never_share_a_key() {
    let signal = Asked::new();
    let plain = signal.connect(one);
    let texts = [
        std::any::type_name_of_val(&one).to_owned(),
        format!("{:?}", std::any::Any::type_id(&one)),
        plain.id().to_string(),
        format!("{:?}", plain.id()),
        (one as fn(Sender<'_>, &()) -> u32 as usize).to_string(),
    ];
    for text in &texts {
        assert!(
            signal
                .options()
                .dispatch_uid(text.clone())
                .connect(two)
                .is_new(),
            "{text}"
        );
        assert!(signal.disconnect_uid(text), "{text}");
        assert!(plain.is_connected(), "{text}");
    }
}

#[test]
fn e5_a_uid_alone_finds_its_receiver_and_the_receiver_alone_does_not() {
    let signal = Asked::new();
    signal.options().dispatch_uid("u").connect(one);
    assert!(!signal.disconnect(one));
    assert_eq!(signal.options().disconnect_everywhere(one), 0);
    assert_eq!(signal.receiver_count(), 1);
    assert!(signal.disconnect_uid("u"));
    assert!(!signal.disconnect_uid("u"));
}

#[test]
fn a_receiver_is_known_by_its_type() {
    let signal = Asked::new();
    let closure = |_: Sender<'_>, &(): &()| 3;
    assert!(signal.connect(one).is_new());
    assert!(signal.connect(two).is_new());
    assert!(signal.connect(closure).is_new());
    assert!(!signal.connect(closure).is_new());
    assert!(signal.connect(of_size::<u8>).is_new());
    assert!(signal.connect(of_size::<u16>).is_new());
    assert!(!signal.connect(of_size::<u8>).is_new());
    assert_eq!(*signal.send(&()), [1, 2, 3, 1, 2]);
    assert!(signal.disconnect(closure));
    assert!(signal.disconnect(of_size::<u8>));
    assert_eq!(*signal.send(&()), [1, 2, 2]);
}

#[test]
fn what_captures_and_what_points_is_always_new() {
    let signal = Asked::new();
    let captured = 4;
    let closure = move |_: Sender<'_>, &(): &()| captured;
    let pointer: fn(Sender<'_>, &()) -> u32 = one;
    for _ in 0..3 {
        assert!(signal.connect(closure).is_new());
        assert!(signal.connect(pointer).is_new());
    }
    assert_eq!(*signal.send(&()), [4, 1, 4, 1, 4, 1]);
}

/// A closure may have no size and still own something: each value of it is dropped once.
#[test]
fn a_zero_sized_receiver_with_a_destructor_is_dropped_once_each() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Token;
    impl Drop for Token {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn holding(token: Token) -> impl Fn(Sender<'_>, &()) -> u32 + Send + Sync + 'static {
        move |_, ()| {
            let _held = &token;
            6
        }
    }
    let signal = Asked::new();
    let connection = signal.connect(holding(Token));
    assert_eq!(*signal.send(&()), [6]);
    assert_eq!(DROPS.load(Ordering::Relaxed), 0);
    assert!(!signal.connect(holding(Token)).is_new());
    assert_eq!(DROPS.load(Ordering::Relaxed), 1, "the duplicate");
    assert!(connection.disconnect());
    assert_eq!(DROPS.load(Ordering::Relaxed), 2, "the first");
}

#[test]
fn disconnected_and_connected_again_goes_to_the_end() {
    let signal = Asked::new();
    let before = signal.connect(one);
    signal.connect(two);
    signal.disconnect(one);
    let after = signal.connect(one);
    assert!(after.is_new());
    assert_ne!(before.id(), after.id());
    assert!(!before.is_connected());
    assert!(
        !before.disconnect(),
        "an old handle does not reach the new connection"
    );
    assert_eq!(*signal.send(&()), [2, 1]);
}

#[test]
fn connections_of_two_signals_are_strangers() {
    let (left, right) = (Asked::new(), Asked::new());
    let on_left = left.options().dispatch_uid("u").connect(one);
    let on_right = right.options().dispatch_uid("u").connect(one);
    assert!(on_left.is_new() && on_right.is_new());
    assert_ne!(on_left.id(), on_right.id());
    assert!(left.disconnect_uid("u"));
    assert!(on_right.is_connected());
    assert_eq!(*right.send(&()), [1]);
}

// Disconnecting returns whether it removed a receiver.

#[test]
fn disconnecting_a_receiver_names_its_sender_or_all() {
    let signal = Asked::new();
    let kitchen = Sender::of::<Kitchen>();
    signal.options().sender(kitchen).connect(one);
    assert!(!signal.disconnect(one));
    assert!(!signal.options().sender("kitchen").disconnect(one));
    assert!(signal.options().sender(kitchen).disconnect(one));
    assert!(!signal.options().sender(kitchen).disconnect(one));

    signal.connect(one);
    signal.connect(two);
    signal.options().sender(kitchen).connect(one);
    signal.options().sender("kitchen").connect(one);
    assert_eq!(signal.options().disconnect_everywhere(one), 3);
    assert_eq!(signal.options().disconnect_everywhere(one), 0);
    assert_eq!(*signal.from(kitchen).send(&()), [2]);
}

#[test]
fn disconnecting_a_sender_leaves_the_others_and_those_for_any() {
    let signal = Asked::new();
    signal.connect(one);
    signal.options().sender("a").connect(one);
    signal.options().sender("a").dispatch_uid("u").connect(two);
    signal.options().sender("a").connect(response(3));
    signal.options().sender("b").connect(two);
    assert_eq!(signal.from("a").disconnect_all(), 3);
    assert_eq!(signal.from("a").disconnect_all(), 0);
    assert_eq!(*signal.from("a").send(&()), [1]);
    assert_eq!(*signal.from("b").send(&()), [1, 2]);
    assert!(
        signal.options().sender("a").connect(one).is_new(),
        "its keys are free again"
    );
}

#[test]
fn disconnecting_all_counts_and_frees_every_key() {
    let signal = Asked::new();
    let handles = [
        signal.connect(one),
        signal.options().sender("a").connect(one),
        signal.options().dispatch_uid("u").connect(one),
    ];
    assert_eq!(signal.disconnect_all(), 3);
    assert_eq!(signal.disconnect_all(), 0);
    assert!(
        handles
            .iter()
            .all(|handle| !handle.is_connected() && !handle.disconnect())
    );
    assert!(signal.receiver_count() == 0 && !signal.from("a").has_listeners());
    assert!(signal.connect(one).is_new());
    assert!(signal.options().sender("a").connect(one).is_new());
    assert!(signal.options().dispatch_uid("u").connect(one).is_new());
}

#[test]
fn only_one_of_many_disconnects_removed_it() {
    let signal = Asked::new();
    let connection = signal.connect(one);
    let removed: usize = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| usize::from(connection.clone().disconnect())))
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(removed, 1);
}

#[test]
fn while_a_send_still_holds_it_it_can_be_removed_only_once() {
    static SIGNAL: Asked = Asked::new();
    static OWN: OnceLock<fanfare::Connection> = OnceLock::new();
    OWN.set(SIGNAL.connect(|_, ()| {
        let own = OWN.get().unwrap();
        let removed = [
            own.disconnect(),
            own.disconnect(),
            SIGNAL.disconnect_all() > 0,
        ];
        removed.map(u32::from).iter().sum()
    }))
    .unwrap();
    assert_eq!(*SIGNAL.send(&()), [1]);
}

#[test]
fn the_dead_and_the_spent_are_removed_and_not_counted() {
    let signal = Asked::new();
    let targets = [1, 2, 3].map(Arc::new);
    let dead = targets
        .each_ref()
        .map(|target| signal.connect_weak(target, read));
    signal.options().sender("a").connect_weak(&targets[0], read);
    signal
        .options()
        .dispatch_uid("u")
        .connect_weak(&targets[0], read);
    signal.connect(one);
    drop(targets);
    assert!(!dead[0].disconnect());
    assert!(!signal.disconnect_uid("u"));
    assert_eq!(signal.from("a").disconnect_all(), 0);
    assert_eq!(signal.receiver_count(), 3, "two dead and one alive");
    assert_eq!(signal.disconnect_all(), 1);
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn a_scoped_connection_ends_with_its_scope_unless_kept() {
    let signal = Asked::new();
    {
        let scoped = signal.connect(one).scoped();
        assert!(scoped.is_connected());
        assert_eq!(signal.receiver_count(), 1);
    }
    assert_eq!(signal.receiver_count(), 0);
    let kept = signal.connect(one).scoped().keep();
    assert!(kept.is_connected());
    drop(kept);
    assert_eq!(*signal.send(&()), [1]);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _scoped = signal.connect(two).scoped();
        panic!("leaves the scope");
    }));
    assert!(unwound.is_err());
    assert_eq!(*signal.send(&()), [1]);
}

#[test]
fn handles_outlive_their_signal() {
    let held = Arc::new(());
    let signal = Asked::new();
    let captured = Arc::clone(&held);
    let connection = signal.connect(move |_, ()| Arc::strong_count(&captured) as u32);
    let scoped = signal.connect(one).scoped();
    drop(signal);
    assert_eq!(
        Arc::strong_count(&held),
        1,
        "the receivers went with the signal"
    );
    assert!(!connection.is_connected());
    assert!(!connection.disconnect());
    assert!(connection.disconnect_and_wait(Duration::ZERO).is_ok());
    drop(scoped);
}
