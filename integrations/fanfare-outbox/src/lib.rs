#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

// Each module imports only modules that are named before it:
//
// - Ground: `delivery`, `event`, `faults`, `status`, `error`, `sender_text`, `settings`, `wake`, `schema`.
// - Receivers: `registry` (those of the process), `connect`.
// - Senders: `send`.
// - The tables: `store`, with the statements of hand-outs, leases, deliveries and looks.
// - Deliveries: `held` (a lease), `deliver` (one batch), `worker` (one receiver), `relay` (all
//   receivers).
// - The handle: `outbox`.

mod connect;
mod deliver;
mod delivery;
mod error;
mod event;
mod faults;
mod held;
mod outbox;
mod registry;
mod relay;
mod schema;
mod send;
mod sender_text;
mod settings;
mod status;
mod store;
mod wake;
mod worker;

pub use connect::{Durable, DurableOptions, DurableReceiver};
pub use error::{
    CompleteError, ConnectError, RemoveError, SendError, StartError, Unfit, Unsettled,
};
pub use event::{Delivered, DurableEvent};
pub use outbox::Outbox;
pub use registry::Start;
#[cfg(feature = "migration")]
pub use schema::Migration;
pub use schema::{POSTGRES, SQLITE, create_tables, drop_tables};
pub use send::SendDurable;
pub use settings::Settings;
pub use status::{DeadLetter, ReceiverStatus, Status};
