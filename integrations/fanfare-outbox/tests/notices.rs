//! Notices of commits in other processes: they start receivers although the poll takes longer than
//! any test.
//!
//! A child is this program once more, with the role that the environment gives it. The tests take
//! turns, because the child's receiver has the name of another one here.
#![cfg(unix)]

mod common;

use std::env;
use std::time::{Duration, Instant};

use common::children::{self, child_of, end_of, url_of_child};
use common::{Log, event, options_of, statements_of, until, with_tables};
use fanfare_outbox::{Durable, DurableReceiver, Outbox, SendDurable, Settings, send_notices};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
    TransactionSession, TransactionTrait,
};
use tokio::task::JoinSet;

event!(Noticed, "notices.Noticed", NOTICED);
event!(Foreign, "notices.Foreign", FOREIGN);

/// The number of events that a child sends.
const EVENTS: u64 = 5;

/// Settings with a poll that no test waits for.
fn without_poll() -> Settings {
    Settings::default().poll(Duration::from_secs(3_600))
}

async fn on_each(test: impl AsyncFn(ConnectOptions)) {
    let _turn = turn().await;
    children::on_each(test).await;
}

async fn on_postgres(test: impl AsyncFn(ConnectOptions)) {
    let _turn = turn().await;
    children::on_postgres(test).await;
}

async fn turn() -> tokio::sync::MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    TURN.lock().await
}

/// Connects a receiver that notes the numbers of its events.
fn connect() -> (DurableReceiver, Log<u64>) {
    let log = Log::new();
    let seen = log.clone();
    let receiver = NOTICED.durable("notices.receiver");
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push(event.0);
        Box::pin(async { Ok::<_, String>(()) })
    });
    (receiver.unwrap(), log)
}

/// Returns a connection of another name, as that of another process is.
async fn another(options: &ConnectOptions) -> SignalConnection {
    let db = Database::connect(options.clone()).await.unwrap();
    SignalConnection::named("another", db)
}

async fn send(db: &SignalConnection, number: u64) {
    let event = Noticed(number);
    db.send_durable(&NOTICED, number, &event).await.unwrap();
}

