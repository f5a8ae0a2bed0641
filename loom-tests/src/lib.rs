//! Models of fanfare's table, its queues and its async sends: see README.md.

#![cfg(test)]
// Each world compiles the same files over its own primitives.
#![allow(clippy::duplicate_mod)]
// The files of `src/` must compile on an older Rust than this crate.
#![allow(clippy::collapsible_if, clippy::manual_is_multiple_of)]

mod address;
mod asymmetric;
mod cancel;
mod harness;
mod loom_sync;
mod queue;
mod shuttle_sync;
mod source;
mod twins;
mod weakened;
mod worlds;
