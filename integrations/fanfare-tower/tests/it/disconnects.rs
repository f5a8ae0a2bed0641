//! Clients that leave, and whatever else drops a request before its end.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use crate::common::{Ears, Heard, ask, open, read_until, serve};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use fanfare_django::request::{Outcome, Stage};
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::Full;
use tokio::sync::Notify;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

const BIG: usize = 64 << 20;

fn endless() -> Body {
    let ticks = stream::repeat("tick\n").then(|tick| async move {
        sleep(Duration::from_millis(1)).await;
        Ok::<_, Infallible>(Bytes::from(tick))
    });
    Body::from_stream(ticks)
}

fn app(ears: &Ears) -> Router {
    Router::new()
        .route("/endless", get(async || endless()))
        .route("/sleeps", get(async || pending::<&str>().await))
        .route("/big", get(async || vec![b'x'; BIG]))
        .layer(ears.layer())
}

fn ends(heard: &Heard) -> (Outcome, Stage, Option<u16>, u64) {
    match heard {
        Heard::Finished {
            outcome,
            stage,
            status,
            bytes,
            ..
        } => (*outcome, *stage, *status, *bytes),
        other => panic!("{other:?} is no end"),
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_aborts_it() {
    let ears = Ears::new("endless");
    let address = serve(app(&ears)).await;
    let mut client = open(address).await;
    ask(&mut client, "GET", "/endless").await;
    read_until(&mut client, "tick").await;
    drop(client);
    let (briefs, end) = ears.of_one().await;
    assert_eq!(briefs, ["started", "finished Aborted"]);
    let (_, stage, status, bytes) = ends(&end);
    assert_eq!((stage, status), (Stage::Body, Some(200)));
    assert!(bytes >= 5 && bytes.is_multiple_of(5), "{bytes}");
}

#[tokio::test]
async fn a_client_that_leaves_while_the_handler_works_aborts_it() {
    let ears = Ears::new("sleeps");
    let address = serve(app(&ears)).await;
    let mut client = open(address).await;
    ask(&mut client, "GET", "/sleeps").await;
    ears.started().await;
    drop(client);
    let (briefs, end) = ears.of_one().await;
    assert_eq!(briefs, ["started", "finished Aborted"]);
    assert_eq!(ends(&end), (Outcome::Aborted, Stage::Service, None, 0));
}

/// `request_finished` does not mean that the client has read all: it has read a few bytes of 64
/// MiB.
#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_chunk_is_not_noticed() {
    let ears = Ears::new("big");
    let address = serve(app(&ears)).await;
    let mut client = open(address).await;
    ask(&mut client, "GET", "/big").await;
    read_until(&mut client, "xxx").await;
    drop(client);
    let (_, end) = ears.of_one().await;
    let expected = (Outcome::Sent, Stage::Body, Some(200), BIG as u64);
    assert_eq!(ends(&end), expected);
}

#[tokio::test]
async fn a_timeout_outside_of_the_layer_aborts() {
    static SLEPT: Notify = Notify::const_new();
    let ears = Ears::new("timeout");
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        sleep(Duration::from_millis(5)).await;
        SLEPT.notify_one();
        pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    }));
    let asked = service.oneshot(Request::new(()));
    // A timeout drops it, but certainly not before that much time by the layer's clock.
    tokio::select! {
        response = asked => panic!("{response:?}"),
        () = SLEPT.notified() => {}
    }
    let (briefs, end) = ears.of_one().await;
    assert_eq!(briefs, ["started", "finished Aborted"]);
    assert_eq!(ends(&end), (Outcome::Aborted, Stage::Service, None, 0));
    let Heard::Finished { elapsed, .. } = end else {
        unreachable!()
    };
    assert!(elapsed >= Duration::from_millis(5), "{elapsed:?}");
}

/// A layer outside may put another body in its place.
#[tokio::test]
async fn a_full_body_that_is_not_polled_is_aborted() {
    let ears = Ears::new("replaced");
    let service = ears.layer().layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("page"))))
    }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(ears.briefs(), ["started"]);
    let _other = response.map(|_| "another page");
    let (_, end) = ears.of_one().await;
    assert_eq!(ends(&end), (Outcome::Aborted, Stage::Body, Some(200), 0));
}
