//! Reports to `tracing`, received by a subscriber of the thread that runs the test.
//!
//! This is a process of its own because a thread without a subscriber can turn an event off for
//! all threads, and the threads of other tests have none.
#![cfg(feature = "tracing")]

#[path = "../listener/mod.rs"]
mod listener;

mod asend;
mod context;
mod send;
mod spans;
