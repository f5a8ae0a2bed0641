//! The handle of a relay.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_sea_orm::SignalConnection;
use sea_orm::DbErr;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::error::{RemoveError, StartError, Unsettled};
use crate::registry;
use crate::relay::{Relay, Shared};
use crate::settings::{LONGEST, Settings};
use crate::status::{DeadLetter, Status};
use crate::store::Store;

/// The time for the state in the error of a [`settle`](Outbox::settle).
const FOR_STATUS: Duration = Duration::from_secs(5);

/// The number of dead letters that are read at a time.
const LETTERS: u32 = 100;

/// The place before the first dead letter.
const FIRST: (i64, &str) = (i64::MIN, "");

/// A relay, which delivers the events of one database to the durable receivers of this process.
///
/// It is cheap to clone. When the last clone is dropped, the relay stops as if it was shut down.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
    relay: Arc<Running>,
}

struct Running {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Shows the end of a relay that was not shut down.
struct End(Option<Arc<Shared>>);

impl Drop for End {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            let error = "the relay has ended, by a panic or with its runtime: start another one";
            shared.set_last_error(Some(error.to_owned()));
        }
    }
}

impl Outbox {
    /// Starts a relay on the database of this connection. Commits over connections of the same name
    /// ([`using`](SignalConnection::using)) wake it at once.
    ///
    /// The receivers that are connected are stored when this returns, so that they get every later
    /// event. A receiver that is connected afterwards is stored a little later.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses, if it has a receiver of the same name for another
    /// event, or if a relay has the lease of a receiver that is to be renamed
    /// ([`was`](crate::DurableOptions::was)).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn start(db: &SignalConnection, settings: Settings) -> Result<Self, StartError> {
        let store = Store::new(db.inner().clone(), Store::owner("relay"))?;
        let shared = Arc::new(Shared::new(store, settings, db.using()));
        let (stop, stopped) = watch::channel(false);
        let mut relay = Relay::new(Arc::clone(&shared), stopped);
        relay.register().await?;
        shared.store.sweep().await?;
        let end = End(Some(Arc::clone(&shared)));
        let task = tokio::spawn(async move {
            let mut end = end;
            relay.run().await;
            end.0 = None;
        });
        Ok(Outbox {
            shared,
            relay: Arc::new(Running {
                stop,
                task: Mutex::new(Some(task)),
            }),
        })
    }

    /// Stops the relay: no delivery starts any more, those that run are waited for and noted, and
    /// the leases are given back. Receivers that run for longer than the [`grace`](Settings::grace)
    /// are dropped. A few seconds after it this returns, even if the database does not respond.
    /// Then another process takes over when the lease is over. A second call waits for the first.
    ///
    /// Events that are not delivered stay in the database.
    pub async fn shutdown(&self) {
        self.relay.stop.send_replace(true);
        // A second call waits here for the first.
        let mut task = self.relay.task.lock().await;
        if let Some(running) = task.as_mut() {
            // A panic of the relay has ended it, too.
            let _ = running.await;
            *task = None;
        }
    }

    /// Waits until every event is delivered, except dead letters, parked deliveries, and those that
    /// wait behind one of them. It also waits for receivers and consumers of other programs. It is
    /// for tests.
    ///
    /// # Errors
    ///
    /// Returns the state of the outbox if the time is over before. The database has five more
    /// seconds to give the state.
    pub async fn settle(&self, time: Duration) -> Result<(), Unsettled> {
        let settled = async {
            loop {
                let progress = self.shared.progress.notified();
                if !self.shared.store.is_pending().await? {
                    return Ok(());
                }
                // Relays of other processes do not report progress.
                let _ = tokio::time::timeout(Duration::from_millis(20), progress).await;
            }
        };
        if let Ok(settled) = tokio::time::timeout(time.min(LONGEST), settled).await {
            return settled;
        }
        // The database may hang.
        let status = tokio::time::timeout(FOR_STATUS, self.status()).await;
        let status = status.unwrap_or_else(|_| {
            let error = "the database does not respond".to_owned();
            Ok(Status {
                relay_error: Some(self.shared.last_error().unwrap_or(error)),
                ..Status::default()
            })
        });
        Err(Unsettled::Pending(status?))
    }

    /// Moves the clock of this relay forward, so that failed deliveries are due earlier and leases
    /// of other relays are over. It is for tests, which then need not wait for a back-off of an
    /// hour.
    ///
    /// Only the times in the tables are compared with this clock. The time that a receiver may
    /// take, and the pauses between two looks, are those of tokio's clock.
    pub fn advance(&self, time: Duration) {
        self.shared.store.advance(time);
        self.shared.wake.notify_one();
    }

    /// Returns the state of the outbox: what is pending, for which receivers, and why.
    ///
    /// It counts the deliveries, so that it takes longer the more there are.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses.
    pub async fn status(&self) -> Result<Status, DbErr> {
        let mut status = self.shared.store.status().await?;
        let connected = registry::receivers_of(&self.shared.using);
        for receiver in &mut status.receivers {
            receiver.is_connected = connected.iter().any(|it| it.name == receiver.name);
        }
        status.relay_error = self.shared.last_error();
        Ok(status)
    }

    /// Returns the last error of this relay, until it works again. It makes no query, so that it
    /// shows an error also while the database is away, when [`status`](Outbox::status) fails.
    ///
    /// ```
    /// # use fanfare_outbox::{Outbox, Settings, create_tables};
    /// # use fanfare_sea_orm::SignalConnection;
    /// # use sea_orm::Database;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
    /// # create_tables(&db).await?;
    /// let outbox = Outbox::start(&db, Settings::default()).await?;
    /// assert_eq!(outbox.relay_error(), None);
    /// # outbox.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn relay_error(&self) -> Option<String> {
        self.shared.last_error()
    }

    /// Returns the oldest dead letters, at most `limit`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, DbErr> {
        self.shared.store.dead_letters(limit, FIRST).await
    }

    /// Delivers a dead letter again, with all its attempts. Later events of its key come after it,
    /// except those that an [`unsequenced`](crate::DurableOptions::unsequenced) receiver has got in
    /// the meantime.
    ///
    /// Returns `false` if there is no such dead letter. A relay of another process finds it when it
    /// looks next, after its [`poll`](Settings::poll) at the latest.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses.
    pub async fn resubmit(&self, receiver: &str, event_id: i64) -> Result<bool, DbErr> {
        let changed = self.shared.store.resubmit(receiver, event_id).await;
        self.shared.wake.notify_one();
        changed
    }

    /// Deletes a dead letter, so that later events of its key go on. Returns `false` if there is no
    /// such dead letter.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses.
    pub async fn discard(&self, receiver: &str, event_id: i64) -> Result<bool, DbErr> {
        let changed = self.shared.store.discard(receiver, event_id).await;
        self.shared.wake.notify_one();
        changed
    }

    /// Resubmits the dead letters that `filter` accepts, as [`resubmit`](Outbox::resubmit) does.
    /// Returns their number. It reads all dead letters, some at a time.
    ///
    /// ```
    /// # use fanfare_outbox::Outbox;
    /// # use std::time::Duration;
    /// # async fn mail_server_is_back(outbox: &Outbox) -> Result<(), Box<dyn std::error::Error>> {
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// outbox.discard_where(|letter| letter.age > day).await?;
    /// outbox.resubmit_where(|letter| letter.receiver.starts_with("mail.")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses. Some dead letters may have been resubmitted by
    /// then.
    pub async fn resubmit_where(
        &self,
        filter: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<u64, DbErr> {
        let resubmit =
            async |letter: &DeadLetter| self.resubmit(&letter.receiver, letter.event_id).await;
        self.for_each_letter(filter, resubmit).await
    }

    /// Discards the dead letters that `filter` accepts, as [`discard`](Outbox::discard) does.
    /// Returns their number. It reads all dead letters, some at a time.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses. Some dead letters may have been discarded by then.
    pub async fn discard_where(
        &self,
        filter: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<u64, DbErr> {
        let discard =
            async |letter: &DeadLetter| self.discard(&letter.receiver, letter.event_id).await;
        self.for_each_letter(filter, discard).await
    }

    /// Calls `change` for each dead letter that the filter accepts. Returns the number of those
    /// that it has changed. A letter that dies again meanwhile is not met twice.
    async fn for_each_letter(
        &self,
        mut filter: impl FnMut(&DeadLetter) -> bool,
        change: impl AsyncFn(&DeadLetter) -> Result<bool, DbErr>,
    ) -> Result<u64, DbErr> {
        let (mut changed, mut last) = (0, None);
        loop {
            let after = match &last {
                Some(DeadLetter {
                    event_id, receiver, ..
                }) => (*event_id, receiver.as_str()),
                None => FIRST,
            };
            let letters = self.shared.store.dead_letters(LETTERS, after).await?;
            for letter in letters.iter().filter(|letter| filter(letter)) {
                changed += u64::from(change(letter).await?);
            }
            last = letters.into_iter().next_back();
            if last.is_none() {
                return Ok(changed);
            }
        }
    }

    /// Removes a receiver that no program connects any more, with the deliveries that are owed to
    /// it. Returns `false` if the database does not know it.
    ///
    /// It deletes 500 at a time, so that other receivers go on. If it ends in between, with the
    /// process for instance, the receiver is still known and is owed the rest: call it again, when
    /// the lease of the removal is over after 30 seconds.
    ///
    /// # Errors
    ///
    /// Returns an error if the receiver is connected in this process, if a relay has its lease, or
    /// if the database refuses.
    pub async fn remove(&self, receiver: &str) -> Result<bool, RemoveError> {
        let connected = registry::receivers_of(&self.shared.using);
        if connected.iter().any(|it| it.name == receiver) {
            return Err(RemoveError::Connected {
                receiver: receiver.to_owned(),
            });
        }
        self.shared.store.remove(receiver).await
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("settings", &self.shared.settings)
            .field("relay_error", &self.shared.last_error())
            .finish_non_exhaustive()
    }
}
