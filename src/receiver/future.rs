//! The future of an async receiver.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::panic_report;

/// The future that an async receiver returns. It is boxed, and can move between threads.
///
/// `Box::pin(async move { .. })` makes one. It may borrow the sender and the event.
pub type BoxFuture<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

/// A future that ends with the response of the receiver.
pub(crate) struct ResponseFuture<'a, R>(Option<BoxFuture<'a, R>>);

impl<'a, R> ResponseFuture<'a, R> {
    pub(crate) fn of(future: BoxFuture<'a, R>) -> Self {
        ResponseFuture(Some(future))
    }
}

impl<R> Future for ResponseFuture<'_, R> {
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let future = self.0.as_mut();
        let future = future.expect("a receiver's future was polled after its end");
        let response = ready!(future.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(response)
    }
}

impl<R> Drop for ResponseFuture<'_, R> {
    /// Drops the future. Several are dropped in a row if a send is cancelled, and a panic of one
    /// future's destructor must not meet that of another.
    #[inline]
    fn drop(&mut self) {
        let Some(future) = self.0.take() else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            panic_report::future_panicked(panic);
        }
    }
}
