//! Processes that are killed or stopped, over the database of another one.
//!
//! A child is this program once more, with the role that the environment gives it.
#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use common::children::{self, child_of, end_of, url_of_child};
use common::{LONG, event, kill_self, options_of, settings, signal, until, with_tables};
use fanfare::BoxFuture;
use fanfare_outbox::{Durable, DurableReceiver, Outbox, SendDurable};
use fanfare_sea_orm::{BeforeCommit, Scopes, SignalConnection, SignalTransaction};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, Statement, TransactionSession, TransactionTrait,
};
use tokio::task::JoinSet;

event!(Step, "processes.Step", STEP);

/// The places at which a process kills itself, always at the event 3.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    BetweenInsertAndCommit,
    AfterCommit,
    BeforeEffect,
    AfterEffect,
}

const PLACES: [Place; 4] = [
    Place::BetweenInsertAndCommit,
    Place::AfterCommit,
    Place::BeforeEffect,
    Place::AfterEffect,
];

/// Runs a test on each database. The tests take turns, because their receivers have the names that
/// the children's have.
async fn on_each(test: impl AsyncFn(ConnectOptions)) {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    children::on_each(test).await;
}

/// Returns a connection to a database with the tables of the outbox and of the test.
async fn connected(options: ConnectOptions) -> SignalConnection {
    let db = with_tables(options).await;
    let id = match db.get_database_backend() {
        DbBackend::Sqlite => "INTEGER PRIMARY KEY",
        _ => "BIGSERIAL PRIMARY KEY",
    };
    db.execute_unprepared(&format!(
        "CREATE TABLE IF NOT EXISTS change (number BIGINT PRIMARY KEY);
         CREATE TABLE IF NOT EXISTS effect (id {id}, number BIGINT NOT NULL, sender TEXT NOT NULL)"
    ))
    .await
    .unwrap();
    SignalConnection::new(db)
}

/// Connects a receiver whose effect is a row.
fn connect_effects(db: &SignalConnection, place: Option<Place>) -> DurableReceiver {
    let db = db.clone();
    let receiver = STEP.durable("processes.effects");
    let receiver = receiver.back_off(Duration::from_millis(50), Duration::from_secs(1));
    let receiver = receiver.connect_async(move |sender, event| {
        let (db, number) = (db.clone(), event.0);
        // Long enough to be cut off.
        let time = match db.get_database_backend() {
            DbBackend::Postgres => " FROM pg_sleep(0.005)",
            _ => "",
        };
        let effect =
            format!("INSERT INTO effect (number, sender) SELECT {number}, '{sender}'{time}");
        Box::pin(async move {
            kill_at(place, Place::BeforeEffect, number);
            db.execute_unprepared(&effect).await?;
            kill_at(place, Place::AfterEffect, number);
            Ok::<_, DbErr>(())
        })
    });
    receiver.unwrap()
}

fn kill_at(place: Option<Place>, here: Place, number: u64) {
    if place == Some(here) && number == 3 {
        kill_self();
    }
}

/// An item that kills the process when it is written, or when it is committed.
struct Kill(Place);

impl BeforeCommit for Kill {
    fn write(kills: Vec<Kill>, _db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            if kills.iter().any(|it| it.0 == Place::BetweenInsertAndCommit) {
                kill_self();
            }
            Ok(())
        })
    }

    fn committed(_using: &str, _db: &DatabaseConnection) {
        kill_self();
    }
}

async fn change(db: &SignalConnection, sender: u64, number: u64, kill: Option<Place>) {
    let transaction = changed(db, sender, number).await.unwrap();
    if let Some(place @ (Place::BetweenInsertAndCommit | Place::AfterCommit)) = kill {
        assert!(transaction.before_commit(Kill(place)).is_ok());
    }
    transaction.commit().await.unwrap();
}

async fn try_change(db: &SignalConnection, sender: u64, number: u64) -> Result<(), DbErr> {
    changed(db, sender, number).await?.commit().await
}

/// Returns a transaction with a change and its event.
async fn changed(
    db: &SignalConnection,
    sender: u64,
    number: u64,
) -> Result<SignalTransaction, DbErr> {
    let transaction = db.begin().await?;
    let insert = format!("INSERT INTO change VALUES ({number})");
    transaction.execute_unprepared(&insert).await?;
    let event = Step(number);
    transaction.send_durable(&STEP, sender, &event).await?;
    Ok(transaction)
}

/// Returns the numbers of the changes.
async fn changes(db: &SignalConnection) -> Vec<u64> {
    let rows = rows(db, "SELECT number FROM change ORDER BY number").await;
    let numbers = rows.iter().map(|row| row.try_get::<i64>("", "number"));
    numbers.map(|number| number.unwrap() as u64).collect()
}

