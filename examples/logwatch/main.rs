//! A Debian package log as a signal: each line of it is an event, sent from its action, and
//! receivers keep the books.
//!
//! ```text
//! cargo run --release --example logwatch [-- [OPTIONS] [FILE]]
//! ```
//!
//! `parse.rs` makes the events, `receivers.rs` has the signals and their receivers, `report.rs`
//! prints the result.

mod lines;
mod parse;
mod receivers;
mod report;
mod screen;

use fanfare::ReceiverId;
use lines::{Line, Lines};
use parse::{LogLine, Malformed, Reason};
use receivers::{LOG_LINE, MALFORMED};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const HELP: &str = "\
Sends each line of a Debian package log as an event, and reports what its receivers saw.

Usage: logwatch [OPTIONS] [FILE]

  FILE             the log [default: /var/log/dpkg.log]; - is standard input
  --all-malformed  lists every malformed line, not the first 20 alone
  --all-days       draws every day, not the last 31 alone
  -h, --help       prints this

Every removal is printed as an alert while the log is read, and every line is counted, as sent or as malformed.
Colour is for terminals, unless NO_COLOR is set.

Exit codes:
  0  the log was read (malformed lines included), or nobody reads the output any more
  1  the input could not be read
  2  wrong usage
  3  nothing in the log: it is empty, or no line of it could be sent
  4  the output could not be written, or the sums do not agree
";

const DEFAULT_LOG: &str = "/var/log/dpkg.log";
const MALFORMED_LISTED: u64 = 20;
const LINES_A_DRAW: u64 = 1024;

fn main() -> ExitCode {
    let outcome = run();
    screen::end_progress();
    let (code, message) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Stop::Input(message)) => (1, message),
        Err(Stop::Usage(message)) => (2, format!("{message}; --help tells the usage")),
        Err(Stop::Nothing(message)) => (3, message),
        Err(Stop::Output(error)) => (4, format!("cannot write the output: {error}")),
        Err(Stop::Unbalanced) => (
            4,
            "the sums do not agree: this is a bug in logwatch".to_owned(),
        ),
    };
    // If standard error fails too, the program cannot report it.
    let _ = writeln!(io::stderr(), "logwatch: {message}");
    ExitCode::from(code)
}

/// Why the program ends early.
enum Stop {
    Usage(String),
    Input(String),
    Nothing(String),
    Output(io::Error),
    Unbalanced,
}

fn run() -> Result<(), Stop> {
    let Some(options) = Options::parse(std::env::args_os().skip(1))? else {
        return io::stdout()
            .write_all(HELP.as_bytes())
            .map_err(Stop::Output);
    };
    screen::set_up();
    let input = Input::open(options.file)?;
    fanfare::connect_receivers();
    let limit = if options.all_malformed {
        u64::MAX
    } else {
        MALFORMED_LISTED
    };
    receivers::list_malformed(limit);

    let reading = read(input, limit)?;
    if reading.lines == 0 {
        return Err(Stop::Nothing(format!(
            "nothing in {}: it is empty",
            reading.name
        )));
    }
    report::print(&reading, options.all_days).map_err(Stop::Output)?;
    if !reading.balanced() {
        return Err(Stop::Unbalanced);
    }
    if reading.sent == 0 {
        return Err(Stop::Nothing(format!(
            "nothing in {}: no line of it is one of dpkg's log",
            reading.name
        )));
    }
    Ok(())
}

struct Options {
    file: Option<PathBuf>,
    all_malformed: bool,
    all_days: bool,
}

impl Options {
    /// `None`: help is wanted.
    fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Option<Self>, Stop> {
        let mut options = Self {
            file: None,
            all_malformed: false,
            all_days: false,
        };
        let mut only_files = false;
        for argument in arguments {
            let text = argument.to_string_lossy();
            match &*text {
                "--" if !only_files => only_files = true,
                "-h" | "--help" if !only_files => return Ok(None),
                "--all-malformed" if !only_files => options.all_malformed = true,
                "--all-days" if !only_files => options.all_days = true,
                option if !only_files && option.starts_with('-') && option != "-" => {
                    return Err(Stop::Usage(format!("unknown option {option:?}")));
                }
                "" => return Err(Stop::Usage("the name of the file is empty".to_owned())),
                file if options.file.is_some() => {
                    return Err(Stop::Usage(format!(
                        "one file at a time, {file:?} is too many"
                    )));
                }
                _ => options.file = Some(PathBuf::from(&argument)),
            }
        }
        Ok(Some(options))
    }
}

