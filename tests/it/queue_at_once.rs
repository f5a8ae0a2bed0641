//! A queue whose events may run at the same time: an unordered one, whose workers share a line, and
//! one whose worker drives several futures. Both run two events at a time here.
#![cfg(feature = "queue")]

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::queue_gate::assert_adds_up;
use fanfare::error::WaitError;
use fanfare::queue::{self, Overflow};
use fanfare::{Queue, Signal};
use tokio::sync::Semaphore;

type Asked = Signal<u32, Result<(), queue::Error>>;

/// Events below this one hang until the gate is opened.
const HANG: u32 = 100;
/// Events from this one on panic.
const PANIC: u32 = 1_000;
const POLICIES: [Overflow; 4] = [
    Overflow::Block,
    Overflow::DropNewest,
    Overflow::DropOldest,
    Overflow::Reject,
];

/// A gate at which events hang. It is opened for good, also by its drop.
struct Gate(Arc<Semaphore>);

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Unordered,
    #[cfg(feature = "async")]
    Concurrent,
    /// Two workers, two lines, and each event of one receiver and sender in the same one.
    Ordered,
}

#[cfg(feature = "async")]
const AT_ONCE: &[Way] = &[Way::Unordered, Way::Concurrent];
#[cfg(not(feature = "async"))]
const AT_ONCE: &[Way] = &[Way::Unordered];

struct World {
    /// First, so that the drop of the queue of a test that fails does not wait.
    gate: Gate,
    queue: Queue,
    signal: Asked,
    started: Mutex<Receiver<u32>>,
    /// The events that ended.
    seen: Arc<Mutex<Vec<u32>>>,
    /// The most events that ran at the same time.
    most: Arc<AtomicUsize>,
}

impl Way {
    fn builder(self) -> queue::Builder {
        let builder = Queue::builder().name("at once");
        match self {
            Way::Unordered => builder.workers(2).unordered(),
            #[cfg(feature = "async")]
            Way::Concurrent => builder.concurrency(2),
            Way::Ordered => builder.workers(2),
        }
    }

    fn world(self, builder: queue::Builder) -> World {
        let queue = builder.build().unwrap();
        let signal = Asked::new();
        let gate = Arc::new(Semaphore::new(0));
        let (starts, started) = mpsc::channel();
        let (seen, most) = (
            Arc::<Mutex<Vec<u32>>>::default(),
            Arc::new(AtomicUsize::new(0)),
        );
        let running = Arc::new(AtomicUsize::new(0));
        let (opens, keeps, counts) = (Arc::clone(&gate), Arc::clone(&seen), Arc::clone(&most));
        let run = move |event: u32| {
            counts.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            starts.send(event).unwrap();
            let (opens, keeps) = (Arc::clone(&opens), Arc::clone(&keeps));
            let running = Arc::clone(&running);
            async move {
                if event < HANG {
                    // It is closed to let all go on.
                    let _ = opens.acquire().await;
                }
                running.fetch_sub(1, SeqCst);
                assert!(event < PANIC, "event {event} panics");
                keeps.lock().unwrap().push(event);
            }
        };
        let options = signal.options().queued(&queue);
        match self {
            #[cfg(feature = "async")]
            Way::Concurrent => options.connect_async(move |_, event| Box::pin(run(*event))),
            _ => options.connect(move |_, event| smol::block_on(run(*event))),
        };
        World {
            gate: Gate(gate),
            queue,
            signal,
            started: Mutex::new(started),
            seen,
            most,
        }
    }
}

impl World {
    fn of(way: Way) -> Self {
        way.world(way.builder())
    }

    /// Fills a queue with room for two events, while two more hang.
    fn full(way: Way, overflow: Overflow) -> Self {
        let world = way.world(way.builder().capacity(2).overflow(overflow));
        world.hang();
        world.send(100..102);
        assert_eq!((world.queue.depth(), world.queue.stats().running), (2, 2));
        world
    }

    /// Runs two events that hang.
    fn hang(&self) {
        self.send(1..3);
        let mut started = self.started(2);
        started.sort_unstable();
        assert_eq!(started, [1, 2]);
    }

