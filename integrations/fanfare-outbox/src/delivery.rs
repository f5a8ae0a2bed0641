//! A delivery: an event that is owed to one receiver.

use std::sync::Arc;

use fanfare::BoxFuture;
use fanfare_sea_orm::BeforeCommit;
use sea_orm::{DatabaseTransaction, DbErr};

/// A delivery, as its note needs it.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The id of the event.
    pub(crate) id: i64,
    /// `true` if it was read as an event, without a row of its own.
    pub(crate) is_direct: bool,
    pub(crate) key: String,
    /// `true` if other deliveries of the key waited for this one when it was read.
    pub(crate) is_awaited: bool,
}

/// The worker of a delivery, which can note it in the receiver's own transaction.
pub(crate) trait Completes: Send + Sync {
    /// Notes that the delivery is done. It is an error if another relay has taken it over.
    fn complete<'a>(
        &'a self,
        delivery: &'a Delivery,
        db: &'a DatabaseTransaction,
    ) -> BoxFuture<'a, Result<(), DbErr>>;
}

/// A note that a transaction writes before its COMMIT.
pub(crate) struct Completion {
    pub(crate) delivery: Delivery,
    pub(crate) worker: Arc<dyn Completes>,
}

impl BeforeCommit for Completion {
    fn write(notes: Vec<Self>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            for note in notes {
                note.worker.complete(&note.delivery, db).await?;
            }
            Ok(())
        })
    }
}
