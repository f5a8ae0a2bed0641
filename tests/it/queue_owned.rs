//! Queued receivers of events that borrow: a function makes the value that the queue keeps.
#![cfg(feature = "queue")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::queue_gate::assert_adds_up;
use fanfare::error::WaitError;
use fanfare::queue::{self, Overflow, Undelivered};
use fanfare::{Event, Queue, Sender, Signal};

/// Borrows, and is neither `Clone` nor `Send`.
struct LineRead<'a> {
    text: &'a str,
    _not_send: std::marker::PhantomData<std::rc::Rc<()>>,
}

impl Event for LineRead<'static> {
    type Args<'a> = LineRead<'a>;
}

type Lines = Signal<LineRead<'static>, Result<(), queue::Error>>;
type Seen = Arc<Mutex<Vec<String>>>;

fn line(text: &str) -> LineRead<'_> {
    LineRead {
        text,
        _not_send: std::marker::PhantomData,
    }
}

fn to_text(line: &LineRead<'_>) -> String {
    assert!(!line.text.starts_with('!'), "{}", line.text);
    line.text.to_owned()
}

/// Sends a text that is gone when this returns.
fn send(lines: &Lines, text: &str) -> Vec<Result<(), queue::Error>> {
    let text = String::from(text);
    lines.send(&line(&text)).to_vec()
}

/// Connects a receiver that keeps its texts.
fn connect(lines: &Lines, queue: &Queue) -> Seen {
    let seen = Seen::default();
    let keeps = Arc::clone(&seen);
    lines
        .options()
        .queued(queue)
        .connect_owned(to_text, move |_, text| {
            keeps.lock().unwrap().push(text.clone());
        });
    seen
}

/// A receiver that waits in its first run.
struct Waiting {
    start: mpsc::Receiver<()>,
    leave: mpsc::Sender<()>,
}

impl Waiting {
    fn connect(lines: &Lines, queue: &Queue) -> (Self, fanfare::Connection) {
        let (starts, start) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        let may_leave = Mutex::new(may_leave);
        let options = lines.options().name("waits").queued(queue);
        let connection = options.connect_owned(to_text, move |_, _| {
            let _ = starts.send(());
            let _ = may_leave.lock().unwrap().recv();
        });
        (Waiting { start, leave }, connection)
    }
}

#[test]
fn an_event_that_borrows_reaches_a_queue_in_the_order_of_sending() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let seen = Seen::default();
    let keeps = Arc::clone(&seen);
    let options = lines.options().queued(&queue);
    options.connect_owned(
        |line| line.text.len(),
        move |sender, length| keeps.lock().unwrap().push(format!("{sender} {length}")),
    );
    for text in ["a", "bb", "ccc"] {
        let _ = lines.from("shop").send(&line(&text.repeat(2)));
    }
    queue.flush().unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [r#""shop" 2"#, r#""shop" 4"#, r#""shop" 6"#]
    );
    assert_adds_up(queue.stats());
}

#[test]
fn the_value_is_made_once_for_each_receiver_and_send_on_the_thread_of_the_sender() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let made = Arc::<Mutex<Vec<ThreadId>>>::default();
    for _ in 0..2 {
        let made = Arc::clone(&made);
        let make = move |_: &LineRead<'_>| made.lock().unwrap().push(thread::current().id());
        let options = lines.options().queued(&queue);
        options.connect_owned(make, |_, ()| ());
    }
    assert_eq!(send(&lines, "a"), [Ok(()), Ok(())]);
    queue.flush().unwrap();
    assert_eq!(*made.lock().unwrap(), [thread::current().id(); 2]);
    assert_eq!(queue.delivered(), 2);
}

#[test]
fn a_panic_while_the_value_is_made_is_a_panic_of_the_receiver() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let seen = connect(&lines, &queue);
    let after = connect(&lines, &queue);
    let robust = lines.send_robust(&line("!robust"));
    let failures = robust.panics();
    assert_eq!(failures.len(), 2);
    let panic = catch_unwind(AssertUnwindSafe(|| send(&lines, "!travels"))).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "!travels");
    assert_eq!(queue.stats().pushed, 0);
    assert_eq!(send(&lines, "fine"), [Ok(()), Ok(())]);
    queue.flush().unwrap();
    assert_eq!(*seen.lock().unwrap(), ["fine"]);
    assert_eq!(*after.lock().unwrap(), ["fine"]);
    assert_eq!(queue.panicked(), 0);
    assert_adds_up(queue.stats());
}

#[test]
fn a_run_whose_value_panics_counts() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let seen = Seen::default();
    let keeps = Arc::clone(&seen);
    let options = lines.options().max_calls(2).queued(&queue);
    let connection = options.connect_owned(to_text, move |_, text| {
        keeps.lock().unwrap().push(text.clone());
    });
    assert_eq!(lines.send_robust(&line("!")).panics().len(), 1);
    assert_eq!(send(&lines, "second"), [Ok(())]);
    assert_eq!(send(&lines, "third"), []);
    assert!(!connection.is_connected());
    queue.flush().unwrap();
    assert_eq!(*seen.lock().unwrap(), ["second"]);
}

