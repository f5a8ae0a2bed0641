//! Describing and starting a queue.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread;

use super::line::{Line, Overflow};
use super::pool::{Handle, Pool, Users};
use super::{Queue, worker};
use crate::fork::Birth;
use crate::table::sync::lock;

/// What a queue has room for, by default, for each worker.
const DEFAULT_CAPACITY: usize = 1_024;

/// Describes a [`Queue`]: one worker, room for 1,024 events, [`Overflow::Block`], and the name
/// `"queue"`, unless told otherwise.
///
/// ```
/// use fanfare::{Overflow, Queue};
///
/// let queue = Queue::builder()
///     .name("thumbnails")
///     .workers(4)
///     .capacity(100)
///     .overflow(Overflow::DropOldest)
///     .build()?;
/// assert_eq!((queue.workers(), queue.capacity()), (4, Some(100)));
/// assert_eq!(queue.shutdown(std::time::Duration::MAX).unwrap().undelivered.len(), 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is started until `build`"]
pub struct QueueBuilder {
    name: String,
    capacity: Option<usize>,
    workers: usize,
    overflow: Overflow,
    #[cfg(feature = "tokio")]
    runtime: Option<tokio::runtime::Handle>,
}

impl QueueBuilder {
    pub(super) fn new() -> Self {
        QueueBuilder {
            name: String::from("queue"),
            capacity: Some(DEFAULT_CAPACITY),
            workers: 1,
            overflow: Overflow::default(),
            #[cfg(feature = "tokio")]
            runtime: None,
        }
    }

    /// How many events each worker's line has room for, exactly; what the worker is running
    /// is not in it. The memory for them, some 50 bytes each, is taken at once.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[track_caller]
    pub fn capacity(mut self, capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a queue of capacity 0 has no room for any event: give it 1 or more, or make it \
             `unbounded`"
        );
        self.capacity = Some(capacity);
        self
    }

    /// Gives it room for any number of events: no sender waits, nothing is dropped, and what
    /// the workers cannot keep up with takes memory until there is none.
    pub fn unbounded(mut self) -> Self {
        self.capacity = None;
        self
    }

    /// How many threads deliver. With more than one, events of different senders can reach a
    /// receiver at the same time and in any order.
    ///
    /// # Panics
    ///
    /// If `workers` is 0.
    #[track_caller]
    pub fn workers(mut self, workers: usize) -> Self {
        assert!(
            workers > 0,
            "a queue of 0 workers delivers nothing: give it 1 or more"
        );
        self.workers = workers;
        self
    }

    /// What happens when there is no room.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// What errors call it. Its threads have this name, a hyphen and a number; some systems
    /// show no more than the first 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The workers run inside the tokio runtime that this is called in, so that async
    /// receivers ([`QueuedOptions::connect_async`](crate::QueuedOptions::connect_async)) have its timers, its input and output,
    /// and `tokio::spawn`.
    ///
    /// The runtime must live as long as the queue is used, and a current-thread one must be
    /// running for its timers to come: what a receiver asks of a runtime that has been shut
    /// down panics in that receiver.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[cfg(feature = "tokio")]
    #[track_caller]
    pub fn on_tokio(mut self) -> Self {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            panic!(
                "`on_tokio` was called outside of a tokio runtime: call it where the runtime runs, \
                 or after `let _entered = runtime.enter()`"
            );
        };
        self.runtime = Some(runtime);
        self
    }

    /// Makes the queue and starts its workers.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started (those that were started end), or if the name has a zero
    /// byte in it.
    pub fn build(self) -> io::Result<Queue> {
        if self.name.contains('\0') {
            let message = format!(
                "the name {:?} has a zero byte in it, which no thread's name may have: leave it out",
                self.name
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let line = |_| Line::new(self.capacity);
        let handle = Handle {
            pool: Arc::new(Pool {
                name: self.name.into(),
                capacity: self.capacity,
                overflow: self.overflow,
                lines: (0..self.workers).map(line).collect(),
                birth: Birth::now(),
                refused_after_fork: AtomicU64::new(0),
                #[cfg(feature = "tokio")]
                runtime: self.runtime,
            }),
            threads: Mutex::new(Vec::with_capacity(self.workers)),
        };
        for line in 0..self.workers {
            let pool = Arc::clone(&handle.pool);
            let name = format!("{}-{line}", pool.name);
            let thread = thread::Builder::new().name(name).spawn(move || {
                #[cfg(feature = "tokio")]
                let _entered = pool.runtime.as_ref().map(|runtime| runtime.enter());
                worker::run(&pool, line);
            })?;
            lock(&handle.threads).push(thread);
        }
        Ok(Queue(Arc::new(Users(Arc::new(handle)))))
    }
}
