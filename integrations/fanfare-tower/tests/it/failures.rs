//! Errors and panics of services and bodies go on as they came, once they have been reported.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::common::{Ears, Heard, serve};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use fanfare::Signal;
use fanfare_django::request::{
    GOT_REQUEST_EXCEPTION, Outcome, REQUEST_FINISHED, REQUEST_STARTED, Stage,
};
use fanfare_tower::{AsError, RequestError, SignalLayer};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

type Page = Response<Full<Bytes>>;

#[derive(Debug, PartialEq)]
struct Closed(u32);

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "closed until {}", self.0)
    }
}

impl Error for Closed {}

const FAILED: [&str; 3] = [
    "started",
    "exception Service: closed until 7",
    "finished Failed",
];

#[tokio::test]
async fn an_error_of_the_service_is_passed_on() {
    let ears = Ears::new("plain error");
    let typed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&typed);
    let _typed = GOT_REQUEST_EXCEPTION
        .options()
        .sender("plain error")
        .connect(move |_, event| {
            let closed = event
                .error()
                .and_then(|error| error.downcast_ref::<Closed>());
            seen.store(closed == Some(&Closed(7)), Ordering::Relaxed);
        })
        .scoped();
    let service = ears.layer();
    let service = service.layer(service_fn(async |_: Request<()>| Err::<Page, _>(Closed(7))));
    let failed = service.oneshot(Request::new(())).await;
    assert_eq!(failed.unwrap_err(), Closed(7));
    assert_eq!(ears.briefs(), FAILED);
    let Heard::Finished { stage, status, .. } = ears.heard()[2] else {
        unreachable!()
    };
    assert_eq!((stage, status), (Stage::Service, None));
    assert!(typed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_boxed_error_of_the_service_is_passed_on() {
    let ears = Ears::new("boxed error");
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        Err::<Page, BoxError>(Box::new(Closed(7)))
    }));
    let failed = service.oneshot(Request::new(())).await.unwrap_err();
    assert_eq!(*failed.downcast::<Closed>().unwrap(), Closed(7));
    assert_eq!(ears.briefs(), FAILED);
}

#[tokio::test]
async fn an_error_of_another_kind_takes_an_impl() {
    struct ByHand;
    struct Code(u32, Closed);
    impl AsError<ByHand> for Code {
        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            &self.1
        }
    }
    let ears = Ears::new("error by hand");
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        Err::<Page, _>(Code(3, Closed(7)))
    }));
    let failed = service.oneshot(Request::new(())).await;
    assert_eq!(failed.err().map(|code| code.0), Some(3));
    assert_eq!(ears.briefs(), FAILED);
}

/// Connects a receiver that notes whether the exceptions of this sender have `Closed(7)`, by its
/// type.
fn closed_by_type(sender: &'static str) -> (Arc<AtomicBool>, fanfare::ScopedConnection) {
    let typed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&typed);
    let connection = GOT_REQUEST_EXCEPTION.options().sender(sender);
    let connection = connection.connect(move |_, event| {
        seen.store(event.error_as() == Some(&Closed(7)), Ordering::Relaxed);
    });
    (typed, connection.scoped())
}

