//! A server on loopback, a client that writes bytes, and ears.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use fanfare::ScopedConnection;
use fanfare_django::request::{
    ExceptionKind, GOT_REQUEST_EXCEPTION, Outcome, REQUEST_FINISHED, REQUEST_STARTED, Stage,
};
use fanfare_tower::SignalLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

/// Long enough for any machine; a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An event that a receiver got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Started {
        id: u64,
        line: String,
    },
    Exception {
        id: u64,
        kind: ExceptionKind,
        status: Option<u16>,
        text: String,
    },
    Finished {
        id: u64,
        line: String,
        outcome: Outcome,
        stage: Stage,
        status: Option<u16>,
        bytes: u64,
        elapsed: Duration,
    },
}

impl Heard {
    pub(crate) fn id(&self) -> u64 {
        match self {
            Heard::Started { id, .. }
            | Heard::Exception { id, .. }
            | Heard::Finished { id, .. } => *id,
        }
    }

    /// Returns `started`, `exception Panic: text` or `finished Sent`.
    pub(crate) fn brief(&self) -> String {
        match self {
            Heard::Started { .. } => "started".into(),
            Heard::Exception { kind, text, .. } => format!("exception {kind:?}: {text}"),
            Heard::Finished { outcome, .. } => format!("finished {outcome:?}"),
        }
    }
}

type Log = Arc<Mutex<Vec<Heard>>>;

/// Receivers of all three signals, for the layer with one name.
pub(crate) struct Ears {
    pub(crate) name: &'static str,
    log: Log,
    _connections: Vec<ScopedConnection>,
}

impl Ears {
    /// Connects receivers for `name`, which has to be the test's own, because the signals are the
    /// process's.
    pub(crate) fn new(name: &'static str) -> Self {
        let log = Log::default();
        let started = {
            let log = Arc::clone(&log);
            let options = REQUEST_STARTED.options().sender(name);
            options.connect(move |_sender, event| {
                log.lock().unwrap().push(Heard::Started {
                    id: event.id(),
                    line: format!("{} {}", event.method(), event.path()),
                });
            })
        };
        let exception = {
            let log = Arc::clone(&log);
            let options = GOT_REQUEST_EXCEPTION.options().sender(name);
            options.connect(move |_sender, event| {
                let error = event.error().map(|error| error.to_string());
                let panic = event.panic_message().map(String::from);
                log.lock().unwrap().push(Heard::Exception {
                    id: event.id(),
                    kind: event.kind(),
                    status: event.status(),
                    text: error.or(panic).unwrap_or_default(),
                });
            })
        };
        let finished = {
            let log = Arc::clone(&log);
            let options = REQUEST_FINISHED.options().sender(name);
            options.connect(move |_sender, event| {
                log.lock().unwrap().push(Heard::Finished {
                    id: event.id(),
                    line: format!("{} {}", event.method(), event.path()),
                    outcome: event.outcome(),
                    stage: event.stage(),
                    status: event.status(),
                    bytes: event.bytes(),
                    elapsed: event.elapsed(),
                });
            })
        };
        Ears {
            name,
            log,
            _connections: [started, exception, finished].map(|c| c.scoped()).into(),
        }
    }

    pub(crate) fn layer<V, W>(&self) -> SignalLayer<V, W> {
        SignalLayer::new().sender(self.name)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn briefs(&self) -> Vec<String> {
        self.heard().iter().map(Heard::brief).collect()
    }

    /// Waits until an event has come.
    pub(crate) async fn started(&self) {
        let heard = async {
            while self.heard().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, heard).await.expect("nothing was heard");
    }

    /// Returns all events once `requests` have finished, and checks that each came once.
    pub(crate) async fn after(&self, requests: usize) -> Vec<Heard> {
        let deadline = Instant::now() + PATIENCE;
        let finished = || {
            let heard = self.heard();
            let finished = heard.iter().filter(|h| matches!(h, Heard::Finished { .. }));
            finished.count()
        };
        while finished() < requests {
            assert!(
                Instant::now() < deadline,
                "{requests} requests were to finish, and this was heard: {:#?}",
                self.heard()
            );
            sleep(Duration::from_millis(2)).await;
        }
        // A second end would come soon after the first.
        sleep(Duration::from_millis(20)).await;
        assert_eq!(finished(), requests, "{:#?}", self.heard());
        self.heard()
    }

    /// Returns the events of the only request, briefly, and its end.
    pub(crate) async fn of_one(&self) -> (Vec<String>, Heard) {
        let heard = self.after(1).await;
        assert!(heard.iter().all(|h| h.id() == heard[0].id()));
        let end = heard.last().unwrap().clone();
        (heard.iter().map(Heard::brief).collect(), end)
    }
}

/// Serves `app` on a free port of loopback until the runtime ends.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

pub(crate) async fn open(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

pub(crate) async fn ask(client: &mut TcpStream, method: &str, path: &str) {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: loopback\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
}

/// Returns the whole response to one request, until the server closes.
pub(crate) async fn whole(address: SocketAddr, method: &str, path: &str) -> String {
    let mut client = open(address).await;
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: loopback\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    // A server that breaks off may also reset.
    let _ = client.read_to_end(&mut response).await;
    String::from_utf8_lossy(&response).into_owned()
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    whole(address, "GET", path).await
}

/// Reads until `client` has sent `text`.
pub(crate) async fn read_until(client: &mut TcpStream, text: &str) -> String {
    let mut response = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = client.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "closed before {text:?}");
        response.extend_from_slice(&chunk[..read]);
        let so_far = String::from_utf8_lossy(&response);
        if so_far.contains(text) {
            return so_far.into_owned();
        }
    }
}
