//! Sends of frozen signals, and the receivers that have ended before or after the freeze.

use fanfare::connections::purged;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::Duration;

use fanfare::error::WaitError;
use fanfare::{Connection, Deferred, Sender, Signal};

type Doubled = Signal<u32, u32>;

fn one(_sender: Sender<'_>, n: &u32) -> u32 {
    n + 1
}

fn two(_sender: Sender<'_>, n: &u32) -> u32 {
    n + 2
}

/// Returns a frozen signal with `one` for any sender, `two` for the sender "two", and the handles.
fn frozen() -> (Doubled, [Connection; 2]) {
    let signal = Doubled::new();
    let connections = [
        signal.connect(one),
        signal.options().sender("two").connect(two),
    ];
    signal.freeze();
    (signal, connections)
}

/// Returns the message of the panic in which `change` ends.
fn refusal<T>(change: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(change)) else {
        panic!("the change was not refused");
    };
    *panic.downcast::<String>().expect("a formatted message")
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn sends_return_the_same_responses_after_the_freeze() {
    let (signal, [first, second]) = frozen();
    assert_eq!(*signal.send(&10), [11]);
    let responses = signal.from("two").send(&10);
    let pairs: Vec<_> = responses.pairs().collect();
    assert_eq!(pairs, [(first.id(), &11), (second.id(), &12)]);
    assert_eq!(**signal.from("two").send_robust(&10).responses(), [11, 12]);

    let found = signal
        .from("two")
        .send_until(&10, |response| *response == 12);
    assert_eq!(found.unwrap().receiver, second.id());
    assert!(
        signal
            .from("two")
            .send_until(&10, |response| *response == 13)
            .is_none()
    );

    let mut seen = Vec::new();
    let stopped = signal.from("two").send_each(&10, |receiver, response| {
        seen.push((receiver, response));
        ControlFlow::Break("stop")
    });
    assert_eq!(stopped, ControlFlow::Break("stop"));
    assert_eq!(seen, [(first.id(), 11)]);

    assert_eq!(*signal.from("two").send_batch(&[10, 20]), [11, 21, 12, 22]);
    assert!(signal.from("two").send_batch(&[]).is_empty());
    assert!(signal.from("two").has_listeners() && signal.has_listeners());
    assert_eq!(signal.receiver_count(), 2);
    assert_eq!(signal.connections().len(), 2);
}

#[test]
fn sends_without_responses_count_the_receivers() {
    for receivers in [0, 1, 2, 3, 4, 5, 64, 65, 200] {
        let signal = Signal::<u32>::new();
        let calls = Arc::new(AtomicUsize::new(0));
        for _ in 0..receivers {
            let calls = Arc::clone(&calls);
            signal.connect(move |_sender, n| {
                calls.fetch_add(*n as usize, Ordering::Relaxed);
            });
        }
        signal.freeze();
        assert_eq!(signal.send(&1).len(), receivers);
        assert_eq!(signal.from("somebody").send(&1).len(), receivers);
        assert_eq!(calls.load(Ordering::Relaxed), 2 * receivers);
        assert_eq!(signal.has_listeners(), receivers > 0);
    }
}

/// Each number of receivers has its own layout of the list.
#[test]
fn sends_without_responses_call_a_senders_receivers_and_spend_once_only_ones() {
    for receivers in [1, 4, 64, 65, 200] {
        let [with_own, with_once] = [(); 2].map(|()| {
            let signal = Signal::<u32>::new();
            for own in 0..receivers {
                signal.connect(move |_sender, _n| _ = black_box(own));
            }
            signal
        });
        with_own.options().sender("two").connect(|_sender, _n| {});
        with_own.freeze();
        assert_eq!(with_own.from("two").send(&1).len(), receivers + 1);
        assert_eq!(with_own.from("somebody").send(&1).len(), receivers);
        assert_eq!(with_own.send(&1).len(), receivers);

        with_once.options().once().connect(|_sender, _n| {});
        with_once.freeze();
        assert_eq!(with_once.from("two").send(&1).len(), receivers + 1);
        assert_eq!(with_once.from("two").send(&1).len(), receivers);
    }
}