    fn send(&self, events: impl IntoIterator<Item = u32>) {
        for event in events {
            assert!(self.signal.from("shop").send_until_err(&event).is_ok());
        }
    }

    /// Waits until `events` events have started.
    fn started(&self, events: usize) -> Vec<u32> {
        let started = self.started.lock().unwrap();
        let start = |_| started.recv_timeout(Duration::from_secs(60)).unwrap();
        (0..events).map(start).collect()
    }

    fn open(&self) {
        self.gate.0.close();
    }

    fn seen(&self) -> Vec<u32> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.sort_unstable();
        seen
    }
}

#[test]
fn an_event_that_hangs_stops_no_other_of_its_receiver_and_sender() {
    for way in AT_ONCE {
        let world = World::of(*way);
        world.send([1]);
        assert_eq!(world.started(1), [1]);
        world.send(100..120);
        assert_eq!(world.started(20), Vec::from_iter(100..120), "{way:?}");
        while world.queue.delivered() < 20 {
            thread::yield_now();
        }
        assert_eq!((world.queue.depth(), world.queue.stats().running), (0, 1));
        world.open();
        world.queue.flush().unwrap();
        assert_eq!(world.seen().len(), 21);
    }
}

#[test]
fn without_the_options_an_event_that_hangs_holds_up_those_of_its_receiver_and_sender() {
    let builders = [
        Way::Ordered.builder(),
        #[cfg(feature = "async")]
        Queue::builder().workers(2).concurrency(1),
    ];
    for builder in builders {
        let world = Way::Ordered.world(builder);
        world.send([1]);
        assert_eq!(world.started(1), [1]);
        world.send(100..110);
        // If another worker took one, it would do it in this time.
        let early = world
            .started
            .lock()
            .unwrap()
            .recv_timeout(Duration::from_millis(50));
        assert!(early.is_err(), "{early:?}");
        assert_eq!((world.queue.depth(), world.queue.stats().running), (10, 1));
        world.open();
        world.queue.flush().unwrap();
        let expected = Vec::from_iter([1].into_iter().chain(100..110));
        assert_eq!(*world.seen.lock().unwrap(), expected);
        assert_eq!(world.most.load(SeqCst), 1);
    }
}

