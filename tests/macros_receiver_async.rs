//! `#[receiver]` on an `async fn`: the receiver that it registers, and that the function stays
//! callable; and its option `blocking`.
//!
//! `connect_receivers` works on the whole program, so each test here has signals of its own and
//! looks only at those.

#![cfg(all(feature = "macros", feature = "async"))]
#![forbid(unsafe_code)]
#![warn(clippy::pedantic)]

mod pizzeria;

use std::future;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::{Sender, Signal, connect_receivers, receiver};
use pizzeria::{
    PIZZA, PizzaDone, PizzaStore, Pizzas, connected_once, kitchen, reported, reported_once,
};
use smol::future::{block_on, yield_now};

static PLAIN: Pizzas = Signal::new();

const LINE_OF_PLAIN: u32 = line!() + 1;
#[receiver(PLAIN)]
async fn plain(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> String {
    yield_now().await;
    format!("plain {}", pizza.topping)
}

#[test]
fn connected_by_connect_receivers() {
    connect_receivers();
    let borrowed = String::from("basil");
    let pizza = PizzaDone { topping: &borrowed };
    let awaited = block_on(PLAIN.asend(&pizza));
    assert_eq!(*awaited, ["plain basil"]);
    assert_eq!(*PLAIN.send(&pizza), ["plain basil"]);
}

#[test]
fn callable_as_it_is() {
    let borrowed = String::from("basil");
    let pizza = PizzaDone { topping: &borrowed };
    assert_eq!(block_on(plain(Sender::NONE, &pizza)), "plain basil");
}

#[test]
fn report_names_signal_receiver_file_and_line() {
    let entry = reported_once("PLAIN");
    assert_eq!(entry.receiver, concat!(module_path!(), "::plain"));
    assert_eq!((entry.file, entry.line), (file!(), LINE_OF_PLAIN));
    assert!(entry.is_new);
}

#[test]
fn connection_is_named_after_the_function_and_located_at_the_attribute() {
    let connection = connected_once(&PLAIN);
    assert_eq!(connection.name, concat!(module_path!(), "::plain"));
    assert_eq!(
        (connection.location.file(), connection.location.line()),
        (file!(), LINE_OF_PLAIN)
    );
}

static REPEATED: Pizzas<usize> = Signal::new();

#[receiver(REPEATED)]
#[receiver(crate::REPEATED)]
#[receiver(REPEATED, sender = "web")]
async fn repeated(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> usize {
    future::ready(pizza.topping.len()).await
}

#[test]
fn known_by_its_function() {
    let first = connect_receivers();
    assert_eq!(first.entries(), connect_receivers().entries());
    assert!(reported("REPEATED").iter().all(|entry| entry.is_new));
    let again = reported_once("crate::REPEATED");
    assert!(!again.is_new, "two closures of one function are two");
    assert_eq!(REPEATED.receiver_count(), 2);
    assert_eq!(*block_on(REPEATED.from("web").asend(&PIZZA)), [6, 6]);
    // A closure around it has an identity of its own.
    let by_hand = REPEATED.connect_async(|sender, pizza| Box::pin(repeated(sender, pizza)));
    assert!(by_hand.is_new());
}

static DISCONNECTED: Pizzas<usize> = Signal::new();

#[receiver(DISCONNECTED, dispatch_uid = "gone")]
async fn disconnected(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> usize {
    pizza.topping.len()
}

#[test]
fn not_connected_again_after_a_disconnect() {
    connect_receivers();
    assert!(DISCONNECTED.disconnect_uid("gone"));
    connect_receivers();
    assert_eq!(DISCONNECTED.receiver_count(), 0);
}

static REFUNDED: Pizzas<u32> = Signal::new();

#[receiver([kitchen::signals::ORDERED, crate::kitchen::signals::DELIVERED,], dispatch_uid = "ledger")]
#[receiver(REFUNDED, priority = 7)]
async fn write_down(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
    3
}

#[test]
fn several_signals_in_a_list_and_stacked() {
    connect_receivers();
    for signal in [
        &kitchen::signals::ORDERED,
        &kitchen::signals::DELIVERED,
        &REFUNDED,
    ] {
        assert_eq!(*block_on(signal.asend(&PIZZA)), [3]);
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
async fn any_sender(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "any"
}

#[receiver(SENT_BY, sender = PizzaStore)]
async fn by_type(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "type"
}

#[receiver(SENT_BY, sender = "web")]
async fn by_name(sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    yield_now().await;
    assert_eq!(sender.name(), Some("web"));
    "name"
}

#[test]
fn sender_by_type_and_by_name() {
    connect_receivers();
    let sent = |sender| block_on(SENT_BY.from(sender).asend(&PIZZA)).into_vec();
    assert_eq!(sent(Sender::NONE), ["any"]);
    assert_eq!(sent(Sender::of::<PizzaStore>()), ["any", "type"]);
    assert_eq!(sent(Sender::named("web")), ["any", "name"]);
    assert_eq!(sent(Sender::named("PizzaStore")), ["any"]);
}

static SHARED_UID: Pizzas<&'static str> = Signal::new();

#[receiver(SHARED_UID, dispatch_uid = "bell")]
async fn first_bell(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "first"
}

#[receiver(SHARED_UID, dispatch_uid = "bell")]
fn second_bell(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
    "second"
}

#[test]
fn first_of_an_uid_wins_whichever_is_async() {
    let report = connect_receivers();
    let mut duplicates = report
        .duplicates()
        .filter(|entry| entry.signal == "SHARED_UID");
    let duplicate = duplicates.next().expect("one duplicate");
    assert!(
        duplicate.receiver.ends_with("::second_bell"),
        "{duplicate:?}"
    );
    assert!(duplicates.next().is_none());
    assert_eq!(*block_on(SHARED_UID.asend(&PIZZA)), ["first"]);
}

static ORDER: Pizzas<i32> = Signal::new();

macro_rules! of_priority {
    ($($name:ident $priority:literal)*) => {
        $(
            #[receiver(ORDER, priority = $priority)]
            async fn $name(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> i32 {
                $priority
            }
        )*
    };
}

of_priority! { lowest -2_147_483_648 low -1 zero 0 high 0x10 highest 2_147_483_647_i32 }

#[receiver(ORDER, priority = -7)]
fn not_async(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> i32 {
    -7
}

#[test]
fn sync_before_async_and_then_by_priority() {
    connect_receivers();
    assert_eq!(
        *block_on(ORDER.asend(&PIZZA)),
        [-7, i32::MAX, 16, 0, -1, i32::MIN]
    );
}

static ONCE: Pizzas<usize> = Signal::new();
static RUNS: AtomicUsize = AtomicUsize::new(0);

#[receiver(ONCE, once, name = "the bell")]
async fn first_pizza(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> usize {
    RUNS.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn once_and_name() {
    let connection = connected_once(&ONCE);
    assert_eq!(
        (&*connection.name, connection.max_calls),
        ("the bell", Some(1))
    );
    assert_eq!(*block_on(ONCE.asend(&PIZZA)), [0]);
    assert!(block_on(ONCE.asend(&PIZZA)).is_empty());
}

#[test]
fn inside_a_function() {
    static LOCAL: Pizzas<&'static str> = Signal::new();

    struct LocalStore;

    #[receiver(LOCAL, sender = LocalStore)]
    async fn local(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> &'static str {
        "local"
    }

    reported_once("LOCAL");
    let sent = block_on(LOCAL.from(Sender::of::<LocalStore>()).asend(&PIZZA));
    assert_eq!(*sent, ["local"]);
    assert_eq!(block_on(local(Sender::NONE, &PIZZA)), "local");
}

static ATTRIBUTES: Pizzas<u32> = Signal::new();

#[deprecated = "send ATTRIBUTES"]
static OLD: Pizzas<u32> = Signal::new();

mod inner {
    use super::{ATTRIBUTES, PizzaDone, Sender, receiver};

    // Names that an expansion might have chosen for its own.
    #[allow(non_upper_case_globals)]
    pub(super) const sender: u32 = 1;
    #[allow(non_upper_case_globals)]
    pub(super) static event: u32 = 2;

    /// Keeps its attributes and its visibility.
    #[must_use]
    #[receiver(ATTRIBUTES)]
    #[inline]
    pub(super) async fn r#match(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
        1
    }

    #[cfg(any())]
    #[receiver(ATTRIBUTES)]
    async fn removed(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
        2
    }

    #[receiver(ATTRIBUTES)]
    #[cfg(any())]
    async fn removed_below(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
        3
    }
}

#[allow(deprecated)]
#[receiver(OLD)]
async fn of_the_old_signal(_: Sender<'_>, PizzaDone { topping: _ }: &PizzaDone<'_>) -> u32 {
    4
}

#[test]
fn attributes_stay_and_conditions_count() {
    assert_eq!(block_on(inner::r#match(Sender::NONE, &PIZZA)), 1);
    assert_eq!((inner::sender, inner::event), (1, 2));
    let entry = reported_once("ATTRIBUTES");
    assert_eq!(entry.receiver, concat!(module_path!(), "::inner::match"));
    assert_eq!(*block_on(ATTRIBUTES.asend(&PIZZA)), [1]);
    reported_once("OLD");
}

/// Work that tokio allows only where a thread may block.
#[cfg(feature = "tokio")]
mod blocking {
    use super::{PIZZA, PizzaDone, Pizzas};
    use fanfare::{Sender, Signal, connect_receivers, receiver};
    use tokio::runtime::Handle;

    static BLOCKING: Pizzas<usize> = Signal::new();
    static NOT_BLOCKING: Pizzas<usize> = Signal::new();

    #[receiver(BLOCKING, blocking, priority = 1)]
    #[receiver(NOT_BLOCKING)]
    fn blocks(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> usize {
        Handle::current().block_on(async { pizza.topping.len() })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn as_an_option() {
        connect_receivers();
        assert_eq!(BLOCKING.connections()[0].priority, 1);
        assert_eq!(*BLOCKING.asend(&PIZZA).await, [6]);
        let outcomes = NOT_BLOCKING.asend_robust(&PIZZA).await;
        assert_eq!(outcomes.panics().count(), 1);
    }
}
