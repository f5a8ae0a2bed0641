//! Async receivers, and the sends that await them.
//!
//! * `connect`: the connects.
//! * `callee`: the callables.
//! * `verbs`: the async sends.
//! * `walk`: the walk of async sends, and the walk of blocking sends over async receivers.
//! * `join`: waiting for several receivers.
//! * `outcome`: the end of one receiver.
//! * `marked`: the mark of a thread that runs a part of an async send.
//! * `blocking`: threads that may block.

pub(crate) mod blocking;
pub(crate) mod callee;
mod connect;
mod join;
mod marked;
mod outcome;
mod verbs;
pub(crate) mod walk;
