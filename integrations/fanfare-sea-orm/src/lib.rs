#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod after_commit;
mod begin;
mod bulk;
mod connection;
mod error;
mod executor;
mod handover;
pub mod hooks;
mod inited;
mod keys;
mod links;
#[cfg(feature = "migration")]
pub mod migration;
mod names;
mod open_transaction;
mod operation;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub mod pool;
mod scope;
mod transaction;

pub use after_commit::on_commit;
pub use bulk::ExecSignalled;
pub use connection::{Scoped, Scopes, SignalConnection};
pub use error::{ReceiverError, receiver_error};
pub use executor::Executor;
pub use inited::Inited;
pub use keys::{Pk, PkSet, RowKey};
pub use links::{Links, Through};
pub use names::{ModelSignals, PrepareError, prepare_models};
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
        pub use crate::links::{after_delete, after_save, before_delete, before_save};
    }
}
