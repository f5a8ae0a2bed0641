//! The observers and the mutes of signals. They are in the tables, so that a send sees them in its
//! snapshot.
//!
//! * `cause`: the number of a send, and the receiver that caused it.
//! * `ways`: the ways in which receivers run and end.
//! * `context`: the context in which a thread runs, which carries a cause and a scope.
//! * `scope`: a part of a program that is recorded apart from the rest.
//! * `shuffle`: the order that a scope gives to receivers of equal priority.
//! * `steps`, `cause_tree`, `pending`: all that a scope has caused, as a tree, and the work that
//!   has not ended.
//! * `keep`: the events that a test keeps.
//! * `observer`: the trait of an observer, and the things that it sees.
//! * `observers`: the observers and the mutes of one signal.
//! * `mutes`: a mute, and the mutes that concern one send.
//! * `signals`: the signals in use, and all observers and mutes.
//! * `declaration`: the signals that `signals!` declares.
//! * `info`, `verdict`: a connection as a look shows it, and whether a send would run it.
//! * `disconnected`: an observer that keeps the last receivers that were disconnected.
//! * `durable`: the durable receivers, which are in no table, and the causes of their events.
//! * `recorder`, `recorded`, `ring`: an observer that keeps the last steps of each thread.
//! * `spans`: an observer that makes spans of `tracing`.

pub(crate) mod cause;
#[cfg(feature = "testing")]
pub(crate) mod cause_tree;
pub(crate) mod context;
pub(crate) mod declaration;
pub(crate) mod disconnected;
#[cfg_attr(
    not(feature = "async"),
    allow(
        dead_code,
        reason = "only relays, which are async, have durable receivers"
    )
)]
pub(crate) mod durable;
pub(crate) mod info;
#[cfg_attr(
    not(feature = "testing"),
    allow(dead_code, reason = "only scopes of tests keep events")
)]
pub(crate) mod keep;
pub(crate) mod mutes;
pub(crate) mod observer;
pub(crate) mod observers;
pub(crate) mod pending;
pub(crate) mod recorded;
pub(crate) mod recorder;
mod ring;
pub(crate) mod scope;
#[cfg(feature = "testing")]
pub(crate) mod shuffle;
pub(crate) mod signals;
#[cfg(feature = "tracing")]
pub(crate) mod spans;
#[cfg_attr(
    not(feature = "testing"),
    allow(dead_code, reason = "only scopes of tests record")
)]
pub(crate) mod steps;
pub(crate) mod verdict;
pub(crate) mod ways;
