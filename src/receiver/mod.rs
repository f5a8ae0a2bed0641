//! A connected receiver: the callable, its place, and the key by which two connections are the
//! same.
//!
//! * `callee`: the trait of the callables, and the callables that a send simply calls.
//! * `entry`: the handle that tables hold, and the operations of a send on it.
//! * `slot`: the allocation behind it.
//! * `attached`: the receiver as its handles refer to it.
//! * `options`, `limit`: the wishes of its user.
//! * `pin`: the target of a weak receiver while a send keeps it alive.
//! * `key`: the keys by which two connections are the same.
//! * `delivery`: the receiver as a queue holds it.
//! * `future`: the future of an async receiver.
//! * `explained`: whether a send would run the receivers, or the reason why not.
//! * `in_use`: the entry of a signal among the signals in use.
//! * `tapped`: the signals in use, as observers are attached to them.

pub(crate) mod attached;
pub(crate) mod callee;
pub(crate) mod delivery;
pub(crate) mod entry;
pub(crate) mod explained;
#[cfg(feature = "async")]
pub(crate) mod future;
pub(crate) mod in_use;
pub(crate) mod key;
pub(crate) mod limit;
pub(crate) mod options;
pub(crate) mod pin;
pub(crate) mod slot;
pub(crate) mod tapped;

pub(crate) use entry::{Entry, Hub, Selection, Table};
