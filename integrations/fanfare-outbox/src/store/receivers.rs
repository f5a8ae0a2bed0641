//! Receivers that become known, get another name, or are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};

use super::lease::Lease;
use super::{ROWS, Store};
use crate::error::{RemoveError, StartError};
use crate::registry::{Receiver, Start};

/// The time between two sweeps.
pub(crate) const SWEEP: Duration = Duration::from_secs(60);

/// The time of a removal's lease, which each of its batches renews.
const WHILE_REMOVING: Duration = Duration::from_secs(30);

/// A receiver that becomes known.
pub(crate) struct Joining<'a> {
    pub(crate) name: &'a str,
    pub(crate) event: &'a str,
    pub(crate) start: Start,
}

impl Store {
    /// Makes the receivers known to the database. Returns the reasons for those that it refuses.
    ///
    /// Receivers of one event that become known together get the same events.
    pub(crate) async fn register(
        &self,
        receivers: &[Arc<Receiver>],
    ) -> Result<Vec<(Arc<Receiver>, StartError)>, DbErr> {
        let known = self.reach(self.known(&self.db)).await?;
        let mut new = Vec::new();
        let mut refused = Vec::new();
        for receiver in receivers {
            match known.get(&receiver.name) {
                None => new.push(receiver),
                Some(event) if event == receiver.event => {}
                Some(event) => {
                    let error = StartError::OtherEvent {
                        receiver: receiver.name.clone(),
                        stored: event.clone(),
                        event: receiver.event.to_owned(),
                    };
                    refused.push((Arc::clone(receiver), error));
                }
            }
        }
        if new.is_empty() {
            return Ok(refused);
        }
        // In batches, and before the lock: the transaction below would take as long as there are
        // events. An event of a key may be handed out whenever the earlier ones are, so the process
        // may also end between two batches.
        let is_old = |receiver: &Receiver| {
            let stored = receiver.options.was.as_ref().and_then(|was| known.get(was));
            stored.is_some_and(|event| event == receiver.event)
        };
        for event in alone(&known) {
            let mut joining = new.iter().filter(|receiver| !is_old(receiver));
            if joining.any(|receiver| receiver.event == event) {
                self.hand_out_most(event).await?;
            }
        }
        let transaction = self.begin().await?;
        // Each event is either handed out to the receivers or found below.
        self.keep_hand_outs_out(&transaction).await?;
        let known = self.known(&transaction).await?;
        new.retain(|receiver| !known.contains_key(&receiver.name));
        let mut taken = BTreeSet::new();
        let (renamed, joined): (Vec<_>, Vec<_>) = new.into_iter().partition(|receiver| {
            let was = receiver.options.was.as_ref();
            let stored = was.and_then(|was| known.get(was));
            // Of two with one old name, the second joins.
            stored.is_some_and(|event| event == receiver.event) && taken.insert(was)
        });
        for receiver in renamed {
            if let Err(error) = self.rename(&transaction, receiver).await? {
                refused.push((Arc::clone(receiver), error));
            }
        }
        let joined = joined.iter().map(|receiver| Joining {
            name: &receiver.name,
            event: receiver.event,
            start: receiver.options.start,
        });
        let joined: Vec<_> = joined.collect();
        self.join(&transaction, &known, &joined).await?;
        transaction.commit().await?;
        Ok(refused)
    }

    /// Makes one receiver known that no process has connected. Returns the event for which a
    /// receiver of the name is stored, which may be another one.
    pub(crate) async fn register_alone(&self, joining: Joining<'_>) -> Result<String, DbErr> {
        let stored = self.reach(self.known(&self.db)).await?;
        if let Some(event) = stored.get(joining.name) {
            return Ok(event.clone());
        }
        if alone(&stored).contains(joining.event) {
            self.hand_out_most(joining.event).await?;
        }
        let transaction = self.begin().await?;
        self.keep_hand_outs_out(&transaction).await?;
        let stored = self.known(&transaction).await?;
        if let Some(event) = stored.get(joining.name) {
            return Ok(event.clone());
        }
        let event = joining.event.to_owned();
        self.join(&transaction, &stored, &[joining]).await?;
        transaction.commit().await?;
        Ok(event)
    }

