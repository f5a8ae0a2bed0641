//! A request that has receivers, from its start to its end.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use fanfare::Sender;
use fanfare::watch::Context;
use fanfare_django::request::{
    ExceptionKind, GOT_REQUEST_EXCEPTION, Outcome, REQUEST_FINISHED, REQUEST_STARTED,
    RequestException, RequestFinished, RequestStarted, Stage, next_id,
};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use crate::error::{Cause, DynError};
use crate::send::{self, Waiting};

/// The sender of the signals of a layer.
#[derive(Clone)]
pub(crate) enum Who {
    /// The type that the layer sends from.
    Type(Sender<'static>),
    Name(Arc<str>),
}

impl Who {
    pub(crate) fn sender(&self) -> Sender<'_> {
        match self {
            Who::Type(sender) => *sender,
            Who::Name(name) => Sender::named(name),
        }
    }

    /// Returns `true` if any of the three signals has receivers for this sender.
    #[inline]
    pub(crate) fn has_listeners(&self) -> bool {
        REQUEST_FINISHED.from(self.sender()).has_listeners()
            || REQUEST_STARTED.from(self.sender()).has_listeners()
            || GOT_REQUEST_EXCEPTION.from(self.sender()).has_listeners()
    }
}

/// One request.
///
/// If its start was sent, its end is sent when this is dropped: once, whatever happens in between.
pub(crate) struct Followed(Option<Box<State>>);

/// An exception that is being sent. Returns its request and its cause afterwards.
pub(crate) type Sending<E> = Waiting<(Followed, Cause<E>)>;

/// An exception that has been sent, or whose receivers have to be awaited.
pub(crate) enum Reported<E> {
    Now(Followed, Cause<E>),
    Waiting(Sending<E>),
}

struct State {
    id: u64,
    who: Who,
    parts: Parts,
    began: Instant,
    phase: Phase,
    outcome: Outcome,
    stage: Stage,
    status: Option<StatusCode>,
    bytes: u64,
    /// The number of bytes that the body announced, if it is known.
    due: Option<u64>,
}

/// The signals that frame a request and that have been sent already.
enum Phase {
    Unstarted,
    Started,
    /// A task that has not run yet will send the end.
    Handed,
}

impl Followed {
    /// Follows `request`. No signal has been sent for it yet.
    pub(crate) fn new<Q>(who: Who, request: Request<Q>) -> (Self, Request<Q>) {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let state = State {
            id: next_id(),
            who,
            parts: parts.clone(),
            began,
            phase: Phase::Unstarted,
            outcome: Outcome::Aborted,
            stage: Stage::Service,
            status: None,
            bytes: 0,
            due: None,
        };
        let followed = Followed(Some(Box::new(state)));
        (followed, Request::from_parts(parts, body))
    }

    fn state(&mut self) -> &mut State {
        self.0.as_mut().expect("only the end takes the state out")
    }

    /// Sends the start if no receiver has to be awaited. Returns `true` if it sent.
    pub(crate) fn start_now(&mut self) -> bool {
        let state = self.state();
        let sent = send::now(&REQUEST_STARTED, state.sender(), &state.started());
        if sent {
            state.phase = Phase::Started;
        }
        sent
    }

    /// Sends the start.
    pub(crate) fn start(mut self) -> Waiting<Followed> {
        Waiting::on(async move {
            let state = self.state();
            // It is set before the first receiver can get the start.
            state.phase = Phase::Started;
            let started = state.started();
            let sending = REQUEST_STARTED.from(state.sender()).asend_robust(&started);
            if !send::awaited(sending).await {
                self.state().phase = Phase::Unstarted;
            }
            self
        })
    }

