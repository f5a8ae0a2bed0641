//! The tests of observers, mutes, explanations and scopes, a module for each.
//!
//! They have a process of their own, because some observe or mute all signals of the process, and
//! sends that are observed use more of the stack.

// Helpers.
#[cfg(feature = "rayon")]
mod pool;
#[cfg(feature = "queue")]
#[allow(dead_code, reason = "other programs use the rest")]
#[path = "../queue_gate/mod.rs"]
mod queue_gate;
mod watch_lines;

mod budget;
mod explain;
mod mute;
mod mute_model;
mod mute_scopes;
#[cfg(feature = "testing")]
mod not_run;
mod recorder;
#[cfg(feature = "testing")]
mod shuffle;
#[cfg(feature = "testing")]
mod testing;
#[cfg(all(feature = "rayon", feature = "testing"))]
mod testing_parallel;
mod watch;
mod watch_async;
mod watch_faults;
mod watch_queue;
mod watch_tree;
mod watch_ways;
