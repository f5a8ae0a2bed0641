//! The receivers that `#[receiver]` declares, and their connecting.

use std::collections::HashSet;
use std::fmt;
use std::ptr;
use std::sync::{LazyLock, Mutex};

use super::candidate::Declared;
use crate::lock::lock;

/// A receiver as `#[receiver]` declares it.
pub struct Registration {
    signal: &'static str,
    receiver: &'static str,
    file: &'static str,
    line: u32,
    connect: fn() -> Declared,
}

impl Registration {
    /// Makes the registration of a receiver. The macro's expansion calls it.
    pub const fn new(
        signal: &'static str,
        receiver: &'static str,
        file: &'static str,
        line: u32,
        connect: fn() -> Declared,
    ) -> Self {
        Registration {
            signal,
            receiver,
            file,
            line,
            connect,
        }
    }

    /// Returns the place in the order of connecting: the crate, the module, the line. It is the
    /// same wherever the crate lies.
    fn place(&self) -> (&str, &str, u32, &str, &str) {
        let (module, _) = self.receiver.rsplit_once("::").unwrap_or_default();
        let name = module.split("::").next().unwrap_or_default();
        (name, module, self.line, self.receiver, self.signal)
    }
}

inventory::collect!(Registration);

/// Connects every function that [`#[receiver]`](macro@crate::receiver) marks in this program, once,
/// and reports them.
///
/// Call it when the program starts, as Django's `AppConfig.ready` would. A later call connects
/// exactly the receivers that have been declared since, which are the receivers of a dynamic
/// library that the program has loaded. It connects no receiver twice, and does not connect a
/// receiver again that has been disconnected since. The report of each call has the receivers of
/// all calls.
///
/// Receivers of one call are connected in the order of their crates' names, their modules and their
/// lines, whatever order the linker put them in. The receivers of a later call come after those of
/// an earlier call.
///
/// Only crates that are linked count. If the program uses no item of a crate, the linker may leave
/// out the crate and its receivers. The report shows it.
///
/// # Dynamic libraries
///
/// A library's receivers are found only if the program and the library share one copy of fanfare:
/// see "Plugins" in `docs/guarantees.md`. A library that declares receivers must never be unloaded.
///
/// Threads that call this at the same time wait for one another. Do not call it from inside a
/// signal's `static` initializer.
///
/// ```
/// use fanfare::{Sender, Signal, receiver};
///
/// static STARTED: Signal<u32, u32> = Signal::new();
///
/// #[receiver(STARTED)]
/// fn double(_sender: Sender<'_>, n: &u32) -> u32 {
///     2 * n
/// }
///
/// let report = fanfare::connect_receivers();
/// assert!(report.entries().iter().any(|entry| entry.signal == "STARTED"));
/// assert_eq!(*STARTED.send(&21), [42]);
/// ```
pub fn connect_receivers() -> ConnectReport {
    static CONNECTED: LazyLock<Mutex<Connected>> = LazyLock::new(Mutex::default);
    let mut connected = lock(&CONNECTED);
    connected.connect_new(inventory::iter::<Registration>().collect());
    ConnectReport {
        entries: connected.report.clone(),
    }
}

/// The receivers that were connected so far.
#[derive(Default)]
struct Connected {
    /// The addresses of their registrations, which are statics.
    known: HashSet<usize>,
    report: Vec<ReportEntry>,
}

impl Connected {
    /// Connects the receivers that were not connected by an earlier call.
    fn connect_new(&mut self, registrations: Vec<&'static Registration>) {
        let is_new = |it: &&Registration| !self.known.contains(&ptr::from_ref(*it).addr());
        let mut new: Vec<_> = registrations.into_iter().filter(is_new).collect();
        new.sort_by_key(|it| it.place());
        for it in new {
            let connection = (it.connect)();
            // It is known only now, so that a panic, as a signal's initializer can have, leaves it
            // to the next call.
            self.known.insert(ptr::from_ref(it).addr());
            self.report.push(ReportEntry {
                signal: it.signal,
                receiver: it.receiver,
                file: it.file,
                line: it.line,
                sender: connection.sender_in_words(),
                is_new: connection.is_new(),
            });
        }
    }
}

/// The receivers that [`connect_receivers`] connected. It displays as a line for each receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectReport {
    entries: Vec<ReportEntry>,
}

/// One receiver of one signal in a [`ConnectReport`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportEntry {
    /// The signal, as the attribute names it.
    pub signal: &'static str,
    /// The function, with its module.
    pub receiver: &'static str,
    /// The file that the receiver is in.
    pub file: &'static str,
    /// The line of the attribute or function.
    pub line: u32,
    /// The sender it was connected for, in words, with a name in quotes, or `None` for any sender.
    /// For a receiver that waits for its sender, the words come from the signal's crate, such as
    /// `model "shop.Customer"`.
    pub sender: Option<String>,
    /// `true` if this receiver made the connection, and `false` if another with the same uid was
    /// first.
    pub is_new: bool,
}

