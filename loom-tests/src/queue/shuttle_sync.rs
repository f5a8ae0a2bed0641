//! The interface of `src/queue/sync.rs` over shuttle.

pub(crate) use crate::shuttle_sync::{
    AtomicU64, Condvar, Ground, Mutex, Ordering, Spawned, lock, spawn, wait,
};

#[path = "channel.rs"]
mod channel;

pub(crate) use channel::{Channel, Waiter};
pub(crate) use crossbeam_utils::CachePadded;
