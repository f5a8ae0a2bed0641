//! With the feature `tracing`, an async send that is dropped reports once which receivers had
//! finished; and each panic is reported once, however the send ends.
#![cfg(all(feature = "async", feature = "tracing"))]

use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::listener::{Listener, told};
use fanfare::{BoxFuture, Connection, Signal};
use smol::future::yield_now;

type Asked = Signal<(), Result<u32, &'static str>>;

/// Connects a receiver that responds after a number of pending polls.
fn connect(signal: &Asked, name: &'static str, steps: usize) -> Connection {
    signal.options().name(name).connect_async(move |_, ()| {
        Box::pin(async move {
            for _ in 0..steps {
                yield_now().await;
            }
            Ok(1)
        })
    })
}

type Sent<'s> = BoxFuture<'s, ()>;
const WAYS: [fn(&Asked) -> Sent<'_>; 3] = [
    |signal| Box::pin(async { drop(signal.asend(&()).await) }),
    |signal| Box::pin(async { drop(signal.asend_robust(&()).await) }),
    |signal| Box::pin(async { drop(signal.asend_until_err(&()).await) }),
];

fn poll<T>(send: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Poll<T> {
    send.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_dropped_send_names_the_finished_and_the_unfinished_receivers() {
    for way in WAYS {
        let signal = Asked::new();
        signal.connect(|_, ()| Ok(0));
        let names = ["one", "two", "three"];
        let ids = [2, 0, 1].map(|steps| connect(&signal, names[steps], steps).id());
        let name = |place: usize| {
            let steps = [2, 0, 1][place];
            format!("{} ({})", ids[place], names[steps])
        };
        for polls in 0..=3 {
            let told = told(|| {
                let mut send = way(&signal);
                for _ in 0..polls {
                    let _ = poll(&mut send);
                }
            });
            let (finished, dropped) = match polls {
                1 => (name(1), format!("{}, {}", name(0), name(2))),
                2 => (format!("{}, {}", name(1), name(2)), name(0)),
                // Before the first poll no receiver has begun, and after the third all have ended.
                _ => {
                    assert!(told.is_empty(), "{polls}: {told:?}");
                    continue;
                }
            };
            let expected = format!(
                "WARN fanfare: message=async send was dropped before its end \
                 finished={finished:?} dropped={dropped:?} "
            );
            assert_eq!(told, [expected]);
        }
    }
}

#[test]
fn a_send_to_many_names_them_all() {
    let signal = Asked::new();
    for place in 0..100_usize {
        signal
            .options()
            .name(place.to_string())
            .connect_async(move |_, ()| {
                Box::pin(async move {
                    if place.is_multiple_of(2) {
                        future::pending::<()>().await;
                    }
                    Ok(1)
                })
            });
    }
    for way in WAYS {
        let told = told(|| assert!(poll(&mut way(&signal)).is_pending()));
        let [told] = &told[..] else {
            panic!("once: {told:?}")
        };
        let (finished, dropped) = told.split_once(" dropped=").unwrap();
        for place in 0..100 {
            let name = format!(" ({place})");
            assert_eq!(finished.contains(&name), place % 2 == 1);
            assert_eq!(dropped.contains(&name), place % 2 == 0);
        }
    }
}

#[test]
fn a_send_that_ends_does_not_report_its_siblings() {
    let signal = Asked::new();
    connect(&signal, "slow", 5);
    let quiet = told(|| drop(smol::block_on(signal.asend_until_err(&()))));
    assert_eq!(quiet, [""; 0]);
    signal.connect_async(|_, ()| Box::pin(async { Err("too hot") }));
    let stopped = told(|| drop(smol::block_on(signal.asend_until_err(&()))));
    assert_eq!(stopped, [""; 0], "the error tells it");
}

#[test]
fn a_panic_that_travels_names_whom_it_stopped() {
    let signal = Asked::new();
    let quick = connect(&signal, "quick", 0);
    let slow = connect(&signal, "slow", 5);
    let burnt = signal.options().name("burnt");
    let burnt = burnt.connect_async(|_, ()| {
        Box::pin(async {
            yield_now().await;
            panic!("too hot")
        })
    });
    for way in [WAYS[0], WAYS[2]] {
        let told = told(|| {
            let send = AssertUnwindSafe(|| smol::block_on(way(&signal)));
            assert!(catch_unwind(send).is_err());
        });
        let expected = format!(
            "WARN fanfare: message=async send was dropped before its end \
             finished=\"{} (quick)\" dropped=\"{} (slow), {} (burnt)\" ",
            quick.id(),
            slow.id(),
            burnt.id()
        );
        assert_eq!(told, [expected]);
    }
}

#[test]
fn a_failure_is_reported_once_also_by_a_send_that_is_dropped() {
    let signal = Asked::new();
    let failing = signal
        .options()
        .name("burnt")
        .connect_async(|_, ()| Box::pin(async { panic!("too hot") }));
    let slow = connect(&signal, "slow", 1);
    let failure = format!(
        "ERROR fanfare: message=receiver panicked receiver={} name=\"burnt\" panic=\"too hot\" ",
        failing.id()
    );
    let ended = told(|| drop(smol::block_on(signal.asend_robust(&()))));
    assert_eq!(ended, [failure.as_str()]);
    let dropped = told(|| assert!(poll(&mut WAYS[1](&signal)).is_pending()));
    let expected = format!(
        "WARN fanfare: message=async send was dropped before its end \
         finished=\"{} (burnt)\" dropped=\"{} (slow)\" ",
        failing.id(),
        slow.id()
    );
    assert_eq!(dropped, [failure, expected]);
}

/// If two receivers panic in one poll, only the first panic travels.
#[test]
fn a_panic_that_does_not_travel_is_reported() {
    let signal = Asked::new();
    let connect = |name: &'static str, in_its_future: bool| {
        let options = signal.options().name(name);
        options.connect_async(move |_, ()| {
            assert!(in_its_future, "{name} failed");
            Box::pin(async move { panic!("{name} failed") })
        })
    };
    for in_its_future in [false, true] {
        let first = connect("first", in_its_future);
        let second = connect("second", in_its_future);
        let told = told(|| {
            let send = AssertUnwindSafe(|| smol::block_on(signal.asend(&())));
            let panic = catch_unwind(send).unwrap_err();
            assert_eq!(*panic.downcast::<String>().unwrap(), "first failed");
        });
        let expected = format!(
            "ERROR fanfare: message=receiver panicked receiver={} name=\"second\" \
             panic=\"second failed\" ",
            second.id()
        );
        assert!(told.contains(&expected), "{told:?}");
        assert!(!told.iter().any(|line| line.contains("\"first failed\"")));
        assert!(first.disconnect() && second.disconnect());
    }
}

struct Fragile;
impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("broken");
    }
}

