//! The deliveries of a receiver: reading them, and noting their results.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::DbErr;
use serde_json::json;

use super::lease::{Lease, millis};
use super::{Store, UNBLOCKED, json_of};
use crate::registry::Stored;

/// A delivery that is due.
pub(crate) struct Due {
    pub(crate) key: String,
    pub(crate) stored: Stored,
}

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
    /// Returns deliveries of the receiver that are due, in the order of their ids. `version` is the
    /// highest that the receiver can read. Deliveries of the keys `except` are left out.
    pub(crate) async fn due(
        &self,
        receiver: &str,
        version: u32,
        limit: u32,
        except: &HashSet<String>,
    ) -> Result<Vec<Due>, DbErr> {
        let keys_4 = self.texts_of("$4");
        let sql = format!(
            "SELECT d.event_id, d.key, d.attempts, d.version, e.sender, e.payload \
             FROM fanfare_outbox_delivery d JOIN fanfare_outbox_event e ON e.id = d.event_id \
             WHERE d.receiver = $1 AND (d.state = 0 OR (d.state = 1 AND d.due_at <= {{now}}) \
                 OR (d.state = 3 AND d.version <= $2)) AND {UNBLOCKED} \
             AND d.key NOT IN {keys_4} \
             ORDER BY d.event_id LIMIT $3"
        );
        let values = [
            receiver.into(),
            i64::from(version).into(),
            i64::from(limit).into(),
            json!(except).to_string().into(),
        ];
        let rows = self.all(&sql, values).await?;
        let due = rows.iter().map(|row| {
            let attempts: i64 = row.try_get("", "attempts")?;
            let version: i64 = row.try_get("", "version")?;
            Ok(Due {
                key: row.try_get("", "key")?,
                stored: Stored {
                    id: row.try_get("", "event_id")?,
                    version: u32::try_from(version).unwrap_or(u32::MAX),
                    sender: row.try_get("", "sender")?,
                    payload: row.try_get("", "payload")?,
                    attempt: u32::try_from(attempts)
                        .unwrap_or(u32::MAX)
                        .saturating_add(1),
                },
            })
        });
        due.collect()
    }

    /// Notes that deliveries are done, and returns `false` if the lease is lost: then nothing has
    /// changed.
    ///
    /// The events are deleted that are owed to no other receiver. It is a statement of its own,
    /// because of two receivers that are done at the same time, the later one must see the note of
    /// the earlier.
    pub(crate) async fn done(&self, lease: &Lease, ids: &[i64]) -> Result<bool, DbErr> {
        let ids_3 = self.ids_of("$3");
        let fence = fence("$4");
        let sql = format!(
            "WITH fence AS ({fence}) DELETE FROM fanfare_outbox_delivery \
             WHERE receiver = $1 AND event_id IN {ids_3} AND EXISTS (SELECT 1 FROM fence)"
        );
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            json_of(ids),
            lease.owner.as_str().into(),
        ];
        if self.execute(&sql, values).await? == 0 {
            // A note that was written although its response was lost finds nothing either.
            return self.has(lease).await;
        }
        // The deliveries are noted, and a sweep deletes the events later.
        let _ = self.delete_unowed(ids).await;
        Ok(true)
    }

    /// Returns `true` if deliveries of the receiver are parked, because their version is newer.
    pub(crate) async fn has_newer(&self, receiver: &str, version: u32) -> Result<bool, DbErr> {
        let sql = "SELECT 1 AS newer FROM fanfare_outbox_delivery \
             WHERE receiver = $1 AND state = 3 AND version > $2 LIMIT 1";
        let values = [receiver.into(), i64::from(version).into()];
        Ok(self.one(sql, values).await?.is_some())
    }

    /// Deletes the deliveries of the receiver that have no event.
    pub(crate) async fn delete_eventless(&self, lease: &Lease) -> Result<(), DbErr> {
        let fence = fence("$3");
        let sql = format!(
            "WITH fence AS ({fence}) DELETE FROM fanfare_outbox_delivery \
             WHERE receiver = $1 AND EXISTS (SELECT 1 FROM fence) AND NOT EXISTS (\
                 SELECT 1 FROM fanfare_outbox_event e WHERE e.id = fanfare_outbox_delivery.event_id)"
        );
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            lease.owner.as_str().into(),
        ];
        self.execute(&sql, values).await.map(drop)
    }

    /// Deletes those of the events that are owed to no receiver.
    pub(super) async fn delete_unowed(&self, ids: &[i64]) -> Result<(), DbErr> {
        let ids_1 = self.ids_of("$1");
        let sql = format!(
            "{}DELETE FROM fanfare_outbox_event WHERE id IN {ids_1} AND state = 1 AND NOT EXISTS (\
             SELECT 1 FROM fanfare_outbox_delivery d WHERE d.event_id = fanfare_outbox_event.id)",
            self.after_receivers()
        );
        self.execute(&sql, [json_of(ids)]).await.map(drop)
    }

    /// Notes that a delivery is not done, and returns `false` if the lease is lost: then nothing
    /// has changed.
    pub(crate) async fn set_back(
        &self,
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
        let fence = fence("$8");
        let sql = format!(
            "WITH fence AS ({fence}) UPDATE fanfare_outbox_delivery \
             SET state = $4, attempts = $5, due_at = {{now}} + $6, \
                 last_error = COALESCE(CAST($7 AS TEXT), last_error) \
             WHERE receiver = $1 AND event_id = $3 AND EXISTS (SELECT 1 FROM fence)"
        );
        // PostgreSQL's text has no NUL.
        let error = error.map(|error| error.replace('\0', "\u{fffd}"));
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            id.into(),
            state.into(),
            i64::from(attempts).into(),
            delay.into(),
            error.into(),
            lease.owner.as_str().into(),
        ];
        Ok(self.execute(&sql, values).await? == 1 || self.has(lease).await?)
    }
}

/// Returns a query of the row of the lease, locked, so that no other relay takes over before the
/// statement has ended. The parameters 1 and 2 are the receiver and the token.
fn fence(owner: &str) -> String {
    format!(
        "SELECT 1 FROM fanfare_outbox_receiver \
         WHERE name = $1 AND token = $2 AND owner = {owner} {{share}}"
    )
}
