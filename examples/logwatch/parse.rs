//! One line of dpkg's log as an event: the forms that `dpkg(1)` documents under `--log`, read
//! strictly.

use fanfare::{Event, Sender};
use std::fmt;

/// An enum whose variants are the words of the log.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            pub(crate) const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// The subject of a line, which is the sender of its event.
    Action {
        Startup = "startup",
        Install = "install",
        Upgrade = "upgrade",
        Configure = "configure",
        Trigproc = "trigproc",
        Status = "status",
        Conffile = "conffile",
        Remove = "remove",
        Purge = "purge",
        Disappear = "disappear",
    }
}

impl Action {
    pub(crate) const fn sender(self) -> Sender<'static> {
        Sender::named(self.name())
    }
}

words! {
    /// The state that a `status` line puts a package in.
    State {
        NotInstalled = "not-installed",
        ConfigFiles = "config-files",
        HalfInstalled = "half-installed",
        Unpacked = "unpacked",
        HalfConfigured = "half-configured",
        TriggersAwaited = "triggers-awaited",
        TriggersPending = "triggers-pending",
        Installed = "installed",
    }
}

words! {
    /// The decision about a changed configuration file.
    Decision { Install = "install", Keep = "keep" }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub(crate) year: u16,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

/// A local time of day on a date, as dpkg wrote it: the log names no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) date: Date,
    hour: u8,
    minute: u8,
    second: u8,
}

/// A line of the log. Everything in it borrows from the line.
#[derive(Clone, Copy, Debug, Event)]
pub(crate) struct LogLine<'a> {
    pub(crate) moment: Moment,
    pub(crate) action: Action,
    pub(crate) detail: Detail<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Detail<'a> {
    /// `startup`: a run of dpkg.
    Run,
    /// `status`: a package's new state.
    Change { state: State },
    /// `conffile`: a changed configuration file.
    File { decision: Decision },
    /// Every other action, with the version that was installed before it.
    Package {
        package: &'a str,
        installed: &'a str,
    },
}

/// A line that no event could be made of.
#[derive(Clone, Copy, Debug, Event)]
pub(crate) struct Malformed<'a> {
    pub(crate) line: u64,
    pub(crate) reason: Reason<'a>,
}

/// Why a line is malformed. Borrows the part at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason<'a> {
    Empty,
    TooLong { bytes: u64, limit: usize },
    NotUtf8 { byte: usize },
    Date(&'a str),
    Time(&'a str),
    Action(&'a str),
    Missing { what: &'static str },
    Extra(&'a str),
    Startup(&'a str, &'a str),
    State(&'a str),
    Package(&'a str),
    Version(&'a str),
    Path(&'a str),
    Decision(&'a str),
}

impl<'a> LogLine<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Reason<'a>> {
        let line = std::str::from_utf8(line).map_err(|e| Reason::NotUtf8 {
            byte: e.valid_up_to() + 1,
        })?;
        if line.is_empty() {
            return Err(Reason::Empty);
        }
        let mut fields = Fields { rest: Some(line) };
        let date = fields.next("date")?;
        let date = Date::parse(date).ok_or(Reason::Date(date))?;
        let time = fields.next("time")?;
        let moment = Moment::parse(date, time).ok_or(Reason::Time(time))?;
        let action = fields.next("action")?;
        let action = Action::parse(action).ok_or(Reason::Action(action))?;
        let detail = match action {
            Action::Startup => run(&mut fields)?,
            Action::Status => change(&mut fields)?,
            Action::Conffile => file(&mut fields)?,
            _ => {
                let package = package(&mut fields)?;
                let installed = version(&mut fields, "installed version")?;
                version(&mut fields, "available version")?;
                Detail::Package { package, installed }
            }
        };
        fields.end()?;
        Ok(Self {
            moment,
            action,
            detail,
        })
    }
}

/// The fields of a line, each one space from the next.
struct Fields<'a> {
    rest: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn next(&mut self, what: &'static str) -> Result<&'a str, Reason<'a>> {
        let missing = Reason::Missing { what };
        let rest = self.rest.ok_or(missing)?;
        let (field, rest) = rest
            .split_once(' ')
            .map_or((rest, None), |(field, rest)| (field, Some(rest)));
        self.rest = rest;
        if field.is_empty() {
            Err(missing)
        } else {
            Ok(field)
        }
    }

    fn end(&self) -> Result<(), Reason<'a>> {
        self.rest.map_or(Ok(()), |rest| Err(Reason::Extra(rest)))
    }
}

fn run<'a>(fields: &mut Fields<'a>) -> Result<Detail<'a>, Reason<'a>> {
    let kind = fields.next("startup type")?;
    let command = fields.next("startup command")?;
    match (kind, command) {
        ("archives", "unpack" | "install" | "record-avail")
        | ("packages", "configure" | "triggers-only" | "remove" | "purge") => Ok(Detail::Run),
        _ => Err(Reason::Startup(kind, command)),
    }
}

fn change<'a>(fields: &mut Fields<'a>) -> Result<Detail<'a>, Reason<'a>> {
    let state = fields.next("state")?;
    let state = State::parse(state).ok_or(Reason::State(state))?;
    package(fields)?;
    version(fields, "version")?;
    Ok(Detail::Change { state })
}

/// A path may hold spaces, so the decision is what follows the last one.
fn file<'a>(fields: &mut Fields<'a>) -> Result<Detail<'a>, Reason<'a>> {
    let rest = fields.rest.take().ok_or(Reason::Missing { what: "path" })?;
    let (path, decision) = rest
        .rsplit_once(' ')
        .ok_or(Reason::Missing { what: "decision" })?;
    if !path.starts_with('/') {
        return Err(Reason::Path(path));
    }
    let decision = Decision::parse(decision).ok_or(Reason::Decision(decision))?;
    Ok(Detail::File { decision })
}

/// A package name as dpkg takes it, with or without `:architecture`.
fn package<'a>(fields: &mut Fields<'a>) -> Result<&'a str, Reason<'a>> {
    let field = fields.next("package")?;
    let (name, architecture) = field.split_once(':').unwrap_or((field, "all"));
    let sound = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+._".contains(&b))
        && !architecture.is_empty()
        && architecture
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if sound {
        Ok(field)
    } else {
        Err(Reason::Package(field))
    }
}

/// A version, or `<none>`.
fn version<'a>(fields: &mut Fields<'a>, what: &'static str) -> Result<&'a str, Reason<'a>> {
    let field = fields.next(what)?;
    let sound = field == "<none>"
        || field
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-+~:".contains(&b));
    if sound {
        Ok(field)
    } else {
        Err(Reason::Version(field))
    }
}

/// The number that these bytes write in decimal digits alone.
fn number(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |n: u16, b| {
        b.is_ascii_digit().then(|| n * 10 + u16::from(b - b'0'))
    })
}

