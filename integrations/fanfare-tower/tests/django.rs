//! Django's tests of its request signals, in our words: `handlers` (2), `builtin_server` (1) and
//! `asgi` (4).
//!
//! Not here: that receivers of the end do not run on the event loop's thread. Ours run where the
//! server drops the body. A receiver that blocks is marked as such when it connects.

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use common::{Ears, Heard, PATIENCE, ask, open, read_until, serve};
use fanfare::Sender;
use fanfare_django::request::{REQUEST_FINISHED, REQUEST_STARTED};
use fanfare_tower::SignalLayer;
use futures_util::stream;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tower_http::services::ServeFile;

/// handlers: the start, then the end, of the same request.
#[tokio::test]
async fn a_request_sends_its_start_and_its_end() {
    let ears = Ears::new("regular");
    let app = Router::new().route("/regular/", get(async || "regular"));
    let address = serve(app.layer(ears.layer())).await;
    common::get(address, "/regular/").await;
    let heard = ears.after(1).await;
    let [
        Heard::Started { id, line },
        Heard::Finished {
            id: end,
            line: last,
            ..
        },
    ] = &*heard
    else {
        panic!("{heard:?}");
    };
    assert_eq!((id, line), (end, last));
    assert_eq!(line, "GET /regular/");
}

/// handlers: the end of a streamed response comes when it has been read.
#[tokio::test]
async fn request_signals_streaming_response() {
    let ears = Ears::new("streaming");
    let (parts, given) = mpsc::channel::<&str>(1);
    let given = Arc::new(Mutex::new(Some(given)));
    let handler = async move || {
        let given = given.lock().unwrap().take().unwrap();
        Body::from_stream(stream::unfold(given, |mut given| async {
            let part = given.recv().await?;
            Some((Ok::<_, Infallible>(Bytes::from(part)), given))
        }))
    };
    let app = Router::new().route("/streaming/", get(handler));
    let address = serve(app.layer(ears.layer())).await;
    let mut client = open(address).await;
    ask(&mut client, "GET", "/streaming/").await;
    for part in ["streaming", " ", "content"] {
        parts.send(part).await.unwrap();
        read_until(&mut client, part).await;
        assert_eq!(ears.briefs(), ["started"]);
    }
    drop(parts);
    assert_eq!(ears.of_one().await.0, ["started", "finished Sent"]);
}

/// builtin_server: a file is a response like any other.
#[tokio::test]
async fn a_file_finishes_once() {
    let ears = Ears::new("file");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let app = Router::new().route_service("/file/", ServeFile::new(file));
    let address = serve(app.layer(ears.layer())).await;
    let response = common::get(address, "/file/").await;
    assert!(response.contains("name = \"fanfare-tower\""), "{response}");
    let (briefs, end) = ears.of_one().await;
    assert_eq!(briefs, ["started", "finished Sent"]);
    let Heard::Finished { bytes, .. } = end else {
        unreachable!()
    };
    assert_eq!(bytes, std::fs::metadata(file).unwrap().len());
}

/// asgi: the sender is the handler of the requests, and the end comes once.
#[tokio::test]
async fn the_handler_is_the_sender() {
    let senders = Arc::new(Mutex::new(Vec::new()));
    let note = |signal: &'static str| {
        let senders = Arc::clone(&senders);
        move |sender: Sender<'_>| {
            let text = format!("{signal} {sender}");
            senders.lock().unwrap().push(text);
        }
    };
    let (started, finished) = (note("started"), note("finished"));
    let of_layers = Sender::of::<SignalLayer>();
    let _receivers = [
        REQUEST_STARTED
            .options()
            .sender(of_layers)
            .connect(move |sender, _| started(sender))
            .scoped(),
        REQUEST_FINISHED
            .options()
            .sender(of_layers)
            .connect(move |sender, _| finished(sender))
            .scoped(),
    ];
    let app = Router::new().route("/", get(async || "page"));
    let layer: SignalLayer = SignalLayer::new();
    let address = serve(app.layer(layer)).await;
    common::get(address, "/").await;
    let both = async {
        while senders.lock().unwrap().len() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, both).await.expect("both are sent");
    let senders = senders.lock().unwrap().clone();
    let sender = Sender::of::<SignalLayer>();
    assert_eq!(
        senders,
        [format!("started {sender}"), format!("finished {sender}")]
    );
}

/// asgi: on one thread's runtime, start and end are sent on that thread.
#[test]
fn start_and_end_on_one_thread() {
    let name = "one thread";
    let threads: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
    let (at_start, at_end) = (Arc::clone(&threads), Arc::clone(&threads));
    let _receivers = [
        REQUEST_STARTED
            .options()
            .sender(name)
            .connect(move |_, _| at_start.lock().unwrap().push(thread::current().id()))
            .scoped(),
        REQUEST_FINISHED
            .options()
            .sender(name)
            .connect(move |_, _| at_end.lock().unwrap().push(thread::current().id()))
            .scoped(),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ears = Ears::new(name);
        let app = Router::new().route("/", get(async || "page"));
        let address = serve(app.layer(ears.layer())).await;
        common::get(address, "/").await;
        ears.after(1).await;
    });
    let here = thread::current().id();
    assert_eq!(*threads.lock().unwrap(), [here, here]);
}

/// asgi: a request that is refused for its size ends as well.
#[tokio::test]
async fn a_request_that_is_too_big_finishes_once() {
    let ears = Ears::new("too big");
    let app = Router::new()
        .route("/", post(async |body: Bytes| body))
        .layer(DefaultBodyLimit::max(10))
        .layer(ears.layer());
    let address = serve(app).await;
    let mut client = open(address).await;
    let head = "POST / HTTP/1.1\r\nhost: loopback\r\ncontent-length: 20\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&[b'x'; 20]).await.unwrap();
    read_until(&mut client, "413 Payload Too Large").await;
    let (briefs, end) = ears.of_one().await;
    assert_eq!(briefs, ["started", "finished Sent"]);
    assert!(matches!(
        end,
        Heard::Finished {
            status: Some(413),
            ..
        }
    ));
}

/// asgi: cancelled before there is a response, and in the middle of one.
#[tokio::test]
async fn a_request_that_is_cancelled_finishes_once() {
    for (name, path) in [
        ("before the response", "/sleeps"),
        ("in the stream", "/stream"),
    ] {
        let ears = Ears::new(name);
        async fn sleeps() -> &'static str {
            std::future::pending().await
        }
        async fn streams() -> Body {
            let first = stream::iter([Ok::<_, Infallible>(Bytes::from("first"))]);
            let never = stream::pending();
            Body::from_stream(futures_util::StreamExt::chain(first, never))
        }
        let app = Router::new()
            .route("/sleeps", get(sleeps))
            .route("/stream", get(streams))
            .layer(ears.layer());
        let address = serve(app).await;
        let mut client = open(address).await;
        ask(&mut client, "GET", path).await;
        if path == "/stream" {
            read_until(&mut client, "first").await;
        }
        ears.started().await;
        drop(client);
        assert_eq!(
            ears.of_one().await.0,
            ["started", "finished Aborted"],
            "{name}"
        );
    }
}
