//! Sending durable events.

use fanfare::connections::IntoSender;
use fanfare::{BoxFuture, Signal};
use fanfare_sea_orm::{BeforeCommit, Scopes};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
    TransactionSession,
};
use serde::Serialize;

use crate::error::SendError;
use crate::event::DurableEvent;
use crate::message::Message;
use crate::notices;
use crate::registry;
use crate::schema::unsupported;
use crate::wake;

/// Connections and transactions of `fanfare-sea-orm`, which can store events.
pub trait SendDurable: Scopes {
    /// Sends an event to the durable receivers of the signal, if and when the transaction is
    /// committed.
    ///
    /// The transaction keeps the event in memory, and stores all its events with one INSERT just
    /// before its outermost COMMIT. A rollback discards the events, and that of a savepoint those
    /// of the savepoint. On a connection that is in no transaction, the event has a transaction of
    /// its own, and is stored when this returns. So it is in a receiver of a model signal whose
    /// save is in no transaction: the save and the event are then two commits.
    ///
    /// The other receivers of the signal do not get the event. Send to them with
    /// [`after_commit`](fanfare_sea_orm::SignalTransaction::after_commit).
    ///
    /// # Errors
    ///
    /// Returns an error if the event cannot be stored: see [`SendError`]. Errors of the INSERT are
    /// errors of the transaction's `commit`, which then rolls back.
    fn send_durable<'a, E: DurableEvent, R: 'static>(
        &self,
        signal: &'static Signal<E, R>,
        sender: impl IntoSender<'a> + Send,
        event: &E,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        let message = if registry::is_signal_of(signal) {
            Message::new(sender, event)
        } else {
            Err(SendError::AnotherSignal { event: E::NAME })
        };
        async move {
            let Err(row) = self.before_commit(Row(message?)) else {
                return Ok(());
            };
            let transaction = self.begin().await?;
            if transaction.before_commit(row).is_err() {
                return Err(SendError::Database(ended()));
            }
            Ok(transaction.commit().await?)
        }
    }
}

impl<C: Scopes> SendDurable for C {}

fn ended() -> DbErr {
    let text =
        "the transaction is being committed, and takes no more events: send before its commit";
    DbErr::Custom(text.to_owned())
}

/// A message that waits for the COMMIT.
#[derive(Serialize)]
pub(crate) struct Row(pub(crate) Message);

impl BeforeCommit for Row {
    const RETURNS_EACH_ERROR: bool = true;

    fn write(rows: Vec<Self>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            let sql = match db.get_database_backend() {
                DbBackend::Postgres => INSERT_ON_POSTGRES,
                DbBackend::Sqlite => INSERT_ON_SQLITE,
                _ => return Err(unsupported()),
            };
            let rows = serde_json::to_string(&rows);
            let rows = rows.map_err(|error| DbErr::Json(error.to_string()))?;
            let insert =
                Statement::from_sql_and_values(db.get_database_backend(), sql, [rows.into()]);
            db.execute_raw(insert).await.map(drop)
        })
    }

    fn committed(using: &str, db: &DatabaseConnection) {
        wake::of(using);
        notices::send(using, db);
    }
}

/// Takes a lock for each key, and then stores the rows, which are JSON.
///
/// PostgreSQL gives ids before the COMMIT. A lock is held until then, so that no other transaction
/// that has stored events of the key is between its INSERT and its COMMIT when ids are given. So
/// ids of a key are in the order of the commits, and a row is never visible before a row of the
/// same key that has a lower id. All locks are taken in one order, so that two transactions do not
/// wait for each other.
///
/// The locks come first: the join has no row before their count is there, and each row gets its id
/// after the join. An application's own locks have other numbers, unless two hashes are equal by
/// chance. Then one transaction waits for the other.
const INSERT_ON_POSTGRES: &str = "WITH sent AS MATERIALIZED (\
         SELECT * FROM ROWS FROM (json_to_recordset(CAST($1 AS json)) \
             AS (name TEXT, version BIGINT, sender TEXT, key TEXT, payload TEXT, cause TEXT)) WITH ORDINALITY), \
     numbers AS MATERIALIZED (\
         SELECT DISTINCT hashtextextended(name || chr(10) || key, 8053064571610618741) AS number \
         FROM sent ORDER BY number), \
     locked AS MATERIALIZED (SELECT count(*) AS locks FROM (\
         SELECT pg_advisory_xact_lock(number) FROM numbers OFFSET 0) AS each) \
     INSERT INTO fanfare_outbox_event (name, version, sender, key, payload, cause) \
     SELECT name, version, sender, key, payload, cause FROM sent \
     WHERE (SELECT locks FROM locked) > 0 ORDER BY ordinality";

/// Stores the rows, which are JSON. Writers come one after the other: the first statement that
/// writes takes the lock, and the COMMIT releases it.
const INSERT_ON_SQLITE: &str = "INSERT INTO fanfare_outbox_event \
         (name, version, sender, key, payload, cause) \
     SELECT json_extract(value, '$.name'), json_extract(value, '$.version'), \
         json_extract(value, '$.sender'), json_extract(value, '$.key'), \
         json_extract(value, '$.payload'), json_extract(value, '$.cause') \
     FROM json_each($1) ORDER BY json_each.key";
