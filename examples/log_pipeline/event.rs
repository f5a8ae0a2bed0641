//! The events, and the signals that carry them.

use crate::parse::{Action, Detail, LogLine, Moment, Reason, State};
use fanfare::{Event, Signal, queue};
use std::fmt;
use std::sync::Arc;

/// Sent for every line that could be read, from its action: to sync, queued and async receivers.
pub(crate) static RECORD: Signal<Record, Result<(), Failed>> = Signal::new();

/// Sent for every so many of those lines: to receivers that run side by side.
pub(crate) static CHUNK: Signal<Chunk<'static>, Finding> = Signal::new();

/// A line of the log. It is owned, because it waits in queues, and shared, because a send to queued
/// receivers clones it.
#[derive(Clone, Debug, Event)]
pub(crate) struct Record {
    /// In the log, from 1.
    pub(crate) number: u64,
    pub(crate) text: Arc<str>,
    pub(crate) moment: Moment,
    pub(crate) action: Action,
    /// The state in a `status` line.
    pub(crate) state: Option<State>,
    pub(crate) package: Option<Arc<str>>,
}

impl Record {
    pub(crate) fn parse(number: u64, line: &[u8]) -> Result<Self, Reason<'_>> {
        let LogLine {
            moment,
            action,
            detail,
        } = LogLine::parse(line)?;
        let text = String::from_utf8_lossy(line);
        let (state, package) = match detail {
            Detail::Package { package, .. } => (None, Some(package)),
            // date time "status" STATE PACKAGE VERSION
            Detail::Change { state } => (Some(state), text.split(' ').nth(4)),
            Detail::Run | Detail::File { .. } => (None, None),
        };
        Ok(Self {
            number,
            moment,
            action,
            state,
            package: package.map(Arc::from),
            text: Arc::from(&*text),
        })
    }
}

/// Some lines of the log, one after the other. Borrowed: `send_parallel` returns when all receivers
/// have.
#[derive(Event)]
pub(crate) struct Chunk<'a> {
    pub(crate) lines: &'a [Arc<str>],
}

/// The result of a receiver for a chunk.
pub(crate) enum Finding {
    Checksum(u64),
    Lengths {
        lines: u64,
        bytes: u64,
        longest: usize,
    },
    Bytes(Box<[u64; 256]>),
}

/// Why a receiver has not got its record.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Its queue said no, in its place.
    Refused(queue::Error),
    /// The index is too busy.
    Busy,
}

impl From<queue::Error> for Failed {
    fn from(error: queue::Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Busy => f.write_str("the index is busy"),
        }
    }
}
