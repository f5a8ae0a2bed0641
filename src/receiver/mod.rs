//! A connected receiver: the callable, its place, and what makes two connections the same.
//!
//! * `callee`: the trait of the callables, and those that a send simply calls.
//! * `entry`: the handle that tables hold, and what a send does with it.
//! * `slot`: the allocation behind it.
//! * `attached`: the receiver as its handles refer to it.
//! * `options`, `limit`: what its user asked for.
//! * `kind`: how a send treats it.
//! * `key`: what makes two connections the same.
//! * `delivery`: the receiver as a queue holds it.
//! * `future`: the future of an async receiver.

pub(crate) mod attached;
pub(crate) mod callee;
pub(crate) mod delivery;
pub(crate) mod entry;
#[cfg(feature = "async")]
pub(crate) mod future;
pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod limit;
pub(crate) mod options;
pub(crate) mod slot;

pub(crate) use entry::{Entry, Hub, Selection, Table};
