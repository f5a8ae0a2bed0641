//! The macros of [`fanfare`](https://docs.rs/fanfare), which re-exports them: use them from there.
//!
//! - [`#[receiver]`](macro@receiver) registers a function with signals, for
//!   `fanfare::connect_receivers()` to connect.
//! - [`#[derive(Event)]`](macro@Event) makes a struct or an enum an event, which a signal can
//!   carry.

#![forbid(unsafe_code)]
#![warn(clippy::pedantic)]

use proc_macro::TokenStream;

mod arguments;
mod code;
mod durable;
mod event;
mod features;
mod function;
mod hint;
mod receiver;
mod registration;
mod root;
mod value;

use features::Features;

/// Registers a function as a receiver of one or several signals.
///
/// No function is connected until the program calls `fanfare::connect_receivers()`. It connects
/// every registered function of every linked crate, once, and returns a report of them. If no code
/// names the crate, link it with `fanfare::apps!(shop_receivers)` or `use shop_receivers as _;`.
/// The function itself stays as it is. Its attributes, its documentation and its visibility are
/// untouched, and it can be called like any other.
///
/// ```
/// use fanfare::{Event, Sender, Signal, receiver};
///
/// #[derive(Event)]
/// pub struct PizzaDone<'a> {
///     pub toppings: &'a [&'a str],
/// }
///
/// pub static PIZZA_DONE: Signal<PizzaDone<'static>, usize> = Signal::new();
///
/// #[receiver(PIZZA_DONE)]
/// fn count_toppings(_sender: Sender<'_>, pizza: &PizzaDone<'_>) -> usize {
///     pizza.toppings.len()
/// }
///
/// let pizza = PizzaDone { toppings: &["olives", "basil"] };
/// assert!(PIZZA_DONE.send(&pizza).is_empty());
///
/// let report = fanfare::connect_receivers();
/// assert!(report.entries().iter().any(|entry| entry.signal == "PIZZA_DONE"));
/// assert_eq!(*PIZZA_DONE.send(&pizza), [2]);
/// assert_eq!(count_toppings(Sender::NONE, &pizza), 2);
/// ```
///
/// # The signals
///
/// The signals come first: the path of one `static` signal, or a list of them. All signals of a
/// list are connected with the same options. For different options, the attribute is written
/// several times.
///
/// ```
/// # use fanfare::{Sender, Signal, receiver};
/// mod kitchen {
///     use fanfare::Signal;
///     pub static ORDERED: Signal<u32> = Signal::new();
///     pub static DELIVERED: Signal<u32> = Signal::new();
/// }
/// static REFUNDED: Signal<u32> = Signal::new();
///
/// #[receiver([kitchen::ORDERED, kitchen::DELIVERED], dispatch_uid = "ledger")]
/// #[receiver(REFUNDED, priority = 10)]
/// fn write_down(_sender: Sender<'_>, _order: &u32) {}
///
/// fanfare::connect_receivers();
/// assert!(kitchen::DELIVERED.disconnect_uid("ledger"));
/// assert_eq!(REFUNDED.connections()[0].priority, 10);
/// ```
///
/// A `const` signal does not compile, because each use of it would be a new signal, from which no
/// event is sent.
///
/// # The function
///
/// The function is a free function, in a module or in the body of another function. It has two
/// parameters and the return type of the signal: `fn(Sender<'_>, &PizzaDone<'_>) -> R`, or with
/// `model` the instance in the place of the sender. All lifetimes stay open: they are `'_`, not
/// `'static`, and two places do not share one lifetime. The function is not `unsafe`, `extern` or
/// generic (except in lifetimes), and it is not in an `impl` or `trait`. `#[cfg]` and `#[allow]` on
/// the function apply to the registration too.
///
/// An `async fn` becomes an async receiver, as by `ConnectOptions::connect_async`. This requires
/// fanfare's feature `async`. The values that it holds across an `.await` must be `Send`. It is
/// also identified by the function, so two registrations of the same function are one connection. A
/// closure that calls it, connected by hand, is another receiver.
///
/// ```
/// # use fanfare::{Sender, Signal, receiver};
/// static PIZZA_DONE: Signal<u32, String> = Signal::new();
///
/// #[receiver(PIZZA_DONE, priority = 1)]
/// async fn deliver(_sender: Sender<'_>, size_cm: &u32) -> String {
///     let street = std::future::ready("Rye Lane").await;
///     format!("{size_cm} cm to {street}")
/// }
///
/// fanfare::connect_receivers();
/// assert_eq!(*PIZZA_DONE.send(&32), ["32 cm to Rye Lane"]);
/// ```
///
/// # Options
///
/// Each is written at most once, except `tag`, after the signals, in any order.
///
/// | option | effect | without it |
/// |---|---|---|
/// | `sender = PizzaStore` | only events that are sent from `Sender::of::<PizzaStore>()` arrive | every sender |
/// | `sender = "pizza-store"` | only events that are sent from the name `"pizza-store"` arrive | every sender |
/// | `sender = "shop.Customer"` on a signal of models | only events that are sent from the model of this name arrive, now or as soon as it is known, as by `ModelSignal::model` of `fanfare-django` | every sender |
/// | `model = customer` on a signal of models | `sender = customer::Entity`, and the function takes the instance: [see below](#receivers-of-a-model) | every sender |
/// | `dispatch_uid = "bell"` | identifies the connection by this text: of several for one signal and sender the first wins | it is identified by the function |
/// | `priority = 10` | an `i32` literal, higher ones run earlier | `0` |
/// | `once` | runs for one send, then is disconnected | every send |
/// | `max_calls = 3` | runs at most three times, then is disconnected | every send |
/// | `name = "kitchen bell"` | its name in `Signal::connections` and in failures | the path of the function |
/// | `tag = "mail"` | mutes of this tag concern the receiver, as by `ConnectOptions::tag`; several tags are several options | no tag |
/// | `crate = my_api::fanfare` | the expansion finds fanfare by this path, which may be a string literal | `::fanfare` |
/// | `queued = MAILS` | runs on this queue, as by `ConnectOptions::queued`. This requires fanfare's feature `queue`, an event that is `Clone` and owns its contents, and a function that returns `()`. `MAILS` is the path of a static, such as a `LazyLock<Queue>`. A static is not dropped at the end of the program: end `main` with `report.disconnect_and_wait(timeout)`, which delivers the events that are in the queue. For an event that borrows, connect by hand with `connect_owned` | runs in the send |
/// | `durable = "mail.receipt"` | gets the events that `fanfare-outbox` stores: [see below](#durable-receivers) | gets the events that are sent |
/// | `blocking` | may block its thread in an async send, as by `ConnectOptions::blocking`. This requires fanfare's feature `tokio`, and the function is not `async` | an async send calls it as it is |
///
/// ```
/// # use fanfare::{Sender, Signal, receiver};
/// # static PIZZA_DONE: Signal<u32> = Signal::new();
/// struct PizzaStore;
///
/// #[receiver(
///     PIZZA_DONE,
///     sender = PizzaStore,
///     dispatch_uid = "bell",
///     priority = -5,
///     once,
///     name = "kitchen bell"
/// )]
/// fn ring(_sender: Sender<'_>, size_cm: &u32) {
///     println!("ding: {size_cm} cm");
/// }
///
/// #[receiver(PIZZA_DONE, sender = "web-shop")]
/// fn tell_the_customer(_sender: Sender<'_>, size_cm: &u32) {
///     println!("your pizza of {size_cm} cm is on its way");
/// }
///
/// fanfare::connect_receivers();
/// PIZZA_DONE.from("web-shop").send(&32);
/// assert!(PIZZA_DONE.from(Sender::of::<PizzaStore>()).has_listeners());
/// PIZZA_DONE.from(Sender::of::<PizzaStore>()).send(&32);
/// assert!(!PIZZA_DONE.from(Sender::of::<PizzaStore>()).has_listeners());
/// ```
///
/// Other senders (numbers, an `Identity`), weak receivers and closures are connected by hand, with
/// `Signal::options`.
///
/// A signal of models (`fanfare_django::model`) is sent only from entities. So another type as its
/// `sender`, such as the struct of a row, does not compile. A sender implements `ModelSender`.
///
/// # fanfare under another name
///
/// With `crate` a receiver can be in a crate whose `Cargo.toml` renames fanfare, or which has
/// fanfare only as a part of another crate. A macro of that crate writes `crate = $crate::fanfare`.
///
/// ```
/// // In the crate `my_api`:
/// mod my_api {
///     pub use fanfare;
/// }
///
/// use my_api::fanfare::{self as events, Sender, Signal, receiver};
///
/// static ORDERED: Signal<u32, u32> = Signal::new();
///
/// #[receiver(ORDERED, crate = my_api::fanfare)]
/// fn double(_sender: Sender<'_>, n: &u32) -> u32 {
///     2 * n
/// }
///
/// events::connect_receivers();
/// assert_eq!(*ORDERED.send(&21), [42]);
/// ```
///
/// # Receivers of a model
///
/// With `model = customer` the first parameter is the instance in the place of the sender.
/// `customer` is the module of an entity, and the sender is `customer::Entity`. The type of the
/// parameter is one that the event has:
///
/// | signal | with `fanfare-sea-orm` the parameter is |
/// |---|---|
/// | `PRE_SAVE` | `&customer::ActiveModel`, a copy that is made when the receiver begins; or, for a function that is not async, `&mut customer::ActiveModel`, which is written |
/// | `POST_SAVE` | `&customer::Model` |
/// | `PRE_DELETE`, `POST_DELETE` | `&customer::ActiveModel`; `&customer::Model` if every column is known |
/// | `M2M_CHANGED`, with the module of the junction | the model whose links these are, `&post::Model`, or `&Pk` |
/// | `PRE_INIT` | `&customer::Model`, or `&mut customer::Model` |
/// | `POST_INIT` | `&customer::Model` |
///
/// The function returns `Result<(), E>`, where `?` turns `E` into a `Box<dyn Error + Send + Sync>`.
/// The caller of the operation gets the `E` back. The function returns `()` if it cannot fail, and
/// for a signal of an init. If the instance of an event is of another type, the function is not
/// called, and the operation fails. An init does not fail.
///
/// While a function has `&mut`, the instance is locked: `event.instance()` and
/// `event.with_instance()` panic. An `async fn` takes `&`, and changes the instance with
/// `event.with_instance(..)`.
///
/// ```
/// use fanfare::Sender;
/// use fanfare::receiver;
/// use fanfare_django::model::{Context, POST_SAVE, PRE_SAVE, PostSave, PreSave};
///
/// mod customer {
///     // An ORM makes these; `fanfare_sea_orm::model_signals!` implements the trait.
///     pub struct Entity;
///     #[derive(Clone, Default)]
///     pub struct Model {
///         pub email: String,
///     }
///     impl fanfare_django::model::ModelSender for Entity {}
/// }
///
/// #[derive(Debug)]
/// struct NoAddress;
/// # impl std::fmt::Display for NoAddress {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
/// #         f.write_str("that is no address")
/// #     }
/// # }
/// impl std::error::Error for NoAddress {}
///
/// #[receiver(PRE_SAVE, model = customer)]
/// fn tidy(customer: &mut customer::Model, _event: &PreSave<'_>) -> Result<(), NoAddress> {
///     customer.email.make_ascii_lowercase();
///     if customer.email.contains('@') { Ok(()) } else { Err(NoAddress) }
/// }
///
/// #[receiver(POST_SAVE, model = customer)]
/// async fn welcome(customer: &customer::Model, event: &PostSave<'_>) {
///     if event.created() {
///         println!("welcome, {}", customer.email);
///     }
/// }
///
/// fanfare::connect_receivers();
/// let sender = Sender::of::<customer::Entity>();
///
/// // What an ORM does:
/// let mut ada = customer::Model { email: String::from("Ada@example.org") };
/// let event = PreSave::new(&mut ada, true, None, Context::default());
/// PRE_SAVE.from(sender).send_until_err(&event).unwrap();
/// assert_eq!(ada.email, "ada@example.org");
/// let event = PostSave::new(&ada, true, None, Context::default());
/// assert_eq!(POST_SAVE.from(sender).send_until_err(&event).unwrap().len(), 1);
///
/// let mut nobody = customer::Model::default();
/// let event = PreSave::new(&mut nobody, true, None, Context::default());
/// let refused = PRE_SAVE.from(sender).send_until_err(&event).unwrap_err();
/// assert!(refused.error.is::<NoAddress>());
/// ```
///
/// # Durable receivers
///
/// With `durable` the function gets the events that `send_durable` of `fanfare-outbox` stores,
/// after the commit and until it returns `Ok`. The name stays when the function is renamed, because
/// the database keeps the progress of the receiver by its name. The function is an `async fn` that
/// returns `Result<(), E>`, where `E` displays. Its second parameter is `&Delivered<OrderPaid>`, or
/// `&OrderPaid` if it needs neither the id nor the number of the attempt:
///
/// ```text
/// #[receiver(ORDER_PAID, durable = "mail.receipt", attempts = 3)]
/// async fn send_receipt(_: Sender<'_>, paid: &Delivered<OrderPaid>) -> Result<(), MailError> {
/// ```
///
/// These options go with `durable`. They are those of `fanfare_outbox::DurableOptions`, and their
/// values are expressions. Connect a receiver by hand for `back_off`.
///
/// | option | effect |
/// |---|---|
/// | `start = Start::Oldest` | a receiver that the database does not know yet also gets the events that are stored |
/// | `attempts = 3` | the attempts, after which a delivery is a dead letter |
/// | `timeout = Duration::from_secs(30)` | the time after which an attempt has failed |
/// | `keys_at_once = 1` | the keys whose events are delivered side by side |
/// | `unsequenced` | later events of a key do not wait behind a dead letter |
/// | `outbox = my_api::fanfare_outbox` | the expansion finds `fanfare-outbox` by this path, which may be a string literal |
///
/// `connect_receivers()` connects these receivers as well, and reports their names. Call it before
/// `Outbox::start`. It panics if another durable receiver has the name.
///
/// # The report
///
/// An entry has the name of the signal as in the attribute, the function with its module, and the
/// file and line of the attribute. An entry that is not new found a connection with the same
/// identity and changed nothing.
///
/// # Errors
///
/// All are errors of the compiler, and their messages name the fix:
///
/// - no signal, an empty list, or something that is not a path in the place of a signal
/// - an option that does not exist or has no value, an option that is given twice, except `tag`, or
///   the same tag twice
/// - a value for `once` or `blocking`
/// - an empty `dispatch_uid`, `name`, `tag` or name of a sender, or one that is not a string
///   literal
/// - a `sender` that is neither a type nor a string literal
/// - a `priority` that is not an `i32` literal
/// - a `crate` that is not a path
/// - a `sender` of a model signal that is no entity, or a name that is not of the form "app.Model"
/// - a `model` that is not the path of a module, a `model` beside a `sender`, or a function with
///   `model` whose first parameter is not the instance
/// - a duplicate: the same signal and sender twice on one function with the same `dispatch_uid`, or
///   both without, in one list or in several attributes. They are compared as written: two paths to
///   one signal are two signals here, and such duplicates appear in the report
/// - something that is not a function, or a function that is `unsafe`, `extern`, generic, has a
///   `self` parameter or does not have exactly two parameters
/// - an `async fn` without fanfare's feature `async`
/// - `blocking` without its feature `tokio`, or on an `async fn`
/// - `queued` without its feature `queue`, with something that is not the path of a static, or
///   beside `model` or `blocking`
/// - `durable` on a function that is not async or returns no `Result`, with several signals, or
///   beside `sender`, `model`, `dispatch_uid`, `priority`, `once`, `max_calls`, `name`, `tag`,
///   `blocking` or `queued`; and an option of a durable receiver without `durable`
/// - `weak`, because a function has no object that it could outlive
/// - a function whose types do not fit the signal: the compiler shows the signature that it expects
/// - an `async fn` whose future cannot change threads: the compiler shows the values that the
///   future holds
///
/// ```compile_fail
/// # use fanfare::{Sender, Signal, receiver};
/// # static PIZZA_DONE: Signal<u32> = Signal::new();
/// // error: `dispatch_uid` is empty: leave it out to identify the receiver by its function
/// #[receiver(PIZZA_DONE, dispatch_uid = "")]
/// fn ring(_sender: Sender<'_>, _size_cm: &u32) {}
/// ```
#[proc_macro_attribute]
pub fn receiver(arguments: TokenStream, item: TokenStream) -> TokenStream {
    receiver::expand(arguments.into(), &item.into(), Features::ENABLED).into()
}

