//! Looks at the tables: for work, and for people.

use std::time::Duration;

use sea_orm::{DbErr, Value};

use super::Store;
use super::first::{self, ONE};
use crate::status::{ReceiverStatus, Status};

/// The work that a relay has.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// The names of new events that have several receivers.
    pub(crate) new: Vec<String>,
    /// The names of receivers with a delivery that is due, and whose lease no other relay has.
    pub(crate) due: Vec<String>,
    /// The time until the next failed delivery is due.
    pub(crate) next: Option<Duration>,
    /// The names of those of the receivers that the database knows.
    pub(crate) known: Vec<String>,
}

impl Store {
    /// Returns the work for these receivers, each with the highest version that it reads, by one
    /// query.
    pub(crate) async fn work(&self, receivers: &[(&str, u32)]) -> Result<Work, DbErr> {
        let known = (0..receivers.len()).map(|n| {
            format!(
                ", (CAST(${} AS TEXT), CAST(${} AS BIGINT))",
                2 * n + 1,
                2 * n + 2
            )
        });
        let known: String = known.collect();
        let owner = 2 * receivers.len() + 1;
        let (ready, new, shared) = (
            first::ready_delivery("k.name", ""),
            first::new_event("r.event"),
            first::new_event("s.event"),
        );
        // The first rows are the receivers, and the others are the new events.
        let sql = format!(
            "WITH known(name, version) AS (VALUES (NULL, 0){known}), \
             shared AS (SELECT event FROM fanfare_outbox_receiver GROUP BY event HAVING count(*) > 1) \
             SELECT k.name, 0, \
             CASE WHEN r.lease_until <= {{now}} OR r.owner = ${owner} THEN 1 ELSE 0 END, \
             CASE WHEN EXISTS ({ready}) \
             OR EXISTS (SELECT 1 FROM fanfare_outbox_delivery AS d \
                 WHERE d.receiver = k.name AND d.state = 3 AND d.version <= k.version \
                 ORDER BY d.version {ONE}) \
             OR (EXISTS ({new}) AND NOT EXISTS (SELECT 1 FROM shared AS s WHERE s.event = r.event)) \
             THEN 1 ELSE 0 END, \
             (SELECT d.due_at - {{now}} FROM fanfare_outbox_delivery AS d \
                 WHERE d.receiver = k.name AND d.state = 1 ORDER BY d.due_at {ONE}) \
             FROM known AS k JOIN fanfare_outbox_receiver AS r ON r.name = k.name \
             UNION ALL SELECT s.event, 1, 0, 0, NULL FROM shared AS s \
             WHERE EXISTS ({shared})"
        );
        let values = receivers.iter().flat_map(|(name, version)| -> [Value; 2] {
            [(*name).into(), i64::from(*version).into()]
        });
        let values = values.chain([self.owner.as_str().into()]);
        let mut work = Work::default();
        for row in self.all(&sql, values).await? {
            let is =
                |column| -> Result<bool, DbErr> { Ok(row.try_get_by_index::<i32>(column)? == 1) };
            let name: String = row.try_get_by_index(0)?;
            if is(1)? {
                work.new.push(name);
                continue;
            }
            work.known.push(name.clone());
            let wait: Option<i64> = row.try_get_by_index(4)?;
            if is(2)? {
                if is(3)? || wait.is_some_and(|wait| wait <= 0) {
                    work.due.push(name);
                } else if let Some(wait) = wait {
                    let wait = Duration::from_millis(wait.unsigned_abs());
                    work.next = Some(work.next.map_or(wait, |next| next.min(wait)));
                }
            }
        }
        Ok(work)
    }

