//! Each send and each receiver has a span, in which the receiver runs, at every poll.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::Signal;
use fanfare::watch::{self, Spans};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// A subscriber that writes each step of a span down. The spans are named by their numbers.
#[derive(Clone)]
struct Steps {
    steps: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
    level: Level,
    /// The start of the steps at which the subscriber panics.
    panics_at: Option<&'static str>,
}

impl Steps {
    fn new() -> Self {
        Steps {
            steps: Arc::default(),
            spans: Arc::default(),
            level: Level::TRACE,
            panics_at: None,
        }
    }

    fn push(&self, step: String) {
        let panics = self.panics_at.is_some_and(|start| step.starts_with(start));
        self.steps.lock().unwrap().push(step);
        assert!(!panics, "the subscriber fails");
    }

    /// Returns the steps of `run` on this thread.
    fn of<T>(self, run: impl FnOnce() -> T) -> Vec<String> {
        tracing::subscriber::with_default(self.clone(), run);
        std::mem::take(&mut *self.steps.lock().unwrap())
    }
}

/// The fields, in one line.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // The file and the line of the test change too often.
        if !field.name().starts_with("code.") {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }
}

impl Subscriber for Steps {
    /// Returns `sometimes`, so that each span is checked, because tests that run at once want
    /// different ones.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= &self.level
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.spans.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        let parent = match span.parent() {
            Some(parent) => format!(" under {}", parent.into_u64()),
            None if span.is_contextual() => String::new(),
            None => " without parent".to_owned(),
        };
        let (level, name) = (span.metadata().level(), span.metadata().name());
        self.push(format!("{level} {name} {id}{parent}:{}", fields.0));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.push(format!("{}:{}", span.into_u64(), fields.0));
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.push(format!(
            "{} follows {}",
            span.into_u64(),
            follows.into_u64()
        ));
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() != "fanfare" {
            self.push("event".to_owned());
        }
    }

    fn enter(&self, span: &Id) {
        self.push(format!("enter {}", span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.push(format!("exit {}", span.into_u64()));
    }

    fn try_close(&self, id: Id) -> bool {
        self.push(format!("close {}", id.into_u64()));
        true
    }
}

fn signal() -> Signal<u32> {
    let signal = Signal::new();
    signal
        .options()
        .name("first")
        .connect(|_sender, id| tracing::info!(id));
    signal
}

#[test]
fn a_send_and_its_receivers_have_spans() {
    let saved = signal();
    let _spans = watch::signal(&saved, Spans::new().receiver_level(Level::DEBUG));
    assert_eq!(
        Steps::new().of(|| saved.from("shop").send(&1)),
        [
            "INFO send 1: signal=\"u32\" sender=\"shop\"",
            "enter 1",
            "DEBUG receiver 2 under 1: receiver=\"first\"",
            "enter 2",
            "event",
            "exit 2",
            "close 2",
            "exit 1",
            "close 1",
        ]
    );
}

#[test]
fn a_level_turns_the_spans_of_receivers_off() {
    let saved = signal();
    let _spans = watch::signal(&saved, Spans::new().receiver_level(Level::DEBUG));
    let quiet = Steps {
        level: Level::INFO,
        ..Steps::new()
    };
    let steps = quiet.of(|| saved.send(&1));
    assert_eq!(steps[1..], ["enter 1", "event", "exit 1", "close 1"]);
}

#[test]
fn receivers_without_a_span_of_their_send_are_under_the_current_span() {
    let saved = signal();
    let _spans = watch::signal(
        &saved,
        Spans::new().level(Level::TRACE).receiver_level(Level::INFO),
    );
    let quiet = Steps {
        level: Level::INFO,
        ..Steps::new()
    };
    let steps = quiet.of(|| tracing::info_span!("request").in_scope(|| saved.send(&1)));
    assert!(steps[2].starts_with("INFO receiver 2"), "{steps:?}");
    assert!(!steps[2].contains("without parent"), "{steps:?}");
}

#[test]
fn filtered_signals_have_no_spans() {
    let (numbers, texts) = (signal(), Signal::<String>::new());
    texts.connect(|_sender, _text| ());
    let only = || Spans::new().only(|signal| signal.name() != "u32");
    let _spans = [
        watch::signal(&numbers, only()),
        watch::signal(&texts, only()),
    ];
    assert_eq!(Steps::new().of(|| numbers.send(&1)), ["event"]);
    let steps = Steps::new().of(|| texts.send(&String::new()));
    assert_eq!(steps.len(), 8);
}

#[test]
fn a_panic_is_recorded() {
    let saved = Signal::<u32>::new();
    saved.connect(|_sender, _id| panic!("too hot"));
    let _spans = watch::signal(&saved, Spans::new());
    let steps = Steps::new().of(|| {
        catch_unwind(AssertUnwindSafe(|| saved.send(&1))).unwrap_err();
    });
    assert_eq!(
        steps[3..],
        [
            "enter 2",
            "exit 2",
            "2: outcome=\"panicked\"",
            "close 2",
            "exit 1",
            "1: outcome=\"cut off\"",
            "close 1",
        ]
    );
}

#[test]
fn a_subscriber_that_panics_does_not_harm_the_send() {
    let saved = Signal::<u32, u32>::new();
    saved.connect(|_sender, id| *id);
    let _spans = watch::signal(&saved, Spans::new());
    for start in ["", "enter", "exit", "close"] {
        let failing = Steps {
            panics_at: Some(start),
            ..Steps::new()
        };
        let steps = failing.of(|| assert_eq!(*saved.send(&1), [1]));
        assert!(steps.iter().any(|step| step.starts_with(start)));
    }
    assert_eq!(Steps::new().of(|| drop(saved.send(&1))).len(), 8);
}

#[cfg(feature = "async")]
#[test]
fn an_async_receiver_is_in_its_span_at_each_poll() {
    let saved = Signal::<u32>::new();
    for name in ["first", "second"] {
        let options = saved.options().name(name).dispatch_uid(name);
        options.connect_async(|_sender, _id| {
            Box::pin(async {
                smol::future::yield_now().await;
                tracing::info!("done");
            })
        });
    }
    let _spans = watch::signal(&saved, Spans::new());
    let steps = Steps::new().of(|| drop(smol::block_on(saved.asend(&1))));
    let entered: Vec<_> = steps.iter().filter(|step| step.contains("enter")).collect();
    // Each is entered for its start, for two polls, and for the drop of its future.
    assert_eq!(entered.len(), 8, "{steps:?}");
    let mut inside = None;
    for step in &steps {
        match step.split_once(' ') {
            Some(("enter", id)) => assert_eq!(inside.replace(id), None),
            Some(("exit", id)) => assert_eq!(inside.take(), Some(id)),
            _ if step == "event" => assert!(inside.is_some()),
            _ => (),
        }
    }
    assert!(!steps.contains(&"enter 1".to_owned()));
}

#[cfg(feature = "queue")]
#[test]
fn the_span_of_a_queued_receiver_follows_that_of_the_send() {
    let saved = Signal::<u32>::new();
    let steps = Steps::new();
    let queue = fanfare::Queue::bounded(8).unwrap();
    let options = saved.options().name("queued").queued(&queue);
    options.connect(|_sender, _id| ());
    let _spans = watch::signal(&saved, Spans::new());
    let steps = steps.of(|| {
        saved.from("shop").send(&1);
        queue.flush().unwrap();
    });
    assert_eq!(
        steps[2..4],
        [
            "INFO receiver 2 without parent: signal=\"u32\" sender=\"shop\" receiver=\"queued\"",
            "2 follows 1",
        ]
    );
    let at = |step: &str| steps.iter().position(|it| it == step).unwrap();
    assert!(at("enter 2") < at("exit 2"), "{steps:?}");
    assert!(at("exit 2") < at("close 2"), "{steps:?}");
}

#[test]
fn a_filter_that_sends_does_not_make_spans_of_spans() {
    static SAVED: Signal<u32, u32> = Signal::new();
    SAVED.connect(|_sender, id| *id);
    let spans = Spans::new().only(|_signal| !SAVED.send(&2).is_empty());
    let _spans = watch::signal(&SAVED, spans);
    let steps = Steps::new().of(|| assert_eq!(*SAVED.send(&1), [1]));
    let sends = steps.iter().filter(|step| step.contains(" send "));
    assert_eq!(sends.count(), 1, "{steps:?}");
}
