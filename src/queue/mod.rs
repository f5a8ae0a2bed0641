//! Background delivery: receivers that run on the threads of a [`Queue`].
//!
//! A send hands the event to the queue and does not wait for the receiver, unless the queue is full
//! and its [`Overflow`] policy is to block.
//!
//! ```
//! use fanfare::queue::{self, Overflow};
//! use fanfare::{Queue, Signal};
//! use std::time::Duration;
//!
//! static ORDERED: Signal<u32, Result<(), queue::Error>> = Signal::new();
//!
//! let mail = Queue::builder().name("mail").capacity(64).overflow(Overflow::Reject).build()?;
//! ORDERED.options().queued(&mail).connect(|_sender, order| println!("a mail for {order}"));
//!
//! assert_eq!(*ORDERED.send(&7), [Ok(())]);
//! assert!(mail.shutdown(Duration::MAX).unwrap().undelivered.is_empty());
//! assert_eq!(mail.stats().delivered, 1);
//! assert!(matches!(ORDERED.send(&8)[0], Err(queue::Error::Closed { .. })));
//! # std::io::Result::Ok(())
//! ```
// * here: `Queue`, which users hold; `builder`: its description.
// * `connect`: connecting receivers that run here, and giving their events to the queue.
// * `pool`: the state that the handles and the workers of a queue share.
// * `line`: the decisions about concurrency.
// * `worker`: the threads; `concurrent`: those of a worker that drives several futures.
// * `shutdown`, `error`: the events that are left, and the errors.

mod builder;
mod callee;
#[cfg(feature = "async")]
mod concurrent;
mod connect;
mod error;
mod job;
pub(crate) mod line;
mod pool;
mod response;
mod shutdown;
pub(crate) mod sync;
#[cfg(test)]
mod tests;
mod worker;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::lock::lock;

pub use builder::Builder;
pub use connect::QueuedOptions;
pub use error::{Error, WaitError};
pub use line::Overflow;
pub(crate) use pool::Handle;
pub use response::Response;
pub use shutdown::{ShutdownReport, Undelivered};

use pool::{Pool, Users};

/// Worker threads, and a line of events for each, on which receivers run in the background.
///
/// A cheap handle: clones are of the same queue. One queue may serve receivers of any number
/// of signals.
///
/// **Order.** With one worker, which is the default, each receiver gets its events in the
/// order in which they were sent, one at a time, and so do all receivers of the queue
/// together. With several, each receiver and sender have a worker of their own choosing that
/// stays the same: a receiver gets the events of one sender in order, and those of different
/// senders maybe at the same time. "In the order" is by *happens before*. A queue that is
/// [`unordered`](Builder::unordered), or whose workers drive
/// [several futures](Builder::concurrency) at a time, starts the events of a line in this order
/// and runs them at the same time.
///
/// **Room.** Each worker's line has room for [`capacity`](Builder::capacity) events, what
/// the worker is running not counted. The workers of an unordered queue have one line. What happens when it is full is the queue's
/// [`Overflow`].
///
/// **Panics.** One in a receiver is caught, counted and, with the feature `tracing`, reported
/// once. The worker goes on. So it does when an event's or a receiver's destructor panics.
///
/// **The end.** [`shutdown`](Queue::shutdown) delivers what is inside and returns what it could
/// not deliver in time. Without it, dropping the last `Queue` of a program's own
/// [flushes](Queue::flush): the drop waits until what is inside has been delivered, however long
/// the receivers take. The receivers stay connected and go on being served; when they have gone as
/// well, the worker threads end.
///
/// **What is still inside when the process ends is lost, without a word.** So keep a `Queue` until
/// `main` returns, or call `shutdown` or `flush` there. No drop waits after a shutdown, on a worker
/// of the queue, where `flush` would be refused, and of a `Queue` in a `static` or in a receiver.
///
/// **`fork`.** The worker threads do not exist in a child of `fork`. There the queue refuses each
/// event with [`Error::Forked`], whatever its overflow policy, `flush` and `shutdown` return
/// [`WaitError::Forked`], and no drop waits. The parent delivers the events that were inside at
/// the fork, and the child never drops its copies of them. Make a queue after the fork.
///
/// ```
/// use fanfare::Queue;
/// use fanfare::queue::Overflow;
///
/// let queue = Queue::builder().name("mail").capacity(64).overflow(Overflow::Reject).build()?;
/// assert_eq!((queue.name(), queue.workers(), queue.capacity()), ("mail", 1, Some(64)));
/// queue.flush().unwrap();
/// assert_eq!(queue.stats().pushed, 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Queue(Arc<Users>);

