//! The end of a queue: each event is delivered once or returned, and no thread hangs.
#![cfg(feature = "queue")]

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::blocked::LONG;
use crate::queue_gate::{Gated, assert_adds_up};
use fanfare::queue::{self, Overflow, ShutdownReport, Undelivered};
use fanfare::{Queue, Sender, Signal};

const NOW: Duration = Duration::ZERO;
const EVER: Duration = Duration::MAX;

type Asked = Signal<u32, Result<(), queue::Error>>;

/// Returns `true` if a send gave the event to its one receiver's queue.
fn is_accepted(signal: &Asked, sender: Sender<'_>, event: u32) -> bool {
    match &*signal.from(sender).send(&event) {
        [Ok(())] => true,
        [Err(queue::Error::Closed { .. } | queue::Error::Full { .. })] => false,
        responses => panic!("{responses:?}"),
    }
}

fn events(report: &ShutdownReport) -> Vec<u32> {
    let event = |undelivered: &Undelivered| *undelivered.event::<u32>().unwrap();
    report.undelivered.iter().map(event).collect()
}

#[test]
fn queued_events_are_delivered_in_time() {
    let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    for event in 0..5 {
        assert!(is_accepted(&signal, Sender::NONE, event));
    }
    gated.open(5);
    let report = queue.shutdown(EVER).unwrap();
    assert_eq!((events(&report), report.still_running), (vec![], 0));
    assert_eq!(gated.seen(), [0, 1, 2, 3, 4]);
    assert_adds_up(queue.stats());
}

#[test]
fn undelivered_events_are_returned_with_all_parts_of_another_send() {
    let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    let later = signal
        .options()
        .name("later")
        .queued(&queue)
        .connect(|_, _| ());
    for event in 0..3 {
        signal.from("shop").send(&event);
    }
    assert_eq!(gated.started(), 0);
    let report = queue.shutdown(NOW).unwrap();
    assert_eq!(report.still_running, 1);
    assert_eq!(events(&report), [0, 1, 1, 2, 2]);
    let names = report.undelivered.iter().map(Undelivered::name);
    assert_eq!(
        Vec::from_iter(names),
        ["later", "gated", "later", "gated", "later"]
    );
    let ids = report.undelivered.iter().map(Undelivered::receiver);
    let (gated_id, later_id) = (gated.connection.id(), later.id());
    assert_eq!(
        Vec::from_iter(ids),
        [later_id, gated_id, later_id, gated_id, later_id]
    );
    let last = &report.undelivered[4];
    let shown = format!("Undelivered {{ receiver: {later_id:?}, name: \"later\", .. }}");
    assert_eq!(format!("{last:?}"), shown);
    assert_eq!(last.sent::<u32>(), Some((Sender::named("shop"), &2)));
    assert_eq!(last.sent::<u64>(), None);
    assert_eq!(last.event::<String>(), None);
    let stats = queue.stats();
    assert_eq!((stats.pushed, stats.running, stats.undelivered), (6, 1, 5));
    assert_adds_up(stats);
    // The receiver is not interrupted, and no other event follows it.
    gated.open(1);
    let again = queue.shutdown(EVER).unwrap();
    assert_eq!((events(&again), again.still_running), (vec![], 0));
    assert_eq!(gated.seen(), [0]);
    assert_eq!(queue.delivered(), 1);
}

#[test]
fn a_second_shutdown_returns_no_events_and_does_not_hang() {
    let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    for event in 0..3 {
        signal.send(&event);
    }
    assert_eq!(gated.started(), 0);
    assert_eq!(events(&queue.shutdown(NOW).unwrap()), [1, 2]);
    let again = queue.shutdown(NOW).unwrap();
    assert_eq!((events(&again), again.still_running), (vec![], 1));
    assert!(queue.flush_timeout(NOW).is_err());
    gated.open(1);
    queue.flush().unwrap();
}

