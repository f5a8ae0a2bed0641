//! Senders: by value, never by address; their death; names that nothing sends from.
//!
//! `eNN`: see `conformance_edges.rs`.

use fanfare::connections::unmatched_senders;
use std::any::type_name;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::receivers::{Asked, holding, one, read, response, two};
use fanfare::{Identity, Sender, Signal};

struct Kitchen;

#[test]
fn e9_senders_match_by_value_and_only_within_their_kind() {
    let signal = Asked::new();
    let identity = Identity::new();
    signal.options().sender("7").connect(response(1));
    signal.options().sender(Sender::key(7)).connect(response(2));
    signal
        .options()
        .sender(Sender::of::<Kitchen>())
        .connect(response(3));
    signal.options().sender(&identity).connect(response(4));
    let mut built = String::from("70");
    built.pop();
    for round in 0..2 {
        assert_eq!(*signal.from(built.as_str()).send(&()), [1], "round {round}");
        assert_eq!(*signal.from(7_u64).send(&()), [2]);
        assert_eq!(*signal.from(7_u128).send(&()), [2]);
        assert_eq!(*signal.from(Sender::of::<Kitchen>()).send(&()), [3]);
        assert_eq!(*signal.from(&identity).send(&()), [4]);
        for stranger in [
            Sender::named("Kitchen"),
            Sender::named("07"),
            Sender::key(7 << 64),
            Sender::of::<&Kitchen>(),
            Sender::of::<Identity>(),
        ] {
            assert!(
                signal.from(stranger).send(&()).is_empty(),
                "from {stranger}"
            );
        }
        assert!(signal.from(&Identity::new()).send(&()).is_empty());
    }
}

#[test]
fn senders_display_their_kind_and_compare_by_value() {
    let (left, right) = (Identity::new(), Identity::new());
    let senders = [
        Sender::NONE,
        Sender::of::<Kitchen>(),
        Sender::named("till"),
        Sender::key(12),
        Sender::identity(&left),
        Sender::identity(&right),
    ];
    for (row, first) in senders.iter().enumerate() {
        for (column, second) in senders.iter().enumerate() {
            assert_eq!(first == second, row == column, "{first} and {second}");
            assert_eq!(
                first.to_string() == second.to_string(),
                row == column,
                "{first} and {second}"
            );
        }
    }
    let told = senders.map(|sender| sender.to_string());
    assert!(
        told[1].contains("Kitchen") && told[2].contains("till") && told[3].contains("12"),
        "{told:?}"
    );
    assert_eq!(
        senders.map(|sender| sender.name()),
        [None, None, Some("till"), None, None, None]
    );
    assert_eq!(Sender::from(12_u64), Sender::from(12_u128));
    let hasher = std::hash::RandomState::new();
    let built = String::from("till");
    assert_eq!(
        hasher.hash_one(senders[2]),
        hasher.hash_one(Sender::named(&built))
    );
    assert_eq!(
        hasher.hash_one(senders[3]),
        hasher.hash_one(Sender::from(12_u64))
    );
    assert_ne!(hasher.hash_one(senders[4]), hasher.hash_one(senders[5]));
}

#[test]
fn e10_has_listeners_needs_no_sender_and_is_exact() {
    let signal = Asked::new();
    for _ in 0..2 {
        assert!(!signal.has_listeners());
    }
    let for_a = signal.options().sender("a").connect(one);
    for _ in 0..2 {
        assert!(!signal.has_listeners(), "nobody listens to just anything");
        assert!(!signal.from("b").has_listeners());
        assert!(signal.from("a").has_listeners());
    }
    signal.connect(one);
    for_a.disconnect();
    for sender in [Sender::NONE, Sender::named("a"), Sender::named("b")] {
        assert!(signal.from(sender).has_listeners(), "for {sender}");
    }
    signal.disconnect(one);
    assert!(!signal.from("a").has_listeners());
}

#[test]
fn has_listeners_counts_only_the_living() {
    let signal = Asked::new();
    let target = Arc::new(1);
    signal.options().sender("a").connect_weak(&target, read);
    assert!(signal.from("a").has_listeners());
    drop(target);
    assert!(!signal.from("a").has_listeners());
    signal.options().sender("a").once().connect(one);
    assert!(signal.from("a").has_listeners());
    signal.from("a").send(&());
    assert!(!signal.from("a").has_listeners());
}

