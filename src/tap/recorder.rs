//! An observer that keeps the last steps of each thread.

use std::cell::RefCell;
use std::fmt;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::context::Context;
use super::observer::{
    ObservedReceiver, ObservedSend, Observer, ReceiverChange, ReceiverEnd, SendEnd, SignalInfo,
};
use super::recorded::{self, Named, Names, RecordedThread, StepKind};
use super::ring::{Ring, Words};
use super::ways::Outcome;
use crate::lock::lock;

/// The number of threads that have ended whose steps are kept.
const ENDED_THREADS: usize = 16;
/// The number of receivers and signals that a thread finds by one look.
const KNOWN: usize = 1_024;
/// The number of steps for which one look at the clock serves. It takes longer than three steps.
const TIMED: u64 = 8;
/// The number of steps in the report of a panic.
const LAST_STEPS: usize = 32;

/// An observer that keeps the last sends and receiver calls of each thread, as a flight recorder
/// does.
///
/// Clones are handles to one recorder: attach one of them, and read by another. A thread's first
/// step allocates 256 KiB for its last 8,191 steps. A send and the call of a receiver are two steps
/// each, so these are the last 4,096 sends and receiver calls. Later steps allocate nothing, except
/// for the name of a receiver or signal that runs for the first time. A step costs a few
/// nanoseconds. The clock is read only at sends without a cause, and at most once in 8 steps.
///
/// The steps of a thread that has ended remain until 16 further threads have ended. If the
/// allocation fails, the process ends, as with any other allocation.
///
/// ```
/// use fanfare::Signal;
/// use fanfare::watch::{self, Recorder};
///
/// static SAVED: Signal<u32> = Signal::new();
///
/// let recorder = Recorder::new();
/// let _watch = watch::all(recorder.clone());
/// SAVED.options().name("index").connect(|_sender, _id| ());
/// SAVED.send(&7);
///
/// let threads = recorder.threads();
/// let steps: Vec<String> = threads[0].steps.iter().map(ToString::to_string).collect();
/// assert!(steps[1].contains("\"index\"") && steps[1].ends_with("started"), "{steps:?}");
/// ```
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    /// The number, which no other recorder of the process has or had.
    number: u64,
    started: Instant,
    threads: Mutex<Vec<Arc<Thread>>>,
    names: Mutex<Names>,
}

/// The steps of one thread.
struct Thread {
    id: ThreadId,
    name: String,
    ring: Ring,
}

/// The steps of a thread, as the thread itself holds them.
struct Own {
    recorder: u64,
    thread: Arc<Thread>,
    /// The number of steps at which the clock is read again.
    timed_until: u64,
    /// Receivers and signals whose names the recorder has.
    known: Box<[u64]>,
}

thread_local! {
    /// The steps of this thread, for each recorder.
    static OWN: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) };
}

impl Recorder {
    /// Returns a recorder, which keeps steps once it is attached.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Recorder(Arc::new(Shared {
            // Relaxed: each number is another one by the modification order of this counter alone.
            // Row W1.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            started: Instant::now(),
            threads: Mutex::default(),
            names: Mutex::default(),
        }))
    }

    /// Returns the steps of each thread, also of threads that have ended.
    pub fn threads(&self) -> Vec<RecordedThread> {
        let threads = lock(&self.0.threads).clone();
        let names = lock(&self.0.names);
        let threads = threads.iter().map(|thread| thread.recorded(&names));
        threads.collect()
    }

    /// Adds a report of this recorder to each report of a panic in the process.
    ///
    /// The former panic hook runs first. Then the last 32 steps of the thread that panics are
    /// written to stderr, and the chain of the receivers that caused them. Nothing is written for a
    /// thread without steps, or once the last handle of the recorder was dropped.
    ///
    /// ```no_run
    /// use fanfare::watch::{self, Recorder};
    ///
    /// let recorder = Recorder::new();
    /// recorder.install_panic_hook();
    /// watch::all(recorder).forget();
    /// ```
    pub fn install_panic_hook(&self) {
        let recorder = Arc::downgrade(&self.0);
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            former(panic);
            Shared::report(&recorder);
        }));
    }

    /// Returns the last steps of this thread and the chain of their causes, as the panic hook
    /// writes them. The text is empty for a thread without steps.
    pub fn last_steps(&self) -> String {
        self.0.last_steps().unwrap_or_default()
    }

    /// Adds a step of this thread.
    #[inline]
    fn push(&self, words: Words) {
        self.with_own(|own| own.thread.ring.push(words));
    }

    /// Adds a step of this thread, and the name of its signal or receiver if it has none.
    #[inline]
    fn push_named(&self, words: Words, key: u64, name: impl FnOnce() -> Named) {
        self.with_own(|own| {
            own.know(&self.0, key, name);
            own.thread.ring.push(words);
        });
    }

    #[inline]
    fn with_own(&self, run: impl FnOnce(&mut Own)) {
        // A thread that ends keeps no more steps.
        let _ = OWN.try_with(|all| {
            let mut all = all.borrow_mut();
            match all.iter_mut().find(|own| own.recorder == self.0.number) {
                Some(own) => run(own),
                None => run(self.0.begin(&mut all)),
            }
        });
    }
}

