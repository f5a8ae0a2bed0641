#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

// Each module imports only modules that are named before it:
//
// - Ground: `delivery`, `faults`, `status`, `error`, `event`, `recorded` (the fields of events in a
//   file), `sender_text`, `origin_text`, `message`, `settings`, `wake`, `notices` (of other
//   processes), `schema`.
// - Receivers: `registry` (those of the process), `connect`, `declared` (those of `#[receiver]`).
// - Senders: `send`.
// - The tables: `store`, with a module for each group of statements.
// - Deliveries: `held` (a lease), `deliver` (one batch), `worker` (one receiver), `relay` (all
//   receivers).
// - The handle: `outbox`.
// - Other processes: `transport`, which uses `store` as a relay does.

mod connect;
mod declared;
mod deliver;
mod delivery;
mod error;
mod event;
mod faults;
mod held;
mod message;
mod notices;
mod origin_text;
mod outbox;
mod recorded;
mod registry;
mod relay;
mod schema;
mod send;
mod sender_text;
mod settings;
mod status;
mod store;
pub mod transport;
mod wake;
mod worker;

pub use connect::{Durable, DurableOptions, DurableReceiver};
pub use error::{
    CompleteError, ConnectError, RemoveError, SendError, StartError, Unfit, Unsettled,
};
pub use event::{Delivered, DurableEvent};
/// Implements the trait [`DurableEvent`](trait@DurableEvent) for a struct or an enum, and adds a
/// test that fails if the fields change without a new version.
///
/// ```
/// use fanfare::Event;
/// use fanfare_outbox::DurableEvent;
/// use serde::{Deserialize, Serialize};
/// use serde_json::Value;
///
/// #[derive(Event, Serialize, Deserialize, DurableEvent)]
/// #[durable(name = "shop.OrderPaid", version = 2, upcast = from_euros, key = order)]
/// struct OrderPaid {
///     order: i64,
///     cents: u64,
/// }
///
/// /// Returns the payload of version 2 for one of version 1.
/// fn from_euros(_version: u32, mut payload: Value) -> Option<Value> {
///     payload["cents"] = (payload["euros"].as_u64()? * 100).into();
///     Some(payload)
/// }
///
/// assert_eq!((OrderPaid::NAME, OrderPaid::VERSION), ("shop.OrderPaid", 2));
/// let paid = OrderPaid { order: 7, cents: 900 };
/// assert_eq!(paid.key().as_deref(), Some("7"));
/// let old = serde_json::json!({ "order": 7, "euros": 9 });
/// let new: OrderPaid = serde_json::from_value(OrderPaid::upcast(1, old).unwrap())?;
/// assert_eq!(new.cents, 900);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Options
///
/// | option | effect | without it |
/// |---|---|---|
/// | `name = "shop.OrderPaid"` | [`NAME`](DurableEvent::NAME), which the database stores with each event | an error |
/// | `version = 2` | [`VERSION`](DurableEvent::VERSION) of the fields | 1 |
/// | `upcast = from_euros` | the function for [`upcast`](DurableEvent::upcast), `fn(u32, Value) -> Option<Value>`. A version above 1 needs it | no older version |
/// | `key = order` | the field, or with `key = 0` the one of a tuple struct, whose `Display` is the [`key`](DurableEvent::key) | the sender |
/// | `key = Self::order` | the function of that path returns the key: it takes `&Self` and returns `String` or `Option<String>` | the sender |
/// | `crate = my_api::fanfare_outbox` | the expansion finds this crate by the path, which may be a string literal | `::fanfare_outbox` |
///
/// # The recorded fields
///
/// The derive adds a test beside the type, `durable_event_OrderPaid_is_recorded`. It compares the
/// name, the version and the fields with the file `durable-events.lock` beside the `Cargo.toml` of
/// the package. Keep the file in the repository. It has a line for each version:
///
/// ```text
/// "shop.OrderPaid" 1 struct {order: i64, euros: u64}
/// "shop.OrderPaid" 2 struct {order: i64, cents: u64}
/// ```
///
/// | the test fails because | the fix |
/// |---|---|
/// | the version has no line | `FANFARE_DURABLE_EVENTS=write cargo test` adds it |
/// | the fields are not those of the line | raise `version`, convert older events in `upcast`, and add the line of the new version |
/// | a higher version has a line | raise `version` to it. A number is not used twice, because events of it may be stored |
/// | the file has a version twice, with other fields | after a merge, one of the two changes gets the next version |
///
/// No command changes or deletes a line. Delete one by hand, and add it again, if every stored
/// event of that version is still read correctly, as with a new field that has `#[serde(default)]`,
/// or if no event of that version was ever stored. The lines of an event that no longer exists stay
/// until no database has such an event.
///
/// The text has the names and the types of the fields as they are written, and every attribute of
/// serde. So a change that leaves the stored form as it is, such as `String` for
/// `std::string::String`, fails the test as well.
///
/// # Limitations
///
/// - A type of your own in a field is only its name. A change inside of it is not detected: raise
///   the version of each event that has it.
/// - An implementation of `Serialize` by hand is not detected.
/// - An event that is declared inside of a function has no test, and the compiler warns about that.
/// - An event is neither generic nor borrowed. Implement the trait by hand for each type of a
///   generic event.
/// - Events of one package with equal names share their lines.
pub use fanfare_outbox_macros::DurableEvent;
pub use notices::send_notices;
pub use outbox::Outbox;
pub use registry::Start;
#[cfg(feature = "migration")]
pub use schema::{CauseMigration, Migration};
pub use schema::{POSTGRES, POSTGRES_CAUSE, SQLITE, SQLITE_CAUSE, create_tables, drop_tables};
pub use send::SendDurable;
pub use settings::Settings;
pub use status::{DeadLetter, ReceiverStatus, Status};

/// Items for the expansions of macros, and for no others. They are not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::declared::{declare, options};
    pub use crate::recorded::assert_recorded;
    pub use serde_json::Value;
}
