//! Dead letters.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};

use super::Store;
use crate::status::DeadLetter;

impl Store {
    /// Returns the oldest dead letters that come after `after`, the id of an event and a receiver.
    pub(crate) async fn dead_letters(
        &self,
        limit: u32,
        after: (i64, &str),
    ) -> Result<Vec<DeadLetter>, DbErr> {
        let sql = "SELECT d.receiver, d.event_id, d.key, d.attempts, d.last_error, e.payload, e.name, \
             {now} - e.stored_at AS age \
             FROM fanfare_outbox_delivery AS d JOIN fanfare_outbox_event AS e ON e.id = d.event_id \
             WHERE d.state IN (2, 4) AND d.event_id >= $2 AND (d.event_id > $2 OR d.receiver > $3) \
             ORDER BY d.event_id, d.receiver LIMIT $1";
        let values = [i64::from(limit).into(), after.0.into(), after.1.into()];
        let rows = self.all(sql, values).await?;
        let letters = rows.iter().map(|row| {
            let attempts: i64 = row.try_get("", "attempts")?;
            let last_error: Option<String> = row.try_get("", "last_error")?;
            let age: i64 = row.try_get("", "age")?;
            Ok(DeadLetter {
                receiver: row.try_get("", "receiver")?,
                event_id: row.try_get("", "event_id")?,
                event: row.try_get("", "name")?,
                age: Duration::from_millis(u64::try_from(age).unwrap_or(0)),
                key: row.try_get("", "key")?,
                payload: row.try_get("", "payload")?,
                attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                last_error: last_error.unwrap_or_default(),
            })
        });
        letters.collect()
    }

    /// Makes a dead letter ready again, with all its attempts.
    pub(crate) async fn resubmit(&self, receiver: &str, event_id: i64) -> Result<bool, DbErr> {
        let sql = "UPDATE fanfare_outbox_delivery SET state = 0, attempts = 0, due_at = 0 \
             WHERE receiver = $1 AND event_id = $2 AND state IN (2, 4)";
        let changed = self
            .execute(sql, [receiver.into(), event_id.into()])
            .await?;
        Ok(changed == 1)
    }

    /// Deletes a dead letter, and its event if no other receiver waits for it.
    pub(crate) async fn discard(&self, receiver: &str, event_id: i64) -> Result<bool, DbErr> {
        let transaction = self.begin().await?;
        if self.is_postgres() {
            // A relay that lets deliveries wait behind this one has ended before, or comes later.
            let lock = format!(
                "WITH {} SELECT 1 FROM fanfare_outbox_receiver WHERE name = $1 FOR UPDATE",
                self.after_receivers()
            );
            let lock = self.statement(&lock, [receiver.into()]);
            transaction.query_one_raw(lock).await?;
        }
        let letter = "DELETE FROM fanfare_outbox_delivery \
             WHERE receiver = $1 AND event_id = $2 AND state IN (2, 4) RETURNING key";
        let letter = self.statement(letter, [receiver.into(), event_id.into()]);
        let rows = transaction.query_all_raw(letter).await?;
        let Some(row) = rows.first() else {
            return Ok(false);
        };
        let keys = BTreeSet::from([row.try_get_by_index(0)?]);
        self.release_waiting(&transaction, receiver, &keys).await?;
        transaction.commit().await?;
        // The letter is gone, and a sweep deletes its event later.
        let _ = self.reach(self.delete_unowed(&self.db, &[event_id])).await;
        Ok(true)
    }
}
