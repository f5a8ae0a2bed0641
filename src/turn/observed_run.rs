//! The run of a receiver that observers see.

#[cfg(feature = "async")]
use std::pin::Pin;
#[cfg(feature = "async")]
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::observed_span::ObservedSpan;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::tap::context::Entered;
use crate::tap::observer::{Described, ObservedReceiver, ObservedSend, ReceiverEnd};
use crate::tap::observers::Tap;
use crate::tap::pending::{self, Pending};
use crate::tap::steps::Work;
use crate::tap::ways::Outcome;

/// The run of a receiver that observers see, until this is dropped.
pub(crate) struct Run<'t> {
    tap: &'t Tap,
    send: ObservedSend<'t>,
    receiver: ObservedReceiver<'t>,
    span: ObservedSpan,
    budget: Option<Duration>,
    started: Option<Instant>,
    /// `true` while a part of the receiver runs, and after a panic of it.
    is_inside: bool,
    is_over: bool,
    /// The run as work that has not ended, in a scope that records.
    pending: Option<Pending>,
}

impl<'t> Run<'t> {
    /// Starts the run of a receiver, whose span `span` makes.
    #[inline(always)]
    pub(super) fn start(
        tap: &'t Tap,
        send: ObservedSend<'t>,
        receiver: &'t dyn Described,
        span: impl FnOnce(&ObservedReceiver<'_>) -> ObservedSpan,
    ) -> Self {
        let receiver = ObservedReceiver(receiver);
        let run = || Work::Run(pending::run(send.id(), &receiver));
        let pending = Pending::start(send.context, run);
        let span = span(&receiver);
        tap.show(|observer| observer.receiver_started(&send, &receiver));
        let budget = receiver.budget();
        Run {
            pending,
            tap,
            send,
            receiver,
            span,
            budget,
            started: (tap.is_timed || budget.is_some()).then(Instant::now),
            is_inside: false,
            is_over: false,
        }
    }

    /// Enters the context and the span of the receiver, until the result is dropped. A send that no
    /// observer sees is not named as a cause, so the context of the send goes on.
    #[inline]
    fn enter(&self) -> Inside<'_> {
        self.span.enter();
        let context = match self.tap.has_observers() {
            true => self.send.context_of(self.receiver.id()),
            false => self.send.context.clone(),
        };
        Inside {
            span: &self.span,
            _context: context.entered(),
        }
    }

    /// Runs a part of the receiver, or all of it, in its context.
    pub(crate) fn part<T>(&mut self, part: impl FnOnce() -> T) -> T {
        self.is_inside = true;
        let result = {
            let _inside = self.enter();
            part()
        };
        self.is_inside = false;
        result
    }

    /// Notes that the receiver has returned. The run ends when it is dropped. It is not moved for
    /// that: it is large.
    #[inline]
    pub(crate) fn note_return(&mut self) {
        self.is_over = true;
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // The thread may unwind for another reason, and drop a future that did not panic.
        let outcome = match (self.is_over, self.is_inside) {
            (true, _) if has_error(&self.receiver) => Outcome::Failed,
            (true, _) => Outcome::Returned,
            (false, true) => Outcome::Panicked,
            (false, false) => Outcome::Dropped,
        };
        match outcome {
            Outcome::Returned => (),
            Outcome::Panicked => self.span.record("panicked"),
            Outcome::Dropped => self.span.record("dropped"),
            Outcome::Failed => self.span.record("failed"),
        }
        let duration = self.started.map(|started| started.elapsed());
        let over_budget = duration.filter(|took| self.budget.is_some_and(|budget| *took > budget));
        if let Some(took) = over_budget {
            self.tap
                .show(|observer| observer.over_budget(&self.send, &self.receiver, took));
        }
        let end = ReceiverEnd {
            outcome,
            duration: duration.filter(|_| self.tap.is_timed),
        };
        self.tap
            .show(|observer| observer.receiver_ended(&self.send, &self.receiver, &end));
        if let Some(pending) = self.pending.take() {
            pending.end(outcome);
        }
    }
}

/// Returns `true` if it is a durable receiver that has returned an error.
fn has_error(receiver: &ObservedReceiver<'_>) -> bool {
    let delivery = receiver.delivery();
    delivery.is_some_and(|delivery| delivery.error().is_some())
}

/// A guard that returns the thread to its former context and span.
pub(crate) struct Inside<'t> {
    span: &'t ObservedSpan,
    _context: Entered,
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.span.leave();
    }
}

/// The future of a receiver that observers see.
#[cfg(feature = "async")]
pub(super) struct ObservedFuture<'t, R> {
    /// They are `None` once the receiver has ended.
    parts: Option<(BoxFuture<'t, R>, Run<'t>)>,
    /// The number of polls that are still left out, if a scope shuffles receivers.
    #[cfg(feature = "testing")]
    delay: u8,
}

#[cfg(feature = "async")]
impl<'t, R> ObservedFuture<'t, R> {
    /// Starts the receiver, whose future `start` makes.
    pub(super) fn start(mut run: Run<'t>, start: impl FnOnce() -> BoxFuture<'t, R>) -> Self {
        let response = run.part(start);
        ObservedFuture {
            parts: Some((response, run)),
            #[cfg(feature = "testing")]
            delay: 0,
        }
    }

    /// Returns the same future, which leaves the first `delay` polls out.
    #[cfg(feature = "testing")]
    pub(super) fn put_off(mut self, delay: u8) -> Self {
        self.delay = delay;
        self
    }
}

#[cfg(feature = "async")]
impl<R> Future for ObservedFuture<'_, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        #[cfg(feature = "testing")]
        if self.delay > 0 {
            self.delay -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (response, run) = self.parts.as_mut().expect("it is not polled after its end");
        let polled = run.part(|| response.as_mut().poll(cx));
        if polled.is_ready() {
            let ended = self.parts.take();
            let (response, mut run) = ended.expect("it has just been polled");
            {
                let _inside = run.enter();
                drop(response);
            }
            run.note_return();
        }
        polled
    }
}

/// Drops the future of a receiver that has not ended in the receiver's context, before observers
/// see the end.
#[cfg(feature = "async")]
impl<R> Drop for ObservedFuture<'_, R> {
    fn drop(&mut self) {
        if let Some((response, run)) = self.parts.take() {
            let _inside = run.enter();
            drop(response);
        }
    }
}
