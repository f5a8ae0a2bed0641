//! The panics of receivers that are caught at a send.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::event::Event;
use crate::panic_report;
use crate::receiver::Entry;
use crate::receiver_panic::ReceiverPanic;
use crate::responses::RobustResponses;

/// Runs `run`. If `robust`, a panic is caught here.
#[inline]
pub(crate) fn catch_if<T>(robust: bool, run: impl FnOnce() -> T) -> thread::Result<T> {
    if robust {
        catch_unwind(AssertUnwindSafe(run))
    } else {
        Ok(run())
    }
}

/// Notes one receiver's outcome, and reports it if it is a panic.
pub(crate) fn keep<E: Event, R: 'static>(
    responses: &mut RobustResponses<R>,
    receiver: &Entry<E, R>,
    outcome: thread::Result<R>,
) {
    match outcome {
        Ok(value) => responses.push(|| receiver.id(), value),
        Err(payload) => responses.push_panic(failure(receiver, payload)),
    }
}

/// Reports a receiver's panic and returns it.
pub(crate) fn failure<E: Event, R: 'static>(
    receiver: &Entry<E, R>,
    payload: Box<dyn Any + Send>,
) -> ReceiverPanic {
    let name = receiver.name();
    panic_report::receiver_panicked(receiver.id(), &name, &*payload);
    ReceiverPanic::new(receiver.id(), name, payload)
}
