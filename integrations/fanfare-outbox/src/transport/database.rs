//! The transport over the tables of an outbox.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fanfare_sea_orm::{Scopes, SignalConnection};
use sea_orm::{DbErr, TransactionSession, TransactionTrait};
use tokio::sync::Mutex;

use super::{Consumer, Fetched, Message, PublishError, Transport, TransportError};
use crate::delivery::Delivery;
use crate::error::Unfit;
use crate::registry::{Start, Stored};
use crate::settings::LONGEST;
use crate::store::Store;
use crate::store::batch::Read;
use crate::store::lease::Lease;
use crate::store::notes::Setback;
use crate::store::receivers::Joining;

/// A transport over a database that has the tables of an outbox ([`create_tables`]).
///
/// A published message is stored as an event of that database. So durable receivers of its own
/// programs get it as well, if they have an [`Outbox`](crate::Outbox), and `Outbox::status` shows
/// its consumers.
///
/// The programs of one consumer take turns: one has the lease while messages of it are out. A fetch
/// of the others then returns no messages. The lease is given back with the last receipt.
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
    /// The consumers by name. It is locked during each fetch and each note.
    consumers: Mutex<HashMap<String, Known>>,
    /// The number of fetches.
    fetches: AtomicU64,
}

/// A consumer that the database knows.
struct Known {
    event: String,
    taken: Option<Taken>,
}

/// The lease of a consumer, and the messages that are out.
struct Taken {
    lease: Lease,
    out: HashMap<String, Out>,
}

/// The messages of one key that are out.
#[derive(Clone)]
struct Out {
    fetch: u64,
    until: Instant,
    /// The ids in their order.
    ids: VecDeque<i64>,
}

/// The receipt of a message that was fetched from a [`DatabaseTransport`].
#[derive(Clone, Debug)]
pub struct DatabaseReceipt {
    consumer: String,
    fetch: u64,
    attempt: u32,
    delivery: Delivery,
}

impl Taken {
    /// Takes the message out of those that are out. Returns an error if the receipt is lost, or if
    /// it is not the first one of its key.
    fn take(
        out: &mut HashMap<String, Out>,
        receipt: &DatabaseReceipt,
    ) -> Result<(), TransportError> {
        let key = &receipt.delivery.key;
        let Some(of_key) = out.get_mut(key) else {
            return Err(TransportError::Lost);
        };
        let is_of_fetch = of_key.fetch == receipt.fetch && Instant::now() < of_key.until;
        if !is_of_fetch || !of_key.ids.contains(&receipt.delivery.id) {
            return Err(TransportError::Lost);
        }
        if of_key.ids.front() != Some(&receipt.delivery.id) {
            return Err(TransportError::TooEarly);
        }
        of_key.ids.pop_front();
        if of_key.ids.is_empty() {
            out.remove(key);
        }
        Ok(())
    }
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
            }),
        })
    }

    /// Gives all messages back that are out. Their receipts are lost.
    ///
    /// # Errors
    ///
    /// Returns an error if the database refuses. The messages then come again after their time.
    pub async fn close(&self) -> Result<(), TransportError> {
        let mut consumers = self.shared.consumers.lock().await;
        consumers.values_mut().for_each(|known| known.taken = None);
        Ok(self.shared.store.release_all().await?)
    }

    async fn publish_all(&self, batch: &[&Message]) -> Result<(), DbErr> {
        let transaction = self.shared.db.begin().await?;
        for &message in batch {
            // A transaction that has just begun takes them.
            let _ = transaction.before_commit(message.clone());
        }
        transaction.commit().await
    }
}

impl Shared {
    /// Makes sure of the lease, and forgets the messages whose time is over. Returns `false` if
    /// another process has the lease.
    async fn hold(
        &self,
        taken: &mut Option<Taken>,
        consumer: &Consumer,
    ) -> Result<bool, TransportError> {
        if let Some(held) = taken {
            if self.store.renew(&held.lease, self.time).await? {
                let now = Instant::now();
                held.out.retain(|_, out| now < out.until);
                return Ok(true);
            }
            *taken = None;
        }
        let lease = self.store.acquire(&consumer.name, self.time).await?;
        *taken = lease.map(|lease| Taken {
            lease,
            out: HashMap::new(),
        });
        Ok(taken.is_some())
    }

