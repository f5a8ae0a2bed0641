//! The cell of the feature `asymmetric`: readers use ordinary loads and stores, and the
//! writer pays for both.
//!
//! * `cell`: what readers and writers do with a slot.
//! * `nodes`: the slots of each thread, and how a thread comes by them.
//! * `sync`: the primitives under both.
//!
//! `cell` and `nodes` are compiled once more, over loom, by `loom-tests/`: they name no
//! atomic, lock or thread-local variable but through `sync`.

mod cell;
mod nodes;
mod sync;

pub(crate) use cell::{Cell, Guard};
