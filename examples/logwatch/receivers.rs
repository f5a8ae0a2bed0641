//! The signals, and the receivers that keep the books.

use crate::parse::{Action, Date, Decision, Detail, LogLine, Malformed, Moment, State};
use crate::screen;
use console::style;
use fanfare::{Sender, Signal, receiver};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sent for every line that could be read, from its action. A receiver that fails ends the program.
pub(crate) static LOG_LINE: Signal<LogLine<'static>, io::Result<()>> = Signal::new();

/// Sent for every other line.
pub(crate) static MALFORMED: Signal<Malformed<'static>, io::Result<()>> = Signal::new();

static ACTIONS: Counts<{ Action::ALL.len() }> = Counts::new();
static STATES: Counts<{ State::ALL.len() }> = Counts::new();
static DECISIONS: Counts<{ Decision::ALL.len() }> = Counts::new();
static DAYS: Mutex<BTreeMap<Date, u64>> = Mutex::new(BTreeMap::new());
static SPAN: Mutex<Option<(Moment, Moment)>> = Mutex::new(None);

#[receiver(LOG_LINE)]
fn count_actions(_sender: Sender<'_>, line: &LogLine<'_>) -> io::Result<()> {
    ACTIONS.add(line.action as usize);
    Ok(())
}

#[receiver(LOG_LINE)]
fn count_days(_sender: Sender<'_>, line: &LogLine<'_>) -> io::Result<()> {
    *lock(&DAYS).entry(line.moment.date).or_default() += 1;
    Ok(())
}

#[receiver(LOG_LINE)]
fn keep_span(_sender: Sender<'_>, line: &LogLine<'_>) -> io::Result<()> {
    let mut span = lock(&SPAN);
    let (first, last) = span.unwrap_or((line.moment, line.moment));
    *span = Some((first.min(line.moment), last.max(line.moment)));
    Ok(())
}

#[receiver(LOG_LINE, sender = "status")]
fn count_states(_sender: Sender<'_>, line: &LogLine<'_>) -> io::Result<()> {
    if let Detail::Change { state } = line.detail {
        STATES.add(state as usize);
    }
    Ok(())
}

#[receiver(LOG_LINE, sender = "conffile")]
fn count_decisions(_sender: Sender<'_>, line: &LogLine<'_>) -> io::Result<()> {
    if let Detail::File { decision } = line.detail {
        DECISIONS.add(decision as usize);
    }
    Ok(())
}

#[receiver(LOG_LINE, sender = "remove")]
#[receiver(LOG_LINE, sender = "purge")]
fn alert_removal(_sender: Sender<'_>, line: &LogLine<'_>) -> io::Result<()> {
    let Detail::Package { package, installed } = line.detail else {
        return Ok(());
    };
    let (moment, action) = (line.moment, line.action.name());
    screen::line(format_args!(
        "{}      {moment}  {action:<6}  {package} {installed}",
        style("alert").red().bold()
    ))
}

/// Connects the one receiver that an option of the program shapes: at most `limit` malformed lines
/// are listed.
pub(crate) fn list_malformed(limit: u64) {
    let listed = AtomicU64::new(0);
    MALFORMED
        .options()
        .name("list_malformed")
        .connect(move |_, bad| {
            if listed.fetch_add(1, Relaxed) >= limit {
                return Ok(());
            }
            screen::line(format_args!(
                "{}  line {}: {}",
                style("malformed").yellow().bold(),
                bad.line,
                bad.reason
            ))
        });
}

pub(crate) fn actions() -> Vec<(&'static str, u64)> {
    Action::ALL
        .iter()
        .map(|action| (action.name(), ACTIONS.get(*action as usize)))
        .collect()
}

pub(crate) fn states() -> Vec<(&'static str, u64)> {
    State::ALL
        .iter()
        .map(|state| (state.name(), STATES.get(*state as usize)))
        .collect()
}

pub(crate) fn decisions() -> Vec<(&'static str, u64)> {
    Decision::ALL
        .iter()
        .map(|decision| (decision.name(), DECISIONS.get(*decision as usize)))
        .collect()
}

/// In the order of the calendar.
pub(crate) fn days() -> Vec<(Date, u64)> {
    lock(&DAYS)
        .iter()
        .map(|(day, count)| (*day, *count))
        .collect()
}

/// The earliest and the latest moment of the log.
pub(crate) fn span() -> Option<(Moment, Moment)> {
    *lock(&SPAN)
}

struct Counts<const N: usize>([AtomicU64; N]);

impl<const N: usize> Counts<N> {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }

    /// Relaxed here and in `get`: a count orders nothing else.
    fn add(&self, at: usize) {
        self.0[at].fetch_add(1, Relaxed);
    }

    fn get(&self, at: usize) -> u64 {
        self.0[at].load(Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