impl ConnectReport {
    /// Returns every receiver, in the order of connecting.
    pub fn entries(&self) -> &[ReportEntry] {
        &self.entries
    }

    /// Returns the receivers whose connect had no effect, because an equal connection was there
    /// first.
    pub fn duplicates(&self) -> impl Iterator<Item = &ReportEntry> {
        self.entries.iter().filter(|entry| !entry.is_new)
    }
}

impl fmt::Display for ConnectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.entries.iter();
        if let Some(first) = lines.next() {
            write!(f, "{first}")?;
        }
        lines.try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl fmt::Display for ReportEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReportEntry {
            signal,
            receiver,
            file,
            line,
            sender,
            is_new,
        } = self;
        write!(f, "{signal} <- {receiver} ({file}:{line})")?;
        if let Some(sender) = sender {
            write!(f, ", from {sender}")?;
        }
        if *is_new {
            Ok(())
        } else {
            f.write_str(", a duplicate")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    static LOADED: Signal<u32, &'static str> = Signal::new();

    /// Makes a registration live forever, where a search for leaks finds it.
    fn kept(registration: Registration) -> &'static Registration {
        static KEPT: Mutex<Vec<&Registration>> = Mutex::new(Vec::new());
        let registration = &*Box::leak(Box::new(registration));
        let mut all = lock(&KEPT);
        all.push(registration);
        registration
    }

    /// Returns a registration as the macro makes it, in a crate whose files lie in `root`.
    fn declared(root: &str, receiver: &'static str, line: u32) -> &'static Registration {
        let file = String::leak(format!("{root}/src/{line}.rs"));
        let connect: fn() -> Declared = match receiver {
            "app::a" => || LOADED.connect(|_, _| "app::a").into(),
            "app::b" => || {
                let options = LOADED.options().dispatch_uid("b");
                options.connect(|_, _| "app::b").into()
            },
            "app::sub::c" => || LOADED.connect(|_, _| "app::sub::c").into(),
            "app2::d" => || LOADED.connect(|_, _| "app2::d").into(),
            _ => || LOADED.connect(|_, _| "aardvark::p").into(),
        };
        kept(Registration::new("LOADED", receiver, file, line, connect))
    }

    fn names(connected: &Connected) -> Vec<&'static str> {
        connected.report.iter().map(|it| it.receiver).collect()
    }

    #[test]
    fn a_later_call_connects_exactly_the_new_receivers_in_an_order_without_paths() {
        // This is the same program with its crates in the workspace, and with one crate in the
        // registry.
        for root in ["app2", "/home/me/.cargo/registry/app2-1.0.0"] {
            LOADED.disconnect_all();
            let mut connected = Connected::default();
            let app = [("app::sub::c", 3), ("app::b", 9), ("app::a", 7)];
            let mut all = app
                .map(|(receiver, line)| declared("src", receiver, line))
                .to_vec();
            all.push(declared(root, "app2::d", 1));
            connected.connect_new(all.clone());
            let first = ["app::a", "app::b", "app::sub::c", "app2::d"];
            assert_eq!(names(&connected), first);
            assert_eq!(*LOADED.send(&1), first);

            // One receiver is disconnected, and one is loaded that would come before all of them.
            assert!(LOADED.disconnect_uid("b"));
            all.push(declared("a", "aardvark::p", 1));
            connected.connect_new(all.clone());
            let left = ["app::a", "app::sub::c", "app2::d", "aardvark::p"];
            assert_eq!(*LOADED.send(&1), left, "one is not revived");
            connected.connect_new(all);
            assert_eq!(*LOADED.send(&1), left);
            let expected = ["app::a", "app::b", "app::sub::c", "app2::d", "aardvark::p"];
            assert_eq!(names(&connected), expected);
        }
    }

    #[test]
    fn a_panic_leaves_a_receiver_to_the_next_call() {
        static FAILS: Mutex<bool> = Mutex::new(true);
        static SLOW: Signal<u32, u32> = Signal::new();
        let first = Registration::new("SLOW", "app::a", "a.rs", 1, || {
            SLOW.connect(|_, _| 1).into()
        });
        let second = Registration::new("SLOW", "app::b", "a.rs", 2, || {
            let fails = std::mem::take(&mut *lock(&FAILS));
            assert!(!fails, "an initialiser failed");
            SLOW.connect(|_, _| 2).into()
        });
        let all: Vec<&'static Registration> = [first, second].map(kept).to_vec();
        let mut connected = Connected::default();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            connected.connect_new(all.clone());
        }));
        assert!(failed.is_err());
        connected.connect_new(all);
        assert_eq!(names(&connected), ["app::a", "app::b"]);
        assert_eq!(*SLOW.send(&1), [1, 2]);
    }
}