#[tokio::test]
async fn an_error_of_an_axum_body_has_its_type() {
    let (typed, _connection) = closed_by_type("axum body error");
    let layer: SignalLayer = SignalLayer::new().sender("axum body error");
    let service = Router::new().route(
        "/",
        get(async || {
            axum::body::Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(Closed(7))]))
        }),
    );
    let service = service.layer(layer);
    let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    assert!(typed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn an_error_that_a_handler_left_has_its_type() {
    let (typed, _connection) = closed_by_type("left, typed");
    let layer: SignalLayer = SignalLayer::new().sender("left, typed");
    let left = |error: RequestError| {
        layer.layer(service_fn(move |_: Request<()>| {
            let mut response = Response::new(Full::from("sorry"));
            error.clone().attach(&mut response);
            async { Ok::<Page, Infallible>(response) }
        }))
    };
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(Closed(7));
    for error in [
        RequestError::new(Closed(7)),
        RequestError::from(Arc::clone(&shared)),
        // Inside another error, and shared.
        RequestError::new(std::io::Error::other(Closed(7))),
        RequestError::new(std::io::Error::other(shared)),
    ] {
        typed.store(false, Ordering::Relaxed);
        let response = left(error.clone()).oneshot(Request::new(())).await;
        assert!(response.is_ok());
        assert!(typed.load(Ordering::Relaxed), "{error:?}");
    }
}

/// A service may return an error that a handler would have left.
#[tokio::test]
async fn a_request_error_as_the_error_of_a_service_has_its_type() {
    let (typed, _connection) = closed_by_type("request error");
    let layer: SignalLayer = SignalLayer::new().sender("request error");
    let service = layer.layer(service_fn(async |_: Request<()>| {
        Err::<Page, _>(RequestError::new(Closed(7)))
    }));
    let failed = service.oneshot(Request::new(())).await.unwrap_err();
    assert_eq!(failed.downcast_ref(), Some(&Closed(7)));
    assert!(failed.source().unwrap().is::<Closed>());
    assert!(typed.load(Ordering::Relaxed));
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

/// A body that yields one frame and then does its step.
struct Half<E> {
    frame: Option<Bytes>,
    then: fn() -> Polled<E>,
}

impl<E> Half<E> {
    fn then(then: fn() -> Polled<E>) -> Self {
        let frame = Some(Bytes::from("half"));
        Half { frame, then }
    }
}

impl<E> Body for Half<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        match self.frame.take() {
            Some(half) => Poll::Ready(Some(Ok(Frame::data(half)))),
            None => (self.then)(),
        }
    }
}

#[tokio::test]
async fn an_error_of_the_body_is_passed_on() {
    let ears = Ears::new("error of the body");
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        let body = Half::<BoxError>::then(|| Poll::Ready(Some(Err(Box::new(Closed(7))))));
        Ok::<_, Infallible>(Response::new(body))
    }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    let failed = response.into_body().collect().await.unwrap_err();
    assert_eq!(*failed.downcast::<Closed>().unwrap(), Closed(7));
    assert_eq!(
        ears.briefs(),
        [
            "started",
            "exception Body: closed until 7",
            "finished Failed"
        ]
    );
}

/// Over a server, a service error closes the connection.
#[tokio::test]
async fn an_error_of_the_service_over_a_server() {
    let ears = Ears::new("served error");
    let service = ears
        .layer()
        .layer(service_fn(async |_: Request<hyper::body::Incoming>| {
            Err::<Page, _>(Closed(7))
        }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        let server = auto::Builder::new(TokioExecutor::new());
        server.serve_connection(TokioIo::new(stream), service).await
    });
    assert_eq!(crate::common::get(address, "/").await, "");
    assert_eq!(ears.of_one().await.0, FAILED);
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&str>().unwrap()
}

const PANICKED: [&str; 3] = ["started", "exception Panic: ouch", "finished Panicked"];

#[tokio::test]
async fn a_panic_of_the_call_travels_on() {
    let ears = Ears::new("call panics");
    fn call(_: Request<()>) -> std::future::Ready<Result<Page, Infallible>> {
        panic!("ouch")
    }
    let service = ears.layer().layer(service_fn(call));
    let asked = AssertUnwindSafe(service.oneshot(Request::new(())));
    let panic = asked.catch_unwind().await.unwrap_err();
    assert_eq!(text(&*panic), "ouch");
    assert_eq!(ears.briefs(), PANICKED);
}

#[tokio::test]
async fn a_panic_of_the_future_travels_on() {
    let ears = Ears::new("future panics");
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        if true {
            panic!("ouch");
        }
        Ok::<Page, Infallible>(Response::default())
    }));
    let asked = AssertUnwindSafe(service.oneshot(Request::new(())));
    let panic = asked.catch_unwind().await.unwrap_err();
    assert_eq!(text(&*panic), "ouch");
    assert_eq!(ears.briefs(), PANICKED);
}

#[tokio::test]
async fn a_panic_of_the_body_travels_on() {
    let ears = Ears::new("body panics");
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Half::<Infallible>::then(|| panic!("ouch"))))
    }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    let collected = AssertUnwindSafe(response.into_body().collect());
    let panic = collected.catch_unwind().await.unwrap_err();
    assert_eq!(text(&*panic), "ouch");
    assert_eq!(ears.briefs(), PANICKED);
}

