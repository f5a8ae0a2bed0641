//! Measures the time that the layer adds to a request: `layer/{without,none,one}/{call,loopback}`,
//! and `layer/other/call`.
//!
//! `without` has no layer, `none` one where nothing is connected, `one` a receiver of
//! `request_finished`, `other` the same receiver for another layer's name. `call` is a service that
//! responds at once, from its call to the end of the body; `loopback` is axum and a client on one
//! connection and one thread.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use fanfare::ScopedConnection;
use fanfare_django::request::REQUEST_FINISHED;
use fanfare_tower::SignalLayer;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, service_fn};

/// A receiver for the layer with this name.
fn listen() -> ScopedConnection {
    let options = REQUEST_FINISHED.options().sender("one");
    let connection = options.connect(|_sender, request| {
        black_box(request.bytes());
    });
    connection.scoped()
}

fn layer(name: &str) -> SignalLayer {
    SignalLayer::new().sender(name)
}

fn page(_: Request<()>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::new(Bytes::from_static(b"page")))))
}

fn ask<S, B>(service: &mut S)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let future = pin!(service.call(black_box(Request::new(()))));
    let Poll::Ready(Ok(response)) = future.poll(&mut cx) else {
        panic!("it is ready at once");
    };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        drop(black_box(frame));
    }
}

fn call(c: &mut Criterion) {
    let mut group = c.benchmark_group("layer");
    let mut bare = service_fn(page);
    group.bench_function("without/call", |b| b.iter(|| ask(&mut bare)));
    let mut layered = layer("one").layer(service_fn(page));
    group.bench_function("none/call", |b| b.iter(|| ask(&mut layered)));
    let _receiver = listen();
    group.bench_function("one/call", |b| b.iter(|| ask(&mut layered)));
    let mut other = layer("other").layer(service_fn(page));
    group.bench_function("other/call", |b| b.iter(|| ask(&mut other)));
    group.finish();
}

fn loopback(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let app = Router::new().route("/", get(async || "page"));
    let mut group = c.benchmark_group("layer");
    round_trips(&mut group, &runtime, "without", app.clone());
    let layered = app.layer(layer("one"));
    round_trips(&mut group, &runtime, "none", layered.clone());
    let _receiver = listen();
    round_trips(&mut group, &runtime, "one", layered);
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn round_trips(group: &mut Group<'_>, runtime: &Runtime, name: &str, app: Router) {
    let mut client: SendRequest<Empty<Bytes>> = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (client, connection) = handshake(TokioIo::new(stream.await.unwrap()))
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    });
    group.bench_function(format!("{name}/loopback"), |b| {
        b.iter(|| {
            runtime.block_on(async {
                client.ready().await.unwrap();
                let request = Request::get("/").header("host", "loopback");
                let request = request.body(Empty::new()).unwrap();
                let response = client.send_request(request).await.unwrap();
                response.into_body().collect().await.unwrap()
            })
        });
    });
}

criterion_group!(benches, call, loopback);
criterion_main!(benches);
