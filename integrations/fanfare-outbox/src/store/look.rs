//! Looks at the tables: for work, and for people.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DbErr, Value};

use super::{Store, UNBLOCKED};
use crate::registry::Receiver;
use crate::status::{ReceiverStatus, Status};

/// The work that a relay has.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// `true` if there are events to hand out.
    pub(crate) is_new: bool,
    /// `true` if events are parked although they have a receiver.
    pub(crate) is_parked: bool,
    /// The names of receivers with a delivery that is due and whose lease is free.
    pub(crate) due: Vec<String>,
    /// The time until the next failed delivery is due.
    pub(crate) next: Option<Duration>,
}

impl Store {
    /// Returns the work for these receivers, by one query.
    pub(crate) async fn work(&self, receivers: &[Arc<Receiver>]) -> Result<Work, DbErr> {
        let known = (0..receivers.len()).map(|n| {
            format!(
                ", (CAST(${} AS TEXT), CAST(${} AS BIGINT))",
                2 * n + 1,
                2 * n + 2
            )
        });
        let known: String = known.collect();
        let sql = format!(
            "WITH known(name, version) AS (VALUES (NULL, 0){known}) \
             SELECT k.name, \
             CASE WHEN EXISTS (SELECT 1 FROM fanfare_outbox_event WHERE state = 0) \
                 THEN 1 ELSE 0 END AS fresh, \
             CASE WHEN EXISTS (SELECT 1 FROM fanfare_outbox_receiver o \
                 JOIN fanfare_outbox_event p ON p.name = o.event WHERE p.state = 2) \
                 THEN 1 ELSE 0 END AS unparked, \
             CASE WHEN r.lease_until <= {{now}} THEN 1 ELSE 0 END AS is_free, \
             CASE WHEN EXISTS (SELECT 1 FROM fanfare_outbox_delivery d \
                 WHERE d.receiver = k.name AND (d.state = 0 OR (d.state = 3 AND d.version <= k.version)) \
                 AND {UNBLOCKED}) THEN 1 ELSE 0 END AS is_ready, \
             (SELECT min(d.due_at) - {{now}} FROM fanfare_outbox_delivery d \
                 WHERE d.receiver = k.name AND d.state = 1 AND {UNBLOCKED}) AS wait \
             FROM known k LEFT JOIN fanfare_outbox_receiver r ON r.name = k.name"
        );
        let values = receivers.iter().flat_map(|receiver| -> [Value; 2] {
            [
                receiver.name.as_str().into(),
                i64::from(receiver.version).into(),
            ]
        });
        let mut work = Work::default();
        for row in self.all(&sql, values).await? {
            let is = |column| -> Result<bool, DbErr> { Ok(row.try_get::<i32>("", column)? == 1) };
            let wait: Option<i64> = row.try_get("", "wait")?;
            work.is_new |= is("fresh")?;
            work.is_parked |= is("unparked")?;
            if is("is_free")? {
                if is("is_ready")? || wait.is_some_and(|wait| wait <= 0) {
                    work.due.push(row.try_get("", "name")?);
                } else if let Some(wait) = wait {
                    let wait = Duration::from_millis(wait.unsigned_abs());
                    work.next = Some(work.next.map_or(wait, |next| next.min(wait)));
                }
            }
        }
        Ok(work)
    }

    /// Returns `true` if events are to be handed out, or deliveries wait that no dead letter or
    /// parked delivery blocks.
    pub(crate) async fn is_pending(&self) -> Result<bool, DbErr> {
        let sql = "SELECT CASE WHEN EXISTS (SELECT 1 FROM fanfare_outbox_event WHERE state = 0) \
             OR EXISTS (SELECT 1 FROM fanfare_outbox_delivery d WHERE d.state IN (0, 1) \
                 AND NOT EXISTS (SELECT 1 FROM fanfare_outbox_delivery b \
                     WHERE b.receiver = d.receiver AND b.key = d.key \
                     AND b.event_id < d.event_id AND b.state IN (2, 3))) \
             THEN 1 ELSE 0 END AS pending";
        let row = self.one(sql, []).await?;
        row.map_or(Ok(false), |row| Ok(row.try_get::<i32>("", "pending")? == 1))
    }

    /// Returns the state of the outbox, except the fields that only the process knows.
    pub(crate) async fn status(&self) -> Result<Status, DbErr> {
        let events = "SELECT \
             (SELECT count(*) FROM fanfare_outbox_event WHERE state = 0) AS fresh, \
             (SELECT count(*) FROM fanfare_outbox_event WHERE state = 2) AS parked";
        let mut status = Status::default();
        if let Some(row) = self.one(events, []).await? {
            status.new = row.try_get::<i64>("", "fresh")?.unsigned_abs();
            status.parked = row.try_get::<i64>("", "parked")?.unsigned_abs();
        }
        let receivers = "SELECT r.name, r.event, \
             CASE WHEN r.lease_until > {now} THEN r.owner END AS holder, \
             count(CASE WHEN d.state = 0 THEN 1 END) AS pending, \
             count(CASE WHEN d.state = 1 THEN 1 END) AS failed, \
             count(CASE WHEN d.state IN (2, 4) THEN 1 END) AS dead, \
             count(CASE WHEN d.state = 3 THEN 1 END) AS parked, \
             COALESCE(max(d.attempts), 0) AS attempts, \
             (SELECT f.last_error FROM fanfare_outbox_delivery f WHERE f.receiver = r.name \
                 AND f.last_error IS NOT NULL ORDER BY f.event_id LIMIT 1) AS last_error, \
             {now} - (SELECT e.stored_at FROM fanfare_outbox_delivery o \
                 JOIN fanfare_outbox_event e ON e.id = o.event_id \
                 WHERE o.receiver = r.name ORDER BY o.event_id LIMIT 1) AS age \
             FROM fanfare_outbox_receiver r \
             LEFT JOIN fanfare_outbox_delivery d ON d.receiver = r.name \
             GROUP BY r.name, r.event, r.owner, r.lease_until ORDER BY r.name";
        for row in self.all(receivers, []).await? {
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