/// Returns the numbers of the effects of each sender, in the order in which they came.
async fn effects(db: &SignalConnection) -> BTreeMap<String, Vec<u64>> {
    let sql = "SELECT number, sender FROM effect ORDER BY id";
    let mut effects = BTreeMap::<_, Vec<u64>>::new();
    for row in rows(db, sql).await {
        let sender: String = row.try_get("", "sender").unwrap();
        let number: i64 = row.try_get("", "number").unwrap();
        effects.entry(sender).or_default().push(number as u64);
    }
    effects
}

async fn rows(db: &SignalConnection, sql: &str) -> Vec<sea_orm::QueryResult> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap()
}

/// Starts this program once more, as the child with this role.
fn start_child(role: &str, url: &str, flags: &Path) -> Child {
    child_of("child_of_another_test_plays_its_role", url)
        .env("FANFARE_OUTBOX_ROLE", role)
        .env("FANFARE_OUTBOX_FLAGS", flags)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the children of the other tests"]
async fn child_of_another_test_plays_its_role() {
    let Some(url) = url_of_child() else {
        return;
    };
    let role = env::var("FANFARE_OUTBOX_ROLE").unwrap();
    let db = connected(options_of(&url)).await;
    let flags = PathBuf::from(env::var("FANFARE_OUTBOX_FLAGS").unwrap());
    if role == "stale" {
        return be_stale(&db, &flags).await;
    }
    if role == "run" {
        return run_until_killed(&db).await;
    }
    let place = PLACES.into_iter().find(|it| format!("{it:?}") == role);
    let place = Some(place.expect("the role is a place"));
    connect_effects(&db, place);
    let outbox = Outbox::start(&db, settings()).await.unwrap();
    for number in 1..=5 {
        let kill = place.filter(|_| number == 3);
        change(&db, 7, number, kill).await;
        outbox.settle(LONG).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_each_step_loses_nothing() {
    for place in PLACES {
        on_each(async |options| {
            let db = connected(options.clone()).await;
            let role = format!("{place:?}");
            let mut child = start_child(&role, options.get_url(), Path::new(""));
            let ended = end_of(&mut child);
            assert_eq!(ended.signal(), Some(9), "{place:?}: {ended}");

            let receiver = connect_effects(&db, None);
            let outbox = Outbox::start(&db, settings()).await.unwrap();
            outbox.settle(LONG).await.unwrap();
            let (changed, seen) = match place {
                Place::BetweenInsertAndCommit => (vec![1, 2], vec![1, 2]),
                Place::AfterCommit | Place::BeforeEffect => (vec![1, 2, 3], vec![1, 2, 3]),
                // The one duplicate: the process ended before the note of the delivery.
                Place::AfterEffect => (vec![1, 2, 3], vec![1, 2, 3, 3]),
            };
            assert_eq!(changes(&db).await, changed, "{place:?}");
            let effects = effects(&db).await;
            let effects: Vec<_> = effects.into_values().collect();
            assert_eq!(effects, [seen], "{place:?}");
            outbox.shutdown().await;
            receiver.disconnect();
        })
        .await;
    }
}

const SENDERS: u64 = 4;

async fn run_until_killed(db: &SignalConnection) {
    connect_effects(db, None);
    let _outbox = Outbox::start(db, settings()).await.unwrap();
    let first = changes(db).await.last().map_or(1, |last| last + 1);
    let mut tasks = JoinSet::new();
    for sender in 0..SENDERS {
        let db = db.clone();
        tasks.spawn(async move {
            for n in 0.. {
                change(&db, sender, first + n * SENDERS + sender, None).await;
            }
        });
    }
    tasks.join_next().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_nothing() {
    on_each(async |options| {
        let db = connected(options.clone()).await;
        let mut at_least = 0;
        for round in 1..=8 {
            let mut child = start_child("run", options.get_url(), Path::new(""));
            // Killed at a moment that depends on the machine, some work later.
            at_least += 5;
            until("the child works", async || {
                effects(&db).await.values().map(Vec::len).sum::<usize>() >= at_least
            })
            .await;
            tokio::time::sleep(Duration::from_millis(7 * round)).await;
            child.kill().unwrap();
            end_of(&mut child);
            at_least = effects(&db).await.values().map(Vec::len).sum();
        }
        let receiver = connect_effects(&db, None);
        let outbox = Outbox::start(&db, settings()).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(delivered_in_order(&db).await, changes(&db).await);
        outbox.shutdown().await;
        receiver.disconnect();
    })
    .await;
}

/// The server ends the connections of writers, receivers and the relay, wherever they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_lose_nothing() {
    on_each(async |options| {
        if options.get_url().starts_with("sqlite") {
            return;
        }
        let db = connected(options.clone()).await;
        let receiver = connect_effects(&db, None);
        let outbox = Outbox::start(&db, settings()).await.unwrap();
        let mut writers = JoinSet::new();
        for sender in 0..SENDERS {
            let db = db.clone();
            writers.spawn(async move {
                for n in 0..250 {
                    // An error may be that of a transaction that is committed.
                    let _ = try_change(&db, sender, n * SENDERS + sender).await;
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            });
        }
        let admin = Database::connect(options).await.unwrap();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        // The relay rests for a second after an error.
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            admin.execute_unprepared(cut).await.unwrap();
        }
        while let Some(written) = writers.join_next().await {
            written.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        let changes = changes(&db).await;
        assert!(changes.len() > 100, "few were committed: {changes:?}");
        assert_eq!(delivered_in_order(&db).await, changes);
        outbox.shutdown().await;
        receiver.disconnect();
    })
    .await;
}

/// Returns the numbers of all effects once, after a check that each sender's came in order. An
/// event that comes again does so behind events that came before it.
async fn delivered_in_order(db: &SignalConnection) -> Vec<u64> {
    let mut all = BTreeSet::new();
    for (sender, mut numbers) in effects(db).await {
        numbers.retain(|number| all.insert(*number));
        assert!(numbers.is_sorted(), "{sender}: {numbers:?}");
    }
    all.into_iter().collect()
}

/// A receiver that waits in the child, while the child is stopped.
async fn be_stale(db: &SignalConnection, flags: &Path) {
    let at = flags.to_owned();
    let receiver = STEP.durable("processes.stale");
    let receiver = receiver.connect_async(move |_sender, _event| {
        let at = at.clone();
        Box::pin(async move {
            std::fs::write(at.join("runs"), "").unwrap();
            while !at.join("go").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok::<_, String>(())
        })
    });
    receiver.unwrap();
    let outbox = Outbox::start(db, settings()).await.unwrap();
    until("it may go", async || flags.join("go").exists()).await;
    outbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_was_stopped_past_its_lease_changes_nothing() {
    on_each(async |options| {
        let db = connected(options.clone()).await;
        let flags = env::temp_dir().join(format!(
            "fanfare-outbox-{}-{:?}",
            std::process::id(),
            db.get_database_backend()
        ));
        std::fs::create_dir_all(&flags).unwrap();
        let mut child = start_child("stale", options.get_url(), &flags);
        change(&db, 7, 1, None).await;
        until("the receiver runs in the child", async || {
            flags.join("runs").exists()
        })
        .await;
        stop(&child, &db).await;

        // The event fails here once the lease is over, and is tried again in an hour.
        let hour = Duration::from_secs(3_600);
        let receiver = STEP.durable("processes.stale").back_off(hour, hour);
        let receiver = receiver
            .connect_async(|_sender, _event| Box::pin(async { Err("not now") }))
            .unwrap();
        let outbox = Outbox::start(&db, settings()).await.unwrap();
        let state = async || {
            let status = outbox.status().await.unwrap();
            let receiver = status.receiver("processes.stale").unwrap();
            (receiver.pending, receiver.failed, receiver.attempts)
        };
        until("the lease is taken over", async || {
            state().await == (0, 1, 1)
        })
        .await;

        // The child's receiver returns `Ok`, and the child notes that, and gives its lease back.
        std::fs::write(flags.join("go"), "").unwrap();
        signal(child.id(), "CONT");
        let ended = end_of(&mut child);
        assert!(ended.success(), "{ended}");
        assert_eq!(state().await, (0, 1, 1));
        let last_error = outbox.status().await.unwrap();
        let last_error = &last_error.receiver("processes.stale").unwrap().last_error;
        assert_eq!(last_error.as_deref(), Some("not now"));
        outbox.shutdown().await;
        receiver.disconnect();
        std::fs::remove_dir_all(&flags).unwrap();
    })
    .await;
}

/// Stops the child, at a moment when it does not hold the lock of a SQLite file: its other users
/// would wait for it whatever they do.
async fn stop(child: &Child, db: &SignalConnection) {
    loop {
        signal(child.id(), "STOP");
        let write = "UPDATE change SET number = number";
        if db.execute_unprepared(write).await.is_ok() {
            return;
        }
        signal(child.id(), "CONT");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The connection of a child is one of another process.
#[tokio::test]
async fn events_of_other_processes_are_found() {
    on_each(async |options| {
        let db = connected(options.clone()).await;
        let receiver = connect_effects(&db, None);
        let outbox = Outbox::start(&db, settings()).await.unwrap();
        let other = Database::connect(options).await.unwrap();
        let other = SignalConnection::named("other", other);
        change(&other, 7, 1, None).await;
        until("the event is found", async || {
            !effects(&db).await.is_empty()
        })
        .await;
        outbox.shutdown().await;
        receiver.disconnect();
    })
    .await;
}
