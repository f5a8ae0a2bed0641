//! The example `log_pipeline` as its user meets it: its books add up, however it ends.

#![cfg(all(
    feature = "async",
    feature = "macros",
    feature = "queue",
    feature = "rayon",
    feature = "tokio",
    not(miri)
))]

mod example;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use example::{Example, Run, Scratch, number, sample};

const EXAMPLE: Example = Example {
    name: "log_pipeline",
    features: &["--all-features"],
    sources: &["log_pipeline", "logwatch"],
};

impl Scratch {
    /// Returns the program with its directory as that of temporary files.
    fn program(&self) -> Command {
        let mut command = example::command();
        command.env("TMPDIR", &self.0).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], file: &Path) -> Run {
        let output = self.program().args(arguments).arg(file).output();
        Run::new(output.expect("the program starts"))
    }

    /// Returns the names of the files that are left in it.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A row of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    sent: u64,
    delivered: u64,
    dropped: u64,
    refused: u64,
    failed: u64,
    left: u64,
}

/// Returns a row without failures.
fn all_of(sent: u64) -> Row {
    Row {
        sent,
        delivered: sent,
        dropped: 0,
        refused: 0,
        failed: 0,
        left: 0,
    }
}

impl Run {
    /// Returns the rows by receiver. Each must add up, for as many events as were sent.
    fn rows(&self) -> BTreeMap<&str, Row> {
        let rows = self.section("Delivery");
        let titles: Vec<_> = rows[0].split_whitespace().collect();
        let expected = "mode receiver sent delivered dropped refused failed left";
        assert_eq!(titles.join(" "), expected);
        let rows: BTreeMap<_, _> = rows[1..8]
            .iter()
            .map(|row| {
                let cells: Vec<_> = row.split_whitespace().collect();
                let count = |at: usize| number(cells[at]);
                let row = Row {
                    sent: count(2),
                    delivered: count(3),
                    dropped: count(4),
                    refused: count(5),
                    failed: count(6),
                    left: count(7),
                };
                (cells[1], row)
            })
            .collect();
        let (_, sent, _) = self.books();
        for (receiver, row) in &rows {
            let sum = row.delivered + row.dropped + row.refused + row.failed + row.left;
            assert_eq!(sum, row.sent, "{receiver} in:\n{}", self.out);
            let parallel = ["checksum", "lengths", "bytes"].contains(receiver);
            let expected = if parallel { sent.div_ceil(512) } else { sent };
            assert_eq!(row.sent, expected, "{receiver} in:\n{}", self.out);
        }
        rows
    }

    fn section(&self, title: &str) -> Vec<&str> {
        self.rows_below(title).map(str::trim).collect()
    }
}

fn good_lines(count: usize) -> String {
    "2026-03-01 10:00:00 status installed bash:amd64 5.2-1\n".repeat(count)
}

/// Longer than any test takes.
const FOR_EVER: &str = "3600000";

#[test]
fn sample_adds_up() {
    let scratch = Scratch::new("sample");
    let run = scratch.run(&[], &sample());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(run.books(), (60, 50, 10));
    let rows = run.rows();
    for receiver in ["totals", "journal"] {
        assert_eq!(rows[receiver], all_of(50), "{receiver}");
    }
    for receiver in ["checksum", "lengths", "bytes"] {
        assert_eq!(rows[receiver], all_of(1), "{receiver}");
    }
    let busy = Row {
        delivered: 49,
        failed: 1,
        ..all_of(50)
    };
    assert_eq!(rows["index"], busy);
    assert_eq!(
        run.section("Failures"),
        ["line 50: index: the index is busy"]
    );
    let history = rows["history"];
    assert_eq!((history.refused, history.failed, history.left), (0, 0, 0));
    let malformed = [
        "line 18: missing version",
        "line 19: bad date \"2026-02-30\": expected a day as YYYY-MM-DD",
        "line 34: bad time \"24:00:00\": expected HH:MM:SS",
        "line 39: the line is empty",
        "line 40: unknown action \"deconfigure\"",
        "line 47: unknown state \"config-file\"",
        "line 57: bad package \"fonts/old:all\": expected name or name:architecture",
        "line 58: unexpected \"now\" after the last field",
        "line 59: unknown startup \"archives\" \"upgrade\"",
        "line 60: bad time \"17:05:4\": expected HH:MM:SS",
    ];
    assert_eq!(run.section("Malformed"), malformed);
    let findings = run.section("Findings");
    let actions = "actions   startup 7, install 3, upgrade 1, configure 3, trigproc 2, status 28, conffile 3, remove 1, purge 1, disappear 1";
    assert_eq!(findings[0], actions);
    assert!(findings.contains(&"index     7 packages, 39 lines about them"));
    assert_eq!(scratch.left(), [""; 0], "the journal is removed");
}

