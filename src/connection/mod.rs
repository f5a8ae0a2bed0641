//! Connections: how receivers come to a signal, and how they leave it.
//!
//! * `connect`, `disconnect`, `freeze`: the methods of a signal that change its receivers.
//! * `options`: the options of a connection.
//! * `handle`: the handle that users hold, and the guard.
//! * `look`: the connections of a signal, for people.

mod connect;
mod disconnect;
mod freeze;
pub(crate) mod handle;
mod look;
pub(crate) mod options;
