//! The span of a send or a receiver, if an observer makes spans.

#[cfg(feature = "tracing")]
use tracing::Span;

use crate::tap::observer::{ObservedReceiver, ObservedSend};
use crate::tap::observers::Tap;
#[cfg(feature = "tracing")]
use crate::tap::observers::quietly;

/// The span of a send or a receiver. It is empty without the feature `tracing`, or if no observer
/// makes spans.
#[derive(Clone, Default)]
pub(super) struct ObservedSpan {
    #[cfg(feature = "tracing")]
    span: Option<Span>,
}

#[cfg_attr(
    not(feature = "tracing"),
    expect(unused_variables, reason = "there are no spans")
)]
impl ObservedSpan {
    pub(super) fn of_send(tap: &Tap, send: &ObservedSend<'_>) -> Self {
        ObservedSpan {
            #[cfg(feature = "tracing")]
            span: tap.make_span(|spans| spans.send_span(send)).flatten(),
        }
    }

    /// Returns the span of a receiver. `self` is that of the send.
    pub(super) fn of_receiver(&self, tap: &Tap, receiver: &ObservedReceiver<'_>) -> Self {
        ObservedSpan {
            #[cfg(feature = "tracing")]
            span: match &self.span {
                Some(send) => tap.make_span(|spans| spans.receiver_span(receiver, send)),
                None => None,
            },
        }
    }

    /// Returns the span of a receiver on a queue. `self` is that of the send.
    #[cfg(feature = "queue")]
    pub(super) fn of_queued(
        &self,
        tap: &Tap,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
    ) -> Self {
        ObservedSpan {
            #[cfg(feature = "tracing")]
            span: match &self.span {
                Some(span) => tap.make_span(|spans| spans.queued_span(receiver, send, span)),
                None => None,
            },
        }
    }

    /// Notes an unusual end.
    pub(super) fn record(&self, outcome: &str) {
        #[cfg(feature = "tracing")]
        if let Some(span) = &self.span {
            quietly(|| span.record("outcome", outcome));
        }
    }

    /// Enters the span on this thread.
    #[inline]
    pub(super) fn enter(&self) {
        #[cfg(feature = "tracing")]
        if let Some(span) = &self.span {
            quietly(|| span.with_subscriber(|(id, subscriber)| subscriber.enter(id)));
        }
    }

    /// Leaves the span on this thread.
    #[inline]
    pub(super) fn leave(&self) {
        #[cfg(feature = "tracing")]
        if let Some(span) = &self.span {
            quietly(|| span.with_subscriber(|(id, subscriber)| subscriber.exit(id)));
        }
    }
}

/// Drops the span, which may run code of a subscriber.
#[cfg(feature = "tracing")]
impl Drop for ObservedSpan {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            quietly(|| drop(span));
        }
    }
}
