//! A subscriber of `tracing` that keeps the events, with their spans.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    /// The spans that this thread is in, outermost first.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Default)]
pub(crate) struct Listener {
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    /// The names of the spans, by their ids less one.
    pub(crate) spans: Arc<Mutex<Vec<&'static str>>>,
    pub(crate) panics_when_asked: bool,
    pub(crate) panics_when_told: bool,
}

impl Listener {
    /// Returns the events since the last call: level, target, spans and fields of each.
    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut *self.told.lock().unwrap())
    }

    /// Returns the spans that this thread is in, in the form of `take`.
    fn entered(&self) -> String {
        let names = self.spans.lock().unwrap();
        let entered = ENTERED.with_borrow(|ids| {
            let names = ids
                .iter()
                .map(|id| names[usize::try_from(*id).unwrap() - 1]);
            names.collect::<Vec<_>>().join(", ")
        });
        if entered.is_empty() {
            return entered;
        }
        format!(" in {entered}")
    }
}

/// Returns the events of this thread while `run` runs.
#[allow(dead_code, reason = "not every test that includes this uses it")]
pub(crate) fn told(run: impl FnOnce()) -> Vec<String> {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), run);
    listener.take()
}

impl Subscriber for Listener {
    /// Returns `sometimes`, so that each event is checked, because tests that run at once listen
    /// for different ones.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        assert!(!self.panics_when_asked, "a listener of its own faults");
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.spans.lock().unwrap();
        spans.push(span.metadata().name());
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        assert!(!self.panics_when_told, "a listener of its own faults");
        let metadata = event.metadata();
        let (level, target) = (metadata.level(), metadata.target());
        let mut text = Text(format!("{level} {target}{}: ", self.entered()));
        event.record(&mut text);
        self.told.lock().unwrap().push(text.0);
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let last = ENTERED.with_borrow_mut(Vec::pop);
        assert_eq!(last, Some(span.into_u64()), "the span left is not the last");
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}
