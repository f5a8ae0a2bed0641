//! Delivery goes on in a new cluster of PostgreSQL, after a dump and a restore.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::server::{Server, run, skip};
use common::{LONG, Log, databases, event, named, options_of, settings, start, until, with_tables};
use fanfare_outbox::{Durable, DurableReceiver, Outbox, SendDurable};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectionTrait, Database, Statement};
use tokio::sync::Semaphore;

event!(Alone, "dump.Alone", ALONE);
event!(Shared, "dump.Shared", SHARED);

/// A receiver, the sender of an event, and the event's number.
type Delivered = (&'static str, String, u64);

/// The receivers of one process, and the parts of the test in them.
#[derive(Clone)]
struct Receivers {
    /// The deliveries that were successful.
    log: Log<Delivered>,
    /// Has permits for the receiver of the events that have one receiver.
    gate: Arc<Semaphore>,
    /// `true` as long as deliveries from the sender `bad` fail.
    fails: Arc<AtomicBool>,
}

impl Receivers {
    /// The three receivers of an event get a dead letter, a delivery that is tried again in an
    /// hour, and no failure. Later deliveries of the key wait in the first two.
    fn connect(&self) -> Vec<DurableReceiver> {
        let hour = Duration::from_secs(3_600);
        let this = self.clone();
        let alone = ALONE
            .durable("dump.alone")
            .connect_async(move |sender, event| {
                let (this, sender, number) = (this.clone(), sender.to_string(), event.0);
                Box::pin(async move {
                    this.gate.acquire().await.unwrap().forget();
                    this.log.push(("dump.alone", sender, number));
                    Ok::<_, String>(())
                })
            });
        let dies = SHARED.durable("dump.dies").attempts(1);
        let retries = SHARED.durable("dump.retries").back_off(hour, hour);
        let works = SHARED.durable("dump.works");
        let receiver = |name: &'static str| {
            let this = self.clone();
            move |sender: &str, number: u64| {
                let fails = this.fails.load(Ordering::Relaxed);
                if fails && sender.contains("bad") && name != "dump.works" {
                    return Err("not here");
                }
                this.log.push((name, sender.to_owned(), number));
                Ok(())
            }
        };
        let (on_dies, on_retries, on_works) = (
            receiver("dump.dies"),
            receiver("dump.retries"),
            receiver("dump.works"),
        );
        let receivers = [
            alone,
            dies.connect_async(move |sender, event| {
                let result = on_dies(&sender.to_string(), event.0);
                Box::pin(async move { result })
            }),
            retries.connect_async(move |sender, event| {
                let result = on_retries(&sender.to_string(), event.0);
                Box::pin(async move { result })
            }),
            works.connect_async(move |sender, event| {
                let result = on_works(&sender.to_string(), event.0);
                Box::pin(async move { result })
            }),
        ];
        receivers.map(Result::unwrap).into()
    }
}

async fn count(db: &SignalConnection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn send(db: &SignalConnection, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let alone = db.send_durable(&ALONE, "slow", &Alone(number)).await;
        alone.unwrap();
        for sender in ["bad", "good"] {
            let shared = db.send_durable(&SHARED, sender, &Shared(number)).await;
            shared.unwrap();
        }
    }
}

/// Checks that each receiver has had each number of each sender once, in order.
fn assert_complete(delivered: Vec<Delivered>, last: u64) {
    let mut numbers = BTreeMap::<_, Vec<u64>>::new();
    for (receiver, sender, number) in delivered {
        numbers.entry((receiver, sender)).or_default().push(number);
    }
    assert_eq!(numbers.len(), 7, "{numbers:?}");
    for (of, numbers) in numbers {
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "{of:?}");
    }
}

const TEST: &str = "a dump and a restore";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_goes_on_in_a_new_cluster_after_a_dump_and_a_restore() {
    let receivers = Receivers {
        log: Log::new(),
        gate: Arc::new(Semaphore::new(0)),
        fails: Arc::new(AtomicBool::new(true)),
    };
    let log = receivers.log.clone();
    databases::on_postgres(async |options| {
        let new = match Server::new() {
            Ok(new) => new,
            Err(reason) => return skip(TEST, &reason),
        };
        let connected = receivers.connect();
        let url = options.get_url().to_owned();
        let old = named(with_tables(options_of(&url)).await);
        let short = settings().grace(Duration::from_millis(10));
        let outbox = Outbox::start(&old, short).await.unwrap();
        send(&old, 1..=4).await;
        until("the receivers have done what they can", async || {
            // Eight by `works`, and four each of the sender `good` by the other two.
            let waiting = "fanfare_outbox_delivery WHERE state = 5";
            log.len() == 16 && count(&old, waiting).await == 6
        })
        .await;
        let status = outbox.status().await.unwrap();
        let of = |name| status.receiver(name).unwrap();
        assert_eq!((of("dump.dies").dead, of("dump.retries").failed), (1, 1));
        assert_eq!(of("dump.alone").pending, 4);

        // The relay goes on, and has leases.
        let file = std::env::temp_dir().join(format!("fanfare-{}.sql", std::process::id()));
        let file = file.to_str().unwrap();
        let dumped = run("pg_dump", ["--no-owner", "--file", file, "--dbname", &url]);
        if let Err(reason) = &dumped
            && reason.contains("server version mismatch")
        {
            return skip(TEST, reason);
        }
        dumped.unwrap();
        outbox.shutdown().await;
        let stop = ["-X", "-q", "-v", "ON_ERROR_STOP=1"];
        let restored = run(
            "psql",
            [&stop[..], &["-f", file, "-d", &new.url()]].concat(),
        );
        std::fs::remove_file(file).unwrap();
        restored.unwrap();

        let db = named(Database::connect(options_of(&new.url())).await.unwrap());
        let outbox = start(&db).await;
        send(&db, [5]).await;
        receivers.gate.add_permits(5);
        until("the receivers go on", async || log.len() == 16 + 4 + 5).await;
        let letters = outbox.dead_letters(10).await.unwrap();
        assert_eq!(letters.len(), 1);
        receivers.fails.store(false, Ordering::Relaxed);
        outbox.advance(Duration::from_secs(2 * 3_600));
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.len(), 16 + 4 + 5 + 5);
        let resubmitted = outbox.resubmit("dump.dies", letters[0].event_id).await;
        assert!(resubmitted.unwrap());
        outbox.settle(LONG).await.unwrap();
        assert_complete(log.take(), 5);
        assert_eq!(count(&db, "fanfare_outbox_event").await, 0);
        assert_eq!(count(&db, "fanfare_outbox_delivery").await, 0);
        outbox.shutdown().await;
        for receiver in connected {
            receiver.disconnect();
        }
    })
    .await;
}
