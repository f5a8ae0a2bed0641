//! The signal of each physical connection of a pool is sent once, before the connection is used for
//! anything else.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::common::databases::{on_postgres, quiet};
use fanfare::{Connection, ScopedConnection, Sender};
use fanfare_django::db::CONNECTION_CREATED;
use fanfare_sea_orm::pool::{connection_created, send_connection_created};
use sea_orm::sqlx::{Executor, PgConnection, SqliteConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement,
    TransactionTrait,
};

/// Returns a pool on a database of its own, which is made and has sent no signal yet.
fn sqlite() -> ConnectOptions {
    let mut options = quiet("sqlite::memory:");
    options.max_connections(4);
    options
}

/// Runs `test` on each database there is.
async fn on_each(test: impl AsyncFn(ConnectOptions)) {
    test(sqlite()).await;
    on_postgres(async |mut options| {
        options.max_connections(4);
        test(options).await;
    })
    .await;
}

/// Counts the connections that the application names `using`.
fn count(using: &'static str) -> (&'static AtomicU32, ScopedConnection) {
    let created: &AtomicU32 = Box::leak(Box::default());
    let receiver = CONNECTION_CREATED.connect(move |_, event| {
        created.fetch_add(u32::from(event.using() == using), Ordering::Relaxed);
        Ok(())
    });
    (created, receiver.scoped())
}

/// Returns the number of physical connections of the pool, and the number of those that are idle.
fn connections(db: &DatabaseConnection) -> (u32, usize) {
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            let pool = db.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        }
        _ => {
            let pool = db.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        }
    }
}

#[tokio::test]
async fn four_connections_are_sent_four_times() {
    on_each(async |mut options| {
        let (created, _receiver) = count("four");
        send_connection_created(&mut options, "four");
        let db = Database::connect(options).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(db.begin().await.unwrap());
            assert_eq!(created.load(Ordering::Relaxed), connections(&db).0);
        }
        assert_eq!(created.load(Ordering::Relaxed), 4);
        drop(held);
        for _ in 0..10 {
            db.execute_unprepared("SELECT 1").await.unwrap();
        }
        assert_eq!(created.load(Ordering::Relaxed), 4);
    })
    .await;
}

