#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

// Each module imports only modules that are named before it:
//
// - Ground: `error`, `keys`, `handover` (the columns of an update), `begin`, `after_commit`,
//   `before_commit`.
// - One operation: `open_transaction` (the statements of a transaction), `scope` (the properties of
//   a connection), `transaction`, `executor` (the connection of receivers), `operation` (its
//   signals).
// - Models: `names`, `inited`, `hooks`, `bulk`.
// - Links between models: `through`, `links`, `junction_hooks`.
// - The macro that joins models and links: `model_signals`.
// - Connections: `connection`, `pool`, `migration`.

mod after_commit;
mod before_commit;
mod begin;
mod bulk;
mod connection;
mod error;
mod executor;
mod handover;
pub mod hooks;
mod inited;
mod junction_hooks;
mod keys;
mod links;
#[cfg(feature = "migration")]
pub mod migration;
mod model_signals;
mod names;
mod open_transaction;
mod operation;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub mod pool;
mod scope;
mod through;
mod transaction;

pub use after_commit::on_commit;
pub use before_commit::BeforeCommit;
pub use bulk::ExecSignalled;
pub use connection::{Scoped, Scopes, SignalConnection};
pub use error::{ReceiverError, receiver_error};
pub use executor::Executor;
pub use inited::Inited;
pub use keys::{Pk, PkSet, RowKey};
pub use links::Links;
pub use names::{ModelSignals, PrepareError, prepare_models};
pub use through::Through;
pub use transaction::SignalTransaction;

// Its types are in the interface, so that users need the same version.
pub use fanfare_django;

#[doc(hidden)]
pub mod __private {
    pub use fanfare_django::model::{ModelSender, is_model_name, prepare};
    pub use inventory;
    pub use sea_orm;
    pub use sea_orm::prelude::async_trait::async_trait;

    pub use crate::hooks;
    pub use crate::names::Registered;

    pub mod links {
        pub use crate::junction_hooks::{after_delete, after_save, before_delete, before_save};
    }
}
