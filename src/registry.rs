//! The receivers that `#[receiver]` declares, and their connecting.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::connection::Connection;

/// A receiver as `#[receiver]` declares it.
pub struct Registration {
    signal: &'static str,
    receiver: &'static str,
    file: &'static str,
    line: u32,
    connect: fn() -> Connection,
}

impl Registration {
    /// Called by the macro's expansion.
    pub const fn new(
        signal: &'static str,
        receiver: &'static str,
        file: &'static str,
        line: u32,
        connect: fn() -> Connection,
    ) -> Self {
        Registration {
            signal,
            receiver,
            file,
            line,
            connect,
        }
    }
}

inventory::collect!(Registration);

/// Connects every function that [`#[receiver]`](macro@crate::receiver) marks in this
/// program, once, and reports them.
///
/// Call it when the program starts, as Django's `AppConfig.ready` would. Calling it again
/// connects nothing twice, nor what has been disconnected since; it returns the same
/// report. Receivers are connected in the order of their files and lines, whatever order
/// the linker put them in.
///
/// Only crates that are linked count: one from which nothing is used may be left out by
/// the linker, and its receivers with it. The report shows it.
///
/// Threads that call this at once wait for one another. Must not be called from inside a
/// signal's `static` initialiser.
///
/// ```
/// use fanfare::{Sender, Signal, receiver};
///
/// static STARTED: Signal<u32, u32> = Signal::new();
///
/// #[receiver(STARTED)]
/// fn double(_sender: Sender<'_>, n: &u32) -> u32 {
///     2 * n
/// }
///
/// let report = fanfare::connect_receivers();
/// assert!(report.entries().iter().any(|entry| entry.signal == "STARTED"));
/// assert_eq!(*STARTED.send(Sender::NONE, &21), [42]);
/// ```
pub fn connect_receivers() -> ConnectReport {
    static REPORT: Mutex<Vec<ReportEntry>> = Mutex::new(Vec::new());
    let mut report = REPORT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut registrations: Vec<_> = inventory::iter::<Registration>().collect();
    registrations.sort_by_key(|it| (it.file, it.line, it.receiver, it.signal));
    // Goes on where an earlier call was stopped by a panic: a signal's initialiser can.
    for it in registrations.into_iter().skip(report.len()) {
        let connection = (it.connect)();
        report.push(ReportEntry {
            signal: it.signal,
            receiver: it.receiver,
            file: it.file,
            line: it.line,
            sender: connection.sender_in_words(),
            is_new: connection.is_new(),
        });
    }
    ConnectReport {
        entries: report.clone(),
    }
}

/// What [`connect_receivers`] connected. Displays as a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectReport {
    entries: Vec<ReportEntry>,
}

/// One receiver of one signal in a [`ConnectReport`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportEntry {
    /// The signal, as the attribute names it.
    pub signal: &'static str,
    /// The function, with its module.
    pub receiver: &'static str,
    /// The file it stands in.
    pub file: &'static str,
    /// The line of the attribute or function.
    pub line: u32,
    /// The sender it was connected for, in words, a name in quotes; `None` for any.
    pub sender: Option<String>,
    /// Whether the connection is its own; false if another with the same uid was first.
    pub is_new: bool,
}

impl ConnectReport {
    /// Every receiver, in the order of connecting.
    pub fn entries(&self) -> &[ReportEntry] {
        &self.entries
    }

    /// Those that changed nothing because an equal connection was there first.
    pub fn duplicates(&self) -> impl Iterator<Item = &ReportEntry> {
        self.entries.iter().filter(|entry| !entry.is_new)
    }
}

impl fmt::Display for ConnectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.entries.iter();
        if let Some(first) = lines.next() {
            write!(f, "{first}")?;
        }
        lines.try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl fmt::Display for ReportEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReportEntry {
            signal,
            receiver,
            file,
            line,
            sender,
            is_new,
        } = self;
        write!(f, "{signal} <- {receiver} ({file}:{line})")?;
        if let Some(sender) = sender {
            write!(f, ", from {sender}")?;
        }
        if *is_new {
            Ok(())
        } else {
            f.write_str(", a duplicate")
        }
    }
}