impl Own {
    /// Gives the recorder the name of a receiver or signal that the thread does not know.
    #[inline]
    fn know(&mut self, shared: &Shared, key: u64, name: impl FnOnce() -> Named) {
        let known = &mut self.known[key as usize % KNOWN];
        if *known != key {
            *known = key;
            shared.learn(key, name);
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Shared {
    /// Begins to keep the steps of this thread.
    #[cold]
    fn begin<'o>(&self, all: &'o mut Vec<Own>) -> &'o mut Own {
        let current = thread::current();
        let thread = Arc::new(Thread {
            id: current.id(),
            name: current
                .name()
                .unwrap_or("a thread without a name")
                .to_owned(),
            ring: Ring::new(),
        });
        let mut threads = lock(&self.threads);
        // The thread has one handle to its steps, and this list has the other.
        let mut surplus = threads
            .iter()
            .filter(|it| Arc::strong_count(it) == 1)
            .count();
        threads.retain(|it| {
            let is_surplus = surplus > ENDED_THREADS && Arc::strong_count(it) == 1;
            surplus -= usize::from(is_surplus);
            !is_surplus
        });
        threads.push(Arc::clone(&thread));
        drop(threads);
        // Those that only this thread holds are of recorders that have been dropped.
        all.retain(|own| Arc::strong_count(&own.thread) > 1);
        all.push(Own {
            recorder: self.number,
            thread,
            timed_until: 0,
            known: vec![u64::MAX; KNOWN].into(),
        });
        all.last_mut().expect("it was added")
    }

    #[cold]
    fn learn(&self, key: u64, name: impl FnOnce() -> Named) {
        lock(&self.names).learn(key, name);
    }

    /// Writes the last steps of this thread to stderr. Does not wait for locks, because the thread
    /// may have them.
    fn report(recorder: &Weak<Self>) {
        if let Some(text) = recorder
            .upgrade()
            .and_then(|recorder| recorder.last_steps())
        {
            // A failure is ignored: there is no other place to report it.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }

    fn last_steps(&self) -> Option<String> {
        fn free<T>(locked: &Mutex<T>) -> Option<std::sync::MutexGuard<'_, T>> {
            match locked.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
        let threads = free(&self.threads)?.clone();
        let names = free(&self.names)?;
        let current = thread::current().id();
        let own = threads.iter().find(|thread| thread.id == current)?;
        let steps = own.recorded(&names).steps;
        let first = steps.len().saturating_sub(LAST_STEPS);
        let mut text = format!("the last steps of thread {:?}:\n", own.name);
        for step in &steps[first..] {
            text += &format!("  {step}\n");
        }
        // A send may have been made by another thread.
        let all = threads
            .iter()
            .flat_map(|thread| thread.recorded(&names).steps);
        let sends: Vec<_> = all
            .filter(|step| step.kind == StepKind::SendStarted)
            .collect();
        let current = Context::current().cause();
        let mut cause = current.map(|cause| (cause.send, cause.receiver));
        while let Some((send, receiver)) = cause {
            text += &format!("  caused by {} in {send}", names.receiver(receiver));
            let started = sends.iter().find(|step| step.send == send);
            text += &started.map_or(String::new(), |started| format!(" of {}", started.signal));
            text += "\n";
            cause = started.and_then(|started| started.cause);
        }
        Some(text)
    }
}

impl Thread {
    fn recorded(&self, names: &Names) -> RecordedThread {
        RecordedThread {
            name: self.name.clone(),
            steps: names.steps(self.ring.read()),
        }
    }
}

fn named(receiver: &ObservedReceiver<'_>) -> Named {
    Named {
        name: (&*receiver.name()).into(),
        location: Some(receiver.location()),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Observer for Recorder {
    fn send_started(&self, send: &ObservedSend<'_>) {
        self.push_send(send, send.cause());
    }

    fn send_ended(&self, send: &ObservedSend<'_>, end: &SendEnd) {
        let cut_off = u64::from(end.cut_off);
        let first = recorded::first_word(recorded::SEND_ENDED, cut_off, send.signal);
        self.push([first, send.id.number(), 0, end.reached as u64]);
    }

    fn receiver_started(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        self.push_receiver(recorded::RECEIVER_STARTED, 0, send, receiver);
    }

    fn receiver_ended(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        let outcome = match end.outcome {
            Outcome::Returned => 0,
            Outcome::Panicked => 1,
            Outcome::Dropped => 2,
            Outcome::Failed => 3,
        };
        let first = recorded::first_word(recorded::RECEIVER_ENDED, outcome, send.signal);
        let took = end.duration.map_or(0, nanos);
        self.push([first, send.id.number(), receiver.id().number(), took]);
    }

    fn receiver_queued(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        accepted: bool,
    ) {
        self.push_receiver(recorded::QUEUED, accepted.into(), send, receiver);
    }

    fn event_discarded(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        self.push_receiver(recorded::DISCARDED, 0, send, receiver);
    }

    fn over_budget(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        duration: Duration,
    ) {
        let first = recorded::first_word(recorded::OVER_BUDGET, 0, send.signal);
        let took = nanos(duration);
        self.push([first, send.id.number(), receiver.id().number(), took]);
    }

    fn receiver_changed(
        &self,
        _signal: &SignalInfo,
        receiver: &ObservedReceiver<'_>,
        change: ReceiverChange,
    ) {
        if change != ReceiverChange::Connected {
            lock(&self.0.names).forget_later(receiver.id());
        }
    }

    fn wants_durations(&self) -> bool {
        false
    }
}

impl Recorder {
    /// Adds the start of a send. If it has no cause, the time is added before it, unless one of the
    /// last steps is a time.
    #[inline]
    fn push_send(&self, send: &ObservedSend<'_>, cause: Option<Cause>) {
        let first = recorded::first_word(recorded::SEND_STARTED, 0, send.signal);
        let [receiver, by] = cause.map_or([0, 0], |cause| {
            [cause.receiver.number(), cause.send.number()]
        });
        let key = recorded::signal_key(send.signal.number);
        self.with_own(|own| {
            let steps = own.thread.ring.written();
            if cause.is_none() && steps >= own.timed_until {
                own.timed_until = steps + TIMED;
                let now = nanos(self.0.started.elapsed());
                own.thread.ring.push([recorded::TIME, now, 0, 0]);
            }
            own.know(&self.0, key, || Named {
                name: send.signal.name().into(),
                location: None,
            });
            let words = [first, send.id.number(), receiver, by];
            own.thread.ring.push(words);
        });
    }

    fn push_receiver(
        &self,
        kind: u64,
        detail: u64,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
    ) {
        let id = receiver.id();
        let first = recorded::first_word(kind, detail, send.signal);
        let words = [first, send.id.number(), id.number(), 0];
        self.push_named(words, recorded::receiver_key(id), || named(receiver));
    }
}
