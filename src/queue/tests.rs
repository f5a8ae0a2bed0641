//! Tests of the queue with receivers that no signal has connected.

use std::any::Any;
use std::borrow::Cow;
use std::io;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, scope};
use std::time::Instant;

use super::job::{Job, Sent};
use super::line::{Line, Pushed};
use super::*;
use crate::id::ReceiverId;
use crate::receiver::delivery::Deliver;
use crate::signal::Signal;
use crate::tap::observer::Described;

const NOW: Duration = Duration::ZERO;
const EVER: Duration = Duration::MAX;

/// A receiver that runs a closure with each event.
struct Fake<F> {
    id: ReceiverId,
    run: F,
}

impl<F: Fn(u32) + Send + Sync> Deliver for Fake<F> {
    fn deliver(&self, sent: &(dyn Any + Send + Sync)) {
        (self.run)(sent.downcast_ref::<Sent<u32>>().unwrap().event);
    }

    fn id(&self) -> ReceiverId {
        self.id
    }

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("fake")
    }

    fn described(&self) -> &dyn Described {
        unreachable!("no observer is attached")
    }
}

fn fake(run: impl Fn(u32) + Send + Sync + 'static) -> Arc<dyn Deliver> {
    let id = Signal::<()>::new().connect(|_, ()| ()).id();
    Arc::new(Fake { id, run })
}

fn job(receiver: &Arc<dyn Deliver>, event: u32) -> Job {
    Job {
        receiver: Arc::clone(receiver),
        sent: Arc::new(Sent {
            sender: None,
            event,
        }),
    }
}

/// A receiver that reports each event as it starts, waits for permission, and keeps the event.
struct Gated {
    receiver: Arc<dyn Deliver>,
    started: Receiver<u32>,
    leave: Sender<()>,
    seen: Arc<Mutex<Vec<u32>>>,
}

impl Gated {
    fn new() -> Self {
        let (starts, started) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel();
        let may_leave = Mutex::new(may_leave);
        let seen = Arc::<Mutex<Vec<u32>>>::default();
        let keeps = Arc::clone(&seen);
        let receiver = fake(move |event| {
            starts.send(event).unwrap();
            lock(&may_leave).recv().unwrap();
            lock(&keeps).push(event);
        });
        Gated {
            receiver,
            started,
            leave,
            seen,
        }
    }

    /// Pushes the events `0..events`. Returns when the worker is running the first.
    fn fill(queue: &Queue, events: u32) -> Self {
        let gated = Gated::new();
        queue.handle().push(0, job(&gated.receiver, 0)).unwrap();
        assert_eq!(gated.started.recv(), Ok(0));
        for event in 1..events {
            queue.handle().push(0, job(&gated.receiver, event)).unwrap();
        }
        gated
    }

    fn open(&self, times: usize) {
        for _ in 0..times {
            self.leave.send(()).unwrap();
        }
    }

    fn seen(&self) -> Vec<u32> {
        lock(&self.seen).clone()
    }
}

fn queue(capacity: usize, overflow: Overflow) -> Queue {
    let builder = Queue::builder().capacity(capacity).overflow(overflow);
    builder.build().unwrap()
}

fn events(report: &ShutdownReport) -> Vec<u32> {
    let event = |undelivered: &Undelivered| *undelivered.event::<u32>().unwrap();
    report.undelivered.iter().map(event).collect()
}

/// Returns `true` if the counters add up while no thread is pushing.
fn adds_up(stats: Stats) -> bool {
    let waiting = (stats.depth + stats.running) as u64;
    stats.pushed == stats.delivered + stats.dropped + stats.undelivered + waiting
}

#[test]
fn delivers_in_order_and_flush_waits_for_all() {
    let queue = Queue::bounded(4).unwrap();
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let keeps = Arc::clone(&seen);
    let receiver = fake(move |event| lock(&keeps).push(event));
    for event in 0..1_000 {
        queue
            .handle()
            .push(u64::from(event), job(&receiver, event))
            .unwrap();
    }
    queue.flush().unwrap();
    assert_eq!(*lock(&seen), Vec::from_iter(0..1_000));
    let stats = queue.stats();
    assert_eq!((stats.pushed, stats.delivered), (1_000, 1_000));
    assert!(adds_up(stats), "{stats:?}");
}

