//! The options of the command line.

use crate::End;
use fanfare::queue::Overflow;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Sends each line of a Debian package log through sync, queued, parallel and async receivers at once.

Usage: log_pipeline [OPTIONS] [FILE]

  FILE               the log [default: /var/log/dpkg.log]; - is standard input
  --journal FILE     where the journal is written, a new file [default: a temporary one, removed at the end]
  --overflow POLICY  what a full history does: block, drop-newest, drop-oldest or reject [default: drop-oldest]
  --history-ms N     how long the history takes for an event [default: 1]
  --index-ms N       how long the remote index takes for an event [default: 1]
  --grace-ms N       how long an interrupted run may go on delivering [default: 5000]
  -h, --help         prints this

Shows the queues while it runs: live on a terminal, else once a second, always on standard error.
Ctrl-C stops reading, delivers what was sent, and reports. A second Ctrl-C ends at once, without a report.

Exit codes:
  0    the log was read (malformed lines included), or nobody reads the output any more
  1    the input could not be read
  2    wrong usage
  3    nothing in the log: it is empty, or no line of it could be sent
  4    the output or the journal could not be written, or the sums do not agree
  130  interrupted by Ctrl-C
";

pub(crate) struct Options {
    pub(crate) file: Option<PathBuf>,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) overflow: Overflow,
    pub(crate) history: Duration,
    pub(crate) index: Duration,
    pub(crate) grace: Duration,
}

impl Options {
    /// `None`: help is wanted.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Result<Option<Self>, End> {
        let mut options = Self {
            file: None,
            journal: None,
            overflow: Overflow::DropOldest,
            history: Duration::from_millis(1),
            index: Duration::from_millis(1),
            grace: Duration::from_secs(5),
        };
        let mut only_files = false;
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy();
            let mut value = || {
                let missing = || End::Usage(format!("{argument:?} needs a value"));
                arguments.next().ok_or_else(missing)
            };
            match &*text {
                "--" if !only_files => only_files = true,
                "-h" | "--help" if !only_files => return Ok(None),
                "--journal" if !only_files => options.journal = Some(named(value()?)?),
                "--overflow" if !only_files => options.overflow = policy(&value()?)?,
                "--history-ms" if !only_files => options.history = milliseconds(&value()?)?,
                "--index-ms" if !only_files => options.index = milliseconds(&value()?)?,
                "--grace-ms" if !only_files => options.grace = milliseconds(&value()?)?,
                option if !only_files && option.starts_with('-') && option != "-" => {
                    return Err(End::Usage(format!("unknown option {option:?}")));
                }
                file if options.file.is_some() => {
                    return Err(End::Usage(format!(
                        "one file at a time, {file:?} is too many"
                    )));
                }
                _ => options.file = Some(named(argument)?),
            }
        }
        Ok(Some(options))
    }
}

fn named(file: OsString) -> Result<PathBuf, End> {
    if file.is_empty() {
        return Err(End::Usage("the name of the file is empty".to_owned()));
    }
    Ok(PathBuf::from(file))
}

fn policy(value: &OsStr) -> Result<Overflow, End> {
    match &*value.to_string_lossy() {
        "block" => Ok(Overflow::Block),
        "drop-newest" => Ok(Overflow::DropNewest),
        "drop-oldest" => Ok(Overflow::DropOldest),
        "reject" => Ok(Overflow::Reject),
        other => Err(End::Usage(format!(
            "unknown policy {other:?}: name block, drop-newest, drop-oldest or reject"
        ))),
    }
}

fn milliseconds(value: &OsStr) -> Result<Duration, End> {
    // An hour is more than anybody wants, and keeps every sum of times within the clock.
    const MOST: u64 = 3_600_000;
    let text = value.to_string_lossy();
    match text.parse() {
        Ok(number) if number <= MOST => Ok(Duration::from_millis(number)),
        _ => Err(End::Usage(format!(
            "not a number of milliseconds up to {MOST}: {text:?}"
        ))),
    }
}
