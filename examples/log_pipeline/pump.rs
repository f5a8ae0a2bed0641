//! Sends the items that were read.

use crate::event::{CHUNK, Chunk, Failed, RECORD, Record};
use crate::input::Item;
use crate::receivers::Digest;
use crate::stop;
use crate::tally::Count;
use fanfare::ReceiverId;
use fanfare::responses::RobustResponses;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};

/// Sends whose async receiver has not responded, at a time.
pub(crate) const IN_FLIGHT: usize = 128;
/// Lines in a chunk.
pub(crate) const CHUNK_LINES: usize = 512;
/// Malformed lines that the report lists.
const MALFORMED_LISTED: usize = 20;
/// Failures that it lists.
const FAILURES_LISTED: usize = 5;

/// The counters that the view shows.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) lines: Count,
    pub(crate) bytes: Count,
    pub(crate) malformed: Count,
    pub(crate) chunks: Count,
}

/// The result of reading the whole input.
pub(crate) struct Reading {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    pub(crate) sent: u64,
    pub(crate) chunks: u64,
    pub(crate) malformed: Listed,
    /// The failures of receivers, in the order of their responses.
    pub(crate) failures: Listed,
    pub(crate) digest: Digest,
    /// The input could not be read to its end.
    pub(crate) failed: Option<io::Error>,
    /// From the first line until the last was sent.
    pub(crate) sending: Duration,
    /// Until the last was delivered.
    pub(crate) total: Duration,
}

/// A number of lines, and a text for each of the first.
pub(crate) struct Listed {
    pub(crate) count: u64,
    pub(crate) first: Vec<(u64, String)>,
    limit: usize,
}

impl Listed {
    fn new(limit: usize) -> Self {
        Self {
            count: 0,
            first: Vec::new(),
            limit,
        }
    }

    fn add(&mut self, line: u64, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < self.limit {
            self.first.push((line, text()));
        }
    }
}

/// The responses of the receivers of one record.
struct Responded {
    line: u64,
    outcomes: RobustResponses<Result<(), Failed>>,
}

pub(crate) struct Pump {
    pub(crate) progress: Arc<Progress>,
    reading: Reading,
    /// Lines for the next chunk.
    chunk: Vec<Arc<str>>,
    slots: Arc<Semaphore>,
    tasks: JoinSet<Responded>,
    names: Vec<(ReceiverId, String)>,
}

impl Pump {
    /// All receivers of [`RECORD`] are connected by then.
    pub(crate) fn new() -> Self {
        let connections = RECORD.connections().into_iter();
        Self {
            progress: Arc::default(),
            reading: Reading {
                lines: 0,
                bytes: 0,
                sent: 0,
                chunks: 0,
                malformed: Listed::new(MALFORMED_LISTED),
                failures: Listed::new(FAILURES_LISTED),
                digest: Digest::connect(),
                failed: None,
                sending: Duration::ZERO,
                total: Duration::ZERO,
            },
            chunk: Vec::with_capacity(CHUNK_LINES),
            slots: Arc::new(Semaphore::new(IN_FLIGHT)),
            tasks: JoinSet::new(),
            names: connections.map(|it| (it.id, it.name)).collect(),
        }
    }

    /// Until the end of the input or Ctrl-C; then until the async receivers have responded, or the
    /// grace is over.
    ///
    /// For `block_on` alone: a full queue blocks the thread that polls this.
    pub(crate) async fn run(mut self, mut items: mpsc::Receiver<Item>, grace: Duration) -> Reading {
        let start = Instant::now();
        loop {
            // A slot first: an item that has been taken from the input is sent.
            let next = async {
                let slots = Arc::clone(&self.slots);
                let slot = slots.acquire_owned().await.expect("nobody closes it");
                (slot, items.recv().await)
            };
            let (slot, item) = tokio::select! {
                biased;
                () = stop::wait() => break,
                next = next => next,
            };
            match item {
                None => break,
                Some(Item::Failed(error)) => self.reading.failed = Some(error),
                Some(Item::Malformed { reason, bytes }) => {
                    self.count_line(bytes);
                    self.reading.malformed.add(self.reading.lines, || reason);
                    self.progress.malformed.add(1);
                }
                Some(Item::Record { record, bytes }) => {
                    self.count_line(bytes);
                    self.send(record, slot).await;
                }
            }
        }
        // The reader ends, and the items that it has read ahead are dropped.
        drop(items);
        self.send_chunk();
        self.reading.sending = start.elapsed();
        self.wait_for_responses(grace).await;
        self.reading
    }

    fn count_line(&mut self, bytes: u64) {
        self.reading.lines += 1;
        self.reading.bytes = bytes;
        self.progress.lines.set(self.reading.lines);
        self.progress.bytes.set(bytes);
    }

    async fn send(&mut self, record: Record, slot: OwnedSemaphorePermit) {
        self.chunk.push(Arc::clone(&record.text));
        let mut responded = Box::pin(async move {
            // The event is borrowed until the last receiver has responded: it is this future's own.
            let sender = record.action.sender();
            let outcomes = RECORD.from(sender).asend_robust(&record).await;
            Responded {
                line: record.number,
                outcomes,
            }
        });
        self.reading.sent += 1;
        // The first poll calls the sync receiver, fills the queues and starts the async receiver:
        // here, and so in the order of the log. What there is left to wait for is a task of its
        // own.
        match poll_once(responded.as_mut()).await {
            Poll::Ready(responded) => self.settle(Ok(responded)),
            Poll::Pending => {
                self.tasks.spawn(async move {
                    let responded = responded.await;
                    drop(slot);
                    responded
                });
            }
        }
        if self.chunk.len() == CHUNK_LINES {
            self.send_chunk();
        }
        while let Some(done) = self.tasks.try_join_next() {
            self.settle(done);
        }
    }

    /// Runs the receivers of the chunk side by side, and waits for them.
    fn send_chunk(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        let chunk = Chunk { lines: &self.chunk };
        let outcomes = CHUNK.send_parallel_robust(&chunk);
        self.reading.digest.add(&outcomes);
        self.reading.chunks += 1;
        self.progress.chunks.set(self.reading.chunks);
        self.chunk.clear();
    }

    async fn wait_for_responses(&mut self, grace: Duration) {
        let mut grace_is_over = Box::pin(async {
            stop::wait().await;
            tokio::time::sleep(stop::time_left(grace)).await;
        });
        let mut tasks = mem::take(&mut self.tasks);
        loop {
            tokio::select! {
                biased;
                done = tasks.join_next() => match done {
                    Some(done) => self.settle(done),
                    None => return,
                },
                () = &mut grace_is_over => break,
            }
        }
        // Drops the futures of the receivers, which count that as left.
        tasks.shutdown().await;
    }

    /// Takes down who has failed.
    fn settle(&mut self, done: Result<Responded, JoinError>) {
        // A task does not panic with a receiver's panic, and is aborted only if its result is not
        // needed.
        let Ok(Responded { line, outcomes }) = done else {
            return;
        };
        let name = |receiver: ReceiverId| {
            let mut names = self.names.iter();
            let name = names.find_map(|(id, name)| (*id == receiver).then_some(&**name));
            name.unwrap_or("a receiver")
        };
        for (receiver, response) in outcomes.responses().pairs() {
            if let Err(error) = response {
                let failures = &mut self.reading.failures;
                failures.add(line, || format!("{}: {error}", name(receiver)));
            }
        }
        for failure in outcomes.panics() {
            let failures = &mut self.reading.failures;
            failures.add(line, || failure.to_string());
        }
    }
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
