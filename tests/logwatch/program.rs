//! Finds the program, runs it, and reads what it prints.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::SystemTime;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    let program = profile
        .join("examples")
        .join(format!("logwatch{}", std::env::consts::EXE_SUFFIX));
    // A run of this test alone builds no example, and finds none or an old one.
    if modified(&program).is_none_or(|built| built < newest_source()) {
        build(profile);
    }
    program
});

fn build(profile_directory: &Path) {
    let parent = profile_directory.parent().expect("the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "fanfare",
        "--example",
        "logwatch",
    ]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // With --target, a directory named after it lies between; cargo tags the outer one.
    if parent.join("CACHEDIR.TAG").exists() {
        cargo.arg("--target-dir").arg(parent);
    } else {
        cargo
            .arg("--target-dir")
            .arg(parent.parent().expect("the target directory"));
        cargo
            .arg("--target")
            .arg(parent.file_name().expect("the target's name"));
    }
    let profile = profile_directory
        .file_name()
        .expect("the profile's name")
        .to_string_lossy();
    cargo.args([
        "--profile",
        if profile == "debug" { "dev" } else { &profile },
    ]);
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "building the example failed: {status}");
}

fn newest_source() -> SystemTime {
    fn newest(path: &Path) -> Option<SystemTime> {
        if !path.is_dir() {
            return modified(path);
        }
        fs::read_dir(path)
            .ok()?
            .filter_map(|entry| newest(&entry.ok()?.path()))
            .max()
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["examples/logwatch", "src", "macros/src"]
        .iter()
        .filter_map(|path| newest(&root.join(path)))
        .max()
        .expect("sources")
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/dpkg-sample.log")
}

pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the output is utf-8");
        let run = Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(!run.err.contains("panicked"), "{}", run.err);
        assert!(
            !run.out.contains('\x1b') && !run.err.contains('\x1b'),
            "escape sequences without a terminal"
        );
        run
    }

    /// Of a run that read a log: (lines, sent, malformed), which must add up.
    pub(crate) fn books(&self) -> (u64, u64, u64) {
        let count = |label: &str| {
            let mut report = self
                .out
                .lines()
                .skip_while(|line| !line.starts_with("Read "));
            let row = report.find_map(|line| line.trim_start().strip_prefix(label));
            number(row.unwrap_or_else(|| panic!("no {label:?} in:\n{}{}", self.out, self.err)))
        };
        let (lines, sent, malformed) = (count("lines "), count("sent "), count("malformed "));
        assert_eq!(sent + malformed, lines, "{}", self.out);
        assert!(!self.out.contains("DO NOT AGREE"), "{}", self.out);
        (lines, sent, malformed)
    }

    pub(crate) fn tagged(&self, tag: &str) -> Vec<&str> {
        self.out
            .lines()
            .filter_map(|line| line.strip_prefix(tag))
            .map(str::trim_start)
            .collect()
    }

    /// The rows of a section, their words joined by single spaces, without the bars.
    pub(crate) fn section(&self, title: &str) -> Vec<String> {
        let rows = self
            .out
            .lines()
            .skip_while(|line| *line != title)
            .skip(1)
            .take_while(|line| !line.is_empty());
        let words = |line: &str| {
            let words = line
                .split_whitespace()
                .filter(|word| !word.starts_with(|c| c == '#' || ('▀'..='▟').contains(&c)));
            words.collect::<Vec<_>>().join(" ")
        };
        rows.map(words).collect()
    }

    /// Everything but the name of the input, its size and the speed.
    pub(crate) fn findings(&self) -> Vec<&str> {
        let varies = |line: &&str| {
            ["Read ", "  bytes ", "  speed "]
                .iter()
                .any(|start| line.starts_with(start))
        };
        self.out.lines().filter(|line| !varies(line)).collect()
    }
}

fn number(text: &str) -> u64 {
    text.trim()
        .replace(',', "")
        .parse()
        .unwrap_or_else(|_| panic!("not a number: {text:?}"))
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(&*PROGRAM);
    command
        .env("LC_ALL", "C.UTF-8")
        .env("COLUMNS", "80")
        .env_remove("NO_COLOR");
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

/// A file or directory of this process's own, removed when dropped.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn file(name: &str, content: &[u8]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("logwatch-{}-{name}", std::process::id()));
        fs::write(&path, content).expect("the scratch file is written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A sound line, without its end.
pub(crate) const GOOD: &str = "2026-03-01 10:00:00 status installed bash:amd64 5.2-1";
