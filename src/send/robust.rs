//! The send that lets no receiver's panic through.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Failure;
use crate::event::Event;
use crate::nesting::Running;
use crate::report;
use crate::responses::RobustResponses;
use crate::sender::Sender;
use crate::table::Table;
use crate::table::publish::Hub;

/// Sends, catches each panic and keeps every outcome.
#[inline]
pub(crate) fn collect<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: &Table<E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> RobustResponses<R> {
    let selection = table.select(sender);
    let _running = Running::send(hub);
    let mut responses = RobustResponses::with_capacity(selection.len());
    let _ = super::walk(hub, &selection, &mut |receiver| {
        match catch_unwind(AssertUnwindSafe(|| receiver.call(sender, event))) {
            Ok(value) => responses.push(|| receiver.id(), value),
            Err(payload) => {
                let name = receiver.name();
                report::receiver_panicked(receiver.id(), &name, &*payload);
                responses.push_failure(Failure::new(receiver.id(), name, payload));
            }
        }
        ControlFlow::<()>::Continue(())
    });
    responses
}
