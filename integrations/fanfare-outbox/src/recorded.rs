//! The fields of durable events, in a file of the package that has the events.
//!
//! A line has the name, the version and the fields. A line is added for each version, and is never
//! changed by a program.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::event::DurableEvent;

/// The name of the file, which is beside the `Cargo.toml` of the package.
const FILE: &str = "durable-events.lock";

/// The environment variable that has versions recorded.
const RECORD: &str = "FANFARE_DURABLE_EVENTS";

/// The command that records versions.
const COMMAND: &str = "FANFARE_DURABLE_EVENTS=write cargo test";

/// The first line of the file.
const HEADER: &str = "# The fields of durable events by version. Add lines with \
                      FANFARE_DURABLE_EVENTS=write cargo test, and keep those of old versions.";

/// Panics if the fields of the event are not those that are recorded for its version. The test that
/// `#[derive(DurableEvent)]` makes calls it.
///
/// `built_in` is the folder of the package when it was built. A test runner that runs it elsewhere
/// sets the environment variable of the same name.
#[track_caller]
pub fn assert_recorded<E: DurableEvent>(built_in: &str) {
    let Some(fields) = E::SCHEMA else {
        return;
    };
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| built_in.into());
    let file = Path::new(&folder).join(FILE);
    let event = Version {
        name: E::NAME.to_owned(),
        number: E::VERSION,
        fields: fields.to_owned(),
    };
    let checked = if std::env::var_os(RECORD).is_some_and(|value| value == "write") {
        record(&file, &event)
    } else {
        check(&file, &event)
    };
    if let Err(error) = checked {
        panic!("{error}");
    }
}

/// One version of an event: a line of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    name: String,
    number: u32,
    fields: String,
}

