//! The layer, and the service that it makes.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use fanfare::Sender;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::SignalBody;
use crate::error::{AsError, Cause, Plain, Views};
use crate::followed::{Followed, Who};
use crate::future::SignalFuture;

/// A layer that sends the request signals for the service that it wraps.
///
/// `V` and `W` are the conversions of the errors of the service and of its response's body. The
/// compiler infers them: see [`AsError`]. If it has no types to infer them from, write the type
/// `SignalLayer`, which is the layer for errors that are an `Error`.
///
/// Each request is checked as it comes. If no receiver is connected to any of the three signals for
/// this layer's sender, the request is passed through, and no signal is sent for it later.
/// Otherwise the request is followed to its end. A receiver that connects in the middle of a
/// request that is followed gets the signals that come later. It gets no signal of a request that
/// is not followed.
///
/// Two layers, one around the other, send twice, with two numbers.
///
/// ```
/// use fanfare_django::request::REQUEST_STARTED;
/// use fanfare_tower::SignalLayer;
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use std::convert::Infallible;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// static STARTED: AtomicUsize = AtomicUsize::new(0);
/// REQUEST_STARTED.options().sender("shop").connect(|_sender, request| {
///     assert_eq!(request.path(), "/tea");
///     STARTED.fetch_add(1, Ordering::Relaxed);
/// });
///
/// let service = ServiceBuilder::new()
///     .layer(SignalLayer::new().sender("shop"))
///     .service(service_fn(async |_request: Request<()>| {
///         Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
///     }));
/// # pollster::block_on(async {
/// let response = service.oneshot(Request::get("/tea").body(()).unwrap()).await;
/// assert!(response.is_ok());
/// assert_eq!(STARTED.load(Ordering::Relaxed), 1);
/// # });
/// ```
pub struct SignalLayer<V = Plain, W = Plain> {
    who: Who,
    ways: PhantomData<fn() -> (V, W)>,
}

impl<V, W> SignalLayer<V, W> {
    /// Returns a layer that sends from `Sender::of::<SignalLayer>()`.
    pub fn new() -> Self {
        SignalLayer {
            // A layer with any other parameters has the same sender.
            who: Who::Type(Sender::of::<SignalLayer>()),
            ways: PhantomData,
        }
    }

    /// Sends from the sender with this name instead.
    ///
    /// So receivers can distinguish the requests of one application from those of another.
    #[must_use]
    pub fn sender(mut self, name: impl Into<Arc<str>>) -> Self {
        self.who = Who::Name(name.into());
        self
    }
}

impl<V, W> Default for SignalLayer<V, W> {
    fn default() -> Self {
        SignalLayer::new()
    }
}

impl<V, W> Clone for SignalLayer<V, W> {
    fn clone(&self) -> Self {
        SignalLayer {
            who: self.who.clone(),
            ways: PhantomData,
        }
    }
}

impl<V, W> fmt::Debug for SignalLayer<V, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalLayer")
            .field("sender", &self.who.sender())
            .finish()
    }
}

impl<S, V, W> Layer<S> for SignalLayer<V, W> {
    type Service = SignalService<S, V, W>;

    fn layer(&self, inner: S) -> Self::Service {
        SignalService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that sends the request signals. [`SignalLayer`] makes it.
///
/// Its errors are those of the service inside, and its response's body is a [`SignalBody`]. Errors
/// of `poll_ready` are returned unchanged and are not attributed to a request.
pub struct SignalService<S, V = Plain, W = Plain> {
    inner: S,
    layer: SignalLayer<V, W>,
}

impl<S: Clone, V, W> Clone for SignalService<S, V, W> {
    fn clone(&self) -> Self {
        SignalService {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S: fmt::Debug, V, W> fmt::Debug for SignalService<S, V, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalService")
            .field("inner", &self.inner)
            .field("sender", &self.layer.who.sender())
            .finish()
    }
}

impl<S, Q, B, V, W> Service<Request<Q>> for SignalService<S, V, W>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone,
    S::Error: AsError<V>,
    B: Body,
    B::Error: AsError<W>,
{
    type Response = Response<SignalBody<B>>;
    type Error = S::Error;
    type Future = SignalFuture<S, Q, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let views = Views {
            service: S::Error::as_error,
            body: B::Error::as_error,
        };
        if !self.layer.who.has_listeners() {
            return SignalFuture::running(self.inner.call(request), None, views);
        }
        let (mut followed, request) = Followed::new(self.layer.who.clone(), request);
        if !followed.start_now() {
            // The service that was polled ready is called, and its clone stays behind.
            let clone = self.inner.clone();
            let ready = mem::replace(&mut self.inner, clone);
            return SignalFuture::starting(followed.start(), ready, request, views);
        }
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => SignalFuture::running(future, Some(followed), views),
            Err(panic) => {
                SignalFuture::panicked(followed.except(Cause::Panic(panic), views.service), views)
            }
        }
    }
}
