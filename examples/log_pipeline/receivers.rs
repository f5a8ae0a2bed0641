//! The receivers that respond: one sync, three parallel, one async.

use crate::event::{CHUNK, Chunk, Failed, Finding, RECORD, Record};
use crate::options::Options;
use crate::parse::{Action, Moment, State};
use crate::tally::{Count, Tally};
use fanfare::responses::RobustResponses;
use fanfare::{BoxFuture, ReceiverId, Sender};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One line in `BUSY_EVERY` meets a busy index.
const BUSY_EVERY: u64 = 50;

pub(crate) struct Receivers {
    pub(crate) totals: Arc<Totals>,
    pub(crate) index: Arc<Index>,
}

impl Receivers {
    pub(crate) fn connect(options: &Options) -> Self {
        let receivers = Self {
            totals: Arc::default(),
            index: Arc::new(Index::new(options.index)),
        };
        RECORD
            .options()
            .name("totals")
            .connect_weak(&receivers.totals, Totals::add);
        RECORD
            .options()
            .name("index")
            .connect_weak_async(&receivers.index, Index::add);
        receivers
    }
}

/// Sync: what there was of each kind.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) tally: Tally,
    actions: [Count; Action::ALL.len()],
    states: [Count; State::ALL.len()],
    /// The earliest and the latest moment of the log.
    span: Mutex<Option<(Moment, Moment)>>,
}

impl Totals {
    fn add(&self, _sender: Sender<'_>, record: &Record) -> Result<(), Failed> {
        let turn = self.tally.begin();
        self.actions[record.action as usize].add(1);
        if let Some(state) = record.state {
            self.states[state as usize].add(1);
        }
        let mut span = lock(&self.span);
        let (first, last) = span.unwrap_or((record.moment, record.moment));
        *span = Some((first.min(record.moment), last.max(record.moment)));
        turn.delivered();
        Ok(())
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.actions.iter().map(Count::get);
        Action::ALL.map(Action::name).into_iter().zip(counts)
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.states.iter().map(Count::get);
        State::ALL.map(State::name).into_iter().zip(counts)
    }

    pub(crate) fn span(&self) -> Option<(Moment, Moment)> {
        *lock(&self.span)
    }
}

/// Async: stands for an index on another machine, which takes its time and now and then is busy.
pub(crate) struct Index {
    pub(crate) tally: Tally,
    latency: Duration,
    /// Package by package, the lines that are about it.
    postings: Mutex<HashMap<Arc<str>, Vec<u64>>>,
}

impl Index {
    fn new(latency: Duration) -> Self {
        Self {
            tally: Tally::default(),
            latency,
            postings: Mutex::default(),
        }
    }

    fn add<'a>(
        &'a self,
        _sender: Sender<'a>,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(async move {
            // Its destructor records the event if this future is dropped while it waits.
            let turn = self.tally.begin();
            tokio::time::sleep(self.latency).await;
            if record.number % BUSY_EVERY == 0 {
                turn.failed();
                return Err(Failed::Busy);
            }
            if let Some(package) = &record.package {
                let mut postings = lock(&self.postings);
                let lines = postings.entry(Arc::clone(package)).or_default();
                lines.push(record.number);
            }
            turn.delivered();
            Ok(())
        })
    }

    /// Returns the number of packages that it knows, and the number of lines about them.
    pub(crate) fn size(&self) -> (usize, usize) {
        let postings = lock(&self.postings);
        (postings.len(), postings.values().map(Vec::len).sum())
    }
}

/// The results of the receivers of [`CHUNK`], chunk by chunk. They run in parallel.
pub(crate) struct Digest {
    /// By receiver.
    pub(crate) tallies: Vec<(ReceiverId, &'static str, Tally)>,
    /// The checksum of the checksums of all chunks, in their order.
    pub(crate) checksum: u64,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    pub(crate) longest: usize,
    histogram: [u64; 256],
}

impl Digest {
    pub(crate) fn connect() -> Self {
        let checksum = CHUNK.options().name("checksum").connect(checksum);
        let lengths = CHUNK.options().name("lengths").connect(lengths);
        let bytes = CHUNK.options().name("bytes").connect(bytes);
        Self {
            tallies: vec![
                (checksum.id(), "checksum", Tally::default()),
                (lengths.id(), "lengths", Tally::default()),
                (bytes.id(), "bytes", Tally::default()),
            ],
            checksum: FNV_START,
            lines: 0,
            bytes: 0,
            longest: 0,
            histogram: [0; 256],
        }
    }

    pub(crate) fn add(&mut self, outcomes: &RobustResponses<Finding>) {
        for failure in outcomes.panics() {
            if let Some(tally) = self.tally(failure.receiver()) {
                tally.failed.add(1);
            }
        }
        for (receiver, finding) in outcomes.responses().pairs() {
            if let Some(tally) = self.tally(receiver) {
                tally.delivered.add(1);
            }
            match finding {
                Finding::Checksum(of_chunk) => {
                    self.checksum = fnv(self.checksum, &of_chunk.to_le_bytes());
                }
                Finding::Lengths {
                    lines,
                    bytes,
                    longest,
                } => {
                    self.lines += lines;
                    self.bytes += bytes;
                    self.longest = self.longest.max(*longest);
                }
                Finding::Bytes(histogram) => {
                    for (sum, count) in self.histogram.iter_mut().zip(histogram.iter()) {
                        *sum += count;
                    }
                }
            }
        }
    }

    fn tally(&self, receiver: ReceiverId) -> Option<&Tally> {
        let mut tallies = self.tallies.iter();
        tallies.find_map(|(id, _, tally)| (*id == receiver).then_some(tally))
    }

    /// Shannon's, in bits for each byte.
    pub(crate) fn entropy(&self) -> f64 {
        let all: u64 = self.histogram.iter().sum();
        let share = |count: &u64| *count as f64 / all as f64;
        let counts = self.histogram.iter().filter(|count| **count > 0);
        counts
            .map(|count| -share(count) * share(count).log2())
            .sum()
    }
}

fn checksum(_sender: Sender<'_>, chunk: &Chunk<'_>) -> Finding {
    let lines = chunk.lines.iter();
    Finding::Checksum(lines.fold(FNV_START, |sum, line| fnv(fnv(sum, line.as_bytes()), b"\n")))
}

fn lengths(_sender: Sender<'_>, chunk: &Chunk<'_>) -> Finding {
    Finding::Lengths {
        lines: chunk.lines.len() as u64,
        bytes: chunk.lines.iter().map(|line| line.len() as u64).sum(),
        longest: chunk.lines.iter().map(|line| line.len()).max().unwrap_or(0),
    }
}

fn bytes(_sender: Sender<'_>, chunk: &Chunk<'_>) -> Finding {
    let mut histogram = Box::new([0; 256]);
    for byte in chunk.lines.iter().flat_map(|line| line.bytes()) {
        histogram[usize::from(byte)] += 1;
    }
    Finding::Bytes(histogram)
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, from a sum so far.
fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
