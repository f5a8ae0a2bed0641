//! Allocations of sends, counted by thread.
//!
//! This is a process of its own because the counter replaces the global allocator.

mod batch;
mod change;
mod deferred;
mod gives_back;
mod queue;
mod send;
mod watch;
mod ways;

#[cfg(feature = "queue")]
#[allow(dead_code, reason = "other files use the rest of it")]
#[path = "../queue_gate/mod.rs"]
mod queue_gate;

/// Returns how often `work` allocated or grew an allocation on this thread.
fn allocations(work: impl FnOnce()) -> usize {
    allocation_counter::measure(work).count_total as usize
}
