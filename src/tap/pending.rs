//! Work that a scope has caused and that has not ended.

use std::panic::Location;
use std::sync::Arc;

use super::cause::SendId;
use super::context::Context;
use super::durable::origin;
use super::observer::{ObservedReceiver, ObservedSend};
use super::scope::Scope;
use super::steps::{RunWork, SendWork, Work};
use super::ways::Outcome;

/// A step that has not ended, in the record of each scope that it is in. The drop ends it.
pub(crate) struct Pending {
    /// The innermost scope.
    scope: Arc<Scope>,
    /// The place in the record of each scope, from the innermost outwards. It is `None` in a scope
    /// without a record, or with one that had ended.
    places: Vec<Option<usize>>,
    outcome: Outcome,
}

impl Pending {
    /// Starts a step, unless the context is in no scope that records.
    #[inline]
    pub(crate) fn start(context: &Context, work: impl FnOnce() -> Work) -> Option<Self> {
        let scope = context.scope.as_ref()?;
        let is_recorded = scope.outwards().any(|scope| scope.record.is_some());
        is_recorded.then(|| Self::start_in(scope, context, work()))
    }

    #[cold]
    fn start_in(scope: &Arc<Scope>, context: &Context, work: Work) -> Self {
        let place = |scope: &Arc<Scope>| scope.record.as_ref()?.start(work.clone(), context.cause);
        Pending {
            scope: Arc::clone(scope),
            places: scope.outwards().map(place).collect(),
            outcome: Outcome::Dropped,
        }
    }

    /// Ends the step with this outcome. Without it, the step was dropped.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for (scope, place) in self.scope.outwards().zip(&self.places) {
            if let (Some(record), Some(place)) = (&scope.record, place) {
                record.end(*place, self.outcome);
            }
        }
    }
}

/// Returns the step of a send.
pub(crate) fn send(send: &ObservedSend<'_>) -> Work {
    Work::Send(SendWork {
        id: send.id(),
        signal: send.signal().number(),
        name: send.signal().name().to_owned(),
        sender: send.sender().to_key(),
        way: send.way(),
    })
}

/// Returns the run of a receiver in a send.
pub(crate) fn run(send: SendId, receiver: &ObservedReceiver<'_>) -> RunWork {
    let location: &'static Location<'static> = receiver.location();
    RunWork {
        send,
        receiver: receiver.id(),
        name: name_of(receiver),
        location,
    }
}

/// Returns the name of a receiver, with the attempt of a durable one, and its cause if that ran in
/// another process.
fn name_of(receiver: &ObservedReceiver<'_>) -> String {
    let name = receiver.name();
    let Some(delivery) = receiver.delivery() else {
        return name.into_owned();
    };
    let attempt = delivery.attempt();
    match delivery.cause().filter(|cause| !origin::is_here(cause)) {
        Some(cause) => format!("{name} (durable, attempt {attempt}, caused by {cause})"),
        None => format!("{name} (durable, attempt {attempt})"),
    }
}
