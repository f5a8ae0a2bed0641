//! The signals of a request: it starts, it may fail, it ends.
//!
//! `fanfare-tower` sends these for any tower service (axum, hyper, tonic). A server of another kind
//! sends them itself. [`next_id`] gives a request its number, and each event has a constructor.
//!
//! ```
//! use fanfare::Sender;
//! use fanfare_django::request::{
//!     Outcome, REQUEST_FINISHED, REQUEST_STARTED, RequestFinished, RequestStarted, next_id,
//! };
//! use std::sync::Mutex;
//!
//! static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
//! REQUEST_FINISHED.connect(|_sender, request| {
//!     let (method, path) = (request.method(), request.path());
//!     LOG.lock().unwrap().push(format!("{method} {path} {:?}", request.outcome()));
//! });
//!
//! // A server of our own:
//! struct Gopher;
//! let id = next_id();
//! REQUEST_STARTED.from(Sender::of::<Gopher>()).send(&RequestStarted::new(id, "GET", "/menu"));
//! let finished = RequestFinished::new(id, "GET", "/menu", Outcome::Sent).with_bytes(120);
//! REQUEST_FINISHED.from(Sender::of::<Gopher>()).send(&finished);
//! assert_eq!(*LOG.lock().unwrap(), ["GET /menu Sent"]);
//! ```

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare::{Event, Signal};

/// Sent when a request's head has arrived, before anything else is done about the request.
///
/// - **Sender**: `Sender::of::<fanfare_tower::SignalLayer>()`, or the name that the layer was
///   given.
/// - **When**: the layer of `fanfare-tower` sends it before it calls the service that it wraps. The
///   body has not been read. Receivers that an async send awaits are awaited first. It comes before
///   the request's other signals. Requests that run at the same time have no order among each
///   other. [`id`](RequestStarted::id) distinguishes them.
/// - **Errors**: it is sent robustly. A receiver that panics stops neither the other receivers nor
///   the request.
/// - **Django**: it sends its signal with the handler class as the sender and `environ` or `scope`
///   as the argument. Over ASGI it sends it only after the body has been read. Here
///   [`request`](RequestStarted::request) returns the server's request, by its type.
///
/// ```
/// use fanfare_django::request::{REQUEST_STARTED, RequestStarted, next_id};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// static POSTS: AtomicUsize = AtomicUsize::new(0);
/// REQUEST_STARTED.connect(|_sender, request| {
///     POSTS.fetch_add(usize::from(request.method() == "POST"), Ordering::Relaxed);
/// });
/// for method in ["GET", "POST"] {
///     REQUEST_STARTED.send(&RequestStarted::new(next_id(), method, "/"));
/// }
/// assert_eq!(POSTS.load(Ordering::Relaxed), 1);
/// ```
pub static REQUEST_STARTED: Signal<RequestStarted<'static>> = Signal::new();

/// Sent when a request has ended, in whatever way.
///
/// - **Sender**: the sender of [`REQUEST_STARTED`].
/// - **When**: the layer of `fanfare-tower` sends it once for each [`REQUEST_STARTED`]. It does so
///   when the last of the response's body has been handed to the server, or when the server drops
///   the response, or the service's future, before that. The [`outcome`](RequestFinished::outcome)
///   distinguishes these. It does not imply that the client got anything. It is the last of the
///   request's signals, and comes after all receivers of [`GOT_REQUEST_EXCEPTION`] have returned.
///   It is often sent from a destructor, so receivers must not rely on the thread or the task that
///   they run in.
/// - **Errors**: it is sent robustly.
/// - **Django**: it sends it from `response.close()`, and again if that is called again.
///   `fanfare-tower` sends it once.
///
/// The signal does not mean that the client has the response: see [`Outcome::Sent`]. A request that
/// is under way when the process ends has no end.
///
/// ```
/// use fanfare_django::request::{Outcome, REQUEST_FINISHED, RequestFinished, next_id};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// static BYTES: AtomicU64 = AtomicU64::new(0);
/// REQUEST_FINISHED.connect(|_sender, request| {
///     BYTES.fetch_add(request.bytes(), Ordering::Relaxed);
/// });
/// let finished = RequestFinished::new(next_id(), "GET", "/", Outcome::Sent).with_bytes(512);
/// REQUEST_FINISHED.from("blog").send(&finished);
/// assert_eq!(BYTES.load(Ordering::Relaxed), 512);
/// ```
pub static REQUEST_FINISHED: Signal<RequestFinished<'static>> = Signal::new();

