//! A process that is killed after each statement of the outbox, and one whose connections are cut
//! there.
//!
//! A child is this program once more. It counts its statements, and ends, or cuts its connections,
//! after the one with the number that the environment gives. `FANFARE_OUTBOX_STEPS=1` tries each
//! statement, and 20 rounds are `FANFARE_OUTBOX_ROUNDS=20`. By default one of nine is tried.
#![cfg(unix)]

mod common;

use std::env;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::children::{self, child_of, end_of, url_of_child};
use common::{LONG, event, kill_self, options_of, settings, with_tables};
use fanfare::BoxFuture;
use fanfare_outbox::{
    Delivered, Durable, DurableEvent, DurableReceiver, Outbox, SendDurable, Unsettled,
};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement,
    TransactionSession, TransactionTrait,
};

event!(Alone, "steps.Alone", ALONE);
event!(Shared, "steps.Shared", SHARED);

/// The receivers, and whether their own transaction completes the delivery.
const RECEIVERS: [(&str, bool); 3] = [
    ("steps.alone", true),
    ("steps.shared.once", true),
    ("steps.shared.again", false),
];

/// What a child does after the statement.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Kill,
    Cut,
}

/// The code with which a child exits that never came to the statement.
const NOT_REACHED: i32 = 7;

async fn connected(options: ConnectOptions) -> DatabaseConnection {
    let db = with_tables(options).await;
    let id = match db.get_database_backend() {
        DbBackend::Sqlite => "INTEGER PRIMARY KEY",
        _ => "BIGSERIAL PRIMARY KEY",
    };
    db.execute_unprepared(&format!(
        "CREATE TABLE IF NOT EXISTS change (number BIGINT PRIMARY KEY);
         CREATE TABLE IF NOT EXISTS effect (id {id}, receiver TEXT NOT NULL, number BIGINT NOT NULL)"
    ))
    .await
    .unwrap();
    db
}

