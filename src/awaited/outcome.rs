//! The outcome of one async receiver in a send.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;

use crate::event::Event;
use crate::id::ReceiverId;
use crate::lock::lock;
use crate::panic_report;
use crate::receiver::Entry;
use crate::receiver::future::{BoxFuture, ResponseFuture};
use crate::receiver_panic::ReceiverPanic;
use crate::turn::catch;

type Panic = Box<dyn Any + Send>;

/// A receiver's future after its first poll.
pub(super) enum Begun<'a, R> {
    Responded(Option<R>),
    Waits(ResponseFuture<'a, R>),
}

// A response is never pinned.
impl<R> Unpin for Begun<'_, R> {}

impl<R> Future for Begun<'_, R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        match self.get_mut() {
            Begun::Responded(response) => {
                Poll::Ready(response.take().expect("a response was taken twice"))
            }
            Begun::Waits(response) => Pin::new(response).poll(cx),
        }
    }
}

/// A future that ends with the response of the receiver or with its panic. If the send is robust,
/// the panic has been reported by then, because the send may be dropped before it reads the
/// outcome.
pub(super) struct Outcome<'a, E: Event, R: 'static> {
    receiver: &'a Entry<E, R>,
    running: Result<ResponseFuture<'a, R>, Option<ReceiverPanic>>,
    robust: bool,
    finished: Option<&'a AtomicBool>,
}

impl<'a, E: Event, R: 'static> Outcome<'a, E, R> {
    /// Wraps the future of a receiver, or the panic that came instead of a future.
    pub(super) fn of(
        receiver: &'a Entry<E, R>,
        started: thread::Result<BoxFuture<'a, R>>,
        robust: bool,
    ) -> Self {
        let failed = |panic| Some(failure(receiver, panic, robust));
        Outcome {
            receiver,
            running: started.map(ResponseFuture::of).map_err(failed),
            robust,
            finished: None,
        }
    }

    /// Sets the place where the future notes its end.
    pub(super) fn noting(self, finished: Option<&'a AtomicBool>) -> Self {
        Outcome { finished, ..self }
    }
}

/// Converts the panic of a receiver into a failure. A robust send catches the panic, so it is
/// reported.
fn failure<E: Event, R: 'static>(
    receiver: &Entry<E, R>,
    panic: Panic,
    robust: bool,
) -> ReceiverPanic {
    if robust {
        catch::failure(receiver, panic)
    } else {
        ReceiverPanic::new(receiver.id(), receiver.name(), panic)
    }
}

impl<E: Event, R: 'static> Future for Outcome<'_, E, R> {
    type Output = Result<R, ReceiverPanic>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (robust, receiver) = (self.robust, self.receiver);
        let outcome = match &mut self.running {
            Ok(response) => {
                let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(response).poll(cx)));
                let failed = |panic| Poll::Ready(Err(failure(receiver, panic, robust)));
                polled.map_or_else(failed, |poll| poll.map(Ok))
            }
            Err(failure) => {
                let failure = failure.take();
                Poll::Ready(Err(failure.expect("a failure was asked for twice")))
            }
        };
        let outcome = ready!(outcome);
        // A panic that travels is not an end that other code can see.
        let ended = outcome.is_ok() || robust;
        if let Some(finished) = self.finished.filter(|_| ended) {
            // Relaxed: the thread that drops the send has it after the thread that polled it last,
            // by whatever synchronization hands futures from thread to thread. Row A1.
            finished.store(true, Ordering::Relaxed);
        }
        Poll::Ready(outcome)
    }
}

/// The reason why a send stops at a receiver.
pub(super) enum Cause<X> {
    Panic(ReceiverPanic),
    Error(X),
}

/// A receiver at which a send stops.
pub(super) struct Stop<X> {
    pub(super) receiver: ReceiverId,
    pub(super) cause: Cause<X>,
}

/// The first polls of the receivers of one send. A failure in one of them travels only when each
/// receiver has been polled.
///
/// A combinator polls all its futures, one after the other, in its own first poll. It stops at the
/// first failure. So a failure waits here, and the receiver that is polled last returns it.
pub(super) struct Round<X>(Mutex<FirstPolls<X>>);

struct FirstPolls<X> {
    /// The number of receivers that have not been polled.
    left: usize,
    /// The first failure.
    stop: Option<Stop<X>>,
}

impl<X> Round<X> {
    pub(super) fn of(receivers: usize) -> Self {
        Round(Mutex::new(FirstPolls {
            left: receivers,
            stop: None,
        }))
    }

    /// Notes a first poll that ended with `failed`, if it failed. Returns the failure that the
    /// send stops with, if each receiver has been polled now, and a failure that came later in the
    /// round than that one.
    fn note(&self, failed: Option<Stop<X>>) -> [Option<Stop<X>>; 2] {
        let mut first = lock(&self.0);
        first.left -= 1;
        let mut later = None;
        if first.stop.is_none() {
            first.stop = failed;
        } else {
            later = failed;
        }
        let stop = if first.left == 0 {
            first.stop.take()
        } else {
            None
        };
        [stop, later]
    }
}

/// A future that ends with the result of `split` for the response of a receiver, or with its panic.
pub(super) struct Fallible<'a, 'r, E: Event, R: 'static, T, X> {
    outcome: Outcome<'a, E, R>,
    split: fn(R) -> Result<T, X>,
    /// Set until the first poll.
    round: Option<&'r Round<X>>,
}

impl<'a, E: Event, R: 'static> Outcome<'a, E, R> {
    pub(super) fn split<'r, T, X>(
        self,
        split: fn(R) -> Result<T, X>,
        round: &'r Round<X>,
    ) -> Fallible<'a, 'r, E, R, T, X> {
        Fallible {
            outcome: self,
            split,
            round: Some(round),
        }
    }
}

impl<E: Event, R: 'static, T, X> Future for Fallible<'_, '_, E, R, T, X> {
    type Output = Result<T, Stop<X>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let receiver = this.outcome.receiver;
        let stop = |cause| Stop {
            receiver: receiver.id(),
            cause,
        };
        let polled = Pin::new(&mut this.outcome).poll(cx).map(|ended| {
            let response = ended.map_err(|failure| stop(Cause::Panic(failure)))?;
            (this.split)(response).map_err(|error| stop(Cause::Error(error)))
        });
        let Some(round) = this.round.take() else {
            return polled;
        };
        let (polled, failed) = match polled {
            Poll::Ready(Err(stop)) => (Poll::Pending, Some(stop)),
            polled => (polled, None),
        };
        let [stop, later] = round.note(failed);
        if let Some(Cause::Panic(failure)) = later.map(|later| later.cause) {
            ignore(receiver, failure.into_panic());
        }
        match stop {
            Some(stop) => Poll::Ready(Err(stop)),
            None => polled,
        }
    }
}

/// Reports a panic that does not travel, because the panic of another receiver does.
pub(super) fn ignore<E: Event, R: 'static>(receiver: &Entry<E, R>, panic: Panic) {
    panic_report::receiver_panicked(receiver.id(), &receiver.name(), &*panic);
    panic_report::discard(panic);
}
