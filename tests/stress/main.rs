//! Threads that connect, disconnect and send at once, with every call accounted for.
//!
//! `FAN_ITERS` sets how much each thread does, and `FAN_TOGGLES` how often an observer is attached.

mod observers;

use fanfare::connections::purged;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use fanfare::error::WaitError;
use fanfare::{Connection, Event, Identity, Sender, Signal};

const SENDERS: usize = 3;
const CHANGERS: u64 = 3;
const LONG: Duration = Duration::from_secs(120);

/// A send that has every receiver write down that it was called.
struct Roll<'a> {
    called: &'a Mutex<Vec<u64>>,
}

impl Event for Roll<'static> {
    type Args<'a> = Roll<'a>;
}

type Rolls = Signal<Roll<'static>>;

/// When a receiver came and went, by a clock that all threads share.
#[derive(Clone, Copy)]
struct Life {
    connecting: u64,
    connected: u64,
    disconnecting: u64,
    disconnected: u64,
}

/// The time of a send, and the receivers that it called.
struct Sent {
    started: u64,
    ended: u64,
    called: Vec<u64>,
}

/// Connected before a send and disconnected after it: called once. Gone before it or
/// connected after it: not called. In between: at most once.
#[test]
fn every_send_calls_exactly_those_that_were_there() {
    let signal = Rolls::new();
    let clock = AtomicU64::new(0);
    let changing = AtomicUsize::new(CHANGERS as usize);
    let start = Barrier::new(SENDERS + CHANGERS as usize);
    for serial in 0..20 {
        signal.connect(calling(serial));
    }
    let (lives, sends) = thread::scope(|scope| {
        let (signal, clock, changing, start) = (&signal, &clock, &changing, &start);
        let changers: Vec<_> = (0..CHANGERS)
            .map(|changer| {
                scope.spawn(move || {
                    let _leave = Leave(changing);
                    start.wait();
                    live_and_die(signal, clock, (changer + 1) * 1_000_000)
                })
            })
            .collect();
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                scope.spawn(move || {
                    start.wait();
                    let mut sends = vec![send_once(signal, clock, sender)];
                    while changing.load(Ordering::Relaxed) > 0 && sends.len() < 4 * iterations() {
                        sends.push(send_once(signal, clock, sender));
                    }
                    sends
                })
            })
            .collect();
        let lives: BTreeMap<u64, Life> = changers
            .into_iter()
            .flat_map(|changer| changer.join().unwrap())
            .collect();
        let sends: Vec<Sent> = senders
            .into_iter()
            .flat_map(|sender| sender.join().unwrap())
            .collect();
        (lives, sends)
    });
    assert_eq!(signal.receiver_count(), 20);
    let mut surely = 0;
    for sent in sends.iter().step_by(sends.len() / 5_000 + 1) {
        let mut called = sent.called.clone();
        called.sort_unstable();
        assert!(
            called.windows(2).all(|pair| pair[0] < pair[1]),
            "one was called twice"
        );
        assert!(
            called.iter().take(20).copied().eq(0..20),
            "one that was always there was missed"
        );
        let unknown = called
            .iter()
            .find(|serial| **serial >= 20 && !lives.contains_key(serial));
        assert_eq!(unknown, None);
        for (serial, life) in &lives {
            let was_called = called.binary_search(serial).is_ok();
            if life.connected < sent.started && sent.ended < life.disconnecting {
                assert!(was_called, "{serial} was there and was not called");
                surely += 1;
            }
            if life.disconnected < sent.started || sent.ended < life.connecting {
                assert!(!was_called, "{serial} was not there and was called");
            }
        }
    }
    println!(
        "{} sends, {} lives, {surely} calls that had to be",
        sends.len(),
        lives.len()
    );
}

