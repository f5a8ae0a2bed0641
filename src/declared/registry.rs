//! The receivers that `#[receiver]` declares, and their connecting.

use std::collections::HashMap;
use std::fmt;
use std::ptr;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use super::app::{self, App};
use super::candidate::Declared;
use crate::connection::handles::Connections;
use crate::error::WaitError;
use crate::id::ReceiverId;
use crate::lock::lock;
use crate::panic_report;

/// The report of a program in which no receiver is declared, and its fix.
const NO_RECEIVERS: &str = "no receivers were found: name the crates that declare them with \
                            `fanfare::apps!`, or `use the_crate as _;`";

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
        (
            self.name_of_crate(),
            module,
            self.line,
            self.receiver,
            self.signal,
        )
    }

    fn name_of_crate(&self) -> &'static str {
        self.receiver.split("::").next().unwrap_or_default()
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
/// Threads that call this at the same time wait for one another. Call it neither from a signal's
/// `static` initializer nor from a receiver's destructor.
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
///
/// # Crates that no code names
///
/// The compiler links a dependency only if some code names it. If a crate has nothing but
/// receivers, name it with [`apps!`](crate::apps), or write `use shop_receivers as _;`. A report
/// without any receiver displays this advice, and emits it as a warning of `tracing` if that
/// feature is enabled.
///
/// # Dynamic libraries
///
/// A library's receivers are found only if the program and the library share one copy of fanfare:
/// see "Plugins" in `docs/guarantees.md`. A library that declares receivers must never be unloaded.
///
/// # Panics
///
/// Panics if a crate that [`apps!`](crate::apps) names declares no receiver, before it connects
/// any. Panics of signals' initializers travel, and so does that of a durable receiver whose name
/// is taken. The next call connects the receivers that are left.
#[track_caller]
pub fn connect_receivers() -> ConnectReport {
    let mut connected = lock(&CONNECTED);
    let registrations: Vec<_> = inventory::iter::<Registration>().collect();
    let declaring = registrations.iter().map(|it| it.name_of_crate()).collect();
    if let Some(message) = app::without_receivers(inventory::iter::<App>(), &declaring) {
        panic!("{message}");
    }
    connected.connect_new(registrations);
    let report = ConnectReport::of(&connected.report);
    drop(connected);
    if report.entries.is_empty() {
        panic_report::no_receivers(NO_RECEIVERS);
    }
    report
}

static CONNECTED: LazyLock<Mutex<Connected>> = LazyLock::new(Mutex::default);

/// The receivers that were connected so far.
#[derive(Default)]
struct Connected {
    /// The places in `report` of registrations, by their addresses. They are statics.
    known: HashMap<usize, usize>,
    report: Vec<Reported>,
}

/// A receiver that was connected, and the result of its last connect.
#[derive(Clone)]
struct Reported {
    registration: &'static Registration,
    declared: Declared,
}

impl Reported {
    fn connect(registration: &'static Registration) -> Self {
        Reported {
            registration,
            declared: (registration.connect)(),
        }
    }

    /// Returns `true` if a later connect, which `other` is, found this one in its place.
    fn is_still_there(&self, other: &Reported) -> bool {
        match (self.declared.connection(), other.declared.connection()) {
            (Some(first), Some(second)) => first.id() == second.id(),
            (None, None) => self.declared.is_waiting(),
            _ => false,
        }
    }

    fn entry(&self) -> ReportEntry {
        let Reported {
            registration: it,
            declared,
        } = self;
        ReportEntry {
            signal: it.signal,
            receiver: it.receiver,
            file: it.file,
            line: it.line,
            sender: declared.sender_in_words(),
            dispatch_uid: declared.dispatch_uid(),
            durable: declared.durable_name(),
            id: declared.connection().map(|connection| connection.id()),
            is_new: declared.is_new(),
        }
    }
}

impl Connected {
    /// Connects the receivers that were not connected by an earlier call.
    fn connect_new(&mut self, registrations: Vec<&'static Registration>) {
        let is_new = |it: &&Registration| !self.known.contains_key(&ptr::from_ref(*it).addr());
        let mut new: Vec<_> = registrations.into_iter().filter(is_new).collect();
        new.sort_by_key(|it| it.place());
        for it in new {
            let reported = Reported::connect(it);
            // It is known only now, so that a panic, as a signal's initializer can have, leaves it
            // to the next call.
            self.known
                .insert(ptr::from_ref(it).addr(), self.report.len());
            self.report.push(reported);
        }
    }

    /// Returns the result of the last connect of a receiver.
    fn last(&mut self, registration: &Registration) -> &mut Reported {
        let at = self.known[&ptr::from_ref(registration).addr()];
        &mut self.report[at]
    }

    /// Connects receivers again, and returns the results.
    fn connect_again(&mut self, registrations: &[&'static Registration]) -> Vec<Reported> {
        let connect = |registration: &&'static Registration| {
            let again = Reported::connect(registration);
            let last = self.last(registration);
            if again.declared.is_new() || !last.is_still_there(&again) {
                *last = again;
            }
            last.clone()
        };
        registrations.iter().map(connect).collect()
    }
}

