//! The tests that can share a process: each has a sender of its own.
//!
//! `django` stays apart, because a test there and one in `connecting` count the events of a layer
//! without a name.

#[path = "../common/mod.rs"]
mod common;

mod async_receivers;
mod connecting;
mod disconnects;
mod failures;
mod outcomes;
mod pass_through;
mod tonic;
