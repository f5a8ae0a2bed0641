//! Notes of the results of deliveries.
//!
//! Each note checks the lease, and locks its row, so that no other relay takes over before the note
//! is written.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::lease::{Lease, fence};
use super::{Store, json_of, millis};
use crate::delivery::Delivery;

/// The reasons for which a delivery is not done.
pub(crate) enum Setback {
    /// It is tried again after the time.
    Retry(Duration, String),
    /// It is a dead letter. Later events of the key wait if it is sequenced.
    Dead { sequenced: bool, error: String },
    /// It waits for a program with its version of the event.
    Parked,
}

impl Setback {
    /// Returns the setback with escapes for the characters of its error that are not of ASCII.
    pub(crate) fn in_ascii(&self) -> Self {
        let escape = |error: &str| -> String {
            let escaped = error.chars().map(|it| match it {
                _ if it.is_ascii() => it.to_string(),
                _ => it.escape_unicode().to_string(),
            });
            escaped.collect()
        };
        match self {
            Setback::Retry(delay, error) => Setback::Retry(*delay, escape(error)),
            Setback::Dead { sequenced, error } => Setback::Dead {
                sequenced: *sequenced,
                error: escape(error),
            },
            Setback::Parked => Setback::Parked,
        }
    }
}

impl Store {
    /// Notes that deliveries are done, and returns `false` if the lease is lost: then the note has
    /// changed nothing.
    pub(crate) async fn done(&self, lease: &Lease, done: &[Delivery]) -> Result<bool, DbErr> {
        type Deliveries<'d> = Vec<&'d Delivery>;
        let _turn = self.turn().await;
        let (direct, owed): (Deliveries<'_>, Deliveries<'_>) =
            done.iter().partition(|it| it.is_direct);
        let direct: Vec<_> = direct.iter().map(|it| it.id).collect();
        if !direct.is_empty() && !self.done_directly(lease, &direct).await? {
            return Ok(false);
        }
        let (awaited, simple): (Deliveries<'_>, Deliveries<'_>) =
            owed.into_iter().partition(|it| it.is_awaited);
        let simple: Vec<_> = simple.iter().map(|it| it.id).collect();
        if !simple.is_empty() && !self.done_owed(lease, &simple).await? {
            return Ok(false);
        }
        if awaited.is_empty() {
            return Ok(true);
        }
        let ids: Vec<_> = awaited.iter().map(|it| it.id).collect();
        let keys = awaited.iter().map(|it| it.key.clone()).collect();
        let transaction = self.begin().await?;
        if !self.is_fenced(&transaction, lease).await? {
            return Ok(false);
        }
        self.delete_owed(&transaction, &lease.receiver, &ids)
            .await?;
        self.release_waiting(&transaction, &lease.receiver, &keys)
            .await?;
        transaction.commit().await?;
        // The deliveries are noted, and a sweep deletes the events later.
        let _ = self.reach(self.delete_unowed(&self.db, &ids)).await;
        Ok(true)
    }

    /// Notes that events are done that had no delivery, by deleting them.
    async fn done_directly(&self, lease: &Lease, ids: &[i64]) -> Result<bool, DbErr> {
        let delete = self.delete_direct(&self.db, lease, ids);
        let deleted = self.reach(delete).await?;
        if deleted == ids.len() as u64 {
            return Ok(true);
        }
        // A receiver was made known meanwhile, a note was written although its response was lost,
        // or the lease is lost.
        let transaction = self.begin().await?;
        if !self.is_fenced(&transaction, lease).await? {
            return Ok(false);
        }
        self.hand_out_these(&transaction, lease, ids).await?;
        self.delete_owed(&transaction, &lease.receiver, ids).await?;
        transaction.commit().await?;
        let _ = self.reach(self.delete_unowed(&self.db, ids)).await;
        Ok(true)
    }