    /// Adds receivers, in a transaction that has the lock.
    async fn join(
        &self,
        transaction: &DatabaseTransaction,
        known: &BTreeMap<String, String>,
        joining: &[Joining<'_>],
    ) -> Result<(), DbErr> {
        for event in alone(known) {
            // The new events are those of the one receiver that reads them without deliveries.
            if joining.iter().any(|receiver| receiver.event == event) {
                self.hand_out_all(transaction, event).await?;
            }
        }
        for &Joining { name, event, start } in joining {
            let values = || [name.into(), event.into()];
            let insert = "INSERT INTO fanfare_outbox_receiver (name, event) VALUES ($1, $2)";
            self.execute_in(transaction, insert, values()).await?;
            if start == Start::Oldest {
                let owe = "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
                     SELECT $1, id, version, key FROM fanfare_outbox_event \
                     WHERE name = $2 AND state = 1";
                self.execute_in(transaction, owe, values()).await?;
            }
        }
        Ok(())
    }

    /// Gives a receiver its new name, unless a relay has its lease.
    async fn rename(
        &self,
        transaction: &DatabaseTransaction,
        receiver: &Receiver,
    ) -> Result<Result<(), StartError>, DbErr> {
        let was = receiver.options.was.as_deref().unwrap_or_default();
        let name = receiver.name.as_str();
        if let Some(owner) = self.holder(transaction, was).await? {
            let (receiver, was) = (name.to_owned(), was.to_owned());
            return Ok(Err(StartError::InUse {
                receiver,
                was,
                owner,
            }));
        }
        for (table, column) in [
            ("fanfare_outbox_receiver", "name"),
            ("fanfare_outbox_delivery", "receiver"),
        ] {
            let sql = format!("UPDATE {table} SET {column} = $2 WHERE {column} = $1");
            let values = [was.into(), name.into()];
            self.execute_in(transaction, &sql, values).await?;
        }
        Ok(Ok(()))
    }

    /// Returns the relay that has the lease of a receiver.
    async fn holder(
        &self,
        transaction: &DatabaseTransaction,
        name: &str,
    ) -> Result<Option<String>, DbErr> {
        let lock = if self.is_postgres() { "FOR UPDATE" } else { "" };
        let sql = format!(
            "SELECT owner FROM fanfare_outbox_receiver WHERE name = $1 AND lease_until > {{now}} {lock}"
        );
        let row = transaction.query_one_raw(self.statement(&sql, [name.into()]));
        row.await?.map_or(Ok(None), |row| row.try_get_by_index(0))
    }

    /// Returns the event of each known receiver.
    async fn known(&self, db: &impl ConnectionTrait) -> Result<BTreeMap<String, String>, DbErr> {
        let sql = "SELECT name, event FROM fanfare_outbox_receiver";
        let rows = db.query_all_raw(self.statement(sql, [])).await?;
        let known = rows
            .iter()
            .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)));
        known.collect()
    }

    /// Lets no hand-out run at the same time as the rest of a transaction.
    ///
    /// The lock keeps out hand-outs and notes, and neither senders nor `pg_dump`. A process that
    /// stops in the transaction must not keep the others out for long, nor must one that waits for
    /// the lock: all later notes wait behind it.
    async fn keep_hand_outs_out(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        if self.is_postgres() {
            let lock = "SET LOCAL idle_in_transaction_session_timeout = '10s';
                SET LOCAL lock_timeout = '5s';
                LOCK TABLE fanfare_outbox_delivery IN SHARE ROW EXCLUSIVE MODE";
            transaction.execute_unprepared(lock).await?;
        }
        Ok(())
    }

    /// Removes a receiver from the database, with the events that are owed to it alone.
    ///
    /// It takes the lease, and deletes in batches first, so that the last transaction holds the
    /// other relays up for a moment only. A process that ends meanwhile leaves the rest.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, RemoveError> {
        let remover = Store {
            owner: Store::owner("removal"),
            ..self.clone()
        };
        let lease = remover.acquire(name, WHILE_REMOVING).await?;
        let remove = async {
            if let Some(lease) = &lease {
                remover.delete_most(lease).await?;
            }
            remover.remove_rest(name).await
        };
        let removed = remove.await;
        if let (Some(lease), Err(_)) = (&lease, &removed) {
            // The lease is over soon, if the database does not get this.
            let _ = remover.release(lease).await;
        }
        if removed? {
            self.sweep().await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Deletes what is owed to the receiver of the lease now, some at a time.
    async fn delete_most(&self, lease: &Lease) -> Result<(), DbErr> {
        let name = lease.receiver.as_str();
        // Relays may hand out, and senders send, as fast as this deletes.
        let last = "SELECT e.id FROM fanfare_outbox_event AS e ORDER BY e.id DESC LIMIT 1";
        let Some(last) = self.ids(last, []).await?.pop() else {
            return Ok(());
        };
        for owed in [
            "d.state <> 4 AND d.event_id <= $2 ORDER BY d.receiver, d.key, d.event_id",
            "d.state IN (2, 4) AND d.event_id <= $2 ORDER BY d.event_id",
        ] {
            let owed = format!(
                "SELECT d.event_id FROM fanfare_outbox_delivery AS d \
                 WHERE d.receiver >= $1 AND d.receiver <= $1 AND {owed} LIMIT {ROWS}"
            );
            while self.renew(lease, WHILE_REMOVING).await? {
                let ids = self.ids(&owed, [name.into(), last.into()]).await?;
                let _turn = self.turn().await;
                if ids.is_empty() || !self.done_owed(lease, &ids).await? {
                    break;
                }
            }
        }
        let event = "(SELECT event FROM fanfare_outbox_receiver WHERE name = $1)";
        let direct = format!(
            "SELECT n.id FROM fanfare_outbox_event AS n \
             WHERE n.name >= {event} AND n.name <= {event} AND n.state = 0 AND n.id <= $2 \
             ORDER BY n.name, n.id LIMIT {ROWS}"
        );
        while self.renew(lease, WHILE_REMOVING).await? {
            let ids = self.ids(&direct, [name.into(), last.into()]).await?;
            let _turn = self.turn().await;
            // It deletes none if there is another receiver.
            if ids.is_empty() || self.delete_direct(&self.db, lease, &ids).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn ids<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<Vec<i64>, DbErr> {
        let rows = self.all(sql, values).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Removes the receiver, with what is left of its deliveries and events.
    async fn remove_rest(&self, name: &str) -> Result<bool, RemoveError> {
        let transaction = self.begin().await?;
        self.keep_hand_outs_out(&transaction).await?;
        let known = self.known(&transaction).await?;
        let Some(event) = known.get(name) else {
            return Ok(false);
        };
        let holder = self.holder(&transaction, name).await?;
        if let Some(owner) = holder.filter(|holder| *holder != self.owner) {
            return Err(RemoveError::Leased {
                receiver: name.to_owned(),
                owner,
            });
        }
        let receiver = "DELETE FROM fanfare_outbox_receiver WHERE name = $1";
        self.execute_in(&transaction, receiver, [name.into()])
            .await?;
        let owed = "DELETE FROM fanfare_outbox_delivery WHERE receiver = $1";
        self.execute_in(&transaction, owed, [name.into()]).await?;
        let alone = "DELETE FROM fanfare_outbox_event WHERE name = $1 AND state = 0 \
             AND NOT EXISTS (SELECT 1 FROM fanfare_outbox_receiver AS o WHERE o.event = $1)";
        self.execute_in(&transaction, alone, [event.as_str().into()])
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes the events that are owed to no receiver any more. A process that ended between the
    /// note of a delivery and the deletion of its event leaves them behind.
    pub(crate) async fn sweep(&self) -> Result<(), DbErr> {
        let next = format!(
            "SELECT max(id) FROM (SELECT id FROM fanfare_outbox_event \
             WHERE state = 1 AND id > $1 ORDER BY id LIMIT {ROWS}) AS these"
        );
        let delete = format!(
            "WITH {} DELETE FROM fanfare_outbox_event WHERE state = 1 AND id > $1 AND id <= $2 \
             AND id NOT IN (SELECT event_id FROM fanfare_outbox_delivery \
                 WHERE event_id > $1 AND event_id <= $2)",
            self.after_receivers()
        );
        let mut after = i64::MIN;
        loop {
            let row = self.one(&next, [after.into()]).await?;
            let last = row.map_or(Ok(None), |row| row.try_get_by_index::<Option<i64>>(0))?;
            let Some(last) = last else {
                return Ok(());
            };
            self.execute(&delete, [after.into(), last.into()]).await?;
            after = last;
        }
    }
}

/// Returns the events that have one receiver.
fn alone(known: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let has_one = |event: &&str| known.values().filter(|it| it == event).count() == 1;
    known.values().map(String::as_str).filter(has_one).collect()
}
