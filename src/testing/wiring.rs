//! The wiring of a program in a file of its repository.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::watch::{self, SignalEntry};

/// The environment variable that has the file rewritten.
const WRITE: &str = "FANFARE_WIRING";

/// Asserts that a file has the wiring of the program: its signals, and their receivers in the order
/// of their calls.
///
/// Keep the file in the repository. A change of the wiring then is a part of the change that causes
/// it, and a reviewer sees it. Write the file anew by running the test with
/// `FANFARE_WIRING=write`. Connect everything before, as the program does when it starts.
///
/// `path` is relative to the folder of the package. A receiver is a line with its name, its file,
/// and its options. The line in its file is left out, so that code that moves changes nothing.
///
/// # Panics
///
/// Panics if the file cannot be read, or has another content. The message has the lines that
/// differ.
///
/// ```no_run
/// # fn start() {}
/// #[test]
/// # fn hidden() {}
/// fn the_wiring_is_reviewed() {
///     start();
///     fanfare::testing::assert_wiring("signals.lock", |signal| signal.name.starts_with("shop::"));
/// }
/// ```
#[track_caller]
pub fn assert_wiring(path: impl AsRef<Path>, is_listed: impl Fn(&SignalEntry) -> bool) {
    let path = absolute(path.as_ref());
    let signals = watch::signals();
    let wiring = text_of(signals.iter().filter(|signal| is_listed(signal)));
    let shown = path.display();
    if env::var_os(WRITE).is_some_and(|value| value == "write") {
        if let Err(error) = fs::write(&path, wiring) {
            panic!("{shown} could not be written: {error}");
        }
        return;
    }
    let reviewed = match fs::read_to_string(&path) {
        Ok(reviewed) => reviewed,
        Err(error) => panic!("{shown} could not be read ({error}): write it with {WRITE}=write"),
    };
    let difference = difference(&reviewed, &wiring);
    assert!(
        difference.is_empty(),
        "the wiring differs from {shown}: if that is meant, write it with {WRITE}=write\n{difference}"
    );
}

/// Returns a path in the folder of the package that is tested.
fn absolute(path: &Path) -> PathBuf {
    match env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => Path::new(&folder).join(path),
        None => path.to_owned(),
    }
}

fn text_of<'s>(signals: impl Iterator<Item = &'s SignalEntry>) -> String {
    let mut text = String::from("# The signals of the program, and their receivers in order.\n");
    for signal in signals {
        let SignalEntry {
            name,
            event,
            response,
            ..
        } = signal;
        let _ = writeln!(text, "\n{name}: {event} -> {response}");
        for it in &signal.connections {
            let _ = write!(text, "  {} in {}", it.name, it.location.file());
            if let Some(sender) = &it.sender {
                let _ = write!(text, ", sender {sender}");
            }
            if let Some(uid) = &it.dispatch_uid {
                let _ = write!(text, ", uid {uid:?}");
            }
            for tag in &it.tags {
                let _ = write!(text, ", tag {tag:?}");
            }
            if it.priority != 0 {
                let _ = write!(text, ", priority {}", it.priority);
            }
            if let Some(max_calls) = it.max_calls {
                let _ = write!(text, ", at most {max_calls} calls");
            }
            let weak = if it.weak { ", weak" } else { "" };
            let _ = writeln!(text, ", {:?}{weak}", it.kind);
        }
    }
    text
}

/// Returns the lines that one text has more often than the other, each with the signal that it is
/// below. It is empty if the texts are equal.
fn difference(reviewed: &str, wiring: &str) -> String {
    if reviewed == wiring {
        return String::new();
    }
    let mut counts: HashMap<(&str, &str), i32> = HashMap::new();
    for (text, one) in [(reviewed, -1), (wiring, 1)] {
        for line in below_signals(text) {
            *counts.entry(line).or_default() += one;
        }
    }
    let mut lines = String::new();
    for (text, sign) in [(reviewed, '-'), (wiring, '+')] {
        for (signal, line) in below_signals(text) {
            let count = counts[&(signal, line)];
            if (sign == '-' && count < 0) || (sign == '+' && count > 0) {
                let _ = match line {
                    "" => writeln!(lines, "{sign} {signal}"),
                    line => writeln!(lines, "{sign} {line} (of {signal})"),
                };
            }
        }
    }
    if lines.is_empty() {
        lines.push_str("the same lines are in another order\n");
    }
    lines
}

/// Returns each line of a text, with the line of its signal before it.
fn below_signals(text: &str) -> Vec<(&str, &str)> {
    let mut signal = "";
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("  ") {
            Some(receiver) => lines.push((signal, receiver)),
            None => {
                signal = line;
                lines.push((signal, ""));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_signal_of_each_line() {
        let reviewed = "# h\n\nshop::PAID: u32 -> ()\n  mail in a.rs\n  index in a.rs\n";
        let wiring = "# h\n\nshop::PAID: u32 -> ()\n  index in a.rs\n  print in b.rs\n\nshop::NEW: u8 -> ()\n";
        assert_eq!(
            difference(reviewed, wiring),
            "- mail in a.rs (of shop::PAID: u32 -> ())\n\
             + print in b.rs (of shop::PAID: u32 -> ())\n\
             + shop::NEW: u8 -> ()\n"
        );
        let turned = "# h\n\nshop::PAID: u32 -> ()\n  index in a.rs\n  mail in a.rs\n";
        assert!(difference(reviewed, turned).contains("another order"));
        assert_eq!(difference(wiring, wiring), "");
    }
}
