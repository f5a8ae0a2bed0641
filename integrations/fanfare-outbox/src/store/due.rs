//! The deliveries of a receiver that are due.

use std::collections::HashSet;

use sea_orm::DbErr;
use serde_json::json;

use super::Store;
use super::first::{self, ONE};
use crate::delivery::Delivery;
use crate::registry::Stored;

/// The number of ids in the range of a read, for each delivery that it may return. Ids of other
/// events are between them.
pub(super) const WINDOW: u32 = 10;

/// A delivery that is due.
pub(super) struct Due {
    pub(super) stored: Stored,
    /// `true` if an earlier delivery of the key is in its way.
    pub(super) is_blocked: bool,
}

impl Store {
    /// Returns deliveries of the receiver that are due, in the order of their ids. Deliveries of
    /// the keys `except` are left out, as are those that are parked for a newer version.
    ///
    /// An event is read without a delivery (it is *direct*) if it has no other receiver.
    pub(super) async fn due(
        &self,
        receiver: &str,
        (event, version): (&str, u32),
        limit: u32,
        except: &HashSet<String>,
    ) -> Result<Vec<Due>, DbErr> {
        let keys = self.texts_of("$3");
        let owed = |condition: &str, order: &str| {
            format!(
                "SELECT d.event_id, d.key, d.attempts, d.version, 0, e.sender, e.payload, e.cause FROM (\
                     SELECT event_id, key, attempts, version FROM fanfare_outbox_delivery \
                     WHERE receiver = $1 AND {condition} AND key NOT IN {keys} \
                     ORDER BY {order} LIMIT {limit}) AS d \
                 JOIN fanfare_outbox_event AS e ON e.id = d.event_id"
            )
        };
        // To return many first rows, PostgreSQL may sort all of them, as long as it has no
        // statistics of a table that has grown quickly. So the first one is found, and then a range
        // of ids is read that starts there. SQLite reads the rows in the order of the index.
        let range = |column: &str, first: &str| {
            if !self.is_postgres() {
                return String::new();
            }
            let ids = u64::from(WINDOW) * u64::from(limit);
            format!(
                "AND {column} >= (SELECT id FROM {first}) \
                 AND {column} < (SELECT id + {ids} FROM {first})"
            )
        };
        let is_free = format!("AND n.key NOT IN {keys}");
        let first_ready = first::ready_delivery("$1", &is_free);
        let first_fresh = first::new_event_with("$4", &is_free, "");
        let (in_ready, in_fresh) = (range("event_id", "ready"), range("e.id", "fresh"));
        let (ready, again, parked) = (
            owed(&format!("state = 0 {in_ready}"), "event_id"),
            owed("state = 1 AND due_at <= {now}", "due_at"),
            owed("state = 3 AND version <= $2", "version"),
        );
        // The first delivery of the key in some states. Most receivers have none in those states,
        // which is found once for all rows. The conditions for states are those of the indexes.
        let first = |states: &str, compared: &str| {
            let those = format!(
                "SELECT b.event_id FROM fanfare_outbox_delivery AS b \
                 WHERE b.receiver = $1 AND {states}"
            );
            format!(
                "(EXISTS ({those} ORDER BY b.key, b.event_id {ONE}) \
                 AND ({those} AND b.key >= due.key AND b.key <= due.key \
                     ORDER BY b.key, b.event_id {ONE}) {compared})"
            )
        };
        let (has_blocking, has_waiting, has_any, is_awaited) = (
            first("b.state IN (1, 2, 3)", "< due.id"),
            first("b.state = 5", "< due.id"),
            first("b.state <> 4", "< due.id"),
            first("b.state = 5", "IS NOT NULL"),
        );
        let sql = format!(
            "WITH ready(id) AS ({first_ready}), fresh(id) AS ({first_fresh}), \
             due(id, key, attempts, version, is_direct, sender, payload, cause) AS (\
                 {ready} UNION ALL {again} UNION ALL {parked} UNION ALL \
                 SELECT * FROM (\
                     SELECT e.id, e.key, 0, e.version, 1, e.sender, e.payload, e.cause \
                     FROM fanfare_outbox_event AS e \
                     WHERE e.name = $4 AND e.state = 0 {in_fresh} AND e.key NOT IN {keys} \
                     AND NOT EXISTS (SELECT 1 FROM fanfare_outbox_receiver AS o \
                         WHERE o.event = $4 AND o.name <> $1) \
                     ORDER BY e.id LIMIT {limit}) AS direct) \
             SELECT due.*, \
             CASE WHEN {has_blocking} OR {has_waiting} OR (due.is_direct = 1 AND {has_any}) \
                 THEN 1 ELSE 0 END AS is_blocked, \
             CASE WHEN {is_awaited} THEN 1 ELSE 0 END AS is_awaited \
             FROM due ORDER BY due.id"
        );
        let values = [
            receiver.into(),
            i64::from(version).into(),
            json!(except).to_string().into(),
            event.into(),
        ];
        let rows = self.all(&sql, values).await?;
        let due = rows.iter().map(|row| {
            // By index: of thousands of rows in a second, names would be looked up one by one.
            let attempts: i64 = row.try_get_by_index(2)?;
            let version: i64 = row.try_get_by_index(3)?;
            Ok(Due {
                is_blocked: row.try_get_by_index::<i32>(8)? == 1,
                stored: Stored {
                    delivery: Delivery {
                        id: row.try_get_by_index(0)?,
                        is_direct: row.try_get_by_index::<i32>(4)? == 1,
                        is_awaited: row.try_get_by_index::<i32>(9)? == 1,
                        key: row.try_get_by_index(1)?,
                    },
                    version: u32::try_from(version).unwrap_or(u32::MAX),
                    sender: row.try_get_by_index(5)?,
                    payload: row.try_get_by_index(6)?,
                    cause: row.try_get_by_index(7)?,
                    attempt: u32::try_from(attempts)
                        .unwrap_or(u32::MAX)
                        .saturating_add(1),
                },
            })
        });
        due.collect()
    }
}