/// Sent when a request fails and the service has not handled the failure.
///
/// - **Sender**: the sender of [`REQUEST_STARTED`].
/// - **When**: the layer of `fanfare-tower` sends it when the service that it wraps returns an
///   error or panics, when the response's body does, and when a handler has left an error in the
///   response's extensions. It is sent after [`REQUEST_STARTED`], before [`REQUEST_FINISHED`], and
///   before the failure reaches anything outside of the layer. One request can have two: an error
///   that the handler left, and then an error of the body.
/// - **Errors**: it is sent robustly. Afterwards the error or panic continues unchanged.
/// - **Django**: it sends it for exceptions that no view has caught, before it makes the response
///   with status 500. Its sender is always `None`, so connect a receiver for any sender if it is to
///   get the exceptions of every request, as there. A web framework in Rust turns an error into a
///   response by itself, inside the handler. An error that it does not leave in the extensions
///   reaches no receiver.
///
/// ```
/// use fanfare_django::request::{
///     ExceptionKind, GOT_REQUEST_EXCEPTION, RequestException, next_id,
/// };
/// use std::sync::Mutex;
///
/// static ALARMS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// GOT_REQUEST_EXCEPTION.connect(|_sender, exception| {
///     ALARMS.lock().unwrap().push(exception.to_string());
/// });
/// let error = std::io::Error::other("the disk is full");
/// let exception = RequestException::new(next_id(), "PUT", "/file", ExceptionKind::Service)
///     .with_error(&error);
/// GOT_REQUEST_EXCEPTION.send(&exception);
/// assert_eq!(*ALARMS.lock().unwrap(), ["PUT /file: service error: the disk is full"]);
/// ```
pub static GOT_REQUEST_EXCEPTION: Signal<RequestException<'static>> = Signal::new();

fanfare::signals!(REQUEST_STARTED, REQUEST_FINISHED, GOT_REQUEST_EXCEPTION);

/// Returns the number of a new request: 1 for the first, and never the same number twice in one
/// process.
///
/// It does one atomic addition, which all threads share.
///
/// ```
/// use fanfare_django::request::next_id;
///
/// assert_ne!(next_id(), next_id());
/// ```
pub fn next_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only the atomicity of the addition matters. Row S1.
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The way in which a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole body was handed to the server. It may still be in a buffer there, and the client
    /// may be gone. 64 MiB in one chunk count as sent while their first bytes are on their way.
    Sent,
    /// There was no body to hand over, and the server did not ask for one. The response is to
    /// `HEAD`, has status 204 or 304, or has an empty body. It is the usual end of such a response,
    /// and not a failure.
    NotPolled,
    /// The service's future or the response was dropped before its end. The client has left, a
    /// timeout has expired, or a layer outside has replaced the body.
    Aborted,
    /// The service or the body returned an error.
    Failed,
    /// The service or the body panicked.
    Panicked,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Sent => "sent",
            Outcome::NotPolled => "not polled",
            Outcome::Aborted => "aborted",
            Outcome::Failed => "failed",
            Outcome::Panicked => "panicked",
        })
    }
}

/// The stage that a request had reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The service had not responded yet, or its response was waiting for receivers.
    Service,
    /// The response was returned, and its body was under way.
    Body,
}

/// The kind of a [`RequestException`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExceptionKind {
    /// The service returned an error in place of a response.
    Service,
    /// The response's body returned an error.
    Body,
    /// The service or the body panicked.
    Panic,
    /// The handler made a response of an error, and attached the error to it.
    Application,
}

impl fmt::Display for ExceptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExceptionKind::Service => "service error",
            ExceptionKind::Body => "body error",
            ExceptionKind::Panic => "panic",
            ExceptionKind::Application => "application error",
        })
    }
}