#[test]
fn from_no_sender_only_those_for_any_are_reached() {
    let signal = Asked::new();
    signal.connect(response(1));
    signal
        .options()
        .sender(Sender::of::<Kitchen>())
        .connect(response(2));
    signal.options().sender("").connect(response(3));
    signal.options().sender(Sender::key(0)).connect(response(4));
    assert_eq!(*signal.send(&()), [1]);
    assert_eq!(*signal.from("").send(&()), [1, 3]);
    assert_eq!(*signal.from(0_u64).send(&()), [1, 4]);
}

/// Naming no sender is the same as not naming one, wherever a sender is asked for.
#[test]
fn no_sender_stands_for_any_in_connecting_and_disconnecting() {
    let signal = Asked::new();
    let any = signal.options().sender(Sender::NONE).connect(one);
    assert!(!signal.connect(one).is_new());
    assert_eq!(*signal.from("a").send(&()), [1]);
    assert_eq!(signal.connections()[0].sender, None);
    let options = signal.options().sender("a").sender(Sender::NONE);
    assert_eq!(options.connect(one).id(), any.id(), "the last word counts");
    signal.options().dispatch_uid("u").connect(two);
    signal.options().sender("a").connect(one);
    assert!(signal.options().sender(Sender::NONE).disconnect(one));
    assert!(signal.options().sender(Sender::NONE).disconnect_uid("u"));
    assert_eq!(*signal.from("a").send(&()), [1]);
    signal.connect(two);
    assert_eq!(signal.from(Sender::NONE).disconnect_all(), 1);
    assert_eq!(
        *signal.from("a").send(&()),
        [1],
        "the one for a sender was not meant"
    );
}

#[test]
fn e19_the_death_of_an_identity_drops_its_receivers_in_every_signal() {
    let (left, right) = (Asked::new(), Signal::<u8>::new());
    let held = Arc::new(());
    let identity = Identity::new();
    let on_left = left.options().sender(&identity).connect(holding(&held));
    let captured = Arc::clone(&held);
    let on_right = right
        .options()
        .sender(&identity)
        .priority(3)
        .connect(move |_, _| {
            let _held = &captured;
        });
    left.connect(one);
    assert_eq!(Arc::strong_count(&held), 3);
    drop(identity);
    assert_eq!(
        Arc::strong_count(&held),
        1,
        "at once, without another call of either signal"
    );
    assert!(!on_left.is_connected() && !on_right.is_connected());
    assert_eq!((left.receiver_count(), right.receiver_count()), (1, 0));
}

