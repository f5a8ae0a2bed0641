//! Waiting for several receivers at once.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_concurrency::future::{Join, TryJoin};
use futures_util::future::{join_all, try_join_all};
use pin_project_lite::pin_project;

use super::outcome::{Cause, Outcome, Round, Stop};
use crate::event::Event;
use crate::receiver_panic::ReceiverPanic;

/// The number of futures from which on `futures-concurrency`, which polls only the futures that
/// were woken, is faster than `join_all`.
pub(super) const MANY: usize = 31;

/// Waits for all futures, and returns their outputs in their order.
pub(super) async fn join<F: Future>(
    mut futures: impl ExactSizeIterator<Item = F>,
) -> Vec<F::Output> {
    match futures.len() {
        0 => Vec::new(),
        1 => vec![futures.next().expect("the list has one future").await],
        2..MANY => join_all(futures).await,
        _ => futures.collect::<Vec<_>>().join().await,
    }
}

/// Waits for all futures, and returns their responses in their order. At the first response that
/// `split` calls an error, or at the first panic, it drops the other futures and returns the
/// failure. Each of the futures has been polled by then.
pub(super) async fn join_unless<'a, E: Event, R: 'static, T, X>(
    futures: impl ExactSizeIterator<Item = Outcome<'a, E, R>>,
    split: fn(R) -> Result<T, X>,
) -> Result<Vec<T>, Stop<X>> {
    let round = Round::of(futures.len());
    let futures = futures.map(|future| future.split(split, &round));
    match futures.len() {
        ..MANY => try_join_all(futures).await,
        _ => futures.collect::<Vec<_>>().try_join().await,
    }
}

/// Waits for all futures, and returns their responses in their order. At the first panic, it drops
/// the other futures and returns the panic.
pub(super) async fn join_unless_panic<'a, E: Event, R: 'static>(
    futures: impl ExactSizeIterator<Item = Outcome<'a, E, R>>,
) -> Result<Vec<R>, ReceiverPanic> {
    let joined = join_unless(futures, Ok::<_, Infallible>).await;
    joined.map_err(|stop| match stop.cause {
        Cause::Panic(failure) => failure,
        Cause::Error(never) => match never {},
    })
}

pin_project! {
    /// A future whose parts have all been polled just now, so that its own first poll has no work
    /// to do.
    pub(super) struct Polled<F> {
        #[pin]
        future: F,
        is_over: bool,
    }
}

impl<F> Polled<F> {
    pub(super) fn once(future: F) -> Self {
        Polled {
            future,
            is_over: false,
        }
    }
}

impl<F: Future> Future for Polled<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if mem::replace(this.is_over, true) {
            this.future.poll(cx)
        } else {
            Poll::Pending
        }
    }
}