/// The properties of a request that all three events have.
#[derive(Clone, Copy)]
struct About<'a> {
    id: u64,
    method: &'a str,
    path: &'a str,
    request: Option<&'a (dyn Any + Send + Sync)>,
}

macro_rules! about_the_request {
    ($event:ident $(, $last:literal)?) => {
        impl Event for $event<'static> {
            type Args<'a> = $event<'a>;
        }

        impl<'a> $event<'a> {
            /// Returns the request's number, the same in all of its events: see [`next_id`].
            pub fn id(&self) -> u64 {
                self.about.id
            }

            /// Returns the method, in capitals as it came: `"GET"`.
            pub fn method(&self) -> &'a str {
                self.about.method
            }

            /// Returns the path without the query, as the emitter got it.
            ///
            /// A router outside of the emitter may have cut off a prefix, as axum's `Router::nest`
            /// does: inside of `nest("/shop", ..)` it is `/tea` for `/shop/tea`. A layer on the
            /// outer router has the whole path. Otherwise it is in the extensions of the
            /// [`request`](Self::request), as `axum::extract::OriginalUri`.
            pub fn path(&self) -> &'a str {
                self.about.path
            }

            /// Returns the emitter's request, if it has one and it is a `T`.
            ///
            /// `fanfare-tower` gives `http::request::Parts`. It is a copy of the head as it came,
            /// with the extensions that the layers outside of it had added by then.
            ///
            /// ```
            /// use fanfare_django::request::*;
            ///
            /// struct Head {
            ///     secure: bool,
            /// }
            #[doc = concat!("fn is_secure(event: &", stringify!($event), "<'_>) -> bool {")]
            ///     event.request::<Head>().is_some_and(|head| head.secure)
            /// }
            ///
            #[doc = concat!("let event = ", stringify!($event), "::new(1, \"GET\", \"/\"", $($last,)? ");")]
            /// assert!(!is_secure(&event));
            /// assert!(is_secure(&event.with_request(&Head { secure: true })));
            /// ```
            pub fn request<T: Any>(&self) -> Option<&'a T> {
                self.about.request?.downcast_ref()
            }

            /// Sets the request that [`request`](Self::request) returns.
            #[must_use]
            pub fn with_request<T: Any + Send + Sync>(mut self, request: &'a T) -> Self {
                self.about.request = Some(request);
                self
            }
        }
    };
}

about_the_request!(RequestStarted);
about_the_request!(RequestFinished, ", Outcome::Sent");
about_the_request!(RequestException, ", ExceptionKind::Body");

/// The event of [`REQUEST_STARTED`].
#[derive(Clone, Copy)]
pub struct RequestStarted<'a> {
    about: About<'a>,
}

impl<'a> RequestStarted<'a> {
    /// Returns the start of the request with this number, for emitters.
    pub fn new(id: u64, method: &'a str, path: &'a str) -> Self {
        RequestStarted {
            about: About::new(id, method, path),
        }
    }
}

/// The event of [`REQUEST_FINISHED`].
#[derive(Clone, Copy)]
pub struct RequestFinished<'a> {
    about: About<'a>,
    outcome: Outcome,
    stage: Stage,
    status: Option<u16>,
    bytes: u64,
    elapsed: Duration,
}

impl<'a> RequestFinished<'a> {
    /// Returns the end of the request with this number, for emitters.
    ///
    /// Until they are set, the stage is that of the body, there is no status, and the bytes and the
    /// time are zero.
    pub fn new(id: u64, method: &'a str, path: &'a str, outcome: Outcome) -> Self {
        RequestFinished {
            about: About::new(id, method, path),
            outcome,
            stage: Stage::Body,
            status: None,
            bytes: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// Returns the way in which it ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the stage that it had reached.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns the response's status, or `None` if there was no response.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the number of bytes of the body that were handed over, without trailers.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the time from before the start was sent to the end.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Sets the stage.
    #[must_use]
    pub fn with_stage(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }

    /// Sets the number of bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets the time.
    #[must_use]
    pub fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }
}

/// The event of [`GOT_REQUEST_EXCEPTION`].
///
/// It displays as one line: `GET /file: service error: the disk is full`.
#[derive(Clone, Copy)]
pub struct RequestException<'a> {
    about: About<'a>,
    kind: ExceptionKind,
    status: Option<u16>,
    error: Option<&'a (dyn Error + Send + Sync + 'static)>,
    panic: Option<&'a str>,
}