impl Version {
    /// Reads a line. The name is in quotes.
    fn read(line: &str) -> Option<Self> {
        let mut names = serde_json::Deserializer::from_str(line).into_iter::<String>();
        let name = names.next()?.ok()?;
        let (number, fields) = line[names.byte_offset()..].trim_start().split_once(' ')?;
        Some(Version {
            name,
            number: number.parse().ok()?,
            fields: fields.to_owned(),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::Value::from(&*self.name);
        write!(f, "{name} {} {}", self.number, self.fields)
    }
}

/// The reasons for which an event is not as it was recorded.
#[derive(Debug, PartialEq, Eq)]
enum Unrecorded {
    Missing,
    Changed { recorded: String, next: u32 },
    Lowered { highest: u32 },
    Twice { number: u32, next: u32 },
    Unreadable { line: usize },
    File { verb: &'static str, error: String },
}

/// An error of an event, with its file.
#[derive(Debug)]
struct RecordError {
    event: Version,
    file: PathBuf,
    reason: Unrecorded,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version {
            name,
            number,
            fields,
        } = &self.event;
        let file = self.file.display();
        match &self.reason {
            Unrecorded::Missing => write!(
                f,
                "version {number} of the durable event {name:?} is not recorded in {file}: record it with \
                 `{COMMAND}`, and commit the file"
            ),
            Unrecorded::Changed { recorded, next } => write!(
                f,
                "version {number} of the durable event {name:?} is recorded in {file} with other fields: raise \
                 `version` to {next}, convert older events in `upcast`, and record it with `{COMMAND}`; or, if \
                 every stored event of version {number} is still read correctly, delete its line and record it \
                 again\n- {recorded}\n+ {fields}"
            ),
            Unrecorded::Lowered { highest } => write!(
                f,
                "the durable event {name:?} has version {number}, and version {highest} is recorded in {file}: \
                 set `version` to {highest} or more, because events of it may be stored; if none was ever \
                 stored, delete its line"
            ),
            Unrecorded::Twice {
                number: twice,
                next,
            } => write!(
                f,
                "version {twice} of the durable event {name:?} is recorded twice in {file}, as after a merge: \
                 delete the line of one change, and give that change version {next}"
            ),
            Unrecorded::Unreadable { line } => write!(
                f,
                "line {line} of {file} has no name, version and fields: resolve the conflict of a merge, or \
                 delete the line and record it again with `{COMMAND}`"
            ),
            Unrecorded::File { verb, error } => write!(f, "{file} could not be {verb}: {error}"),
        }
    }
}

/// Checks an event against the file.
fn check(file: &Path, event: &Version) -> Result<(), RecordError> {
    let at_event = |reason| RecordError {
        event: event.clone(),
        file: file.to_owned(),
        reason,
    };
    let text = match read_shared(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(at_event(failed("read", &error))),
    };
    compare(&text, event).map_err(at_event)
}

/// Adds the version of an event to the file, if it is a new one, and checks it otherwise. Other
/// threads and processes may add theirs at the same time.
fn record(file: &Path, event: &Version) -> Result<(), RecordError> {
    let add = || {
        let mut open = open_locked(file).map_err(|error| failed("opened", &error))?;
        let mut text = String::new();
        let read = open.read_to_string(&mut text);
        read.map_err(|error| failed("read", &error))?;
        match compare(&text, event) {
            Err(Unrecorded::Missing) => {
                write(&mut open, &with(&text, event)).map_err(|error| failed("written", &error))
            }
            compared => compared,
        }
    };
    add().map_err(|reason| RecordError {
        event: event.clone(),
        file: file.to_owned(),
        reason,
    })
}

fn failed(verb: &'static str, error: &io::Error) -> Unrecorded {
    let error = error.to_string();
    Unrecorded::File { verb, error }
}

fn read_shared(file: &Path) -> io::Result<String> {
    let mut open = File::open(file)?;
    or_unsupported(open.lock_shared())?;
    let mut text = String::new();
    open.read_to_string(&mut text)?;
    Ok(text)
}

/// Opens the file, which is locked until it is closed.
fn open_locked(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let open = options.open(file)?;
    or_unsupported(open.lock())?;
    Ok(open)
}

/// Goes on without a lock if the file system has none.
fn or_unsupported(locked: io::Result<()>) -> io::Result<()> {
    match locked {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        locked => locked,
    }
}

fn write(open: &mut File, text: &str) -> io::Result<()> {
    open.rewind()?;
    open.set_len(0)?;
    open.write_all(text.as_bytes())
}

/// Returns the lines with their numbers, without comments.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines());
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Compares an event with the versions that are recorded.
fn compare(text: &str, event: &Version) -> Result<(), Unrecorded> {
    let mut recorded = BTreeMap::new();
    let mut twice = None;
    for (line, version) in lines(text) {
        let version = Version::read(version).ok_or(Unrecorded::Unreadable { line })?;
        if version.name != event.name {
            continue;
        }
        let earlier = recorded.insert(version.number, version.fields.clone());
        if earlier.is_some_and(|earlier| earlier != version.fields) {
            twice = Some(version.number);
        }
    }
    let Some((&highest, _)) = recorded.last_key_value() else {
        return Err(Unrecorded::Missing);
    };
    let next = highest.saturating_add(1);
    if let Some(number) = twice {
        return Err(Unrecorded::Twice { number, next });
    }
    if event.number < highest {
        return Err(Unrecorded::Lowered { highest });
    }
    match recorded.remove(&event.number) {
        None => Err(Unrecorded::Missing),
        Some(fields) if fields == event.fields => Ok(()),
        Some(recorded) => Err(Unrecorded::Changed { recorded, next }),
    }
}

/// Returns the text with one more version. The lines are sorted, and the comments come first.
fn with(text: &str, event: &Version) -> String {
    let mut versions: Vec<_> = lines(text)
        .filter_map(|(_, line)| Version::read(line))
        .collect();
    versions.push(event.clone());
    versions.sort();
    versions.dedup();
    let comments = text.lines().filter(|line| line.starts_with('#'));
    let mut comments: Vec<_> = comments.collect();
    if comments.is_empty() {
        comments.push(HEADER);
    }
    let mut text = comments.join("\n") + "\n";
    for version in versions {
        let _ = writeln!(text, "{version}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A folder that is deleted on drop.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("fanfare-recorded-{}-{name}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join(FILE)
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.file()).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn version(name: &str, number: u32, fields: &str) -> Version {
        Version {
            name: name.to_owned(),
            number,
            fields: fields.to_owned(),
        }
    }

    fn paid(number: u32, fields: &str) -> Version {
        version("shop.Paid", number, fields)
    }

    fn reason(checked: Result<(), RecordError>) -> Unrecorded {
        checked.unwrap_err().reason
    }

    #[test]
    fn a_version_that_is_not_recorded_fails_with_the_command_that_records_it() {
        let folder = Folder::new("missing");
        let event = paid(1, "struct {order: i64}");
        let error = check(&folder.file(), &event).unwrap_err();
        assert!(!folder.file().exists(), "a check writes no file");
        let message = error.to_string();
        assert!(
            message.starts_with("version 1 of the durable event \"shop.Paid\" is not recorded in ")
        );
        assert!(message.contains(": record it with `FANFARE_DURABLE_EVENTS=write cargo test`"));
        record(&folder.file(), &event).unwrap();
        check(&folder.file(), &event).unwrap();
        let next = paid(2, "struct {order: i64}");
        assert_eq!(reason(check(&folder.file(), &next)), Unrecorded::Missing);
    }

    #[test]
    fn a_changed_field_fails_until_the_version_is_raised() {
        let folder = Folder::new("changed");
        record(&folder.file(), &paid(1, "struct {euros: u64}")).unwrap();
        let before = folder.text();
        let changed = paid(1, "struct {cents: u64}");
        let message = check(&folder.file(), &changed).unwrap_err().to_string();
        assert!(message.contains("raise `version` to 2, convert older events in `upcast`"));
        assert!(message.ends_with("\n- struct {euros: u64}\n+ struct {cents: u64}"));
        let recorded = record(&folder.file(), &changed);
        assert!(matches!(
            reason(recorded),
            Unrecorded::Changed { next: 2, .. }
        ));
        assert_eq!(folder.text(), before, "a line that is recorded stays");
        let raised = paid(2, "struct {cents: u64}");
        record(&folder.file(), &raised).unwrap();
        check(&folder.file(), &raised).unwrap();
        assert_eq!(folder.text(), format!("{before}{raised}\n"));
    }

    #[test]
    fn versions_do_not_go_down() {
        let folder = Folder::new("lowered");
        for number in [2, 10] {
            record(&folder.file(), &paid(number, "struct")).unwrap();
        }
        for number in [1, 2, 9] {
            let lowered = paid(number, "struct");
            let expected = Unrecorded::Lowered { highest: 10 };
            assert_eq!(reason(check(&folder.file(), &lowered)), expected);
            assert_eq!(reason(record(&folder.file(), &lowered)), expected);
        }
        let message = check(&folder.file(), &paid(9, "struct")).unwrap_err();
        let fix = "set `version` to 10 or more, because events of it may be stored";
        assert!(message.to_string().contains(fix), "{message}");
    }

    #[test]
    fn recorded_versions_are_sorted_lines_below_the_comments() {
        let folder = Folder::new("sorted");
        let file = folder.file();
        std::fs::write(&file, "# ours\r\n\r\n\"shop.Paid\" 2 struct\r\n").unwrap();
        let events = [
            version("shop.Sent \"at\" once", 1, "struct(u64)"),
            paid(10, "struct"),
            version("auth.Left", 1, "enum {A, B}"),
        ];
        for event in &events {
            record(&file, event).unwrap();
        }
        let sorted = "# ours\n\
             \"auth.Left\" 1 enum {A, B}\n\
             \"shop.Paid\" 2 struct\n\
             \"shop.Paid\" 10 struct\n\
             \"shop.Sent \\\"at\\\" once\" 1 struct(u64)\n";
        assert_eq!(folder.text(), sorted);
        for event in &events {
            check(&file, event).unwrap();
            record(&file, event).unwrap();
        }
        assert_eq!(
            folder.text(),
            sorted,
            "a second record writes the same file"
        );
    }

    #[test]
    fn a_merge_of_two_changes_with_one_version_fails() {
        let folder = Folder::new("merged");
        let line = |fields| format!("\"shop.Paid\" 2 struct {{{fields}}}\n");
        std::fs::write(folder.file(), line("a: u8") + &line("b: u8")).unwrap();
        let checked = check(&folder.file(), &paid(2, "struct {b: u8}"));
        assert_eq!(reason(checked), Unrecorded::Twice { number: 2, next: 3 });
        std::fs::write(folder.file(), line("a: u8") + &line("a: u8")).unwrap();
        check(&folder.file(), &paid(2, "struct {a: u8}")).unwrap();
        let conflict = format!("# h\n<<<<<<< ours\n{}=======\n", line("a: u8"));
        std::fs::write(folder.file(), &conflict).unwrap();
        for checked in [check, record].map(|it| it(&folder.file(), &paid(1, "struct"))) {
            assert_eq!(reason(checked), Unrecorded::Unreadable { line: 2 });
        }
        assert_eq!(
            folder.text(),
            conflict,
            "an unreadable file is left as it is"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_with_its_reason() {
        let folder = Folder::new("folder");
        std::fs::create_dir(folder.file()).unwrap();
        for checked in [check, record].map(|it| it(&folder.file(), &paid(1, "struct"))) {
            let message = checked.unwrap_err().to_string();
            assert!(
                message.contains("durable-events.lock could not be "),
                "{message}"
            );
        }
    }

    #[test]
    fn threads_that_record_at_the_same_time_lose_no_line() {
        let folder = Folder::new("threads");
        let events: Vec<_> = (0..64)
            .map(|at| version(&format!("shop.E{at}"), 1, "struct"))
            .collect();
        thread::scope(|scope| {
            for some in events.chunks(16) {
                let file = folder.file();
                scope.spawn(move || some.iter().for_each(|it| record(&file, it).unwrap()));
            }
        });
        for event in &events {
            check(&folder.file(), event).unwrap();
        }
        assert_eq!(folder.text().lines().count(), 65);
    }
}