#[tokio::test]
async fn connecting_again_is_sent_again() {
    on_each(async |mut options| {
        let (created, _receiver) = count("again");
        send_connection_created(&mut options, "again");
        let mut told = 0;
        for number in 1..=2 {
            let db = Database::connect(options.clone()).await.unwrap();
            told += connections(&db).0;
            assert_eq!(
                (created.load(Ordering::Relaxed), told >= number),
                (told, true)
            );
            db.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn each_database_has_its_name() {
    on_each(async |options| {
        let (one, _receiver) = count("one of two");
        let (other, _receiver) = count("other of two");
        for using in ["one of two", "other of two", "other of two"] {
            let mut options = options.clone();
            send_connection_created(&mut options, using);
            let _db = Database::connect(options).await.unwrap();
        }
        assert_eq!(
            (one.load(Ordering::Relaxed), other.load(Ordering::Relaxed)),
            (1, 2)
        );
    })
    .await;
}

#[tokio::test]
async fn the_sender_is_the_type_of_the_connection() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let connected = [
        (Sender::of::<SqliteConnection>(), "sqlite", 1),
        (Sender::of::<PgConnection>(), "postgres", 100),
    ]
    .map(|(sender, backend, one)| {
        CONNECTION_CREATED
            .options()
            .sender(sender)
            .connect(move |_, event| {
                if event.using() == "by sender" {
                    assert_eq!(event.backend(), backend);
                    assert_eq!(event.is::<SqliteConnection>(), backend == "sqlite");
                    assert_eq!(event.is::<PgConnection>(), backend == "postgres");
                    SEEN.fetch_add(one, Ordering::Relaxed);
                }
                Ok(())
            })
    });
    let _connected = connected.map(Connection::scoped);
    let mut options = sqlite();
    send_connection_created(&mut options, "by sender");
    Database::connect(options).await.unwrap();
    assert_eq!(SEEN.load(Ordering::Relaxed), 1);
    on_postgres(async |mut options| {
        send_connection_created(&mut options, "by sender");
        Database::connect(options).await.unwrap();
        assert_eq!(SEEN.load(Ordering::Relaxed), 101);
    })
    .await;
}

/// Connects a receiver that runs this SQL on each new connection to `using`.
fn run_on_each_connection(using: &'static str, sql: &'static str) -> ScopedConnection {
    let receiver = CONNECTION_CREATED.connect_async(move |_, event| {
        Box::pin(async move {
            if event.using() != using {
            } else if let Some(mut sqlite) = event.connection::<SqliteConnection>().await {
                sqlite.execute(sql).await?;
            } else if let Some(mut postgres) = event.connection::<PgConnection>().await {
                postgres.execute(sql).await?;
            }
            Ok(())
        })
    });
    receiver.scoped()
}

async fn number(db: &impl ConnectionTrait, sql: &str) -> i32 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn receivers_run_sql_on_it_before_anything_else_does() {
    on_each(async |mut options| {
        let _first = run_on_each_connection("sql", "CREATE TEMP TABLE scratch (id integer)");
        let _second = run_on_each_connection("sql", "INSERT INTO scratch VALUES (7)");
        send_connection_created(&mut options, "sql");
        let db = Database::connect(options).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..4 {
            let transaction = db.begin().await.unwrap();
            assert_eq!(number(&transaction, "SELECT id FROM scratch").await, 7);
            held.push(transaction);
        }
    })
    .await;
}

/// Connects a receiver that refuses the first few connections to `using`.
fn refuse(using: &'static str, first: u32) -> (&'static AtomicU32, ScopedConnection) {
    let refused: &AtomicU32 = Box::leak(Box::default());
    let receiver = CONNECTION_CREATED.connect(move |_, event| {
        if event.using() == using && refused.load(Ordering::Relaxed) < first {
            refused.fetch_add(1, Ordering::Relaxed);
            return Err("not this one".into());
        }
        Ok(())
    });
    (refused, receiver.scoped())
}

#[tokio::test]
async fn a_refused_connection_is_given_up_and_another_is_made() {
    on_each(async |mut options| {
        let (refused, _receiver) = refuse("twice", 2);
        let (created, _receiver) = count("twice");
        send_connection_created(&mut options, "twice");
        let db = Database::connect(options).await.unwrap();
        assert_eq!(refused.load(Ordering::Relaxed), 2);
        // Later receivers of a refused connection do not run.
        assert_eq!(created.load(Ordering::Relaxed), connections(&db).0);
    })
    .await;
}

#[tokio::test]
async fn a_caller_gets_a_timeout_if_all_connections_are_refused() {
    on_each(async |mut options| {
        let (refused, _receiver) = refuse("never", u32::MAX);
        send_connection_created(&mut options, "never");
        // The first may be too short to have connected at all.
        for millis in (5..).map(|power| 1 << power) {
            options.acquire_timeout(Duration::from_millis(millis));
            let failed = Database::connect(options.clone()).await;
            assert!(
                matches!(failed, Err(DbErr::Conn(_) | DbErr::ConnectionAcquire(_))),
                "{failed:?}"
            );
            if refused.load(Ordering::Relaxed) != 0 {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_panic_travels_to_the_caller_that_wants_a_connection() {
    on_each(async |mut options| {
        static PANICS: AtomicBool = AtomicBool::new(false);
        let receiver = CONNECTION_CREATED.connect(|_, event| {
            assert!(event.using() != "panics" || !PANICS.load(Ordering::Relaxed));
            Ok(())
        });
        let _receiver = receiver.scoped();
        send_connection_created(&mut options, "panics");
        let db = Database::connect(options).await.unwrap();
        // A connection goes back to its pool in a task of its own.
        while connections(&db).0 as usize != connections(&db).1 {
            tokio::task::yield_now().await;
        }
        let mut held = Vec::new();
        for _ in 0..connections(&db).0 {
            held.push(db.begin().await.unwrap());
        }
        PANICS.store(true, Ordering::Relaxed);
        // More often than the pool has places.
        for _ in 0..9 {
            let db = db.clone();
            let task = tokio::spawn(async move { db.execute_unprepared("SELECT 1").await });
            assert!(task.await.unwrap_err().is_panic());
        }
        PANICS.store(false, Ordering::Relaxed);
        db.execute_unprepared("SELECT 1").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_hook_of_the_application_can_send_too() {
    let (created, _receiver) = count("own hook");
    let mut options = sqlite();
    options.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_connect(|connection, _| {
            Box::pin(async move {
                connection
                    .execute("CREATE TEMP TABLE own (id integer)")
                    .await?;
                connection_created("own hook", "sqlite", connection).await
            })
        })
    });
    let db = Database::connect(options).await.unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM own").await, 0);
    assert_eq!(created.load(Ordering::Relaxed), connections(&db).0);
}

/// SeaORM sets the path in the hook in which we get the connections.
#[tokio::test]
async fn a_search_path_is_kept_only_as_an_option_of_the_connection() {
    const PATH: &str = "SELECT (current_setting('search_path') LIKE '%blog%')::int";
    on_postgres(async |options| {
        let mut alone = options.clone();
        alone.set_schema_search_path("blog");
        let db = Database::connect(alone.clone()).await.unwrap();
        assert_eq!(number(&db, PATH).await, 1);

        send_connection_created(&mut alone, "path");
        let db = Database::connect(alone).await.unwrap();
        assert_eq!(number(&db, PATH).await, 0);

        let mut kept = options.clone();
        kept.map_sqlx_postgres_opts(|it| it.options([("search_path", "blog")]));
        let (created, _receiver) = count("path");
        send_connection_created(&mut kept, "path");
        let db = Database::connect(kept).await.unwrap();
        assert_eq!(number(&db, PATH).await, 1);
        assert_eq!(created.load(Ordering::Relaxed), 1);
    })
    .await;
}
