//! A database that is away for a time.
//!
//! It is away for some seconds, and for a minute with `FANFARE_OUTBOX_FULL=1`.
#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::server::{Server, skip};
use common::{LONG, Log, databases, event, is_full, options_of, until, with_tables};
use fanfare_outbox::{Durable, DurableReceiver, Outbox, SendDurable, Settings};
use fanfare_sea_orm::SignalConnection;
use sea_orm::Database;

event!(Alone, "away.Alone", ALONE);
event!(Shared, "away.Shared", SHARED);

const KEYS: u64 = 40;

/// The receivers have the same names in both tests.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn time_away() -> Duration {
    Duration::from_secs(if is_full() { 60 } else { 4 })
}

/// Connects three receivers, which note a delivery after a few milliseconds.
fn connect(log: &Log<(&'static str, u64)>) -> Vec<DurableReceiver> {
    const TIME: Duration = Duration::from_millis(5);
    let alone = log.clone();
    let alone = ALONE
        .durable("away.alone")
        .connect_async(move |_sender, event| {
            let (log, number) = (alone.clone(), event.0);
            Box::pin(async move {
                tokio::time::sleep(TIME).await;
                log.push(("away.alone", number));
                Ok::<_, String>(())
            })
        });
    let shared = ["away.first", "away.second"].map(|name| {
        let log = log.clone();
        SHARED.durable(name).connect_async(move |_sender, event| {
            let (log, number) = (log.clone(), event.0);
            Box::pin(async move {
                tokio::time::sleep(TIME).await;
                log.push((name, number));
                Ok::<_, String>(())
            })
        })
    });
    let receivers = shared.into_iter().chain([alone]);
    receivers.map(Result::unwrap).collect()
}

async fn send(db: &SignalConnection, number: u64) {
    let key = number % KEYS;
    let sent = db.send_durable(&ALONE, key, &Alone(number)).await;
    sent.unwrap();
    let sent = db.send_durable(&SHARED, key, &Shared(number)).await;
    sent.unwrap();
}

/// Checks that each receiver has had each number, in order for each key. A number that comes again
/// is one that was delivered when the database went away.
fn assert_complete(delivered: Vec<(&'static str, u64)>, count: u64) {
    let mut numbers = BTreeMap::<_, Vec<u64>>::new();
    let mut seen = BTreeSet::new();
    for (receiver, number) in delivered {
        if seen.insert((receiver, number)) {
            let key = (receiver, number % KEYS);
            numbers.entry(key).or_default().push(number);
        }
    }
    assert_eq!(seen.len() as u64, 3 * count);
    for (key, numbers) in numbers {
        assert!(numbers.is_sorted(), "{key:?}: {numbers:?}");
    }
}

/// Returns the highest memory of the process so far in MiB.
fn highest_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Connections to a server, which can be cut. It counts those that are requested.
#[derive(Clone)]
struct Proxy(Arc<ProxyState>);

struct ProxyState {
    /// The host and the port of the server.
    server: String,
    port: u16,
    is_cut: AtomicBool,
    requests: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    fn new(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy(Arc::new(ProxyState {
            server,
            port: listener.local_addr().unwrap().port(),
            is_cut: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            open: Mutex::default(),
        }));
        let accepts = proxy.clone();
        // It ends with the process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepts.accept(client);
            }
        });
        proxy
    }

    fn accept(&self, client: TcpStream) {
        self.0.requests.fetch_add(1, Ordering::SeqCst);
        let mut open = self.0.open.lock().unwrap();
        if self.0.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let server = TcpStream::connect(&self.0.server).unwrap();
        open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        for (mut from, mut to) in [
            (client.try_clone().unwrap(), server.try_clone().unwrap()),
            (server, client),
        ] {
            std::thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }

    /// Ends all connections, and each new one at once.
    fn cut(&self) {
        self.0.is_cut.store(true, Ordering::SeqCst);
        for open in self.0.open.lock().unwrap().drain(..) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.0.is_cut.store(false, Ordering::SeqCst);
    }

    fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::SeqCst)
    }
}

