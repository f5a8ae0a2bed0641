//! Runs the program, and reads its report.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) use crate::example::{Run, Scratch, sample};

impl Run {
    pub(crate) fn tagged(&self, tag: &str) -> Vec<&str> {
        self.out
            .lines()
            .filter_map(|line| line.strip_prefix(tag))
            .map(str::trim_start)
            .collect()
    }

    /// Returns the rows of a section, their words joined by single spaces, without the bars.
    pub(crate) fn section(&self, title: &str) -> Vec<String> {
        let words = |line: &str| {
            let words = line
                .split_whitespace()
                .filter(|word| !word.starts_with(|c| c == '#' || ('▀'..='▟').contains(&c)));
            words.collect::<Vec<_>>().join(" ")
        };
        self.rows_below(title).map(words).collect()
    }

    /// Returns the report without the name of the input, its size and the speed.
    pub(crate) fn findings(&self) -> Vec<&str> {
        let varies = |line: &&str| {
            ["Read ", "  bytes ", "  speed "]
                .iter()
                .any(|start| line.starts_with(start))
        };
        self.out.lines().filter(|line| !varies(line)).collect()
    }
}

pub(crate) fn program() -> Command {
    let mut command = crate::example::command();
    command.env("COLUMNS", "80").env_remove("NO_COLOR");
    command
}

pub(crate) fn on_file(arguments: &[&str], file: &Path) -> Run {
    Run::new(
        program()
            .args(arguments)
            .arg(file)
            .output()
            .expect("the program starts"),
    )
}

pub(crate) fn feed(command: &mut Command, log: &[u8]) -> Run {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        // Fails if the program ends before it has read everything, as some of these tests want.
        scope.spawn(move || stdin.write_all(log));
        Run::new(child.wait_with_output().expect("the program ends"))
    })
}

pub(crate) fn on_input(arguments: &[&str], log: impl AsRef<[u8]>) -> Run {
    feed(program().args(arguments).arg("-"), log.as_ref())
}

/// A sound line, without its end.
pub(crate) const GOOD: &str = "2026-03-01 10:00:00 status installed bash:amd64 5.2-1";
