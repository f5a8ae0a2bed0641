//! Tests of replaced tables: the thread that frees them, the time, and their number.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::connection::look::unmatched_senders;
use crate::table::hub::Opening;
use crate::{Connection, Emitter, Sender, Signal};

type Plain = Signal<()>;

fn retired(signal: &Plain) -> usize {
    signal.hub().retired()
}

/// A value that a receiver captures. It counts itself, and notes the thread that runs its
/// destructor.
struct Captured(Arc<Record>);

#[derive(Default)]
struct Record {
    live: AtomicUsize,
    ended_on: Mutex<Vec<ThreadId>>,
}

impl Record {
    fn capture(self: &Arc<Self>) -> Captured {
        self.live.fetch_add(1, Ordering::Relaxed);
        Captured(Arc::clone(self))
    }

    fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    fn ended_on(&self) -> Vec<ThreadId> {
        self.ended_on.lock().unwrap().clone()
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
        self.0.ended_on.lock().unwrap().push(thread::current().id());
    }
}

fn connect(signal: &Plain, record: &Arc<Record>) -> Connection {
    let captured = record.capture();
    signal.connect(move |_sender, ()| {
        let _captured = &captured;
    })
}

/// A send that stays inside its receiver until `end`.
struct Sleeping {
    inside: Arc<Barrier>,
    connection: Connection,
}

impl Sleeping {
    fn connect(signal: &Plain) -> Self {
        let inside = Arc::new(Barrier::new(2));
        let sleep = Arc::clone(&inside);
        let connection = signal.connect(move |_sender, ()| {
            sleep.wait();
            sleep.wait();
        });
        Sleeping { inside, connection }
    }

    /// Runs `meanwhile` while a send on another thread is inside the receiver.
    fn run(&self, signal: &Plain, meanwhile: impl FnOnce()) {
        thread::scope(|scope| {
            scope.spawn(|| signal.send(&()).len());
            self.inside.wait();
            self.connection.disconnect();
            meanwhile();
            self.inside.wait();
        });
    }
}

#[test]
fn a_disconnect_that_meets_no_send_frees_at_once() {
    let (signal, record) = (&Plain::new(), Arc::default());
    let connection = connect(signal, &record);
    signal.send(&());
    assert!(connection.disconnect());
    assert_eq!((record.live(), retired(signal)), (0, 0));
}

/// Each change, a purge and a wait free on their own thread. A send does not.
#[test]
fn a_receiver_that_a_send_held_is_freed_by_the_next_change() {
    type Change = fn(&Plain, &Connection);
    let changes: [Change; 7] = [
        |signal, _| assert!(!signal.disconnect_uid("none")),
        |signal, _| signal.freeze(),
        |signal, _| drop(signal.connect(|_sender, ()| ())),
        |signal, _| {
            let other = signal.connect(|_sender, ()| ());
            assert!(other.disconnect());
        },
        |signal, _| assert_eq!(signal.purge(), 0),
        |_, connection| {
            let waited = connection.disconnect_and_wait(Duration::from_secs(60));
            assert_eq!(waited, Ok(()));
        },
        |signal, _| drop(signal.change(|changes| changes.connect(|_sender, ()| ()))),
    ];
    for (way, change) in changes.into_iter().enumerate() {
        let (signal, record) = (&Plain::new(), Arc::<Record>::default());
        let connection = connect(signal, &record);
        let sleeping = Sleeping::connect(signal);
        sleeping.run(signal, || {
            assert!(connection.disconnect());
            signal.purge();
            assert_eq!(record.live(), 1, "way {way}: freed during a send");
        });
        assert_eq!(record.live(), 1, "way {way}: freed by a send");
        change(signal, &connection);
        assert_eq!(record.live(), 0, "way {way}");
        assert_eq!(record.ended_on(), [thread::current().id()], "way {way}");
        assert_eq!(retired(signal), 0, "way {way}");
    }
}

#[test]
fn a_wait_runs_the_destructor_on_the_waiting_thread() {
    let (signal, record) = (&Plain::new(), Arc::<Record>::default());
    let connection = connect(signal, &record);
    let sleeping = Sleeping::connect(signal);
    let mut waiting = None;
    sleeping.run(signal, || {
        let (waited_for, record) = (connection.clone(), Arc::clone(&record));
        waiting = Some(thread::spawn(move || {
            let waited = waited_for.disconnect_and_wait(Duration::from_secs(60));
            assert_eq!((waited, record.live()), (Ok(()), 0));
            assert_eq!(record.ended_on(), [thread::current().id()]);
        }));
        while connection.is_connected() {
            thread::yield_now();
        }
    });
    waiting.expect("it was started").join().unwrap();
}