/// Every run of a once-only receiver is taken by one send of all threads, and each is taken.
#[test]
fn once_receivers_run_once_between_all_threads() {
    let signal = Signal::<(), u64>::new();
    let rounds = iterations() / 4 + 1;
    let start = Barrier::new(SENDERS + 1);
    let tally: Arc<Vec<AtomicUsize>> =
        Arc::new((0..rounds * 8).map(|_| AtomicUsize::new(0)).collect());
    let responses: usize = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| {
                    (0..rounds).fold(0, |responses, _| {
                        start.wait();
                        responses
                            + (0..4)
                                .map(|_| signal.from("s").send(&()).len())
                                .sum::<usize>()
                    })
                })
            })
            .collect();
        for round in 0..rounds {
            for index in 0..8 {
                let tally = Arc::clone(&tally);
                let options = signal.options().once();
                let options = if index % 2 == 0 {
                    options
                } else {
                    options.sender("s")
                };
                options.connect(move |_, ()| {
                    tally[round * 8 + index].fetch_add(1, Ordering::Relaxed) as u64
                });
            }
            start.wait();
        }
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .sum()
    });
    let late = signal.from("s").send(&()).len();
    assert!(tally.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    assert_eq!(responses + late, rounds * 8);
    while signal.receiver_count() != 0 {
        assert!(signal.from("s").send(&()).is_empty());
    }
    // A send without receivers to take out may have held a table during the last change.
    signal.purge();
    assert_eq!(
        Arc::strong_count(&tally),
        1,
        "the spent ones are gone with what they held"
    );
}

/// A program connects one for each request and its response: no later event has that sender.
#[test]
fn once_receivers_of_senders_that_send_only_once_do_not_pile_up() {
    let signal = Signal::<(), u64>::new();
    let held = Arc::new(());
    thread::scope(|scope| {
        for worker in 0..4_u64 {
            let (signal, held) = (&signal, &held);
            scope.spawn(move || {
                for request in 0..10 * iterations() as u64 {
                    let key = worker << 32 | request;
                    let held = Arc::clone(held);
                    let options = signal.options().sender(key).once();
                    options.connect(move |_, ()| key + Arc::strong_count(&held) as u64);
                    assert_eq!(signal.from(key).send(&()).len(), 1);
                }
            });
        }
    });
    assert_eq!(
        (signal.receiver_count(), Arc::strong_count(&held)),
        (0, 1),
        "spent ones are left"
    );
}

/// A target is dropped once, never while a receiver uses it, and its connection goes.
#[test]
fn weak_targets_die_while_they_are_sent_to() {
    struct Target {
        alive: AtomicBool,
        dead: Arc<AtomicUsize>,
    }
    impl Drop for Target {
        fn drop(&mut self) {
            assert!(self.alive.swap(false, Ordering::Relaxed), "dropped twice");
            self.dead.fetch_add(1, Ordering::Relaxed);
        }
    }
    let signal = Signal::<(), bool>::new();
    let dead = Arc::new(AtomicUsize::new(0));
    let changing = AtomicUsize::new(2);
    let made = 2 * iterations();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _leave = Leave(&changing);
                for _ in 0..iterations() {
                    let target = Arc::new(Target {
                        alive: AtomicBool::new(true),
                        dead: Arc::clone(&dead),
                    });
                    signal.connect_weak(&target, |target: &Target, _, ()| {
                        target.alive.load(Ordering::Relaxed)
                    });
                    let sure = signal.send(&()).len();
                    assert!(sure >= 1, "the one just connected was missed");
                    drop(target);
                }
            });
        }
        for _ in 0..SENDERS {
            scope.spawn(|| {
                while changing.load(Ordering::Relaxed) > 0 {
                    assert!(
                        signal.send(&()).iter().all(|alive| *alive),
                        "a dead target was used"
                    );
                }
            });
        }
    });
    assert_eq!(dead.load(Ordering::Relaxed), made);
    signal.purge();
    assert_eq!((signal.receiver_count(), purged(&signal)), (0, made as u64));
}

