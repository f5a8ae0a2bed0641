//! The databases that a test runs on: SQLite in memory, and PostgreSQL where
//! `FANFARE_TEST_POSTGRES` names a server. Each test has its own.

use std::env;
use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

/// Runs `test` on each database there is.
#[allow(
    dead_code,
    reason = "not every test that has this module uses all of it"
)]
pub(crate) async fn on_each(test: impl AsyncFn(DatabaseConnection)) {
    test(Database::connect("sqlite::memory:").await.unwrap()).await;
    on_postgres(async |options| test(Database::connect(options).await.unwrap()).await).await;
}

/// Runs `test` with the way to an empty database on PostgreSQL, or says that it does not.
pub(crate) async fn on_postgres(test: impl AsyncFn(ConnectOptions)) {
    let Ok(server) = env::var("FANFARE_TEST_POSTGRES") else {
        static SAID: Once = Once::new();
        // Past the test harness, which hides what a passing test prints.
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
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();

    let (before, _) = server
        .rsplit_once('/')
        .expect("a database stands in the URL");
    test(quiet(&format!("{before}/{name}"))).await;

    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute_unprepared(&drop).await.unwrap();
}

fn quiet(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false);
    options
}
