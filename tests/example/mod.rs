//! Builds an example, runs it, and reads its output. The program that includes this names it at the
//! root, as `EXAMPLE`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::SystemTime;

use crate::EXAMPLE;

pub(crate) struct Example {
    pub(crate) name: &'static str,
    /// The features that are passed to cargo.
    pub(crate) features: &'static [&'static str],
    /// Its folders below `examples`.
    pub(crate) sources: &'static [&'static str],
}

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    let program =
        profile
            .join("examples")
            .join(format!("{}{}", EXAMPLE.name, std::env::consts::EXE_SUFFIX));
    // A run of this test alone builds no example, and finds none or an old one.
    if modified(&program).is_none_or(|built| built < newest_source()) {
        build(profile);
    }
    program
});

fn build(profile_directory: &Path) {
    let parent = profile_directory.parent().expect("the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "fanfare"]);
    cargo.args(EXAMPLE.features);
    cargo.args(["--example", EXAMPLE.name]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // With --target, a directory named after it lies between; cargo tags the outer one.
    if parent.join("CACHEDIR.TAG").exists() {
        cargo.arg("--target-dir").arg(parent);
    } else {
        let outer = parent.parent().expect("the target directory");
        let target = parent.file_name().expect("the target's name");
        cargo.arg("--target-dir").arg(outer);
        cargo.arg("--target").arg(target);
    }
    let profile = profile_directory.file_name().expect("the profile's name");
    let profile = profile.to_string_lossy();
    let profile = if profile == "debug" { "dev" } else { &profile };
    let status = cargo.args(["--profile", profile]).status();
    let status = status.expect("cargo starts");
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
    let examples = root.join("examples");
    let own = EXAMPLE.sources.iter().map(|path| examples.join(path));
    own.chain(["src", "macros/src"].map(|path| root.join(path)))
        .filter_map(|path| newest(&path))
        .max()
        .expect("sources")
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// Returns a command that runs it, with the same language everywhere.
pub(crate) fn command() -> Command {
    let mut command = Command::new(&*PROGRAM);
    command.env("LC_ALL", "C.UTF-8");
    command
}

pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/dpkg-sample.log")
}

/// A directory of one test's own. Removed when dropped.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("{}-{}-{name}", EXAMPLE.name, std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the directory is made");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("the file is written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The output and the exit of a run.
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

    /// Returns the counts of a run that read a log: (lines, sent, malformed), which must add up.
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

    /// Returns the rows below a title.
    pub(crate) fn rows_below(&self, title: &str) -> impl Iterator<Item = &str> {
        let rows = self.out.lines().skip_while(move |line| *line != title);
        rows.skip(1).take_while(|line| !line.is_empty())
    }

    /// Wants a message of one line, nothing on standard output, and the code.
    pub(crate) fn refused(&self, code: i32, message: &str) {
        let ended = (self.code, self.out.as_str());
        assert_eq!(ended, (Some(code), ""), "{}", self.err);
        let start = format!("{}: ", EXAMPLE.name);
        assert!(
            self.err.starts_with(&start) && self.err.lines().count() == 1,
            "{}",
            self.err
        );
        assert!(self.err.contains(message), "{message:?} in {}", self.err);
    }
}

pub(crate) fn number(text: &str) -> u64 {
    let digits = text.trim().replace(',', "");
    digits
        .parse()
        .unwrap_or_else(|_| panic!("not a number: {text:?}"))
}