#[test]
fn a_million_changes_under_a_sleeping_send_retire_one_table() {
    let (signal, record) = (&Plain::new(), Arc::<Record>::default());
    let sleeping = Sleeping::connect(signal);
    let stays = connect(signal, &record);
    // `FAN_BRIEF` is set where a million takes minutes, or the test runs a second time.
    let is_brief = std::env::var_os("FAN_BRIEF").is_some();
    let pairs = if is_brief { 20_000 } else { 500_000 };
    sleeping.run(signal, || {
        for _ in 0..pairs {
            let connection = connect(signal, &record);
            connection.disconnect();
        }
        assert_eq!(retired(signal), 1);
        assert_eq!(record.live(), 1);
    });
    stays.disconnect();
    assert_eq!((retired(signal), record.live()), (0, 0));
}

/// Each emitter keeps the table of its last send, so that exactly this number of tables waits.
#[test]
fn as_many_tables_are_retired_as_are_held() {
    const EMITTERS: usize = 300;
    let (signal, record) = (&Plain::new(), Arc::<Record>::default());
    let mut emitters: Vec<Emitter<'_, ()>> = Vec::new();
    for _ in 0..EMITTERS {
        let connection = connect(signal, &record);
        let mut emitter = signal.emitter();
        emitter.send(&());
        emitters.push(emitter);
        connection.disconnect();
        drop(signal.connect(|_sender, ()| ()));
    }
    assert_eq!(retired(signal), EMITTERS);
    assert_eq!(record.live(), EMITTERS);
    // Each change passes over a table that is held, and a table that is not held is found soon.
    drop(emitters.swap_remove(EMITTERS / 2));
    for _ in 0..EMITTERS {
        drop(signal.connect(|_sender, ()| ()).scoped());
    }
    assert_eq!(
        (retired(signal), record.live()),
        (EMITTERS - 1, EMITTERS - 1)
    );
    for emitter in &mut emitters {
        emitter.send(&());
    }
    assert_eq!(record.live(), EMITTERS - 1, "an emitter frees nothing");
    assert_eq!(signal.purge(), 0);
    assert_eq!((retired(signal), record.live()), (0, 0));
}

/// A million tables are held, each by its emitter. A change looks at a few of them, and a purge
/// frees all.
#[test]
#[ignore = "takes half a minute and 400 MB unoptimized: the stage `soak` runs it"]
fn a_million_retired_tables_are_freed_by_a_purge() {
    const TABLES: usize = 1_000_000;
    let (signal, record) = (&Plain::new(), Arc::<Record>::default());
    let mut emitters = Vec::with_capacity(TABLES);
    for _ in 0..TABLES {
        let connection = connect(signal, &record);
        let mut emitter = signal.emitter();
        emitter.send(&());
        emitters.push(emitter);
        connection.disconnect();
    }
    assert_eq!((retired(signal), record.live()), (TABLES, TABLES));
    drop(emitters);
    assert_eq!(record.live(), TABLES, "an emitter frees nothing");
    drop(signal.connect(|_sender, ()| ()));
    assert_eq!(retired(signal), TABLES - super::publish::LOOK_AT);
    signal.purge();
    assert_eq!((retired(signal), record.live()), (0, 0));
}

#[test]
fn the_end_of_a_signal_frees_the_retired_tables() {
    let record = Arc::<Record>::default();
    let signal = Plain::new();
    let connection = connect(&signal, &record);
    let mut emitter = signal.emitter();
    emitter.send(&());
    connection.disconnect();
    drop(emitter);
    assert_eq!((retired(&signal), record.live()), (1, 1));
    drop(signal);
    assert_eq!(record.live(), 0);
    assert_eq!(record.ended_on(), [thread::current().id()]);
}

