//! Connections: how receivers come to a signal, and how they leave it.
//!
//! * `connect`, `disconnect`, `freeze`: the methods of a signal that change its receivers.
//! * `connect_options`: the options of a connection.
//! * `handle`: the handle that users hold, and the guard.
//! * `sender_lives`: senders that can die.
//! * `look`: the connections of a signal, for people.

mod connect;
pub(crate) mod connect_options;
mod disconnect;
mod freeze;
pub(crate) mod handle;
mod look;
mod sender_lives;
