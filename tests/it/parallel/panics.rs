//! The panic that travels, the receivers that run all the same, and the reports.

use super::*;

/// Whichever panics first in time: the same panic as out of `send`.
#[test]
fn the_first_panic_in_order_travels() {
    let signal = Numbers::new();
    let ran = Arc::new(AtomicU32::new(0));
    let panicked = Arc::new(AtomicBool::new(false));
    for n in 0..60_u32 {
        let (ran, panicked) = (Arc::clone(&ran), Arc::clone(&panicked));
        signal.connect(move |_, _| {
            ran.fetch_add(u32::from(n < 20), Ordering::Relaxed);
            // Holds up those that come next, until one that is far behind has panicked.
            while n == 3 && !panicked.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            if [20, 21, 40, 59].contains(&n) {
                panicked.store(true, Ordering::Relaxed);
                panic!("number {n}");
            }
            n
        });
    }
    within_long(move || {
        let pool = pool(2);
        for _ in 0..200 {
            let send = AssertUnwindSafe(|| pool.install(|| signal.send_parallel(&0)));
            assert_eq!(panic_of(send), "number 20");
            assert_eq!(ran.swap(0, Ordering::Relaxed), 20, "all before it have run");
            assert!(panicked.swap(false, Ordering::Relaxed));
        }
        assert_eq!(signal.receiver_count(), 60, "nothing is disconnected");
    });
}

#[test]
fn a_receiver_after_a_panic_that_has_not_started_is_skipped() {
    let signal = Numbers::new();
    let ran = Arc::new(AtomicU32::new(0));
    signal.connect(|_, _| panic!("at once"));
    for n in 0..1_000 {
        let ran = Arc::clone(&ran);
        signal.connect(move |_, _| ran.fetch_add(1, Ordering::Relaxed) + n);
    }
    // Its other thread is busy: while one prints the panic, it would run all the rest.
    let pool = pool(2);
    let (busy, is_busy) = mpsc::channel();
    let (let_go, held) = mpsc::channel::<()>();
    pool.spawn(move || {
        busy.send(()).unwrap();
        let _ = held.recv();
    });
    is_busy.recv_timeout(LONG).unwrap();
    for _ in 0..50 {
        let send = AssertUnwindSafe(|| pool.install(|| signal.send_parallel(&0)));
        assert_eq!(panic_of(send), "at once");
    }
    assert_eq!(ran.load(Ordering::Relaxed), 0, "they came after it");
    drop(let_go);
}

/// It was claimed, so no other send would run it.
#[test]
fn after_a_panic_once_only_receivers_run_all_the_same() {
    let signal = Numbers::new();
    let failing = signal.connect(|_, _| panic!("at once"));
    let ran = Arc::new(AtomicU32::new(0));
    for n in 0..100 {
        let ran = Arc::clone(&ran);
        let options = signal.options().once();
        options.connect(move |_, _| ran.fetch_add(1, Ordering::Relaxed) + n);
    }
    let pool = pool(2);
    let send = AssertUnwindSafe(|| pool.install(|| signal.send_parallel(&0)));
    assert_eq!(panic_of(send), "at once");
    assert_eq!(ran.load(Ordering::Relaxed), 100);
    assert_eq!(signal.receiver_count(), 1, "they are out");
    assert!(failing.is_connected());
}

