//! `#[receiver]`: the receiver that it registers, and that the function stays callable.
//!
//! `connect_receivers` works on the whole program, so each test here has signals of its own and
//! looks only at those.

#![cfg(feature = "macros")]
#![forbid(unsafe_code)]
#![warn(clippy::pedantic)]

mod pizzeria;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fanfare::{Sender, Signal, connect_receivers, receiver};
use pizzeria::{PIZZA, PizzaDone, PizzaStore, Pizzas, connected_once, kitchen, reported_once};

static PLAIN: Pizzas = Signal::new();

const LINE_OF_PLAIN: u32 = line!() + 1;
#[receiver(PLAIN)]
fn plain(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> String {
    format!("plain {}", pizza.topping)
}

#[test]
fn connected_by_connect_receivers() {
    connect_receivers();
    let borrowed = String::from("basil");
    assert_eq!(
        *PLAIN.send(&PizzaDone { topping: &borrowed }),
        ["plain basil"]
    );
}

#[test]
fn callable_as_it_is() {
    assert_eq!(plain(Sender::NONE, &PIZZA), "plain olives");
}

#[test]
fn report_names_signal_receiver_file_and_line() {
    let entry = reported_once("PLAIN");
    assert_eq!(entry.receiver, concat!(module_path!(), "::plain"));
    assert_eq!(entry.file, file!());
    assert_eq!(entry.line, LINE_OF_PLAIN);
    assert!(entry.is_new);
    let line = format!(
        "PLAIN <- {}::plain ({}:{LINE_OF_PLAIN})",
        module_path!(),
        file!()
    );
    assert!(
        connect_receivers().to_string().lines().any(|it| it == line),
        "{line}"
    );
}

#[test]
fn report_names_the_sender() {
    let report = connect_receivers();
    let senders = report.entries().iter().filter(|it| it.signal == "SENT_BY");
    let senders: Vec<_> = senders.map(|it| it.sender.as_deref()).collect();
    assert!(senders.contains(&Some("\"web\"")), "{senders:?}");
    assert!(senders.contains(&Some(std::any::type_name::<PizzaStore>())));
    assert!(report.to_string().contains(", from \"web\""));
}

#[test]
fn connection_is_located_at_the_attribute() {
    let connection = connected_once(&PLAIN);
    assert_eq!(
        (connection.location.file(), connection.location.line()),
        (file!(), LINE_OF_PLAIN)
    );
}

static REPEATED: Pizzas<usize> = Signal::new();

#[receiver(REPEATED)]
fn repeated(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> usize {
    pizza.topping.len()
}

#[test]
fn connect_receivers_connects_once() {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                connect_receivers();
                assert_eq!(*REPEATED.send(&PIZZA), [6]);
            });
        }
    });
    let first = connect_receivers();
    assert_eq!(first.entries(), connect_receivers().entries());
    assert_eq!(REPEATED.receiver_count(), 1);
}

static DISCONNECTED: Pizzas<usize> = Signal::new();