#[test]
fn a_full_line_follows_its_policy() {
    for (overflow, outcome, expected) in [
        (Overflow::DropNewest, Ok(()), vec![0, 1, 2]),
        (Overflow::DropOldest, Ok(()), vec![0, 2, 3]),
        (
            Overflow::Reject,
            Err("is full with 2 events"),
            vec![0, 1, 2],
        ),
    ] {
        let queue = queue(2, overflow);
        let gated = Gated::fill(&queue, 3);
        let pushed = queue.handle().push(0, job(&gated.receiver, 3));
        match (&pushed, outcome) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            _ => panic!("{pushed:?} with {overflow:?}"),
        }
        assert_eq!((queue.depth(), queue.stats().running), (2, 1));
        gated.open(4);
        queue.flush().unwrap();
        assert_eq!(gated.seen(), expected, "{overflow:?}");
        let stats = queue.stats();
        assert!(adds_up(stats), "{stats:?}");
        assert_eq!(stats.delivered, 3);
        assert_eq!(stats.dropped, u64::from(pushed.is_ok()));
        assert_eq!(stats.rejected, u64::from(pushed.is_err()));
        assert_eq!(stats.pushed, 3 + stats.dropped);
    }
}

#[test]
fn a_blocked_sender_goes_on_when_there_is_room() {
    let queue = queue(1, Overflow::Block);
    let gated = Gated::fill(&queue, 2);
    scope(|threads| {
        let pushing = threads.spawn(|| queue.handle().push(0, job(&gated.receiver, 2)));
        gated.open(3);
        assert_eq!(pushing.join().unwrap(), Ok(()));
    });
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1, 2]);
}

#[test]
fn a_shutdown_wakes_a_blocked_sender() {
    let queue = queue(1, Overflow::Block);
    let gated = Gated::fill(&queue, 2);
    scope(|threads| {
        let pushing = threads.spawn(|| queue.handle().push(0, job(&gated.receiver, 2)));
        // It has its ticket. There is no room before the worker goes on.
        while queue.stats().pushed < 3 {
            thread::yield_now();
        }
        let ending = threads.spawn(|| queue.shutdown(EVER).unwrap());
        let refused = pushing.join().unwrap().unwrap_err();
        assert!(matches!(refused, Error::Closed { .. }), "{refused:?}");
        gated.open(2);
        assert_eq!(events(&ending.join().unwrap()), []);
    });
    assert_eq!(gated.seen(), [0, 1]);
    let stats = queue.stats();
    assert!(adds_up(stats), "{stats:?}");
    assert_eq!((stats.pushed, stats.rejected), (2, 1));
}

#[test]
fn a_shutdown_returns_the_undelivered_events_and_names_their_receivers() {
    let queue = queue(8, Overflow::Block);
    let gated = Gated::fill(&queue, 5);
    let report = queue.shutdown(NOW).unwrap();
    assert_eq!(
        (events(&report), report.still_running),
        (vec![1, 2, 3, 4], 1)
    );
    let first = &report.undelivered[0];
    assert_eq!(first.receiver(), gated.receiver.id());
    assert_eq!(first.name(), "fake");
    assert_eq!(first.event::<u64>(), None);
    assert!(queue.is_closed());

    let again = queue.shutdown(NOW).unwrap();
    assert_eq!((again.undelivered.len(), again.still_running), (0, 1));
    gated.open(1);
    let again = queue.shutdown(EVER).unwrap();
    assert_eq!((again.undelivered.len(), again.still_running), (0, 0));
    let refused = queue.handle().push(0, job(&gated.receiver, 5)).unwrap_err();
    assert!(matches!(refused, Error::Closed { .. }), "{refused:?}");
    assert_eq!(gated.seen(), [0]);
    assert!(adds_up(queue.stats()));
}

