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
use crate::followed::{Expected, Followed, Telling, Told};
use crate::send::Waiting;

pin_project! {
    /// The future of a [`SignalService`](crate::SignalService).
    ///
    /// Dropped before it is ready, it drops the service's own future and then sends
    /// `request_finished`, as aborted. A panic of the service leaves `poll` after the signals
    /// have been sent.
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
        /// Async receivers of `request_started` run; the service has not been called.
        Starting {
            starting: Waiting<Followed>,
            call: Option<(S, Request<Q>)>,
        },
        Running {
            #[pin]
            future: F,
            followed: Option<Followed>,
        },
        /// Async receivers of `got_request_exception` run; their cause goes on afterwards.
        Telling {
            telling: Telling<E>,
            response: Option<(Expected, Response<B>)>,
        },
        Done,
    }
}

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

    /// Of a call that panicked.
    pub(crate) fn panicked(told: Told<S::Error>, views: Views<S::Error, B::Error>) -> Self {
        let state = match told {
            Told::Now(followed, cause) => {
                // An error here would be lost, but a call has none.
                let _ = followed.end_with(cause);
                State::Done
            }
            Told::Waiting(telling) => State::Telling {
                telling,
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
            let (told, response) = match this.state.as_mut().project() {
                Projected::Starting { starting, call } => {
                    let followed = ready!(starting.poll(cx));
                    let (mut service, request) = call.take().expect("called once");
                    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
                        Ok(future) => {
                            let followed = Some(followed);
                            this.state.set(State::Running { future, followed });
                            continue;
                        }
                        Err(panic) => (followed.except(Cause::Panic(panic), views.service), None),
                    }
                }
                Projected::Running { future, followed } => {
                    let Some(_) = followed else {
                        let response = ready!(future.poll(cx))?;
                        return Poll::Ready(Ok(
                            response.map(|body| SignalBody::passed(body, views.body))
                        ));
                    };
                    let poll = || {
                        let polled = future.poll(cx);
                        polled.map_ok(|response| (Expected::of(&response), response))
                    };
                    let polled = match catch_unwind(AssertUnwindSafe(poll)) {
                        Ok(polled) => Ok(ready!(polled)),
                        Err(panic) => Err(panic),
                    };
                    let mut followed = followed.take().expect("it was looked at");
                    match polled {
                        Ok(Ok((expected, response))) => {
                            followed.answered(response.status());
                            let Some(error) = RequestError::attached_to(&response) else {
                                this.state.set(State::Done);
                                return Poll::Ready(Ok(respond(
                                    followed, expected, response, views,
                                )));
                            };
                            let told = followed.except(Cause::Application(error), views.service);
                            (told, Some((expected, response)))
                        }
                        Ok(Err(error)) => {
                            (followed.except(Cause::Error(error), views.service), None)
                        }
                        Err(panic) => (followed.except(Cause::Panic(panic), views.service), None),
                    }
                }
                Projected::Telling { telling, response } => {
                    let (followed, cause) = ready!(telling.poll(cx));
                    (Told::Now(followed, cause), response.take())
                }
                Projected::Done => panic!("`SignalFuture` polled after it was ready"),
            };
            match told {
                Told::Waiting(telling) => this.state.set(State::Telling { telling, response }),
                Told::Now(followed, cause) => {
                    this.state.set(State::Done);
                    return Poll::Ready(match response {
                        Some((expected, response)) => {
                            Ok(respond(followed, expected, response, views))
                        }
                        None => Err(followed.end_with(cause)),
                    });
                }
            }
        }
    }
}

fn respond<B: Body, E>(
    mut followed: Followed,
    expected: Expected,
    response: Response<B>,
    views: Views<E, B::Error>,
) -> Response<SignalBody<B>> {
    followed.responded(expected);
    response.map(|body| SignalBody::followed(body, followed, views.body))
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
            State::Telling { .. } => "telling",
            State::Done => "done",
        };
        f.debug_struct("SignalFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