    /// Sends an exception. The caller acts on the cause when the exception has been sent.
    pub(crate) fn except<E: Send + Sync + 'static>(
        mut self,
        cause: Cause<E>,
        view: fn(&E) -> &DynError,
    ) -> Reported<E> {
        let state = self.state();
        match &cause {
            Cause::Error(_) => state.outcome = Outcome::Failed,
            Cause::Panic(_) => state.outcome = Outcome::Panicked,
            Cause::Application(_) => {}
        }
        if send::now(
            &GOT_REQUEST_EXCEPTION,
            state.sender(),
            &state.exception(&cause, cause.panic_message(), view),
        ) {
            return Reported::Now(self, cause);
        }
        Reported::Waiting(Waiting::on(async move {
            // A panic's payload may not be shared between threads, so its text is copied.
            let message = cause.panic_message().map(String::from);
            let state = self.state();
            let exception = state.exception(&cause, message.as_deref(), view);
            send::awaited(
                GOT_REQUEST_EXCEPTION
                    .from(state.sender())
                    .asend_robust(&exception),
            )
            .await;
            (self, cause)
        }))
    }

    /// Records the status of a response that may still have to wait for receivers.
    pub(crate) fn note_status(&mut self, status: StatusCode) {
        self.state().status = Some(status);
    }

    /// Records that the response is returned. From here on the end depends only on its body.
    pub(crate) fn responded(&mut self, expected: Expected) {
        let state = self.state();
        state.stage = Stage::Body;
        state.due = expected.bytes;
        if expected.nothing || state.needs_no_body() {
            state.outcome = Outcome::NotPolled;
        }
    }

    /// Records that the body is being polled.
    pub(crate) fn polled(&mut self) {
        let state = self.state();
        if state.outcome == Outcome::NotPolled {
            state.outcome = Outcome::Aborted;
        }
    }

    /// Records a frame of the body. After the last one a server need not ask for another.
    pub(crate) fn handed_over(&mut self, bytes: usize, is_last: bool) {
        let state = self.state();
        state.bytes += bytes as u64;
        if is_last || state.due.is_some_and(|due| state.bytes >= due) {
            state.outcome = Outcome::Sent;
        }
    }

    /// Ends the request with the whole body handed over.
    pub(crate) fn sent(mut self) {
        self.state().outcome = Outcome::Sent;
    }

    /// Ends the request, and then returns its error or resumes its panic.
    pub(crate) fn end_with<E>(self, cause: Cause<E>) -> E {
        drop(self);
        match cause {
            Cause::Error(error) => error,
            Cause::Panic(payload) => resume_unwind(payload),
            Cause::Application(_) => unreachable!("a response goes with it"),
        }
    }

    /// Sends the end. If the future is dropped before its first poll, the drop of `self` sends it.
    #[cfg(feature = "tokio")]
    async fn finish(self) {
        let state = self.over();
        send::awaited(
            REQUEST_FINISHED
                .from(state.sender())
                .asend_robust(&state.finished()),
        )
        .await;
    }

    /// Takes out the state, so that the caller sends the end.
    fn over(mut self) -> Box<State> {
        self.0.take().expect("only the end takes the state out")
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let Some(mut state) = self.0.take() else {
            return;
        };
        match mem::replace(&mut state.phase, Phase::Handed) {
            Phase::Unstarted => {}
            Phase::Started => {
                if !send::now(&REQUEST_FINISHED, state.sender(), &state.finished()) {
                    detached(Followed(Some(state)));
                }
            }
            Phase::Handed => on_a_thread(Followed(Some(state))),
        }
    }
}

/// Sends the end of a request from its destructor, which cannot await receivers. The task takes the
/// context along.
fn detached(followed: Followed) {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        // A runtime that is shutting down drops the task, and the request with it: the request's
        // destructor then finds a thread.
        runtime.spawn(Context::current().follow(followed.finish()));
        return;
    }
    on_a_thread(followed);
}

/// Sends the end of a request on a new thread, which no executor uses. The thread takes the context
/// along.
fn on_a_thread(followed: Followed) {
    let state = followed.over();
    let context = Context::current();
    let send = move || {
        let send = || {
            REQUEST_FINISHED
                .from(state.sender())
                .send_robust(&state.finished())
        };
        drop(catch_unwind(AssertUnwindSafe(|| context.enter(send))));
    };
    // If no thread can be started, there is no place left that may block.
    let _ = thread::Builder::new()
        .name("request_finished".into())
        .spawn(send);
}

impl State {
    fn sender(&self) -> Sender<'_> {
        self.who.sender()
    }

    fn started(&self) -> RequestStarted<'_> {
        RequestStarted::new(self.id, self.parts.method.as_str(), self.parts.uri.path())
            .with_request(&self.parts)
    }

    fn finished(&self) -> RequestFinished<'_> {
        let (method, path) = (self.parts.method.as_str(), self.parts.uri.path());
        RequestFinished::new(self.id, method, path, self.outcome)
            .with_request(&self.parts)
            .with_stage(self.stage)
            .with_status(self.status.map(|status| status.as_u16()))
            .with_bytes(self.bytes)
            .with_elapsed(self.began.elapsed())
    }

    fn exception<'a, E>(
        &'a self,
        cause: &'a Cause<E>,
        panic: Option<&'a str>,
        view: fn(&E) -> &DynError,
    ) -> RequestException<'a> {
        let (kind, error) = match cause {
            Cause::Error(error) => match self.stage {
                Stage::Body => (ExceptionKind::Body, Some(view(error))),
                _ => (ExceptionKind::Service, Some(view(error))),
            },
            Cause::Application(error) => (ExceptionKind::Application, Some(error.error())),
            Cause::Panic(_) => (ExceptionKind::Panic, None),
        };
        let (method, path) = (self.parts.method.as_str(), self.parts.uri.path());
        let mut exception = RequestException::new(self.id, method, path, kind)
            .with_request(&self.parts)
            .with_status(self.status.map(|status| status.as_u16()));
        if let Some(error) = error {
            exception = exception.with_error(error);
        }
        if let Some(message) = panic {
            exception = exception.with_panic_message(message);
        }
        exception
    }

    /// Returns `true` if a response to this request has no body, whatever its headers announce.
    fn needs_no_body(&self) -> bool {
        let status = self.status.unwrap_or_default();
        self.parts.method == Method::HEAD
            || (self.parts.method == Method::CONNECT && status.is_success())
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
    }
}

/// The length that a response announces.
pub(crate) struct Expected {
    nothing: bool,
    bytes: Option<u64>,
}

impl Expected {
    pub(crate) fn of<B: Body>(response: &Response<B>) -> Self {
        let bytes = response.body().size_hint().exact().or_else(|| {
            let announced = response.headers().get(CONTENT_LENGTH)?;
            announced.to_str().ok()?.parse().ok()
        });
        Expected {
            nothing: bytes == Some(0) || response.body().is_end_stream(),
            bytes,
        }
    }
}
