//! One send of many events: the receivers of each, their times, and the responses.

#[cfg(any(feature = "async", feature = "queue"))]
mod kinds;
mod random;

use fanfare::connections::{purged, unmatched_senders};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use fanfare::error::WaitError;
use fanfare::{Connection, Event, Identity, Sender, Signal};

type Sums = Signal<u32, u32>;
type Log = Arc<Mutex<Vec<String>>>;

#[test]
fn an_ordinary_receiver_gets_each_event_in_order() {
    let (signal, log) = (Sums::new(), Log::default());
    signal.connect(note(&log, "a"));
    assert_eq!(*signal.send_batch(&[5, 3, 9]), [5, 3, 9]);
    assert_eq!(lines(&log), ["a 5", "a 3", "a 9"]);
}

#[test]
fn a_receiver_of_batches_gets_all_events_in_one_call() {
    let (signal, log) = (Sums::new(), Log::default());
    signal.options().connect_batch(note_all(&log, "all"));
    assert_eq!(*signal.send_batch(&[5, 3, 9]), [17]);
    assert_eq!(lines(&log), ["all [5, 3, 9]"]);
}

#[test]
fn every_other_send_hands_it_a_slice_of_one() {
    let (signal, log) = (Sums::new(), Log::default());
    signal.options().connect_batch(note_all(&log, "all"));
    let heard = |line: &str| assert_eq!(log.lock().unwrap().drain(..).as_slice(), [line]);
    assert_eq!(*signal.send(&1), [1]);
    heard("all [1]");
    let robust = signal.send_robust(&2);
    assert_eq!(**robust.responses(), [2]);
    heard("all [2]");
    let until = signal.send_until(&3, |_| true);
    assert_eq!(until.unwrap().value, 3);
    heard("all [3]");
    assert_eq!(*signal.emitter().send(&4), [4]);
    heard("all [4]");
    #[cfg(feature = "async")]
    {
        assert_eq!(*pollster::block_on(signal.asend(&5)), [5]);
        heard("all [5]");
    }
    #[cfg(feature = "rayon")]
    {
        assert_eq!(*signal.send_parallel(&6), [6]);
        heard("all [6]");
    }
    let tried = Signal::<u32, Result<usize, ()>>::new();
    tried.options().connect_batch(|_, events| Ok(events.len()));
    assert_eq!(*tried.send_until_err(&3).unwrap(), [1]);
}

/// Priorities hold for the batch: a receiver is through with it before the next begins.
#[test]
fn one_receiver_after_the_other_by_priority() {
    let (signal, log) = (Sums::new(), Log::default());
    let last = signal.options().priority(-1).connect(note(&log, "last"));
    let second = signal.options().sender("s").connect(note(&log, "second"));
    let third = signal.options().connect_batch(note_all(&log, "third"));
    let fourth = signal.options().sender("s").connect(note(&log, "fourth"));
    let first = signal.options().priority(1).connect(note(&log, "first"));
    let responses = signal.from("s").send_batch(&[1, 2]);
    let heard = [
        "first 1",
        "first 2",
        "second 1",
        "second 2",
        "third [1, 2]",
        "fourth 1",
        "fourth 2",
        "last 1",
        "last 2",
    ];
    assert_eq!(lines(&log), heard);
    assert_eq!(*responses, [1, 2, 1, 2, 3, 1, 2, 1, 2]);
    let whose: Vec<_> = responses.pairs().map(|(receiver, _)| receiver).collect();
    let [first, second, third, fourth, last] = [first, second, third, fourth, last].map(|c| c.id());
    assert_eq!(
        whose,
        [
            first, first, second, second, third, fourth, fourth, last, last
        ]
    );
}

#[test]
fn more_receivers_than_one_array_holds_keep_their_order() {
    let signal = Sums::new();
    let connections = signal.change(|changes| {
        (0..1_000).for_each(|n| changes.connect(move |_, event| n * 10 + event));
    });
    let responses = signal.send_batch(&[1, 2, 3]);
    let expected = connections.iter().zip(0..).flat_map(|(connection, n)| {
        let response = move |event: u32| (connection.id(), n * 10 + event);
        [response(1), response(2), response(3)]
    });
    assert!(responses.into_pairs().eq(expected));
}