struct Input {
    name: String,
    size: Option<u64>,
    reader: BufReader<Box<dyn Read>>,
}

impl Input {
    fn open(file: Option<PathBuf>) -> Result<Self, Stop> {
        let path = file.unwrap_or_else(|| PathBuf::from(DEFAULT_LOG));
        let (name, size, source): (_, _, Box<dyn Read>) = if path.as_os_str() == "-" {
            (
                "standard input".to_owned(),
                None,
                Box::new(io::stdin().lock()),
            )
        } else {
            let cannot = |error| Stop::Input(format!("cannot open {path:?}: {error}"));
            let file = File::open(&path).map_err(cannot)?;
            let metadata = file.metadata().map_err(cannot)?;
            if metadata.is_dir() {
                return Err(Stop::Input(format!(
                    "cannot read {path:?}: it is a directory, name a file in it"
                )));
            }
            // A size of 0 has no meaning: files under /proc have it.
            let size = Some(metadata.len()).filter(|size| metadata.is_file() && *size > 0);
            (format!("{path:?}"), size, Box::new(file))
        };
        let mut reader = BufReader::with_capacity(64 * 1024, source);
        let start = reader
            .fill_buf()
            .map_err(|error| Stop::Input(format!("cannot read {name}: {error}")))?;
        if start.starts_with(b"\x1f\x8b") {
            return Err(Stop::Input(format!(
                "cannot read {name}: it is gzip-compressed, pipe it through zcat into logwatch -"
            )));
        }
        Ok(Self { name, size, reader })
    }
}

/// The result of reading the whole input.
struct Reading {
    name: String,
    lines: u64,
    bytes: u64,
    sent: u64,
    malformed: u64,
    /// Malformed lines that were printed.
    listed: u64,
    elapsed: Duration,
    calls: Calls,
}

impl Reading {
    /// Returns `true` if every line was sent or malformed, and the receivers counted every sent
    /// line.
    fn balanced(&self) -> bool {
        let by_action: u64 = receivers::actions().iter().map(|(_, count)| count).sum();
        let by_day: u64 = receivers::days().iter().map(|(_, count)| count).sum();
        self.sent + self.malformed == self.lines && by_action == self.sent && by_day == self.sent
    }
}

/// The number of responses of each receiver.
#[derive(Default)]
struct Calls(Vec<(ReceiverId, u64)>);

impl Calls {
    fn add(&mut self, receiver: ReceiverId) {
        match self.0.iter_mut().find(|(id, _)| *id == receiver) {
            Some((_, count)) => *count += 1,
            None => self.0.push((receiver, 1)),
        }
    }

    fn of(&self, receiver: ReceiverId) -> u64 {
        self.0
            .iter()
            .find(|(id, _)| *id == receiver)
            .map_or(0, |(_, count)| *count)
    }

    /// Takes one receiver's response: the first failure ends the send.
    fn take(&mut self, receiver: ReceiverId, response: io::Result<()>) -> ControlFlow<io::Error> {
        self.add(receiver);
        match response {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn read(input: Input, limit: u64) -> Result<Reading, Stop> {
    let Input { name, size, reader } = input;
    let (mut sent, mut malformed, mut calls) = (0, 0, Calls::default());
    let progress = screen::start_progress(size);
    let start = Instant::now();
    let mut lines = Lines::new(reader);
    loop {
        let number = lines.count + 1;
        if number % LINES_A_DRAW == 0 {
            progress.set_position(lines.bytes);
        }
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                return Err(Stop::Input(format!(
                    "cannot read {name} beyond line {}: {error}",
                    number - 1
                )));
            }
        };
        let event = match line {
            Line::Whole(line) => LogLine::parse(line),
            Line::TooLong { bytes } => Err(Reason::TooLong {
                bytes,
                limit: lines::LONGEST,
            }),
        };
        let outcome = match event {
            Ok(event) => {
                sent += 1;
                LOG_LINE
                    .from(event.action.sender())
                    .send_each(&event, |receiver, response| calls.take(receiver, response))
            }
            Err(reason) => {
                malformed += 1;
                let event = Malformed {
                    line: number,
                    reason,
                };
                MALFORMED.send_each(&event, |receiver, response| calls.take(receiver, response))
            }
        };
        if let ControlFlow::Break(error) = outcome {
            return Err(Stop::Output(error));
        }
    }
    let elapsed = start.elapsed();
    screen::end_progress();
    let (lines, bytes) = (lines.count, lines.bytes);
    Ok(Reading {
        name,
        lines,
        bytes,
        sent,
        malformed,
        listed: malformed.min(limit),
        elapsed,
        calls,
    })
}
