//! Telling of panics that were caught. Never fails, whatever the subscriber does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::receiver::ReceiverId;

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

/// A receiver panicked in a robust send.
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

#[cfg(feature = "tracing")]
fn event(what: &str, receiver: Option<ReceiverId>, name: &str, message: &str) {
    let reported = catch_unwind(AssertUnwindSafe(|| {
        tracing::error!(target: "fanfare", receiver = receiver.map(tracing::field::display), name, panic = message, "{what}");
    }));
    if let Err(payload) = reported {
        discard(payload);
    }
}

/// The panic hook has told of it already.
#[cfg(not(feature = "tracing"))]
fn event(_what: &str, _receiver: Option<ReceiverId>, _name: &str, _message: &str) {}
