//! A connected receiver: the callable, its place, and the key by which two connections are the
//! same.
//!
//! * `callee`: the trait of the callables, and the callables that a send simply calls.
//! * `entry`: the handle that tables hold, and the operations of a send on it.
//! * `slot`: the allocation behind it.
//! * `attached`: the receiver as its handles refer to it.
//! * `options`, `limit`: the wishes of its user.
//! * `kind`: its treatment by a send.
//! * `key`: the keys by which two connections are the same.
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
