//! A subscriber of `tracing` that keeps what the crate reports.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

#[derive(Clone, Default)]
pub(crate) struct Listener {
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    pub(crate) panics_when_asked: bool,
    pub(crate) panics_when_told: bool,
}

impl Listener {
    /// What was told since the last call: level, target and fields of each.
    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut *self.told.lock().unwrap())
    }
}

/// What is told on this thread while `run` runs.
#[allow(dead_code, reason = "not every test that includes this uses it")]
pub(crate) fn told(run: impl FnOnce()) -> Vec<String> {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), run);
    listener.take()
}

impl Subscriber for Listener {
    /// Asked for each event, since tests that run at once listen for different ones.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        assert!(!self.panics_when_asked, "a listener of its own faults");
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        assert!(!self.panics_when_told, "a listener of its own faults");
        let metadata = event.metadata();
        let mut text = Text(format!("{} {}: ", metadata.level(), metadata.target()));
        event.record(&mut text);
        self.told.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}
