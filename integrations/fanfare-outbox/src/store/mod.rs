//! The statements on the tables.
//!
//! Statements are written for both databases, and sqlx takes `$1` for both. The parts that differ
//! are `{now}`, the time of the database's clock in milliseconds, and `{share}`, a lock on the row
//! of a lease.

pub(crate) mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod hand_out;
pub(crate) mod lease;
pub(crate) mod look;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement, Value,
};

use crate::schema::unsupported;

/// The tables, over a connection.
#[derive(Clone)]
pub(crate) struct Store {
    db: DatabaseConnection,
    /// The name of this relay, for people.
    owner: String,
}

impl Store {
    pub(crate) fn new(db: DatabaseConnection, owner: String) -> Result<Self, DbErr> {
        match db.get_database_backend() {
            DbBackend::Postgres | DbBackend::Sqlite => Ok(Store { db, owner }),
            _ => Err(unsupported()),
        }
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
        let sql = sql.replace("{now}", now).replace("{share}", share);
        Statement::from_sql_and_values(backend, sql, values)
    }

    /// Runs a statement, and returns the number of rows that it changed.
    async fn execute<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, DbErr> {
        let done = self.db.execute_raw(self.statement(sql, values)).await?;
        Ok(done.rows_affected())
    }

    async fn one<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<QueryResult>, DbErr> {
        self.db.query_one_raw(self.statement(sql, values)).await
    }

    async fn all(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, DbErr> {
        self.db.query_all_raw(self.statement(sql, values)).await
    }

    fn is_postgres(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Postgres
    }

    /// Returns the beginning of a statement that deletes events. On PostgreSQL it waits for
    /// receivers that are being made known, before the statement takes its view of the deliveries.
    /// SQLite has one writer at a time.
    fn after_receivers(&self) -> &'static str {
        if self.is_postgres() {
            "WITH wait AS (DELETE FROM fanfare_outbox_delivery WHERE false) "
        } else {
            ""
        }
    }

    /// Returns a table of the ids that a parameter has as JSON, so that the text of a statement
    /// does not depend on their number.
    fn ids_of(&self, parameter: &str) -> String {
        if self.is_postgres() {
            format!(
                "(SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST({parameter} AS json)))"
            )
        } else {
            format!("(SELECT value FROM json_each({parameter}))")
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

/// Returns the ids as JSON.
fn json_of(ids: &[i64]) -> Value {
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(",")).into()
}

/// A condition for a delivery `d`: no earlier delivery of its key is in its way.
const UNBLOCKED: &str = "NOT EXISTS (SELECT 1 FROM fanfare_outbox_delivery b \
     WHERE b.receiver = d.receiver AND b.key = d.key AND b.event_id < d.event_id AND b.state IN (1, 2, 3))";
