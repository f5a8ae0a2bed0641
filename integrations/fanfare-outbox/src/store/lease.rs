//! Leases: the right of one relay to deliver to a receiver, for a time.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};

use super::{Store, millis};

/// A lease, whose token no other lease of the receiver has.
///
/// Each statement that writes the progress of the receiver checks the token and the owner. So a
/// relay that was stopped for longer than its lease changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) receiver: String,
    /// The name of the receiver's event.
    pub(crate) event: String,
    pub(crate) owner: String,
    pub(crate) token: i64,
}

impl Store {
    /// Takes the lease of a receiver, unless another relay has it. The caller has no worker with
    /// this lease. A worker that could not give it back, because the database was away, has left it
    /// to this relay.
    ///
    /// Times are those of the database's clock.
    pub(crate) async fn acquire(
        &self,
        receiver: &str,
        time: Duration,
    ) -> Result<Option<Lease>, DbErr> {
        let sql = "UPDATE fanfare_outbox_receiver \
             SET owner = $2, token = token + 1, lease_until = {now} + $3 \
             WHERE name = $1 AND (lease_until <= {now} OR owner = $2) RETURNING token, event";
        let values = [
            receiver.into(),
            self.owner.as_str().into(),
            millis(time).into(),
        ];
        // All rows, because SQLite commits when the statement is stepped to its end. A look at the
        // first row only would drop the error of that commit.
        let rows = self.all(sql, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Lease {
            receiver: receiver.to_owned(),
            owner: self.owner.clone(),
            token: row.try_get("", "token")?,
            event: row.try_get("", "event")?,
        }))
    }

    /// Prolongs a lease, and returns `false` if another relay has taken over.
    pub(crate) async fn renew(&self, lease: &Lease, time: Duration) -> Result<bool, DbErr> {
        let sql = "UPDATE fanfare_outbox_receiver SET lease_until = {now} + $3 \
             WHERE name = $1 AND token = $2 AND owner = $4";
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            millis(time).into(),
            lease.owner.as_str().into(),
        ];
        Ok(self.execute(sql, values).await? == 1)
    }

    /// Returns `true` if no other relay has taken the lease over.
    pub(super) async fn has(&self, lease: &Lease) -> Result<bool, DbErr> {
        let sql = "SELECT 1 AS held FROM fanfare_outbox_receiver \
             WHERE name = $1 AND token = $2 AND owner = $3";
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            lease.owner.as_str().into(),
        ];
        Ok(self.one(sql, values).await?.is_some())
    }

    /// Returns `true` if no other relay has taken the lease over, and keeps others out until the
    /// transaction has ended.
    ///
    /// The lock of the table comes first, as it does when receivers are renamed or removed, so that
    /// the two do not wait for each other.
    pub(super) async fn is_fenced(
        &self,
        db: &impl ConnectionTrait,
        lease: &Lease,
    ) -> Result<bool, DbErr> {
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            lease.owner.as_str().into(),
        ];
        let (wait, fence) = (self.after_receivers(), fence("$3"));
        let fence = self.statement(&format!("WITH {wait} {fence}"), values);
        Ok(db.query_one_raw(fence).await?.is_some())
    }

    /// Gives back all leases of this relay. Its workers must have ended.
    pub(crate) async fn release_all(&self) -> Result<(), DbErr> {
        let sql = "UPDATE fanfare_outbox_receiver SET owner = NULL, lease_until = 0 \
             WHERE owner = $1";
        self.execute(sql, [self.owner.as_str().into()])
            .await
            .map(drop)
    }

    /// Gives a lease back.
    pub(crate) async fn release(&self, lease: &Lease) -> Result<(), DbErr> {
        let sql = "UPDATE fanfare_outbox_receiver SET owner = NULL, lease_until = 0 \
             WHERE name = $1 AND token = $2 AND owner = $3";
        let values = [
            lease.receiver.as_str().into(),
            lease.token.into(),
            lease.owner.as_str().into(),
        ];
        self.execute(sql, values).await.map(drop)
    }
}

/// Returns a query of the receiver's event in the row of the lease, which it locks, so that no
/// other relay takes over before the statement has ended. The parameters 1 and 2 are the receiver
/// and the token.
pub(super) fn fence(owner: &str) -> String {
    format!(
        "SELECT event FROM fanfare_outbox_receiver \
         WHERE name = $1 AND token = $2 AND owner = {owner} {{share}}"
    )
}
