//! The price of durable events in a transaction, the time from a commit to its receiver, and the
//! deliveries of a second. Informs; fails nothing.
//!
//! It runs on a file of SQLite with a write-ahead log, and on PostgreSQL if `FANFARE_TEST_POSTGRES`
//! is set.

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanfare_outbox::{Durable, Outbox, SendDurable, Settings};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectOptions, ConnectionTrait, TransactionSession, TransactionTrait};
use tokio::sync::mpsc;

use common::{event, named, on_each_shared, with_tables, with_wal};

const ROUNDS: usize = 301;
const EVENTS: usize = 50_000;
/// The number of events that a transaction sends.
const TOGETHER: usize = 5_000;
const BATCH: usize = 500;
const LONG: Duration = Duration::from_secs(300);

event!(Stored, "price.Stored", STORED);
event!(Timed, "price.Timed", TIMED);
event!(Counted, "price.Counted", COUNTED);

/// Returns the microseconds of a transaction with a plain INSERT, and `events` durable events, or
/// another plain INSERT if there are none.
async fn transaction(db: &SignalConnection, events: u64) -> f64 {
    let insert = "INSERT INTO plain (name, payload) VALUES ('price.Stored', '7')";
    let started = Instant::now();
    let transaction = db.begin().await.unwrap();
    transaction.execute_unprepared(insert).await.unwrap();
    if events == 0 {
        transaction.execute_unprepared(insert).await.unwrap();
    }
    for number in 0..events {
        let stored = Stored(number);
        transaction
            .send_durable(&STORED, number, &stored)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    micros(started)
}

fn micros(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e6
}

/// Returns the median and the 99th percentile.
fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

async fn price(db: &SignalConnection) {
    let cases = [0, 1, 10];
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for at in 0..3 {
            let at = (at + round) % 3;
            times[at].push(transaction(db, cases[at]).await);
        }
    }
    let [plain, one, ten] = times.map(|times| spread(times).0);
    println!("  a transaction with two plain INSERTs: {plain:.0} us");
    println!("  one of them a durable event: {:.2} of that", one / plain);
    println!("  ten durable events: {:.2} of that", ten / plain);
}

async fn latency(db: &SignalConnection) {
    let (started, mut starts) = mpsc::unbounded_channel();
    let options = TIMED.durable("price.timed");
    let connected = options.connect_async(move |_sender, _event| {
        let _ = started.send(Instant::now());
        Box::pin(async { Ok::<_, String>(()) })
    });
    let receiver = connected.unwrap();
    let outbox = Outbox::start(db, Settings::default()).await.unwrap();
    let mut times = Vec::new();
    for number in 0..ROUNDS as u64 {
        let transaction = db.begin().await.unwrap();
        transaction
            .send_durable(&TIMED, number, &Timed(number))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let committed = Instant::now();
        let start = starts.recv().await.unwrap();
        times.push(start.saturating_duration_since(committed).as_secs_f64() * 1e3);
        outbox.settle(LONG).await.unwrap();
    }
    let (median, most) = spread(times);
    println!("  commit to receiver, idle: median {median:.2} ms, 99 % {most:.2} ms");
    outbox.shutdown().await;
    receiver.disconnect();
}

async fn throughput(db: &SignalConnection) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&calls);
    let options = COUNTED.durable("price.counted");
    let connected = options.connect_async(move |_sender, _event| {
        counts.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok::<_, String>(()) })
    });
    let receiver = connected.unwrap();
    let mut bare = Vec::new();
    let mut relay = Vec::new();
    for _ in 0..3 {
        bare.push(bare_loop(db, &calls).await);
        // The relay starts afterwards, so that the time of the INSERTs is not in it. A transaction
        // of PostgreSQL has a lock for each key, of which there are not enough for all events.
        for first in (0..EVENTS as u64).step_by(TOGETHER) {
            let transaction = db.begin().await.unwrap();
            for number in first..first + TOGETHER as u64 {
                let counted = Counted(number);
                transaction
                    .send_durable(&COUNTED, number, &counted)
                    .await
                    .unwrap();
            }
            transaction.commit().await.unwrap();
        }
        let started = Instant::now();
        // As many at a time as the bare loop reads.
        let settings = Settings::default().batch(BATCH as u32);
        let outbox = Outbox::start(db, settings).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        relay.push(EVENTS as f64 / started.elapsed().as_secs_f64());
        outbox.shutdown().await;
    }
    let (bare, _) = spread(bare);
    let (relay, _) = spread(relay);
    println!(
        "  deliveries a second: {relay:.0}, a bare loop {bare:.0}: {:.2}",
        relay / bare
    );
    assert_eq!(calls.load(Ordering::Relaxed), 6 * EVENTS);
    receiver.disconnect();
}

/// Returns the rows of a second that a loop reads, counts and deletes, 500 at a time.
async fn bare_loop(db: &SignalConnection, calls: &AtomicUsize) -> f64 {
    let rows: Vec<_> = (0..EVENTS).map(|_| "('price.Counted', '7')").collect();
    let insert = format!(
        "INSERT INTO plain (name, payload) VALUES {}",
        rows.join(", ")
    );
    db.execute_unprepared("DELETE FROM plain").await.unwrap();
    db.execute_unprepared(&insert).await.unwrap();
    let select = format!("SELECT id, payload FROM plain ORDER BY id LIMIT {BATCH}");
    let backend = db.get_database_backend();
    let started = Instant::now();
    loop {
        let rows = db
            .query_all_raw(sea_orm::Statement::from_string(backend, &*select))
            .await
            .unwrap();
        let Some(last) = rows.last() else {
            return EVENTS as f64 / started.elapsed().as_secs_f64();
        };
        for row in &rows {
            let payload: String = row.try_get("", "payload").unwrap();
            let _: Counted = serde_json::from_str(&payload).unwrap();
            calls.fetch_add(1, Ordering::Relaxed);
        }
        let last: i64 = row_id(last);
        let delete = format!("DELETE FROM plain WHERE id <= {last}");
        db.execute_unprepared(&delete).await.unwrap();
    }
}

fn row_id(row: &sea_orm::QueryResult) -> i64 {
    row.try_get("", "id").unwrap()
}

#[tokio::main]
async fn main() {
    on_each_shared(async |options: ConnectOptions| {
        let db = named(with_tables(with_wal(options)).await);
        println!("{:?}", db.get_database_backend());
        let id = match db.get_database_backend() {
            sea_orm::DbBackend::Postgres => "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            _ => "INTEGER PRIMARY KEY AUTOINCREMENT",
        };
        let table =
            format!("CREATE TABLE plain (id {id}, name TEXT NOT NULL, payload TEXT NOT NULL)");
        db.execute_unprepared(&table).await.unwrap();
        price(&db).await;
        latency(&db).await;
        throughput(&db).await;
    })
    .await;
}
