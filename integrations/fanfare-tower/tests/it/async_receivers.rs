//! Async receivers: awaited before the service, and before a failure goes on; those of the end
//! run in a task, or on a thread where there is no runtime.
#![cfg(feature = "tokio")]

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crate::common::{Ears, ask, open, serve};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use fanfare::ScopedConnection;
use fanfare_django::request::{GOT_REQUEST_EXCEPTION, REQUEST_FINISHED, REQUEST_STARTED};
use fanfare_tower::{RequestError, SignalLayer};
use futures_util::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

/// The steps that happened, in order.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<String>>>);

impl Steps {
    fn note(&self, step: impl Into<String>) {
        self.0.lock().unwrap().push(step.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for `steps` steps on this thread, whatever runs elsewhere.
    fn until(&self, steps: usize) -> Vec<String> {
        for _ in 0..15_000 {
            if self.all().len() >= steps {
                return self.all();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("{steps} steps were to come: {:?}", self.all());
    }

    async fn until_in_a_task(&self, steps: usize) -> Vec<String> {
        for _ in 0..15_000 {
            if self.all().len() >= steps {
                return self.all();
            }
            sleep(Duration::from_millis(2)).await;
        }
        panic!("{steps} steps were to come: {:?}", self.all());
    }
}

/// Connects receivers of all three signals that rest in between.
fn receivers(name: &'static str, steps: &Steps) -> Vec<ScopedConnection> {
    async fn rest() {
        for _ in 0..3 {
            let mut rested = false;
            poll_fn(|cx| {
                if rested {
                    return Poll::Ready(());
                }
                rested = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }
    let (s, e, f) = (steps.clone(), steps.clone(), steps.clone());
    let started = REQUEST_STARTED.options().sender(name);
    let exception = GOT_REQUEST_EXCEPTION.options().sender(name);
    let finished = REQUEST_FINISHED.options().sender(name);
    let connections = [
        started.connect_async(move |_, event| {
            let steps = s.clone();
            Box::pin(async move {
                rest().await;
                steps.note(format!("started {}", event.path()));
            })
        }),
        exception.connect_async(move |_, event| {
            let steps = e.clone();
            Box::pin(async move {
                rest().await;
                steps.note(format!("exception {}", event.kind()));
            })
        }),
        finished.connect_async(move |_, event| {
            let steps = f.clone();
            Box::pin(async move {
                rest().await;
                steps.note(format!("finished {}", event.outcome()));
            })
        }),
    ];
    connections.map(|c| c.scoped()).into()
}

type Page = Response<Full<Bytes>>;

fn service(
    layer: SignalLayer,
    steps: &Steps,
) -> impl Service<
    Request<()>,
    Response = Response<fanfare_tower::SignalBody<Full<Bytes>>>,
    Error = io::Error,
    Future: Send,
> + Clone
+ Send
+ use<> {
    let steps = steps.clone();
    layer.layer(service_fn(move |request: Request<()>| {
        let steps = steps.clone();
        async move {
            steps.note("service");
            match request.uri().path() {
                "/error" => return Err(io::Error::other("gone")),
                "/panic" => panic!("gone"),
                "/pending" => pending().await,
                _ => {}
            }
            let mut page = Page::new(Full::new(Bytes::from("page")));
            if request.uri().path() == "/left" {
                RequestError::new("left by the handler").attach(&mut page);
            }
            Ok(page)
        }
    }))
}

fn to(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().enable_all().build().unwrap(),
    ]
}

#[test]
fn the_start_is_awaited_before_the_service_and_the_end_runs_in_a_task() {
    let (name, steps) = ("awaited", Steps::default());
    let _receivers = receivers(name, &steps);
    for runtime in runtimes() {
        runtime.block_on(async {
            let service = service(SignalLayer::new().sender(name), &steps);
            let response = service.oneshot(to("/tea")).await.unwrap();
            assert_eq!(steps.all(), ["started /tea", "service"]);
            let page = response.into_body().collect().await.unwrap();
            assert_eq!(page.to_bytes(), "page");
            let all = steps.until_in_a_task(3).await;
            assert_eq!(all, ["started /tea", "service", "finished sent"]);
        });
        steps.0.lock().unwrap().clear();
    }
}

#[test]
fn an_exception_is_awaited_before_its_cause_goes_on() {
    let (name, steps) = ("awaited failures", Steps::default());
    let _receivers = receivers(name, &steps);
    for runtime in runtimes() {
        for (path, exception, finished) in [
            ("/error", "exception service error", "finished failed"),
            ("/panic", "exception panic", "finished panicked"),
            ("/left", "exception application error", "finished aborted"),
        ] {
            runtime.block_on(async {
                let service = service(SignalLayer::new().sender(name), &steps);
                let asked = std::panic::AssertUnwindSafe(service.oneshot(to(path)));
                let outcome = asked.catch_unwind().await;
                let started = format!("started {path}");
                assert_eq!(steps.all()[..3], [&*started, "service", exception]);
                match path {
                    "/error" => assert_eq!(outcome.unwrap().unwrap_err().to_string(), "gone"),
                    "/panic" => drop(outcome.unwrap_err().downcast::<&str>().unwrap()),
                    _ => assert_eq!(outcome.unwrap().unwrap().status(), 200),
                }
                let all = steps.until_in_a_task(4).await;
                assert_eq!(all[3], finished);
            });
            steps.0.lock().unwrap().clear();
        }
    }
}

#[tokio::test]
async fn a_failure_of_the_body_is_awaited_too() {
    let (name, steps) = ("awaited body failures", Steps::default());
    let _receivers = receivers(name, &steps);
    let layer: SignalLayer = SignalLayer::new().sender(name);
    let service = layer.layer(service_fn(async |request: Request<()>| {
        let panics = request.uri().path() == "/panic";
        let frames = stream::iter(0..2).map(move |n| match n {
            0 => Ok(Frame::data(Bytes::from("half"))),
            _ if panics => panic!("gone"),
            _ => Err(io::Error::other("gone")),
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
    }));
    for (path, last) in [
        ("/error", ["exception body error", "finished failed"]),
        ("/panic", ["exception panic", "finished panicked"]),
    ] {
        let response = service.clone().oneshot(to(path)).await.unwrap();
        let collected = std::panic::AssertUnwindSafe(response.into_body().collect());
        let outcome = collected.catch_unwind().await;
        assert_eq!(outcome.is_err(), path == "/panic");
        assert!(outcome.is_err() || outcome.unwrap().is_err());
        assert_eq!(steps.all()[1..], last[..1]);
        assert_eq!(steps.until_in_a_task(3).await[1..], last);
        steps.0.lock().unwrap().clear();
    }
}

/// The client leaves while receivers of the start are awaited: the service is never called, and the
/// start that sync receivers got has its end.
#[tokio::test]
async fn a_request_may_end_before_its_start_has_reached_all_receivers() {
    let name = "ends at the start";
    let ears = Ears::new(name);
    let _never = REQUEST_STARTED
        .options()
        .sender(name)
        .connect_async(|_, _| Box::pin(pending()))
        .scoped();
    async fn unreached() -> &'static str {
        unreachable!("the service is not called")
    }
    let app = Router::new().route("/", get(unreached)).layer(ears.layer());
    let address = serve(app).await;
    let mut client = open(address).await;
    ask(&mut client, "GET", "/").await;
    ears.started().await;
    drop(client);
    assert_eq!(ears.of_one().await.0, ["started", "finished Aborted"]);
}

/// The caller leaves while receivers of an exception are awaited: what went wrong stays known.
#[tokio::test]
async fn a_request_may_end_before_its_exception_has_reached_all_receivers() {
    let name = "ends at the exception";
    let ears = Ears::new(name);
    let _never = GOT_REQUEST_EXCEPTION
        .options()
        .sender(name)
        .connect_async(|_, _| Box::pin(pending()))
        .scoped();
    let service = service(ears.layer(), &Steps::default());
    let asked = service.oneshot(to("/error"));
    let left = tokio::time::timeout(Duration::from_millis(5), asked).await;
    assert!(left.is_err());
    assert_eq!(
        ears.of_one().await.0,
        ["started", "exception Service: gone", "finished Failed"]
    );
}

#[tokio::test]
async fn a_request_that_was_never_polled_has_neither_start_nor_end() {
    let (name, steps) = ("never polled", Steps::default());
    let _receivers = receivers(name, &steps);
    let ears = Ears::new(name);
    let mut service = service(ears.layer(), &steps);
    drop(service.ready().await.unwrap().call(to("/")));
    sleep(Duration::from_millis(20)).await;
    assert_eq!(ears.heard(), []);
    assert_eq!(steps.all(), [""; 0]);
}

/// No runtime: the end is sent on a thread of its own.
#[test]
fn without_a_runtime_the_end_is_sent_on_a_thread() {
    let (name, steps) = ("no runtime", Steps::default());
    let _receivers = receivers(name, &steps);
    let service = service(SignalLayer::new().sender(name), &steps);
    pollster::block_on(async {
        let response = service.oneshot(to("/")).await.unwrap();
        response.into_body().collect().await.unwrap();
    });
    assert_eq!(steps.until(3), ["started /", "service", "finished sent"]);
}

/// The runtime drops the request and would drop the task of its end as well.
#[test]
fn a_runtime_that_shuts_down_loses_no_end() {
    let (name, steps) = ("shutdown", Steps::default());
    let _receivers = receivers(name, &steps);
    for runtime in runtimes() {
        let service = service(SignalLayer::new().sender(name), &steps);
        let asked = runtime.spawn(service.oneshot(to("/pending")));
        runtime.block_on(steps.until_in_a_task(2));
        drop(runtime);
        assert!(asked.now_or_never().unwrap().unwrap_err().is_cancelled());
        assert_eq!(
            steps.until(3),
            ["started /pending", "service", "finished aborted"]
        );
        steps.0.lock().unwrap().clear();
    }
}

/// Sync receivers run in the same send as async ones: once each, before them.
#[tokio::test]
async fn sync_and_async_receivers_stand_side_by_side() {
    let (name, steps) = ("both kinds", Steps::default());
    let _receivers = receivers(name, &steps);
    let ears = Ears::new(name);
    let service = service(ears.layer(), &steps);
    let response = service.oneshot(to("/error")).await;
    assert!(response.is_err());
    let (briefs, _) = ears.of_one().await;
    assert_eq!(
        briefs,
        ["started", "exception Service: gone", "finished Failed"]
    );
    assert_eq!(steps.until_in_a_task(4).await.len(), 4);
}

/// A receiver that blocks is called where it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_receiver_may_block() {
    let name = "blocking";
    let calls = Arc::new(AtomicUsize::new(0));
    let call = || {
        let calls = Arc::clone(&calls);
        move || {
            let handle = tokio::runtime::Handle::current();
            handle.block_on(sleep(Duration::from_millis(1)));
            calls.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (started, finished) = (call(), call());
    let _receivers = [
        REQUEST_STARTED
            .options()
            .sender(name)
            .blocking()
            .connect(move |_, _| started())
            .scoped(),
        REQUEST_FINISHED
            .options()
            .sender(name)
            .blocking()
            .connect(move |_, _| finished())
            .scoped(),
    ];
    let ears = Ears::new(name);
    let service = service(ears.layer(), &Steps::default());
    let response = tokio::spawn(service.oneshot(to("/"))).await.unwrap();
    drop(response);
    ears.after(1).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// The instance that was polled ready is called, also if the call comes later.
#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    #[derive(Default)]
    struct Once {
        ready: bool,
    }
    impl Clone for Once {
        fn clone(&self) -> Self {
            Once::default()
        }
    }
    impl Service<Request<()>> for Once {
        type Response = Page;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Page, Infallible>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
            self.ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called and not ready");
            std::future::ready(Ok(Page::default()))
        }
    }
    let (name, steps) = ("ready", Steps::default());
    let _receivers = receivers(name, &steps);
    let layer: SignalLayer = SignalLayer::new().sender(name);
    let mut service = layer.layer(Once::default());
    for _ in 0..2 {
        let asked = pin!(service.ready().await.unwrap().call(to("/")));
        asked.await.unwrap();
    }
}
