//! The send that catches the panics of receivers.

use std::convert::Infallible;
use std::ops::ControlFlow;

use super::walk::walk;
use crate::event::Event;
use crate::receiver::{Hub, Selection};
use crate::responses::RobustResponses;
use crate::sender::Sender;
use crate::turn::catch::{catch_if, keep};
use crate::turn::opening::{Snapshot, open};
use crate::turn::{Turn, Turns};

/// Sends, catches each panic and keeps every outcome.
#[inline]
pub(crate) fn collect<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> RobustResponses<R> {
    let sent = open(hub, take, sender, |discards, selection| {
        let mut outcomes = Outcomes::<_, _, true>::of(selection, sender, event);
        let _ = walk(discards, selection, sender, event, &mut outcomes);
        outcomes.responses
    });
    sent.unwrap_or_else(RobustResponses::new)
}

/// The responses so far and, if `ROBUST`, the panics.
pub(crate) struct Outcomes<'s, 'e, E: Event, R: 'static, const ROBUST: bool> {
    pub(crate) sender: &'s Sender<'s>,
    pub(crate) event: &'s E::Args<'e>,
    pub(crate) responses: RobustResponses<R>,
}

impl<'s, 'e, E: Event, R: 'static, const ROBUST: bool> Outcomes<'s, 'e, E, R, ROBUST> {
    pub(crate) fn of(
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
                self.responses.push_panic(failure);
                return ControlFlow::Continue(());
            }
        }
        let outcome = catch_if(ROBUST, || turn.take(self.sender, self.event));
        keep(&mut self.responses, receiver, outcome);
        ControlFlow::Continue(())
    }
}
