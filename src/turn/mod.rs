//! The parts that the walks of all sends share.
//!
//! * here: one receiver's turn, and how a way of sending takes it.
//! * `opening`: the steps before the first turn.
//! * `live`: the receivers that have not run yet.
//! * `discards`: the receivers that have ended.
//! * `catch`: panics that are caught at a send.
//! * `observation`, `observed_run`, `observed_job`, `observed_span`: a send that observers see, the
//!   run of one of its receivers, an event of it in a queue, and the spans of both.
//! * `kept_send`: a send that observers see, as it is kept after the call that made it.
//! * `observed_delivery`: an attempt of a durable receiver, as a send that observers see.
//! * `plain_run`: the run of a receiver in fewer steps, for the most frequent case.
//! * `watching`: the part of a walk that is compiled twice, with observers and without.

pub(crate) mod catch;
pub(crate) mod discards;
#[cfg(any(feature = "async", feature = "queue"))]
mod kept_send;
pub(crate) mod live;
pub(crate) mod observation;
#[cfg(feature = "async")]
pub(crate) mod observed_delivery;
#[cfg(feature = "queue")]
mod observed_job;
mod observed_run;
mod observed_span;
pub(crate) mod opening;
mod plain_run;
pub(crate) mod watching;

use std::ops::ControlFlow;

use self::observation::Handed;
use crate::event::Event;
use crate::receiver::Entry;
use crate::receiver::delivery::Shared;
use crate::receiver_panic::ReceiverPanic;
use crate::sender::Sender;

/// One receiver whose turn it is in a walk.
pub(crate) struct Turn<'t, E: Event, R: 'static> {
    pub(crate) receiver: &'t Entry<E, R>,
    pub(crate) how: How<'t, R>,
}

#[cfg_attr(
    not(all(feature = "async", feature = "queue")),
    allow(dead_code, reason = "some are made with a feature only")
)]
pub(crate) enum How<'t, R> {
    /// A receiver that has run, with this outcome. It is a reference, to keep the frames of nested
    /// sends small.
    Ran(&'t mut Option<Result<R, ReceiverPanic>>),
    /// A receiver as in `CallOrEnqueue`, in a send that observers see.
    Observed(&'t Handed<'t>),
    // The last two are those of most turns, and one comparison distinguishes them from the others.
    Call,
    /// A receiver that the turn calls, or to whose queue it gives the event.
    CallOrEnqueue(&'t mut Shared),
}

impl<'t, E: Event, R: 'static> Turn<'t, E, R> {
    #[inline(always)]
    pub(crate) fn of(receiver: &'t Entry<E, R>) -> Self {
        Turn {
            receiver,
            how: How::Call,
        }
    }

    pub(crate) fn or_enqueue(receiver: &'t Entry<E, R>, shared: &'t mut Shared) -> Self {
        Turn {
            receiver,
            how: How::CallOrEnqueue(shared),
        }
    }

    /// Takes the panic of a receiver that has run.
    pub(crate) fn failure(&mut self) -> Option<ReceiverPanic> {
        match &mut self.how {
            How::Ran(outcome) => outcome.take_if(|outcome| outcome.is_err())?.err(),
            _ => None,
        }
    }

    /// Calls the receiver, if it has not run, and returns its response.
    #[inline(always)]
    pub(crate) fn take(self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        match self.how {
            How::Call => self.receiver.call(sender, event),
            How::CallOrEnqueue(shared) => call_or_enqueue(self.receiver, shared, sender, event),
            seldom => seldom.take(self.receiver, sender, event),
        }
    }
}

impl<R> How<'_, R> {
    /// Takes the turn of a receiver that has run, or whose send observers see. It is one function,
    /// so that the turns of other receivers stay small enough to be compiled into their loops.
    #[inline(never)]
    fn take<E: Event>(self, receiver: &Entry<E, R>, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        match self {
            How::Ran(outcome) => outcome_of(outcome),
            How::Observed(handed) => handed.take(receiver, sender, event),
            How::Call | How::CallOrEnqueue(_) => unreachable!("`Turn::take` has taken these"),
        }
    }
}

/// Returns the response of a receiver that has run, or resumes its panic.
fn outcome_of<R>(outcome: &mut Option<Result<R, ReceiverPanic>>) -> R {
    match outcome.take().expect("a turn is taken once") {
        Ok(response) => response,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// Calls the receiver, or gives the event to its queue.
pub(crate) fn call_or_enqueue<E: Event, R: 'static>(
    receiver: &Entry<E, R>,
    shared: &mut Shared,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> R {
    #[cfg(feature = "queue")]
    if receiver.about().kind().is_queued() {
        return receiver.enqueue(receiver, sender, event, shared);
    }
    let _ = shared;
    receiver.call(sender, event)
}

/// A way of sending: its treatment of each receiver.
pub(crate) trait Turns<E: Event, R: 'static, B> {
    /// `true` if the other receivers still run after a panic of one receiver.
    #[cfg_attr(not(feature = "async"), allow(dead_code, reason = "asked for futures"))]
    const ROBUST: bool;

    /// Returns `Err` if the walk stops at this response of an async receiver, whose siblings are
    /// then dropped.
    #[cfg_attr(not(feature = "async"), allow(dead_code, reason = "asked for futures"))]
    fn split(response: R) -> Result<R, R> {
        Ok(response)
    }

    /// Takes one receiver's turn. A break ends the walk.
    fn visit(&mut self, turn: Turn<'_, E, R>) -> ControlFlow<B>;
}

impl<E: Event, R: 'static, B, F: FnMut(Turn<'_, E, R>) -> ControlFlow<B>> Turns<E, R, B> for F {
    const ROBUST: bool = false;

    #[inline]
    fn visit(&mut self, turn: Turn<'_, E, R>) -> ControlFlow<B> {
        self(turn)
    }
}
