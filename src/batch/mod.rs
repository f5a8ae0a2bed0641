//! Batches: several events in one send, and receivers that take slices of events.
//!
//! * `verbs`: the send.
//! * `connect`: the connects.
//! * `callee`: their callables.
//! * `walk`: the walk.

mod callee;
mod connect;
mod verbs;
mod walk;