#[test]
fn an_ordered_queue_keeps_the_order_of_each_receiver_and_sender() {
    let queue = Queue::builder().workers(3).build().unwrap();
    let signal = Signal::<u32>::new();
    let seen = Arc::new(Mutex::new(vec![Vec::new(); 7]));
    let keeps = Arc::clone(&seen);
    signal.options().queued(&queue).connect(move |_, event| {
        let (sender, n) = (event / 1_000, event % 1_000);
        keeps.lock().unwrap()[sender as usize].push(n);
    });
    for n in 0..200 {
        for sender in 0..7 {
            signal.from(u64::from(sender)).send(&(sender * 1_000 + n));
        }
    }
    queue.flush().unwrap();
    let expected = vec![Vec::from_iter(0..200); 7];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn no_more_run_than_there_are_places_and_the_next_start_in_order() {
    for way in AT_ONCE {
        let world = World::of(*way);
        world.hang();
        world.send(100..150);
        // Time for a worker to take one too many.
        thread::sleep(Duration::from_millis(20));
        assert_eq!((world.queue.depth(), world.queue.stats().running), (50, 2));
        assert_eq!(world.queue.delivered(), 0);
        assert_adds_up(world.queue.stats());
        world.open();
        let mut started = world.started(50);
        if matches!(way, Way::Unordered) {
            // Each of two workers reports the start of the event that it has taken.
            started.sort_unstable();
        }
        assert_eq!(started, Vec::from_iter(100..150), "{way:?}");
        world.queue.flush().unwrap();
        assert_eq!(world.most.load(SeqCst), 2, "{way:?}");
        assert_eq!(world.queue.delivered(), 52);
        assert_adds_up(world.queue.stats());
    }
}

#[test]
fn flush_waits_for_all_that_run() {
    for way in AT_ONCE {
        let world = World::of(*way);
        world.send([1]);
        world.send(100..110);
        world.started(11);
        let waited = world.queue.flush_timeout(Duration::from_millis(5));
        assert!(matches!(waited, Err(queue::WaitError::Timeout { .. })));
        thread::scope(|scope| {
            let flushes = scope.spawn(|| world.queue.flush());
            world.send(110..120);
            world.open();
            flushes.join().unwrap().unwrap();
        });
        assert!(world.seen().contains(&1), "{way:?}");
        world.queue.flush().unwrap();
        assert_eq!(world.seen().len(), 21);
    }
}

#[test]
fn a_shutdown_that_does_not_wait_returns_the_events_that_were_not_started() {
    for way in AT_ONCE {
        let world = World::of(*way);
        world.hang();
        world.send(100..103);
        let report = world.queue.shutdown(Duration::ZERO).unwrap();
        let left: Vec<_> = report
            .undelivered
            .iter()
            .map(|it| it.event::<u32>())
            .collect();
        assert_eq!(left, [Some(&100), Some(&101), Some(&102)], "{way:?}");
        assert_eq!(report.still_running, 2);
        assert_adds_up(world.queue.stats());
        let refused = world.signal.from("shop").send_until_err(&103).unwrap_err();
        assert!(matches!(refused.error, queue::Error::Closed { .. }));
        world.open();
        let again = world.queue.shutdown(Duration::MAX).unwrap();
        assert_eq!((again.undelivered.len(), again.still_running), (0, 0));
        assert_eq!(world.seen(), [1, 2]);
        let stats = world.queue.stats();
        assert_eq!(
            (stats.delivered, stats.undelivered, stats.rejected),
            (2, 3, 1)
        );
        assert_adds_up(stats);
    }
}

#[test]
fn a_shutdown_that_waits_delivers_everything() {
    for way in AT_ONCE {
        let world = World::of(*way);
        world.hang();
        world.send(100..150);
        thread::scope(|scope| {
            let ends = scope.spawn(|| world.queue.shutdown(Duration::MAX).unwrap());
            while !world.queue.is_closed() {
                thread::yield_now();
            }
            world.open();
            let report = ends.join().unwrap();
            assert_eq!((report.undelivered.len(), report.still_running), (0, 0));
        });
        assert_eq!(world.seen().len(), 52, "{way:?}");
    }
}

/// The workers, and the thread of the futures, end with the last handle.
#[test]
fn dropping_the_last_handle_delivers_everything() {
    for way in AT_ONCE {
        let World {
            queue,
            signal,
            gate,
            seen,
            started,
            ..
        } = World::of(*way);
        for event in [1, 100, 101, 102] {
            signal.from("shop").send_until_err(&event).unwrap();
        }
        drop(signal);
        drop(gate);
        drop(queue);
        assert_eq!(seen.lock().unwrap().len(), 4, "{way:?}");
        // The receiver, which has the other end, has gone.
        assert_eq!(started.lock().unwrap().iter().count(), 4);
    }
}

#[test]
fn overflow_counts_the_one_line() {
    for way in AT_ONCE {
        for policy in POLICIES {
            let world = World::full(*way, policy);
            let case = format!("{way:?}, {policy:?}");
            let expected = thread::scope(|scope| match policy {
                Overflow::Block => {
                    let waits = scope.spawn(|| world.send([102]));
                    while world.queue.stats().pushed < 5 {
                        thread::yield_now();
                    }
                    assert_eq!(world.queue.depth(), 2, "{case}");
                    world.open();
                    waits.join().unwrap();
                    vec![1, 2, 100, 101, 102]
                }
                Overflow::DropNewest => {
                    world.send([102]);
                    assert_eq!(world.queue.dropped(), 1, "{case}");
                    vec![1, 2, 100, 101]
                }
                Overflow::DropOldest => {
                    world.send([102]);
                    assert_eq!(world.queue.dropped(), 1, "{case}");
                    vec![1, 2, 101, 102]
                }
                _ => {
                    let refused = world.signal.from("shop").send_until_err(&102).unwrap_err();
                    assert!(matches!(refused.error, queue::Error::Full { .. }), "{case}");
                    vec![1, 2, 100, 101]
                }
            });
            world.open();
            world.queue.flush().unwrap();
            assert_eq!(world.seen(), expected, "{case}");
            assert_adds_up(world.queue.stats());
        }
    }
}

#[test]
fn a_panic_costs_its_event_alone() {
    for way in AT_ONCE {
        let world = World::of(*way);
        world.send([1]);
        world.send([1_000, 100, 1_001, 101, 1_002]);
        world.open();
        world.queue.flush().unwrap();
        assert_eq!(world.seen(), [1, 100, 101], "{way:?}");
        let stats = world.queue.stats();
        assert_eq!((stats.delivered, stats.panicked), (6, 3));
        assert_adds_up(stats);
    }
}

#[test]
fn a_receiver_that_waits_for_its_queue_is_refused() {
    for way in AT_ONCE {
        static REFUSED: Mutex<Vec<(queue::WaitError, WaitError)>> = Mutex::new(Vec::new());
        let queue = way.builder().build().unwrap();
        let signal = Signal::<()>::new();
        let own = Arc::new(Mutex::new(None::<fanfare::Connection>));
        let (inside, its) = (queue.clone(), Arc::clone(&own));
        let run = move || {
            let flush = inside.flush().unwrap_err();
            let own = its.lock().unwrap();
            let end = own.as_ref().unwrap().disconnect_and_wait(Duration::MAX);
            REFUSED.lock().unwrap().push((flush, end.unwrap_err()));
        };
        let options = signal.options().queued(&queue);
        let mut place = own.lock().unwrap();
        *place = Some(match way {
            #[cfg(feature = "async")]
            Way::Concurrent => {
                let run = Arc::new(run);
                options.connect_async(move |_, ()| {
                    let run = Arc::clone(&run);
                    Box::pin(async move { run() })
                })
            }
            _ => options.connect(move |_, ()| run()),
        });
        drop(place);
        signal.from("shop").send(&());
        queue.flush().unwrap();
        let [(flush, end)] = &std::mem::take(&mut *REFUSED.lock().unwrap())[..] else {
            panic!("it ran once")
        };
        assert!(
            matches!(flush, queue::WaitError::InsideWorker { .. }),
            "{way:?}"
        );
        assert_eq!(*end, WaitError::InsideSend, "{way:?}");
    }
}

#[test]
fn each_event_of_many_senders_is_delivered_once() {
    let four = Queue::builder().workers(4).unordered();
    let builders = [
        (Way::Unordered, four),
        #[cfg(feature = "async")]
        (Way::Concurrent, Queue::builder().workers(2).concurrency(5)),
        #[cfg(feature = "async")]
        (
            Way::Concurrent,
            Queue::builder().workers(3).unordered().concurrency(4),
        ),
    ];
    for (way, builder) in builders {
        let world = way.world(builder.capacity(16));
        thread::scope(|scope| {
            for sender in 0..4 {
                let world = &world;
                scope.spawn(move || {
                    for n in 0..200 {
                        let event = 100 + sender * 200 + n;
                        world
                            .signal
                            .from(u64::from(sender))
                            .send_until_err(&event)
                            .unwrap();
                        if n % 50 == 0 {
                            world.queue.flush().unwrap();
                        }
                    }
                });
            }
        });
        let report = world.queue.shutdown(Duration::MAX).unwrap();
        assert!(report.undelivered.is_empty());
        assert_eq!(world.seen(), Vec::from_iter(100..900), "{way:?}");
        assert_adds_up(world.queue.stats());
    }
}

#[test]
fn the_builder_refuses_what_cannot_run() {
    #[cfg(feature = "async")]
    {
        assert!(catch_unwind(|| Queue::builder().concurrency(0)).is_err());
        let too_many = || {
            Queue::builder()
                .workers(2)
                .unordered()
                .concurrency(501)
                .build()
        };
        assert!(catch_unwind(too_many).is_err());
        let many = Queue::builder()
            .workers(2)
            .concurrency(1_000)
            .build()
            .unwrap();
        assert_eq!(many.workers(), 2);
    }
    assert!(catch_unwind(|| Queue::builder().workers(1_001).unordered().build()).is_err());
    let shared = Queue::builder()
        .workers(3)
        .unordered()
        .capacity(7)
        .build()
        .unwrap();
    assert_eq!((shared.workers(), shared.capacity()), (3, Some(7)));
}
