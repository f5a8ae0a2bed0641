//! tonic's server takes the layer, and its calls are requests.

use std::convert::Infallible;

use crate::common::{Ears, Heard};
use bytes::Bytes;
use futures_util::future::{Ready, ready};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};
use tower::Service;

/// A service as tonic's generator makes one.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greet.Greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let trailers = (
            "grpc-status".parse().unwrap(),
            HeaderValue::from_static("0"),
        );
        let frames = stream::iter([
            Ok::<_, Status>(Frame::data(Bytes::from("\0\0\0\0\x05hello"))),
            Ok(Frame::trailers(HeaderMap::from_iter([trailers]))),
        ]);
        ready(Ok(match request.uri().path() {
            "/greet.Greeter/Hello" => Response::new(Body::new(StreamBody::new(frames))),
            _ => Status::unimplemented("only hello").into_http(),
        }))
    }
}

#[tokio::test]
async fn calls_are_requests() {
    let ears = Ears::new("tonic");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(ears.layer()).add_service(Greeter);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
    tokio::spawn(connection);
    for (method, code) in [("Hello", Code::Ok), ("Bye", Code::Unimplemented)] {
        let uri = format!("http://loopback/greet.Greeter/{method}");
        let request = Request::post(uri).header("content-type", "application/grpc");
        let response = client
            .send_request(request.body(Empty::<Bytes>::new()).unwrap())
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().unwrap_or(&head.headers);
        assert_eq!(Status::from_header_map(trailers).unwrap().code(), code);
    }
    let heard = ears.after(2).await;
    let briefs: Vec<_> = heard.iter().map(Heard::brief).collect();
    assert_eq!(
        briefs,
        ["started", "finished Sent", "started", "finished NotPolled"]
    );
    assert!(
        matches!(&heard[0], Heard::Started { line, .. } if line == "POST /greet.Greeter/Hello")
    );
}
