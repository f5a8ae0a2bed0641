//! Background delivery: receivers that run on a queue's own threads.
//!
//! * here: `Queue`, which users hold, and what the dispatcher gives it.
//! * `connect`: connecting receivers that run here.
//! * `line`: what decides about concurrency.
//! * `worker`: the threads.
//! * `shutdown`, `error`: what is left, and what goes wrong.

mod connect;
mod error;
pub(crate) mod line;
mod shutdown;
pub(crate) mod sync;
#[cfg(test)]
mod tests;
mod worker;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::receiver::ReceiverId;
use crate::report;
use crate::sender::SenderKey;
use crate::table::sync::lock;

pub use connect::{QueueAnswer, QueuedOptions};
pub(crate) use connect::{Shared, enqueue, unpack};
pub use error::{QueueError, QueueWaitError};
pub use line::Overflow;
pub use shutdown::{ShutdownReport, Undelivered};

use line::{Line, Pushed, Refusal};

/// What a worker runs: one receiver with what one send gave it.
pub(crate) struct Job {
    pub(crate) receiver: Arc<dyn Deliver>,
    pub(crate) sent: Arc<dyn Any + Send + Sync>,
}

/// A queued receiver.
pub(crate) trait Deliver: Send + Sync {
    /// Runs the receiver. May panic: the worker catches and reports it.
    fn deliver(&self, sent: &(dyn Any + Send + Sync));

    fn id(&self) -> ReceiverId;

    fn name(&self) -> Cow<'static, str>;
}

/// What all queued receivers of one send share.
pub(crate) struct Sent<E> {
    pub(crate) sender: Option<SenderKey>,
    pub(crate) event: E,
}

/// Worker threads, and a line of events for each, on which receivers run in the background.
///
/// A cheap handle: clones are of the same queue. One queue may serve receivers of any number
/// of signals.
///
/// **Order.** With one worker, which is the default, each receiver gets its events in the
/// order in which they were sent, one at a time, and so do all receivers of the queue
/// together. With several, each receiver and sender have a worker of their own choosing that
/// stays the same: a receiver gets the events of one sender in order, and those of different
/// senders maybe at the same time. "In the order" is by *happens before*.
///
/// **Room.** Each worker's line has room for [`capacity`](QueueBuilder::capacity) events, what
/// the worker is running not counted. What happens when it is full is the queue's
/// [`Overflow`].
///
/// **Panics.** One in a receiver is caught, counted and, with the feature `tracing`, reported
/// once. The worker goes on. So it does when an event's or a receiver's destructor panics.
///
/// **The end.** Nothing that was accepted is lost silently. [`shutdown`](Queue::shutdown)
/// delivers what is inside and returns what it could not deliver in time. Without it, a queue
/// lives until everything inside has been delivered: an event in it holds its receiver, and
/// that holds a handle. So a program that forgets the shutdown gets all of its work done, and
/// not a part of it. Where the last handle is dropped, the queue accepts nothing more, and the
/// drop waits until the worker threads have ended; but not where it is dropped on one of these,
/// and not after a shutdown.
///
/// A `static` is never dropped, nor are the handles of the receivers that are connected to it.
/// So **before `main` returns, call `shutdown` or [`flush`](Queue::flush)**, or the process ends
/// with events undelivered.
///
/// ```
/// use fanfare::{Overflow, Queue};
///
/// let queue = Queue::builder().name("mail").capacity(64).overflow(Overflow::Reject).build()?;
/// assert_eq!((queue.name(), queue.workers(), queue.capacity()), ("mail", 1, Some(64)));
/// queue.flush().unwrap();
/// assert_eq!(queue.stats().pushed, 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Queue(Arc<Handle>);

/// What the handles of one queue share.
struct Handle {
    pool: Arc<Pool>,
    /// Until a shutdown: after one, nobody waits for them.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the handles share with the workers.
struct Pool {
    name: Arc<str>,
    capacity: Option<usize>,
    overflow: Overflow,
    /// One for each worker.
    lines: Box<[Line<Job>]>,
}

impl Queue {
    /// A queue with one worker and room for so many events, whose senders wait when it is
    /// full: `Queue::builder().capacity(capacity).build()`.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    #[track_caller]
    pub fn bounded(capacity: usize) -> io::Result<Self> {
        Queue::builder().capacity(capacity).build()
    }

