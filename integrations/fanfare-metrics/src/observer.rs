//! The observer, which counts on the thread on which a step happens.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare::ReceiverId;
use fanfare::watch::{
    ObservedReceiver, ObservedSend, Observer, Outcome, ReceiverChange, ReceiverEnd, SendEnd,
    SendId, SendWay, SignalInfo,
};
use quanta::Clock;

use crate::cells::{ReceiverCells, SignalCells};

/// The number of maps of async receivers that run.
const SHARDS: usize = 16;
/// The number of receivers whose starts a thread remembers. Nested sends are rarely deeper.
const NESTED: usize = 1_024;

/// An observer that counts sends and receivers.
///
/// Clones are handles to the same counts: attach one of them with [`fanfare::watch::all`] or
/// [`fanfare::watch::signal`], and let another [`report`](Metrics::report).
#[derive(Clone)]
pub struct Metrics(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    /// The number, which no other `Metrics` of the process has or had.
    number: u64,
    pub(crate) clock: Clock,
    pub(crate) series: Mutex<Vec<Series>>,
    /// The receivers that were disconnected since the last report.
    pub(crate) gone: Mutex<Vec<ReceiverId>>,
    /// The starts of receivers of async sends, by their sends.
    awaited: [Mutex<HashMap<(SendId, ReceiverId), u64>>; SHARDS],
}

/// Counts of one thread, with their labels.
pub(crate) struct Series {
    pub(crate) signal: Arc<str>,
    pub(crate) counts: Counts,
    pub(crate) reported: Reported,
}

/// The counts that were reported.
#[derive(Default)]
pub(crate) struct Reported {
    pub(crate) counts: [u64; 4],
    pub(crate) times: Vec<u64>,
}

pub(crate) enum Counts {
    Signal(Arc<SignalCells>),
    Receiver {
        id: ReceiverId,
        name: Arc<str>,
        cells: Arc<ReceiverCells>,
    },
}

/// The counts of a thread, as the thread itself holds them.
struct Own {
    metrics: u64,
    signals: ByNumber<u64, Arc<SignalCells>>,
    receivers: ByNumber<ReceiverId, Arc<ReceiverCells>>,
    /// The receivers that run on this thread, innermost last, with the ticks at their starts.
    running: Vec<(SendId, ReceiverId, u64)>,
}

thread_local! {
    static OWN: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) };
}

type ByNumber<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// A hasher of numbers that are counted up.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Locks, and ignores that a thread has panicked under the lock: each change is one whole step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Returns an observer that counts once it is attached. The first call in a process takes some
    /// milliseconds, because it measures the clock.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Metrics(Arc::new(Shared {
            // Relaxed: each number is another one by the modification order of this counter alone.
            // Row N2.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            clock: Clock::new(),
            series: Mutex::default(),
            gone: Mutex::default(),
            awaited: Default::default(),
        }))
    }

    #[inline]
    fn with_own(&self, run: impl FnOnce(&mut Own)) {
        // A thread that ends counts no more.
        let _ = OWN.try_with(|all| {
            let mut all = all.borrow_mut();
            if let Some(own) = all.iter_mut().find(|own| own.metrics == self.0.number) {
                return run(own);
            }
            all.push(Own {
                metrics: self.0.number,
                signals: HashMap::default(),
                receivers: HashMap::default(),
                running: Vec::with_capacity(NESTED),
            });
            run(all.last_mut().expect("it was added"));
        });
    }

    fn awaited(&self, send: SendId) -> MutexGuard<'_, HashMap<(SendId, ReceiverId), u64>> {
        let mut hasher = NumberHasher::default();
        send.hash(&mut hasher);
        let shard = (hasher.finish() >> 32) as usize % SHARDS;
        lock(&self.0.awaited[shard])
    }
}

impl Own {
    #[inline]
    fn signal(&mut self, shared: &Shared, signal: &SignalInfo) -> &SignalCells {
        let number = signal.number();
        self.signals.entry(number).or_insert_with(|| {
            let cells = Arc::<SignalCells>::default();
            lock(&shared.series).push(Series {
                signal: signal.name().into(),
                counts: Counts::Signal(Arc::clone(&cells)),
                reported: Reported::default(),
            });
            cells
        })
    }

