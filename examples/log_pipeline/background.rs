//! The receivers that run on queues: a journal that must have every event, and a history that need
//! not.

use crate::End;
use crate::event::{RECORD, Record};
use crate::options::Options;
use crate::receivers::lock;
use crate::stop;
use crate::tally::Count;
use fanfare::Queue;
use fanfare::queue::{self, Overflow};
use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Mutex, TryLockError};
use std::thread;
use std::time::Duration;

pub(crate) struct Background {
    /// A sender waits while it is full.
    pub(crate) journal_queue: Queue,
    pub(crate) journal: Arc<Journal>,
    /// Loses the oldest while it is full, unless an option says otherwise.
    pub(crate) history_queue: Queue,
    pub(crate) history: Arc<History>,
}

impl Background {
    pub(crate) fn start(options: &Options) -> Result<Self, End> {
        let cannot = |error| End::Trouble(format!("cannot start a queue: {error}"));
        let journal_queue = Queue::builder()
            .name("journal")
            .capacity(256)
            .overflow(Overflow::Block)
            .build()
            .map_err(cannot)?;
        let history_queue = Queue::builder()
            .name("history")
            .capacity(32)
            .overflow(options.overflow)
            .build()
            .map_err(cannot)?;
        let journal = Arc::new(Journal::create(options.journal.clone())?);
        let history = Arc::new(History::new(options.history));

        let (writes, notes) = (Arc::clone(&journal), Arc::clone(&history));
        RECORD
            .options()
            .name("journal")
            .queued(&journal_queue)
            .connect(move |_sender, record| writes.write(record));
        RECORD
            .options()
            .name("history")
            .queued(&history_queue)
            .connect(move |_sender, record| notes.note(record));
        Ok(Self {
            journal_queue,
            journal,
            history_queue,
            history,
        })
    }

    pub(crate) fn queues(&self) -> [Queue; 2] {
        [self.journal_queue.clone(), self.history_queue.clone()]
    }

    /// Ends the queues when the grace is over, because senders may be waiting for room in one of
    /// them.
    pub(crate) async fn end_after(queues: [Queue; 2], grace: Duration) {
        stop::wait().await;
        tokio::time::sleep(stop::time_left(grace)).await;
        for queue in queues {
            // Refuses only on a worker of the queue.
            let _ = queue.shutdown(Duration::ZERO);
        }
    }

    /// Delivers all queued events, or, after Ctrl-C, those that can be delivered within the grace.
    /// The queue's counters show the rest.
    pub(crate) fn drain(&self, grace: Duration) {
        // Asked for at times, for Ctrl-C may come while this waits.
        const A_LOOK: Duration = Duration::from_millis(50);
        for queue in [&self.journal_queue, &self.history_queue] {
            while let Err(queue::WaitError::Timeout { .. }) = queue.flush_timeout(A_LOOK) {
                if stop::requested() {
                    break;
                }
            }
            let _ = queue.shutdown(stop::time_left(grace));
        }
    }
}

/// The counters of a queue that was shut down, at a moment at which they add up.
pub(crate) fn last_stats(queue: &Queue) -> queue::Stats {
    let adds_up = |stats: &queue::Stats| {
        let inside = (stats.depth + stats.running) as u64;
        stats.delivered + stats.dropped + stats.undelivered + inside == stats.pushed
    };
    // A receiver that has outlived the grace may end between two of the counters.
    (0..100)
        .map(|_| {
            let stats = queue.stats();
            thread::yield_now();
            stats
        })
        .find(adds_up)
        .unwrap_or_else(|| queue.stats())
}

/// Every event in the order of the log, in a file.
pub(crate) struct Journal {
    path: PathBuf,
    temporary: bool,
    file: Mutex<BufWriter<File>>,
    /// Events that could not be written, and why the first could not.
    pub(crate) failed: Count,
    error: Mutex<Option<io::Error>>,
}

/// The content of the file at the end.
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    pub(crate) kept: bool,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

impl Journal {
    fn create(path: Option<PathBuf>) -> Result<Self, End> {
        let temporary = path.is_none();
        let path = path.unwrap_or_else(|| {
            env::temp_dir().join(format!("log_pipeline-{}.journal", process::id()))
        });
        let file = File::create_new(&path).map_err(|error| {
            End::Trouble(format!("cannot create the journal {path:?}: {error}"))
        })?;
        Ok(Self {
            path,
            temporary,
            file: Mutex::new(BufWriter::new(file)),
            failed: Count::default(),
            error: Mutex::new(None),
        })
    }

    /// The file, if it is to be removed in the end.
    pub(crate) fn temporary_path(&self) -> Option<PathBuf> {
        self.temporary.then(|| self.path.clone())
    }

    fn write(&self, record: &Record) {
        let package = record.package.as_deref().unwrap_or("-");
        let (number, action) = (record.number, record.action.name());
        let written = writeln!(
            lock(&self.file),
            "{number}\t{}\t{action}\t{package}",
            record.moment
        );
        if let Err(error) = written {
            self.failed.add(1);
            lock(&self.error).get_or_insert(error);
        }
    }

    /// Looks into the file after the last event, and removes it if it is temporary.
    pub(crate) fn finish(&self) -> io::Result<Written> {
        let written = self.look();
        if self.temporary {
            fs::remove_file(&self.path)?;
        }
        written
    }

    fn look(&self) -> io::Result<Written> {
        match self.file.try_lock() {
            Ok(mut file) => file.flush()?,
            Err(TryLockError::Poisoned(file)) => file.into_inner().flush()?,
            // A receiver that has outlived the grace is still writing.
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::TimedOut.into()),
        }
        if let Some(error) = lock(&self.error).take() {
            return Err(error);
        }
        let (mut lines, mut bytes) = (0, 0);
        let mut file = BufReader::new(File::open(&self.path)?);
        loop {
            match file.skip_until(b'\n')? {
                0 => break,
                read => (lines, bytes) = (lines + 1, bytes + read as u64),
            }
        }
        Ok(Written {
            path: self.path.clone(),
            kept: !self.temporary,
            lines,
            bytes,
        })
    }
}

/// The changes of each package, from the lines that were read.
pub(crate) struct History {
    pace: Duration,
    packages: Mutex<HashMap<Arc<str>, Past>>,
}

pub(crate) struct Past {
    pub(crate) changes: u64,
    pub(crate) last: Record,
}

impl History {
    fn new(pace: Duration) -> Self {
        Self {
            pace,
            packages: Mutex::default(),
        }
    }

    fn note(&self, record: &Record) {
        // A store that takes its time.
        thread::sleep(self.pace);
        let Some(package) = &record.package else {
            return;
        };
        let mut packages = lock(&self.packages);
        let past = packages.entry(Arc::clone(package)).or_insert_with(|| Past {
            changes: 0,
            last: record.clone(),
        });
        past.changes += 1;
        past.last = record.clone();
    }

    /// Returns the number of packages that it has seen, and those with the most changes.
    pub(crate) fn busiest(&self, most: usize) -> (usize, Vec<(Arc<str>, u64, String)>) {
        let packages = lock(&self.packages);
        let mut all: Vec<_> = packages
            .iter()
            .map(|(package, past)| {
                let last = match past.last.state {
                    Some(state) => state.name(),
                    None => past.last.action.name(),
                };
                (
                    Arc::clone(package),
                    past.changes,
                    format!("{last}, {}", past.last.moment),
                )
            })
            .collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(most);
        (packages.len(), all)
    }
}
