//! The program as a person starts it, with its worker killed, its supervisor killed, and its files
//! changed.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The time that a test waits before it fails.
const LONG: Duration = Duration::from_secs(120);

fn shop(arguments: &[&str], folder: Option<&Path>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.args(arguments).args(folder);
    command
}

fn run(arguments: &[&str], folder: Option<&Path>) -> Output {
    shop(arguments, folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Returns the words of the line of the books that begins with `name`.
fn line_of<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let words = text.lines().map(|line| line.split_whitespace());
    let mut lines = words.map(Iterator::collect::<Vec<_>>);
    let line = lines.find(|words| words.first() == Some(&name));
    line.unwrap_or_else(|| panic!("the books have the line {name}: {text}"))
}

/// Returns a number in a line of the books.
fn number(text: &str, name: &str, word: usize) -> u64 {
    let line = line_of(text, name);
    let digits = line[word].trim_matches(|c: char| !c.is_ascii_digit());
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{line:?}: {text}"))
}

/// A shop that is open, with keys and without chaos.
struct Open {
    supervisor: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Open {
    fn new(folder: &Path) -> Self {
        let mut supervisor = shop(&["--seed", "5"], Some(folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
        Open { supervisor, lines }
    }

    fn press(&mut self, key: &str) {
        let input = self.supervisor.stdin.as_mut().unwrap();
        writeln!(input, "{key}").unwrap();
    }

    /// Reads to the line about the worker with this number, and returns its process.
    fn worker(&mut self, number: u32) -> u32 {
        let start = format!("worker {number} is process ");
        loop {
            let line = self.lines.next().expect("the shop is open").unwrap();
            if let Some((_, rest)) = line.split_once(&start) {
                return rest.split(',').next().unwrap().parse().unwrap();
            }
        }
    }

    /// Reads to the end, and returns the rest and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        let rest: Vec<_> = self.lines.map(Result::unwrap).collect();
        (rest.join("\n"), self.supervisor.wait().unwrap().code())
    }
}

fn signal(process: u32, signal: &str) {
    let process = process.to_string();
    let sent = Command::new("kill").args([signal, &process]).status();
    assert!(sent.unwrap().success(), "{signal} was sent to {process}");
}

/// Returns `true` if the process runs. A process that has ended and that no parent has waited for
/// counts as ended.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    // The state comes after the name, which is in parentheses.
    stat.is_ok_and(|stat| {
        let state = stat.rsplit_once(") ").map(|(_, state)| state);
        state.is_some_and(|state| !state.starts_with('Z'))
    })
}

#[test]
fn the_books_add_up_after_kills_at_random_moments() {
    let ended = run(&["--chaos", "10", "--seed", "1"], None);
    let text = String::from_utf8(ended.stdout).unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{text}{errors}");
    assert!(text.ends_with("the books add up\n"), "{text}");

    let kills = number(&text, "kills", 1);
    let killed = text.matches("is killed: signal: 9 (SIGKILL)").count();
    assert_eq!(kills, killed as u64, "{text}");
    assert!(kills >= 3, "{text}");
    let with_owed = number(&text, "kills", 2);
    assert!(with_owed >= 1, "no kill hit pending deliveries: {text}");

    let orders = number(&text, "orders", 1);
    assert!(orders >= 20, "{text}");
    assert_eq!(number(&text, "billed", 1), orders, "{text}");
    assert_eq!(number(&text, "shipped", 1), orders, "{text}");
    let returned = text.matches("\n  returned ").count() as u64;
    assert_eq!(number(&text, "mailed", 1) + returned, orders, "{text}");
    assert!(
        number(&text, "orders", 3) >= 1,
        "an order was rolled back: {text}"
    );
    assert_eq!(number(&text, "lost", 1), 0, "{text}");
}

/// Without the temporary folder nothing is left of a shop whose books add up.
#[test]
fn a_shop_without_a_folder_leaves_no_files() {
    let place = TempDir::new().unwrap();
    let ended = shop(&["--chaos", "2"], None)
        .env("TMPDIR", place.path())
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_mail_that_is_taken_out_of_the_books_is_reported_by_the_next_run() {
    let folder = TempDir::new().unwrap();
    let first = run(&["--chaos", "3", "--seed", "2"], Some(folder.path()));
    let text = String::from_utf8(first.stdout).unwrap();
    assert_eq!(first.status.code(), Some(0), "{text}");
    let orders = number(&text, "orders", 1);

    let second = run(&["--chaos", "2", "--seed", "3"], Some(folder.path()));
    let text = String::from_utf8(second.stdout).unwrap();
    assert_eq!(second.status.code(), Some(0), "{text}");
    assert!(number(&text, "orders", 1) > orders, "it goes on: {text}");

    let mails = folder.path().join("mails.txt");
    let lines = fs::read_to_string(&mails).unwrap();
    let order = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
    let lost = order(lines.lines().nth(4).unwrap());
    let kept = lines.lines().filter(|line| order(line) != lost);
    let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
    fs::write(&mails, kept).unwrap();
    let third = run(&["--chaos", "2", "--seed", "4"], Some(folder.path()));
    let text = String::from_utf8(third.stdout).unwrap();
    assert_eq!(third.status.code(), Some(1), "{text}");
    let fault = format!("lost: order {lost} has no mail\n");
    assert!(text.contains(&fault), "{text}");
    assert!(text.contains("the books do not add up"), "{text}");
}

#[test]
fn keys_kill_the_worker_and_close_the_shop() {
    let folder = TempDir::new().unwrap();
    let mut shop = Open::new(folder.path());
    let first = shop.worker(1);
    assert!(runs(first));
    shop.press("k");
    let second = shop.worker(2);
    assert_ne!(first, second);
    assert!(!runs(first));
    std::thread::sleep(Duration::from_secs(1));
    shop.press("q");
    let (text, code) = shop.end();
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(number(&text, "kills", 1), 1, "{text}");
    assert!(!runs(second));
}

#[test]
fn an_interrupt_closes_the_shop_with_its_books() {
    let folder = TempDir::new().unwrap();
    let mut shop = Open::new(folder.path());
    let worker = shop.worker(1);
    std::thread::sleep(Duration::from_millis(500));
    signal(shop.supervisor.id(), "-INT");
    let (text, code) = shop.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("the books add up"), "{text}");
    assert!(!runs(worker));
}

#[test]
fn a_worker_ends_with_its_supervisor_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let mut shop = Open::new(folder.path());
    let worker = shop.worker(1);
    std::thread::sleep(Duration::from_secs(1));
    shop.supervisor.kill().unwrap();
    shop.supervisor.wait().unwrap();
    let began = Instant::now();
    while runs(worker) {
        assert!(began.elapsed() < LONG, "the worker runs on");
        std::thread::sleep(Duration::from_millis(20));
    }

    let next = run(&["--chaos", "2"], Some(folder.path()));
    let text = String::from_utf8(next.stdout).unwrap();
    assert_eq!(next.status.code(), Some(0), "{text}");
}

#[test]
fn a_second_shop_in_the_same_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut shop = Open::new(folder.path());
    shop.worker(1);
    let second = run(&["--chaos", "2"], Some(folder.path()));
    assert_eq!(second.status.code(), Some(1));
    let errors = String::from_utf8(second.stderr).unwrap();
    assert!(errors.contains("another shop is open in"), "{errors}");
    shop.press("q");
    assert_eq!(shop.end().1, Some(0));
}

#[test]
fn wrong_arguments_are_refused_with_the_reason() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    for (arguments, reason) in [
        (&["--caos"][..], "unknown option \"--caos\""),
        (&["--chaos", "1"], "--chaos \"1\": give 2 to 3600 seconds"),
        (
            &["--chaos", "10s"],
            "--chaos \"10s\": give 2 to 3600 seconds",
        ),
        (&["--chaos", "-5"], "--chaos \"-5\": give 2 to 3600 seconds"),
        (&["--seed"], "--seed needs a number"),
        (&["--seed", "x"], "the seed \"x\" is no number"),
        (&["one", "two"], "\"two\" is a second folder: name one"),
        (&[""], "the name of the folder is empty"),
        (&[file], "is no folder: name a folder"),
        (&["--worker"], "--worker needs a folder"),
    ] {
        let ended = run(arguments, None);
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
        assert!(errors.contains("see --help"), "{arguments:?}: {errors}");
        assert_eq!(ended.stdout, b"");
    }
}

#[test]
fn help_names_the_options() {
    let mut child = shop(&["--help"], None)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut out = child.stdout.take().unwrap();
    out.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    for option in ["--chaos", "--seed", "FOLDER"] {
        assert!(text.contains(option), "{text}");
    }
}