    #[inline]
    fn receiver(
        &mut self,
        shared: &Shared,
        signal: &SignalInfo,
        receiver: &ObservedReceiver<'_>,
    ) -> &ReceiverCells {
        let id = receiver.id();
        if !self.receivers.contains_key(&id) {
            self.add_receiver(shared, signal, receiver);
        }
        &self.receivers[&id]
    }

    #[cold]
    fn add_receiver(
        &mut self,
        shared: &Shared,
        signal: &SignalInfo,
        receiver: &ObservedReceiver<'_>,
    ) {
        self.receivers.retain(|_, cells| !cells.is_gone());
        let cells = Arc::new(ReceiverCells::new());
        lock(&shared.series).push(Series {
            signal: signal.name().into(),
            counts: Counts::Receiver {
                id: receiver.id(),
                name: (&*receiver.name()).into(),
                cells: Arc::clone(&cells),
            },
            reported: Reported::default(),
        });
        self.receivers.insert(receiver.id(), cells);
    }

    /// Returns the ticks at the start of a receiver that has ended.
    #[inline]
    fn started(&mut self, send: SendId, receiver: ReceiverId) -> Option<u64> {
        let is_it = |it: &(SendId, ReceiverId, u64)| it.0 == send && it.1 == receiver;
        let at = self.running.iter().rposition(is_it)?;
        Some(self.running.remove(at).2)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Returns `true` if a receiver of the send may end on another thread than the one on which it
/// started, or after others that started later.
fn may_change_threads(send: &ObservedSend<'_>) -> bool {
    matches!(send.way(), SendWay::Async | SendWay::Durable)
}

impl Observer for Metrics {
    fn send_ended(&self, send: &ObservedSend<'_>, end: &SendEnd) {
        self.with_own(|own| {
            let cells = own.signal(&self.0, send.signal());
            cells.ended.add_one();
            if end.reached == 0 {
                cells.unreached.add_one();
            }
            if end.cut_off {
                cells.cut_off.add_one();
            }
        });
    }

    fn receiver_started(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        if may_change_threads(send) {
            let key = (send.id(), receiver.id());
            self.awaited(send.id()).insert(key, self.0.clock.raw());
            return;
        }
        self.with_own(|own| {
            if own.running.len() == NESTED {
                own.running.remove(0);
            }
            let started = self.0.clock.raw();
            own.running.push((send.id(), receiver.id(), started));
        });
    }

    fn receiver_ended(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        let ended = self.0.clock.raw();
        let awaited = may_change_threads(send)
            .then(|| self.awaited(send.id()).remove(&(send.id(), receiver.id())))
            .flatten();
        self.with_own(|own| {
            let started = awaited.or_else(|| own.started(send.id(), receiver.id()));
            let cells = own.receiver(&self.0, send.signal(), receiver);
            if let Some(started) = started {
                cells.add_time(ended.saturating_sub(started));
            }
            if end.outcome != Outcome::Returned {
                cells.failed.add_one();
            }
        });
    }

    fn receiver_queued(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        accepted: bool,
    ) {
        self.with_own(|own| {
            let cells = own.receiver(&self.0, send.signal(), receiver);
            match accepted {
                true => cells.queued.add_one(),
                false => cells.refused.add_one(),
            }
        });
    }

    fn event_discarded(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        self.with_own(|own| {
            let cells = own.receiver(&self.0, send.signal(), receiver);
            cells.discarded.add_one();
        });
    }

    fn receiver_changed(
        &self,
        _signal: &SignalInfo,
        receiver: &ObservedReceiver<'_>,
        change: ReceiverChange,
    ) {
        if change != ReceiverChange::Connected {
            lock(&self.0.gone).push(receiver.id());
        }
    }

    fn wants_durations(&self) -> bool {
        false
    }
}
