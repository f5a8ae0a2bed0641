//! Background delivery: receivers that run on the threads of a [`Queue`].
//!
//! A send gives the event to the queue and does not wait for the receiver, except if the queue is
//! full and its [`Overflow`] policy is to block.
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
// * here: `Queue`, the handle of users. `builder`: its description.
// * `connect`: connecting receivers that run on a queue. `callee`: their callables, which hand
//   events to the queue. `response`: their responses. `kept`: the events that they can get.
// * `job`: one run of a receiver.
// * `pool`: the state that the handles and the workers of a queue share.
// * `line`: the decisions about concurrency. `intake`: the verdict of a full queue.
// * `worker`: the threads. `concurrent`: the threads of a worker that drives several futures.
// * `shutdown`, `error`: the events that are left, and the errors.
// * `stream`: events that an async consumer awaits, without a queue. `buffer`: their state.

#[cfg(feature = "async")]
mod buffer;
mod builder;
pub(crate) mod callee;
#[cfg(feature = "async")]
mod concurrent;
mod connect;
mod error;
mod intake;
mod job;
mod kept;
pub(crate) mod line;
mod pool;
mod response;
mod shutdown;
#[cfg(feature = "async")]
mod stream;
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
pub use kept::Keeps;
pub use line::Overflow;
pub(crate) use pool::Handle;
pub use response::Response;
pub use shutdown::{ShutdownReport, Undelivered};
#[cfg(feature = "async")]
pub use stream::{EventStream, NextEvent};

use pool::{Pool, Users};

