//! The future of a response.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::SignalBody;
use crate::error::{Cause, RequestError, Views};
use crate::followed::{Expected, Followed, Reported, Sending};
use crate::send::Waiting;

pin_project! {
    /// The future of a [`SignalService`](crate::SignalService).
    ///
    /// If it is dropped before it is ready, it drops the service's future and then sends
    /// `request_finished`, as aborted. A panic of the service leaves `poll` after the signals have
    /// been sent.
    pub struct SignalFuture<S, Q, B>
    where
        S: Service<Request<Q>>,
        B: Body,
    {
        #[pin]
        state: State<S, Q, B, S::Future, S::Error>,
        views: Views<S::Error, B::Error>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, Q, B, F, E> {
        /// Async receivers of `request_started` run. The service has not been called.
        Starting {
            starting: Waiting<Followed>,
            call: Option<(S, Request<Q>)>,
        },
        Running {
            #[pin]
            future: F,
            followed: Option<Followed>,
        },
        /// Async receivers of `got_request_exception` run. Afterwards the cause is returned.
        Sending {
            sending: Sending<E>,
            response: Option<ExpectedResponse<B>>,
        },
        Done,
    }
}

/// The response of a service, with the length that it announces.
type ExpectedResponse<B> = (Expected, Response<B>);

impl<S, Q, B> SignalFuture<S, Q, B>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Send + Sync + 'static,
    B: Body,
{
    pub(crate) fn running(
        future: S::Future,
        followed: Option<Followed>,
        views: Views<S::Error, B::Error>,
    ) -> Self {
        let state = State::Running { future, followed };
        SignalFuture { state, views }
    }

    pub(crate) fn starting(
        starting: Waiting<Followed>,
        service: S,
        request: Request<Q>,
        views: Views<S::Error, B::Error>,
    ) -> Self {
        let call = Some((service, request));
        let state = State::Starting { starting, call };
        SignalFuture { state, views }
    }

    /// Makes the future of a call that panicked.
    pub(crate) fn panicked(reported: Reported<S::Error>, views: Views<S::Error, B::Error>) -> Self {
        let state = match reported {
            Reported::Now(followed, cause) => {
                // An error would be lost here, but a call that panicked has no error.
                let _ = followed.end_with(cause);
                State::Done
            }
            Reported::Waiting(sending) => State::Sending {
                sending,
                response: None,
            },
        };
        SignalFuture { state, views }
    }
}

impl<S, Q, B> Future for SignalFuture<S, Q, B>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Send + Sync + 'static,
    B: Body,
{
    type Output = Result<Response<SignalBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let views = *this.views;
        loop {
            let next = match this.state.as_mut().project() {
                Projected::Starting { starting, call } => {
                    let followed = ready!(starting.poll(cx));
                    let (mut service, request) = call.take().expect("called once");
                    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
                        Ok(future) => {
                            let followed = Some(followed);
                            this.state.set(State::Running { future, followed });
                            continue;
                        }
                        Err(panic) => except(followed, Err(Cause::Panic(panic)), views),
                    }
                }
                Projected::Running { future, followed } => {
                    if followed.is_none() {
                        let response = ready!(future.poll(cx))?;
                        let passed = response.map(|body| SignalBody::passed(body, views.body));
                        return Poll::Ready(Ok(passed));
                    }
                    let polled = ready!(poll_service(future, cx));
                    let followed = followed.take().expect("the request is followed");
                    except(followed, polled, views)
                }
                Projected::Sending { sending, response } => {
                    let (followed, cause) = ready!(sending.poll(cx));
                    Next::Finish(followed, response.take().ok_or(cause))
                }
                Projected::Done => panic!("`SignalFuture` polled after it was ready"),
            };
            match next {
                Next::Wait(sending, response) => {
                    this.state.set(State::Sending { sending, response });
                }
                Next::Finish(followed, result) => {
                    this.state.set(State::Done);
                    return Poll::Ready(match result {
                        Ok(response) => Ok(respond(followed, response, views)),
                        Err(cause) => Err(followed.end_with(cause)),
                    });
                }
            }
        }
    }
}

/// The step after a service's result.
enum Next<B, E> {
    /// Async receivers of `got_request_exception` run. Afterwards the caller gets the response, or
    /// the cause if there is no response.
    Wait(Sending<E>, Option<ExpectedResponse<B>>),
    /// The caller gets the result.
    Finish(Followed, Result<ExpectedResponse<B>, Cause<E>>),
}

/// Sends the exception of a service's result, if it has one.
fn except<B: Body, E: Send + Sync + 'static>(
    mut followed: Followed,
    result: Result<ExpectedResponse<B>, Cause<E>>,
    views: Views<E, B::Error>,
) -> Next<B, E> {
    let (cause, response) = match result {
        Ok((expected, response)) => {
            followed.note_status(response.status());
            let Some(error) = RequestError::attached_to(&response) else {
                return Next::Finish(followed, Ok((expected, response)));
            };
            (Cause::Application(error), Some((expected, response)))
        }
        Err(cause) => (cause, None),
    };
    match followed.except(cause, views.service) {
        Reported::Now(followed, cause) => Next::Finish(followed, response.ok_or(cause)),
        Reported::Waiting(sending) => Next::Wait(sending, response),
    }
}

/// Makes the response that the caller gets.
fn respond<B: Body, E>(
    mut followed: Followed,
    (expected, response): ExpectedResponse<B>,
    views: Views<E, B::Error>,
) -> Response<SignalBody<B>> {
    followed.responded(expected);
    response.map(|body| SignalBody::followed(body, followed, views.body))
}

/// Polls the future of a service, and catches its panic.
fn poll_service<F, B, E>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Result<ExpectedResponse<B>, Cause<E>>>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    let poll = || {
        let polled = future.poll(cx);
        polled.map_ok(|response| (Expected::of(&response), response))
    };
    match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(polled) => polled.map_err(Cause::Error),
        Err(panic) => Poll::Ready(Err(Cause::Panic(panic))),
    }
}

impl<S, Q, B> fmt::Debug for SignalFuture<S, Q, B>
where
    S: Service<Request<Q>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Starting { .. } => "starting",
            State::Running { .. } => "running",
            State::Sending { .. } => "telling",
            State::Done => "done",
        };
        f.debug_struct("SignalFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
