//! Allocations of sends, counted by thread.
//!
//! This is a process of its own because the counter replaces the global allocator.

mod batch;
mod connect_many;
mod queue;
mod send;

#[cfg(feature = "queue")]
#[allow(dead_code, reason = "other files use the rest of it")]
#[path = "../queue_gate/mod.rs"]
mod queue_gate;