/// Makes a struct or an enum an event, which a signal can carry.
///
/// The event may borrow. A signal outlives every value that is sent, so it names the type with
/// `'static` in the place of each lifetime. An event that is sent keeps its lifetimes.
///
/// ```
/// use fanfare::{Event, Signal};
///
/// #[derive(Event)]
/// struct PizzaDone<'a> {
///     toppings: &'a [&'a str],
///     size_cm: u32,
/// }
///
/// static PIZZA_DONE: Signal<PizzaDone<'static>, usize> = Signal::new();
///
/// PIZZA_DONE.connect(|_sender, pizza| pizza.toppings.len());
/// let topping = String::from("olives");
/// let lengths = PIZZA_DONE.send(&PizzaDone { toppings: &[&topping], size_cm: 32 });
/// assert_eq!(*lengths, [1]);
/// ```
///
/// # Generated code
///
/// ```
/// # use fanfare::Event;
/// struct PizzaDone<'a> {
///     toppings: &'a [&'a str],
/// }
///
/// impl Event for PizzaDone<'static> {
///     type Args<'a> = PizzaDone<'a>;
/// }
/// ```
///
/// - **Several lifetimes** become one: `Pair<'a, 'b>` gives `Args<'a> = Pair<'a, 'a>`. Only an
///   event that is invariant in them is affected.
/// - **No lifetime** gives `Args<'a> = Self`.
/// - **Type parameters** become `T: 'static`, as a signal requires. Const parameters stay as they
///   are.
/// - **Bounds** stay. A bound that names a lifetime of the event is required for every lifetime,
///   because it must hold for every event that is sent: `T: Shape<'a>` becomes
///   `T: for<'a> Shape<'a>`.
///
/// ```
/// use std::fmt::Debug;
///
/// use fanfare::{Event, Signal};
///
/// #[derive(Event)]
/// enum Saved<'a, 'b, T: Debug> {
///     Created(&'a T),
///     Updated { before: &'a T, after: &'b T },
/// }
///
/// static SAVED: Signal<Saved<'static, 'static, u32>, String> = Signal::new();
///
/// SAVED.connect(|_sender, saved| match saved {
///     Saved::Created(it) => format!("{it:?}"),
///     Saved::Updated { before, after } => format!("{before:?} to {after:?}"),
/// });
/// assert_eq!(*SAVED.send(&Saved::Created(&7)), ["7"]);
/// assert_eq!(*SAVED.send(&Saved::Updated { before: &7, after: &8 }), ["7 to 8"]);
/// ```
///
/// # fanfare under another name
///
/// The implementation is of the trait `::fanfare::Event`. If fanfare has another path, write the
/// path in `#[event(crate = ...)]`, as a path or as a string literal.
///
/// ```
/// mod my_api {
///     pub use fanfare;
/// }
///
/// #[derive(my_api::fanfare::Event)]
/// #[event(crate = my_api::fanfare)]
/// struct Ordered {
///     number: u32,
/// }
///
/// static ORDERED: my_api::fanfare::Signal<Ordered, u32> = my_api::fanfare::Signal::new();
///
/// ORDERED.connect(|_sender, ordered| ordered.number);
/// assert_eq!(*ORDERED.send(&Ordered { number: 7 }), [7]);
/// ```
///
/// # Errors
///
/// The macro reports an error for a union, and for an attribute `#[event]` that is on a field or a
/// variant, or that has anything but `crate = path`.
///
/// ```compile_fail
/// // error: `Event` cannot be derived for the union `Half`: make it a struct or an enum
/// #[derive(fanfare::Event)]
/// union Half {
///     small: u32,
///     large: u64,
/// }
/// ```
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::expand(input.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
