//! Deliveries that wait behind another one of their key.
//!
//! A delivery waits (state 5) so that no read passes it again and again. Each note of a delivery
//! that others wait for makes some of them ready again.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr};

use super::first::ONE;
use super::lease::Lease;
use super::{ROWS, Store, json_of};

impl Store {
    /// Lets deliveries wait whose way an earlier one of the key blocks. `direct` are events that
    /// have no deliveries yet, and `owed` those that have them. Returns the number of those that
    /// wait now, or `None` if the lease is lost: then nothing has changed.
    pub(super) async fn let_wait(
        &self,
        lease: &Lease,
        direct: &[i64],
        owed: &[i64],
    ) -> Result<Option<u64>, DbErr> {
        let _turn = self.turn().await;
        let transaction = self.begin().await?;
        if !self.is_fenced(&transaction, lease).await? {
            return Ok(None);
        }
        if !direct.is_empty() {
            self.hand_out_these(&transaction, lease, direct).await?;
        }
        // The lock of the lease's row keeps out those who delete a dead letter. So a delivery that
        // is in the way now is there until the transaction has ended.
        let is_one = self.is_among("event_id", "$2");
        let sql = format!(
            "UPDATE fanfare_outbox_delivery SET state = 5 \
             WHERE receiver = $1 AND state IN (0, 1, 3) AND {is_one} AND EXISTS (\
                 SELECT 1 FROM fanfare_outbox_delivery AS b \
                 WHERE b.receiver = $1 AND b.key = fanfare_outbox_delivery.key \
                 AND b.event_id < fanfare_outbox_delivery.event_id AND b.state <> 4 {ONE})"
        );
        let values = [
            lease.receiver.as_str().into(),
            json_of(&[direct, owed].concat()),
        ];
        let waiting = self.execute_in(&transaction, &sql, values).await?;
        transaction.commit().await?;
        Ok(Some(waiting))
    }

    /// Makes deliveries of the keys ready that have waited, the earliest ones. Their notes make
    /// ready the next ones.
    pub(super) async fn release_waiting(
        &self,
        db: &impl ConnectionTrait,
        receiver: &str,
        keys: &BTreeSet<String>,
    ) -> Result<(), DbErr> {
        // As in `first`: a range of one key.
        let (of_key_w, of_key_b) = ("w.key >= $2 AND w.key <= $2", "b.key >= $2 AND b.key <= $2");
        let sql = format!(
            "UPDATE fanfare_outbox_delivery SET state = 0 \
             WHERE receiver = $1 AND event_id IN (\
                 SELECT w.event_id FROM fanfare_outbox_delivery AS w \
                 WHERE w.receiver = $1 AND w.state = 5 AND {of_key_w} AND w.event_id < COALESCE((\
                     SELECT b.event_id FROM fanfare_outbox_delivery AS b \
                     WHERE b.receiver = $1 AND {of_key_b} AND b.state IN (1, 2, 3) \
                     ORDER BY b.key, b.event_id {ONE}), 9223372036854775807) \
                 ORDER BY w.key, w.event_id LIMIT {ROWS})"
        );
        for key in keys {
            let values = [receiver.into(), key.as_str().into()];
            self.execute_in(db, &sql, values).await?;
        }
        Ok(())
    }
}