    /// Gives the lease back if no message is out.
    async fn rest(&self, taken: &mut Option<Taken>) {
        if let Some(held) = taken.take_if(|held| held.out.is_empty()) {
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
        self.store.hand_out_shared(&consumer.event).await?;
        let busy: HashSet<_> = held.out.keys().cloned().collect();
        let event = (consumer.event.as_str(), consumer.version);
        loop {
            let read = self.store.batch(&held.lease, event, limit, &busy).await?;
            let mut deliveries = match read {
                Read::Batch { deliveries, .. } => deliveries,
                Read::Again => continue,
                Read::Nothing => return Ok(Some(Vec::new())),
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
}

impl Transport for DatabaseTransport {
    type Receipt = DatabaseReceipt;

    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), PublishError>> {
        let mut results: Vec<_> = batch
            .iter()
            .map(|message| message.check().map_err(PublishError::Unfit))
            .collect();
        let fit = batch.iter().zip(&results);
        let fit = fit.filter_map(|(message, result)| result.is_ok().then_some(message));
        let fit: Vec<_> = fit.collect();
        if fit.is_empty() || self.publish_all(&fit).await.is_ok() {
            return results;
        }
        // The database may refuse one of them only.
        for (message, result) in batch.iter().zip(&mut results) {
            if result.is_ok() {
                *result = self
                    .publish_all(&[message])
                    .await
                    .map_err(PublishError::from);
            }
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
        let mut consumers = shared.consumers.lock().await;
        let known = match consumers.entry(consumer.name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let joining = Joining {
                    name: &consumer.name,
                    event: &consumer.event,
                    start: Start::Now,
                };
                let event = shared.store.register_alone(joining).await?;
                new.insert(Known { event, taken: None })
            }
        };
        if known.event != consumer.event {
            return Err(TransportError::OtherEvent {
                consumer: consumer.name.clone(),
                known: known.event.clone(),
            });
        }
        let taken = &mut known.taken;
        let until = Instant::now() + shared.time;
        if limit == 0 || !shared.hold(taken, consumer).await? {
            return Ok(Vec::new());
        }
        let Some(held) = taken else {
            return Ok(Vec::new());
        };
        let Some(deliveries) = shared.read(held, consumer, limit).await? else {
            *taken = None;
            return Ok(Vec::new());
        };
        // Relaxed: the consumers are locked.
        let fetch = shared.fetches.fetch_add(1, Ordering::Relaxed);
        let fetched = deliveries.into_iter().map(|stored| {
            let delivery = stored.delivery;
            let of_key = held.out.entry(delivery.key.clone());
            let of_key = of_key.or_insert_with(|| Out {
                fetch,
                until,
                ids: VecDeque::new(),
            });
            of_key.ids.push_back(delivery.id);
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
                    fetch,
                    attempt: stored.attempt,
                    delivery,
                },
            }
        });
        let fetched: Vec<_> = fetched.collect();
        shared.rest(taken).await;
        Ok(fetched)
    }

    async fn acknowledge(&self, receipts: &[DatabaseReceipt]) -> Vec<Result<(), TransportError>> {
        let shared = &self.shared;
        let mut consumers = shared.consumers.lock().await;
        let mut results: Vec<_> = vec![Err(TransportError::Lost); receipts.len()];
        let names: HashSet<_> = receipts.iter().map(|it| &it.consumer).collect();
        for name in names {
            let Some(known) = consumers.get_mut(name) else {
                continue;
            };
            let taken = &mut known.taken;
            let Some(held) = taken else { continue };
            let (mut out, mut done, mut places) = (held.out.clone(), Vec::new(), Vec::new());
            for (place, receipt) in receipts.iter().enumerate() {
                if receipt.consumer == *name {
                    results[place] = Taken::take(&mut out, receipt);
                    if results[place].is_ok() {
                        done.push(receipt.delivery.clone());
                        places.push(place);
                    }
                }
            }
            if done.is_empty() {
                continue;
            }
            let refused = match shared.store.done(&held.lease, &done).await {
                Ok(true) => {
                    held.out = out;
                    None
                }
                Ok(false) => {
                    *taken = None;
                    Some(TransportError::Lost)
                }
                Err(error) => Some(TransportError::from(error)),
            };
            if let Some(error) = refused {
                for place in places {
                    results[place] = Err(error.clone());
                }
            }
            shared.rest(taken).await;
        }
        results
    }

    async fn delay(&self, receipt: &DatabaseReceipt, time: Duration) -> Result<(), TransportError> {
        let shared = &self.shared;
        let mut consumers = shared.consumers.lock().await;
        let known = consumers.get_mut(&receipt.consumer);
        let taken = &mut known.ok_or(TransportError::Lost)?.taken;
        let held = taken.as_mut().ok_or(TransportError::Lost)?;
        let mut out = held.out.clone();
        Taken::take(&mut out, receipt)?;
        out.remove(&receipt.delivery.key);
        let error = "its consumer has delayed it".to_owned();
        let setback = Setback::Retry(time.min(LONGEST), error);
        let (delivery, attempts) = (&receipt.delivery, receipt.attempt);
        let noted = shared
            .store
            .set_back(&held.lease, delivery, attempts, &setback);
        if !noted.await? {
            *taken = None;
            return Err(TransportError::Lost);
        }
        held.out = out;
        shared.rest(taken).await;
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
