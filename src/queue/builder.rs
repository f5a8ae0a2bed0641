//! Describing and starting a queue.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread;

#[cfg(feature = "async")]
use super::concurrent::{self, Inbox};
use super::line::{Line, Overflow, RUN_AT_ONCE};
use super::pool::{Handle, Pool, Users};
use super::{Queue, worker};
use crate::fork::Birth;
use crate::lock::lock;

/// The default number of events for which a queue has room, for each worker.
const DEFAULT_CAPACITY: usize = 1_024;

/// The description of a [`Queue`].
///
/// The defaults are one worker, room for 1,024 events, [`Overflow::Block`], and the name `"queue"`.
///
/// ```
/// use fanfare::Queue;
/// use fanfare::queue::Overflow;
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
#[must_use = "a queue starts only with `build`"]
pub struct Builder {
    name: String,
    capacity: Option<usize>,
    workers: usize,
    unordered: bool,
    /// Futures that a worker drives at a time.
    concurrency: usize,
    overflow: Overflow,
    #[cfg(feature = "tokio")]
    runtime: Option<tokio::runtime::Handle>,
}

impl Queue {
    /// Makes a queue with one worker and room for `capacity` events, whose senders wait when it is
    /// full: `Queue::builder().capacity(capacity).build()`.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread cannot be started.
    #[track_caller]
    pub fn bounded(capacity: usize) -> io::Result<Self> {
        Queue::builder().capacity(capacity).build()
    }

