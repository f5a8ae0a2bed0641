//! Events that are handed out: each gets a delivery for each of its receivers.
//!
//! An event of one receiver is not handed out unless its delivery fails. The receiver reads the
//! event itself.

use sea_orm::{ConnectionTrait, DbErr, Value};

use super::due::WINDOW;
use super::first;
use super::lease::Lease;
use super::{ROWS, Store, json_of};

impl Store {
    /// Hands out the first new events of the name.
    ///
    /// It takes them from a range of ids, for the reason that reads do so.
    ///
    /// There is no cursor: each row that is visible and new is taken, in whatever order the rows
    /// were committed.
    pub(crate) async fn hand_out(&self, name: &str) -> Result<(), DbErr> {
        let (ids, first) = (i64::from(WINDOW) * ROWS, first::new_event("$1"));
        let which = format!(
            "name = $1 AND id >= ({first}) AND id < ({first}) + {ids} ORDER BY id LIMIT {ROWS}"
        );
        let values = [name.into()];
        if self.is_postgres() {
            return self.reach(self.hand_out_in(&self.db, &which, values)).await;
        }
        let _turn = self.turn().await;
        let transaction = self.begin().await?;
        self.hand_out_in(&transaction, &which, values).await?;
        transaction.commit().await
    }

    /// Hands out the events of the name that are new now, some at a time.
    pub(super) async fn hand_out_most(&self, name: &str) -> Result<(), DbErr> {
        let (first, last) = (
            first::new_event("$1"),
            first::new_event_with("$1", "", "DESC"),
        );
        let last = self.id(&last, name).await?;
        let mut before = None;
        loop {
            let next = self.id(&first, name).await?;
            // Another relay may hand them out as well, and the receivers may all be removed.
            if next.is_none() || next > last || next == before {
                return Ok(());
            }
            self.hand_out(name).await?;
            before = next;
        }
    }

    async fn id(&self, sql: &str, name: &str) -> Result<Option<i64>, DbErr> {
        let row = self.one(sql, [name.into()]).await?;
        row.map_or(Ok(None), |row| row.try_get_by_index(0))
    }

    /// Hands out those of the events of the lease's receiver that are new.
    pub(super) async fn hand_out_these(
        &self,
        db: &impl ConnectionTrait,
        lease: &Lease,
        ids: &[i64],
    ) -> Result<(), DbErr> {
        let which = format!(
            "name = (SELECT event FROM fanfare_outbox_receiver WHERE name = $2) AND {} ORDER BY id",
            self.is_among("id", "$1")
        );
        let values = [json_of(ids), lease.receiver.as_str().into()];
        self.hand_out_in(db, &which, values).await
    }

    /// Hands out all new events of the name.
    pub(super) async fn hand_out_all(
        &self,
        db: &impl ConnectionTrait,
        name: &str,
    ) -> Result<(), DbErr> {
        let which = "name = $1 ORDER BY id";
        self.hand_out_in(db, which, [name.into()]).await
    }

    /// Hands out the new events that `which` selects.
    ///
    /// On PostgreSQL it is one statement, which the server runs to its end even if this process
    /// stops. Of two that run at once, the second waits at the first row, and then takes the rows
    /// that the first has left. So deliveries of a key become visible in the order of their ids.
    async fn hand_out_in<const N: usize>(
        &self,
        db: &impl ConnectionTrait,
        which: &str,
        values: [Value; N],
    ) -> Result<(), DbErr> {
        // An event whose receivers have all been removed meanwhile stays new.
        let fresh = format!(
            "SELECT id, name, version, key FROM fanfare_outbox_event WHERE state = 0 AND EXISTS (\
                 SELECT 1 FROM fanfare_outbox_receiver AS o \
                 WHERE o.event = fanfare_outbox_event.name) AND {which}"
        );
        if self.is_postgres() {
            let sql = format!(
                "WITH fresh AS ({fresh} FOR UPDATE), owed AS (\
                     INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
                     SELECT r.name, fresh.id, fresh.version, fresh.key \
                     FROM fresh JOIN fanfare_outbox_receiver AS r ON r.event = fresh.name \
                     ON CONFLICT DO NOTHING) \
                 UPDATE fanfare_outbox_event AS e SET state = 1 FROM fresh WHERE e.id = fresh.id"
            );
            return self.execute_in(db, &sql, values).await.map(drop);
        }
        let owe = format!(
            "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             SELECT r.name, fresh.id, fresh.version, fresh.key \
             FROM ({fresh}) AS fresh JOIN fanfare_outbox_receiver AS r ON r.event = fresh.name \
             WHERE true ON CONFLICT DO NOTHING"
        );
        self.execute_in(db, &owe, values.clone()).await?;
        let mark = format!(
            "UPDATE fanfare_outbox_event SET state = 1 WHERE id IN (SELECT id FROM ({fresh}))"
        );
        self.execute_in(db, &mark, values).await.map(drop)
    }
}
