//! The promises of Django's own dispatcher tests, one test each, in their order.
//!
//! Two of them need no test here: that a receiver must be callable and must accept
//! the arguments sent to it. The compiler refuses both; see `tests/ui`.

use fanfare::connections::unmatched_senders;
use std::sync::Arc;

use fanfare::{Event, Sender, Signal};

struct Value<'a> {
    val: &'a str,
}

impl Event for Value<'static> {
    type Args<'a> = Value<'a>;
}

type TestSignal = Signal<Value<'static>, String>;

struct Kitchen;
struct Garden;

const TEST: Value<'static> = Value { val: "test" };

#[test]
fn a_send_returns_each_receivers_response() {
    let signal = TestSignal::new();
    let connection = signal
        .options()
        .sender(Sender::of::<Kitchen>())
        .connect(echo);
    let responses = signal.from(Sender::of::<Kitchen>()).send(&TEST);
    let pairs: Vec<_> = responses
        .pairs()
        .map(|(id, value)| (id, value.as_str()))
        .collect();
    assert_eq!(pairs, [(connection.id(), "test")]);

    assert!(
        signal
            .options()
            .sender(Sender::of::<Kitchen>())
            .disconnect(echo)
    );
    assert!(signal.from(Sender::of::<Kitchen>()).send(&TEST).is_empty());
    assert_clean(&signal);
}

#[test]
fn send_no_receivers() {
    let signal = TestSignal::new();
    assert!(signal.from(Sender::of::<Kitchen>()).send(&TEST).is_empty());
    assert!(signal.send(&TEST).is_empty());
}

#[test]
fn send_connected_no_sender() {
    let signal = TestSignal::new();
    let connection = signal.connect(echo);
    for sender in [
        Sender::of::<Kitchen>(),
        Sender::of::<Garden>(),
        Sender::named("shop"),
        Sender::key(7),
        Sender::NONE,
    ] {
        assert_eq!(*signal.from(sender).send(&TEST), ["test"], "from {sender}");
    }
    assert!(connection.disconnect());
    assert_clean(&signal);
}

#[test]
fn send_different_no_sender() {
    let signal = TestSignal::new();
    let connection = signal
        .options()
        .sender(Sender::of::<Kitchen>())
        .connect(echo);
    assert!(signal.from(Sender::of::<Garden>()).send(&TEST).is_empty());
    assert!(signal.send(&TEST).is_empty());
    assert!(connection.disconnect());
    assert_clean(&signal);
}

/// A sender without an address that could be tracked is like any other: a number, a text, a type
/// without values.
#[test]
fn a_sender_without_an_address_selects_its_receivers() {
    enum Never {}
    let signal = TestSignal::new();
    for sender in [
        Sender::key(u128::MAX),
        Sender::from(0_u64),
        Sender::from("7"),
        Sender::of::<Never>(),
        Sender::of::<str>(),
    ] {
        let connection = signal.options().sender(sender).connect(echo);
        assert!(connection.is_new());
        assert_eq!(*signal.from(sender).send(&TEST), ["test"], "from {sender}");
        assert!(
            signal.options().sender(sender).disconnect(echo),
            "from {sender}"
        );
        assert!(signal.from(sender).send(&TEST).is_empty(), "from {sender}");
        assert_clean(&signal);
    }
}

#[test]
fn garbage_collected_receiver() {
    let signal = TestSignal::new();
    let target = Arc::new(Callable);
    signal.connect_weak(&target, Callable::method);
    assert_eq!(*signal.send(&TEST), ["test"]);
    drop(target);
    assert!(signal.send(&TEST).is_empty());
    assert_clean(&signal);
}

/// A sender made after another died gets its own receivers only, even at the same address.
#[test]
fn garbage_collected_sender() {
    let signal = TestSignal::new();
    let mut slot = fanfare::Identity::new();
    for round in 0..200 {
        let label = format!("round {round}");
        let response = label.clone();
        signal
            .options()
            .sender(&slot)
            .connect(move |_, _| response.clone());
        assert_eq!(*signal.from(&slot).send(&TEST), [label]);
        slot = fanfare::Identity::new();
        assert!(signal.from(&slot).send(&TEST).is_empty());
    }
    assert_clean(&signal);
}

