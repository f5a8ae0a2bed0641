//! Databases and entities for the tests. Signals are of the process, so the tests of a file take
//! turns.

#![allow(dead_code, unreachable_pub, reason = "no test file uses everything")]

pub mod databases;
pub mod entities;
pub mod rows;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use entities::*;
use fanfare::{BoxFuture, Event, ScopedConnection, Sender, Signal};
use fanfare_sea_orm::{ReceiverError, SignalConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, EntityTrait, Schema};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

/// Runs a test on SQLite in memory, and on PostgreSQL if `FANFARE_TEST_POSTGRES` is the address of
/// one.
pub async fn on_each_database(test: impl AsyncFn(SignalConnection)) {
    let (_turn, db) = sqlite_in_turn().await;
    let before = receivers();
    test(db).await;
    databases::on_postgres_schema(async |mut options| {
        options.max_connections(4);
        test(connected(options).await).await;
    })
    .await;
    assert_eq!(receivers(), before, "the test leaves receivers behind");
}

/// Returns the number of receivers of each signal.
fn receivers() -> [usize; 5] {
    use fanfare_django::model::*;
    [
        PRE_SAVE.receiver_count(),
        POST_SAVE.receiver_count(),
        PRE_DELETE.receiver_count(),
        POST_DELETE.receiver_count(),
        M2M_CHANGED.receiver_count(),
    ]
}

pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: AsyncMutex<()> = AsyncMutex::const_new(());
    TURN.lock().await
}

/// Returns [`sqlite`], for a test that runs on no other.
pub async fn sqlite_in_turn() -> (MutexGuard<'static, ()>, SignalConnection) {
    (turn().await, sqlite().await)
}

/// Returns a database of its own, with every table.
pub async fn sqlite() -> SignalConnection {
    let mut options = databases::quiet("sqlite::memory:");
    options.max_connections(1);
    connected(options).await
}

/// The connection has a name of its own, because signals of transactions have it as their sender:
/// a test that watches them sees those of no other.
async fn connected(options: ConnectOptions) -> SignalConnection {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let db = SignalConnection::named(name, Database::connect(options).await.unwrap());
    create_tables(&db).await;
    db
}

async fn create_tables(db: &SignalConnection) {
    async fn create<E: EntityTrait>(db: &SignalConnection, entity: E) {
        let schema = Schema::new(db.get_database_backend());
        db.execute(&schema.create_table_from_entity(entity))
            .await
            .unwrap();
    }
    create(db, person::Entity).await;
    create(db, book::Entity).await;
    create(db, page::Entity).await;
    create(db, tag::Entity).await;
    create(db, book_tag::Entity).await;
    create(db, follow::Entity).await;
}

/// Returns the text of the receiver's error that refused an operation.
pub fn refusal_of(error: &DbErr) -> String {
    let refusal = ReceiverError::find(error);
    refusal.expect("an error of a receiver").to_string()
}

/// Connects a receiver of the entity's signals, until it is dropped.
pub fn hear<E: Event, R>(
    entity: impl EntityTrait,
    signal: &'static Signal<E, R>,
    receiver: impl Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
) -> ScopedConnection {
    let options = signal.options().sender(sender_of(entity));
    options.connect(receiver).scoped()
}

/// Connects as [`hear`] does, with an async receiver.
pub fn hear_async<E: Event, R>(
    entity: impl EntityTrait,
    signal: &'static Signal<E, R>,
    receiver: impl for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
) -> ScopedConnection {
    let options = signal.options().sender(sender_of(entity));
    options.connect_async(receiver).scoped()
}

fn sender_of<S: EntityTrait>(_: S) -> Sender<'static> {
    Sender::of::<S>()
}

/// The observations of receivers, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn new() -> Self {
        Log::default()
    }

    pub fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// Returns the entries since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
