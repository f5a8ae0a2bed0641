//! Telling of panics that were caught. Never fails, whatever the subscriber does.

use std::any::Any;
#[cfg(feature = "async")]
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::id::ReceiverId;

/// The text of a panic, where it has one.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}

/// Drops what a panic carried; a payload that panics in turn is let be.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// A receiver panicked in a robust send, or in a parallel one whose panic is another's.
pub(crate) fn receiver_panicked(receiver: ReceiverId, name: &str, payload: &(dyn Any + Send)) {
    event("receiver panicked", Some(receiver), name, message(payload));
}

/// A receiver's destructor panicked.
pub(crate) fn destructor_panicked(receiver: ReceiverId, payload: Box<dyn Any + Send>) {
    event(
        "receiver's destructor panicked",
        Some(receiver),
        "",
        message(&*payload),
    );
    discard(payload);
}

/// The destructor of a weak receiver's target panicked at the end of a send, which had been
/// its last owner.
pub(crate) fn target_panicked(payload: Box<dyn Any + Send>) {
    event(
        "a weak receiver's target panicked as it was dropped",
        None,
        "",
        message(&*payload),
    );
    discard(payload);
}

/// The destructor panicked of an event, a key or an answer that a `Deferred` let go of.
pub(crate) fn deferred_panicked(payload: Box<dyn Any + Send>) {
    event(
        "a deferred event, its key or an answer panicked as it was dropped",
        None,
        "",
        message(&*payload),
    );
    discard(payload);
}

/// A receiver panicked on a queue's worker.
#[cfg(feature = "queue")]
pub(crate) fn queued_receiver_panicked(
    receiver: ReceiverId,
    name: &str,
    payload: Box<dyn Any + Send>,
) {
    event(
        "queued receiver panicked",
        Some(receiver),
        name,
        message(&*payload),
    );
    discard(payload);
}

/// The destructor of an event panicked as a queue let go of it.
#[cfg(feature = "queue")]
pub(crate) fn event_panicked(payload: Box<dyn Any + Send>) {
    event(
        "a queued event's destructor panicked",
        None,
        "",
        message(&*payload),
    );
    discard(payload);
}

/// A receiver's future panicked as it was dropped before its end.
#[cfg(feature = "async")]
pub(crate) fn future_panicked(payload: Box<dyn Any + Send>) {
    event(
        "a receiver's future panicked as it was dropped",
        None,
        "",
        message(&*payload),
    );
    discard(payload);
}

/// Whether anybody hears of [`send_cancelled`].
#[cfg(feature = "async")]
pub(crate) fn hears_of_cancelled_sends() -> bool {
    #[cfg(feature = "tracing")]
    let hears = {
        let asked = catch_unwind(|| tracing::enabled!(target: "fanfare", tracing::Level::WARN));
        asked.map_err(discard).unwrap_or(false)
    };
    #[cfg(not(feature = "tracing"))]
    let hears = false;
    hears
}

/// How far a receiver had come when its send was dropped.
#[cfg(feature = "async")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Finished,
    Dropped,
    /// It runs on elsewhere, to its end.
    Continuing,
}

/// An async send was dropped.
#[cfg(feature = "async")]
pub(crate) fn send_cancelled(
    receivers: impl Iterator<Item = (ReceiverId, Cow<'static, str>, Progress)>,
) {
    #[cfg(feature = "tracing")]
    {
        let receivers: Vec<_> = receivers.collect();
        if receivers.iter().all(|(.., at)| *at == Progress::Finished) {
            return;
        }
        let names = |wanted: Progress| {
            let those = receivers.iter().filter(|(.., at)| *at == wanted);
            let names = those.map(|(id, name, _)| format!("{id} ({name})"));
            names.collect::<Vec<_>>().join(", ")
        };
        let (finished, dropped) = (names(Progress::Finished), names(Progress::Dropped));
        let continuing = Some(names(Progress::Continuing)).filter(|names| !names.is_empty());
        guarded(|| {
            tracing::warn!(target: "fanfare", finished, dropped, continuing, "async send was dropped before its end");
        });
    }
    #[cfg(not(feature = "tracing"))]
    drop(receivers);
}

#[cfg(feature = "tracing")]
fn guarded(tell: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(tell)) {
        discard(payload);
    }
}

#[cfg(feature = "tracing")]
fn event(what: &str, receiver: Option<ReceiverId>, name: &str, message: &str) {
    guarded(|| {
        tracing::error!(target: "fanfare", receiver = receiver.map(tracing::field::display), name, panic = message, "{what}");
    });
}

/// The panic hook has told of it already.
#[cfg(not(feature = "tracing"))]
fn event(_what: &str, _receiver: Option<ReceiverId>, _name: &str, _message: &str) {}