/// Worker threads, and a line of events for each, on which receivers run in the background.
///
/// A `Queue` is a cheap handle. Its clones are handles of the same queue. One queue may serve
/// receivers of any number of signals.
///
/// **Order.** With one worker, which is the default, each receiver gets its events in the order in
/// which they were sent, one at a time. So do all receivers of the queue together. With several
/// workers, each pair of a receiver and a sender has one worker that stays the same. A receiver
/// then gets the events of one sender in order. It may get events of different senders at the same
/// time. "In the order" is by *happens before*. A queue that is [`unordered`](Builder::unordered),
/// or whose workers drive [several futures](Builder::concurrency) at a time, starts the events of a
/// line in this order and runs them at the same time.
///
/// **Room.** Each worker's line has room for [`capacity`](Builder::capacity) events. The events
/// that the worker is running do not count. The workers of an unordered queue share one line. The
/// queue's [`Overflow`] policy decides about an event for which there is no room.
///
/// **Panics.** A panic in a receiver is caught, counted and, with the feature `tracing`, reported
/// once. The worker goes on. It also goes on if the destructor of an event or of a receiver panics.
///
/// **The end.** [`shutdown`](Queue::shutdown) delivers the events that are inside and returns the
/// events that it could not deliver in time. Without a shutdown, dropping the last `Queue` that the
/// program holds [flushes](Queue::flush): the drop waits until the events inside have been
/// delivered, however long the receivers take. The receivers stay connected, and the workers
/// continue to serve them. When the receivers have been dropped as well, the worker threads end.
///
/// **Events that are still inside when the process ends are lost without a report.** So keep a
/// `Queue` until `main` returns, or call `shutdown` or `flush` there. A drop does not wait after a
/// shutdown, on a worker of the queue, where `flush` would be refused, or if the `Queue` is in a
/// `static` or in a receiver.
///
/// **`fork`.** The worker threads do not exist in a child of `fork`. There the queue refuses each
/// event with [`Error::Forked`], whatever its overflow policy, `flush` and `shutdown` return
/// [`WaitError::Forked`], and drops do not wait. The parent delivers the events that were inside at
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
    /// Returns the handle that the receivers hold.
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.0.0
    }

    fn pool(&self) -> &Pool {
        &self.handle().pool
    }

    /// Waits until every event that was accepted before the call has been delivered, or dropped by
    /// the overflow policy, or returned by a shutdown.
    ///
    /// "Before" is *happens before*. The effects of the deliveries happen before the return.
    ///
    /// The call blocks for as long as the receivers take. It may also wait for some of the events
    /// that are sent during the call, by receivers too, but it ends however many follow. In a queue
    /// that is being shut down it waits for all of them. Any number of threads may flush at a time.
    /// Events that a receiver sends to *another* queue belong to that queue: flush it after this
    /// one.
    ///
    /// # Errors
    ///
    /// Returns [`WaitError::InsideWorker`] at once on a worker of this queue. Returns
    /// [`WaitError::OnItsRuntime`] at once if the queue is `on_tokio` and this is the one thread
    /// that drives that runtime. Returns [`WaitError::Forked`] at once in a child of `fork`, if the
    /// queue was made before. Two queues whose receivers flush each other are not detected, and
    /// wait forever.
    pub fn flush(&self) -> Result<(), WaitError> {
        self.flush_timeout(Duration::MAX)
    }

    /// Does the same as [`flush`](Queue::flush), but gives up when the time is up.
    ///
    /// [`Duration::ZERO`] checks once. A time that is too long for the clock is no limit.
    ///
    /// # Errors
    ///
    /// Returns [`WaitError::Timeout`] if the time was up. The other errors are those of `flush`.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), WaitError> {
        self.pool().flush(timeout)
    }

    /// Ends the queue: it accepts no more events, delivers the events inside until the time is up,
    /// and returns the rest. The workers end.
    ///
    /// The call blocks for the timeout at most, and for a moment more if senders are just pushing.
    /// Senders that wait for room, and all that come later, get [`Error::Closed`]. A receiver that
    /// still runs when the time is up is not interrupted, and is counted in
    /// [`still_running`](ShutdownReport::still_running). No receiver is started after that. With
    /// [`Duration::ZERO`] no more events are delivered. A time that is too long for the clock is no
    /// limit.
    ///
    /// A second call does not return events that the first one returned, and waits only for the
    /// receivers that still run. If several calls run at the same time, the first to run out of
    /// time ends the delivery. Each undelivered event is in the report of one of them.
    ///
    /// # Errors
    ///
    /// Returns [`WaitError::InsideWorker`], [`WaitError::OnItsRuntime`] and [`WaitError::Forked`]
    /// at once, as [`flush`](Queue::flush) does. The queue is then not shut down.
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
        // The workers end by themselves. The worker of a receiver that outlives the timeout is not
        // waited for.
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

    /// Returns `true` if the queue was shut down, or is being shut down.
    pub fn is_closed(&self) -> bool {
        self.pool().is_closed()
    }

    /// Returns the counters.
    ///
    /// The call is lock-free. It reads each counter once, worker by worker, so the numbers are not
    /// all of one moment.
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

    /// Returns the number of events that wait for a worker: [`Stats::depth`].
    pub fn depth(&self) -> usize {
        self.stats().depth
    }

    /// Returns the number of events that were delivered: [`Stats::delivered`].
    pub fn delivered(&self) -> u64 {
        self.stats().delivered
    }

    /// Returns the number of events that the overflow policy dropped: [`Stats::dropped`].
    pub fn dropped(&self) -> u64 {
        self.stats().dropped
    }

    /// Returns the number of events that were refused: [`Stats::rejected`].
    pub fn rejected(&self) -> u64 {
        self.stats().rejected
    }

    /// Returns the number of deliveries that ended in a panic: [`Stats::panicked`].
    pub fn panicked(&self) -> u64 {
        self.stats().panicked
    }

    /// Returns the name, which errors and threads have.
    pub fn name(&self) -> &str {
        &self.pool().name
    }

    /// Returns the number of events for which each worker's line has room, or the one line that all
    /// workers share. Returns `None` if there is room for any number.
    pub fn capacity(&self) -> Option<usize> {
        self.pool().capacity
    }

    /// Returns the number of workers.
    pub fn workers(&self) -> usize {
        self.pool().workers
    }

    /// Returns the policy for events that find the queue full.
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

/// The counters of a queue: see [`Queue::stats`].
///
/// `delivered + dropped + undelivered + depth + running` is never more than `pushed`, and is equal
/// to it while no thread is pushing and no worker is between two events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events given to the queue, one for each receiver, that it did not refuse with an error.
    pub pushed: u64,
    /// Events whose receiver has returned or panicked.
    pub delivered: u64,
    /// The events in `delivered` whose receiver panicked.
    pub panicked: u64,
    /// Events that the policy dropped: [`Overflow::DropNewest`], [`Overflow::DropOldest`].
    pub dropped: u64,
    /// Events that were refused with a [`Error`]. They are not in `pushed`.
    pub rejected: u64,
    /// Events that a shutdown took out and returned.
    pub undelivered: u64,
    /// Events that wait for a worker.
    pub depth: usize,
    /// Receivers that run: at most one for each worker, or as many as its
    /// [`concurrency`](Builder::concurrency).
    pub running: usize,
}