    /// Deletes those of the events that are owed to the receiver of the lease and to no other.
    pub(super) async fn delete_direct(
        &self,
        db: &impl ConnectionTrait,
        lease: &Lease,
        ids: &[i64],
    ) -> Result<u64, DbErr> {
        let is_one = self.is_among("id", "$3");
        let (fence, wait) = (fence("$4"), self.after_receivers());
        let sql = format!(
            "WITH {wait}, fence AS ({fence}) DELETE FROM fanfare_outbox_event \
             WHERE name = (SELECT event FROM fence) AND {is_one} AND state = 0 \
             AND NOT EXISTS (SELECT 1 FROM fanfare_outbox_receiver AS o \
                 WHERE o.event = (SELECT event FROM fence) AND o.name <> $1)"
        );
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            json_of(ids),
            lease.owner.as_str().into(),
        ];
        self.execute_in(db, &sql, values).await
    }

    /// Notes that deliveries are done for which no other one waits.
    ///
    /// The events are deleted that are owed to no other receiver. It is a statement of its own,
    /// because of two receivers that are done at the same time, the later one must see the note of
    /// the earlier.
    pub(super) async fn done_owed(&self, lease: &Lease, ids: &[i64]) -> Result<bool, DbErr> {
        let (is_one, fence) = (self.is_among("event_id", "$3"), fence("$4"));
        let sql = format!(
            "WITH fence AS ({fence}) DELETE FROM fanfare_outbox_delivery \
             WHERE receiver = $1 AND {is_one} AND EXISTS (SELECT 1 FROM fence)"
        );
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            json_of(ids),
            lease.owner.as_str().into(),
        ];
        // A note that was written although its response was lost finds nothing either, nor does one
        // of a delivery that the receiver's own transaction has completed.
        if self.execute(&sql, values).await? == 0 && !self.has(lease).await? {
            return Ok(false);
        }
        let _ = self.reach(self.delete_unowed(&self.db, ids)).await;
        Ok(true)
    }

    async fn delete_owed(
        &self,
        db: &impl ConnectionTrait,
        receiver: &str,
        ids: &[i64],
    ) -> Result<u64, DbErr> {
        let is_one = self.is_among("event_id", "$2");
        let sql = format!("DELETE FROM fanfare_outbox_delivery WHERE receiver = $1 AND {is_one}");
        let values = [receiver.into(), json_of(ids)];
        self.execute_in(db, &sql, values).await
    }

    /// Notes in the receiver's own transaction that a delivery is done. Returns `false` if the
    /// lease is lost, or if the delivery is done already.
    pub(crate) async fn complete(
        &self,
        db: &impl ConnectionTrait,
        lease: &Lease,
        delivery: &Delivery,
    ) -> Result<bool, DbErr> {
        let id = [delivery.id];
        if delivery.is_direct {
            if self.delete_direct(db, lease, &id).await? == 1 {
                return Ok(true);
            }
            if !self.is_fenced(db, lease).await? {
                return Ok(false);
            }
            self.hand_out_these(db, lease, &id).await?;
        } else if !self.is_fenced(db, lease).await? {
            return Ok(false);
        }
        let deleted = self.delete_owed(db, &lease.receiver, &id).await?;
        // Those that began to wait after the delivery was read, too: an earlier attempt may commit
        // after it was given up. The event is deleted later, because a transaction with an old view
        // of the tables would miss a receiver that has just become known.
        let keys = BTreeSet::from([delivery.key.clone()]);
        self.release_waiting(db, &lease.receiver, &keys).await?;
        Ok(deleted == 1)
    }

    /// Returns `true` if deliveries of the receiver are parked, because their version is newer.
    pub(crate) async fn has_newer(&self, receiver: &str, version: u32) -> Result<bool, DbErr> {
        let sql = "SELECT 1 AS newer FROM fanfare_outbox_delivery \
             WHERE receiver = $1 AND state = 3 AND version > $2 LIMIT 1";
        let values = [receiver.into(), i64::from(version).into()];
        Ok(self.one(sql, values).await?.is_some())
    }

    /// Deletes the deliveries of the receiver that have no event, and makes those ready that have
    /// waited for them.
    pub(crate) async fn delete_eventless(&self, lease: &Lease) -> Result<(), DbErr> {
        let eventless = "SELECT d.event_id, d.key FROM fanfare_outbox_delivery AS d \
             WHERE d.receiver = $1 AND d.state <> 4 AND NOT EXISTS (\
                 SELECT 1 FROM fanfare_outbox_event AS e WHERE e.id = d.event_id)";
        let rows = self
            .all(eventless, [lease.receiver.as_str().into()])
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Result<Vec<i64>, _> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
        let keys: Result<BTreeSet<String>, _> =
            rows.iter().map(|row| row.try_get_by_index(1)).collect();
        let transaction = self.begin().await?;
        if self.is_fenced(&transaction, lease).await? {
            self.delete_owed(&transaction, &lease.receiver, &ids?)
                .await?;
            self.release_waiting(&transaction, &lease.receiver, &keys?)
                .await?;
        }
        transaction.commit().await
    }

    /// Deletes those of the events that are owed to no receiver.
    pub(super) async fn delete_unowed(
        &self,
        db: &impl ConnectionTrait,
        ids: &[i64],
    ) -> Result<(), DbErr> {
        let (is_one, is_owed) = (self.is_among("id", "$1"), self.is_among("event_id", "$1"));
        let wait = self.after_receivers();
        let sql = format!(
            "WITH {wait} DELETE FROM fanfare_outbox_event \
             WHERE {is_one} AND state = 1 AND id NOT IN (\
                 SELECT event_id FROM fanfare_outbox_delivery WHERE {is_owed})"
        );
        self.execute_in(db, &sql, [json_of(ids)]).await.map(drop)
    }

    /// Notes that a delivery is not done, and returns `false` if the lease is lost: then nothing
    /// has changed.
    pub(crate) async fn set_back(
        &self,
        lease: &Lease,
        delivery: &Delivery,
        attempts: u32,
        setback: &Setback,
    ) -> Result<bool, DbErr> {
        let _turn = self.turn().await;
        let transaction = self.begin().await?;
        if !self.is_fenced(&transaction, lease).await? {
            return Ok(false);
        }
        if delivery.is_direct {
            self.hand_out_these(&transaction, lease, &[delivery.id])
                .await?;
        }
        let is_owed = self
            .write_setback(&transaction, lease, delivery.id, attempts, setback)
            .await?;
        let is_sequenced = !matches!(
            setback,
            Setback::Dead {
                sequenced: false,
                ..
            }
        );
        // A delivery that was completed is in the way of no other.
        if !is_owed || !is_sequenced {
            let keys = BTreeSet::from([delivery.key.clone()]);
            self.release_waiting(&transaction, &lease.receiver, &keys)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Returns `true` if the delivery was still owed.
    async fn write_setback(
        &self,
        transaction: &DatabaseTransaction,
        lease: &Lease,
        id: i64,
        attempts: u32,
        setback: &Setback,
    ) -> Result<bool, DbErr> {
        let (state, delay, error) = match setback {
            Setback::Retry(delay, error) => (1_i64, millis(*delay), Some(error.as_str())),
            Setback::Dead { sequenced, error } => {
                (if *sequenced { 2 } else { 4 }, 0, Some(error.as_str()))
            }
            Setback::Parked => (3, 0, None),
        };
        let sql = "UPDATE fanfare_outbox_delivery \
             SET state = $3, attempts = $4, due_at = {now} + $5, \
                 last_error = COALESCE(CAST($6 AS TEXT), last_error) \
             WHERE receiver = $1 AND event_id = $2";
        // PostgreSQL's text has no NUL.
        let error = error.map(|error| error.replace('\0', "\u{fffd}"));
        let values = [
            lease.receiver.as_str().into(),
            id.into(),
            state.into(),
            i64::from(attempts).into(),
            delay.into(),
            error.into(),
        ];
        Ok(self.execute_in(transaction, sql, values).await? == 1)
    }
}