/// Having been sent from does not keep a sender: it can go while the signal and its receivers stay.
#[test]
fn cached_garbage_collected() {
    let signal = TestSignal::new();
    let sender = fanfare::Identity::new();
    signal.connect(echo);
    for _ in 0..3 {
        assert_eq!(signal.from(&sender).send(&TEST).len(), 1);
        assert!(signal.from(&sender).has_listeners());
    }
    drop(sender);
    assert_eq!(signal.receiver_count(), 1);
    assert!(signal.disconnect(echo));
    assert_clean(&signal);
}

#[test]
fn a_receiver_that_is_connected_again_runs_once() {
    let signal = TestSignal::new();
    let target = Arc::new(Callable);
    let connections: Vec<_> = (0..6)
        .map(|_| signal.connect_weak(&target, Callable::method))
        .collect();
    assert_eq!(
        connections
            .iter()
            .filter(|connection| connection.is_new())
            .count(),
        1
    );
    assert!(connections[0].is_new());
    assert_eq!(signal.send(&TEST).len(), 1);
    assert_eq!(signal.receiver_count(), 1);
    drop(target);
    assert!(signal.send(&TEST).is_empty());
    assert_clean(&signal);
}

#[test]
fn multiple_registration_of_a_function() {
    let signal = TestSignal::new();
    let first = signal.connect(echo);
    for _ in 1..6 {
        let again = signal.connect(echo);
        assert_eq!((again.id(), again.is_new()), (first.id(), false));
    }
    assert_eq!(signal.send(&TEST).len(), 1);
    assert_eq!(signal.receiver_count(), 1);
    assert!(signal.disconnect(echo));
    assert_clean(&signal);
}

#[test]
fn a_uid_connects_one_receiver() {
    let signal = TestSignal::new();
    assert!(signal.options().dispatch_uid("uid").connect(echo).is_new());
    assert!(!signal.options().dispatch_uid("uid").connect(shout).is_new());
    assert_eq!(signal.receiver_count(), 1);
    assert_eq!(*signal.send(&TEST), ["test"]);
    assert!(signal.disconnect_uid("uid"));
    assert_clean(&signal);
}

#[test]
fn send_robust_success() {
    let signal = TestSignal::new();
    signal.connect(echo);
    signal.connect(shout);
    let robust = signal.send_robust(&TEST);
    assert!(robust.all_ok());
    let robust: Vec<String> = robust
        .into_iter()
        .map(|result| result.expect("no receiver panics"))
        .collect();
    assert_eq!(robust, *signal.send(&TEST));
    assert_eq!(robust, ["test", "TEST"]);
}

#[test]
fn send_robust_no_receivers() {
    let signal = TestSignal::new();
    let responses = signal.from(Sender::of::<Kitchen>()).send_robust(&TEST);
    assert!(responses.is_empty());
    assert!(responses.all_ok());
    assert_eq!(responses.iter().count(), 0);
}

#[test]
fn send_robust_ignored_sender() {
    let signal = TestSignal::new();
    signal.connect(echo);
    for sender in [Sender::of::<Kitchen>(), Sender::named("shop"), Sender::NONE] {
        let values: Vec<_> = signal
            .from(sender)
            .send_robust(&TEST)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(values, ["test"], "from {sender}");
    }
}

#[test]
fn send_robust_fail() {
    let signal = TestSignal::new();
    let connection = signal.connect(fails);
    let responses = signal.send_robust(&TEST);
    assert_eq!(responses.len(), 1);
    assert!(!responses.all_ok());
    let failure = responses
        .into_iter()
        .next()
        .unwrap()
        .expect_err("the receiver panicked");
    assert_eq!(failure.receiver(), connection.id());
    assert_eq!(failure.message(), "this receiver does not like \"test\"");
    assert!(
        failure.name().contains("fails"),
        "named {:?}",
        failure.name()
    );
    let told = failure.to_string();
    assert!(
        told.contains(failure.name()) && told.contains(failure.message()),
        "told {told:?}"
    );
    let payload = failure.into_panic();
    assert_eq!(
        payload.downcast_ref::<String>().unwrap(),
        "this receiver does not like \"test\""
    );
}

