//! The receivers that `#[receiver]` declares.
//!
//! * `registry`: the declared receivers of a program, and their report.
//! * `candidate`: the connect of one declared receiver, and the hooks for the crate of its event.
//! * `instance`: receivers that take the instance of an event in the place of the sender.

pub(crate) mod candidate;
pub(crate) mod instance;
#[cfg(feature = "macros")]
pub(crate) mod registry;
