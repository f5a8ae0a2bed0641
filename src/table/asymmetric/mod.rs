//! The cell of the feature `asymmetric`: readers use ordinary loads and stores, and the writer pays
//! for both.
//!
//! * `cell`: the steps of readers and writers on a slot.
//! * `nodes`: the slots of each thread, and the way in which a thread gets them.
//! * `sync`: the primitives under both.
//!
//! `cell` and `nodes` are compiled once more, over loom, by `loom-tests/`: they name atomics, locks
//! and thread-local variables only through `sync`.

mod cell;
mod nodes;
mod sync;

pub(crate) use cell::{Cell, Guard};

#[cfg(test)]
mod tests;
