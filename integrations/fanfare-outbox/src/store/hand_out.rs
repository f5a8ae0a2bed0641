//! Receivers that become known, and the events that are handed out to them.

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};

use super::Store;
use crate::error::{RemoveError, StartError};
use crate::registry::{Receiver, Start};

/// The number of events of one hand-out.
const EVENTS: i64 = 500;

impl Store {
    /// Makes the receiver known to the database.
    pub(crate) async fn register(&self, receiver: &Receiver) -> Result<(), StartError> {
        let known = "SELECT event FROM fanfare_outbox_receiver WHERE name = $1";
        if let Some(row) = self.one(known, [receiver.name.as_str().into()]).await? {
            let stored: String = row.try_get("", "event")?;
            if stored == receiver.event {
                return Ok(());
            }
            return Err(StartError::OtherEvent {
                receiver: receiver.name.clone(),
                stored,
                event: receiver.event.to_owned(),
            });
        }
        let transaction = self.db.begin_with_options(immediate()).await?;
        // Each event is either handed out to the receiver or found below.
        self.keep_hand_outs_out(&transaction).await?;
        let name = receiver.name.as_str();
        let insert = "INSERT INTO fanfare_outbox_receiver (name, event) VALUES ($1, $2) \
             ON CONFLICT DO NOTHING";
        let insert = self.statement(insert, [name.into(), receiver.event.into()]);
        let inserted = transaction.execute_raw(insert).await?.rows_affected() == 1;
        if inserted && receiver.options.start == Start::Oldest {
            let owe = "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
                 SELECT $1, id, version, key FROM fanfare_outbox_event \
                 WHERE name = $2 AND state = 1";
            let owe = self.statement(owe, [name.into(), receiver.event.into()]);
            transaction.execute_raw(owe).await?;
        }
        if inserted {
            let fresh = "UPDATE fanfare_outbox_event SET state = 0 WHERE state = 2 AND name = $1";
            let fresh = self.statement(fresh, [receiver.event.into()]);
            transaction.execute_raw(fresh).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Lets no hand-out run at the same time as the rest of a transaction.
    ///
    /// The lock keeps out hand-outs and notes, and neither senders nor `pg_dump`. A process that
    /// stops in the transaction must not keep the others out for long.
    async fn keep_hand_outs_out(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        if self.is_postgres() {
            let lock = "SET LOCAL idle_in_transaction_session_timeout = '10s';
                LOCK TABLE fanfare_outbox_delivery IN SHARE ROW EXCLUSIVE MODE";
            transaction.execute_unprepared(lock).await?;
        }
        Ok(())
    }

    /// Makes the parked events new that have a receiver. A hand-out whose view of the database was
    /// older than the receiver has parked them.
    pub(crate) async fn unpark(&self) -> Result<(), DbErr> {
        let sql = "UPDATE fanfare_outbox_event SET state = 0 WHERE state = 2 \
             AND name IN (SELECT event FROM fanfare_outbox_receiver)";
        self.execute(sql, []).await.map(drop)
    }

    /// Makes a delivery for each receiver of the new events, and returns `true` if there may be
    /// more.
    ///
    /// There is no cursor: each row that is visible and new is taken, in whatever order the rows
    /// were committed.
    pub(crate) async fn hand_out(&self) -> Result<bool, DbErr> {
        let handed = if self.is_postgres() {
            self.hand_out_in_one_statement().await?
        } else {
            self.hand_out_in_one_transaction().await?
        };
        Ok(handed >= EVENTS.unsigned_abs())
    }

    /// Hands out in one statement, which the server runs to its end even if this process stops. Of
    /// two that run at once, the second waits at the first row, and then takes the rows that the
    /// first has left. So deliveries of a key become visible in the order of their ids.
    async fn hand_out_in_one_statement(&self) -> Result<u64, DbErr> {
        let sql = "WITH fresh AS (\
                 SELECT id, name, version, key FROM fanfare_outbox_event \
                 WHERE state = 0 ORDER BY id LIMIT $1 FOR UPDATE), \
             owed AS (\
                 INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
                 SELECT r.name, fresh.id, fresh.version, fresh.key \
                 FROM fresh JOIN fanfare_outbox_receiver r ON r.event = fresh.name \
                 ON CONFLICT DO NOTHING) \
             UPDATE fanfare_outbox_event AS e SET state = CASE WHEN EXISTS (\
                 SELECT 1 FROM fanfare_outbox_receiver r WHERE r.event = e.name) THEN 1 ELSE 2 END \
             FROM fresh WHERE e.id = fresh.id";
        self.execute(sql, [EVENTS.into()]).await
    }

    async fn hand_out_in_one_transaction(&self) -> Result<u64, DbErr> {
        let transaction = self.db.begin_with_options(immediate()).await?;
        let owe = "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             SELECT r.name, e.id, e.version, e.key \
             FROM fanfare_outbox_event e JOIN fanfare_outbox_receiver r ON r.event = e.name \
             WHERE e.id IN (SELECT id FROM fanfare_outbox_event WHERE state = 0 ORDER BY id LIMIT $1) \
             ON CONFLICT DO NOTHING";
        transaction
            .execute_raw(self.statement(owe, [EVENTS.into()]))
            .await?;
        let mark = "UPDATE fanfare_outbox_event SET state = CASE WHEN EXISTS (\
                 SELECT 1 FROM fanfare_outbox_receiver r WHERE r.event = fanfare_outbox_event.name) \
                 THEN 1 ELSE 2 END \
             WHERE id IN (SELECT id FROM fanfare_outbox_event WHERE state = 0 ORDER BY id LIMIT $1)";
        let marked = transaction
            .execute_raw(self.statement(mark, [EVENTS.into()]))
            .await?;
        transaction.commit().await?;
        Ok(marked.rows_affected())
    }

    /// Removes a receiver from the database, with its deliveries.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, RemoveError> {
        let transaction = self.db.begin_with_options(immediate()).await?;
        self.keep_hand_outs_out(&transaction).await?;
        let receiver =
            "DELETE FROM fanfare_outbox_receiver WHERE name = $1 AND lease_until <= {now}";
        let receiver = self.statement(receiver, [name.into()]);
        let removed = transaction.execute_raw(receiver).await?.rows_affected() > 0;
        if !removed {
            let held = "SELECT owner FROM fanfare_outbox_receiver WHERE name = $1";
            let held = self.statement(held, [name.into()]);
            if let Some(row) = transaction.query_one_raw(held).await? {
                let owner: Option<String> = row.try_get("", "owner")?;
                let owner = owner.unwrap_or_default();
                transaction.rollback().await?;
                return Err(RemoveError::Leased {
                    receiver: name.to_owned(),
                    owner,
                });
            }
        }
        let owed = "DELETE FROM fanfare_outbox_delivery WHERE receiver = $1";
        let owed = self.statement(owed, [name.into()]);
        transaction.execute_raw(owed).await?;
        transaction.commit().await?;
        self.sweep().await?;
        Ok(removed)
    }

    /// Deletes the events that are owed to no receiver any more. A process that ended between the
    /// note of a delivery and the deletion of its event leaves them behind.
    pub(crate) async fn sweep(&self) -> Result<(), DbErr> {
        let sql = format!(
            "{}DELETE FROM fanfare_outbox_event WHERE id IN (\
                 SELECT e.id FROM fanfare_outbox_event e WHERE e.state = 1 AND NOT EXISTS (\
                     SELECT 1 FROM fanfare_outbox_delivery d WHERE d.event_id = e.id) LIMIT $1)",
            self.after_receivers()
        );
        while self.execute(&sql, [EVENTS.into()]).await? >= EVENTS.unsigned_abs() {}
        Ok(())
    }
}

/// Returns options with which SQLite takes its lock for writing at the beginning. A transaction
/// that takes it later fails if another one has written meanwhile.
fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}