#[test]
fn a_shutdown_delivers_the_queued_events_in_time() {
    let queue = queue(8, Overflow::Block);
    let gated = Gated::fill(&queue, 5);
    gated.open(5);
    let report = queue.shutdown(EVER).unwrap();
    assert_eq!((report.undelivered.len(), report.still_running), (0, 0));
    assert_eq!(gated.seen(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_worker_waits_neither_for_room_nor_for_itself() {
    for workers in [1, 2] {
        let queue = Queue::builder()
            .workers(workers)
            .capacity(1)
            .build()
            .unwrap();
        let handle = queue.clone();
        let (told, tells) = mpsc::channel();
        let filler = fake(|_| ());
        let filled = Arc::clone(&filler);
        let receiver = fake(move |_| {
            // The events are in the line of this very worker. The second finds it full.
            handle.handle().push(0, job(&filled, 1)).unwrap();
            let refused = handle.handle().push(0, job(&filled, 2)).unwrap_err();
            let flush = handle.flush().unwrap_err();
            let shutdown = handle.shutdown(EVER).unwrap_err();
            told.send((refused, flush, shutdown)).unwrap();
        });
        queue.handle().push(0, job(&receiver, 0)).unwrap();
        let (refused, flush, shutdown) = tells.recv().unwrap();
        assert!(
            matches!(refused, Error::WouldDeadlock { .. }),
            "{refused:?}"
        );
        assert!(matches!(flush, WaitError::InsideWorker { .. }), "{flush:?}");
        assert!(
            matches!(shutdown, WaitError::InsideWorker { .. }),
            "{shutdown:?}"
        );
        assert!(!queue.is_closed());
        queue.flush().unwrap();
        assert_eq!((queue.delivered(), queue.rejected()), (2, 1));
    }
}

#[test]
fn a_flush_does_not_wait_for_later_events() {
    let queue = Queue::bounded(8).unwrap();
    let gated = Gated::fill(&queue, 1);
    scope(|threads| {
        let flushing = threads.spawn(|| queue.flush());
        // The flush has started its round, and events that are pushed now are of the next.
        let line = &queue.pool().lines[0];
        while !line.is_in_odd_round() {
            thread::yield_now();
        }
        queue.handle().push(0, job(&gated.receiver, 1)).unwrap();
        gated.open(1);
        assert_eq!(flushing.join().unwrap(), Ok(()));
        assert_eq!(gated.started.recv(), Ok(1));
        assert_eq!(queue.delivered(), 1);
    });
    let timeout = queue.flush_timeout(NOW).unwrap_err();
    assert!(matches!(timeout, WaitError::Timeout { .. }), "{timeout:?}");
    // A flush that gave up leaves a round under way, which others finish.
    gated.open(1);
    queue.flush().unwrap();
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 1]);
}

#[test]
fn a_flush_is_not_deceived_by_dropped_events() {
    let queue = queue(1, Overflow::DropOldest);
    let gated = Gated::fill(&queue, 1);
    // Four tickets are settled, but not that of the event that is running.
    for event in 1..6 {
        queue.handle().push(0, job(&gated.receiver, event)).unwrap();
    }
    assert_eq!(queue.dropped(), 4);
    assert!(queue.flush_timeout(NOW).is_err());
    gated.open(2);
    queue.flush().unwrap();
    assert_eq!(gated.seen(), [0, 5]);
}

/// The line has no worker, so only the drop of the item can notify the flush.
#[test]
fn a_flush_ends_with_the_drop_of_the_last_item() {
    let end = Instant::now() + Duration::from_secs(60);
    let line = Line::new(Some(1), 1);
    let push = |item| line.push(item, Overflow::DropOldest, || false);
    assert!(matches!(push(1), Pushed::Accepted));
    scope(|threads| {
        let flushing = threads.spawn(|| line.flush(Some(end)));
        while !line.is_in_odd_round() {
            assert!(Instant::now() < end, "no round has started");
            thread::yield_now();
        }
        assert!(matches!(push(2), Pushed::Displaced { oldest: 1, .. }));
        assert!(flushing.join().unwrap());
        assert!(Instant::now() < end, "it was not notified");
    });
}

#[test]
fn panics_of_receivers_are_counted_and_the_worker_goes_on() {
    let queue = Queue::bounded(8).unwrap();
    let receiver = fake(|event| {
        if event % 2 == 0 {
            resume_unwind(Box::new("even"));
        }
    });
    for event in 0..5 {
        queue.handle().push(0, job(&receiver, event)).unwrap();
    }
    queue.flush().unwrap();
    let stats = queue.stats();
    assert_eq!((stats.delivered, stats.panicked), (5, 3));
}

/// A value whose panic is not reported by the hook and is not caught twice.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        resume_unwind(Box::new("fragile"));
    }
}

