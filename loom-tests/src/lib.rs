//! Models of fanfare's table: see README.md.

#![cfg(test)]
// Each world compiles the same files over its own primitives.
#![allow(clippy::duplicate_mod)]

mod harness;
mod loom_sync;
mod shuttle_sync;
mod source;
mod twins;
mod weakened;
mod worlds;
