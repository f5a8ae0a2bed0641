//! The transport over the tables of an outbox.

mod progress;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanfare_sea_orm::{Scopes, SignalConnection};
use sea_orm::{DbErr, TransactionSession, TransactionTrait};

pub use self::progress::DatabaseReceipt;
use self::progress::{Messages, Progress, Taken};
use super::{Consumer, Fetched, Message, PublishError, Transport, TransportError};
use crate::error::Unfit;
use crate::registry::{Start, Stored};
use crate::send::Row;
use crate::settings::LONGEST;
use crate::store::Store;
use crate::store::away::is_of_the_connection;
use crate::store::batch::Read;
use crate::store::notes::Setback;
use crate::store::receivers::{Joining, SWEEP};

/// A transport over a database that has the tables of an outbox ([`create_tables`]).
///
/// A published message is an event of that database. Durable receivers of programs that have an
/// [`Outbox`](crate::Outbox) on it get the event as well. `Outbox::status` shows the consumers, and
/// `Outbox::settle` waits for them. A consumer of the database that the sender uses needs no
/// bridge: it fetches what `send_durable` stores. A bridge to the same database would publish its
/// own messages again, without an end.
///
/// The programs of one consumer take turns. One has the lease while messages of it are out, and a
/// fetch of the others returns no messages. The lease is given back with the last receipt. If a
/// program ends before that, the lease is over a receipt's time after its last fetch. An older
/// program that fetches without a pause may keep a newer one, whose messages wait, from the lease.
///
/// A fetch that finds nothing is one query. Nothing wakes a consumer, so a program fetches again
/// after a pause.
///
/// A clone shares the leases and the receipts.
///
/// [`create_tables`]: crate::create_tables
#[derive(Clone)]
pub struct DatabaseTransport {
    shared: Arc<Shared>,
}

struct Shared {
    db: SignalConnection,
    store: Store,
    /// The time of a receipt.
    time: Duration,
    /// The consumers by name. Each is locked during its fetches and its notes.
    consumers: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Progress>>>>,
    /// The number of fetches.
    fetches: AtomicU64,
    /// The time of the last sweep.
    swept: Mutex<Instant>,
}

impl DatabaseTransport {
    /// Returns the transport over this database. A message that was fetched comes again after
    /// `time`, if it is neither acknowledged nor delayed.
    ///
    /// # Errors
    ///
    /// Returns an error if the database is neither SQLite nor PostgreSQL.
    pub fn new(db: &SignalConnection, time: Duration) -> Result<Self, DbErr> {
        let store = Store::new(db.inner().clone(), Store::owner("transport"))?;
        Ok(DatabaseTransport {
            shared: Arc::new(Shared {
                db: db.clone(),
                store,
                time: time.clamp(Duration::from_millis(10), LONGEST),
                consumers: Mutex::default(),
                fetches: AtomicU64::new(0),
                swept: Mutex::new(Instant::now()),
            }),
        })
    }

    /// Gives all messages back that are out. Their receipts are lost, and the messages come again
    /// at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses. The messages then come again after their time, or
    /// at once to this transport.
    pub async fn close(&self) -> Result<(), TransportError> {
        for consumer in self.shared.all() {
            consumer.lock().await.taken = None;
        }
        Ok(self.shared.store.release_all().await?)
    }

    async fn publish_all(&self, batch: &[&Message]) -> Result<(), DbErr> {
        let transaction = self.shared.db.begin().await?;
        for &message in batch {
            // A transaction that has just begun takes them.
            let _ = transaction.before_commit(Row(message.clone()));
        }
        transaction.commit().await
    }

    /// Publishes messages one by one, because the database may refuse one of them only. Those
    /// behind a refused one of their key are refused as well, so that the publisher can publish
    /// them again in their order.
    async fn publish_each(&self, batch: &[Message], results: &mut [Result<(), PublishError>]) {
        let mut refused: HashMap<&str, DbErr> = HashMap::new();
        let mut away = None;
        for (message, result) in batch.iter().zip(results) {
            if result.is_err() {
                continue;
            }
            let before = away.as_ref().or_else(|| refused.get(message.key()));
            let published = match before {
                Some(error) => Err(error.clone()),
                None => self.publish_all(&[message]).await,
            };
            if let Err(error) = &published {
                if is_of_the_connection(error) {
                    away = Some(error.clone());
                }
                refused.insert(message.key(), error.clone());
            }
            *result = published.map_err(PublishError::from);
        }
    }
}

impl Shared {
    /// Returns the consumer of this name.
    fn consumer(&self, name: &str) -> Arc<tokio::sync::Mutex<Progress>> {
        let mut consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(consumers.entry(name.to_owned()).or_default())
    }

    fn all(&self) -> Vec<Arc<tokio::sync::Mutex<Progress>>> {
        let consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        consumers.values().cloned().collect()
    }

