//! The inner service looks the same from outside, with receivers and without.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use crate::common::Ears;
use bytes::Bytes;
use fanfare_tower::SignalLayer;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

fn grpc_status() -> HeaderMap {
    let status = (
        "grpc-status".parse().unwrap(),
        HeaderValue::from_static("0"),
    );
    HeaderMap::from_iter([status])
}

/// Responds to an RPC with a message, and with its status in the trailers.
async fn rpc(
    _: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible> + Send>, Infallible> {
    Ok(Response::new(messages()))
}

fn messages() -> impl Body<Data = Bytes, Error = Infallible> + Send {
    StreamBody::new(stream::iter([
        Ok(Frame::data(Bytes::from("message"))),
        Ok(Frame::trailers(grpc_status())),
    ]))
}

#[tokio::test]
async fn trailers_arrive_over_http_2() {
    let ears = Ears::new("http/2");
    let service = TowerToHyperService::new(ears.layer().layer(service_fn(rpc)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let server = auto::Builder::new(TokioExecutor::new()).http2_only();
        server
            .serve_connection(TokioIo::new(stream), service)
            .await
            .unwrap();
    });
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let requests = (0..20).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let request = Request::post("http://loopback/rpc").body(Empty::<Bytes>::new());
            let response = client.send_request(request.unwrap()).await.unwrap();
            response.into_body().collect().await.unwrap()
        })
    });
    for request in requests.collect::<Vec<_>>() {
        let body = request.await.unwrap();
        assert_eq!(body.trailers(), Some(&grpc_status()));
        assert_eq!(body.to_bytes(), "message");
    }
    ears.after(20).await;
    assert_eq!(
        ears.briefs()
            .iter()
            .filter(|b| *b == "finished Sent")
            .count(),
        20
    );
}

/// On HTTP/2 a client can leave one request and keep the connection.
#[tokio::test]
async fn a_stream_that_is_reset_over_http_2_is_aborted() {
    let ears = Ears::new("http/2 reset");
    let service = ears.layer().layer(service_fn(async |_: Request<Incoming>| {
        let frames = stream::repeat(()).then(async |()| {
            sleep(Duration::from_millis(1)).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from("tick")))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(frames))))
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let server = auto::Builder::new(TokioExecutor::new()).http2_only();
        let service = TowerToHyperService::new(service);
        server
            .serve_connection(TokioIo::new(stream), service)
            .await
            .unwrap();
    });
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://loopback/").body(Empty::<Bytes>::new());
    let mut response = client.send_request(request.unwrap()).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    assert_eq!(ears.of_one().await.0, ["started", "finished Aborted"]);
}

/// Returns the hints of a body, before and after each frame.
async fn hints<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<(bool, u64, Option<u64>)> {
    let mut hints = Vec::new();
    loop {
        let size = body.size_hint();
        hints.push((body.is_end_stream(), size.lower(), size.upper()));
        if body.frame().await.is_none() {
            return hints;
        }
    }
}

#[tokio::test]
async fn size_and_end_are_those_of_the_body_inside() {
    async fn through<B>(layer: SignalLayer, body: fn() -> B) -> impl Body<Data = Bytes> + Unpin
    where
        B: Body<Data = Bytes, Error = Infallible> + Unpin,
    {
        let service =
            service_fn(
                move |_: Request<()>| async move { Ok::<_, Infallible>(Response::new(body())) },
            );
        let response = layer.layer(service).oneshot(Request::new(())).await;
        response.unwrap().into_body()
    }
    let ears = Ears::new("hints");
    let full = || Full::new(Bytes::from("page"));
    let none = Full::<Bytes>::default;
    for layer in [ears.layer(), SignalLayer::new().sender("hints to nobody")] {
        assert_eq!(
            hints(through(layer.clone(), full).await).await,
            hints(full()).await
        );
        assert_eq!(
            hints(through(layer.clone(), none).await).await,
            hints(none()).await
        );
        let streamed = || messages_boxed();
        assert_eq!(
            hints(through(layer, streamed).await).await,
            hints(streamed()).await
        );
    }
    assert_eq!(ears.after(3).await.len(), 6);
}

fn messages_boxed() -> http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible> {
    messages().boxed_unsync()
}

/// `Send` and `Sync` go through: a service made of an ordinary one can be boxed either way.
#[test]
fn bodies_and_futures_may_be_shared_if_the_inner_ones_may() {
    fn shared<T: Send + Sync>(_: &T) {}
    let layer: SignalLayer = SignalLayer::new();
    let mut service = layer.layer(service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))))
    }));
    shared(&service);
    let future = service.call(Request::new(()));
    shared(&future);
    let response = pollster::block_on(future).unwrap();
    shared(&response);
    drop(response.into_body().boxed());
}

/// A service that stays on its thread.
#[test]
fn a_service_need_not_be_send() {
    let count = Rc::new(());
    let inside = count.clone();
    let layer: SignalLayer = SignalLayer::new().sender("not send");
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let count = inside.clone();
        async move {
            drop(count);
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    }));
    pollster::block_on(service.oneshot(Request::new(()))).unwrap();
    assert_eq!(Rc::strong_count(&count), 1);
}