/// Returns the good lines of the sample, by number: those that the journal must have.
fn good_numbers() -> Vec<u64> {
    let malformed = [18, 19, 34, 39, 40, 47, 57, 58, 59, 60];
    (1..=60).filter(|line| !malformed.contains(line)).collect()
}

#[test]
fn journal_has_every_line_in_order() {
    let scratch = Scratch::new("journal");
    let path = scratch.0.join("kept.journal");
    let run = scratch.run(&["--journal", path.to_str().unwrap()], &sample());
    assert_eq!(run.code, Some(0), "{}", run.err);
    let journal = fs::read_to_string(&path).expect("the journal is kept");
    let first = "1\t2026-02-26 08:14:02\tstartup\t-";
    assert_eq!(journal.lines().next(), Some(first));
    let numbers = journal.lines().map(|line| {
        let (number, _) = line.split_once('\t').expect("a number");
        number.parse().expect("a number")
    });
    assert_eq!(numbers.collect::<Vec<u64>>(), good_numbers());
}

#[test]
fn journal_of_a_long_log_is_in_order() {
    let scratch = Scratch::new("order");
    let log = scratch.file("long.log", good_lines(5_000));
    let path = scratch.0.join("kept.journal");
    let run = scratch.run(&["--journal", path.to_str().unwrap()], &log);
    assert_eq!(run.rows()["journal"], all_of(5_000));
    let journal = fs::read_to_string(&path).expect("the journal is kept");
    for (at, line) in journal.lines().enumerate() {
        assert!(
            line.starts_with(&format!("{}\t", at + 1)),
            "{line:?} at {at}"
        );
    }
}

#[test]
fn chunks_and_the_slots_of_the_index() {
    let scratch = Scratch::new("long");
    let log = scratch.file("long.log", good_lines(2_049));
    let run = scratch.run(&["--history-ms", "0"], &log);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let rows = run.rows();
    assert_eq!(rows["checksum"], all_of(5));
    let index = Row {
        delivered: 2_009,
        failed: 40,
        ..all_of(2_049)
    };
    assert_eq!(rows["index"], index);
    assert_eq!(rows["journal"], all_of(2_049));
}

#[test]
fn policies_of_the_history() {
    let scratch = Scratch::new("policies");
    let log = scratch.file("good.log", good_lines(200));
    let history = |policy: &str| {
        let run = scratch.run(&["--overflow", policy, "--history-ms", "1"], &log);
        assert_eq!(run.code, Some(0), "{}", run.err);
        run.rows()["history"]
    };
    assert_eq!(history("block"), all_of(200));
    for policy in ["drop-newest", "drop-oldest"] {
        let row = history(policy);
        assert_eq!((row.refused, row.left), (0, 0), "{policy}: {row:?}");
    }
    let row = history("reject");
    assert_eq!((row.dropped, row.left), (0, 0), "{row:?}");
}

