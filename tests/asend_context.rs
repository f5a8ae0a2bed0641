//! Receivers run inside the caller's task: its `tracing` span is current in them, at every
//! poll, and so is what the runtime knows of the task.
#![cfg(all(feature = "tokio", feature = "tracing"))]

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::{Sender, Signal};
use smol::future::yield_now;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Instrument, Metadata, Subscriber, info, info_span};

type Asked = Signal<(), u32>;

/// A sync receiver and several async ones, each of which tells where it is at each step.
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

/// One receiver's tale, in any order among the others'.
fn tale(of: &str) -> Vec<String> {
    let steps = ["starts", "async", "async"].map(|what| format!("{of}: {what}"));
    let own = ["steps", "steps"].map(|what| format!("{of}, own: {what}"));
    steps.into_iter().chain(own).collect()
}

fn expected(of: &str, receivers: usize) -> Vec<String> {
    let mut expected = vec![format!("{of}: sync")];
    for _ in 0..receivers {
        expected.extend(tale(of));
    }
    expected.sort();
    expected
}

fn told(listener: &Listener) -> Vec<String> {
    let mut told = std::mem::take(&mut *listener.told.lock().unwrap());
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
                let answers = signal.asend(Sender::NONE, &()).instrument(caller).await;
                assert_eq!(answers.len(), 1 + receivers);
            });
            assert_eq!(told(&listener), expected("caller", receivers));

            let caller = async {
                signal.asend_robust(Sender::NONE, &()).await;
                info!("after");
            };
            smol::block_on(caller.instrument(info_span!("caller")));
            let mut expected = expected("caller", receivers);
            expected.insert(0, "caller: after".to_owned());
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
            let send = signal.asend(Sender::NONE, &());
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
        info_span!("caller").in_scope(|| signal.send(Sender::NONE, &()));
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
        let answers = signal.asend(Sender::NONE, &()).await;
        assert_eq!(answers.len(), 41);
        let own = tokio::task::id();
        assert!(answers.iter().all(|id| *id == own));
    });
    runtime.block_on(sent).unwrap();
}

thread_local! {
    /// The spans that this thread is in, outermost first.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Keeps each event with the names of the spans it happened in.
#[derive(Clone, Default)]
struct Listener {
    names: Arc<Mutex<Vec<&'static str>>>,
    last: Arc<AtomicU64>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() != "fanfare"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.names.lock().unwrap().push(span.metadata().name());
        Id::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let names = self.names.lock().unwrap();
        let spans = ENTERED.with_borrow(|entered| {
            let entered = entered.iter();
            let entered = entered.map(|id| names[usize::try_from(*id).unwrap() - 1]);
            entered.collect::<Vec<_>>().join(", ")
        });
        let mut text = Text(String::new());
        event.record(&mut text);
        self.told
            .lock()
            .unwrap()
            .push(format!("{spans}: {}", text.0));
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let last = ENTERED.with_borrow_mut(Vec::pop);
        assert_eq!(last, Some(span.into_u64()));
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{value:?}");
    }
}