/// Panics are not caught for good: the layer outside that turns panics into 500 still does.
#[tokio::test]
async fn catch_panic_outside_responds_with_500() {
    let ears = Ears::new("catch panic");
    async fn panics() -> &'static str {
        panic!("ouch")
    }
    let app = Router::new()
        .route("/", get(panics))
        .layer(ears.layer())
        .layer(CatchPanicLayer::new());
    let address = serve(app).await;
    let response = crate::common::get(address, "/").await;
    assert!(response.starts_with("HTTP/1.1 500"), "{response}");
    assert_eq!(ears.of_one().await.0, PANICKED);
}

/// Receivers that panic, in every signal: the others run, and the request goes on.
#[tokio::test]
async fn receivers_that_panic_do_not_break_the_request() {
    let name = "panicking receivers";
    let first = [
        REQUEST_STARTED
            .options()
            .sender(name)
            .connect(|_, _| panic!("at the start")),
        GOT_REQUEST_EXCEPTION
            .options()
            .sender(name)
            .connect(|_, _| panic!("at the exception")),
        REQUEST_FINISHED
            .options()
            .sender(name)
            .connect(|_, _| panic!("at the end")),
    ];
    let ears = Ears::new(name);
    let service = ears.layer().layer(service_fn(async |request: Request<()>| {
        match request.uri().path() {
            "/error" => Err(Closed(7)),
            _ => Ok(Response::new(Full::new(Bytes::from("page")))),
        }
    }));
    let ask = |path| {
        service
            .clone()
            .oneshot(Request::get(path).body(()).unwrap())
    };
    let page = ask("/").await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(page.to_bytes(), "page");
    assert_eq!(ask("/error").await.unwrap_err(), Closed(7));
    let mut expected = vec!["started", "finished Sent"];
    expected.extend(FAILED);
    assert_eq!(ears.briefs(), expected);
    // They were there all the time.
    assert!(first.iter().all(|receiver| receiver.disconnect()));
}

/// The end is sent from a destructor while a panic unwinds, to a receiver that panics.
#[test]
fn a_receiver_that_panics_while_the_thread_unwinds_does_not_abort() {
    let name = "unwinding";
    let _first = REQUEST_FINISHED
        .options()
        .sender(name)
        .connect(|_, _| panic!("at the end"))
        .scoped();
    let ears = Ears::new(name);
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("page"))))
    }));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _response = pollster::block_on(service.oneshot(Request::new(()))).unwrap();
        panic!("outside of the layer");
    }));
    assert_eq!(text(&*unwound.unwrap_err()), "outside of the layer");
    assert_eq!(ears.briefs(), ["started", "finished Aborted"]);
    assert!(matches!(
        ears.heard()[1],
        Heard::Finished {
            outcome: Outcome::Aborted,
            stage: Stage::Body,
            ..
        }
    ));
}

/// If sends are nested too deep for one more, the request is not followed, and goes on.
#[test]
fn a_request_at_the_bottom_of_nested_sends_goes_on() {
    static CIRCLE: Signal<()> = Signal::new();
    static RESPONDED: AtomicBool = AtomicBool::new(false);
    static LAYERED: Mutex<Option<SignalLayer>> = Mutex::new(None);
    CIRCLE.connect(|_, ()| {
        let deeper = catch_unwind(|| CIRCLE.send(&()));
        if deeper.is_ok() {
            return;
        }
        let layer = LAYERED.lock().unwrap().take().unwrap();
        let service = layer.layer(service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("page"))))
        }));
        let responded = pollster::block_on(service.oneshot(Request::new(()))).is_ok();
        RESPONDED.store(responded, Ordering::Relaxed);
    });
    let ears = Ears::new("nested");
    *LAYERED.lock().unwrap() = Some(ears.layer());
    CIRCLE.send(&());
    assert!(RESPONDED.load(Ordering::Relaxed));
    // An end would come from another thread.
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(ears.heard(), []);
}