/// No other flush waits. If this one took the marks away, no thread would notify the shutdown.
#[test]
fn a_flush_that_gives_up_does_not_hold_up_a_shutdown() {
    let (queue, signal) = (Queue::bounded(4).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    assert!(is_accepted(&signal, Sender::NONE, 0));
    assert_eq!(gated.started(), 0);
    thread::scope(|scope| {
        let start = Instant::now();
        let shutdown = scope.spawn(|| queue.shutdown(LONG));
        while !queue.is_closed() {
            assert!(start.elapsed() < LONG, "it is not closed");
            thread::yield_now();
        }
        let flushed = queue.flush_timeout(Duration::from_millis(5));
        gated.open(1);
        let report = shutdown.join().unwrap().unwrap();
        assert!(start.elapsed() < LONG);
        assert!(flushed.is_err());
        assert_eq!((events(&report), report.still_running), (vec![], 0));
    });
}

#[test]
fn after_it_sends_are_refused() {
    let (queue, signal) = (Queue::builder().name("mail").build().unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    assert!(!queue.is_closed());
    assert!(queue.shutdown(NOW).unwrap().undelivered.is_empty());
    assert!(queue.is_closed());
    let refused = signal.send_until_err(&0).unwrap_err().error;
    let text = "queue \"mail\" is shut down: send before its shutdown, or disconnect its receivers";
    assert_eq!(refused.to_string(), text);
    assert_eq!((queue.stats().pushed, queue.rejected()), (0, 1));
    assert_eq!(gated.seen(), []);
}

#[test]
fn senders_that_wait_for_room_are_woken() {
    const SENDERS: u32 = 3;
    let (queue, signal) = (Queue::bounded(1).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    for event in 0..2 {
        assert!(is_accepted(&signal, Sender::NONE, event));
        if event == 0 {
            assert_eq!(gated.started(), 0);
        }
    }
    thread::scope(|threads| {
        let wait = |event| {
            let signal = &signal;
            threads.spawn(move || is_accepted(signal, Sender::NONE, event))
        };
        let waiting = Vec::from_iter((2..2 + SENDERS).map(wait));
        while queue.stats().pushed < u64::from(2 + SENDERS) {
            thread::yield_now();
        }
        let ending = threads.spawn(|| queue.shutdown(EVER).unwrap());
        // There is no room before the gate opens, and it opens only after they are refused.
        for sender in waiting {
            assert!(!sender.join().unwrap());
        }
        gated.open(2);
        assert_eq!(events(&ending.join().unwrap()), []);
    });
    assert_eq!(gated.seen(), [0, 1]);
    assert_eq!(queue.rejected(), u64::from(SENDERS));
    assert_adds_up(queue.stats());
}

/// Threads send while others shut down. Whatever was accepted is delivered, or in one report.
#[test]
fn each_event_is_delivered_once() {
    const SENDERS: u32 = 4;
    const EVENTS: u32 = 300;
    for round in 0..60 {
        let overflow = [Overflow::Block, Overflow::Reject][round % 2];
        let timeout = [NOW, EVER, Duration::from_micros(50)][round % 3];
        let workers = 1 + round % 2;
        let builder = Queue::builder()
            .workers(workers)
            .capacity(3)
            .overflow(overflow);
        let (queue, signal) = (builder.build().unwrap(), Asked::new());
        let delivered = Arc::<Mutex<Vec<u32>>>::default();
        let keeps = Arc::clone(&delivered);
        let options = signal.options().queued(&queue);
        options.connect(move |_, event| keeps.lock().unwrap().push(*event));
        let start = Barrier::new(SENDERS as usize + 2);
        let sent = AtomicUsize::new(0);
        let (mut accepted, reports) = thread::scope(|threads| {
            let (signal, queue, start, sent) = (&signal, &queue, &start, &sent);
            let send = |sender: u32| {
                threads.spawn(move || {
                    start.wait();
                    let events = sender * EVENTS..(sender + 1) * EVENTS;
                    let accepts = |event: &u32| {
                        sent.fetch_add(1, Ordering::Relaxed);
                        is_accepted(signal, Sender::key(u128::from(sender)), *event)
                    };
                    Vec::from_iter(events.filter(accepts))
                })
            };
            let senders = Vec::from_iter((0..SENDERS).map(send));
            let end = |_| {
                threads.spawn(move || {
                    start.wait();
                    while sent.load(Ordering::Relaxed) < 20 * (1 + round) {
                        thread::yield_now();
                    }
                    queue.shutdown(timeout).unwrap()
                })
            };
            let ends = Vec::from_iter((0..2).map(end));
            let accepted = senders
                .into_iter()
                .flat_map(|sender| sender.join().unwrap());
            let accepted = Vec::from_iter(accepted);
            let reports = ends.into_iter().map(|end| end.join().unwrap());
            (accepted, Vec::from_iter(reports))
        });
        // The event that was still running is delivered by now.
        queue.flush().unwrap();
        let delivered = delivered.lock().unwrap();
        let mut undelivered = Vec::from_iter(reports.iter().flat_map(events));
        assert_eq!(queue.stats().undelivered, undelivered.len() as u64);
        for sender in 0..SENDERS {
            let of = |events: &[u32]| {
                Vec::from_iter(
                    events
                        .iter()
                        .copied()
                        .filter(|event| event / EVENTS == sender),
                )
            };
            let (delivered, mut undelivered) = (of(&delivered), of(&undelivered));
            undelivered.sort_unstable();
            assert!(delivered.is_sorted(), "out of order: {delivered:?}");
            let in_order = delivered.last() < undelivered.first();
            assert!(
                in_order || undelivered.is_empty(),
                "{delivered:?}, {undelivered:?}"
            );
        }
        undelivered.extend(&*delivered);
        undelivered.sort_unstable();
        accepted.sort_unstable();
        assert_eq!(undelivered, accepted, "round {round}");
        assert_adds_up(queue.stats());
    }
}

/// In whatever order the two end, as locals of `main` do.
#[test]
fn dropping_the_last_queue_waits_for_the_queued_events() {
    for signal_goes_first in [true, false] {
        let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
        let delivered = Arc::new(AtomicU32::new(0));
        let counts = Arc::clone(&delivered);
        signal.options().queued(&queue).connect(move |_, _| {
            thread::sleep(Duration::from_millis(10));
            counts.fetch_add(1, Ordering::Relaxed);
        });
        for event in 0..5 {
            assert!(is_accepted(&signal, Sender::NONE, event));
        }
        if signal_goes_first {
            drop((signal, queue));
        } else {
            drop((queue, signal));
        }
        assert_eq!(delivered.load(Ordering::Relaxed), 5);
    }
}

#[test]
fn dropping_one_queue_of_two_does_not_wait_and_the_last_ends_no_receiver() {
    let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    assert!(is_accepted(&signal, Sender::NONE, 0));
    drop(queue.clone());
    gated.open(1);
    drop(queue);
    assert_eq!(gated.seen(), [0]);
    assert!(is_accepted(&signal, Sender::NONE, 1));
    gated.open(1);
    assert_eq!(gated.connection.disconnect_and_wait(EVER), Ok(()));
    assert_eq!(gated.seen(), [0, 1]);
}

#[test]
fn the_drop_of_the_last_handle_waits_for_the_workers() {
    thread_local! {
        static LAST: Told = const { Told(Mutex::new(None)) };
    }
    struct Told(Mutex<Option<mpsc::Sender<&'static str>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            if let Some(tell) = self.0.lock().unwrap().take() {
                tell.send("the thread ends").unwrap();
            }
        }
    }
    let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
    let (tell, told) = mpsc::channel();
    signal.options().queued(&queue).connect(move |_, _| {
        LAST.with(|last| *last.0.lock().unwrap() = Some(tell.clone()));
    });
    assert!(is_accepted(&signal, Sender::NONE, 0));
    queue.flush().unwrap();
    drop(signal);
    drop(queue);
    assert_eq!(told.try_recv(), Ok("the thread ends"));
}

#[test]
fn a_receiver_may_drop_the_last_handle() {
    let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    let own = Arc::new(Mutex::new(Some(queue.clone())));
    let (tell, told) = mpsc::channel();
    signal.options().queued(&queue).connect(move |_, event| {
        drop(own.lock().unwrap().take());
        tell.send(*event).unwrap();
    });
    for event in 0..3 {
        signal.send(&event);
    }
    drop((signal, queue));
    gated.open(3);
    assert_eq!(Vec::from_iter(told), [0, 1, 2]);
}

#[test]
fn a_timeout_is_kept_by_events_that_take_longer() {
    let (queue, signal) = (Queue::bounded(16).unwrap(), Asked::new());
    let gated = Gated::connect(&signal, &queue);
    for event in 0..3 {
        assert!(is_accepted(&signal, Sender::NONE, event));
    }
    gated.open(1);
    assert_eq!((gated.started(), gated.started()), (0, 1));
    let report = queue.shutdown(Duration::from_millis(5)).unwrap();
    assert_eq!((events(&report), report.still_running), (vec![2], 1));
    gated.open(1);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1]);
}
