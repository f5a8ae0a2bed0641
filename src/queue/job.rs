//! One receiver and the event of one send.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::panic_report;
use crate::receiver::delivery::Deliver;
use crate::sender::SenderKey;

/// One run of a receiver on a worker.
pub(crate) struct Job {
    pub(crate) receiver: Arc<dyn Deliver>,
    pub(crate) sent: Arc<dyn Any + Send + Sync>,
}

/// The event of a send and its sender, shared by the queued receivers.
pub(crate) struct Sent<E> {
    pub(crate) sender: Option<SenderKey>,
    pub(crate) event: E,
}

/// Drops a job, and with it perhaps the event and the receiver.
///
/// A panic of their destructors is caught here, because it concerns neither the worker nor the
/// thread that pushes.
pub(super) fn discard(job: Job) {
    let Job { receiver, sent } = job;
    let id = receiver.id();
    // The receiver is dropped first, because an event's destructor may wait until the receiver is
    // dropped.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(receiver))) {
        panic_report::destructor_panicked(id, payload);
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(sent))) {
        panic_report::event_panicked(payload);
    }
}
