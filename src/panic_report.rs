//! Reports, mostly of panics that were caught. A report never fails, whatever the subscriber does.

use std::any::Any;
#[cfg(feature = "async")]
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::id::ReceiverId;

/// Returns the text of a panic, if it has one.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}

/// Drops the payload of a panic. If the payload panics in turn, that panic is ignored.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Reports a receiver that panicked in a robust send, or in a parallel send that resumes the panic
/// of another receiver.
pub(crate) fn receiver_panicked(receiver: ReceiverId, name: &str, payload: &(dyn Any + Send)) {
    event("receiver panicked", Some(receiver), name, message(payload));
}

/// Reports a receiver's destructor that panicked.
pub(crate) fn destructor_panicked(receiver: ReceiverId, payload: Box<dyn Any + Send>) {
    event(
        "receiver's destructor panicked",
        Some(receiver),
        "",
        message(&*payload),
    );
    discard(payload);
}

/// Reports a panic in the destructor of a weak receiver's target, at the end of a send that had
/// been the target's last owner.
pub(crate) fn target_panicked(payload: Box<dyn Any + Send>) {
    event(
        "a weak receiver's target panicked as it was dropped",
        None,
        "",
        message(&*payload),
    );
    discard(payload);
}

/// Reports a panic of an observer.
pub(crate) fn observer_panicked(payload: Box<dyn Any + Send>) {
    event("an observer panicked", None, "", message(&*payload));
    discard(payload);
}

/// Reports a panic in the destructor of an event, a key or a response that a `Deferred` dropped.
pub(crate) fn deferred_panicked(payload: Box<dyn Any + Send>) {
    event(
        "a deferred event, its key or a response panicked as it was dropped",
        None,
        "",
        message(&*payload),
    );
    discard(payload);
}

/// Reports a receiver that panicked on a queue's worker.
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

/// Reports a panic in the destructor of an event that a queue dropped.
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

/// Reports a receiver's future that panicked when it was dropped before its end.
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

/// Returns `true` if a subscriber receives the event of [`send_cancelled`].
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

/// The progress of a receiver when its send was dropped.
#[cfg(feature = "async")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Finished,
    Dropped,
    /// The receiver continues elsewhere, to its end.
    Continuing,
}

/// Reports an async send that was dropped.
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

/// Reports a program in which no receiver is declared.
#[cfg(feature = "macros")]
pub(crate) fn no_receivers(message: &str) {
    #[cfg(feature = "tracing")]
    guarded(|| tracing::warn!(target: "fanfare", "{message}"));
    #[cfg(not(feature = "tracing"))]
    let _ = message;
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

/// Reports no event. The panic hook has already reported the panic.
#[cfg(not(feature = "tracing"))]
fn event(_what: &str, _receiver: Option<ReceiverId>, _name: &str, _message: &str) {}