#[test]
fn only_receivers_of_the_sender_get_the_batch() {
    let signal = Sums::new();
    let identity = Identity::new();
    signal
        .options()
        .sender(&identity)
        .connect(|_, event| *event);
    let options = signal.options().sender("s");
    options.connect_batch(|sender, events| {
        assert_eq!(sender, Sender::named("s"));
        events.len() as u32 + 100
    });
    assert_eq!(*signal.from(&identity).send_batch(&[7, 8]), [7, 8]);
    assert_eq!(*signal.from("s").send_batch(&[7, 8]), [102]);
    assert!(signal.from("t").send_batch(&[7, 8]).is_empty());
    assert!(signal.send_batch(&[7, 8]).is_empty());
}

#[test]
fn no_events_are_no_send() {
    let signal = Sums::new();
    signal.connect(|_, _| unreachable!("there is no event"));
    signal
        .options()
        .connect_batch(|_, _| unreachable!("there is no event"));
    let once = signal.options().once();
    let once = once.connect_batch(|_, _| unreachable!("there is no event"));
    signal.options().sender("s").connect(|_, _| 0);
    assert!(signal.from("s").send_batch(&[]).is_empty());
    assert!(once.is_connected());
    assert_eq!(unmatched_senders(&signal), ["\"s\""]);
    assert!(Sums::new().from("s").send_batch(&[1]).is_empty());
}

#[test]
fn events_may_borrow() {
    struct Line<'a> {
        text: &'a str,
        read: &'a Cell<usize>,
    }
    impl Event for Line<'static> {
        type Args<'a> = Line<'a>;
    }
    fn read(line: &Line<'_>) -> usize {
        line.read.set(line.read.get() + 1);
        line.text.len()
    }
    static READ: Signal<Line<'static>, usize> = Signal::new();
    fn longest(_sender: Sender<'_>, lines: &[Line<'_>]) -> usize {
        lines.iter().map(read).max().unwrap_or(0)
    }
    READ.options().connect_batch(longest);
    READ.connect(|_, line| read(line));
    let text = String::from("one\nthree\nfive");
    let count = Cell::new(0);
    let lines: Vec<_> = text
        .lines()
        .map(|text| Line { text, read: &count })
        .collect();
    assert_eq!(*READ.send_batch(&lines), [5, 3, 5, 4]);
    assert_eq!(count.get(), 6);
}

#[test]
fn the_same_function_is_connected_once() {
    fn sum(_sender: Sender<'_>, events: &[u32]) -> u32 {
        events.iter().sum()
    }
    let signal = Sums::new();
    let first = signal.options().connect_batch(sum);
    let line = line!() - 1;
    let again = signal.options().connect_batch(sum);
    assert!(first.is_new() && !again.is_new());
    assert_eq!(again.id(), first.id());
    let options = signal.options().dispatch_uid("sum").name("the sum");
    let named = options.sender("s").connect_batch(sum);
    assert!(named.is_new());
    let both = signal.change(|changes| {
        changes.options().sender("t").connect_batch(sum);
        changes.options().sender("t").connect_batch(sum);
    });
    assert!(both[0].is_new() && !both[1].is_new());
    let connections = signal.connections();
    assert!(
        connections[0].name.contains("sum"),
        "{}",
        connections[0].name
    );
    assert_eq!(connections[0].location.line(), line);
    assert!(connections[0].location.file().ends_with("batch_send.rs"));
    assert!(
        connections
            .iter()
            .any(|connection| connection.name == "the sum")
    );
    assert!(signal.options().sender("s").disconnect_uid("sum"));
    assert!(first.disconnect());
    assert_eq!(signal.from("t").disconnect_all(), 1);
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn one_snapshot_serves_the_whole_batch() {
    static SIGNAL: Sums = Sums::new();
    static LATER: OnceLock<Connection> = OnceLock::new();
    SIGNAL.connect(|_, event| {
        if *event == 1 {
            SIGNAL.connect(|_, event| 100 + event);
            LATER.get().unwrap().disconnect();
        }
        *event
    });
    LATER.get_or_init(|| SIGNAL.connect(|_, event| 10 + event));
    assert_eq!(
        *SIGNAL.send_batch(&[1, 2, 3]),
        [1, 2, 3, 11, 12, 13],
        "who left is still called, who came is not"
    );
    assert_eq!(*SIGNAL.send_batch(&[2, 3]), [2, 3, 102, 103]);
}

#[test]
fn batches_may_be_nested() {
    static SIGNAL: Sums = Sums::new();
    SIGNAL.connect(|_, left| match *left {
        0 => 1,
        left => SIGNAL.send_batch(&[left - 1, left - 1]).iter().sum(),
    });
    assert_eq!(*SIGNAL.send_batch(&[3, 0, 2]), [8, 1, 4]);
}

#[test]
fn a_circle_of_batches_is_a_panic() {
    static SIGNAL: Sums = Sums::new();
    SIGNAL
        .options()
        .connect_batch(|_, events| SIGNAL.send_batch(events).len() as u32);
    let circle = catch_unwind(|| SIGNAL.send_batch(&[1, 2]));
    let message = circle.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("leads back to it"), "{message}");
}