#[test]
fn a_full_queue_treats_made_values_by_its_policy() {
    let policies = [
        (Overflow::Reject, false, vec!["b", "c"]),
        (Overflow::DropNewest, true, vec!["b", "c"]),
        (Overflow::DropOldest, true, vec!["c", "d"]),
    ];
    for (overflow, is_accepted, expected) in policies {
        let builder = Queue::builder().capacity(2).overflow(overflow);
        let (queue, lines) = (builder.build().unwrap(), Lines::new());
        let (waits, _) = Waiting::connect(&lines, &queue);
        assert_eq!(send(&lines, "a"), [Ok(())]);
        waits.start.recv().unwrap();
        lines.disconnect_all();
        let seen = connect(&lines, &queue);
        assert_eq!(send(&lines, "b"), [Ok(())]);
        assert_eq!(send(&lines, "c"), [Ok(())]);
        let last = &send(&lines, "d")[0];
        assert_eq!(last.is_ok(), is_accepted, "{last:?}");
        waits.leave.send(()).unwrap();
        queue.flush().unwrap();
        assert_eq!(*seen.lock().unwrap(), expected);
        assert_adds_up(queue.stats());
    }
}

#[test]
fn a_shutdown_returns_the_made_values() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let (waits, connection) = Waiting::connect(&lines, &queue);
    for text in ["a", "b", "c"] {
        let _ = lines.from("shop").send(&line(&text.repeat(2)));
    }
    waits.start.recv().unwrap();
    let report = queue.shutdown(Duration::ZERO).unwrap();
    let sent = report.undelivered.iter().map(Undelivered::sent::<String>);
    let expected = ["bb", "cc"].map(String::from);
    let expected = expected
        .iter()
        .map(|text| Some((Sender::named("shop"), text)));
    assert!(sent.eq(expected), "{report:?}");
    let first = &report.undelivered[0];
    assert_eq!(
        (first.receiver(), &*first.name()),
        (connection.id(), "waits")
    );
    assert!(first.event::<LineRead<'static>>().is_none());
    drop(waits);
    assert!(matches!(
        *send(&lines, "d"),
        [Err(queue::Error::Closed { .. })]
    ));
}

#[test]
fn a_disconnect_waits_for_the_values_in_the_queue() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let (waits, connection) = Waiting::connect(&lines, &queue);
    let _ = send(&lines, "a");
    waits.start.recv().unwrap();
    let timeout = connection.disconnect_and_wait(Duration::ZERO);
    assert!(matches!(timeout, Err(WaitError::Timeout { .. })));
    assert_eq!(send(&lines, "b"), []);
    waits.leave.send(()).unwrap();
    assert_eq!(connection.disconnect_and_wait(Duration::MAX), Ok(()));
    // The receiver has ended, and its worker may not have counted the event yet.
    queue.flush().unwrap();
    assert_eq!(queue.delivered(), 1);
}

#[test]
fn every_way_of_sending_reaches_a_queue_with_made_values() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let seen = connect(&lines, &queue);
    let _ = send(&lines, "send");
    let _ = lines.send_robust(&line("robust"));
    let _ = lines.send_until_err(&line("until_err"));
    let _ = lines.emitter().send(&line("emitter"));
    let sent = lines.send_batch(&[line("batch 1"), line("batch 2")]);
    assert_eq!(*sent, [Ok(()), Ok(())]);
    queue.flush().unwrap();
    let expected = [
        "send",
        "robust",
        "until_err",
        "emitter",
        "batch 1",
        "batch 2",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

fn ignore(_sender: Sender<'_>, _text: &String) {}

#[test]
fn two_connects_of_the_same_two_functions_are_one_connection() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let connect = || {
        lines
            .options()
            .queued(&queue)
            .connect_owned(to_text, ignore)
    };
    let first = connect();
    let again = connect();
    assert!(first.is_new() && !again.is_new());
    assert_eq!(first.id(), again.id());
    let other = lines
        .options()
        .queued(&queue)
        .connect_owned(|line| line.text.to_uppercase(), ignore);
    assert!(other.is_new());
    let names: Vec<_> = lines.connections().into_iter().map(|it| it.name).collect();
    assert!(
        names.iter().all(|name| name.ends_with("::ignore")),
        "{names:?}"
    );
    assert_eq!(send(&lines, "a").len(), 2);
}

#[test]
fn a_change_connects_a_receiver_with_made_values() {
    let (queue, lines) = (Queue::bounded(16).unwrap(), Lines::new());
    let made = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&made);
    let connections = lines.change(|changes| {
        let options = changes.options().queued(&queue);
        options.connect_owned(to_text, move |_, text| {
            counts.fetch_add(text.len(), Ordering::Relaxed);
        });
    });
    assert_eq!(connections.len(), 1);
    let _ = send(&lines, "four");
    queue.flush().unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 4);
}

#[cfg(feature = "async")]
#[test]
fn futures_of_made_values_run_on_the_queue() {
    for concurrency in [1, 8] {
        let queue = Queue::builder().concurrency(concurrency).build().unwrap();
        let texts = Signal::<&'static str>::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&seen);
        texts.options().queued(&queue).connect_owned_async(
            |text| String::from(*text),
            move |_, text| {
                let keeps = Arc::clone(&keeps);
                Box::pin(async move { keeps.lock().unwrap().push(text.clone()) })
            },
        );
        for text in ["a", "b"] {
            let borrowed = text.repeat(2);
            pollster::block_on(texts.asend(&&*borrowed));
        }
        queue.flush().unwrap();
        let mut seen = seen.lock().unwrap();
        seen.sort();
        assert_eq!(*seen, ["aa", "bb"]);
    }
}
