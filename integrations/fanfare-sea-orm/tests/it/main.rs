//! The tests that can share a process. Tests of the model signals take turns, and other tests
//! have senders or names of their own.

#[path = "../common/mod.rs"]
mod common;
#[cfg(all(
    feature = "migration",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
mod migrators;

mod any_model;
mod before_commit;
mod broken_transactions;
mod bulk_signals;
#[cfg(all(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
mod connection_created;
mod delete_signals;
mod entity_formats;
mod init_signals;
mod lookups;
mod m2m_signals;
#[cfg(all(
    feature = "migration",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
mod migrate_failures;
#[cfg(all(
    feature = "migration",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
mod migrate_signals;
mod nested_saves;
mod receivers_query;
mod save_signals;
mod silent;
mod typed_errors;
mod update_fields;
