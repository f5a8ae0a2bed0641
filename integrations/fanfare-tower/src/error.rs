//! Errors: those that a handler attaches to its response, and those of services and bodies.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::Response;

/// The type of an error in an event.
pub(crate) type DynError = dyn Error + Send + Sync + 'static;
type BoxError = Box<DynError>;

/// An error that a handler has turned into a response.
///
/// The handler leaves it in the response's extensions for `got_request_exception`. The layer sends
/// it as [`Application`](fanfare_django::request::ExceptionKind::Application) and leaves it where
/// it is. Each response has at most one, and attaching another replaces it.
///
/// axum turns `Extension(RequestError::new(error))` into a part of a response.
///
/// ```
/// use fanfare_tower::RequestError;
/// use http::Response;
///
/// let error = std::io::Error::other("the disk is full");
/// let mut response = Response::builder().status(500).body("sorry")?;
/// RequestError::new(error).attach(&mut response);
///
/// let left = response.extensions().get::<RequestError>().unwrap();
/// assert_eq!(left.to_string(), "the disk is full");
/// # http::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct RequestError(Arc<DynError>);

impl RequestError {
    /// Makes a `RequestError` of an error, or of its text.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        RequestError(Arc::from(error.into()))
    }

    /// Attaches the error to `response`, in the extensions.
    pub fn attach<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(self);
    }

    /// Returns the error that a handler has attached to `response`.
    pub(crate) fn attached_to<B>(response: &Response<B>) -> Option<Self> {
        response.extensions().get::<RequestError>().cloned()
    }

    /// Returns the error, if it is an `E`.
    ///
    /// ```
    /// use fanfare_tower::RequestError;
    /// use std::io;
    ///
    /// let left = RequestError::new(io::Error::other("the disk is full"));
    /// assert_eq!(left.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::Other);
    /// assert!(left.downcast_ref::<std::fmt::Error>().is_none());
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// Returns the error.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl From<Arc<dyn Error + Send + Sync>> for RequestError {
    fn from(error: Arc<dyn Error + Send + Sync>) -> Self {
        RequestError(error)
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestError").field(&self.0).finish()
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The [`source`](Error::source) is the error inside.
impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Errors of services and bodies that receivers can get.
///
/// `Way` is the kind of conversion. It is [`Plain`] for every type that is an [`Error`], and
/// [`Boxed`] for `Box<dyn Error + Send + Sync>`, which is not an `Error`. The compiler infers it.
/// For an error of your own that is not an `Error`, implement this trait with a `Way` of your own.
#[diagnostic::on_unimplemented(
    message = "receivers of a signal cannot get `{Self}` as an error",
    label = "the error of a service or of a response's body",
    note = "the error must be `Error + Send + Sync + 'static`, or `Box<dyn Error + Send + Sync>`"
)]
pub trait AsError<Way>: Send + Sync + 'static {
    /// Returns the error.
    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static);
}

/// The `Way` of a type that is an [`Error`]. See [`AsError`].
pub enum Plain {}

/// The `Way` of a boxed error. See [`AsError`].
pub enum Boxed {}

impl<E: Error + Send + Sync + 'static> AsError<Plain> for E {
    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }
}

impl AsError<Boxed> for BoxError {
    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &**self
    }
}

/// The conversions of the errors of a service and of its response's body.
///
/// They are functions, so that neither future nor body has a `Way` in its type.
pub(crate) struct Views<E, F> {
    pub(crate) service: fn(&E) -> &DynError,
    pub(crate) body: fn(&F) -> &DynError,
}

impl<E, F> Clone for Views<E, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, F> Copy for Views<E, F> {}

/// An error or a panic that is sent to receivers. The caller gets it afterwards, unless a handler
/// has turned it into a response.
pub(crate) enum Cause<E> {
    Error(E),
    Application(RequestError),
    Panic(Box<dyn Any + Send>),
}

impl<E> Cause<E> {
    /// Returns the text of a panic, if it has one.
    pub(crate) fn panic_message(&self) -> Option<&str> {
        let Cause::Panic(payload) = self else {
            return None;
        };
        let text = payload.downcast_ref::<&'static str>().copied();
        text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}
