//! Batches of deliveries that may start.

use std::collections::HashSet;

use sea_orm::DbErr;

use super::Store;
use super::due::Due;
use super::lease::Lease;
use crate::registry::Stored;

/// The result of a read.
pub(crate) enum Read {
    /// Deliveries that may start.
    Batch {
        deliveries: Vec<Stored>,
        /// `true` if there may be more.
        is_one_of_more: bool,
    },
    /// No delivery may start. Some that were in the way of others wait now, so another read may
    /// find more.
    Again,
    /// There is nothing to deliver.
    Nothing,
    /// Another process has the lease.
    Lost,
}

impl Store {
    /// Reads deliveries to the receiver of the lease, at most `limit` of a kind and none of the
    /// keys `busy`. Deliveries behind an earlier one of their key are set to wait.
    pub(crate) async fn batch(
        &self,
        lease: &Lease,
        event: (&str, u32),
        limit: u32,
        busy: &HashSet<String>,
    ) -> Result<Read, DbErr> {
        let due = self.due(&lease.receiver, event, limit, busy).await?;
        // On PostgreSQL, a batch that is not full may be all of a range of ids.
        let is_one_of_more = due.len() > 1;
        let (blocked, batch): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.is_blocked);
        let deliveries: Vec<_> = batch.into_iter().map(|due| due.stored).collect();
        // The others of a key of the batch do not wait: a delivery of the batch may be in their
        // way, and be done before they are read again.
        let started: HashSet<_> = deliveries.iter().map(|it| &it.delivery.key).collect();
        let waits = blocked
            .iter()
            .filter(|due| !started.contains(&due.stored.delivery.key));
        let (direct, owed): (Vec<_>, Vec<_>) = waits.partition(|due| due.stored.delivery.is_direct);
        let ids =
            |due: Vec<&Due>| -> Vec<_> { due.iter().map(|due| due.stored.delivery.id).collect() };
        let (direct, owed) = (ids(direct), ids(owed));
        let mut waiting = Some(0);
        if !direct.is_empty() || !owed.is_empty() {
            waiting = self.let_wait(lease, &direct, &owed).await?;
        }
        Ok(match waiting {
            None => Read::Lost,
            _ if !deliveries.is_empty() => Read::Batch {
                deliveries,
                is_one_of_more,
            },
            Some(0) => Read::Nothing,
            // Those behind the ones that wait now may start.
            Some(_) => Read::Again,
        })
    }
}