    /// Makes the consumer known to the database, for its event.
    async fn register(
        &self,
        progress: &mut Progress,
        consumer: &Consumer,
    ) -> Result<(), TransportError> {
        let event = match progress.event.take() {
            Some(event) => event,
            None => {
                let joining = Joining {
                    name: &consumer.name,
                    event: &consumer.event,
                    start: Start::Now,
                };
                self.store.register_alone(joining).await?
            }
        };
        if event != consumer.event {
            return Err(TransportError::OtherEvent {
                consumer: consumer.name.clone(),
                known: event,
            });
        }
        progress.event = Some(event);
        Ok(())
    }

    /// Returns `true` if there may be messages. It hands out those of several consumers.
    async fn has_work(
        &self,
        progress: &mut Progress,
        consumer: &Consumer,
    ) -> Result<bool, TransportError> {
        let receivers = [(consumer.name.as_str(), consumer.version)];
        let work = self.store.work(&receivers).await?;
        if work.known.is_empty() {
            // It was removed, or has another name now.
            *progress = Progress::default();
            return Ok(false);
        }
        let is_shared = work.new.contains(&consumer.event);
        if is_shared {
            self.store.hand_out(&consumer.event).await?;
        }
        Ok(is_shared || !work.due.is_empty())
    }

    /// Renews or takes the lease. Returns `None` if another process has it.
    async fn hold<'a>(
        &self,
        progress: &'a mut Progress,
        consumer: &Consumer,
    ) -> Result<Option<&'a mut Taken>, TransportError> {
        if let Some(held) = &mut progress.taken {
            if self.store.renew(&held.lease, self.time).await? {
                held.out.remove_late();
            } else {
                progress.taken = None;
            }
        }
        if progress.taken.is_none() {
            let lease = self.store.acquire(&consumer.name, self.time).await?;
            progress.taken = lease.map(|lease| Taken {
                lease,
                out: Messages::default(),
            });
        }
        // A receiver that was removed may have come again for another event.
        let of_another = |taken: &mut Taken| taken.lease.event != consumer.event;
        if let Some(other) = progress.taken.take_if(of_another) {
            progress.event = None;
            self.store.release(&other.lease).await?;
        }
        Ok(progress.taken.as_mut())
    }

    /// Gives the lease back if no message is out.
    async fn release_if_idle(&self, progress: &mut Progress) {
        if let Some(held) = progress.taken.take_if(|held| held.out.is_empty()) {
            // The lease is over soon, if the database does not get this.
            let _ = self.store.release(&held.lease).await;
        }
    }

    /// Reads messages, and parks those that are too new. Returns `None` if the lease is lost.
    async fn read(
        &self,
        held: &Taken,
        consumer: &Consumer,
        limit: u32,
    ) -> Result<Option<Vec<Stored>>, DbErr> {
        let has_newer = self.store.has_newer(&consumer.name, consumer.version);
        if !held.out.is_empty() && has_newer.await? {
            // A newer program gets the lease when no message is out.
            return Ok(Some(Vec::new()));
        }
        let busy: HashSet<_> = held.out.keys().cloned().collect();
        let event = (consumer.event.as_str(), consumer.version);
        loop {
            let read = self.store.batch(&held.lease, event, limit, &busy).await?;
            let mut deliveries = match read {
                Read::Batch { deliveries, .. } => deliveries,
                Read::Again => continue,
                Read::Nothing => {
                    // Deliveries without an event look like work.
                    self.store.delete_eventless(&held.lease).await?;
                    return Ok(Some(Vec::new()));
                }
                Read::Lost => return Ok(None),
            };
            // A read returns as many of each kind.
            deliveries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let mut parked = HashSet::new();
            for stored in &deliveries {
                let delivery = &stored.delivery;
                if stored.version <= consumer.version || parked.contains(&delivery.key) {
                    continue;
                }
                let attempts = stored.attempt - 1;
                let (lease, setback) = (&held.lease, Setback::Parked);
                let noted = self.store.set_back(lease, delivery, attempts, &setback);
                if !noted.await? {
                    return Ok(None);
                }
                parked.insert(delivery.key.clone());
            }
            // Earlier ones of a parked key are read again.
            deliveries.retain(|stored| !parked.contains(&stored.delivery.key));
            if !deliveries.is_empty() {
                return Ok(Some(deliveries));
            }
        }
    }

    /// Deletes events that a process has left, once a minute.
    async fn sweep(&self) -> Result<(), DbErr> {
        let is_time = {
            let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            let is_time = swept.elapsed() >= SWEEP;
            if is_time {
                *swept = Instant::now();
            }
            is_time
        };
        if is_time {
            self.store.sweep().await?;
        }
        Ok(())
    }
}

