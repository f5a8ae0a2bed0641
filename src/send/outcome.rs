//! The future of one async receiver, as a send holds it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;

use super::robust;
use crate::error::Failure;
use crate::event::Event;
use crate::receiver::{BoxFuture, Entry};
use crate::report;

/// Ends with what the receiver answered.
pub(crate) struct Answer<'a, R>(Option<BoxFuture<'a, R>>);

impl<'a, R> Answer<'a, R> {
    pub(crate) fn of(future: BoxFuture<'a, R>) -> Self {
        Answer(Some(future))
    }
}

impl<R> Future for Answer<'_, R> {
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let future = self.0.as_mut();
        let future = future.expect("a receiver's future was polled after its end");
        let answer = ready!(future.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(answer)
    }
}

impl<R> Drop for Answer<'_, R> {
    /// Several are dropped in a row where a send is cancelled; a panic of one future's
    /// destructor must not meet that of another.
    #[inline]
    fn drop(&mut self) {
        let Some(future) = self.0.take() else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            report::future_panicked(panic);
        }
    }
}

/// A receiver's future after its first poll.
pub(super) enum Begun<'a, R> {
    Answered(Option<R>),
    Waits(Answer<'a, R>),
}

// An answer is never pinned.
impl<R> Unpin for Begun<'_, R> {}

impl<R> Future for Begun<'_, R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        match self.get_mut() {
            Begun::Answered(answer) => {
                Poll::Ready(answer.take().expect("an answer was asked for twice"))
            }
            Begun::Waits(answer) => Pin::new(answer).poll(cx),
        }
    }
}

/// Ends with what the receiver answered or, if `robust`, with its panic, which has been
/// told of by then: the send may be dropped before it gets to it.
pub(super) struct Outcome<'a, E: Event, R: 'static> {
    receiver: &'a Entry<E, R>,
    running: Result<Answer<'a, R>, Option<Failure>>,
    robust: bool,
    finished: Option<&'a AtomicBool>,
}

impl<'a, E: Event, R: 'static> Outcome<'a, E, R> {
    /// Of a future, or of the panic that came instead of one.
    pub(super) fn of(
        receiver: &'a Entry<E, R>,
        started: thread::Result<BoxFuture<'a, R>>,
        robust: bool,
    ) -> Self {
        let failed = |panic| Some(robust::failure(receiver, panic));
        Outcome {
            receiver,
            running: started.map(Answer::of).map_err(failed),
            robust,
            finished: None,
        }
    }

    /// Also notes its end.
    pub(super) fn noting(self, finished: Option<&'a AtomicBool>) -> Self {
        Outcome { finished, ..self }
    }
}

impl<E: Event, R: 'static> Future for Outcome<'_, E, R> {
    type Output = Result<R, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (robust, receiver) = (self.robust, self.receiver);
        let outcome = match &mut self.running {
            Ok(answer) if robust => {
                let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(answer).poll(cx)));
                let failed = |panic| Poll::Ready(Err(robust::failure(receiver, panic)));
                polled.map_or_else(failed, |poll| poll.map(Ok))
            }
            Ok(answer) => Pin::new(answer).poll(cx).map(Ok),
            Err(failure) => {
                let failure = failure.take();
                Poll::Ready(Err(failure.expect("a failure was asked for twice")))
            }
        };
        let outcome = ready!(outcome);
        if let Some(finished) = self.finished {
            // Relaxed: who drops the send has it after whoever polled it last, by whatever
            // hands futures from thread to thread. Row A1.
            finished.store(true, Ordering::Relaxed);
        }
        Poll::Ready(outcome)
    }
}
