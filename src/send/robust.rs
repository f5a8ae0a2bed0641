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
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

use super::{Discards, Snapshot, Turn, Turns, walk};

/// Sends, catches each panic and keeps every outcome.
#[inline]
pub(crate) fn collect<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> RobustResponses<R> {
    let _running = Running::send(hub);
    let mut discards = Discards::of(hub);
    let snapshot = take();
    let Some(table) = &*snapshot else {
        return RobustResponses::new();
    };
    let selection = table.select(sender);
    let mut outcomes = Outcomes::<_, _, true>::of(&selection, sender, event);
    let _ = walk(&mut discards, &selection, sender, event, &mut outcomes);
    outcomes.responses
}

/// Every answer so far or, if `ROBUST`, every outcome.
pub(super) struct Outcomes<'s, 'e, E: Event, R: 'static, const ROBUST: bool> {
    pub(super) sender: &'s Sender<'s>,
    pub(super) event: &'s E::Args<'e>,
    pub(super) responses: RobustResponses<R>,
}

impl<'s, 'e, E: Event, R: 'static, const ROBUST: bool> Outcomes<'s, 'e, E, R, ROBUST> {
    pub(super) fn of(
        selection: &Selection<'_, E, R>,
        sender: &'s Sender<'s>,
        event: &'s E::Args<'e>,
    ) -> Self {
        Outcomes {
            sender,
            event,
            responses: RobustResponses::with_capacity(selection.len()),
        }
    }
}

impl<E: Event, R: 'static, const ROBUST: bool> Turns<E, R, Infallible>
    for Outcomes<'_, '_, E, R, ROBUST>
{
    const ROBUST: bool = ROBUST;

    fn visit(&mut self, mut turn: Turn<'_, E, R>) -> ControlFlow<Infallible> {
        let receiver = turn.receiver;
        if ROBUST {
            if let Some(failure) = turn.failure() {
                self.responses.push_failure(failure);
                return ControlFlow::Continue(());
            }
        }
        let outcome = catch_if(ROBUST, || turn.take(self.sender, self.event));
        keep(&mut self.responses, receiver, outcome);
        ControlFlow::Continue(())
    }
}

/// Runs it; if `robust`, a panic ends here.
#[inline]
pub(super) fn catch_if<T>(robust: bool, run: impl FnOnce() -> T) -> thread::Result<T> {
    if robust {
        catch_unwind(AssertUnwindSafe(run))
    } else {
        Ok(run())
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
