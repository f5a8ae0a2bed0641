//! The ends of requests, over a real server and a real client.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use crate::common::{Ears, Heard, ask, open, read_until, serve, whole};
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use fanfare_django::request::{ExceptionKind, Outcome, Stage};
use fanfare_tower::RequestError;
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

fn ticks(count: usize) -> Body {
    let ticks = stream::iter(0..count).then(|n| async move {
        sleep(Duration::from_millis(1)).await;
        Ok::<_, Infallible>(Bytes::from(format!("tick {n}\n")))
    });
    Body::from_stream(ticks)
}

async fn fails_in_its_body() -> Body {
    let parts = [
        Ok(Bytes::from("half")),
        Err(io::Error::other("the disk is gone")),
    ];
    Body::from_stream(stream::iter(parts))
}

async fn panics_in_its_body() -> Body {
    let parts = stream::iter(0..2).map(|n| match n {
        0 => Ok::<_, Infallible>(Bytes::from("half")),
        _ => panic!("no more"),
    });
    Body::from_stream(parts)
}

async fn fails() -> impl IntoResponse {
    let error = RequestError::new(io::Error::other("no such account"));
    (StatusCode::INTERNAL_SERVER_ERROR, Extension(error), "sorry")
}

async fn panics() -> &'static str {
    panic!("out of tea")
}

/// Returns a stream whose end is known only by its `Content-Length`.
async fn measured() -> impl IntoResponse {
    let parts = stream::iter([Ok::<_, Infallible>(Bytes::from("12345"))]);
    let endless = parts.chain(stream::pending());
    ([(header::CONTENT_LENGTH, "5")], Body::from_stream(endless))
}

async fn counted(Path(status): Path<u16>) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

fn app(ears: &Ears) -> Router {
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/ticks", get(async || ticks(5)))
        .route("/measured", get(measured))
        .route("/status/{status}", get(counted))
        .route("/body-error", get(fails_in_its_body))
        .route("/body-panic", get(panics_in_its_body))
        .route("/error", get(fails))
        .route("/panic", get(panics))
        .layer(ears.layer())
}

/// Asks for one path, and returns the response and the events.
async fn one(name: &'static str, method: &str, path: &str) -> (String, Vec<String>, End) {
    let ears = Ears::new(name);
    let address = serve(app(&ears)).await;
    let response = whole(address, method, path).await;
    let (briefs, end) = ears.of_one().await;
    let Heard::Finished {
        outcome,
        stage,
        status,
        bytes,
        line,
        ..
    } = end
    else {
        panic!("the end is the last: {briefs:?}");
    };
    assert_eq!(line, format!("{method} {path}"));
    (
        response,
        briefs,
        End {
            outcome,
            stage,
            status,
            bytes,
        },
    )
}

#[derive(Debug, PartialEq)]
struct End {
    outcome: Outcome,
    stage: Stage,
    status: Option<u16>,
    bytes: u64,
}

fn end(outcome: Outcome, status: u16, bytes: u64) -> End {
    End {
        outcome,
        stage: Stage::Body,
        status: Some(status),
        bytes,
    }
}

#[tokio::test]
async fn a_body_is_sent() {
    let (response, briefs, ended) = one("hello", "GET", "/hello").await;
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    assert_eq!(briefs, ["started", "finished Sent"]);
    assert_eq!(ended, end(Outcome::Sent, 200, 5));
}

#[tokio::test]
async fn a_stream_is_sent() {
    let (response, briefs, ended) = one("ticks", "GET", "/ticks").await;
    assert!(response.contains("tick 4\n"), "{response}");
    assert_eq!(briefs, ["started", "finished Sent"]);
    assert_eq!(ended, end(Outcome::Sent, 200, 35));
}

#[tokio::test]
async fn a_stream_with_a_length_is_sent_without_being_asked_for_its_end() {
    let (response, _, ended) = one("measured", "GET", "/measured").await;
    assert!(response.ends_with("12345"), "{response}");
    assert_eq!(ended, end(Outcome::Sent, 200, 5));
}

#[tokio::test]
async fn a_response_without_a_body_is_not_polled() {
    for (name, method, path, status) in [
        ("204", "GET", "/status/204", 204),
        ("304", "GET", "/status/304", 304),
        ("200 and empty", "GET", "/status/200", 200),
        ("HEAD", "HEAD", "/hello", 200),
        ("HEAD of a stream", "HEAD", "/ticks", 200),
        ("405", "POST", "/hello", 405),
    ] {
        let (response, briefs, ended) = one(name, method, path).await;
        assert!(response.ends_with("\r\n\r\n"), "{response}");
        assert_eq!(briefs, ["started", "finished NotPolled"], "{name}");
        assert_eq!(ended, end(Outcome::NotPolled, status, 0), "{name}");
    }
}

