//! The send that lets no receiver's panic through.

use std::any::Any;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::error::Failure;
use crate::event::Event;
use crate::nesting::Running;
use crate::receiver::Entry;
use crate::report;
use crate::responses::RobustResponses;
use crate::sender::Sender;
use crate::table::Table;
use crate::table::publish::Hub;

use super::{Snapshot, Turn, Turns, walk};

/// Sends, catches each panic and keeps every outcome.
#[inline]
pub(crate) fn collect<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> RobustResponses<R> {
    let _running = Running::send(hub);
    let snapshot = take();
    let Some(table) = &*snapshot else {
        return RobustResponses::new();
    };
    let selection = table.select(sender);
    let mut outcomes = Outcomes {
        sender,
        event,
        responses: RobustResponses::with_capacity(selection.len()),
    };
    let _ = walk(hub, &selection, sender, event, &mut outcomes);
    outcomes.responses
}

/// Every outcome so far.
struct Outcomes<'s, 'e, E: Event, R: 'static> {
    sender: &'s Sender<'s>,
    event: &'s E::Args<'e>,
    responses: RobustResponses<R>,
}

impl<E: Event, R: 'static> Turns<E, R, Infallible> for Outcomes<'_, '_, E, R> {
    const ROBUST: bool = true;

    fn visit(&mut self, mut turn: Turn<'_, E, R>) -> ControlFlow<Infallible> {
        let receiver = turn.receiver;
        if let Some(failure) = turn.failure() {
            self.responses.push_failure(failure);
            return ControlFlow::Continue(());
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| turn.take(self.sender, self.event)));
        keep(&mut self.responses, receiver, outcome);
        ControlFlow::Continue(())
    }
}

/// Notes one receiver's outcome, and reports it if it is a panic.
pub(super) fn keep<E: Event, R: 'static>(
    responses: &mut RobustResponses<R>,
    receiver: &Entry<E, R>,
    outcome: thread::Result<R>,
) {
    match outcome {
        Ok(value) => responses.push(|| receiver.id(), value),
        Err(payload) => responses.push_failure(failure(receiver, payload)),
    }
}

/// A receiver's panic, reported.
pub(super) fn failure<E: Event, R: 'static>(
    receiver: &Entry<E, R>,
    payload: Box<dyn Any + Send>,
) -> Failure {
    let name = receiver.name();
    report::receiver_panicked(receiver.id(), &name, &*payload);
    Failure::new(receiver.id(), name, payload)
}
