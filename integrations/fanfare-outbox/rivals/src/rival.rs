//! The interface that each rival is measured by.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use sea_orm::DatabaseConnection;

/// The size of a read, for each rival that has such a setting.
pub(crate) const BATCH: u32 = 500;

/// The name by which events are stored, where the rival has one.
pub(crate) const NAME: &str = "rivals.event";

/// The event: its number.
#[derive(Clone, Debug, fanfare::Event, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stored(pub(crate) u64);

/// The load that a rival is started for. Some have other settings for each.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// All events are stored before the start.
    Backlog,
    /// Events are stored one by one.
    Arrivals,
}

/// Stops the deliveries that [`Rival::start`] has started.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

#[async_trait]
pub(crate) trait Rival: Send + Sync {
    /// Returns the name of the crate, and its version.
    fn name(&self) -> &'static str;

    /// Returns the number of events of a backlog that takes about a second or more.
    fn backlog(&self) -> u64;

    /// Returns `true` if the rival waits for events that come later.
    fn waits(&self) -> bool {
        true
    }

    /// Stores an event for each number, in one transaction.
    async fn store(&self, numbers: Range<u64>);

    /// Prepares for a start after events were stored. The time of this is not counted.
    async fn prepare(&self) {}

    /// Starts the deliveries.
    async fn start(&self, calls: Arc<Calls>, load: Load) -> Stop;

    /// Returns `true` if each row is deleted or marked as done.
    async fn is_done(&self) -> bool;

    /// Returns a connection to its database.
    fn db(&self) -> &DatabaseConnection;

    /// Removes the rows.
    async fn clear(&self);
}

/// The calls of a handler.
pub(crate) struct Calls {
    started: Instant,
    count: AtomicU64,
    /// The time of the first call for each event, in nanoseconds.
    times: Vec<AtomicU64>,
}

impl Calls {
    /// Counts calls, and notes the times of those for the first `timed` events.
    pub(crate) fn new(timed: u64) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            count: AtomicU64::new(0),
            times: (0..timed).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// The handler of every rival.
    pub(crate) fn call(&self, event: &Stored) {
        if let Some(time) = self.times.get(event.0 as usize) {
            time.store(self.now(), Ordering::Relaxed);
        }
        // Relaxed: the reader of the count sleeps and loads it again.
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns the nanoseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// Returns the milliseconds from each commit to the call of its event.
    pub(crate) fn since(&self, commits: &[u64]) -> Vec<f64> {
        let pairs = self.times.iter().zip(commits);
        pairs
            .map(|(time, commit)| {
                let time = time.load(Ordering::Relaxed);
                time.saturating_sub(*commit) as f64 / 1e6
            })
            .collect()
    }
}