/// A thread that ends inside its own nested sends, as its thread-local variables are dropped,
/// leaves no table behind.
#[test]
fn a_thread_that_ends_leaves_no_table_retired() {
    struct SendsAtEnd(&'static Plain);
    impl Drop for SendsAtEnd {
        fn drop(&mut self) {
            self.0.send(&());
        }
    }
    thread_local! {
        static AT_END: std::cell::RefCell<Option<SendsAtEnd>> = const { std::cell::RefCell::new(None) };
    }
    static SIGNAL: Plain = Signal::new();
    let (signal, record) = (&SIGNAL, Arc::<Record>::default());
    let own = connect(signal, &record);
    // Its own send holds the table that this replaces.
    let disconnects = own.clone();
    signal.connect(move |_sender, ()| {
        disconnects.disconnect();
    });
    let ending = thread::spawn(move || AT_END.set(Some(SendsAtEnd(signal))));
    ending.join().unwrap();
    assert!(!own.is_connected());
    assert_eq!(record.live(), 1, "freed by a send");
    signal.purge();
    assert_eq!((retired(signal), record.live()), (0, 0));
}

/// The send runs under the lock, so it can take out no receiver.
#[test]
fn a_receiver_that_a_send_spends_during_a_change_is_freed_by_the_change() {
    let (signal, record) = (&Plain::new(), Arc::<Record>::default());
    let captured = record.capture();
    signal.options().once().connect(move |_sender, ()| {
        let _captured = &captured;
    });
    let replaced = signal.hub().retap(|| {
        assert_eq!(signal.send(&()).len(), 1);
        assert_eq!(record.live(), 1);
        None
    });
    drop(replaced);
    assert_eq!(record.live(), 0);
}

/// Sends over a table that a writer has copied, and looks at the copy. It has the note from the
/// receivers, also if the writer removes them later.
#[test]
fn a_send_over_a_replaced_table_is_noted_in_the_next_one() {
    let signal = Plain::new();
    let first = signal.options().sender(7).connect(|_sender, ()| ());
    let old = signal.hub().snapshot();
    signal.options().sender(7).connect(|_sender, ()| ());
    assert_eq!(unmatched_senders(&signal), ["key 7"]);
    old.as_ref().expect("a table").select(&Sender::key(7));
    assert!(unmatched_senders(&signal).is_empty());
    first.disconnect();
    assert!(unmatched_senders(&signal).is_empty());
}

/// Sends over a table that has none of the receivers that are left.
#[test]
fn a_send_over_a_table_without_the_receivers_that_are_left_is_not_noted() {
    let signal = Plain::new();
    let first = signal.options().sender(7).connect(|_sender, ()| ());
    let old = signal.hub().snapshot();
    signal.options().sender(7).connect(|_sender, ()| ());
    first.disconnect();
    old.as_ref().expect("a table").select(&Sender::key(7));
    assert_eq!(unmatched_senders(&signal), ["key 7"]);
}

#[test]
fn has_listeners_does_not_note_the_sender() {
    let signal = Plain::new();
    signal.options().sender(7).connect(|_sender, ()| ());
    assert!(signal.from(7).has_listeners());
    assert_eq!(unmatched_senders(&signal), ["key 7"]);
}

/// Sends would have the same responses over a snapshot, which costs more.
#[test]
fn a_send_takes_no_snapshot_of_an_empty_or_a_frozen_signal() {
    let signal = Plain::new();
    let connection = signal.connect(|_sender, ()| ());
    let hub = signal.hub();
    assert!(matches!(hub.opening(), Opening::Live(_)) && hub.is_occupied());
    connection.disconnect();
    assert!(matches!(hub.opening(), Opening::Nobody) && !hub.is_occupied());
    signal.connect(|_sender, ()| ());
    let watch = crate::watch::signal(&signal, Nothing);
    signal.freeze();
    assert!(matches!(hub.opening(), Opening::Live(_)), "it is observed");
    drop(watch);
    assert!(matches!(hub.opening(), Opening::Frozen(..)));
    let _watch = crate::watch::signal(&signal, Nothing);
    assert!(matches!(hub.opening(), Opening::Live(_)), "again");

    let signal = Plain::new();
    signal.connect(|_sender, ()| ());
    signal.freeze();
    assert!(matches!(signal.hub().opening(), Opening::Frozen(..)));

    let signal = Plain::new();
    signal.connect(|_sender, ()| ()).disconnect();
    signal.freeze();
    assert!(matches!(signal.hub().opening(), Opening::Nobody));
}

struct Nothing;

impl crate::watch::Observer for Nothing {}

/// Where the system uses the upper half of the addresses, as 32-bit systems do, a frozen signal
/// that is observed has such an address in place of the mark of frozen ones.
#[test]
fn an_observed_frozen_signal_opens_the_observed_table_at_any_address() {
    let signal = Plain::new();
    signal.connect(|_sender, ()| ());
    signal.freeze();
    let _watch = crate::watch::signal(&signal, Nothing);
    let opening = signal.hub().unusual_opening(usize::MAX - 0xfff);
    assert!(matches!(opening, Opening::Live(_)));
}
