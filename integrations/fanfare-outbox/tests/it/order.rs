//! Events of a key are delivered in the order of their commits, and no event is skipped.
//!
//! The tests are small. With `FANFARE_OUTBOX_FULL=1`, each of 64 writers has 1,000 transactions,
//! and a transaction stays open for a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanfare::BoxFuture;
use fanfare_outbox::{Durable, Outbox, SendDurable, Settings};
use fanfare_sea_orm::{BeforeCommit, Scopes, SignalConnection};
use sea_orm::{
    ConnectionTrait, Database, DatabaseTransaction, DbBackend, DbErr, Statement,
    TransactionSession, TransactionTrait,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::common::databases::on_postgres_schema;
use crate::common::{LONG, Log, event, is_full, named, on_each_shared, start, until, with_tables};

/// An item whose write waits. It is written after the events, and so between their INSERT and the
/// COMMIT.
struct Wait(BoxFuture<'static, ()>);

impl BeforeCommit for Wait {
    fn write(waits: Vec<Wait>, _db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            for wait in waits {
                wait.0.await;
            }
            Ok(())
        })
    }
}

fn wait(db: &impl Scopes, wait: impl Future<Output = ()> + Send + 'static) {
    assert!(db.before_commit(Wait(Box::pin(wait))).is_ok());
}

/// Returns a number that looks random (the finalizer of splitmix64).
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

const KEYS: u64 = 32;

event!(Changed, "order.Changed", CHANGED);

/// An item that counts the changes of keys, and then waits.
///
/// The row of a counter is locked until the COMMIT, so that the counts of a key are in the order of
/// the commits. It is written after the events, so that the order of the events does not come from
/// this lock.
struct Count {
    number: u64,
    keys: BTreeSet<u64>,
    pause: Duration,
    counts: Log<Counted>,
}

/// The count of the change of a key by the transaction with a number.
#[derive(Clone, Copy)]
struct Counted {
    key: u64,
    number: u64,
    count: i64,
}

impl BeforeCommit for Count {
    fn write(items: Vec<Count>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            for Count {
                number,
                keys,
                pause,
                counts,
            } in items
            {
                for key in keys {
                    let count = Statement::from_sql_and_values(
                        db.get_database_backend(),
                        "UPDATE order_count SET count = count + 1 WHERE key = $1 RETURNING count",
                        [i64::try_from(key).unwrap().into()],
                    );
                    let rows = db.query_all_raw(count).await?;
                    let count = rows[0].try_get_by_index(0)?;
                    counts.push(Counted { key, number, count });
                }
                tokio::time::sleep(pause).await;
            }
            Ok(())
        })
    }
}

async fn create_counters(db: &impl ConnectionTrait) {
    let keys: Vec<_> = (0..KEYS).map(|key| format!("({key}, 0)")).collect();
    let sql = format!(
        "CREATE TABLE order_count (key BIGINT PRIMARY KEY, count BIGINT NOT NULL); \
         INSERT INTO order_count VALUES {}",
        keys.join(", ")
    );
    db.execute_unprepared(&sql).await.unwrap();
}

/// Sends two events in each of many transactions, which pause between INSERT and COMMIT.
async fn write(db: SignalConnection, numbers: Range<u64>, counts: Log<Counted>) {
    for number in numbers {
        let transaction = db.begin().await.unwrap();
        let keys = [mixed(number) % KEYS, mixed(number + 1_000_000) % KEYS];
        for key in keys {
            let sent = transaction
                .send_durable(&CHANGED, key, &Changed(number))
                .await;
            sent.unwrap();
        }
        let count = Count {
            number,
            keys: BTreeSet::from(keys),
            pause: Duration::from_millis(mixed(number) % 20),
            counts: counts.clone(),
        };
        assert!(transaction.before_commit(count).is_ok());
        transaction.commit().await.unwrap();
        // So that the relays are never far behind: an event that comes too early is delivered
        // before the one that it should have waited for is committed.
        tokio::time::sleep(Duration::from_millis(mixed(number + 1) % 400)).await;
    }
}

/// Each transaction counts the changes of its keys. The receiver gets each event once, and those of
/// a key in the order of the counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_and_two_relays_keep_the_order_of_each_key() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = CHANGED
        .durable("order.changed")
        .connect_async(move |sender, event| {
            seen.push((sender.to_string(), event.0));
            Box::pin(async { Ok::<_, String>(()) })
        })
        .unwrap();
    on_each_shared(async |options| {
        let plain = with_tables(options.clone()).await;
        create_counters(&plain).await;
        let backend = plain.get_database_backend();
        let (writers, transactions) = match backend {
            DbBackend::Postgres if is_full() => (64, 1_000),
            DbBackend::Postgres => (64, 40),
            _ => (8, 10),
        };
        let db = named(plain);
        let settings = || Settings::default().poll(Duration::from_millis(50));
        let one = Outbox::start(&db, settings()).await.unwrap();
        // The other relay finds the commits by polling.
        let other = named(Database::connect(options).await.unwrap());
        let other = Outbox::start(&other, settings().notices(false))
            .await
            .unwrap();
        let counts = Log::new();
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let first = writer * transactions;
            tasks.spawn(write(
                db.clone(),
                first..first + transactions,
                counts.clone(),
            ));
        }
        while let Some(written) = tasks.join_next().await {
            written.unwrap();
        }
        one.settle(LONG).await.unwrap();
        let mut expected = BTreeMap::new();
        for Counted { key, number, count } in counts.take() {
            expected.insert((format!("key {key}"), number), count);
        }
        let delivered = log.take();
        let mut last = BTreeMap::new();
        let mut out_of_order = 0;
        for (key, number) in &delivered {
            let count = expected[&(key.clone(), *number)];
            let before = last.insert(key.clone(), count);
            out_of_order += usize::from(before > Some(count));
        }
        let distinct: BTreeSet<_> = delivered.iter().collect();
        let skipped = expected.len() - distinct.len();
        if is_full() {
            println!(
                "{backend:?}: {writers} writers x {transactions}, {} delivered, \
                 {skipped} skipped, {out_of_order} out of order",
                delivered.len()
            );
        }
        assert_eq!((skipped, out_of_order), (0, 0));
        assert_eq!(delivered.len() as u64, 2 * writers * transactions);
        one.shutdown().await;
        other.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Held, "order.Held", HELD);

