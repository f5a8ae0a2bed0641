//! The tests that can share a process, a module for each promise.
//!
//! A test that changes or counts something of the whole process, such as the panic hook, has a
//! binary of its own beside this folder. See "Tests" in `CONTRIBUTING.md`.

// Helpers.
mod blocked;
#[cfg(all(feature = "rayon", feature = "tracing"))]
#[path = "../listener/mod.rs"]
mod listener;
#[cfg(feature = "queue")]
#[path = "../queue_gate/mod.rs"]
mod queue_gate;
mod receivers;

// Django's own tests, and the cases that they leave open.
mod conformance_async;
mod conformance_dispatch;
mod conformance_edges;
mod conformance_edges_async;
mod conformance_keys;
mod conformance_senders;
mod conformance_signals;

// Sends and responses.
mod batch_send;
mod events_of_std;
mod nesting;
mod panics;
mod parallel;
mod reentry;
mod responses;

// Changes of several receivers.
mod changes;

// Receivers that end.
#[cfg(all(target_os = "linux", not(miri)))]
mod barrier_refused;
#[cfg(feature = "queue")]
mod disconnect_by_type;
mod disconnect_wait;
mod disconnect_wait_inside;
mod exit_inside;
mod max_calls;
mod once;
mod weak;
mod weak_unsized;

// Frozen signals.
mod frozen;
mod frozen_changes;

// Async receivers.
mod asend_blocking;
mod asend_cancel;
mod asend_executors;
mod asend_failures;
mod asend_many;
mod asend_nesting;
mod asend_offloaded;
mod asend_order;
mod asend_refusal;
mod send_awaits;

// Queues.
mod queue;
mod queue_at_once;
mod queue_concurrent;
mod queue_ends;
mod queue_on_tokio;
mod queue_overflow;
mod queue_owned;
mod queue_shutdown;
mod queue_static;
mod queue_stream;

// Deferred events.
mod deferred;
mod deferred_async;
mod deferred_coalescing;
mod deferred_model;
mod deferred_panics;
mod deferred_savepoints;

// Types.
mod debug;
mod macros_event;
mod signals_in_tasks;
mod static_assertions;
