//! The statements on the tables.
//!
//! Statements are written for both databases, and sqlx takes `$1` for both. The parts that differ
//! are `{now}`, the time of the database's clock in milliseconds, and `{share}`, a lock on the row
//! of a lease.

pub(crate) mod away;
pub(crate) mod batch;
pub(crate) mod dead_letters;
mod due;
mod first;
pub(crate) mod hand_out;
pub(crate) mod lease;
pub(crate) mod look;
pub(crate) mod notes;
pub(crate) mod receivers;
pub(crate) mod waiting;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use tokio::sync::{Mutex, MutexGuard};

use self::away::Away;
use crate::schema::unsupported;

/// The number of rows that a statement takes at most, if the caller sets no number.
const ROWS: i64 = 500;

/// The time for which PostgreSQL keeps the plan of a statement.
///
/// A connection keeps the plan that it has made for the text of a statement. A plan that was made
/// when the tables were empty reads all rows, and a moment later there may be a million. So the
/// text has a number that changes.
const PLANNED: Duration = Duration::from_secs(5);

/// The tables, over a connection.
#[derive(Clone)]
pub(crate) struct Store {
    db: DatabaseConnection,
    /// The name of this relay, for people.
    owner: String,
    /// The milliseconds by which the clock was moved.
    ahead: Arc<AtomicI64>,
    /// Locked by a note on SQLite.
    notes: Arc<Mutex<()>>,
    /// Keeps the statements of the relay from a database that is away.
    away: Option<Arc<Away>>,
}

impl Store {
    pub(crate) fn new(db: DatabaseConnection, owner: String) -> Result<Self, DbErr> {
        match db.get_database_backend() {
            DbBackend::Postgres | DbBackend::Sqlite => Ok(Store {
                db,
                owner,
                ahead: Arc::default(),
                notes: Arc::default(),
                away: None,
            }),
            _ => Err(unsupported()),
        }
    }

    /// Returns a unique name for an owner of leases.
    pub(crate) fn owner(kind: &str) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only the atomicity of the addition matters, which makes the name unique.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Processes of several machines or containers may have one id.
        let random = RandomState::new().build_hasher().finish();
        let process = std::process::id();
        format!("process {process}, {kind} {number}, {random:016x}")
    }

    /// Returns the tables for the relay's own statements. While the database is away, at most one
    /// of them in a second tries to reach it.
    pub(crate) fn with_pauses(&self) -> Self {
        Store {
            away: Some(Arc::default()),
            ..self.clone()
        }
    }

    /// Returns `true` if the last statement did not reach the database.
    pub(crate) fn is_away(&self) -> bool {
        self.away.as_ref().is_some_and(|away| away.is_away())
    }

    /// Runs a statement on a connection of the pool.
    async fn reach<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        match &self.away {
            Some(away) => away.reach(statement).await,
            None => statement.await,
        }
    }

    pub(crate) fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Moves the clock of this relay forward.
    pub(crate) fn advance(&self, time: Duration) {
        // Relaxed: no other memory depends on it.
        self.ahead.fetch_add(millis(time), Ordering::Relaxed);
    }

    fn statement(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        let backend = self.db.get_database_backend();
        let (now, share) = match backend {
            DbBackend::Postgres => (
                "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
                "FOR SHARE",
            ),
            _ => (
                "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
                "",
            ),
        };
        let sql = match backend {
            DbBackend::Postgres => {
                // One clock for the process, so that all relays on a pool share the texts.
                static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
                let plan = STARTED.elapsed().as_secs() / PLANNED.as_secs();
                format!("{sql} /* {plan} */")
            }
            _ => sql.to_owned(),
        };
        // Relaxed: as in `advance`.
        let sql = match self.ahead.load(Ordering::Relaxed) {
            0 => sql.replace("{now}", now),
            ahead => sql.replace("{now}", &format!("({now} + {ahead})")),
        };
        Statement::from_sql_and_values(backend, sql.replace("{share}", share), values)
    }

    /// Runs a statement, and returns the number of rows that it changed.
    async fn execute<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, DbErr> {
        self.reach(self.execute_in(&self.db, sql, values)).await
    }

    /// Runs a statement in a transaction.
    async fn execute_in<const N: usize>(
        &self,
        db: &impl ConnectionTrait,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, DbErr> {
        let done = db.execute_raw(self.statement(sql, values)).await?;
        Ok(done.rows_affected())
    }

    async fn one<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<QueryResult>, DbErr> {
        let query = self.db.query_one_raw(self.statement(sql, values));
        self.reach(query).await
    }

    async fn all(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let query = self.db.query_all_raw(self.statement(sql, values));
        self.reach(query).await
    }

    /// Begins a transaction. SQLite takes its lock for writing at the beginning: a transaction that
    /// takes it later fails if another one has written meanwhile.
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            // Each statement must see what was committed before it.
            isolation_level: self.is_postgres().then_some(IsolationLevel::ReadCommitted),
            ..TransactionOptions::default()
        };
        self.reach(self.db.begin_with_options(options)).await
    }

    /// Waits for the turn of a note. SQLite has one writer at a time, and those that find its lock
    /// taken sleep and try again, for seconds if there are many. Here they come one after the
    /// other.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        if self.is_postgres() {
            return None;
        }
        Some(self.notes.lock().await)
    }

    fn is_postgres(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Postgres
    }

    /// Returns the beginning of a statement that deletes events. On PostgreSQL it waits for
    /// receivers that are being made known, before the statement takes its view of the tables.
    /// SQLite has one writer at a time.
    fn after_receivers(&self) -> &'static str {
        if self.is_postgres() {
            "wait AS (DELETE FROM fanfare_outbox_delivery WHERE false) "
        } else {
            "wait AS (SELECT 1) "
        }
    }

    /// Returns the condition that a column has one of the ids that a parameter has as JSON (see
    /// [`json_of`]), so that the text of a statement does not depend on their number.
    ///
    /// For PostgreSQL it has the range of the ids as well, which is the part of an index that a
    /// statement then reads, whichever index it uses. A statement keeps its plan while the table
    /// grows, and without the range it may be a plan that reads all rows.
    fn is_among(&self, column: &str, parameter: &str) -> String {
        if self.is_postgres() {
            let json = format!("CAST({parameter} AS json)");
            format!(
                "({column} >= CAST({json} ->> 0 AS BIGINT) \
                 AND {column} <= CAST({json} ->> -1 AS BIGINT) \
                 AND {column} = ANY (ARRAY(\
                     SELECT CAST(value AS BIGINT) FROM json_array_elements_text({json}))))"
            )
        } else {
            format!("{column} IN (SELECT value FROM json_each({parameter}))")
        }
    }

    /// Returns a table of the texts that a parameter has as JSON.
    fn texts_of(&self, parameter: &str) -> String {
        if self.is_postgres() {
            format!("(SELECT value FROM json_array_elements_text(CAST({parameter} AS json)))")
        } else {
            format!("(SELECT value FROM json_each({parameter}))")
        }
    }
}

/// Returns the ids as JSON, in their order.
fn json_of(ids: &[i64]) -> Value {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(",")).into()
}

/// Returns whole milliseconds.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}
