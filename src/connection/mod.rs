//! Connections: how receivers come to a signal, and how they leave it.
//!
//! * `connect`, `disconnect`, `changes`, `freeze`: the methods of a signal that change its
//!   receivers.
//! * `connect_options`, `target`: the options of a connect or a disconnect, and its place.
//! * `prepared`, `removal`: a receiver before it is connected, and the receivers that one
//!   disconnect takes out.
//! * `receiver_fn`: receivers that are identified by their type.
//! * `handle`, `handles`: the handles that users hold, and their guards.
//! * `sender_lives`: senders that can die.
//! * `look`: the connections of a signal, for people.

pub(crate) mod changes;
pub(crate) mod connect;
pub(crate) mod connect_options;
mod disconnect;
mod freeze;
pub(crate) mod handle;
pub(crate) mod handles;
pub(crate) mod look;
pub(crate) mod prepared;
pub(crate) mod receiver_fn;
mod removal;
mod sender_lives;
pub(crate) mod target;