#[receiver(DISCONNECTED)]
fn disconnected(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> usize {
    pizza.topping.len()
}

#[test]
fn known_by_its_function() {
    connect_receivers();
    assert!(!DISCONNECTED.connect(disconnected).is_new());
    assert!(DISCONNECTED.disconnect(disconnected));
    connect_receivers();
    assert_eq!(
        DISCONNECTED.receiver_count(),
        0,
        "connected again by a second connect_receivers",
    );
}

static REFUNDED: Pizzas<u32> = Signal::new();

#[receiver([kitchen::signals::ORDERED, crate::kitchen::signals::DELIVERED,], dispatch_uid = "ledger")]
#[receiver(REFUNDED, priority = 7)]
fn write_down(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
    3
}

#[test]
fn several_signals_in_a_list_and_stacked() {
    for signal in [
        "kitchen::signals::ORDERED",
        "crate::kitchen::signals::DELIVERED",
        "REFUNDED",
    ] {
        let entry = reported_once(signal);
        assert!(entry.receiver.ends_with("::write_down"), "{entry:?}");
    }
    for signal in [
        &kitchen::signals::ORDERED,
        &kitchen::signals::DELIVERED,
        &REFUNDED,
    ] {
        assert_eq!(*signal.send(&PIZZA), [3]);
    }
    assert!(kitchen::signals::DELIVERED.disconnect_uid("ledger"));
    let refunded = connected_once(&REFUNDED);
    assert_eq!(
        (refunded.priority, refunded.dispatch_uid.as_deref()),
        (7, None)
    );
}

static SENT_BY: Pizzas<&'static str> = Signal::new();

#[receiver(SENT_BY)]
fn any_sender(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "any"
}

#[receiver(SENT_BY, sender = PizzaStore)]
#[receiver(SENT_BY, sender = crate::oven::Oven<u8, u16>)]
fn by_type(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "type"
}

#[receiver(SENT_BY, sender = "web")]
fn by_name(sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    assert_eq!(sender.name(), Some("web"));
    "name"
}

mod oven {
    pub(super) struct Oven<A, B>(std::marker::PhantomData<(A, B)>);
}

#[test]
fn sender_by_type_and_by_name() {
    connect_receivers();
    assert_eq!(*SENT_BY.send(&PIZZA), ["any"]);
    assert_eq!(
        *SENT_BY.from(Sender::of::<PizzaStore>()).send(&PIZZA),
        ["any", "type"]
    );
    assert_eq!(
        *SENT_BY
            .from(Sender::of::<oven::Oven<u8, u16>>())
            .send(&PIZZA),
        ["any", "type"]
    );
    assert_eq!(
        *SENT_BY
            .from(Sender::of::<oven::Oven<u8, u8>>())
            .send(&PIZZA),
        ["any"]
    );
    assert_eq!(*SENT_BY.from("web").send(&PIZZA), ["any", "name"]);
    assert_eq!(*SENT_BY.from("PizzaStore").send(&PIZZA), ["any"]);
}

static SHARED_UID: Pizzas<&'static str> = Signal::new();

#[receiver(SHARED_UID, dispatch_uid = "bell")]
fn first_bell(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "first"
}

#[receiver(SHARED_UID, dispatch_uid = r"bell")]
fn second_bell(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "second"
}

#[receiver(SHARED_UID, dispatch_uid = "bell", sender = PizzaStore)]
#[receiver(SHARED_UID, dispatch_uid = "bell", sender = "web")]
fn bell_of_the_store(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "store"
}

#[test]
fn first_of_an_uid_and_sender_wins() {
    let report = connect_receivers();
    let duplicates: Vec<_> = report
        .duplicates()
        .filter(|entry| entry.signal == "SHARED_UID")
        .collect();
    let [duplicate] = duplicates[..] else {
        panic!("one duplicate: {duplicates:?}")
    };
    assert!(
        duplicate.receiver.ends_with("::second_bell"),
        "{duplicate:?}"
    );
    assert_eq!(*SHARED_UID.send(&PIZZA), ["first"]);
    assert_eq!(
        *SHARED_UID.from(Sender::of::<PizzaStore>()).send(&PIZZA),
        ["first", "store"]
    );
    assert!(SHARED_UID.options().sender("web").disconnect_uid("bell"));
}

static ORDER: Pizzas<i32> = Signal::new();

macro_rules! of_priority {
    ($($name:ident $priority:literal)*) => {
        $(
            #[receiver(ORDER, priority = $priority)]
            fn $name(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> i32 {
                $priority
            }
        )*
    };
}

of_priority! { lowest -2_147_483_648 low -1 zero 0 high 0x10 highest 2_147_483_647_i32 }

#[receiver(ORDER)]
fn of_no_priority(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> i32 {
    0
}

#[test]
fn higher_priority_runs_earlier() {
    connect_receivers();
    assert_eq!(*ORDER.send(&PIZZA), [i32::MAX, 16, 0, 0, -1, i32::MIN]);
}

static ONCE: Pizzas<usize> = Signal::new();
static RUNS: AtomicUsize = AtomicUsize::new(0);

#[receiver(ONCE, once, name = "the bell", tag = "loud", tag = "late")]
fn first_pizza(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> usize {
    RUNS.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn once_and_name() {
    let connection = connected_once(&ONCE);
    assert_eq!(
        (&*connection.name, connection.max_calls),
        ("the bell", Some(1))
    );
    assert_eq!(connection.tags, ["loud", "late"]);
    assert_eq!(*ONCE.send(&PIZZA), [0]);
    assert!(ONCE.send(&PIZZA).is_empty());
}

#[test]
fn named_after_its_function() {
    connect_receivers();
    assert_eq!(
        PLAIN.connections()[0].name,
        concat!(module_path!(), "::plain")
    );
}

#[test]
fn inside_a_function() {
    static LOCAL: Pizzas<&'static str> = Signal::new();

    struct LocalStore;

    #[receiver(LOCAL, sender = LocalStore)]
    fn local(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
        "local"
    }

    reported_once("LOCAL");
    assert_eq!(
        *LOCAL.from(Sender::of::<LocalStore>()).send(&PIZZA),
        ["local"]
    );
    assert_eq!(local(Sender::NONE, &PIZZA), "local");
}

static FROM_MACRO: Pizzas<&'static str> = Signal::new();

macro_rules! declare {
    ($signal:path, $sender:ty, $uid:literal, $name:ident) => {
        #[receiver($signal, sender = $sender, dispatch_uid = $uid)]
        fn $name(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
            $uid
        }
    };
}

declare!(FROM_MACRO, PizzaStore, "declared", declared);

#[test]
fn arguments_from_a_macro() {
    reported_once("FROM_MACRO");
    assert_eq!(
        *FROM_MACRO.from(Sender::of::<PizzaStore>()).send(&PIZZA),
        ["declared"]
    );
}

static ATTRIBUTES: Pizzas<u32> = Signal::new();

#[deprecated = "send ATTRIBUTES"]
static OLD: Pizzas<u32> = Signal::new();

mod inner {
    use super::{ATTRIBUTES, PizzaDone, Sender, receiver};

    /// Keeps its attributes and its visibility.
    #[must_use]
    #[receiver(ATTRIBUTES)]
    #[inline]
    pub(super) const fn r#match(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
        1
    }

    #[cfg(any())]
    #[receiver(ATTRIBUTES)]
    fn removed(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
        2
    }

    #[receiver(ATTRIBUTES)]
    #[cfg(any())]
    fn removed_below(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
        3
    }
}

#[allow(deprecated)]
#[receiver(OLD)]
fn of_the_old_signal(_: Sender<'_>, PizzaDone { topping: _ }: &PizzaDone<'_>) -> u32 {
    4
}

#[test]
fn attributes_stay_and_conditions_count() {
    const VALUE: u32 = inner::r#match(Sender::NONE, &PIZZA);
    assert_eq!(VALUE, 1);
    let entry = reported_once("ATTRIBUTES");
    assert_eq!(entry.receiver, concat!(module_path!(), "::inner::match"));
    assert_eq!(*ATTRIBUTES.send(&PIZZA), [1]);
    reported_once("OLD");
}