/// `Router::layer` wraps the fallback as well.
#[tokio::test]
async fn a_path_without_a_handler_is_followed_too() {
    let (response, _, ended) = one("404", "GET", "/nowhere").await;
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    assert_eq!(ended, end(Outcome::NotPolled, 404, 0));
}

#[tokio::test]
async fn an_error_that_a_handler_left_is_reported_and_its_response_sent() {
    let ears = Ears::new("error");
    let address = serve(app(&ears)).await;
    let response = crate::common::get(address, "/error").await;
    assert!(
        response.starts_with("HTTP/1.1 500") && response.ends_with("sorry"),
        "{response}"
    );
    let heard = ears.after(1).await;
    let Heard::Exception {
        kind,
        status,
        ref text,
        ..
    } = heard[1]
    else {
        panic!("{heard:?}");
    };
    assert_eq!((kind, status), (ExceptionKind::Application, Some(500)));
    assert_eq!(text, "no such account");
    assert_eq!(heard[2].brief(), "finished Sent");
}

#[tokio::test]
async fn an_error_of_the_body_fails() {
    let (response, briefs, ended) = one("body error", "GET", "/body-error").await;
    assert!(
        !response.ends_with("0\r\n\r\n"),
        "it was not broken off: {response}"
    );
    assert_eq!(
        briefs,
        [
            "started",
            "exception Body: the disk is gone",
            "finished Failed"
        ]
    );
    assert_eq!(ended, end(Outcome::Failed, 200, 4));
}

#[tokio::test]
async fn a_panic_of_the_body_is_reported() {
    let (response, briefs, ended) = one("body panic", "GET", "/body-panic").await;
    assert!(
        !response.ends_with("0\r\n\r\n"),
        "it was not broken off: {response}"
    );
    assert_eq!(
        briefs,
        ["started", "exception Panic: no more", "finished Panicked"]
    );
    assert_eq!(ended, end(Outcome::Panicked, 200, 4));
}

#[tokio::test]
async fn a_panic_of_the_handler_is_reported() {
    let (response, briefs, ended) = one("panic", "GET", "/panic").await;
    assert_eq!(response, "");
    assert_eq!(
        briefs,
        [
            "started",
            "exception Panic: out of tea",
            "finished Panicked"
        ]
    );
    let stage = Stage::Service;
    assert_eq!(
        ended,
        End {
            outcome: Outcome::Panicked,
            stage,
            status: None,
            bytes: 0
        }
    );
}

#[tokio::test]
async fn requests_in_a_pipeline_finish_once_each() {
    let ears = Ears::new("pipeline");
    let address = serve(app(&ears)).await;
    let mut client = open(address).await;
    for path in ["/hello", "/ticks", "/status/204", "/measured", "/hello"] {
        ask(&mut client, "GET", path).await;
    }
    ask(&mut client, "GET", "/error").await;
    read_until(&mut client, "sorry").await;
    let heard = ears.after(6).await;
    let mut open_ids = Vec::new();
    for event in &heard {
        match event {
            Heard::Started { id, .. } => open_ids.push(*id),
            Heard::Exception { id, .. } => assert!(open_ids.contains(id)),
            Heard::Finished { id, .. } => {
                let place = open_ids.iter().position(|open| open == id);
                open_ids.remove(place.expect("it had started, and had not finished"));
            }
        }
    }
    assert!(open_ids.is_empty());
}

#[tokio::test]
async fn receivers_see_the_head_of_the_request() {
    use fanfare_django::request::{REQUEST_FINISHED, REQUEST_STARTED};
    use std::sync::{Arc, Mutex};

    let ears = Ears::new("head");
    let agents = Arc::new(Mutex::new(Vec::new()));
    fn agent(headers: &HeaderMap) -> String {
        headers["host"].to_str().unwrap().into()
    }
    let (at_start, at_end) = (Arc::clone(&agents), Arc::clone(&agents));
    let _started = REQUEST_STARTED
        .options()
        .sender("head")
        .connect(move |_, event| {
            let parts = event.request::<axum::http::request::Parts>().unwrap();
            assert!(event.request::<String>().is_none());
            at_start.lock().unwrap().push(agent(&parts.headers));
        })
        .scoped();
    let _finished = REQUEST_FINISHED
        .options()
        .sender("head")
        .connect(move |_, event| {
            let parts = event.request::<axum::http::request::Parts>().unwrap();
            assert_eq!(parts.uri.query(), Some("milk=1"));
            assert_eq!(event.path(), "/hello");
            at_end.lock().unwrap().push(agent(&parts.headers));
        })
        .scoped();
    let address = serve(app(&ears)).await;
    crate::common::get(address, "/hello?milk=1").await;
    ears.after(1).await;
    assert_eq!(*agents.lock().unwrap(), ["loopback", "loopback"]);
}