impl Transport for DatabaseTransport {
    type Receipt = DatabaseReceipt;

    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), PublishError>> {
        let checked = batch.iter().map(Message::check);
        let mut results: Vec<_> = checked.map(|it| it.map_err(PublishError::Unfit)).collect();
        let fit = batch.iter().zip(&results);
        let fit = fit.filter_map(|(message, result)| result.is_ok().then_some(message));
        let fit: Vec<_> = fit.collect();
        if fit.is_empty() {
            return results;
        }
        match self.publish_all(&fit).await {
            Ok(()) => {}
            Err(error) if is_of_the_connection(&error) => {
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = Err(PublishError::from(error.clone()));
                }
            }
            Err(_) => self.publish_each(batch, &mut results).await,
        }
        results
    }

    async fn fetch(
        &self,
        consumer: &Consumer,
        limit: u32,
    ) -> Result<Vec<Fetched<DatabaseReceipt>>, TransportError> {
        Unfit::check("name of the consumer", &consumer.name).map_err(TransportError::Unfit)?;
        Unfit::check("name of the event", &consumer.event).map_err(TransportError::Unfit)?;
        let shared = &self.shared;
        let progress = shared.consumer(&consumer.name);
        let mut progress = progress.lock().await;
        shared.register(&mut progress, consumer).await?;
        shared.sweep().await?;
        if limit == 0 || !shared.has_work(&mut progress, consumer).await? {
            return Ok(Vec::new());
        }
        let until = Instant::now() + shared.time;
        let Some(held) = shared.hold(&mut progress, consumer).await? else {
            return Ok(Vec::new());
        };
        let Some(deliveries) = shared.read(held, consumer, limit).await? else {
            progress.taken = None;
            return Ok(Vec::new());
        };
        // Relaxed: the numbers of one consumer are given under its lock.
        let fetch = shared.fetches.fetch_add(1, Ordering::Relaxed);
        let fetched = deliveries.into_iter().map(|stored| {
            let delivery = stored.delivery;
            held.out.add(&delivery, fetch, until);
            Fetched {
                message: Message {
                    name: consumer.event.clone().into(),
                    version: stored.version,
                    sender: stored.sender,
                    key: delivery.key.clone(),
                    payload: stored.payload,
                    cause: stored.cause,
                },
                attempt: stored.attempt,
                receipt: DatabaseReceipt {
                    consumer: consumer.name.clone(),
                    token: held.lease.token,
                    fetch,
                    attempt: stored.attempt,
                    delivery,
                },
            }
        });
        let fetched: Vec<_> = fetched.collect();
        shared.release_if_idle(&mut progress).await;
        Ok(fetched)
    }

    async fn acknowledge(&self, receipts: &[DatabaseReceipt]) -> Vec<Result<(), TransportError>> {
        let shared = &self.shared;
        let mut results: Vec<_> = vec![Err(TransportError::Lost); receipts.len()];
        let names: HashSet<_> = receipts.iter().map(|it| &it.consumer).collect();
        for name in names {
            let progress = shared.consumer(name);
            let mut progress = progress.lock().await;
            let Some(held) = &mut progress.taken else {
                continue;
            };
            let (mut out, mut done, mut places) = (held.out.clone(), Vec::new(), Vec::new());
            for (place, receipt) in receipts.iter().enumerate() {
                if receipt.consumer != *name {
                    continue;
                }
                results[place] = held.take_back(&mut out, receipt);
                if results[place].is_ok() {
                    done.push(receipt.delivery.clone());
                    places.push(place);
                }
            }
            if done.is_empty() {
                continue;
            }
            let noted = match shared.store.done(&held.lease, &done).await {
                Ok(true) => {
                    held.out = out;
                    Ok(())
                }
                Ok(false) => {
                    progress.taken = None;
                    Err(TransportError::Lost)
                }
                Err(error) => Err(TransportError::from(error)),
            };
            for place in places {
                results[place] = noted.clone();
            }
            shared.release_if_idle(&mut progress).await;
        }
        results
    }

    async fn delay(&self, receipt: &DatabaseReceipt, time: Duration) -> Result<(), TransportError> {
        let shared = &self.shared;
        let progress = shared.consumer(&receipt.consumer);
        let mut progress = progress.lock().await;
        let held = progress.taken.as_mut().ok_or(TransportError::Lost)?;
        let mut out = held.out.clone();
        held.take_back(&mut out, receipt)?;
        out.remove(&receipt.delivery.key);
        let error = "its consumer has delayed it".to_owned();
        let setback = Setback::Retry(time.min(LONGEST), error);
        let (delivery, attempts) = (&receipt.delivery, receipt.attempt);
        let noted = shared
            .store
            .set_back(&held.lease, delivery, attempts, &setback);
        if !noted.await? {
            progress.taken = None;
            return Err(TransportError::Lost);
        }
        held.out = out;
        shared.release_if_idle(&mut progress).await;
        Ok(())
    }
}

impl fmt::Debug for DatabaseTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseTransport")
            .field("using", &self.shared.db.using())
            .field("time", &self.shared.time)
            .finish_non_exhaustive()
    }
}
