//! Async receivers, and the sends that await them.
//!
//! * `connect`: connecting; `callee`: the callables.
//! * `verbs`: the async sends; `walk`: their walk, and the walk of blocking sends over async
//!   receivers; `join`: waiting for several; `outcome`: the end of one.
//! * `blocking`: threads that may block.

pub(crate) mod blocking;
pub(crate) mod callee;
mod connect;
mod join;
mod marked;
mod outcome;
mod verbs;
pub(crate) mod walk;