    /// Starts the description of a queue.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        Builder {
            name: String::from("queue"),
            capacity: Some(DEFAULT_CAPACITY),
            workers: 1,
            unordered: false,
            concurrency: 1,
            overflow: Overflow::default(),
            #[cfg(feature = "tokio")]
            runtime: None,
        }
    }

    /// Sets the exact number of events for which each worker's line has room.
    ///
    /// The events that the worker is running do not count. If the queue is
    /// [`unordered`](Builder::unordered), all workers share one line. The memory for the events,
    /// about 50 bytes each, is allocated at once.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0.
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

    /// Gives the queue room for any number of events.
    ///
    /// Senders then never wait, and events are not dropped. If the workers cannot keep up, the
    /// events take memory until there is no more.
    pub fn unbounded(mut self) -> Self {
        self.capacity = None;
        self
    }

    /// Sets the number of threads that deliver.
    ///
    /// With more than one, events of different senders can reach a receiver at the same time and in
    /// any order. Events of one sender keep their order, unless the queue is
    /// [`unordered`](Builder::unordered).
    ///
    /// # Panics
    ///
    /// Panics if `workers` is 0.
    #[track_caller]
    pub fn workers(mut self, workers: usize) -> Self {
        assert!(
            workers > 0,
            "a queue of 0 workers delivers nothing: give it 1 or more"
        );
        self.workers = workers;
        self
    }

    /// Lets any worker take the next event: the workers share one line, with room for
    /// [`capacity`](Builder::capacity) events in all.
    ///
    /// Without this option, the events of one receiver and one sender all go to the same worker, so
    /// that they keep their order. An event that takes long then delays the events behind it, even
    /// if other workers are idle. With this option, an event waits only if every worker is busy.
    /// The events are started in the order in which they were sent. With more than one worker they
    /// run at the same time, also those of one receiver and one sender, and may end in any order.
    ///
    /// ```
    /// use fanfare::{Queue, Signal};
    /// use std::sync::{Mutex, mpsc};
    ///
    /// static MAILED: Signal<u32> = Signal::new();
    ///
    /// let (server_responds, wait) = mpsc::channel::<()>();
    /// let wait = Mutex::new(wait);
    /// let (sent, is_sent) = mpsc::channel();
    /// let mails = Queue::builder().workers(2).unordered().build()?;
    /// MAILED.options().queued(&mails).connect(move |_sender, mail| {
    ///     if *mail == 1 {
    ///         wait.lock().unwrap().recv().unwrap();
    ///     }
    ///     sent.send(*mail).unwrap();
    /// });
    /// for mail in 1..=4 {
    ///     MAILED.from("shop").send(&mail);
    /// }
    /// // The first one hangs, and the other worker sends those behind it.
    /// assert_eq!([(); 3].map(|()| is_sent.recv().unwrap()), [2, 3, 4]);
    /// server_responds.send(()).unwrap();
    /// mails.flush().unwrap();
    /// assert_eq!(mails.delivered(), 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unordered(mut self) -> Self {
        self.unordered = true;
        self
    }

    /// Sets the number of async receivers that each worker drives at a time. The default is 1.
    ///
    /// Async receivers are those of
    /// [`QueuedOptions::connect_async`](crate::queue::QueuedOptions::connect_async). With more than
    /// one, their futures are started in the order of the worker's line and run together, so events
    /// of one receiver and one sender may end in any order. A future that hangs takes one of the
    /// places. A worker whose places are all taken does not take events out of its line. The
    /// futures of a worker run on one thread, which is a second one beside the worker's. A future
    /// that blocks its thread delays the others. Sync receivers run on the worker's thread, one at
    /// a time.
    ///
    /// # Panics
    ///
    /// Panics if `futures` is 0. [`build`](Builder::build) panics if the queue would run more than
    /// 1,000 receivers out of one line at a time.
    ///
    /// ```
    /// use fanfare::{Queue, Signal};
    /// use std::sync::mpsc;
    ///
    /// static MAILED: Signal<u32> = Signal::new();
    ///
    /// let (sent, is_sent) = mpsc::channel();
    /// let mails = Queue::builder().concurrency(2).build()?;
    /// MAILED.options().queued(&mails).connect_async(move |_sender, mail| {
    ///     let sent = sent.clone();
    ///     Box::pin(async move {
    ///         if *mail == 1 {
    ///             std::future::pending::<()>().await;
    ///         }
    ///         sent.send(*mail).unwrap();
    ///     })
    /// });
    /// for mail in 1..=4 {
    ///     MAILED.from("shop").send(&mail);
    /// }
    /// // The first one hangs.
    /// assert_eq!([(); 3].map(|()| is_sent.recv().unwrap()), [2, 3, 4]);
    /// while mails.delivered() < 3 {
    ///     std::thread::yield_now();
    /// }
    /// let report = mails.shutdown(std::time::Duration::ZERO).unwrap();
    /// assert_eq!((report.undelivered.len(), report.still_running), (0, 1));
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(feature = "async")]
    #[track_caller]
    pub fn concurrency(mut self, futures: usize) -> Self {
        assert!(
            futures > 0,
            "a worker that drives 0 futures runs no async receiver: give it 1 or more"
        );
        self.concurrency = futures;
        self
    }

    /// Sets the policy for events that find the queue full.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets the name of the queue, which errors contain.
    ///
    /// The queue's threads have this name, a hyphen and a number. Some systems show no more than
    /// the first 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Runs the workers inside the tokio runtime in which this method is called.
    ///
    /// Async receivers
    /// ([`QueuedOptions::connect_async`](crate::queue::QueuedOptions::connect_async)) can then use
    /// its timers, its input and output, and `tokio::spawn`.
    ///
    /// The runtime must live as long as the queue is used. A current-thread runtime must be running
    /// for its timers to fire. A receiver that uses a runtime that has been shut down panics.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
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
    /// Returns an error if a thread cannot be started (the threads that were started end), or if
    /// the name contains a zero byte.
    ///
    /// # Panics
    ///
    /// Panics if more than 1,000 receivers would run out of one line at a time. These are the
    /// futures of a worker or, if the queue is [`unordered`](Builder::unordered), those of all
    /// workers.
    #[track_caller]
    pub fn build(self) -> io::Result<Queue> {
        if self.name.contains('\0') {
            let message = format!(
                "the name {:?} has a zero byte in it, which no thread's name may have: leave it out",
                self.name
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let (lines, takers) = if self.unordered {
            (1, self.workers)
        } else {
            (self.workers, 1)
        };
        assert!(
            takers.saturating_mul(self.concurrency) <= RUN_AT_ONCE,
            "{takers} workers with {} futures each would run more than {RUN_AT_ONCE} receivers out \
             of one line at a time: give the queue fewer, or make a second queue",
            self.concurrency
        );
        let line = |_| Line::new(self.capacity, takers);
        let handle = Handle {
            pool: Arc::new(Pool {
                name: self.name.into(),
                capacity: self.capacity,
                overflow: self.overflow,
                lines: (0..lines).map(line).collect(),
                workers: self.workers,
                birth: Birth::now(),
                refused_after_fork: AtomicU64::new(0),
                #[cfg(feature = "tokio")]
                runtime: self.runtime,
            }),
            threads: Mutex::new(Vec::with_capacity(self.workers)),
        };
        for worker in 0..self.workers {
            let line = worker % lines;
            let name = format!("{}-{worker}", handle.pool.name);
            #[cfg(feature = "async")]
            if self.concurrency > 1 {
                let (inbox, opening) = Inbox::new(self.concurrency);
                let drives = Arc::clone(&inbox);
                let futures = format!("{name}-futures");
                spawn(&handle, futures, move |pool| {
                    concurrent::drive(pool, &drives)
                })?;
                spawn(&handle, name, move |pool| {
                    concurrent::run(pool, line, &inbox, opening);
                })?;
                continue;
            }
            spawn(&handle, name, move |pool| worker::run(pool, line))?;
        }
        Ok(Queue(Arc::new(Users(Arc::new(handle)))))
    }
}

/// Starts a thread of the queue.
fn spawn(
    handle: &Handle,
    name: String,
    run: impl FnOnce(&Arc<Pool>) + Send + 'static,
) -> io::Result<()> {
    let pool = Arc::clone(&handle.pool);
    let thread = thread::Builder::new().name(name).spawn(move || {
        #[cfg(feature = "tokio")]
        let _entered = pool.runtime.as_ref().map(|runtime| runtime.enter());
        run(&pool);
    })?;
    lock(&handle.threads).push(thread);
    Ok(())
}
