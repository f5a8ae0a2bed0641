//! A backlog: the speed, the memory and the longest statement of a relay that has a thousand events
//! to deliver, and of one that has a million. Then a queue behind a dead letter. Informs; fails
//! nothing.
//!
//! It runs on a file of SQLite with a write-ahead log, and on PostgreSQL if `FANFARE_TEST_POSTGRES`
//! is set. `FANFARE_OUTBOX_BACKLOG` sets the number in place of the million.

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fanfare_outbox::{Durable, Outbox, Settings};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectOptions, ConnectionTrait, DbBackend};

use common::{event, named, on_each_shared, with_tables, with_wal};

const FEW: u64 = 1_000;
/// The text of a longer statement is printed.
const SHOWN: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(900);

event!(Waiting, "backlog.Waiting", WAITING);

/// Stores events by one statement, each of a key of its own, or all of one key.
async fn store(db: &SignalConnection, first: u64, count: u64, is_one_key: bool) {
    let last = first + count - 1;
    let numbers = match db.get_database_backend() {
        DbBackend::Postgres => format!("generate_series({first}, {last}) AS n(n)"),
        _ => format!(
            "(WITH RECURSIVE n(n) AS (VALUES ({first}) UNION ALL SELECT n + 1 FROM n WHERE n < {last}) \
             SELECT n FROM n)"
        ),
    };
    let key = if is_one_key {
        "'name:stuck'"
    } else {
        "'key:' || n"
    };
    let sql = format!(
        "INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
         SELECT 'backlog.Waiting', 1, {key}, {key}, CAST(n AS TEXT) FROM {numbers} ORDER BY n"
    );
    db.execute_unprepared(&sql).await.unwrap();
}

/// Returns the memory of the process in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// The longest statement, with its text.
#[derive(Clone, Default)]
struct Longest(Arc<Mutex<(Duration, String)>>);

impl Longest {
    fn note(&self, time: Duration, text: &str) {
        let mut longest = self.0.lock().unwrap();
        if time > longest.0 {
            *longest = (time, text.to_owned());
        }
    }

    fn take(&self) -> (Duration, String) {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Delivers all events, and prints the speed, the memory and the longest statement.
async fn drain(db: &SignalConnection, longest: &Longest, what: &str, count: u64) -> f64 {
    longest.take();
    let before = resident();
    let started = Instant::now();
    let outbox = Outbox::start(db, Settings::default()).await.unwrap();
    outbox.settle(LONG).await.unwrap();
    let speed = count as f64 / started.elapsed().as_secs_f64();
    let added = resident() - before;
    outbox.shutdown().await;
    let (longest, text) = longest.take();
    println!("  {what}: {speed:.0} a second, {added:+.1} MiB, longest statement {longest:.1?}");
    if longest > SHOWN {
        println!("    {text}");
    }
    speed
}

#[tokio::main]
async fn main() {
    let many = std::env::var("FANFARE_OUTBOX_BACKLOG");
    let many = many.map_or(1_000_000, |many| many.parse().unwrap());
    let connected = WAITING
        .durable("backlog.waiting")
        .attempts(1)
        .connect_async(|_sender, event| {
            let is_dead = event.0 == 0;
            Box::pin(async move { if is_dead { Err("dead") } else { Ok(()) } })
        });
    let receiver = connected.unwrap();
    on_each_shared(async |options: ConnectOptions| {
        let mut db = with_tables(with_wal(options)).await;
        let longest = Longest::default();
        let seen = longest.clone();
        db.set_metric_callback(move |info| seen.note(info.elapsed, &info.statement.sql));
        let db = named(db);
        println!("{:?}", db.get_database_backend());
        let mut few = Vec::new();
        for round in 0..5 {
            store(&db, 1 + round * FEW, FEW, false).await;
            few.push(drain(&db, &longest, "1,000 events", FEW).await);
        }
        few.sort_by(f64::total_cmp);
        store(&db, 1, many, false).await;
        let all = drain(&db, &longest, "the backlog", many).await;
        println!(
            "  the backlog's speed is {:.2} of that of 1,000 events",
            all / few[2]
        );

        store(&db, 0, many / 10, true).await;
        drain(
            &db,
            &longest,
            "a tenth of it behind a dead letter, set aside",
            many / 10,
        )
        .await;
        store(&db, 1, FEW, false).await;
        drain(&db, &longest, "1,000 events beside it", FEW).await;
        let outbox = Outbox::start(&db, Settings::default()).await.unwrap();
        outbox.discard_where(|_| true).await.unwrap();
        outbox.shutdown().await;
        drain(
            &db,
            &longest,
            "those behind it, after it was discarded",
            many / 10,
        )
        .await;
    })
    .await;
    receiver.disconnect();
}