/// Parses two digits, as [`number`] does, for a month, a day, an hour, ...
fn pair(digits: &[u8]) -> Option<u8> {
    number(digits).and_then(|n| u8::try_from(n).ok())
}

impl Date {
    fn parse(text: &str) -> Option<Self> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else {
            return None;
        };
        let date = Self {
            year: number(&[y1, y2, y3, y4])?,
            month: pair(&[m1, m2])?,
            day: pair(&[d1, d2])?,
        };
        let year = date.year;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match date.month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        (1..=last).contains(&date.day).then_some(date)
    }

    /// Days since 1 March of the year 0.
    fn ordinal(self) -> i64 {
        // A year that starts in March has its leap day at the end.
        let (year, month) = match self.month {
            1 | 2 => (i64::from(self.year) - 1, i64::from(self.month) + 9),
            _ => (i64::from(self.year), i64::from(self.month) - 3),
        };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leap_days + (153 * month + 2) / 5 + i64::from(self.day) - 1
    }
}

impl Moment {
    fn parse(date: Date, text: &str) -> Option<Self> {
        let [h1, h2, b':', m1, m2, b':', s1, s2] = *text.as_bytes() else {
            return None;
        };
        let (hour, minute, second) = (pair(&[h1, h2])?, pair(&[m1, m2])?, pair(&[s1, s2])?);
        // 60 is a leap second.
        (hour < 24 && minute < 60 && second <= 60).then_some(Self {
            date,
            hour,
            minute,
            second,
        })
    }

    /// Seconds between the two, by the clock on the wall.
    pub(crate) fn seconds_since(self, earlier: Self) -> i64 {
        self.ordinal() - earlier.ordinal()
    }

    fn ordinal(self) -> i64 {
        ((self.date.ordinal() * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute)) * 60
            + i64::from(self.second)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:02}:{:02}:{:02}",
            self.date, self.hour, self.minute, self.second
        )
    }
}

/// Text from the log, quoted, escaped (it may hold what drives a terminal) and cut short.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        let end = self
            .0
            .char_indices()
            .nth(LONGEST)
            .map_or(self.0.len(), |(at, _)| at);
        let more = if end < self.0.len() { "..." } else { "" };
        write!(f, "\"{}{more}\"", self.0[..end].escape_debug())
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => write!(f, "the line is empty"),
            Self::TooLong { bytes, limit } => {
                write!(f, "too long: {bytes} bytes, at most {limit} are read")
            }
            Self::NotUtf8 { byte } => write!(f, "not utf-8 from byte {byte} of the line on"),
            Self::Date(text) => {
                write!(f, "bad date {}: expected a day as YYYY-MM-DD", Quoted(text))
            }
            Self::Time(text) => write!(f, "bad time {}: expected HH:MM:SS", Quoted(text)),
            Self::Action(text) => write!(f, "unknown action {}", Quoted(text)),
            Self::Missing { what } => write!(f, "missing {what}"),
            Self::Extra(text) => write!(f, "unexpected {} after the last field", Quoted(text)),
            Self::Startup(kind, command) => {
                write!(f, "unknown startup {} {}", Quoted(kind), Quoted(command))
            }
            Self::State(text) => write!(f, "unknown state {}", Quoted(text)),
            Self::Package(text) => write!(
                f,
                "bad package {}: expected name or name:architecture",
                Quoted(text)
            ),
            Self::Version(text) => write!(f, "bad version {}", Quoted(text)),
            Self::Path(text) => write!(f, "bad path {}: expected one from / on", Quoted(text)),
            Self::Decision(text) => write!(
                f,
                "unknown decision {}: expected install or keep",
                Quoted(text)
            ),
        }
    }
}