/// Returns the URL with 127.0.0.1 and the port that `port` returns for the URL's host and port.
fn through(url: &str, port: impl FnOnce(String) -> u16) -> String {
    let (user, rest) = url.rsplit_once('@').expect("the URL has a user");
    let (server, database) = rest.split_once('/').expect("the URL has a database");
    let server = match server.rsplit_once(':') {
        Some(_) => server.to_owned(),
        None => format!("{server}:5432"),
    };
    format!("{user}@127.0.0.1:{}/{database}", port(server))
}

/// Another program sends while the relay's connections are cut, and wakes the relay each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_tries_a_database_that_is_away_once_a_second_and_catches_up() {
    let _turn = TURN.lock().await;
    databases::on_postgres(async |options| {
        let mut proxy = None;
        let url = through(options.get_url(), |server| {
            proxy.insert(Proxy::new(server)).0.port
        });
        let proxy = proxy.unwrap();
        let direct = with_tables(options_of(options.get_url())).await;
        let direct = SignalConnection::named("away", direct);
        let db = Database::connect(options_of(&url)).await.unwrap();
        let db = SignalConnection::named("away", db);
        let log = Log::new();
        let receivers = connect(&log);
        let settings = Settings::default().batch(20);
        let outbox = Outbox::start(&db, settings).await.unwrap();

        let mut count = 0;
        for _ in 0..100 {
            send(&direct, count).await;
            count += 1;
        }
        assert_eq!(outbox.relay_error(), None);
        let memory = highest_memory();
        let (cut, before) = (Instant::now(), proxy.requests());
        proxy.cut();
        until("the error is shown", async || {
            outbox.relay_error().is_some()
        })
        .await;
        while cut.elapsed() < time_away() {
            send(&direct, count).await;
            count += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (away, error) = (cut.elapsed(), outbox.relay_error());
        let attempts = proxy.requests() - before;
        assert!(error.is_some());
        proxy.mend();
        let mended = Instant::now();
        outbox.settle(LONG).await.unwrap();
        let caught_up = mended.elapsed();
        let added = highest_memory() - memory;
        if is_full() {
            println!(
                "{attempts} attempts in {away:?}, the error {error:?}, {count} events sent, \
                 all delivered {caught_up:?} later, {added:.1} MiB more"
            );
        }
        // The statements that run when the connections are cut connect again at once.
        assert!(attempts as f64 <= away.as_secs_f64() + 10.0, "{attempts}");
        assert!(added < 64.0, "{added} MiB");
        assert_complete(log.take(), count);
        until("no error is left", async || outbox.relay_error().is_none()).await;
        outbox.shutdown().await;
        for receiver in receivers {
            receiver.disconnect();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_catches_up_after_its_server_was_stopped_and_started() {
    let _turn = TURN.lock().await;
    if std::env::var_os("FANFARE_TEST_POSTGRES").is_none() {
        return;
    }
    let mut server = match Server::new() {
        Ok(server) => server,
        Err(reason) => return skip("a server that is stopped", &reason),
    };
    let db = with_tables(options_of(&server.url())).await;
    let db = SignalConnection::named("stopped", db);
    let log = Log::new();
    let receivers = connect(&log);
    let outbox = Outbox::start(&db, Settings::default()).await.unwrap();
    for number in 0..400 {
        send(&db, number).await;
    }
    tokio::task::block_in_place(|| server.stop());
    let stopped = Instant::now();
    until("the error is shown", async || {
        outbox.relay_error().is_some()
    })
    .await;
    tokio::time::sleep(time_away().saturating_sub(stopped.elapsed())).await;
    let error = outbox.relay_error();
    assert!(error.is_some());
    tokio::task::block_in_place(|| server.start());
    let started = Instant::now();
    for number in 400..500 {
        send(&db, number).await;
    }
    // Its first connection may be one that the server has ended.
    if outbox.settle(LONG).await.is_err() {
        outbox.settle(LONG).await.unwrap();
    }
    if is_full() {
        println!(
            "the error {error:?}, all delivered {:?} later",
            started.elapsed()
        );
    }
    assert_complete(log.take(), 500);
    outbox.shutdown().await;
    for receiver in receivers {
        receiver.disconnect();
    }
}