    /// Starts the description of a queue.
    pub fn builder() -> QueueBuilder {
        QueueBuilder {
            name: String::from("queue"),
            capacity: Some(DEFAULT_CAPACITY),
            workers: 1,
            overflow: Overflow::default(),
            #[cfg(feature = "tokio")]
            runtime: None,
        }
    }

    /// Gives a job to the worker that `lane` leads to. Allocates nothing while there is room
    /// in a bounded line, and takes no lock but that of a worker that sleeps.
    #[inline]
    pub(crate) fn push(&self, lane: u64, job: Job) -> Result<(), QueueError> {
        let pool = &*self.0.pool;
        let line = match &*pool.lines {
            [only] => only,
            // The remainder fits: it is less than a length.
            lines => &lines[(lane % lines.len() as u64) as usize],
        };
        let may_wait = || !worker::is_worker_of(pool);
        match line.push(job, pool.overflow, may_wait) {
            Pushed::Accepted => Ok(()),
            other => pool.not_simply(other),
        }
    }

    /// Whether this thread is one of its workers.
    pub(crate) fn is_inside_worker(&self) -> bool {
        worker::is_worker_of(&self.0.pool)
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
    /// [`QueueWaitError::InsideWorker`], at once, on a worker of this queue. Two queues whose
    /// receivers flush each other are not noticed, and wait for ever.
    pub fn flush(&self) -> Result<(), QueueWaitError> {
        self.flush_timeout(Duration::MAX)
    }

    /// As [`flush`](Queue::flush), but gives up when the time is up. [`Duration::ZERO`] looks
    /// once; a time too long for the clock is no limit.
    ///
    /// # Errors
    ///
    /// [`QueueWaitError::Timeout`]; otherwise as `flush`.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), QueueWaitError> {
        let pool = &self.0.pool;
        pool.check_not_inside()?;
        let deadline = Instant::now().checked_add(timeout);
        if pool.lines.iter().all(|line| line.flush(deadline)) {
            Ok(())
        } else {
            Err(QueueWaitError::Timeout {
                queue: Arc::clone(&pool.name),
                waited: timeout,
            })
        }
    }

    /// Ends the queue: it accepts nothing more, delivers what is inside until the time is up,
    /// and returns what is left. The workers end.
    ///
    /// Blocking, for the timeout at most, and a moment for senders that are just pushing.
    /// Senders that wait for room, and all that come later, get [`QueueError::Closed`]. A
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
    /// [`QueueWaitError::InsideWorker`], at once, on a worker of this queue; nothing is shut
    /// down.
    ///
    /// ```
    /// use fanfare::{Queue, Sender, Signal};
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
    /// ORDERED.send(Sender::NONE, &"tea".to_string());
    /// ORDERED.send(Sender::NONE, &"milk".to_string());
    /// has_started.recv().unwrap();
    /// let report = queue.shutdown(Duration::ZERO).unwrap();
    /// assert_eq!(report.still_running, 1);
    /// assert_eq!(report.undelivered[0].event::<String>().unwrap(), "milk");
    /// drop(release);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, timeout: Duration) -> Result<ShutdownReport, QueueWaitError> {
        let pool = &self.0.pool;
        pool.check_not_inside()?;
        let deadline = Instant::now().checked_add(timeout);
        pool.close();
        // The workers end by themselves. That of a receiver which outlives the timeout is
        // waited for by nobody.
        let threads = mem::take(&mut *lock(&self.0.threads));
        drop(threads);
        let mut report = ShutdownReport::default();
        if pool.lines.iter().all(|line| line.wait_settled(deadline)) {
            return Ok(report);
        }
        for line in &pool.lines {
            let left_over = line.give_up();
            let items = left_over.items.into_iter().map(Undelivered::new);
            report.undelivered.extend(items);
            report.still_running += usize::from(left_over.running);
        }
        Ok(report)
    }

    /// Whether it was shut down, or is being shut down.
    pub fn is_closed(&self) -> bool {
        self.0.pool.lines.iter().all(Line::is_closed)
    }

