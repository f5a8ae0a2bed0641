//! Spans of `tracing` for sends and receivers.

use std::fmt;

use tracing::{Level, Span, field};

use super::observer::{MakeSpans, ObservedReceiver, ObservedSend, Observer, SignalInfo};

/// Makes a span of a level that is known only at run time.
macro_rules! span_of {
    ($level:expr, $($rest:tt)*) => {
        match $level {
            Level::ERROR => span_of!(@ ERROR, $($rest)*),
            Level::WARN => span_of!(@ WARN, $($rest)*),
            Level::INFO => span_of!(@ INFO, $($rest)*),
            Level::DEBUG => span_of!(@ DEBUG, $($rest)*),
            Level::TRACE => span_of!(@ TRACE, $($rest)*),
        }
    };
    (@ $level:ident, parent: $parent:expr, $($rest:tt)*) => {
        tracing::span!(target: "fanfare", parent: $parent, Level::$level, $($rest)*)
    };
    (@ $level:ident, $($rest:tt)*) => {
        tracing::span!(target: "fanfare", Level::$level, $($rest)*)
    };
}

/// An observer that makes a `tracing` span for each send and for each receiver (feature `tracing`).
///
/// The spans have the target `fanfare` and the names `send` and `receiver`. The level is
/// [`Level::INFO`] unless it is changed.
///
/// | field | of a send | of a receiver |
/// |---|---|---|
/// | `signal` | the name of the signal | the same, if it is queued |
/// | `sender` | the sender | the same, if it is queued |
/// | `receiver` | | the name of the receiver |
/// | `code.filepath`, `code.lineno` | | the place of its connect |
/// | `outcome` | `cut off`, if it did not come to its end | `panicked`, `dropped` or `discarded`, if it did not return, and `failed` for a durable receiver that returned an `Err` |
///
/// The parent of a send's span is the span in which the send is made. The parent of a receiver's
/// span is that of the send. A queued receiver often ends after its send. So its span has no
/// parent, and it follows from the span of the send. It starts when the event is given to the
/// queue.
///
/// An async receiver is in its span whenever it is polled. The span of an async send is not
/// entered.
///
/// If several of these observers are attached to one signal, the first one makes the spans.
///
/// ```
/// use fanfare::Signal;
/// use fanfare::watch::{self, Spans};
/// use tracing::Level;
///
/// static SAVED: Signal<u32> = Signal::new();
/// static HEARTBEAT: Signal<()> = Signal::new();
///
/// SAVED.connect(|_sender, id| tracing::info!(id, "indexed"));
/// let spans = Spans::new().receiver_level(Level::DEBUG);
/// let _spans = watch::all(spans.only(|signal| signal.name() != "()"));
/// SAVED.send(&7);
/// ```
pub struct Spans {
    sends: Level,
    receivers: Level,
    /// Returns `true` for the signals whose sends have spans.
    filters: Vec<Filter>,
}

type Filter = Box<dyn Fn(&SignalInfo) -> bool + Send + Sync>;

impl Spans {
    /// Returns an observer that makes spans of the level `INFO` for all sends that it sees.
    pub fn new() -> Self {
        Spans {
            sends: Level::INFO,
            receivers: Level::INFO,
            filters: Vec::new(),
        }
    }

    /// Sets the level of the spans of sends and of receivers.
    pub fn level(self, level: Level) -> Self {
        Spans {
            sends: level,
            receivers: level,
            ..self
        }
    }

    /// Sets the level of the spans of receivers.
    pub fn receiver_level(self, level: Level) -> Self {
        Spans {
            receivers: level,
            ..self
        }
    }

    /// Makes spans only for sends of the signals for which `keep` returns `true`. It is called in
    /// each send.
    pub fn only(mut self, keep: impl Fn(&SignalInfo) -> bool + Send + Sync + 'static) -> Self {
        self.filters.push(Box::new(keep));
        self
    }

    fn keeps(&self, signal: &SignalInfo) -> bool {
        self.filters.iter().all(|keep| keep(signal))
    }
}

impl Default for Spans {
    fn default() -> Self {
        Spans::new()
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans")
            .field("sends", &self.sends)
            .field("receivers", &self.receivers)
            .finish_non_exhaustive()
    }
}

impl Observer for Spans {
    fn wants_durations(&self) -> bool {
        false
    }

    fn make_spans(&self) -> Option<&dyn MakeSpans> {
        Some(self)
    }
}

impl MakeSpans for Spans {
    fn send_span(&self, send: &ObservedSend<'_>) -> Option<Span> {
        self.keeps(send.signal).then(|| {
            span_of!(
                self.sends,
                "send",
                signal = send.signal.name(),
                sender = field::display(&send.sender),
                outcome = field::Empty,
            )
        })
    }

    fn receiver_span(&self, receiver: &ObservedReceiver<'_>, send: &Span) -> Span {
        macro_rules! receiver_span {
            ($($parent:tt)*) => {
                span_of!(
                    self.receivers,
                    $($parent)*
                    "receiver",
                    receiver = &*receiver.name(),
                    code.filepath = receiver.location().file(),
                    code.lineno = receiver.location().line(),
                    outcome = field::Empty,
                )
            };
        }
        if send.is_disabled() {
            // It is in the span that is current, as the send would be.
            return receiver_span!();
        }
        receiver_span!(parent: send,)
    }

    fn queued_span(
        &self,
        receiver: &ObservedReceiver<'_>,
        send: &ObservedSend<'_>,
        span: &Span,
    ) -> Span {
        let location = receiver.location();
        let queued = span_of!(
            self.receivers,
            parent: None,
            "receiver",
            signal = send.signal.name(),
            sender = field::display(&send.sender),
            receiver = &*receiver.name(),
            code.filepath = location.file(),
            code.lineno = location.line(),
            outcome = field::Empty,
        );
        queued.follows_from(span);
        queued
    }
}
