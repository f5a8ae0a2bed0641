//! An explanation names the reason for which each receiver would not run, with the place of its
//! connect, and runs nothing.

use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fanfare::connections::{Explanation, NotRun, Verdict, unmatched_senders};
use fanfare::watch::{self, KeepDisconnected};
use fanfare::{Identity, Sender, Signal};

/// Returns the verdict on the receiver of this name, and checks the place of its connect.
#[track_caller]
fn verdict_on(explanation: &Explanation, name: &str, connected_at: u32) -> String {
    let mut found = explanation.connections.iter();
    let found = found.find(|it| it.connection.name == name).unwrap();
    let place = format!("{name} ({}) at {}:", found.connection.id, file!());
    let line = found.to_string();
    assert!(line.contains(&place), "{line}");
    assert_eq!(found.connection.location.line(), connected_at, "{line}");
    found.verdict.to_string()
}

/// Returns the line of the caller.
#[track_caller]
fn here() -> u32 {
    Location::caller().line()
}

/// Tests take turns if one of them keeps the disconnected receivers of all signals.
static KEEPS_ALL: Mutex<()> = Mutex::new(());

#[test]
fn an_empty_signal_has_no_connections() {
    let _turn = KEEPS_ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let signal = Signal::<u8>::new();
    let explanation = signal.explain("shop.Order");
    assert_eq!(explanation.would_run(), 0);
    let line = "u8 from \"shop.Order\": 0 of 0 receivers would run";
    assert_eq!(explanation.to_string(), line);
    signal.connect(|_, _| ()).disconnect();
    assert!(signal.explain(Sender::NONE).connections.is_empty());
}

#[test]
fn connections_are_explained_in_the_order_of_their_calls() {
    let signal = Signal::<u8>::new();
    signal.options().name("second").connect(|_, _| ());
    let third = signal.options().name("third").sender(7);
    third.connect(|_, _| ());
    let first = signal.options().name("first").priority(1);
    first.connect(|_, _| ());
    let explanation = signal.from(7).explain();
    assert_eq!(explanation.would_run(), 3);
    let names = explanation.connections.into_iter();
    let names: Vec<_> = names.map(|it| it.connection.name).collect();
    assert_eq!(names, ["first", "second", "third"]);
}

#[test]
fn other_senders_are_named() {
    struct Order;
    let object = Identity::new();
    let signal = Signal::<u8>::new();
    let named = |name| signal.options().name(name);
    let of_name = named("name").sender("shop.Order");
    let of_key = named("key").sender(7);
    let of_type = named("type").sender(Sender::of::<Order>());
    let of_object = named("object").sender(&object);
    let first = here() + 1;
    of_name.connect(|_, _| ());
    of_key.connect(|_, _| ());
    of_type.connect(|_, _| ());
    of_object.connect(|_, _| ());

    let explanation = signal.explain("shop.Basket");
    let other = "would not run: connected for another sender, ";
    let of_name = verdict_on(&explanation, "name", first);
    assert_eq!(of_name, format!("{other}\"shop.Order\""));
    let of_key = verdict_on(&explanation, "key", first + 1);
    assert_eq!(of_key, format!("{other}key 7"));
    let of_type = verdict_on(&explanation, "type", first + 2);
    assert!(of_type.starts_with(other) && of_type.ends_with("::Order"));
    let of_object = verdict_on(&explanation, "object", first + 3);
    assert!(of_object.starts_with(&format!("{other}identity ")));

    // A send without a sender reaches none of them, and each sender reaches its own.
    assert_eq!(signal.explain(Sender::NONE).would_run(), 0);
    let explained = signal.explain(&object);
    assert_eq!(verdict_on(&explained, "object", first + 3), "would run");
    assert_eq!(explained.would_run(), 1);
}

#[test]
fn an_explanation_does_not_count_as_a_send() {
    let signal = Signal::<u8>::new();
    signal.options().sender("shop.Order").connect(|_, _| ());
    assert_eq!(signal.explain("shop.Order").would_run(), 1);
    assert_eq!(unmatched_senders(&signal), ["\"shop.Order\""]);
}

/// Returns a signal whose receivers have ended and are still in its table.
fn ended() -> (Signal<u8>, u32) {
    let signal = Signal::new();
    let target = Arc::new(7);
    let once = signal.options().name("once").once();
    let twice = signal.options().name("twice").max_calls(2);
    let weak = signal.options().name("weak");
    let first = here() + 1;
    once.connect(|_, _| ());
    twice.connect(|_, _| ());
    weak.connect_weak(&target, |_, _, _| ());
    // A send on a frozen signal takes no receiver out.
    signal.freeze();
    assert_eq!(signal.explain(Sender::NONE).would_run(), 3);
    signal.send(&1);
    assert_eq!(signal.explain(Sender::NONE).would_run(), 2);
    signal.send(&2);
    drop(target);
    (signal, first)
}