/// The receivers that [`connect_receivers`] connected, and a handle to them. It displays as a line
/// for each receiver, or as advice if there is no receiver.
///
/// ```
/// use fanfare::{Sender, Signal, receiver};
///
/// static STARTED: Signal<u32, u32> = Signal::new();
///
/// #[receiver(STARTED, dispatch_uid = "double")]
/// async fn double(_sender: Sender<'_>, n: &u32) -> u32 {
///     2 * n
/// }
///
/// let report = fanfare::connect_receivers();
/// let entry = report.entries().iter().find(|entry| entry.signal == "STARTED").unwrap();
/// assert_eq!(entry.dispatch_uid.as_deref(), Some("double"));
///
/// // One receiver ends by its id, by its uid, or by its function.
/// assert!(STARTED.disconnect_id(entry.id.unwrap()));
/// report.connect_again();
/// assert!(STARTED.disconnect_uid("double"));
///
/// // All end together, and can be connected again.
/// report.connect_again();
/// assert!(report.disconnect() > 0);
/// assert!(STARTED.send(&21).is_empty());
/// report.connect_again();
/// assert_eq!(*STARTED.send(&21), [42]);
/// ```
#[derive(Clone)]
pub struct ConnectReport {
    entries: Vec<ReportEntry>,
    registrations: Vec<&'static Registration>,
}

impl fmt::Debug for ConnectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

/// Reports are equal if their entries are.
impl PartialEq for ConnectReport {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for ConnectReport {}

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
    /// The uid it was connected under.
    pub dispatch_uid: Option<String>,
    /// The name of a durable receiver in the database, or `None` for a receiver that sends call.
    pub durable: Option<String>,
    /// The id of the receiver, or of the receiver that was there first. It is `None` for a receiver
    /// that waits for its sender, and for a durable receiver.
    pub id: Option<ReceiverId>,
    /// `true` if this receiver made the connection, and `false` if another with the same uid was
    /// first.
    pub is_new: bool,
}

impl ConnectReport {
    fn of(reported: &[Reported]) -> Self {
        ConnectReport {
            entries: reported.iter().map(Reported::entry).collect(),
            registrations: reported.iter().map(|it| it.registration).collect(),
        }
    }

    /// Disconnects the receivers of this report, those of each signal in one publication, and
    /// returns the number of those that this call disconnected. A receiver that waits for its
    /// sender is not connected later. The database keeps the events of a durable receiver, whose
    /// calls that have started run to their end. A duplicate stands for the connection that was
    /// there first, which ends as well. It does not matter by which call a receiver was connected
    /// last.
    ///
    /// # Panics
    ///
    /// Panics if a receiver is connected to a [frozen](crate::Signal::freeze) signal. The receivers
    /// of other signals are disconnected.
    #[track_caller]
    pub fn disconnect(&self) -> usize {
        let (waited, connected) = self.stop_waiting();
        waited + connected.disconnect()
    }

    /// Disconnects the receivers of this report as [`disconnect`](ConnectReport::disconnect) does,
    /// and waits until none of them is running or can run again. See
    /// [`Connections::disconnect_and_wait`]. It does not wait for durable receivers: the shutdown
    /// of their outbox does.
    ///
    /// A receiver on a queue can run until its events have been delivered. So this call at the end
    /// of `main` delivers the events of queues that are statics, which would be lost otherwise.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Connections::disconnect_and_wait`].
    pub fn disconnect_and_wait(&self, timeout: Duration) -> Result<(), WaitError> {
        let (_waited, connected) = self.stop_waiting();
        connected.disconnect_and_wait(timeout)
    }

    /// Connects the receivers of this report that are not connected, and reports them. A receiver
    /// that is still connected stays as it is, and so does its entry.
    ///
    /// [`connect_receivers`] connects each receiver once, so it leaves receivers alone that were
    /// disconnected. This method connects them again. Call neither it nor the other methods that
    /// disconnect or return connections from a signal's `static` initializer or from a receiver's
    /// destructor, because a connect of this call may run that.
    ///
    /// # Panics
    ///
    /// Panics if a signal is [frozen](crate::Signal::freeze), or if the name of a durable receiver
    /// is taken. The receivers before it in the report are connected.
    pub fn connect_again(&self) -> ConnectReport {
        let reported = lock(&CONNECTED).connect_again(&self.registrations);
        ConnectReport::of(&reported)
    }

    /// Returns the handle to the connections, without receivers that wait for their sender and
    /// without durable receivers.
    pub fn connections(&self) -> Connections {
        let (connected, _waiting) = self.receivers();
        connected
    }

    /// Prevents that receivers which wait are connected. Returns their number, and the connections
    /// of the others.
    fn stop_waiting(&self) -> (usize, Connections) {
        let (mut connected, waiting) = self.receivers();
        let mut waited = 0;
        for receiver in waiting {
            if receiver.stop_waiting() {
                waited += 1;
            } else {
                // It may have been connected meanwhile.
                connected.extend(receiver.connection());
            }
        }
        (waited, connected)
    }

    /// Returns the receivers that are connected or were, and the receivers without a connection.
    fn receivers(&self) -> (Connections, Vec<Declared>) {
        let mut connected = Connections::default();
        let mut waiting = Vec::new();
        let mut all = lock(&CONNECTED);
        for registration in &self.registrations {
            let declared = &all.last(registration).declared;
            match declared.connection() {
                Some(connection) => connected.extend([connection]),
                None => waiting.push(declared.clone()),
            }
        }
        (connected, waiting)
    }

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
        match lines.next() {
            Some(first) => write!(f, "{first}")?,
            None => f.write_str(NO_RECEIVERS)?,
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
            durable,
            is_new,
            ..
        } = self;
        write!(f, "{signal} <- {receiver} ({file}:{line})")?;
        if let Some(sender) = sender {
            write!(f, ", from {sender}")?;
        }
        if let Some(name) = durable {
            write!(f, ", durable as {name:?}")?;
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

    #[test]
    fn an_empty_report_displays_the_fix() {
        let report = ConnectReport::of(&[]);
        let displayed = report.to_string();
        assert!(displayed.starts_with("no receivers were found: name"));
        assert!(displayed.contains("`use the_crate as _;`"), "{displayed}");
    }

    fn names(connected: &Connected) -> Vec<&'static str> {
        let reported = connected.report.iter();
        reported.map(|it| it.registration.receiver).collect()
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
