//! The callables that take slices of events.

use std::{iter, slice};

use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::callee::Callee;
use crate::responses::BatchResponses;
use crate::sender::Sender;

/// A function or closure that takes slices of events, owned.
pub(crate) struct Slices<F>(pub(crate) F);

impl<E, R, F> Callee<E, R> for Slices<F>
where
    E: Event,
    R: 'static,
    F: Fn(Sender<'_>, &[E::Args<'_>]) -> R + Send + Sync + 'static,
{
    type Function = F;
    const TAKES_SLICES: bool = true;

    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        (self.0)(*sender, slice::from_ref(event))
    }

    fn call_slice(
        &self,
        receiver: ReceiverId,
        sender: &Sender<'_>,
        events: &[E::Args<'_>],
        responses: &mut BatchResponses<R>,
    ) {
        responses.extend(receiver, iter::once_with(|| (self.0)(*sender, events)));
    }
}