#[test]
fn a_failing_receiver_stops_a_send_until_err_and_not_a_robust_send() {
    let signal = Signal::<u32, Result<u32, String>>::new();
    signal.connect(|_sender, n| Ok(*n));
    signal.connect(|_sender, n| {
        if *n == 0 {
            panic!("zero")
        } else {
            Err(n.to_string())
        }
    });
    signal.connect(|_sender, n| Ok(n + 1));
    signal.freeze();
    let stopped = signal.send_until_err(&5).unwrap_err();
    assert_eq!((&*stopped.before, stopped.error.as_str()), (&[5][..], "5"));

    let outcomes = signal.send_robust(&0);
    assert_eq!(outcomes.panics().count(), 1);
    assert_eq!(**outcomes.responses(), [Ok(0), Ok(1)]);
    assert_eq!(refusal_of_str(|| signal.send(&0)), "zero");
    assert_eq!(signal.send_robust(&1).panics().count(), 0);
}

fn refusal_of_str<T>(run: impl FnOnce() -> T) -> &'static str {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("it returned");
    };
    *panic.downcast::<&str>().expect("a literal message")
}

#[test]
fn an_emitter_sends_the_last_table_whenever_it_was_made() {
    let signal = Doubled::new();
    let first = signal.connect(one);
    let mut early = signal.emitter();
    assert_eq!(*early.send(&1), [2]);
    signal.connect(two);
    assert!(first.disconnect());
    signal.freeze();
    let mut late = signal.emitter();
    for _ in 0..3 {
        for emitter in [&mut early, &mut late] {
            assert_eq!(*emitter.send(&1), [3]);
            assert_eq!(**emitter.send_robust(&1).responses(), [3]);
            let mut sum = 0;
            let _ = emitter.send_each(&1, |_receiver, response| {
                sum += response;
                ControlFlow::<()>::Continue(())
            });
            assert_eq!(sum, 3);
        }
    }
    early.release();
    assert_eq!(*early.send(&1), [3]);
}

#[test]
fn deferred_events_are_sent_by_a_commit_after_the_freeze() {
    let signal: &'static Doubled = Box::leak(Box::default());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    signal.connect(move |_sender, n| {
        counted.fetch_add(*n as usize, Ordering::Relaxed);
        *n
    });
    let mut deferred = Deferred::new();
    deferred.record(signal, 3);
    signal.freeze();
    deferred.record(signal, 4);
    deferred.commit();
    assert_eq!(calls.load(Ordering::Relaxed), 7);
}

#[cfg(feature = "rayon")]
#[test]
fn parallel_sends_respond_in_order() {
    let signal = Doubled::new();
    for n in 0..50 {
        signal.connect(move |_sender, m| n + m);
    }
    signal.freeze();
    let expected: Vec<u32> = (1..51).collect();
    assert_eq!(*signal.send_parallel(&1), *expected);
    assert_eq!(**signal.send_parallel_robust(&1).responses(), *expected);
}

#[cfg(feature = "async")]
#[test]
fn async_sends_and_sends_that_await_respond_alike() {
    let signal = Doubled::new();
    signal.connect_async(|_sender, n| Box::pin(async move { n + 2 }));
    signal.connect(one);
    signal.freeze();
    assert!(signal.from(Sender::NONE).wants_asend());
    assert_eq!(*pollster::block_on(signal.asend(&1)), [2, 3]);
    let outcomes = pollster::block_on(signal.asend_robust(&1));
    assert_eq!(**outcomes.responses(), [2, 3]);
    assert_eq!(*signal.send(&1), [2, 3]);
    assert_eq!(*signal.send_batch(&[1]), [2, 3]);
}