#[test]
fn input_that_cannot_be_read() {
    let scratch = Scratch::new("input");
    let missing = scratch.0.join("no-such-log");
    scratch.run(&[], &missing).refused(1, "cannot open");
    if cfg!(unix) {
        scratch.run(&[], &scratch.0).refused(1, "it is a directory");
    }
    let zipped = scratch.file("log.gz", b"\x1f\x8b\x08\x00");
    scratch.run(&[], &zipped).refused(1, "zcat");
}

#[test]
fn an_empty_log_is_reported() {
    let scratch = Scratch::new("nothing");
    let empty = scratch.file("empty.log", "");
    scratch.run(&[], &empty).refused(3, "it is empty");
    scratch.run(&[], Path::new("-")).refused(3, "it is empty");
    let bad = scratch.file("bad.log", b"no log\n\xff\xfe\n");
    let run = scratch.run(&[], &bad);
    assert_eq!((run.code, run.books()), (Some(3), (2, 0, 2)));
    let malformed = [
        "line 1: bad date \"no\": expected a day as YYYY-MM-DD",
        "line 2: not utf-8 from byte 1 of the line on",
    ];
    assert_eq!(run.section("Malformed"), malformed);
    assert!(run.rows().values().all(|row| *row == all_of(0)));
    assert_eq!(scratch.left(), ["bad.log", "empty.log"]);
}

#[test]
fn wrong_usage_is_refused_with_a_message() {
    let scratch = Scratch::new("usage");
    let cases: [(&[&str], &str); 8] = [
        (&["--nonsense"], "unknown option \"--nonsense\""),
        (&["one.log", "two.log"], "one file at a time"),
        (&[""], "the name of the file is empty"),
        (&["--journal"], "\"--journal\" needs a value"),
        (&["--journal", ""], "the name of the file is empty"),
        (&["--overflow", "spill"], "unknown policy \"spill\""),
        (&["--history-ms", "soon"], "not a number of milliseconds"),
        (
            &["--grace-ms", "99999999999"],
            "not a number of milliseconds",
        ),
    ];
    for (arguments, message) in cases {
        let output = scratch.program().args(arguments).output();
        Run::new(output.expect("the program starts")).refused(2, message);
    }
    let help = scratch.program().arg("--help").output();
    let help = Run::new(help.expect("the program starts"));
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.contains("Usage: log_pipeline") && help.out.contains("  130  "));
}

#[test]
fn journal_that_cannot_be_made() {
    let scratch = Scratch::new("no-journal");
    let precious = scratch.file("precious", "kept");
    for path in [&precious, &scratch.0.join("none").join("journal")] {
        let run = scratch.run(&["--journal", path.to_str().unwrap()], &sample());
        run.refused(4, "cannot create the journal");
    }
    assert_eq!(fs::read(precious).expect("the file"), b"kept");
}

#[test]
fn a_closed_output_is_no_error() {
    let scratch = Scratch::new("closed");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = scratch.program().arg(sample()).stdout(writer).output();
    let run = Run::new(output.expect("the program starts"));
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(scratch.left(), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written() {
    let scratch = Scratch::new("full");
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let full = full.expect("/dev/full");
    let output = scratch.program().arg(sample()).stdout(full).output();
    Run::new(output.expect("the program starts")).refused(4, "cannot write the output");
}

/// A run that is interrupted when its output on standard error has a text.
#[cfg(unix)]
struct Interrupted {
    child: Child,
    err: BufReader<std::process::ChildStderr>,
    heard: String,
}

#[cfg(unix)]
impl Interrupted {
    fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let err = BufReader::new(child.stderr.take().expect("a pipe"));
        Self {
            child,
            err,
            heard: String::new(),
        }
    }

    /// Waits for a line with this in it.
    fn hear(&mut self, text: &str) {
        loop {
            let before = self.heard.len();
            let read = self.err.read_line(&mut self.heard).expect("a line");
            assert!(read > 0, "no {text:?} in {}", self.heard);
            if self.heard[before..].contains(text) {
                return;
            }
        }
    }

    fn interrupt(&self) {
        let number = self.child.id().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -INT \"$0\"", &number])
            .status()
            .expect("a shell");
        assert!(status.success(), "{status}");
    }

    fn end(mut self) -> Run {
        self.err.read_to_string(&mut self.heard).expect("its rest");
        let mut output = self.child.wait_with_output().expect("the program ends");
        output.stderr = self.heard.into_bytes();
        Run::new(output)
    }
}