    /// Returns `true` if an event has a receiver that is neither done with it nor waits behind a
    /// dead letter or a parked delivery.
    pub(crate) async fn is_pending(&self) -> Result<bool, DbErr> {
        let new = first::new_event("r.event");
        let sql = format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM fanfare_outbox_delivery AS d \
                 WHERE d.state = 0 ORDER BY d.receiver, d.event_id {ONE}) \
             OR EXISTS (SELECT 1 FROM fanfare_outbox_delivery AS d \
                 WHERE d.state = 1 ORDER BY d.receiver, d.due_at {ONE}) \
             OR EXISTS (SELECT 1 FROM fanfare_outbox_receiver AS r WHERE EXISTS ({new})) \
             THEN 1 ELSE 0 END"
        );
        let row = self.one(&sql, []).await?;
        row.map_or(Ok(false), |row| Ok(row.try_get_by_index::<i32>(0)? == 1))
    }

    /// Returns the state of the outbox, except the fields that only the process knows.
    pub(crate) async fn status(&self) -> Result<Status, DbErr> {
        let events = "SELECT \
             count(CASE WHEN r.receivers > 1 THEN 1 END) AS fresh, \
             count(CASE WHEN r.receivers IS NULL THEN 1 END) AS parked \
             FROM fanfare_outbox_event AS e LEFT JOIN (\
                 SELECT event, count(*) AS receivers FROM fanfare_outbox_receiver GROUP BY event\
             ) AS r ON r.event = e.name WHERE e.state = 0";
        let mut status = Status::default();
        if let Some(row) = self.one(events, []).await? {
            status.new = row.try_get::<i64>("", "fresh")?.unsigned_abs();
            status.parked = row.try_get::<i64>("", "parked")?.unsigned_abs();
        }
        // The events that a receiver reads without deliveries.
        let direct = "FROM fanfare_outbox_event AS e WHERE e.name = r.event AND e.state = 0 \
             AND NOT EXISTS (SELECT 1 FROM fanfare_outbox_receiver AS o \
                 WHERE o.event = r.event AND o.name <> r.name)";
        let receivers = format!(
            "SELECT r.name, r.event, \
             CASE WHEN r.lease_until > {{now}} THEN r.owner END AS holder, \
             count(CASE WHEN d.state IN (0, 5) THEN 1 END) + (SELECT count(*) {direct}) AS pending, \
             count(CASE WHEN d.state = 1 THEN 1 END) AS failed, \
             count(CASE WHEN d.state IN (2, 4) THEN 1 END) AS dead, \
             count(CASE WHEN d.state = 3 THEN 1 END) AS parked, \
             COALESCE(max(d.attempts), 0) AS attempts, \
             (SELECT f.last_error FROM fanfare_outbox_delivery AS f WHERE f.receiver = r.name \
                 AND f.last_error IS NOT NULL ORDER BY f.event_id LIMIT 1) AS last_error, \
             {{now}} - (SELECT min(stored_at) FROM (\
                 SELECT e.stored_at FROM fanfare_outbox_event AS e WHERE e.id = (\
                     SELECT min(o.event_id) FROM fanfare_outbox_delivery AS o WHERE o.receiver = r.name) \
                 UNION ALL SELECT e.stored_at FROM fanfare_outbox_event AS e WHERE e.id = (\
                     SELECT min(e.id) {direct})) AS oldest) AS age \
             FROM fanfare_outbox_receiver AS r \
             LEFT JOIN fanfare_outbox_delivery AS d ON d.receiver = r.name \
             GROUP BY r.name, r.event, r.owner, r.lease_until ORDER BY r.name"
        );
        for row in self.all(&receivers, []).await? {
            let number = |column| -> Result<u64, DbErr> {
                Ok(row.try_get::<i64>("", column)?.unsigned_abs())
            };
            let age: Option<i64> = row.try_get("", "age")?;
            status.receivers.push(ReceiverStatus {
                name: row.try_get("", "name")?,
                event: row.try_get("", "event")?,
                is_connected: false,
                owner: row.try_get("", "holder")?,
                pending: number("pending")?,
                failed: number("failed")?,
                dead: number("dead")?,
                parked: number("parked")?,
                attempts: u32::try_from(number("attempts")?).unwrap_or(u32::MAX),
                last_error: row.try_get("", "last_error")?,
                oldest: age.map(|age| Duration::from_millis(u64::try_from(age).unwrap_or(0))),
            });
        }
        Ok(status)
    }
}