#[cfg(feature = "queue")]
#[test]
fn a_queued_receiver_gets_every_event() {
    let queue = fanfare::Queue::bounded(4).unwrap();
    let signal = Signal::<u32>::new();
    let sum = Arc::new(AtomicUsize::new(0));
    let added = Arc::clone(&sum);
    signal
        .options()
        .queued(&queue)
        .connect(move |_sender, n: &u32| {
            added.fetch_add(*n as usize, Ordering::Relaxed);
        });
    signal.freeze();
    for n in 1..=10 {
        assert_eq!(signal.send(&n).len(), 1);
    }
    queue.flush().unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 55);
}

#[test]
fn a_dead_weak_receiver_is_passed_by() {
    let signal = Doubled::new();
    let (dies, lives) = (Arc::new(1), Arc::new(2));
    fn read(target: &u32, _sender: Sender<'_>, n: &u32) -> u32 {
        target + n
    }
    let dead = signal.connect_weak(&dies, read);
    signal.connect_weak(&lives, read);
    signal.freeze();
    assert_eq!(*signal.send(&1), [2, 3]);
    drop(dies);
    for _ in 0..20 {
        assert_eq!(*signal.send(&1), [3]);
        assert_eq!(*signal.send_batch(&[1]), [3]);
    }
    assert!(!dead.is_connected());
    assert_eq!(
        (signal.purge(), purged(&signal), signal.receiver_count()),
        (0, 0, 2)
    );
    assert_eq!(*signal.emitter().send(&1), [3]);
    drop(lives);
    assert!(!signal.has_listeners());
    assert!(signal.send(&1).is_empty());
}

#[test]
fn a_once_only_receiver_runs_once_and_is_dropped_with_the_signal() {
    let signal = Doubled::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&drops));
    let once = signal.options().once().connect(move |_sender, n| {
        let _ = &counted;
        *n
    });
    signal.connect(one);
    signal.freeze();
    assert_eq!(*signal.send(&1), [1, 2]);
    for _ in 0..20 {
        assert_eq!(*signal.send(&1), [2]);
    }
    assert!(!once.is_connected());
    assert_eq!(
        (signal.receiver_count(), drops.load(Ordering::Relaxed)),
        (2, 0)
    );
    drop(signal);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn the_drop_of_a_frozen_signal_drops_each_receiver_once() {
    for receivers in [1, 2, 4, 5, 100] {
        let signal = Signal::<u32>::new();
        let drops = Arc::new(AtomicUsize::new(0));
        let connections: Vec<_> = (0..receivers)
            .map(|_| {
                let counted = Counted(Arc::clone(&drops));
                signal.connect(move |_sender, _n| {
                    let _ = &counted;
                })
            })
            .collect();
        signal.freeze();
        let mut emitter = signal.emitter();
        emitter.send(&1);
        signal.send(&1);
        drop(emitter);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(signal);
        assert_eq!(drops.load(Ordering::Relaxed), receivers);
        for connection in connections {
            assert!(!connection.is_connected());
            assert_eq!(connection.try_disconnect(), Ok(false));
            assert_eq!(connection.disconnect_and_wait(Duration::MAX), Ok(()));
        }
    }
}

#[test]
fn a_receiver_may_freeze_its_own_signal() {
    let signal = Arc::new(Signal::<u32, bool>::new());
    let (own, other) = (Arc::downgrade(&signal), Arc::downgrade(&signal));
    signal.connect(move |_sender, _n| {
        let signal = own.upgrade().unwrap();
        let added = signal.frozen_at().is_none() && signal.connect(|_sender, _n| true).is_new();
        signal.freeze();
        // A nested send sees the table at the freeze, this one the table from before.
        added && signal.connections().len() == 3
    });
    signal.connect(move |_sender, _n| {
        let signal = other.upgrade().unwrap();
        signal.frozen_at().is_some() && signal.options().try_connect(|_sender, _n| true).is_err()
    });
    assert_eq!(*signal.send(&1), [true, true]);
    assert_eq!(*signal.send(&1), [false, true, true]);
}