#[cfg(unix)]
#[test]
fn interrupted_while_it_waits_for_input() {
    let scratch = Scratch::new("idle");
    let mut command = scratch.program();
    command.args(["--grace-ms", FOR_EVER, "-"]);
    let mut run = Interrupted::start(command.stdin(Stdio::piped()));
    let mut input = run.child.stdin.take().expect("a pipe");
    input
        .write_all(good_lines(30).as_bytes())
        .expect("the program reads");
    run.hear("log_pipeline: 30 lines;");
    run.interrupt();
    let run = run.end();
    drop(input);
    assert_eq!(run.code, Some(130), "{}", run.err);
    assert!(run.out.starts_with("Read standard input, interrupted\n"));
    let rows = run.rows();
    for receiver in ["totals", "journal", "history", "index"] {
        assert_eq!(rows[receiver], all_of(30), "{receiver}: all is delivered");
    }
    assert_eq!(scratch.left(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn interrupted_for_longer_than_its_grace() {
    let scratch = Scratch::new("grace");
    let log = scratch.file("good.log", good_lines(100));
    let slow = ["--history-ms", FOR_EVER, "--index-ms", FOR_EVER];
    let mut command = scratch.program();
    command.args(slow).args(["--grace-ms", "0"]).arg(&log);
    let mut run = Interrupted::start(&mut command);
    run.hear("log_pipeline: 100 lines;");
    run.interrupt();
    let run = run.end();
    assert_eq!(run.code, Some(130), "{}", run.err);
    let rows = run.rows();
    assert_eq!(rows["totals"], all_of(100));
    let index = Row {
        delivered: 0,
        left: 100,
        ..all_of(100)
    };
    assert_eq!(rows["index"], index);
    // 32 have room. One more is in the receiver's hands, unless all came before it took the first.
    let history = rows["history"];
    assert_eq!(
        (history.delivered, history.refused, history.failed),
        (0, 0, 0)
    );
    assert!((32..=33).contains(&history.left), "{history:?}");
}

#[cfg(unix)]
#[test]
fn interrupted_while_a_full_queue_blocks() {
    let scratch = Scratch::new("blocked");
    let log = scratch.file("good.log", good_lines(100));
    let slow = ["--history-ms", FOR_EVER, "--overflow", "block"];
    let mut command = scratch.program();
    command.args(slow).args(["--grace-ms", "0"]).arg(&log);
    let mut run = Interrupted::start(&mut command);
    run.hear("log_pipeline: 34 lines;");
    run.interrupt();
    let run = run.end();
    assert_eq!(run.code, Some(130), "{}", run.err);
    let history = Row {
        delivered: 0,
        refused: 1,
        left: 33,
        ..all_of(34)
    };
    assert_eq!(run.rows()["history"], history);
}

#[cfg(unix)]
#[test]
fn second_interrupt_ends_it_at_once() {
    let scratch = Scratch::new("twice");
    let log = scratch.file("good.log", good_lines(100));
    let mut command = scratch.program();
    command.args(["--history-ms", FOR_EVER, "--grace-ms", FOR_EVER]);
    let mut run = Interrupted::start(command.arg(&log));
    run.hear("log_pipeline: 100 lines;");
    run.interrupt();
    run.hear("interrupted");
    run.interrupt();
    let run = run.end();
    assert_eq!((run.code, run.out.as_str()), (Some(130), ""));
    assert!(
        run.err
            .ends_with("ended at once: events are left undelivered\n")
    );
    assert_eq!(scratch.left(), ["good.log"], "the journal is removed");
}
