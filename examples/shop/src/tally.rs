//! The things that the supervisor has seen.

use std::time::Instant;

use crate::report::{Report, State, Undone};

/// A worker that was killed.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    /// The deliveries that were owed when the next worker started. It is `None` if that one was
    /// killed before it looked.
    pub(crate) owed: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) opened: Instant,
    pub(crate) kills: Vec<Kill>,
    /// The orders that were reported as placed, and as rolled back.
    pub(crate) placed: Vec<i64>,
    pub(crate) rolled_back: Vec<i64>,
    pub(crate) sold_out: usize,
    pub(crate) state: State,
    /// The mails that were given up, with the error of each.
    pub(crate) returned: Vec<(i64, String)>,
    pub(crate) is_closed: bool,
    /// The error of a worker that could not go on.
    pub(crate) failed: Option<String>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            opened: Instant::now(),
            kills: Vec::new(),
            placed: Vec::new(),
            rolled_back: Vec::new(),
            sold_out: 0,
            state: State::default(),
            returned: Vec::new(),
            is_closed: false,
            failed: None,
        }
    }

    pub(crate) fn note(&mut self, report: Report) {
        match report {
            Report::Started { owed, .. } => {
                if let Some(kill) = self.kills.last_mut() {
                    kill.owed = Some(owed);
                }
            }
            Report::Placed { order } => self.placed.push(order),
            Report::RolledBack { order, why } => {
                self.rolled_back.push(order);
                self.sold_out += usize::from(why == Undone::SoldOut);
            }
            Report::State(state) => self.state = state,
            Report::Returned { order, error } => {
                // A worker that was killed may not have discarded it.
                if !self.returned.iter().any(|(known, _)| *known == order) {
                    self.returned.push((order, error));
                }
            }
            Report::Closed => self.is_closed = true,
            Report::Failed { error } => self.failed = Some(error),
        }
    }

    /// Returns the number of kills at which deliveries were owed, and the most that were.
    pub(crate) fn kills_with_owed(&self) -> (usize, u64) {
        let owed = self.kills.iter().filter_map(|kill| kill.owed);
        let owed = owed.filter(|owed| *owed > 0);
        (owed.clone().count(), owed.max().unwrap_or(0))
    }
}