#[test]
fn a_wait_for_a_receiver_of_its_own_batch_is_refused() {
    static SIGNAL: Signal<(), Option<WaitError>> = Signal::new();
    static OWN: OnceLock<Connection> = OnceLock::new();
    fn wait() -> Option<WaitError> {
        OWN.get()?.disconnect_and_wait(Duration::MAX).err()
    }
    OWN.get_or_init(|| {
        SIGNAL
            .options()
            .connect_batch(|_, events| events.iter().map(|()| wait()).next()?)
    });
    SIGNAL.connect(|_, ()| wait());
    let refused = Some(WaitError::InsideSend);
    assert_eq!(*SIGNAL.send_batch(&[(), ()]), [refused; 3]);
    assert_eq!(*SIGNAL.send_batch(&[(), ()]), [None; 2]);
}

#[test]
fn a_once_only_receiver_gets_the_first_event_alone() {
    let (signal, log) = (Sums::new(), Log::default());
    let once = signal.options().once().connect(note(&log, "once"));
    signal.connect(note(&log, "always"));
    assert_eq!(*signal.send_batch(&[4, 5]), [4, 4, 5]);
    assert!(!once.is_connected());
    assert_eq!(signal.receiver_count(), 1, "it is out");
    assert_eq!(*signal.send_batch(&[6]), [6]);
    assert_eq!(lines(&log), ["once 4", "always 4", "always 5", "always 6"]);
}

#[test]
fn a_once_only_receiver_of_batches_gets_one_batch() {
    let (signal, log) = (Sums::new(), Log::default());
    let once = signal
        .options()
        .once()
        .connect_batch(note_all(&log, "once"));
    assert_eq!(*signal.send_batch(&[4, 5]), [9]);
    assert!(!once.is_connected() && signal.receiver_count() == 0);
    assert!(signal.send_batch(&[6]).is_empty());
    assert_eq!(lines(&log), ["once [4, 5]"]);
}

#[test]
fn a_batch_that_ends_before_it_does_not_use_up_a_once_only_receiver() {
    let signal = Sums::new();
    let failing = signal.connect(|_, _| panic!("before the other"));
    let once = signal.options().once().connect(|_, event| *event);
    assert!(catch_unwind(|| signal.send_batch(&[1, 2])).is_err());
    assert!(once.is_connected());
    failing.disconnect();
    assert_eq!(*signal.send_batch(&[1, 2]), [1]);
}

