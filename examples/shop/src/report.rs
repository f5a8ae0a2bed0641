//! The reports of the worker to the supervisor: a line of JSON each, on standard output.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The worker has started. `owed` is the number of deliveries that are owed.
    Started { run: i64, owed: u64 },
    /// An order is committed.
    Placed { order: i64 },
    /// An order is rolled back, with the reason.
    RolledBack { order: i64, why: Undone },
    /// The state of the shop.
    State(State),
    /// A mail is given up, with the error of its last attempt.
    Returned { order: i64, error: String },
    /// The shop is closed: every event is delivered or given up.
    Closed,
    /// The worker cannot go on.
    Failed { error: String },
}

/// The reason for which an order was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Undone {
    ChangedMind,
    SoldOut,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) orders: u64,
    pub(crate) invoices: u64,
    pub(crate) shipments: u64,
    pub(crate) recognized: u64,
    /// The events that are not handed out yet.
    pub(crate) new: u64,
    pub(crate) receivers: Vec<Row>,
    pub(crate) relay_error: Option<String>,
}

/// The state of a receiver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) pending: u64,
    pub(crate) failed: u64,
    pub(crate) dead: u64,
    pub(crate) oldest_millis: Option<u64>,
    pub(crate) last_error: Option<String>,
}

impl Report {
    /// Sends the report. An error is that of a supervisor that has ended.
    pub(crate) fn send(&self) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line)?;
        out.flush()
    }
}
