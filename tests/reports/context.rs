//! Receivers run inside the caller's task: its `tracing` span is current in them, at every poll,
//! and so is the runtime's record of the task.
#![cfg(all(feature = "tokio", feature = "tracing"))]

use std::sync::Arc;

use crate::listener::Listener;
use fanfare::Signal;
use smol::future::yield_now;
use tracing::{Instrument, info, info_span};

type Asked = Signal<(), u32>;

/// Returns a sync receiver and several async ones, each of which notes its thread and span at each
/// step.
fn telling(receivers: usize) -> Asked {
    let signal = Asked::new();
    signal.connect(|_, ()| {
        info!("sync");
        0
    });
    for _ in 0..receivers {
        let own = info_span!("own");
        signal.connect_async(move |_, ()| {
            info!("starts");
            let inner = async {
                info!("steps");
                yield_now().await;
                info!("steps");
            };
            let inner = inner.instrument(own.clone());
            Box::pin(async {
                info!("async");
                yield_now().await;
                inner.await;
                info!("async");
                1
            })
        });
    }
    signal
}

fn inside(spans: &str, what: &str) -> String {
    format!("INFO {} in {spans}: message={what} ", module_path!())
}

/// Returns one receiver's steps, in any order among the others'.
fn tale(of: &str) -> Vec<String> {
    let steps = ["starts", "async", "async"].map(|what| inside(of, what));
    let own = ["steps", "steps"].map(|what| inside(&format!("{of}, own"), what));
    steps.into_iter().chain(own).collect()
}

fn expected(of: &str, receivers: usize) -> Vec<String> {
    let mut expected = vec![inside(of, "sync")];
    for _ in 0..receivers {
        expected.extend(tale(of));
    }
    expected.sort();
    expected
}

fn told(listener: &Listener) -> Vec<String> {
    let mut told = listener.take();
    told.sort();
    told
}

#[test]
fn the_callers_span_is_current_in_receivers() {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || {
        for receivers in [1, 3, 50] {
            let signal = telling(receivers);
            smol::block_on(async {
                let caller = info_span!("caller");
                let responses = signal.asend(&()).instrument(caller).await;
                assert_eq!(responses.len(), 1 + receivers);
            });
            assert_eq!(told(&listener), expected("caller", receivers));

            let caller = async {
                signal.asend_robust(&()).await;
                info!("after");
            };
            smol::block_on(caller.instrument(info_span!("caller")));
            let mut expected = expected("caller", receivers);
            expected.push(inside("caller", "after"));
            expected.sort();
            assert_eq!(told(&listener), expected);
        }
    });
}

#[test]
fn of_two_sends_on_one_thread_each_has_its_own() {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || {
        let signal = telling(2);
        let [first, second] = ["first", "second"].map(|name| {
            let send = signal.asend(&());
            match name {
                "first" => send.instrument(info_span!("first")),
                _ => send.instrument(info_span!("second")),
            }
        });
        smol::block_on(smol::future::zip(first, second));
        let mut all = expected("first", 2);
        all.extend(expected("second", 2));
        assert_eq!(told(&listener), all);
    });
}

#[test]
fn a_blocking_send_is_inside_the_span_that_was_entered() {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || {
        let signal = telling(2);
        info_span!("caller").in_scope(|| signal.send(&()));
        assert_eq!(told(&listener), expected("caller", 2));
    });
}

#[test]
fn receivers_are_of_the_callers_task() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let signal = Arc::new(Signal::<(), tokio::task::Id>::new());
    signal.connect(|_, ()| tokio::task::id());
    for receivers in 0..40 {
        signal.connect_async(move |_, ()| {
            Box::pin(async move {
                for _ in 0..receivers % 3 {
                    tokio::task::yield_now().await;
                }
                tokio::task::id()
            })
        });
    }
    let sent = runtime.spawn(async move {
        let responses = signal.asend(&()).await;
        assert_eq!(responses.len(), 41);
        let own = tokio::task::id();
        assert!(responses.iter().all(|id| *id == own));
    });
    runtime.block_on(sent).unwrap();
}
