//! Databases and entities for the tests. Signals are of the process, so the tests of a file take
//! turns.

#![allow(dead_code, unreachable_pub, reason = "no test file uses everything")]

pub mod entities;

use std::io::Write;
use std::sync::{Arc, Mutex, Once};

use entities::*;
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, EntityTrait, Schema};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

/// Runs a test on SQLite in memory, and on PostgreSQL if `FANFARE_TEST_POSTGRES` is the address of
/// one.
pub async fn on_each_database(test: impl AsyncFn(SignalConnection)) {
    let _turn = turn().await;
    let before = connected();
    test(sqlite().await).await;
    match std::env::var("FANFARE_TEST_POSTGRES") {
        Ok(address) => test(postgres(&address).await).await,
        Err(_) => tell_skipped(),
    }
    assert_eq!(connected(), before, "the test leaves receivers behind");
}

/// How many receivers the signals have.
fn connected() -> [usize; 5] {
    use fanfare::signals::model::*;
    [
        PRE_SAVE.len(),
        POST_SAVE.len(),
        PRE_DELETE.len(),
        POST_DELETE.len(),
        M2M_CHANGED.len(),
    ]
}

/// Once, and past the harness, which swallows what a test that passes prints.
fn tell_skipped() {
    static TELL: Once = Once::new();
    TELL.call_once(|| {
        let text = b"skipped on PostgreSQL: FANFARE_TEST_POSTGRES is not set\n";
        std::io::stderr().write_all(text).unwrap();
    });
}

pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: AsyncMutex<()> = AsyncMutex::const_new(());
    TURN.lock().await
}

/// A database of its own, with every table.
pub async fn sqlite() -> SignalConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    // sqlx 0.9 looks after old connections with a count that can be wrong for a moment, and then
    // spins for ever.
    options.idle_timeout(None).max_lifetime(None);
    let db = SignalConnection::new(Database::connect(options).await.unwrap());
    create_tables(&db).await;
    db
}

/// A schema of its own, with every table.
async fn postgres(address: &str) -> SignalConnection {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let schema = format!("fanfare_{}_{number}", std::process::id());
    let first = Database::connect(address).await.unwrap();
    let create = format!("CREATE SCHEMA {schema}");
    first.execute_unprepared(&create).await.unwrap();
    let mut options = ConnectOptions::new(address);
    options
        .max_connections(4)
        .sqlx_logging(false)
        .set_schema_search_path(schema)
        .idle_timeout(None)
        .max_lifetime(None);
    let db = SignalConnection::new(Database::connect(options).await.unwrap());
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

/// What receivers saw, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn new() -> Self {
        Log::default()
    }

    pub fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// What was seen since this was last asked.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