#[test]
fn all_receivers_have_ended_when_the_panic_travels() {
    let signal = Signal::<()>::new();
    let running = Arc::new(AtomicU32::new(0));
    for n in 0..40 {
        let running = Arc::clone(&running);
        signal.connect(move |_, ()| {
            running.fetch_add(1, Ordering::SeqCst);
            let spun = (0..20_000).fold(n, |a, b| std::hint::black_box(a ^ b));
            running.fetch_sub(1, Ordering::SeqCst);
            assert!(n != 7 && spun != 1 << 30, "seven");
        });
    }
    let pool = pool(4);
    for _ in 0..20 {
        let send = AssertUnwindSafe(|| pool.install(|| signal.send_parallel(&())));
        assert_eq!(panic_of(send), "seven");
        assert_eq!(running.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_robust_send_runs_all_and_returns_each_outcome_in_its_place() {
    let signal = Numbers::new();
    let connections = signal.change(|changes| {
        for n in 0..200_u32 {
            let options = changes.options().name(format!("receiver {n}"));
            options.connect(move |_, odd| {
                assert_ne!(n % 3, *odd, "number {n}");
                n
            });
        }
    });
    for pool in [pool(1), pool(2), pool(4)] {
        let outcomes = pool.install(|| signal.send_parallel_robust(&1));
        assert_eq!(outcomes.len(), 200);
        assert!(!outcomes.all_ok());
        for ((n, connection), outcome) in (0..).zip(&connections).zip(outcomes.iter()) {
            match outcome {
                Ok(response) => assert!(n % 3 != 1 && *response == n),
                Err(failure) => {
                    assert_eq!(n % 3, 1);
                    assert_eq!(failure.receiver(), connection.id());
                    assert_eq!(failure.name(), format!("receiver {n}"));
                    assert!(
                        failure
                            .message()
                            .starts_with("assertion `left != right` failed: number")
                    );
                    assert!(failure.message().contains(&format!("number {n}\n")));
                }
            }
        }
        let responded = outcomes.responses().pairs().map(|(receiver, response)| {
            assert_eq!(receiver, connections[*response as usize].id());
            *response
        });
        assert!(responded.eq((0..200).filter(|n| n % 3 != 1)));
    }
    assert!(pool(2).install(|| signal.send_parallel_robust(&9)).all_ok());
}

#[test]
fn a_panic_drops_each_response_once() {
    struct Counted(#[expect(dead_code, reason = "counts")] Arc<()>);
    let made = Arc::new(());
    let signal = Signal::<(), Counted>::new();
    for n in 0..20 {
        let source = Arc::clone(&made);
        signal.connect(move |_, ()| {
            assert_ne!(n, 15);
            Counted(Arc::clone(&source))
        });
    }
    let pool = pool(2);
    let send = AssertUnwindSafe(|| pool.install(|| signal.send_parallel(&())));
    assert!(catch_unwind(send).is_err());
    assert_eq!(Arc::strong_count(&made), 21);
    let outcomes = pool.install(|| signal.send_parallel_robust(&()));
    assert_eq!((outcomes.len(), Arc::strong_count(&made)), (20, 40));
}

#[cfg(feature = "tracing")]
mod told {
    use super::*;
    use crate::listener;

    /// Returns the names of the receivers whose panics are reported while `run` runs.
    fn told(run: impl FnOnce()) -> Vec<String> {
        let told = listener::told(run);
        let name = |text: &String| {
            let (_, name) = text.split_once(" name=\"").expect("a receiver's panic");
            name.split_once('"').expect("its name").0.to_owned()
        };
        told.iter().map(name).collect()
    }

    /// Both have started before either panics, so one of the panics is lost on the caller.
    ///
    /// In a process of its own: while `tracing` knows one subscriber, a thread without it
    /// can turn an event off for all.
    #[test]
    fn panics_that_do_not_travel_are_reported_on_the_calling_thread() {
        let name = "panics::told::panics_that_do_not_travel_are_reported_on_the_calling_thread";
        alone(name, || {
            let signal = Signal::<()>::new();
            let meeting = Arc::new(Barrier::new(2));
            for name in ["first", "second"] {
                let meeting = Arc::clone(&meeting);
                signal.options().name(name).connect(move |_, ()| {
                    meeting.wait();
                    panic!("{name}");
                });
            }
            pool(2).install(|| {
                let told_plain = told(|| {
                    let send = AssertUnwindSafe(|| signal.send_parallel(&()));
                    assert_eq!(panic_of(send), "first");
                });
                assert_eq!(told_plain, ["second"]);
                let told_robust = told(|| drop(signal.send_parallel_robust(&())));
                assert_eq!(told_robust, ["first", "second"]);
            });
            #[cfg(feature = "async")]
            {
                let told_async = told(|| {
                    let signal = Signal::<()>::new();
                    let options = signal.options().name("async");
                    options.connect_async(|_, ()| Box::pin(async { panic!("async") }));
                    (0..2).for_each(|n| drop(signal.connect(move |_, ()| assert!(n < 2))));
                    let outcomes = signal.send_parallel_robust(&());
                    assert_eq!(outcomes.panics().count(), 1);
                });
                assert_eq!(told_async, ["async"]);
            }
        });
    }
}