#[test]
fn an_identity_may_die_after_its_signal_and_in_another_thread() {
    let identity = Identity::new();
    let gone = Asked::new();
    gone.options().sender(&identity).connect(one);
    drop(gone);
    let signal = Asked::new();
    signal.options().sender(&identity).connect(one);
    thread::spawn(move || drop(identity)).join().unwrap();
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn an_identity_that_dies_during_a_send_still_selects_its_receivers() {
    static SIGNAL: Asked = Asked::new();
    let identity = Identity::new();
    let mortal = Arc::new(Mutex::new(None));
    let grave = Arc::clone(&mortal);
    let first = SIGNAL.connect(move |_, ()| {
        drop(grave.lock().unwrap().take());
        SIGNAL.receiver_count() as u32
    });
    let held = Arc::new(());
    SIGNAL.options().sender(&identity).connect(holding(&held));
    let doomed = Identity::new();
    let of_doomed = SIGNAL.options().sender(&doomed).connect(holding(&held));
    *mortal.lock().unwrap() = Some(doomed);
    assert_eq!(
        *SIGNAL.from(&identity).send(&()),
        [2, 3],
        "the one for the dead is gone, ours runs"
    );
    assert!(!of_doomed.is_connected());
    SIGNAL.purge();
    assert_eq!(Arc::strong_count(&held), 2);
    first.disconnect();
    drop(identity);
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(SIGNAL.receiver_count(), 0);
}

#[test]
fn e20_senders_that_never_sent_are_listed() {
    let signal = Asked::new();
    signal.connect(one);
    signal.options().sender("orders.Order").connect(one);
    signal.options().sender("orders.Ordr").connect(one);
    let weaker = signal.options().sender("accounts.User").connect(two);
    signal
        .options()
        .sender(Sender::of::<Kitchen>())
        .connect(one);
    signal.options().sender(3_u64).connect(one);
    assert_eq!(
        unmatched_senders(&signal),
        [
            "\"accounts.User\"",
            "\"orders.Order\"",
            "\"orders.Ordr\"",
            type_name::<Kitchen>(),
            "key 3",
        ]
    );
    signal.from("orders.Order").send(&());
    signal.from("orders.Ordre").send(&());
    signal.from(Sender::of::<Kitchen>()).send_robust(&());
    signal.from(3_i8).send(&());
    assert_eq!(
        unmatched_senders(&signal),
        ["\"accounts.User\"", "\"orders.Ordr\""]
    );
    assert!(
        signal
            .from("orders.Ordr")
            .send_until(&(), |_| true)
            .is_some()
    );
    assert_eq!(unmatched_senders(&signal), ["\"accounts.User\""]);
    weaker.disconnect();
    assert!(unmatched_senders(&signal).is_empty());
}

#[test]
fn every_way_of_sending_matches_a_sender_of_each_kind() {
    let ways: [fn(&Asked, Sender<'_>); 7] = [
        |signal, sender| drop(signal.from(sender).send(&())),
        |signal, sender| drop(signal.from(sender).send_robust(&())),
        |signal, sender| assert!(signal.from(sender).send_until(&(), |_| true).is_some()),
        |signal, sender| {
            assert!(
                signal
                    .from(sender)
                    .send_each(&(), |_, _| std::ops::ControlFlow::Break(()))
                    .is_break()
            )
        },
        |signal, sender| drop(signal.emitter().from(sender).send(&())),
        |signal, sender| drop(signal.emitter().from(sender).send_robust(&())),
        |signal, sender| drop(signal.from(sender).send_batch(&[()])),
    ];
    let identity = Identity::new();
    let senders = [
        Sender::named("n"),
        Sender::key(7),
        Sender::of::<dyn Send>(),
        identity.sender(),
    ];
    for (way, send) in ways.iter().enumerate() {
        for sender in senders {
            for is_frozen in [false, true] {
                let signal = Asked::new();
                signal.options().sender(sender).connect(one);
                signal.options().sender("another").connect(one);
                if is_frozen {
                    signal.freeze();
                }
                let mut unmatched = [sender.to_string(), "\"another\"".to_owned()];
                unmatched.sort();
                assert_eq!(unmatched_senders(&signal), unmatched);
                send(&signal, sender);
                let unmatched = unmatched_senders(&signal);
                assert_eq!(unmatched, ["\"another\""], "way {way} from {sender}");
            }
        }
    }
}

/// Sends on the counted path. It has a short cut for senders that have receivers and have sent,
/// which the first send of a sender must not take.
#[test]
fn counted_sends_match_a_sender_of_each_kind() {
    let identity = Identity::new();
    for sender in [
        Sender::named("n"),
        Sender::key(7),
        Sender::of::<str>(),
        identity.sender(),
    ] {
        for is_frozen in [false, true] {
            let signal: Signal<()> = Signal::new();
            signal.options().sender(sender).connect(|_, ()| ());
            if is_frozen {
                signal.freeze();
            }
            assert_eq!(unmatched_senders(&signal), [sender.to_string()]);
            for _ in 0..2 {
                assert_eq!(signal.from(sender).send(&()).len(), 1);
                assert!(unmatched_senders(&signal).is_empty(), "{sender}");
            }
        }
    }
}

#[test]
fn a_name_connected_anew_waits_anew() {
    let signal = Asked::new();
    signal.options().sender("n").connect(one);
    signal.from("n").send(&());
    signal.from("n").disconnect_all();
    signal.options().sender("n").connect(one);
    assert_eq!(unmatched_senders(&signal), ["\"n\""]);
}

#[test]
fn another_receiver_for_a_name_that_was_sent_from_does_not_wait() {
    let signal = Asked::new();
    signal.options().sender("n").connect(one);
    signal.from("n").send(&());
    signal.options().sender("n").connect(two);
    signal.options().sender("n").disconnect(one);
    assert!(unmatched_senders(&signal).is_empty());
}