#[test]
fn panics_of_destructors_end_where_they_start() {
    let queue = queue(1, Overflow::DropOldest);
    let gated = Gated::fill(&queue, 1);
    let fragile = |_: u32| {
        let held = Fragile;
        let receiver = fake(move |_| {
            let _held = &held;
        });
        let sent = Arc::new(Sent {
            sender: None,
            event: Fragile,
        });
        Job { receiver, sent }
    };
    // The second event drops the first. The third is delivered to a receiver that panics as well,
    // because the event is not of its type. The last stays in the report.
    for event in 0..3 {
        queue.handle().push(0, fragile(event)).unwrap();
    }
    gated.open(1);
    queue.flush().unwrap();
    let stats = queue.stats();
    assert_eq!((stats.delivered, stats.dropped, stats.panicked), (2, 2, 1));
    let gated = Gated::fill(&queue, 1);
    queue.handle().push(0, fragile(3)).unwrap();
    let report = queue.shutdown(NOW).unwrap();
    assert_eq!(report.undelivered.len(), 1);
    drop(report);
    assert!(queue.handle().push(0, fragile(4)).is_err());
    gated.open(1);
    queue.flush().unwrap();
}

#[test]
fn dropping_the_last_handle_delivers_the_queued_events() {
    let queue = queue(8, Overflow::Block);
    let gated = Gated::fill(&queue, 5);
    let second = queue.clone();
    drop(queue);
    gated.open(5);
    drop(second);
    assert_eq!(gated.seen(), [0, 1, 2, 3, 4]);
}

#[test]
fn after_a_shutdown_no_drop_waits() {
    let queue = queue(8, Overflow::Block);
    let gated = Gated::fill(&queue, 2);
    assert_eq!(events(&queue.shutdown(NOW).unwrap()), [1]);
    drop(queue);
    assert_eq!(gated.seen(), []);
    gated.open(1);
}

/// A round takes the bit of the one before the last, so that one has to be over.
#[test]
fn a_round_waits_for_the_one_before() {
    let queue = queue(8, Overflow::Block);
    let gated = Gated::fill(&queue, 1);
    let line = &queue.pool().lines[0];
    for event in 1..4 {
        assert!(queue.flush_timeout(NOW).is_err());
        assert!(line.is_in_odd_round());
        queue.handle().push(0, job(&gated.receiver, event)).unwrap();
    }
    gated.open(4);
    queue.flush().unwrap();
    assert!(!line.is_in_odd_round());
}

#[test]
fn dropping_the_last_handle_on_a_worker_does_not_wait_for_itself() {
    let queue = queue(8, Overflow::Block);
    let handle = Mutex::new(Some(queue.clone()));
    let (told, tells) = mpsc::channel();
    let receiver = fake(move |event| {
        drop(lock(&handle).take());
        told.send(event).unwrap();
    });
    let gated = Gated::fill(&queue, 1);
    for event in 0..3 {
        queue.handle().push(0, job(&receiver, event)).unwrap();
    }
    drop(queue);
    drop(receiver);
    gated.open(1);
    assert_eq!(Vec::from_iter(tells), [0, 1, 2]);
}

#[test]
fn a_lane_keeps_its_worker() {
    let queue = Queue::builder().workers(3).name("lanes").build().unwrap();
    let (told, tells) = mpsc::channel();
    let receiver = fake(move |event| {
        let name = thread::current().name().map(String::from);
        told.send((event, name)).unwrap();
    });
    for event in 0..9 {
        queue
            .handle()
            .push(u64::from(event), job(&receiver, event))
            .unwrap();
    }
    queue.flush().unwrap();
    drop(receiver);
    let mut seen = Vec::from_iter(tells);
    seen.sort();
    for (event, name) in seen {
        assert_eq!(name, Some(format!("lanes-{}", event % 3)));
    }
}

#[test]
fn an_unbounded_queue_takes_everything() {
    let queue = Queue::builder()
        .unbounded()
        .overflow(Overflow::Reject)
        .build()
        .unwrap();
    let gated = Gated::fill(&queue, 5_000);
    assert_eq!((queue.depth(), queue.capacity()), (4_999, None));
    gated.open(5_000);
    queue.flush().unwrap();
    assert_eq!(queue.delivered(), 5_000);
}

#[test]
#[should_panic = "capacity 0"]
fn a_capacity_of_0_is_refused() {
    let _ = Queue::builder().capacity(0);
}

#[test]
#[should_panic = "0 workers"]
fn no_workers_are_refused() {
    let _ = Queue::builder().workers(0);
}

#[test]
fn a_name_that_no_thread_can_have_is_an_error() {
    let refused = Queue::builder().name("a\0b").build().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("a\\0b"), "{refused}");
}
