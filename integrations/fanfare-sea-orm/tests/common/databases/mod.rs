//! The databases that a test runs on: SQLite in memory, and PostgreSQL where
//! `FANFARE_TEST_POSTGRES` names a server. Each test has its own.

#![allow(dead_code, reason = "no test file uses everything")]

use std::env;
use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

/// Runs `test` on each database there is.
pub(crate) async fn on_each(test: impl AsyncFn(DatabaseConnection)) {
    let sqlite = Database::connect(quiet("sqlite::memory:")).await;
    test(sqlite.unwrap()).await;
    on_postgres(async |options| test(Database::connect(options).await.unwrap()).await).await;
}

/// Runs `test` with the options of an empty database on PostgreSQL, or prints that there is none.
pub(crate) async fn on_postgres(test: impl AsyncFn(ConnectOptions)) {
    on_a_new("DATABASE", "WITH (FORCE)", async |server, name| {
        let (before, _) = server
            .rsplit_once('/')
            .expect("a database stands in the URL");
        test(quiet(&format!("{before}/{name}"))).await;
    })
    .await;
}

/// Runs `test` like [`on_postgres`], with an empty schema, which is made sooner.
pub(crate) async fn on_postgres_schema(test: impl AsyncFn(ConnectOptions)) {
    on_a_new("SCHEMA", "CASCADE", async |server, name| {
        let mut options = quiet(server);
        options.set_schema_search_path(name);
        test(options).await;
    })
    .await;
}

/// Runs `test` with the server's URL and the name of the new database or schema, and drops that.
async fn on_a_new(what: &str, with: &str, test: impl AsyncFn(&str, &str)) {
    let Ok(server) = env::var("FANFARE_TEST_POSTGRES") else {
        static SAID: Once = Once::new();
        // Past the test harness, which hides the output of a passing test.
        SAID.call_once(|| {
            let text = "skipped on PostgreSQL: FANFARE_TEST_POSTGRES is not set\n";
            io::stderr().write_all(text.as_bytes()).unwrap();
        });
        return;
    };
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("fanfare_{}_{number}", std::process::id());
    let admin = Database::connect(quiet(&server)).await.unwrap();
    let create = format!("CREATE {what} {name}");
    admin.execute_unprepared(&create).await.unwrap();
    test(&server, &name).await;
    let drop = format!("DROP {what} {name} {with}");
    // A statement that the test has left to the server may be in the way, and even in a deadlock.
    for _ in 0..20 {
        if admin.execute_unprepared(&drop).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    admin.execute_unprepared(&drop).await.unwrap();
}

/// Returns options without a log, and without sqlx 0.9's upkeep of old connections: its count of
/// them can be wrong for a moment, and then it spins forever.
pub(crate) fn quiet(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false);
    options.idle_timeout(None).max_lifetime(None);
    options
}