/// Connects the receivers. The first attempt at each third number fails, so that later events of
/// the key wait.
fn connect_receivers(db: &SignalConnection) -> Vec<DurableReceiver> {
    fn connect<E: DurableEvent>(
        db: &SignalConnection,
        signal: &'static fanfare::Signal<E>,
        number_of: fn(&E) -> u64,
        (name, completes): (&'static str, bool),
    ) -> DurableReceiver {
        let db = db.clone();
        let short = Duration::from_millis(20);
        let receiver = signal.durable(name).attempts(1_000).back_off(short, short);
        let receiver = receiver.connect_async(move |_sender, event: &Delivered<E>| {
            let (db, number) = (db.clone(), number_of(event));
            Box::pin(async move {
                if number % 3 == 0 && event.attempt() == 1 {
                    return Err(DbErr::Custom("not yet".to_owned()));
                }
                let transaction = db.begin().await?;
                let effect =
                    format!("INSERT INTO effect (receiver, number) VALUES ('{name}', {number})");
                transaction.execute_unprepared(&effect).await?;
                if completes {
                    event.complete_in(&transaction)?;
                }
                transaction.commit().await
            }) as BoxFuture<'_, _>
        });
        receiver.unwrap()
    }
    let [alone, once, again] = RECEIVERS;
    vec![
        connect(db, &ALONE, |event| event.0, alone),
        connect(db, &SHARED, |event| event.0, once),
        connect(db, &SHARED, |event| event.0, again),
    ]
}

async fn change(db: &SignalConnection, number: u64) -> Result<(), DbErr> {
    let transaction = db.begin().await?;
    let insert = format!("INSERT INTO change VALUES ({number})");
    transaction.execute_unprepared(&insert).await?;
    transaction.send_durable(&ALONE, 7, &Alone(number)).await?;
    transaction
        .send_durable(&SHARED, 7, &Shared(number))
        .await?;
    transaction.commit().await
}

async fn numbers(db: &SignalConnection, sql: &str) -> Vec<i64> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

async fn changes(db: &SignalConnection) -> Vec<i64> {
    numbers(db, "SELECT number FROM change ORDER BY number").await
}

fn start_child(end: End, statement: u32, url: &str) -> Child {
    child_of("child_ends_after_a_statement", url)
        .env("FANFARE_OUTBOX_END", format!("{end:?}"))
        .env("FANFARE_OUTBOX_STATEMENT", statement.to_string())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the children of the other tests"]
async fn child_ends_after_a_statement() {
    let Some(url) = url_of_child() else {
        return;
    };
    let end = env::var("FANFARE_OUTBOX_END").unwrap();
    let last: u32 = env::var("FANFARE_OUTBOX_STATEMENT")
        .unwrap()
        .parse()
        .unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let mut db = connected(options_of(&url)).await;
    let (kills, cut_url) = (end == "Kill", url.clone());
    db.set_metric_callback(move |info| {
        let is_outbox = info.statement.sql.contains("fanfare_outbox");
        if is_outbox && counted.fetch_add(1, Ordering::SeqCst) + 1 == last {
            if kills {
                kill_self();
            }
            cut_connections(&cut_url);
        }
    });
    let db = SignalConnection::new(db);
    connect_receivers(&db);
    // Before the relay runs, whose statement may cut this one.
    let first = changes(&db).await.last().map_or(1, |last| last + 1);
    let outbox = started(&db).await;
    for number in first..first + 4 {
        // An error may be that of a transaction that is committed.
        let _ = change(&db, number as u64).await;
    }
    // A cut may hit it, on each of its connections.
    let mut settled = outbox.settle(LONG).await;
    for _ in 0..10 {
        if !matches!(settled, Err(Unsettled::Database(_))) {
            break;
        }
        settled = outbox.settle(LONG).await;
    }
    settled.unwrap();
    outbox.shutdown().await;
    if count.load(Ordering::SeqCst) < last {
        std::process::exit(NOT_REACHED);
    }
}

/// Starts a relay, whose first connections may be cut.
async fn started(db: &SignalConnection) -> Outbox {
    for _ in 0..20 {
        if let Ok(outbox) = Outbox::start(db, settings()).await {
            return outbox;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Outbox::start(db, settings()).await.unwrap()
}

/// Ends all connections of the database, and returns when they have ended.
fn cut_connections(url: &str) {
    let url = url.to_owned();
    let cut = async move {
        let admin = Database::connect(options_of(&url)).await.unwrap();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        admin.execute_unprepared(cut).await.unwrap();
    };
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(cut);
    });
    thread.join().unwrap();
}

fn number_of(variable: &str, default: u32) -> u32 {
    env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// Tries statements until a child ends before it comes to one. Returns the number of children that
/// came to theirs.
async fn try_statements(end: End, options: ConnectOptions) -> u32 {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    let db = SignalConnection::new(connected(options.clone()).await);
    let mut reached = 0;
    for _ in 0..number_of("FANFARE_OUTBOX_ROUNDS", 1) {
        for statement in (1..).step_by(number_of("FANFARE_OUTBOX_STEPS", 9) as usize) {
            let mut child = start_child(end, statement, options.get_url());
            let ended = end_of(&mut child);
            if ended.code() == Some(NOT_REACHED) {
                break;
            }
            assert_eq!(
                ended.success(),
                end == End::Cut,
                "{end:?} {statement}: {ended}"
            );
            reached += 1;
            check(&db, &format!("{end:?} {statement}")).await;
        }
    }
    reached
}

/// Delivers the rest, and checks that each receiver has had each change in order, and that those
/// whose transaction completes the delivery have had it once.
async fn check(db: &SignalConnection, what: &str) {
    let receivers = connect_receivers(db);
    let outbox = started(db).await;
    outbox.settle(LONG).await.unwrap();
    outbox.shutdown().await;
    for receiver in receivers {
        receiver.disconnect();
    }
    let changes = changes(db).await;
    for (name, completes) in RECEIVERS {
        let sql = format!("SELECT number FROM effect WHERE receiver = '{name}' ORDER BY id");
        let mut effects = numbers(db, &sql).await;
        if !completes {
            // A repeat comes right after the process has ended.
            let mut seen = std::collections::BTreeSet::new();
            effects.retain(|number| seen.insert(*number));
        }
        assert_eq!(effects, changes, "{name}, after {what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_any_statement_loses_nothing_and_doubles_nothing_that_is_completed() {
    children::on_each(async |options| {
        let reached = try_statements(End::Kill, options).await;
        assert!(reached > 3, "{reached} were killed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_after_any_statement_lose_nothing_and_double_nothing_that_is_completed()
 {
    children::on_postgres(async |options| {
        let reached = try_statements(End::Cut, options).await;
        assert!(reached > 3, "{reached} were cut");
    })
    .await;
}
