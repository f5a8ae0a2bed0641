//! The tests that can share a process: each has its own event, receivers and database.

#[path = "../common/mod.rs"]
mod common;

mod completing;
mod derived;
mod direct;
mod failures;
mod joining;
mod lanes;
mod order;
mod receivers;
mod refused;
mod relays;
mod stored;
mod stuck;
#[cfg(feature = "migration")]
mod tables;
mod using;