#[test]
fn receivers_that_have_ended_are_explained() {
    let (signal, first) = ended();
    let explanation = signal.explain(Sender::NONE);
    let had_one = verdict_on(&explanation, "once", first);
    assert_eq!(had_one, "would not run: has had its only run");
    let had_two = verdict_on(&explanation, "twice", first + 1);
    assert_eq!(had_two, "would not run: has had all of its 2 runs");
    let died = verdict_on(&explanation, "weak", first + 2);
    assert_eq!(died, "would not run: its target has died");
    assert!(signal.send(&3).is_empty());
}

#[test]
fn an_explanation_takes_no_receiver_out() {
    let signal = Signal::<u8>::new();
    signal.options().once().connect(|_, _| ());
    let target = Arc::new(7);
    signal.connect_weak(&target, |_, _, _| ());
    drop(target);
    for _ in 0..2 {
        let explanation = signal.explain(Sender::NONE);
        let died = Verdict::WouldNotRun(NotRun::TargetDied);
        assert_eq!(explanation.connections[0].verdict, Verdict::WouldRun);
        assert_eq!(explanation.connections[1].verdict, died);
    }
    assert_eq!(signal.receiver_count(), 2);
    assert_eq!(signal.send(&1).len(), 1);
}

#[cfg(feature = "queue")]
mod queues {
    use std::sync::Mutex;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::queue_gate::Gated;
    use fanfare::Queue;
    use fanfare::queue::Overflow;

    /// Explains a receiver on a queue with this policy: while the queue has room, and when it is
    /// full.
    fn when_full(policy: Overflow) -> String {
        let builder = Queue::builder().name("mail").capacity(1);
        let queue = builder.overflow(policy).build().unwrap();
        let signal = Signal::<u32>::new();
        let gated = Gated::connect(&signal, &queue);
        signal.send(&1);
        assert_eq!(gated.started(), 1);
        let explanation = signal.explain(Sender::NONE);
        assert_eq!(explanation.connections[0].verdict, Verdict::WouldRun);
        signal.send(&2);
        let explanation = signal.explain(Sender::NONE);
        assert_eq!(queue.stats().pushed, 2, "an explanation pushes nothing");
        gated.open(2);
        queue.flush().unwrap();
        let place = gated.connection.id();
        assert_eq!(explanation.connections[0].connection.id, place);
        explanation.connections[0].verdict.to_string()
    }

    #[test]
    fn full_queues_are_explained_by_their_policy() {
        let full = "queue \"mail\" is full with 1 events, and";
        let rejects = format!("would not run: {full} rejects new ones");
        assert_eq!(when_full(Overflow::Reject), rejects);
        let drops = format!("would not run: {full} drops new ones");
        assert_eq!(when_full(Overflow::DropNewest), drops);
        let displaces = "would run, and drop the oldest event of queue \"mail\", which is full \
                         with 1 events";
        assert_eq!(when_full(Overflow::DropOldest), displaces);
        let waits = "would run once queue \"mail\", which is full with 1 events, has room";
        assert_eq!(when_full(Overflow::Block), waits);
    }

    #[test]
    fn a_worker_would_not_wait_for_its_own_queue() {
        static SENT: Signal<u32> = Signal::new();
        let queue = Queue::builder().name("mail").capacity(1).build().unwrap();
        let (explained, explanations) = mpsc::channel();
        let (filled, fills) = mpsc::channel();
        let fills = Mutex::new(fills);
        let connected = here() + 2;
        let options = SENT.options().name("again").queued(&queue);
        options.connect(move |_, event| {
            if *event == 1 {
                fills.lock().unwrap().recv().unwrap();
                explained.send(SENT.explain(Sender::NONE)).unwrap();
            }
        });
        SENT.send(&1);
        while queue.depth() > 0 {
            std::thread::yield_now();
        }
        SENT.send(&2);
        filled.send(()).unwrap();
        let explanation = explanations.recv().unwrap();
        let verdict = verdict_on(&explanation, "again", connected);
        let deadlock = "would not run: queue \"mail\" is full with 1 events, and this thread is a \
                        worker of it, which must not wait for itself";
        assert_eq!(verdict, deadlock);
        queue.flush().unwrap();
    }

    #[test]
    fn a_queue_that_was_shut_down_is_named() {
        let queue = Queue::builder().name("mail").build().unwrap();
        let signal = Signal::<u32>::new();
        let connected = here() + 2;
        let options = signal.options().name("late").queued(&queue);
        options.connect(|_, _| ());
        let report = queue.shutdown(Duration::MAX).unwrap();
        assert!(report.undelivered.is_empty());
        let explanation = signal.explain(Sender::NONE);
        let verdict = verdict_on(&explanation, "late", connected);
        assert_eq!(verdict, "would not run: queue \"mail\" is closed");
    }