#[test]
fn a_wait_inside_a_send_of_a_frozen_signal_names_the_freeze() {
    let signal = Arc::new(Signal::<u32, Option<WaitError>>::new());
    let own = Arc::new(OnceLock::<Connection>::new());
    let its_own = Arc::clone(&own);
    let connection =
        signal.connect(move |_sender, _n| its_own.get()?.disconnect_and_wait(Duration::MAX).err());
    own.set(connection).unwrap();
    signal.freeze();
    let responses = signal.send(&1);
    assert!(matches!(responses[0], Some(WaitError::Frozen { .. })));
}

#[test]
fn sends_of_a_frozen_signal_that_nest_without_end_are_stopped() {
    let signal = Arc::new(Signal::<u32>::new());
    let depth = Arc::new(AtomicUsize::new(0));
    let (own, deeper) = (Arc::downgrade(&signal), Arc::clone(&depth));
    signal.connect(move |_sender, n| {
        deeper.fetch_add(1, Ordering::Relaxed);
        own.upgrade().unwrap().send(n);
    });
    signal.freeze();
    let message = refusal(|| signal.send(&1));
    assert!(message.contains("a receiver sends a signal that leads back to it"));
    assert!((10..=1_000).contains(&depth.load(Ordering::Relaxed)));
    // The guard is as before.
    depth.store(0, Ordering::Relaxed);
    refusal(|| signal.send_robust(&1).into_result().unwrap());
    assert!(depth.load(Ordering::Relaxed) >= 10);
}

/// Threads connect, disconnect and send while one freezes. Successful connects are in the frozen
/// signal, refused ones are not, and no send misses a receiver that was there all the time.
#[test]
fn a_freeze_meets_sends_and_changes() {
    const ROUNDS: usize = 200;
    const CHANGERS: usize = 2;
    const SENDERS: usize = 2;
    for _ in 0..ROUNDS {
        let signal = Signal::<usize>::new();
        let always = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&always);
        signal.connect(move |_sender, n| {
            counted.fetch_add(*n, Ordering::Relaxed);
        });
        let start = Barrier::new(CHANGERS + SENDERS + 1);
        let (connected, sent) = thread::scope(|scope| {
            let (signal, start) = (&signal, &start);
            let changers: Vec<_> = (0..CHANGERS)
                .map(|_| {
                    scope.spawn(move || {
                        start.wait();
                        let mut kept = Vec::new();
                        loop {
                            let (options, captured) = (signal.options(), kept.len());
                            let Ok(connection) = options.try_connect(move |_sender, _n| {
                                assert!(captured < usize::MAX);
                            }) else {
                                return kept;
                            };
                            match connection.try_disconnect() {
                                Ok(disconnected) => assert!(disconnected),
                                Err(_) => kept.push(connection.id()),
                            }
                        }
                    })
                })
                .collect();
            let senders: Vec<_> = (0..SENDERS)
                .map(|_| {
                    scope.spawn(move || {
                        start.wait();
                        let mut emitter = signal.emitter();
                        let mut sent = 0;
                        for _ in 0..100 {
                            assert!(!signal.send(&1).is_empty());
                            assert!(!emitter.send(&1).is_empty());
                            sent += 2;
                        }
                        (sent, emitter.send(&0).len())
                    })
                })
                .collect();
            start.wait();
            signal.freeze();
            let frozen = signal.send(&0).len();
            let kept = changers
                .into_iter()
                .flat_map(|changer| changer.join().unwrap());
            let kept: Vec<_> = kept.collect();
            let mut sent = 0;
            for sender in senders {
                sent += sender.join().unwrap().0;
            }
            assert_eq!(frozen, kept.len() + 1);
            (kept, sent)
        });
        assert_eq!(always.load(Ordering::Relaxed), sent);
        let infos = signal.connections();
        let mut ids: Vec<_> = infos.iter().skip(1).map(|info| info.id).collect();
        let mut kept = connected;
        ids.sort();
        kept.sort();
        assert_eq!(ids, kept);
        assert_eq!(signal.send(&0).len(), kept.len() + 1);
        assert_eq!(signal.emitter().send(&0).len(), kept.len() + 1);
    }
}