impl<'a> RequestException<'a> {
    /// Returns an exception of the request with this number, for emitters.
    pub fn new(id: u64, method: &'a str, path: &'a str, kind: ExceptionKind) -> Self {
        RequestException {
            about: About::new(id, method, path),
            kind,
            status: None,
            error: None,
            panic: None,
        }
    }

    /// Returns its kind.
    pub fn kind(&self) -> ExceptionKind {
        self.kind
    }

    /// Returns the response's status, if there is a response already.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the error, or `None` for a panic. [`error_as`](Self::error_as) returns it with its
    /// type.
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.error.map(|error| error as &(dyn Error + 'static))
    }

    /// Returns the error, or the first of its [`source`](Error::source)s, that is an `E`.
    ///
    /// A framework may have the handler's error inside an error of its own, as `axum::Error` has
    /// the error of a body.
    ///
    /// ```
    /// use fanfare_django::request::{ExceptionKind, RequestException};
    /// use std::io;
    /// use std::str::Utf8Error;
    ///
    /// let not_text = String::from_utf8(vec![0xff]).unwrap_err().utf8_error();
    /// let error = io::Error::new(io::ErrorKind::InvalidData, not_text);
    /// let exception =
    ///     RequestException::new(1, "PUT", "/", ExceptionKind::Service).with_error(&error);
    ///
    /// assert_eq!(exception.error_as::<io::Error>().unwrap().kind(), io::ErrorKind::InvalidData);
    /// assert_eq!(exception.error_as::<Utf8Error>().unwrap().valid_up_to(), 0);
    /// assert!(exception.error_as::<std::fmt::Error>().is_none());
    /// ```
    pub fn error_as<E: Error + 'static>(&self) -> Option<&'a E> {
        let mut next = self.error();
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            // Two error types of std have the `source` of the error inside them, and not that
            // error, as their source.
            let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>();
            let inside = shared.map(|it| &**it);
            let inside = inside.or_else(|| error.downcast_ref::<io::Error>()?.get_ref());
            next = inside.map_or_else(|| error.source(), |it| Some(it));
        }
        None
    }

    /// Returns the text of the panic, if it was a panic and had a text.
    pub fn panic_message(&self) -> Option<&'a str> {
        self.panic
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }

    /// Sets the error.
    #[must_use]
    pub fn with_error(mut self, error: &'a (dyn Error + Send + Sync + 'static)) -> Self {
        self.error = Some(error);
        self
    }

    /// Sets the text of the panic.
    #[must_use]
    pub fn with_panic_message(mut self, message: &'a str) -> Self {
        self.panic = Some(message);
        self
    }
}

impl<'a> About<'a> {
    fn new(id: u64, method: &'a str, path: &'a str) -> Self {
        About {
            id,
            method,
            path,
            request: None,
        }
    }

    fn debug(&self, f: &mut fmt::DebugStruct<'_, '_>) {
        f.field("id", &self.id)
            .field("method", &self.method)
            .field("path", &self.path);
    }
}

impl fmt::Debug for RequestStarted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RequestStarted");
        self.about.debug(&mut shown);
        shown.finish()
    }
}

impl fmt::Debug for RequestFinished<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RequestFinished");
        self.about.debug(&mut shown);
        shown
            .field("outcome", &self.outcome)
            .field("stage", &self.stage)
            .field("status", &self.status)
            .field("bytes", &self.bytes)
            .field("elapsed", &self.elapsed)
            .finish()
    }
}

impl fmt::Debug for RequestException<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RequestException");
        self.about.debug(&mut shown);
        shown
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("error", &self.error)
            .field("panic", &self.panic)
            .finish()
    }
}

impl fmt::Display for RequestException<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method(), self.path(), self.kind)?;
        match (self.error, self.panic) {
            (Some(error), _) => write!(f, ": {error}"),
            (None, Some(message)) => write!(f, ": {message}"),
            (None, None) => Ok(()),
        }
    }
}
