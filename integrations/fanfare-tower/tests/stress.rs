//! 2,000 requests, of which many clients leave at random: each start has one end.

mod common;

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use common::{Ears, Heard, ask, open, serve};
use fanfare_django::request::{GOT_REQUEST_EXCEPTION, REQUEST_FINISHED, REQUEST_STARTED};
use futures_util::{StreamExt, stream};
use tokio::io::AsyncReadExt;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

const REQUESTS: u64 = 2_000;
const CLIENTS: u64 = 40;

/// The same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

async fn slow() -> &'static str {
    sleep(Duration::from_millis(2)).await;
    "slow"
}

async fn stream() -> Body {
    let ticks = stream::iter(0..8).then(|_| async {
        sleep(Duration::from_micros(300)).await;
        Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 2_000]))
    });
    Body::from_stream(ticks)
}

async fn panics() -> &'static str {
    panic!("one of many")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_start_has_one_end() {
    storm("storm").await;
}

/// The same where every signal has an async receiver as well, so that ends run in tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_start_has_one_end_in_a_task() {
    let name = "storm with async receivers";
    let _receivers = [
        REQUEST_STARTED
            .options()
            .sender(name)
            .connect_async(|_, _| Box::pin(yield_now()))
            .scoped(),
        GOT_REQUEST_EXCEPTION
            .options()
            .sender(name)
            .connect_async(|_, _| Box::pin(yield_now()))
            .scoped(),
        REQUEST_FINISHED
            .options()
            .sender(name)
            .connect_async(|_, _| Box::pin(yield_now()))
            .scoped(),
    ];
    storm(name).await;
}

async fn storm(name: &'static str) {
    // Hundreds of panics are part of it, and of no interest.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref() != Some(&"one of many") {
            hook(panic);
        }
    }));
    let ears = Ears::new(name);
    let app = Router::new()
        .route("/quick", get(async || "quick"))
        .route("/slow", get(slow))
        .route("/stream", get(stream))
        .route("/panic", get(panics))
        .layer(ears.layer());
    let address = serve(app).await;
    let clients = (0..CLIENTS).map(|client| {
        tokio::spawn(async move {
            let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ (client + 1));
            for _ in 0..REQUESTS / CLIENTS {
                let path =
                    ["/quick", "/slow", "/stream", "/stream", "/panic"][random.below(5) as usize];
                let mut connection = open(address).await;
                ask(&mut connection, "GET", path).await;
                let patience = Duration::from_micros(random.below(6_000));
                let mut response = [0; 512];
                let read = async { while let Ok(1..) = connection.read(&mut response).await {} };
                // Leaves when its patience is at an end, whatever has come.
                let _ = timeout(patience, read).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }

    let heard = when_quiet(&ears).await;
    let mut requests: HashMap<u64, Vec<String>> = HashMap::new();
    for event in &heard {
        requests.entry(event.id()).or_default().push(event.brief());
    }
    let mut outcomes: HashMap<&str, usize> = HashMap::new();
    for events in requests.values() {
        let events: Vec<_> = events.iter().map(String::as_str).collect();
        let end = match *events {
            ["started", end] => end,
            [
                "started",
                "exception Panic: one of many",
                end @ "finished Panicked",
            ] => end,
            _ => panic!("{events:?}"),
        };
        *outcomes.entry(end).or_default() += 1;
    }
    // All kinds were met, because the test would otherwise prove little.
    for end in ["finished Sent", "finished Aborted", "finished Panicked"] {
        assert!(outcomes.contains_key(end), "{outcomes:?}");
    }
    // A client may be gone before its request was read: then it never started. On a busy machine
    // most are.
    let started = requests.len();
    assert!(started > REQUESTS as usize / 10, "{outcomes:?}");
    println!("{started} of {REQUESTS} requests started: {outcomes:?}");
}

/// Returns the events, once the ends are as many as the starts and no further one has come for a
/// while.
async fn when_quiet(ears: &Ears) -> Vec<Heard> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut last = 0;
    loop {
        sleep(Duration::from_millis(300)).await;
        let heard = ears.heard();
        let starts = heard.iter().filter(|h| matches!(h, Heard::Started { .. }));
        let ends = heard.iter().filter(|h| matches!(h, Heard::Finished { .. }));
        let (starts, ends) = (starts.count(), ends.count());
        if heard.len() == last && starts == ends {
            return heard;
        }
        last = heard.len();
        assert!(Instant::now() < deadline, "{starts} starts, {ends} ends");
    }
}
