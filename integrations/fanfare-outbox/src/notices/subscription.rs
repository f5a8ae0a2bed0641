//! The subscription of one relay.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::{Notify, watch};

use crate::faults::{Faults, Part};

/// The parts of a relay that its subscription to notices uses.
pub(crate) struct Subscription {
    pub(crate) db: DatabaseConnection,
    /// The name of the connection.
    pub(crate) using: String,
    /// Wakes the relay.
    pub(crate) wake: Arc<Notify>,
    /// Changes when the relay has looked at the database, so that the database is there.
    pub(crate) looked: watch::Receiver<()>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) faults: Arc<Faults>,
}

/// The end of a subscription.
pub(super) enum Ended {
    /// The relay is being stopped.
    Stopped,
    /// The database gives no notices.
    Unsupported,
    /// The subscription was made, and was lost later.
    Lost,
}

impl Subscription {
    /// Waits for the future. Returns `None` if the relay is stopped before.
    pub(super) async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        // An error is that of a handle that was dropped, which stops the relay too.
        let stopped = stop.wait_for(|is_stopped| *is_stopped);
        match select(pin!(stopped), pin!(future)).await {
            Either::Left(_) => None,
            Either::Right((output, _)) => Some(output),
        }
    }

    /// Wakes the relay, because commits give notices from now on.
    pub(super) fn subscribed(&self) {
        self.faults.set(Part::Notices, None);
        self.wake.notify_one();
    }
}

/// Returns an error of the driver as that of a connection.
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub(super) fn error_of(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))
}