#[test]
fn disconnected_and_dead_receivers_leave_the_signal() {
    let signal = TestSignal::new();
    let targets = [const { Callable }; 3].map(Arc::new);
    for target in &targets {
        signal.connect_weak(target, Callable::method);
    }
    assert_eq!(signal.receiver_count(), 3);
    let [first, second, third] = targets;
    assert!(signal.options().disconnect_weak(&first, Callable::method));
    drop(second);
    assert!(signal.options().disconnect_weak(&third, Callable::method));
    assert!(signal.send(&TEST).is_empty());
    assert_clean(&signal);
}

#[test]
fn values_returned_by_disconnection() {
    let signal = TestSignal::new();
    signal.connect(echo);
    assert!(signal.disconnect(echo));
    assert!(!signal.disconnect(echo));
    assert!(!signal.disconnect(shout));
    assert_clean(&signal);
}

#[test]
fn has_listeners_follows_the_connections() {
    let signal = TestSignal::new();
    assert!(!signal.has_listeners());
    assert!(!signal.from(Sender::of::<Kitchen>()).has_listeners());
    signal.connect(echo);
    assert!(signal.has_listeners());
    assert!(signal.from(Sender::of::<Kitchen>()).has_listeners());
    signal.disconnect(echo);
    assert!(!signal.has_listeners());
    assert!(!signal.from(Sender::of::<Kitchen>()).has_listeners());
}

#[cfg(feature = "macros")]
mod decorator {
    use fanfare::{Sender, receiver};

    use super::{TEST, TestSignal, Value};

    static SINGLE: TestSignal = TestSignal::new();
    static LIST: [TestSignal; 3] = [const { TestSignal::new() }; 3];
    static FIRST: &TestSignal = &LIST[0];
    static SECOND: &TestSignal = &LIST[1];
    static THIRD: &TestSignal = &LIST[2];

    #[receiver(SINGLE)]
    fn single(_: Sender<'_>, value: &Value<'_>) -> String {
        format!("single {}", value.val)
    }

    #[receiver([FIRST, SECOND, THIRD])]
    fn list(_: Sender<'_>, value: &Value<'_>) -> String {
        format!("list {}", value.val)
    }

    #[test]
    fn receiver_single_signal() {
        fanfare::connect_receivers();
        assert_eq!(*SINGLE.send(&TEST), ["single test"]);
        assert_eq!(
            single(Sender::NONE, &TEST),
            "single test",
            "the function itself is unchanged"
        );
    }

    #[test]
    fn receiver_signal_list() {
        fanfare::connect_receivers();
        for signal in &LIST {
            assert_eq!(*signal.send(&TEST), ["list test"]);
        }
    }
}

struct Callable;

impl Callable {
    fn method(&self, _: Sender<'_>, value: &Value<'_>) -> String {
        value.val.to_owned()
    }
}

fn echo(_: Sender<'_>, value: &Value<'_>) -> String {
    value.val.to_owned()
}

fn shout(_: Sender<'_>, value: &Value<'_>) -> String {
    value.val.to_uppercase()
}

fn fails(_: Sender<'_>, value: &Value<'_>) -> String {
    panic!("this receiver does not like {:?}", value.val)
}

/// Asserts that the signal has no receiver and no trace of one.
fn assert_clean(signal: &TestSignal) {
    assert!(!signal.has_listeners());
    assert!(!signal.from(Sender::of::<Kitchen>()).has_listeners());
    assert_eq!(signal.receiver_count(), 0);
    assert_eq!(signal.receiver_count(), 0);
    assert!(signal.connections().is_empty());
    assert!(unmatched_senders(signal).is_empty());
}