    #[cfg(feature = "async")]
    #[test]
    fn full_and_closed_streams_are_named() {
        let signal = Signal::<u32>::new();
        let connected = here() + 1;
        let mut stream = signal.options().name("feed").stream(1, Overflow::Reject);
        signal.send(&1);
        let explanation = signal.explain(Sender::NONE);
        let verdict = verdict_on(&explanation, "feed", connected);
        let full = "would not run: queue \"feed\" is full with 1 events, and rejects new ones";
        assert_eq!(verdict, full);
        assert_eq!(stream.try_next(), Some(1));
        assert_eq!(signal.explain(Sender::NONE).would_run(), 1);
        signal.freeze();
        drop(stream);
        let explanation = signal.explain(Sender::NONE);
        let verdict = verdict_on(&explanation, "feed", connected);
        assert_eq!(verdict, "would not run: queue \"feed\" is closed");
    }
}

#[cfg(feature = "async")]
#[test]
fn a_send_that_would_block_an_executor_is_explained() {
    let signal = Signal::<u8>::new();
    let other = Signal::<u8>::new();
    let plain = here() + 1;
    signal.options().name("plain").connect(|_, _| ());
    let awaited = signal.options().name("awaited").sender(7);
    awaited.connect_async(|_, _| Box::pin(async {}));
    // The receiver of an `asend` runs on a thread that polls.
    let (explained, explanations) = std::sync::mpsc::channel();
    let signal = Arc::new(signal);
    let inside = Arc::clone(&signal);
    other.connect(move |_, _| {
        let both = (inside.explain(7), inside.explain(Sender::NONE));
        explained.send(both).unwrap();
    });
    assert_eq!(signal.explain(7).would_run(), 2);
    pollster::block_on(other.asend(&1));
    let (refused, without) = explanations.recv().unwrap();
    let reason = verdict_on(&refused, "plain", plain);
    let start = "would not run: a blocking send is refused on a thread that runs an executor, \
                 because \"awaited\" of ";
    assert!(reason.starts_with(start), "{reason}");
    let place = format!("{}:{}:", file!(), plain + 2);
    assert!(reason.contains(&place), "{reason}");
    assert_eq!(verdict_on(&refused, "awaited", plain + 2), reason);
    // Without the sender, the async receiver is not selected, so nothing is refused.
    assert_eq!(verdict_on(&without, "plain", plain), "would run");
    assert_eq!(without.would_run(), 1);
}

#[test]
fn disconnected_receivers_are_explained_if_they_are_kept() {
    let _turn = KEEPS_ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let signal = Signal::<u8>::new();
    let watch = watch::signal(&signal, KeepDisconnected::last(3));
    let other = watch::all(KeepDisconnected::last(1_000));
    let line = here() + 1;
    let first = signal.options().name("first").connect(|_, _| ());
    first.disconnect();
    let target = Arc::new(7);
    let weak = signal.options().name("weak");
    weak.connect_weak(&target, |_seven, _, _| ());
    drop(target);
    signal.options().name("once").once().connect(|_, _| ());
    signal.options().name("here").connect(|_, _| ());
    signal.send(&1);
    let names = |explanation: &Explanation| {
        let names = explanation.connections.iter();
        let mut names: Vec<_> = names.map(|it| it.connection.name.clone()).collect();
        names[1..].sort_unstable();
        names
    };
    let explanation = signal.explain("shop.Order");
    // Two observers keep each of them, and it is listed once.
    assert_eq!(names(&explanation), ["here", "first", "once", "weak"]);
    assert_eq!(explanation.would_run(), 1);
    assert!(
        explanation
            .connections
            .iter()
            .skip(1)
            .all(|it| !it.connection.live)
    );
    let verdict = verdict_on(&explanation, "first", line);
    assert_eq!(verdict, "would not run: disconnected");
    let verdict = verdict_on(&explanation, "weak", line + 4);
    assert_eq!(verdict, "would not run: its target has died");
    let verdict = verdict_on(&explanation, "once", line + 6);
    assert_eq!(verdict, "would not run: has had its only run");

    drop(other);
    let fourth = signal.options().name("fourth").connect(|_, _| ());
    fourth.disconnect();
    // A send or an explanation of another test may hold the observer a little longer.
    let until = |ends: &dyn Fn(Vec<String>) -> bool| {
        let start = Instant::now();
        while !ends(names(&signal.explain(Sender::NONE))) {
            assert!(start.elapsed() < Duration::from_secs(60), "they are kept");
            thread::yield_now();
        }
    };
    until(&|names| !names.contains(&"first".into()));
    let explanation = signal.explain(Sender::NONE);
    assert_eq!(names(&explanation), ["here", "fourth", "once", "weak"]);
    // Those of another signal are not listed.
    let empty = Signal::<u8>::new();
    empty.connect(|_, _| ());
    assert_eq!(empty.explain(Sender::NONE).connections.len(), 1);
    drop(watch);
    until(&|names| names == ["here"]);
}
