//! The list of signals as text.

use std::fmt;

use super::listed::SignalEntry;
use crate::tap::info::ConnectionInfo;

/// Writes the signals, or a line if there is none.
pub(super) fn write(f: &mut fmt::Formatter<'_>, list: &[SignalEntry]) -> fmt::Result {
    let mut signals = list.iter();
    match signals.next() {
        Some(first) => write!(f, "{first}")?,
        None => f.write_str("no signal is in use or declared")?,
    }
    signals.try_for_each(|signal| write!(f, "\n{signal}"))
}

impl fmt::Display for SignalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let (Some(file), Some(line)) = (self.file, self.line) {
            write!(f, " at {file}:{line}")?;
        }
        write!(f, ", {} -> {}", self.event, self.response)?;
        if let Some(place) = self.frozen_at {
            write!(f, ", frozen at {place}")?;
        }
        if self.connections.is_empty() {
            f.write_str("\n  no receivers")?;
        }
        let mut connections = self.connections.iter();
        connections.try_for_each(|connection| write!(f, "\n  {}", Line(connection)))
    }
}

/// A connection as a line.
struct Line<'a>(&'a ConnectionInfo);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.0;
        write!(f, "{} at {}", it.name, it.location)?;
        if let Some(sender) = &it.sender {
            write!(f, ", sender {sender}")?;
        }
        if let Some(uid) = &it.dispatch_uid {
            write!(f, ", uid {uid:?}")?;
        }
        for tag in &it.tags {
            write!(f, ", tag {tag:?}")?;
        }
        if it.priority != 0 {
            write!(f, ", priority {}", it.priority)?;
        }
        if let Some(max_calls) = it.max_calls {
            write!(f, ", at most {max_calls} calls")?;
        }
        if it.weak {
            f.write_str(", weak")?;
        }
        write!(f, ", {}", it.kind.in_words())?;
        if !it.live {
            f.write_str(", ended")?;
        }
        Ok(())
    }
}