/// After `Ok` the receiver never runs, and its captures are gone.
#[test]
fn after_disconnect_and_wait_it_never_runs() {
    struct Owned {
        closed: Arc<AtomicBool>,
        dropped: Arc<AtomicBool>,
        runs: Arc<AtomicU64>,
    }
    impl Drop for Owned {
        fn drop(&mut self) {
            self.dropped.store(true, Ordering::Release);
        }
    }
    let signal = Signal::<()>::new();
    static LATE: AtomicUsize = AtomicUsize::new(0);
    let changing = AtomicUsize::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _leave = Leave(&changing);
                for round in 0..iterations() {
                    let [closed, dropped] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
                    let runs = Arc::new(AtomicU64::new(0));
                    let owned = Owned {
                        closed: Arc::clone(&closed),
                        dropped: Arc::clone(&dropped),
                        runs: Arc::clone(&runs),
                    };
                    let connection = signal.connect(move |_, ()| {
                        owned.runs.fetch_add(1, Ordering::Relaxed);
                        LATE.fetch_add(
                            usize::from(owned.closed.load(Ordering::SeqCst)),
                            Ordering::Relaxed,
                        );
                    });
                    if round % 2 == 0 {
                        while runs.load(Ordering::Relaxed) == 0 {
                            thread::yield_now();
                        }
                    }
                    assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
                    closed.store(true, Ordering::SeqCst);
                    assert!(dropped.load(Ordering::Acquire), "it still owns something");
                    assert_eq!(Arc::strong_count(&runs), 1);
                }
            });
        }
        for _ in 0..SENDERS {
            scope.spawn(|| {
                while changing.load(Ordering::Relaxed) > 0 {
                    signal.send(&());
                }
            });
        }
    });
    assert_eq!(LATE.load(Ordering::Relaxed), 0);
    assert_eq!(signal.receiver_count(), 0);
}

/// From inside a send it is refused, from outside it succeeds, whatever else goes on.
#[test]
fn waiting_from_inside_is_refused_under_contention_too() {
    static SIGNAL: Signal<(), bool> = Signal::new();
    let changing = AtomicUsize::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _leave = Leave(&changing);
            for _ in 0..iterations() {
                let slot: Arc<Mutex<Option<Connection>>> = Arc::default();
                let own = Arc::clone(&slot);
                let connection = SIGNAL.connect(move |_, ()| {
                    let own = own.lock().unwrap().take();
                    own.is_none_or(|own| {
                        own.disconnect_and_wait(LONG) == Err(WaitError::InsideSend)
                    })
                });
                *slot.lock().unwrap() = Some(connection.clone());
                assert!(SIGNAL.send(&()).iter().all(|refused| *refused));
                assert_eq!(connection.disconnect_and_wait(LONG), Ok(()));
            }
        });
        for _ in 0..SENDERS {
            scope.spawn(|| {
                while changing.load(Ordering::Relaxed) > 0 {
                    assert!(SIGNAL.send(&()).iter().all(|refused| *refused));
                }
            });
        }
    });
    assert_eq!(SIGNAL.receiver_count(), 0);
}

/// If many threads connect one key at once, one connect is new. If many disconnect it, one removes
/// it.
#[test]
fn one_of_many_equal_connects_wins() {
    fn responses(_: Sender<'_>, (): &()) -> u32 {
        1
    }
    let signal = Signal::<(), u32>::new();
    let start = Barrier::new(SENDERS);
    let (mut news, mut removals, mut wrong) = (0, 0, 0);
    thread::scope(|scope| {
        let racers: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut news, mut removals, mut wrong) = (0, 0, 0);
                    for _ in 0..iterations() {
                        start.wait();
                        news += usize::from(signal.connect(responses).is_new());
                        start.wait();
                        wrong += usize::from(*signal.send(&()) != [1]);
                        start.wait();
                        removals += usize::from(signal.disconnect(responses));
                    }
                    (news, removals, wrong)
                })
            })
            .collect();
        for racer in racers {
            let counts = racer.join().unwrap();
            news += counts.0;
            removals += counts.1;
            wrong += counts.2;
        }
    });
    assert_eq!((news, removals, wrong), (iterations(), iterations(), 0));
    assert_eq!(signal.receiver_count(), 0);
}