impl Queue {
    /// What its receivers hold.
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.0.0
    }

    fn pool(&self) -> &Pool {
        &self.handle().pool
    }

    /// Waits until every event that was accepted before the call has been delivered, or
    /// dropped by the overflow policy, or returned by a shutdown. "Before" is *happens
    /// before*, and what the deliveries did happens before the return.
    ///
    /// Blocking, for as long as the receivers take. Of the events that are sent meanwhile, by
    /// receivers too, it may wait for some, but it ends however many follow (in a queue that is
    /// being shut down it waits for all). Any number of threads may flush at a time. What a
    /// receiver sends to *another* queue is that queue's: flush it after this one.
    ///
    /// # Errors
    ///
    /// At once, [`WaitError::InsideWorker`] on a worker of this queue, and
    /// [`WaitError::OnItsRuntime`] where the queue is `on_tokio` and this is the one thread
    /// that drives that runtime. [`WaitError::Forked`] in a child of `fork`, if the queue was
    /// made before. Two queues whose receivers flush each other are not noticed, and wait forever.
    pub fn flush(&self) -> Result<(), WaitError> {
        self.flush_timeout(Duration::MAX)
    }

    /// As [`flush`](Queue::flush), but gives up when the time is up. [`Duration::ZERO`] looks
    /// once; a time too long for the clock is no limit.
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`]; otherwise as `flush`.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), WaitError> {
        self.pool().flush(timeout)
    }

    /// Ends the queue: it accepts nothing more, delivers what is inside until the time is up,
    /// and returns what is left. The workers end.
    ///
    /// Blocking, for the timeout at most, and a moment for senders that are just pushing.
    /// Senders that wait for room, and all that come later, get [`Error::Closed`]. A
    /// receiver that still runs when the time is up is not interrupted, and is counted in
    /// [`still_running`](ShutdownReport::still_running); nothing is started after it.
    /// [`Duration::ZERO`] delivers nothing more; a time too long for the clock is no limit.
    ///
    /// Called again, it returns nothing that was returned before, and waits only for what
    /// still runs. Of calls at the same time the first to run out of time ends the delivery,
    /// and each undelivered event is in the report of one of them.
    ///
    /// # Errors
    ///
    /// [`WaitError::InsideWorker`], [`WaitError::OnItsRuntime`] and
    /// [`WaitError::Forked`], at once, as for [`flush`](Queue::flush); nothing is shut down.
    ///
    /// ```
    /// use fanfare::{Queue, Signal};
    /// use std::sync::{Mutex, mpsc};
    /// use std::time::Duration;
    ///
    /// static ORDERED: Signal<String> = Signal::new();
    ///
    /// let queue = Queue::bounded(8)?;
    /// let (started, has_started) = mpsc::channel();
    /// let (release, released) = mpsc::channel::<()>();
    /// let released = Mutex::new(released);
    /// ORDERED.options().queued(&queue).connect(move |_sender, _order| {
    ///     started.send(()).unwrap();
    ///     let _ = released.lock().unwrap().recv();
    /// });
    /// ORDERED.send(&"tea".to_string());
    /// ORDERED.send(&"milk".to_string());
    /// has_started.recv().unwrap();
    /// let report = queue.shutdown(Duration::ZERO).unwrap();
    /// assert_eq!(report.still_running, 1);
    /// assert_eq!(report.undelivered[0].event::<String>().unwrap(), "milk");
    /// drop(release);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, timeout: Duration) -> Result<ShutdownReport, WaitError> {
        let pool = self.pool();
        pool.check_may_wait()?;
        let deadline = Instant::now().checked_add(timeout);
        pool.close();
        // The workers end by themselves. That of a receiver which outlives the timeout is
        // waited for by nobody.
        let threads = mem::take(&mut *lock(&self.handle().threads));
        drop(threads);
        let mut report = ShutdownReport::default();
        if pool.lines.iter().all(|line| line.wait_settled(deadline)) {
            return Ok(report);
        }
        for line in &pool.lines {
            let left_over = line.give_up();
            let items = left_over.items.into_iter().map(Undelivered::new);
            report.undelivered.extend(items);
            report.still_running += left_over.running;
        }
        Ok(report)
    }

    /// Whether it was shut down, or is being shut down.
    pub fn is_closed(&self) -> bool {
        self.pool().is_closed()
    }

    /// The counters. Lock-free: one look at each, worker by worker, so not all of one moment.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for line in &self.pool().lines {
            let counts = line.counts();
            stats.pushed += counts.pushed;
            stats.delivered += counts.delivered;
            stats.panicked += counts.panicked;
            stats.dropped += counts.dropped;
            stats.rejected += counts.rejected;
            stats.undelivered += counts.undelivered;
            stats.running += counts.running;
            stats.depth += counts.depth;
        }
        // Relaxed: a statistic. Row F3.
        stats.rejected += self.pool().refused_after_fork.load(Ordering::Relaxed);
        stats
    }

    /// How many events wait for a worker: [`Stats::depth`].
    pub fn depth(&self) -> usize {
        self.stats().depth
    }

    /// How many were delivered: [`Stats::delivered`].
    pub fn delivered(&self) -> u64 {
        self.stats().delivered
    }

    /// How many the overflow policy dropped: [`Stats::dropped`].
    pub fn dropped(&self) -> u64 {
        self.stats().dropped
    }

    /// How many were refused: [`Stats::rejected`].
    pub fn rejected(&self) -> u64 {
        self.stats().rejected
    }

    /// How many deliveries ended in a panic: [`Stats::panicked`].
    pub fn panicked(&self) -> u64 {
        self.stats().panicked
    }

    /// The name, which errors and threads have.
    pub fn name(&self) -> &str {
        &self.pool().name
    }

    /// How many events each worker's line has room for, or the one that all workers share; `None`
    /// for any number.
    pub fn capacity(&self) -> Option<usize> {
        self.pool().capacity
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.pool().workers
    }

    /// What it does when it is full.
    pub fn overflow(&self) -> Overflow {
        self.pool().overflow
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("name", &self.name())
            .field("capacity", &self.capacity())
            .field("workers", &self.workers())
            .field("overflow", &self.overflow())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What a queue has done so far: see [`Queue::stats`].
///
/// `delivered + dropped + undelivered + depth + running` is never more than `pushed`, and is
/// equal to it while nobody is pushing and no worker is between two events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events given to it, one for each receiver, that it did not refuse with an error.
    pub pushed: u64,
    /// Events whose receiver has returned or panicked.
    pub delivered: u64,
    /// Those of `delivered` whose receiver panicked.
    pub panicked: u64,
    /// Events that the policy dropped: [`Overflow::DropNewest`], [`Overflow::DropOldest`].
    pub dropped: u64,
    /// Events that were refused with a [`Error`]. They are not in `pushed`.
    pub rejected: u64,
    /// Events that a shutdown took out and returned.
    pub undelivered: u64,
    /// Events that wait for a worker.
    pub depth: usize,
    /// Receivers that run: one for each worker at most, or as many as its
    /// [`concurrency`](Builder::concurrency).
    pub running: usize,
}