#[test]
fn a_future_whose_destructor_panics_is_reported_once() {
    for receivers in [1, 3, 50] {
        let signal = Asked::new();
        for place in 0..receivers {
            signal.connect_async(move |_, ()| {
                Box::pin(async move {
                    let _fragile = Fragile;
                    future::pending::<()>().await;
                    Ok(place)
                })
            });
        }
        for way in WAYS {
            let told = told(|| assert!(poll(&mut way(&signal)).is_pending()));
            let (last, panics) = told.split_last().unwrap();
            assert!(last.starts_with("WARN"), "{last}");
            let expected = "ERROR fanfare: message=a receiver's future panicked as it was dropped \
                            name=\"\" panic=\"broken\" ";
            assert_eq!(panics, vec![expected; receivers as usize]);
        }
    }
}

#[test]
fn a_listener_that_panics_fails_no_send() {
    for panics_when_asked in [true, false] {
        let signal = Asked::new();
        connect(&signal, "slow", 1);
        let listener = Listener {
            panics_when_asked,
            panics_when_told: true,
            ..Listener::default()
        };
        tracing::subscriber::with_default(listener, || {
            for way in WAYS {
                smol::block_on(way(&signal));
                assert!(poll(&mut way(&signal)).is_pending());
            }
        });
    }
}

#[cfg(feature = "tokio")]
#[test]
fn an_offloaded_receiver_is_reported_to_run_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let signal = Asked::new();
    let slow = connect(&signal, "slow", 1);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let options = signal.options().name("elsewhere");
    let elsewhere = options.connect_offloaded(move |_, ()| {
        let _ = released.lock().unwrap().recv();
        Ok(2)
    });
    let told = told(|| assert!(poll(&mut WAYS[0](&signal)).is_pending()));
    drop(release);
    let expected = format!(
        "WARN fanfare: message=async send was dropped before its end finished=\"\" \
         dropped=\"{} (slow)\" continuing=\"{} (elsewhere)\" ",
        slow.id(),
        elsewhere.id()
    );
    assert_eq!(told, [expected]);
}