/// A transaction between its INSERT and its COMMIT holds its own keys up, and no others. Ids that
/// become visible late are not skipped.
#[tokio::test]
async fn an_open_transaction_delays_its_own_keys_only() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = HELD
        .durable("order.held")
        .connect_async(move |_sender, event| {
            seen.push(event.0);
            Box::pin(async { Ok::<_, String>(()) })
        })
        .unwrap();
    on_postgres_schema(async |options| {
        let db = named(with_tables(options).await);
        let outbox = start(&db).await;
        let gate = Arc::new(Semaphore::new(0));
        let inserted = Arc::new(Semaphore::new(0));
        let open = db.begin().await.unwrap();
        open.send_durable(&HELD, "a", &Held(1)).await.unwrap();
        let (passes, tells) = (Arc::clone(&gate), Arc::clone(&inserted));
        wait(&open, async move {
            tells.add_permits(1);
            passes.acquire().await.unwrap().forget();
        });
        let open = tokio::spawn(open.commit());
        inserted.acquire().await.unwrap().forget();

        // Its ids are higher, and its commit comes first.
        for number in [2, 3] {
            db.send_durable(&HELD, "b", &Held(number)).await.unwrap();
        }
        until("other keys are delivered", async || log.len() == 2).await;
        let same_key = db.clone();
        let same_key = tokio::spawn(async move {
            same_key.send_durable(&HELD, "a", &Held(4)).await.unwrap();
        });
        db.send_durable(&HELD, "b", &Held(5)).await.unwrap();
        until("another one too", async || log.len() == 3).await;
        assert!(!same_key.is_finished());
        assert_eq!(log.take(), [2, 3, 5]);

        // The limit is that of a machine which has nothing else to do.
        let (time, limit) = if is_full() { (60, 1) } else { (1, 10) };
        let (opened, mut number, mut slowest) = (Instant::now(), 5, Duration::ZERO);
        while opened.elapsed() < Duration::from_secs(time) {
            number += 1;
            let sent = Instant::now();
            db.send_durable(&HELD, "b", &Held(number)).await.unwrap();
            until("the other key goes on", async || log.len() == 1).await;
            slowest = slowest.max(sent.elapsed());
            assert_eq!(log.take(), [number]);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if is_full() {
            println!(
                "{} events beside it, the slowest after {slowest:?}",
                number - 5
            );
        }
        assert!(slowest < Duration::from_secs(limit), "{slowest:?}");
        assert!(!same_key.is_finished());

        gate.add_permits(1);
        open.await.unwrap().unwrap();
        same_key.await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 4]);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Row, "order.Row", ROW);

/// Transactions that send to the same keys in different orders do not wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_of_several_keys_do_not_deadlock() {
    on_postgres_schema(async |mut options| {
        options.max_connections(8);
        let db = named(with_tables(options).await);
        let mut tasks = JoinSet::new();
        for writer in 0..8_u64 {
            let db = db.clone();
            tasks.spawn(async move {
                for n in 0..20 {
                    let transaction = db.begin().await.unwrap();
                    for key in 0..KEYS {
                        let key = mixed(writer * 1_000 + n * 10 + key) % KEYS;
                        let sent = transaction.send_durable(&ROW, key, &Row(n)).await;
                        sent.unwrap();
                    }
                    transaction.commit().await.unwrap();
                }
            });
        }
        while let Some(written) = tasks.join_next().await {
            written.unwrap();
        }
    })
    .await;
}

#[derive(fanfare::Event, serde::Serialize, serde::Deserialize)]
struct Moved {
    account: u64,
    number: u64,
}

impl fanfare_outbox::DurableEvent for Moved {
    const NAME: &'static str = "order.Moved";

    fn key(&self) -> Option<String> {
        Some(self.account.to_string())
    }
}

static MOVED: fanfare::Signal<Moved> = fanfare::Signal::new();

/// The first event of the account 1 is a dead letter, so that the second waits although it has
/// another sender.
#[tokio::test]
async fn an_event_with_a_key_is_ordered_by_it_and_not_by_its_sender() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = MOVED.durable("order.moved").attempts(1);
    let receiver = receiver.connect_async(move |_sender, event| {
        let number = event.number;
        seen.push(number);
        Box::pin(async move { if number == 1 { Err("no") } else { Ok(()) } })
    });
    on_each_shared(async |options| {
        let db = named(with_tables(options).await);
        let outbox = start(&db).await;
        for (sender, account, number) in [("till", 1, 1), ("web", 1, 2), ("till", 2, 3)] {
            let moved = Moved { account, number };
            db.send_durable(&MOVED, sender, &moved).await.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        let mut seen = log.take();
        seen.sort_unstable();
        assert_eq!(seen, [1, 3]);
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}