/// Identities and whole signals come and go while all other operations go on, and no memory leaks.
#[test]
fn identities_and_signals_die_under_contention() {
    let held = Arc::new(());
    let signal = Signal::<()>::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..iterations() {
                    let identity = Identity::new();
                    let local = Signal::<()>::new();
                    let on_shared = signal.options().sender(&identity).connect(holding(&held));
                    let on_local = local.options().sender(&identity).connect(holding(&held));
                    assert_eq!(
                        (
                            signal.from(&identity).send(&()).len(),
                            local.from(&identity).send(&()).len()
                        ),
                        (1, 1)
                    );
                    if round % 2 == 0 {
                        drop(local);
                        drop(identity);
                    } else {
                        let other = scope.spawn(move || drop(identity));
                        drop(local);
                        other.join().unwrap();
                    }
                    assert!(!on_shared.is_connected() && !on_local.is_connected());
                    assert_eq!(on_shared.disconnect_and_wait(LONG), Ok(()));
                }
            });
        }
    });
    assert_eq!(signal.receiver_count(), 0);
    assert_eq!(Arc::strong_count(&held), 1);
}

/// Emitters on several threads see the same as sends do.
#[test]
fn emitters_follow_every_change() {
    let signal = Signal::<(), u64>::new();
    let (state, changing) = (Mutex::new(0_u64), AtomicUsize::new(1));
    let mut connection = signal.connect(|_, ()| 0);
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut emitter = signal.emitter();
                while changing.load(Ordering::Relaxed) > 0 {
                    let current = state.lock().unwrap();
                    assert_eq!(*emitter.send(&()), [*current]);
                    drop(current);
                    thread::yield_now();
                }
            });
        }
        let _leave = Leave(&changing);
        for value in 1..=iterations() as u64 {
            let mut current = state.lock().unwrap();
            connection.disconnect();
            connection = signal.connect(move |_, ()| value);
            *current = value;
        }
    });
}

/// Marks that a thread is done, also if it fails, so that the others end and the failure is seen.
struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connects and disconnects `iterations` receivers, a few alive at a time.
fn live_and_die(signal: &Rolls, clock: &AtomicU64, first: u64) -> Vec<(u64, Life)> {
    let mut living: Vec<(u64, Life, Connection)> = Vec::new();
    let mut lives = Vec::new();
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    for serial in first..first + iterations() as u64 {
        let connecting = tick();
        let options = signal.options().priority((serial % 3) as i32);
        let options = if serial % 4 == 0 {
            options.sender("s")
        } else {
            options
        };
        let connection = options.connect(calling(serial));
        living.push((
            serial,
            Life {
                connecting,
                connected: tick(),
                disconnecting: 0,
                disconnected: 0,
            },
            connection,
        ));
        if living.len() > 8 {
            lives.push(end(living.swap_remove((serial % 8) as usize), &tick));
        }
    }
    lives.extend(living.into_iter().map(|living| end(living, &tick)));
    lives
}

fn end(
    (serial, mut life, connection): (u64, Life, Connection),
    tick: &impl Fn() -> u64,
) -> (u64, Life) {
    life.disconnecting = tick();
    assert!(connection.disconnect());
    life.disconnected = tick();
    (serial, life)
}

fn send_once(signal: &Rolls, clock: &AtomicU64, sender: usize) -> Sent {
    let called = Mutex::new(Vec::new());
    let roll = Roll { called: &called };
    let started = clock.fetch_add(1, Ordering::SeqCst);
    let count = match sender {
        0 => signal.from("s").send(&roll).len(),
        1 => signal.emitter().from("s").send(&roll).len(),
        _ => signal.from("s").send_robust(&roll).len(),
    };
    let ended = clock.fetch_add(1, Ordering::SeqCst);
    let called = called.into_inner().unwrap();
    assert_eq!(count, called.len());
    Sent {
        started,
        ended,
        called,
    }
}

fn calling(serial: u64) -> impl Fn(Sender<'_>, &Roll<'_>) + Send + Sync + 'static {
    move |_, roll| roll.called.lock().unwrap().push(serial)
}

fn holding(held: &Arc<()>) -> impl Fn(Sender<'_>, &()) + Send + Sync + 'static {
    let held = Arc::clone(held);
    move |_, ()| assert!(Arc::strong_count(&held) > 0)
}

fn iterations() -> usize {
    std::env::var("FAN_ITERS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(300)
}