    /// The counters. Lock-free: one look at each, worker by worker, so not all of one moment.
    pub fn stats(&self) -> QueueStats {
        let mut stats = QueueStats::default();
        for line in &self.0.pool.lines {
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
        stats
    }

    /// How many events wait for a worker: [`QueueStats::depth`].
    pub fn depth(&self) -> usize {
        self.stats().depth
    }

    /// How many were delivered: [`QueueStats::delivered`].
    pub fn delivered(&self) -> u64 {
        self.stats().delivered
    }

    /// How many the overflow policy dropped: [`QueueStats::dropped`].
    pub fn dropped(&self) -> u64 {
        self.stats().dropped
    }

    /// How many were refused: [`QueueStats::rejected`].
    pub fn rejected(&self) -> u64 {
        self.stats().rejected
    }

    /// How many deliveries ended in a panic: [`QueueStats::panicked`].
    pub fn panicked(&self) -> u64 {
        self.stats().panicked
    }

    /// The name, which errors and threads have.
    pub fn name(&self) -> &str {
        &self.0.pool.name
    }

    /// How many events each worker's line has room for; `None` for any number.
    pub fn capacity(&self) -> Option<usize> {
        self.0.pool.capacity
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.0.pool.lines.len()
    }

    /// What it does when it is full.
    pub fn overflow(&self) -> Overflow {
        self.0.pool.overflow
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

impl Pool {
    /// What is left to do where a push was not simply accepted.
    #[cold]
    fn not_simply(&self, pushed: Pushed<Job>) -> Result<(), QueueError> {
        match pushed {
            Pushed::Accepted => Ok(()),
            Pushed::Displaced { oldest, more } => {
                worker::discard(oldest);
                more.into_iter().for_each(worker::discard);
                Ok(())
            }
            Pushed::Dropped(job) => {
                worker::discard(job);
                Ok(())
            }
            Pushed::Refused(why, job) => {
                worker::discard(job);
                Err(self.error(why))
            }
        }
    }

    fn error(&self, why: Refusal) -> QueueError {
        let queue = Arc::clone(&self.name);
        // Without a capacity a line is never full.
        let capacity = self.capacity.unwrap_or(usize::MAX);
        match why {
            Refusal::Full => QueueError::Full { queue, capacity },
            Refusal::Closed => QueueError::Closed { queue },
            Refusal::WouldWait => QueueError::WouldDeadlock { queue, capacity },
        }
    }

    fn check_not_inside(&self) -> Result<(), QueueWaitError> {
        if worker::is_worker_of(self) {
            let queue = Arc::clone(&self.name);
            return Err(QueueWaitError::InsideWorker { queue });
        }
        Ok(())
    }

    fn close(&self) {
        self.lines.iter().for_each(Line::close);
    }
}

impl Drop for Handle {
    /// Nobody has a handle, so nobody pushes. The workers deliver what is inside, and end.
    fn drop(&mut self) {
        self.pool.close();
        if worker::is_worker_of(&self.pool) {
            return;
        }
        let threads = mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // A worker catches all that might panic in it.
            if let Err(payload) = thread.join() {
                report::discard(payload);
            }
        }
    }
}

/// What a queue has done so far: see [`Queue::stats`].
///
/// `delivered + dropped + undelivered + depth + running` is never more than `pushed`, and is
/// equal to it while nobody is pushing and no worker is between two events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Events given to it, one for each receiver, that it did not refuse with an error.
    pub pushed: u64,
    /// Events whose receiver has returned or panicked.
    pub delivered: u64,
    /// Those of `delivered` whose receiver panicked.
    pub panicked: u64,
    /// Events that the policy dropped: [`Overflow::DropNewest`], [`Overflow::DropOldest`].
    pub dropped: u64,
    /// Events that were refused with a [`QueueError`]. They are not in `pushed`.
    pub rejected: u64,
    /// Events that a shutdown took out and returned.
    pub undelivered: u64,
    /// Events that wait for a worker.
    pub depth: usize,
    /// Receivers that run, one for each worker at most.
    pub running: usize,
}

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
    /// receivers ([`QueuedOptions::connect_async`]) have its timers, its input and output,
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
        let queue = Queue(Arc::new(Handle {
            pool: Arc::new(Pool {
                name: self.name.into(),
                capacity: self.capacity,
                overflow: self.overflow,
                lines: (0..self.workers).map(line).collect(),
            }),
            threads: Mutex::new(Vec::with_capacity(self.workers)),
        }));
        for line in 0..self.workers {
            let pool = Arc::clone(&queue.0.pool);
            let name = format!("{}-{line}", pool.name);
            #[cfg(feature = "tokio")]
            let runtime = self.runtime.clone();
            let thread = thread::Builder::new().name(name).spawn(move || {
                #[cfg(feature = "tokio")]
                let _entered = runtime.as_ref().map(|runtime| runtime.enter());
                worker::run(&pool, line);
            })?;
            lock(&queue.0.threads).push(thread);
        }
        Ok(queue)
    }
}
