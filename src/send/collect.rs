//! The sends that keep responses, or pass them on.

use std::ops::ControlFlow;

use super::walk::walk;
use crate::error::ReceiverError;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::Hub;
use crate::responses::Responses;
use crate::sender::Sender;
use crate::turn::opening::{Snapshot, open};
use crate::turn::{Turn, Turns};

/// Sends and keeps every response.
#[inline(never)]
pub(super) fn keep<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    let kept = open(hub, take, sender, |discards, selection| {
        let mut responses = Responses::with_capacity(selection.len());
        let mut call = |turn: Turn<'_, E, R>| {
            let receiver = turn.receiver;
            let response = turn.take(sender, event);
            responses.push(|| receiver.id(), response);
            ControlFlow::<()>::Continue(())
        };
        let _ = walk(discards, selection, sender, event, &mut call);
        responses
    });
    kept.unwrap_or_else(Responses::new)
}

/// Sends and passes each response to `each`, until it breaks.
#[inline]
pub(crate) fn each<E: Event, R: 'static, B, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    each: &mut impl FnMut(ReceiverId, R) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let walked = open(hub, take, sender, |discards, selection| {
        let mut call = |turn: Turn<'_, E, R>| each(turn.receiver.id(), turn.take(sender, event));
        walk(discards, selection, sender, event, &mut call)
    });
    walked.unwrap_or(ControlFlow::Continue(()))
}

/// Sends until the first `Err`.
#[inline]
pub(crate) fn until_error<E: Event, T: 'static, X: 'static, S: Snapshot<E, Result<T, X>>>(
    hub: &Hub<E, Result<T, X>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Result<Responses<T>, ReceiverError<T, X>> {
    let sent = open(hub, take, sender, |discards, selection| {
        let mut until_error = UntilError {
            sender,
            event,
            before: Responses::new(),
        };
        let stopped = walk(discards, selection, sender, event, &mut until_error);
        let before = until_error.before;
        match stopped {
            ControlFlow::Continue(()) => Ok(before),
            ControlFlow::Break((receiver, error)) => Err(ReceiverError {
                before,
                receiver,
                error,
            }),
        }
    });
    sent.unwrap_or_else(|| Ok(Responses::new()))
}

/// Keeps the responses until the first `Err`.
struct UntilError<'s, 'e, E: Event, T: 'static> {
    sender: &'s Sender<'s>,
    event: &'s E::Args<'e>,
    before: Responses<T>,
}

impl<E: Event, T: 'static, X: 'static> Turns<E, Result<T, X>, (ReceiverId, X)>
    for UntilError<'_, '_, E, T>
{
    const ROBUST: bool = false;

    fn split(response: Result<T, X>) -> Result<Result<T, X>, Result<T, X>> {
        match response {
            Ok(value) => Ok(Ok(value)),
            Err(error) => Err(Err(error)),
        }
    }

    #[inline]
    fn visit(&mut self, turn: Turn<'_, E, Result<T, X>>) -> ControlFlow<(ReceiverId, X)> {
        let receiver = turn.receiver;
        match turn.take(self.sender, self.event) {
            Ok(value) => {
                self.before.push(|| receiver.id(), value);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break((receiver.id(), error)),
        }
    }
}