#[test]
fn a_weak_target_lives_as_long_as_the_batch() {
    let signal = Sums::new();
    let target = Arc::new(100);
    let watched = Arc::downgrade(&target);
    let held = Mutex::new(Some(target.clone()));
    signal.connect(move |_, event| {
        held.lock().unwrap().take();
        *event
    });
    signal.connect_weak(&target, |target: &u32, _, event| target + event);
    drop(target);
    assert_eq!(*signal.send_batch(&[1, 2]), [1, 2, 101, 102]);
    assert_eq!(watched.strong_count(), 0, "and no longer");
    assert_eq!(*signal.send_batch(&[3]), [3]);
    assert_eq!(
        (signal.receiver_count(), purged(&signal)),
        (1, 1),
        "the dead one is out"
    );
}

#[test]
fn a_panic_travels_and_no_later_receiver_runs() {
    let (signal, log) = (Sums::new(), Log::default());
    signal.connect(note(&log, "before"));
    let noted = Arc::clone(&log);
    let failing = signal.connect(move |_, event| {
        noted.lock().unwrap().push(format!("failing {event}"));
        assert_ne!(*event, 2, "two");
        *event
    });
    signal.connect(note(&log, "after"));
    let batch = AssertUnwindSafe(|| signal.send_batch(&[1, 2, 3]));
    let panic = catch_unwind(batch).unwrap_err();
    assert!(panic.downcast::<String>().unwrap().contains("two"));
    let heard = ["before 1", "before 2", "before 3", "failing 1", "failing 2"];
    assert_eq!(lines(&log), heard);
    assert_eq!(signal.receiver_count(), 3, "nothing is disconnected");
    failing.disconnect();
    assert_eq!(*signal.send_batch(&[4]), [4, 4]);
}

#[test]
fn a_panic_drops_each_response_before_it_once() {
    struct Counted(Arc<()>);
    let made = Arc::new(());
    let signal = Signal::<u32, Counted>::new();
    let source = Arc::clone(&made);
    signal.connect(move |_, event| {
        assert_ne!(*event, 3, "three");
        Counted(Arc::clone(&source))
    });
    let batch = AssertUnwindSafe(|| signal.send_batch(&[1, 2, 3]));
    assert!(catch_unwind(batch).is_err());
    assert_eq!(Arc::strong_count(&made), 2);
    let responses = signal.send_batch(&[1, 2]);
    assert_eq!(Arc::strong_count(&made), 4);
    assert!(
        responses
            .iter()
            .all(|response| Arc::ptr_eq(&response.0, &made))
    );
}

/// Responses without content are counted, except for those that have to be dropped.
#[test]
fn responses_without_content_are_as_many_as_calls() {
    let units = Signal::<u32>::new();
    units.connect(|_, _| ());
    units.options().connect_batch(|_, _| ());
    units.options().once().connect(|_, _| ());
    assert_eq!(units.send_batch(&[1, 2, 3]).len(), 5);
    assert_eq!(units.send_batch(&[1, 2, 3]).len(), 4);

    thread_local!(static DROPPED: Cell<usize> = const { Cell::new(0) });
    struct Empty;
    impl Drop for Empty {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
        }
    }
    let empties = Signal::<u32, Empty>::new();
    empties.connect(|_, _| Empty);
    empties.options().connect_batch(|_, _| Empty);
    let responses = empties.send_batch(&[1, 2, 3]);
    assert_eq!((responses.len(), DROPPED.get()), (4, 0));
    drop(responses);
    assert_eq!(DROPPED.get(), 4);
}

fn note(log: &Log, name: &'static str) -> impl Fn(Sender<'_>, &u32) -> u32 + Send + Sync + 'static {
    let log = Arc::clone(log);
    move |_, event| {
        log.lock().unwrap().push(format!("{name} {event}"));
        *event
    }
}

fn note_all(
    log: &Log,
    name: &'static str,
) -> impl Fn(Sender<'_>, &[u32]) -> u32 + Send + Sync + 'static {
    let log = Arc::clone(log);
    move |_, events| {
        log.lock().unwrap().push(format!("{name} {events:?}"));
        events.iter().sum()
    }
}

fn lines(log: &Log) -> Vec<String> {
    log.lock().unwrap().clone()
}
