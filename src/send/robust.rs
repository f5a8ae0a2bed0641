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

use super::{Snapshot, walk};

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
    let mut responses = RobustResponses::with_capacity(selection.len());
    let _ = walk(hub, &selection, &mut |receiver| {
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