/// Waits until the log has the numbers below this one.
async fn until_seen(log: &Log<u64>, numbers: u64) {
    let all = usize::try_from(numbers).unwrap();
    until("each event is received", async || log.len() == all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of another test"]
async fn child_of_another_test_sends_events() {
    let Some(url) = url_of_child() else {
        return;
    };
    let role = env::var("FANFARE_OUTBOX_ROLE").unwrap();
    let db = SignalConnection::new(Database::connect(options_of(&url)).await.unwrap());
    let mut relay = None;
    if role == "with a relay" {
        let receiver = FOREIGN.durable("notices.foreign");
        let ok = || Box::pin(async { Ok::<_, String>(()) });
        receiver.connect_async(move |_sender, _event| ok()).unwrap();
        relay = Some(Outbox::start(&db, without_poll()).await.unwrap());
    }
    for number in 0..EVENTS {
        send(&db, number).await;
        // Each event needs a notice.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(relay);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_another_process_starts_the_receiver() {
    for role in ["without a relay", "with a relay"] {
        on_each(async |options| {
            let db = SignalConnection::new(with_tables(options.clone()).await);
            let (receiver, log) = connect();
            let outbox = Outbox::start(&db, without_poll()).await.unwrap();
            let mut child = child_of("child_of_another_test_sends_events", options.get_url());
            let mut child = child.env("FANFARE_OUTBOX_ROLE", role).spawn().unwrap();
            until_seen(&log, EVENTS).await;
            let ended = end_of(&mut child);
            assert!(ended.success(), "{ended}");
            assert!(log.take().is_sorted());
            outbox.shutdown().await;
            receiver.disconnect();
        })
        .await;
    }
}

/// Each round sends at another moment after the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_at_any_moment_of_the_relay_start_the_receiver() {
    on_each(async |options| {
        let db = SignalConnection::new(with_tables(options.clone()).await);
        let other = another(&options).await;
        let (receiver, log) = connect();
        let outbox = Outbox::start(&db, without_poll()).await.unwrap();
        for number in 0..200 {
            send(&other, number).await;
            if number % 2 == 0 {
                until_seen(&log, number + 1).await;
            }
            tokio::time::sleep(Duration::from_micros(137 * (number % 50))).await;
        }
        until_seen(&log, 200).await;
        outbox.shutdown().await;
        receiver.disconnect();
    })
    .await;
}

/// The worker takes the lease, finds that another relay has delivered the event, and reads before
/// the next commit. It gives the lease back after the look that the notice causes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_while_a_worker_finds_nothing_is_not_lost() {
    on_postgres(async |options| {
        let db = SignalConnection::new(with_tables(options.clone()).await);
        let other = another(&options).await;
        let (receiver, log) = connect();
        let outbox = Outbox::start(&db, without_poll()).await.unwrap();
        until("the relay gets notices", async || {
            listeners(&other).await.len() == 1
        })
        .await;
        let row = "SELECT name FROM fanfare_outbox_receiver FOR UPDATE";
        let waits = async |statement: &str| {
            let waits = format!(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE '{statement}%'"
            );
            until("the statement waits", async || {
                let waits = Statement::from_string(DbBackend::Postgres, &*waits);
                other.query_one_raw(waits).await.unwrap().is_some()
            })
            .await;
        };
        let first = db.begin().await.unwrap();
        first.execute_unprepared(row).await.unwrap();
        send(&other, 0).await;
        waits("UPDATE fanfare_outbox_receiver SET owner = $2").await;
        let second = db.begin().await.unwrap();
        let locked = tokio::spawn(async move {
            second.execute_unprepared(row).await.unwrap();
            second
        });
        waits(row).await;
        let delivered = "DELETE FROM fanfare_outbox_event";
        first.execute_unprepared(delivered).await.unwrap();
        first.commit().await.unwrap();
        waits("UPDATE fanfare_outbox_receiver SET owner = NULL").await;
        send(&other, 1).await;
        // The look of the notice, which finds the lease taken.
        tokio::time::sleep(Duration::from_millis(300)).await;
        locked.await.unwrap().rollback().await.unwrap();
        until_seen(&log, 1).await;
        assert_eq!(log.take(), [1]);
        outbox.shutdown().await;
        receiver.disconnect();
    })
    .await;
}

/// Returns the process ids of the connections that receive notices, and the times of their last
/// statements.
async fn listeners(db: &impl ConnectionTrait) -> Vec<(i32, String)> {
    let listeners = "SELECT pid, CAST(query_start AS text) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'LISTEN %'";
    let listeners = Statement::from_string(DbBackend::Postgres, listeners);
    let rows = db.query_all_raw(listeners).await.unwrap();
    let rows = rows.iter().map(|row| {
        let pid = row.try_get_by_index(0).unwrap();
        (pid, row.try_get_by_index(1).unwrap())
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_whose_connection_is_cut_gets_notices_again() {
    on_postgres(async |options| {
        let db = SignalConnection::new(with_tables(options.clone()).await);
        let other = another(&options).await;
        let (receiver, log) = connect();
        let outbox = Outbox::start(&db, without_poll()).await.unwrap();
        let listens = async || listeners(&other).await.len() == 1;
        until("the relay gets notices", listens).await;
        for number in 0..2 {
            let (pid, _) = listeners(&other).await[0];
            let cut = format!("SELECT pg_terminate_backend({pid})");
            other.execute_unprepared(&cut).await.unwrap();
            // The relay looks when the connection is lost.
            send(&other, 2 * number).await;
            until("the relay has another connection", async || {
                listeners(&other).await.iter().any(|(new, _)| *new != pid)
            })
            .await;
            until_seen(&log, 2 * number + 1).await;
            send(&other, 2 * number + 1).await;
            until_seen(&log, 2 * number + 2).await;
        }
        outbox.shutdown().await;
        assert_eq!(listeners(&other).await, []);
        receiver.disconnect();
    })
    .await;
}

/// Notes the times of the notices that are sent over the connection.
fn notices_of(db: &mut DatabaseConnection) -> Log<Instant> {
    let notices = Log::new();
    let log = notices.clone();
    db.set_metric_callback(move |info| {
        if info.statement.sql.contains("pg_notify") {
            log.push(Instant::now());
        }
    });
    notices
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_share_notices_and_a_transaction_sends_none() {
    on_postgres(async |options| {
        let mut db: DatabaseConnection = with_tables(options).await;
        let notices = notices_of(&mut db);
        let db = SignalConnection::named("shared", db);
        let pause = Duration::from_secs(1);

        let transaction = db.begin().await.unwrap();
        transaction
            .send_durable(&NOTICED, 1, &Noticed(1))
            .await
            .unwrap();
        tokio::time::sleep(pause).await;
        transaction.rollback().await.unwrap();
        tokio::time::sleep(pause).await;
        assert_eq!(notices.take().len(), 0);

        let mut senders = JoinSet::new();
        for sender in 0..4 {
            let db = db.clone();
            senders.spawn(async move {
                for _ in 0..100 {
                    send(&db, sender).await;
                }
            });
        }
        senders.join_all().await;
        tokio::time::sleep(pause).await;
        let times = notices.take();
        assert!((1..400).contains(&times.len()), "{} notices", times.len());
        let are_apart =
            |times: &[Instant]| times[1].duration_since(times[0]) >= Duration::from_millis(50);
        assert!(times.windows(2).all(are_apart), "{times:?}");

        send_notices("shared", false);
        send(&db, 1).await;
        tokio::time::sleep(pause).await;
        assert_eq!(notices.take().len(), 0);
        send_notices("shared", true);
        send(&db, 1).await;
        until("the notice is sent", async || notices.len() == 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_without_notices_has_no_further_connection() {
    on_postgres(async |options| {
        let db = SignalConnection::new(with_tables(options).await);
        let started = Instant::now();
        let outbox = Outbox::start(&db, without_poll()).await.unwrap();
        until("the relay gets notices", async || {
            listeners(&db).await.len() == 1
        })
        .await;
        let time = started.elapsed();
        outbox.shutdown().await;
        assert_eq!(listeners(&db).await, []);
        let settings = without_poll().notices(false);
        let outbox = Outbox::start(&db, settings).await.unwrap();
        tokio::time::sleep(3 * time + Duration::from_millis(500)).await;
        assert_eq!(listeners(&db).await, []);
        outbox.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_waits_for_notices_makes_one_statement_a_second() {
    on_each(async |options| {
        let mut db = with_tables(options.clone()).await;
        let statements = statements_of(&mut db);
        let db = SignalConnection::new(db);
        let other = another(&options).await;
        let (receiver, log) = connect();
        let outbox = Outbox::start(&db, Settings::default()).await.unwrap();
        let is_postgres = db.get_database_backend() == DbBackend::Postgres;
        send(&other, 0).await;
        until_seen(&log, 1).await;
        let listening = async || {
            if is_postgres {
                listeners(&other).await
            } else {
                Vec::new()
            }
        };
        until("the relay gets notices", async || {
            listening().await.len() == usize::from(is_postgres)
        })
        .await;
        // The last looks after the work.
        tokio::time::sleep(Duration::from_millis(500)).await;
        statements.take();
        let before = listening().await;
        tokio::time::sleep(Duration::from_millis(4_500)).await;
        let asked = statements.take();
        assert!(!asked.is_empty() && asked.len() <= 5, "{asked:?}");
        assert_eq!(listening().await, before);
        outbox.shutdown().await;
        receiver.disconnect();
    })
    .await;
}
