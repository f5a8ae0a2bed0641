//! Databases, events and notes for the tests. Each test has its own event and database.

#![allow(
    dead_code,
    unreachable_pub,
    unused_macros,
    reason = "no test file uses everything"
)]

#[cfg(unix)]
pub mod children;
#[path = "../../../fanfare-sea-orm/tests/common/databases/mod.rs"]
pub mod databases;
#[cfg(unix)]
pub mod server;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare_outbox::{Outbox, Settings, create_tables};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

/// The time that a test waits before it fails.
pub const LONG: Duration = Duration::from_secs(60);

/// Returns `true` if the tests that could take minutes should: `FANFARE_OUTBOX_FULL=1`.
pub fn is_full() -> bool {
    std::env::var_os("FANFARE_OUTBOX_FULL").is_some_and(|value| value == "1")
}

/// Makes an event, which holds a number, and its signal.
macro_rules! event {
    ($event:ident, $name:literal, $signal:ident) => {
        #[derive(Clone, Debug, PartialEq, fanfare::Event, serde::Serialize, serde::Deserialize)]
        struct $event(u64);

        impl fanfare_outbox::DurableEvent for $event {
            const NAME: &'static str = $name;
        }

        static $signal: fanfare::Signal<$event> = fanfare::Signal::new();
    };
}
pub(crate) use event;

/// Runs a test on SQLite in memory, and on PostgreSQL if there is one.
pub async fn on_each_database(test: impl AsyncFn(SignalConnection)) {
    on_each_plain(async |db| test(named(db)).await).await;
}

/// Runs a test with connections that it can change before it uses them.
pub async fn on_each_plain(test: impl AsyncFn(DatabaseConnection)) {
    let mut options = databases::quiet("sqlite::memory:");
    options.max_connections(1);
    test(with_tables(options).await).await;
    databases::on_postgres_schema(async |mut options| {
        options.max_connections(8);
        test(with_tables(options).await).await;
    })
    .await;
}

/// Runs a test with the options of a database, over which several processes could work: SQLite in a
/// file, and PostgreSQL if there is one.
pub async fn on_each_shared(test: impl AsyncFn(ConnectOptions)) {
    let file = File::new();
    let mut options = databases::quiet(&file.url());
    options.max_connections(4);
    test(options).await;
    databases::on_postgres_schema(async |mut options| {
        options.max_connections(24);
        test(options).await;
    })
    .await;
}

/// A file for a SQLite database, which is deleted on drop.
pub struct File(PathBuf);

impl File {
    pub fn new() -> Self {
        let name = format!("fanfare-outbox-{}-{}.sqlite", std::process::id(), number());
        File(std::env::temp_dir().join(name))
    }

    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.0.display())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

pub async fn with_tables(options: ConnectOptions) -> DatabaseConnection {
    let db = Database::connect(options).await.unwrap();
    create_tables(&db).await.unwrap();
    db
}

/// Gives the connection a name of its own, so that commits of one test wake no relay of another.
pub fn named(db: DatabaseConnection) -> SignalConnection {
    SignalConnection::named(format!("test_{}", number()), db)
}

fn number() -> usize {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Notes the statements of the connection from now on.
pub fn statements_of(db: &mut DatabaseConnection) -> Log<String> {
    let statements = Log::new();
    let log = statements.clone();
    db.set_metric_callback(move |info| log.push(info.statement.sql.clone()));
    statements
}

/// Starts a relay.
pub async fn start(db: &SignalConnection) -> Outbox {
    Outbox::start(db, Settings::default()).await.unwrap()
}

/// The observations of receivers, in order.
#[derive(Clone, Default)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    pub fn new() -> Self {
        Log(Arc::default())
    }

    pub fn push(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    /// Returns the entries since the last call.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Waits until the condition holds.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(LONG, waited).await;
    waited.unwrap_or_else(|_| panic!("{what} within {LONG:?}"));
}

/// Returns the settings of a lease that is over soon after the death of its process.
pub fn settings() -> Settings {
    let lease = Duration::from_millis(400);
    Settings::default()
        .lease(lease)
        .poll(Duration::from_millis(50))
}

/// Returns the options of a database that several processes use.
pub fn options_of(url: &str) -> ConnectOptions {
    let mut options = databases::quiet(url);
    options.max_connections(6);
    // A reader that is stopped must not keep the writers of SQLite out.
    with_wal(options)
}

/// Gives SQLite the journal in which readers and writers do not wait for each other.
pub fn with_wal(mut options: ConnectOptions) -> ConnectOptions {
    options
        .map_sqlx_sqlite_opts(|it| it.journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal));
    options
}

/// Ends this process as a crash does.
pub fn kill_self() -> ! {
    signal(std::process::id(), "KILL");
    loop {
        std::thread::park();
    }
}

pub fn signal(process: u32, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{signal}"), &process.to_string()])
        .status();
    assert!(sent.unwrap().success(), "{signal} was sent");
}
