//! Scopes of tests see exactly the sends that they cause, and settle never too early.

#![cfg(all(feature = "testing", feature = "queue", feature = "async"))]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use fanfare::watch::{self, ObservedReceiver, ObservedSend, Observer, ReceiverEnd};
use fanfare::{Deferred, Queue, Sender, Signal, testing};

/// More than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// A generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

static QUEUE: LazyLock<Queue> = LazyLock::new(|| Queue::builder().workers(4).build().unwrap());

/// An event: the test that it belongs to, and the levels below it.
#[derive(Clone, Copy)]
struct Step {
    test: u64,
    seed: u64,
    levels: u64,
}

impl fanfare::Event for Step {
    type Args<'a> = Step;
}

static STEP: Signal<Step> = Signal::new();
static QUEUED: Signal<Step> = Signal::new();
static AWAITED: Signal<Step> = Signal::new();

/// The number of receivers that have ended, by test.
static ENDED: Mutex<Option<HashMap<u64, usize>>> = Mutex::new(None);

fn note_end(test: u64) {
    let mut ended = ENDED.lock().unwrap();
    *ended.get_or_insert_default().entry(test).or_default() += 1;
}

fn ended(test: u64) -> usize {
    let ended = ENDED.lock().unwrap();
    ended
        .as_ref()
        .and_then(|ended| ended.get(&test))
        .copied()
        .unwrap_or(0)
}

/// Connects the receivers of all tests, once.
fn connect() {
    static CONNECTED: LazyLock<()> = LazyLock::new(|| {
        STEP.connect(|_sender, step| {
            below(step);
            note_end(step.test);
        });
        QUEUED
            .options()
            .queued(&QUEUE)
            .connect(|_sender, step: &Step| {
                below(step);
                // A worker that is overtaken by the test would be noticed.
                thread::yield_now();
                note_end(step.test);
            });
        AWAITED
            .options()
            .queued(&QUEUE)
            .connect_async(|_sender, step: &Step| {
                let step = *step;
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    below(&step);
                    note_end(step.test);
                })
            });
    });
    LazyLock::force(&CONNECTED);
}

/// The steps below one: which signal each is sent through, and whether it is deferred.
fn steps_below(step: &Step) -> Vec<(u64, Step)> {
    if step.levels == 0 {
        return Vec::new();
    }
    let mut random = Random(step.seed);
    let count = random.below(3);
    let below = (0..count).map(|_| {
        let way = random.below(4);
        let seed = random.below(u64::MAX);
        let levels = step.levels - 1;
        (
            way,
            Step {
                seed,
                levels,
                ..*step
            },
        )
    });
    below.collect()
}

fn below(step: &Step) {
    for (way, step) in steps_below(step) {
        send(way, step);
    }
}

fn send(way: u64, step: Step) {
    let sender = Sender::key(u128::from(step.test));
    match way {
        0 => drop(STEP.from(sender).send(&step)),
        1 => drop(QUEUED.from(sender).send(&step)),
        2 => drop(AWAITED.from(sender).send(&step)),
        _ => {
            let mut deferred = Deferred::new();
            deferred.record(STEP.from(sender), step);
            deferred.record(QUEUED.from(sender), step);
            // The context goes with the events, and not with the thread.
            thread::scope(|scope| {
                scope.spawn(|| deferred.commit());
            });
        }
    }
}

/// Returns the number of receivers that run for a step and for those below it.
fn expected(way: u64, step: &Step) -> usize {
    let below = steps_below(step);
    let below: usize = below.iter().map(|(way, step)| expected(*way, step)).sum();
    let runs = if way == 3 { 2 } else { 1 };
    runs * (1 + below)
}

static TESTS: AtomicU64 = AtomicU64::new(1);

fn run_a_cascade(random: &mut Random, most_levels: u64) -> usize {
    let test = TESTS.fetch_add(1, Ordering::Relaxed);
    let way = random.below(4);
    let step = Step {
        test,
        seed: random.below(u64::MAX),
        levels: random.below(most_levels),
    };
    testing::scope(|scope| {
        send(way, step);
        scope.settle(LONG).unwrap();
        let expected = expected(way, &step);
        assert_eq!(
            ended(test),
            expected,
            "it has settled too early, or a receiver ran twice"
        );
        let sender = Sender::key(u128::from(test));
        let mut seen = 0;
        for signal in [&STEP, &QUEUED, &AWAITED] {
            let sends = scope.sends(signal);
            assert!(sends.iter().all(|it| it.is_from(sender)), "a foreign send");
            seen += sends.len();
        }
        assert_eq!(seen, expected, "a send was missed:\n{}", scope.tree());
        expected
    })
}

#[test]
fn scopes_that_run_at_once_see_only_their_own_sends() {
    connect();
    for time in 0..10 {
        let left = AtomicUsize::new(1_000);
        thread::scope(|scope| {
            for thread in 0..16 {
                let left = &left;
                scope.spawn(move || {
                    let mut random = Random(time * 100 + thread);
                    let more = |left: usize| left.checked_sub(1);
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
                        .is_ok()
                    {
                        run_a_cascade(&mut random, 4);
                    }
                });
            }
        });
    }
}

#[test]
fn a_scope_settles_when_each_receiver_has_ended() {
    connect();
    let mut random = Random(7);
    let mut receivers = 0;
    for _ in 0..10_000 {
        receivers += run_a_cascade(&mut random, 6);
    }
    println!("{receivers} receivers");
}

/// It is not in `tap`, where observers of all signals ask for durations.
#[test]
fn neither_a_scope_that_keeps_events_nor_a_budget_asks_for_durations() {
    #[derive(Clone, Default)]
    struct Durations(Arc<Mutex<Vec<Option<Duration>>>>);
    impl Observer for Durations {
        fn receiver_ended(
            &self,
            _send: &ObservedSend<'_>,
            _receiver: &ObservedReceiver<'_>,
            end: &ReceiverEnd,
        ) {
            self.0.lock().unwrap().push(end.duration);
        }

        fn wants_durations(&self) -> bool {
            false
        }
    }
    let (signal, durations) = (Signal::<u32>::new(), Durations::default());
    signal.connect(|_sender, _event| ());
    signal.options().budget(LONG).connect(|_sender, _event| ());
    let _watch = watch::signal(&signal, durations.clone());
    testing::scope(|scope| {
        scope.keep(&signal);
        signal.send(&1);
    });
    assert_eq!(*durations.0.lock().unwrap(), [None, None]);
}
