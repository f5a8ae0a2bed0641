//! Sending durable events.

use fanfare::connections::IntoSender;
use fanfare::{BoxFuture, Signal};
use fanfare_sea_orm::{BeforeCommit, Scopes};
use sea_orm::sea_query::{Alias, Query};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, TransactionSession,
};

use crate::error::{SendError, Unfit};
use crate::event::DurableEvent;
use crate::registry;
use crate::schema::unsupported;
use crate::sender_text;
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
        let row = Row::new(signal, sender, event);
        async move {
            let Err(row) = self.before_commit(row?) else {
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

/// An event that waits for the COMMIT.
struct Row {
    name: &'static str,
    version: u32,
    sender: String,
    key: String,
    payload: String,
}

impl Row {
    fn new<'a, E: DurableEvent, R: 'static>(
        signal: &'static Signal<E, R>,
        sender: impl IntoSender<'a>,
        event: &E,
    ) -> Result<Self, SendError> {
        if !registry::is_signal_of(signal) {
            return Err(SendError::AnotherSignal { event: E::NAME });
        }
        let sender = sender.into_sender();
        let stored = sender_text::stored(sender).ok_or_else(|| SendError::Sender {
            sender: sender.to_string(),
        })?;
        Unfit::check("name of the event", E::NAME)?;
        Unfit::check("sender", sender.name().unwrap_or_default())?;
        let key = match event.key() {
            Some(key) => {
                Unfit::check("key of the event", &key)?;
                format!("event:{key}")
            }
            None => stored.clone(),
        };
        Ok(Row {
            name: E::NAME,
            version: E::VERSION,
            sender: stored,
            key,
            payload: serde_json::to_string(event).map_err(SendError::Payload)?,
        })
    }
}

/// The number of rows of one INSERT. SQLite has at most 32,766 parameters, and PostgreSQL 65,535.
const ROWS: usize = 6_000;

impl BeforeCommit for Row {
    const RETURNS_EACH_ERROR: bool = true;

    fn write(rows: Vec<Self>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            match db.get_database_backend() {
                DbBackend::Postgres => lock_keys(&rows, db).await?,
                // Writers come one after the other: the first statement that writes takes the
                // lock, and the COMMIT releases it.
                DbBackend::Sqlite => {}
                _ => return Err(unsupported()),
            }
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                insert(rows.by_ref().take(ROWS), db).await?;
            }
            Ok(())
        })
    }

    fn committed(using: &str) {
        wake::of(using);
    }
}

/// Waits until no other transaction that has stored events of these keys is between its INSERT and
/// its COMMIT.
///
/// PostgreSQL gives ids before the COMMIT. With the locks, ids of a key are in the order of the
/// commits, and a row is never visible before a row of the same key that has a lower id. All locks
/// are taken in one order, so that two transactions do not wait for each other.
async fn lock_keys(rows: &[Row], db: &DatabaseTransaction) -> Result<(), DbErr> {
    let mut keys: Vec<_> = rows.iter().map(|row| (row.name, &row.key)).collect();
    keys.sort_unstable();
    keys.dedup();
    let keys: Vec<_> = keys
        .iter()
        .map(|(name, key)| format!("{name}\n{key}"))
        .collect();
    let keys = serde_json::to_string(&keys).map_err(|error| DbErr::Json(error.to_string()))?;
    // An application's own locks have other numbers, unless two hashes are equal by chance. Then
    // one transaction waits for the other.
    let sql = "SELECT count(*) FROM (SELECT pg_advisory_xact_lock(number) FROM (\
         SELECT DISTINCT hashtextextended(key, 8053064571610618741) AS number \
         FROM json_array_elements_text(CAST($1 AS json)) AS keys(key) ORDER BY number OFFSET 0\
         ) AS numbers OFFSET 0) AS locked";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [keys.into()]);
    db.query_one_raw(statement).await.map(drop)
}

async fn insert(rows: impl Iterator<Item = Row>, db: &DatabaseTransaction) -> Result<(), DbErr> {
    let columns = ["name", "version", "sender", "key", "payload"];
    let mut insert = Query::insert();
    insert
        .into_table(Alias::new("fanfare_outbox_event"))
        .columns(columns.map(Alias::new));
    for row in rows {
        insert.values_panic([
            row.name.into(),
            i64::from(row.version).into(),
            row.sender.into(),
            row.key.into(),
            row.payload.into(),
        ]);
    }
    db.execute(&insert).await.map(drop)
}
