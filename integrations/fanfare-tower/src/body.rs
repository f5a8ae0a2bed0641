//! The body of a response.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::error::{Cause, DynError};
use crate::followed::{Followed, Reported, Sending};

pin_project! {
    /// The body of a response from a [`SignalService`](crate::SignalService).
    ///
    /// Frames, trailers, size and end are those of the body inside. `request_finished` is sent when
    /// the body inside has ended, or when this body is dropped. In the second case it is sent after
    /// the body inside has been dropped.
    pub struct SignalBody<B: Body> {
        #[pin]
        inner: B,
        followed: Option<Followed>,
        // Async receivers of `got_request_exception` run. Afterwards the cause is returned.
        sending: Option<Sending<B::Error>>,
        view: fn(&B::Error) -> &DynError,
    }
}

impl<B: Body> SignalBody<B> {
    pub(crate) fn passed(inner: B, view: fn(&B::Error) -> &DynError) -> Self {
        SignalBody {
            inner,
            followed: None,
            sending: None,
            view,
        }
    }

    pub(crate) fn followed(inner: B, followed: Followed, view: fn(&B::Error) -> &DynError) -> Self {
        SignalBody {
            followed: Some(followed),
            ..SignalBody::passed(inner, view)
        }
    }

    /// Returns the body inside.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }
}

impl<B: Body> Body for SignalBody<B>
where
    B::Error: Send + Sync + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if let Some(sending) = this.sending {
            let (followed, cause) = ready!(sending.poll(cx));
            *this.sending = None;
            return Poll::Ready(Some(Err(followed.end_with(cause))));
        }
        let Some(followed) = this.followed else {
            return this.inner.poll_frame(cx);
        };
        followed.polled();
        let cause = match ready!(poll_inner(this.inner.as_mut(), cx)) {
            Ok(Some((frame, bytes, is_last))) => {
                followed.handed_over(bytes, is_last);
                return Poll::Ready(Some(Ok(frame)));
            }
            Ok(None) => {
                if let Some(followed) = this.followed.take() {
                    followed.sent();
                }
                return Poll::Ready(None);
            }
            Err(cause) => cause,
        };
        let followed = this.followed.take().expect("the request is followed");
        match followed.except(cause, *this.view) {
            Reported::Now(followed, cause) => Poll::Ready(Some(Err(followed.end_with(cause)))),
            Reported::Waiting(mut sending) => {
                let polled = sending.poll(cx);
                let Poll::Ready((followed, cause)) = polled else {
                    *this.sending = Some(sending);
                    return Poll::Pending;
                };
                Poll::Ready(Some(Err(followed.end_with(cause))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sending.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The next frame of a body, with the number of its bytes and `true` if it is the last one.
type NextFrame<B> =
    Result<Option<(Frame<<B as Body>::Data>, usize, bool)>, Cause<<B as Body>::Error>>;

/// Polls a body for its next frame, and catches its panic.
fn poll_inner<B: Body>(mut inner: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<NextFrame<B>> {
    let poll = || {
        let polled = inner.as_mut().poll_frame(cx);
        polled.map_ok(|frame| {
            let bytes = frame.data_ref().map_or(0, Buf::remaining);
            let is_last = frame.is_trailers() || inner.is_end_stream();
            (frame, bytes, is_last)
        })
    };
    match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(polled) => polled.map(|frame| frame.transpose().map_err(Cause::Error)),
        Err(panic) => Poll::Ready(Err(Cause::Panic(panic))),
    }
}

impl<B: Body> fmt::Debug for SignalBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalBody")
            .field(
                "is_followed",
                &(self.followed.is_some() || self.sending.is_some()),
            )
            .finish_non_exhaustive()
    }
}
