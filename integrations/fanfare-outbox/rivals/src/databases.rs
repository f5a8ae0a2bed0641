//! The databases: one for each run on a server of PostgreSQL, and a file of SQLite for each rival.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

/// The connections of each rival to PostgreSQL.
pub(crate) const CONNECTIONS: u32 = 16;

/// The database of a rival.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
}

impl Place {
    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// Connects by SeaORM.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(CONNECTIONS).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|it| {
            it.journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal)
                .busy_timeout(Duration::from_secs(30))
        });
        Database::connect(options).await.unwrap()
    }

    /// Connects by the sqlx that hexeract has, with the same settings.
    pub(crate) async fn sqlite_0_8(&self) -> sqlx::SqlitePool {
        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
        let options: SqliteConnectOptions = self.url.parse().unwrap();
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS);
        pool.connect_with(options).await.unwrap()
    }

    /// Connects by the sqlx that hexeract and outbox-core have.
    pub(crate) async fn postgres_0_8(&self) -> sqlx::PgPool {
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(CONNECTIONS);
        pool.connect(&self.url).await.unwrap()
    }
}

/// Returns `true` if a query finds a row.
pub(crate) async fn finds(db: &DatabaseConnection, query: &str) -> bool {
    let statement = sea_orm::Statement::from_string(db.get_database_backend(), query);
    db.query_one_raw(statement).await.unwrap().is_some()
}

/// Makes a separate database on the server, runs `with` on it, and drops it.
pub(crate) async fn on_postgres<T>(server: &str, with: impl AsyncFnOnce(Place) -> T) -> T {
    let name = format!("fanfare_rivals_{}", std::process::id());
    let admin = Database::connect(ConnectOptions::new(server))
        .await
        .unwrap();
    let create = format!("CREATE DATABASE {name}");
    admin.execute_unprepared(&create).await.unwrap();
    let (before, _) = server.rsplit_once('/').unwrap();
    let place = Place {
        url: format!("{before}/{name}"),
    };
    let result = with(place).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute_unprepared(&drop).await.unwrap();
    result
}
