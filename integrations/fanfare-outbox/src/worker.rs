//! Deliveries to one receiver, as long as there are any.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fanfare::watch::Context;
use futures_util::future::join_all;
use sea_orm::DbErr;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;

use crate::deliver::deliver;
use crate::faults::{Faults, Part};
use crate::held::Held;
use crate::registry::{self, Receiver, Stored};
use crate::settings::Settings;
use crate::store::Store;
use crate::store::batch::Read;

/// The result of a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Worked {
    Delivered,
    /// There was nothing to deliver, or another relay has the lease.
    Nothing,
    /// There may be more to deliver, and a relay with a newer program should come first.
    GaveWay,
}

/// Takes the lease of the receiver, delivers until no delivery is due, and gives the lease back.
///
/// It gives the lease back earlier if deliveries are parked, which only a newer program can read.
/// Otherwise a steady stream of events would keep the newer program out.
pub(crate) async fn work(
    store: &Store,
    receiver: &Arc<Receiver>,
    settings: &Settings,
    stop: watch::Receiver<bool>,
    faults: &Arc<Faults>,
    context: &Context,
) -> Result<Worked, DbErr> {
    let asked = Instant::now();
    let Some(lease) = store.acquire(&receiver.name, settings.lease).await? else {
        return Ok(Worked::Nothing);
    };
    if lease.event != receiver.event {
        // The receiver was removed, and its name has another event now.
        store.release(&lease).await?;
        return Ok(Worked::Nothing);
    }
    faults.set(Part::Worker(receiver.name.clone()), None);
    let held = Arc::new(Held::new(
        lease,
        asked + settings.lease,
        stop,
        Arc::clone(faults),
        context.clone(),
    ));
    // A task of its own, because a receiver may block the thread of this one. It ends with the set.
    let mut keeper = JoinSet::new();
    keeper.spawn({
        let (held, store, time) = (Arc::clone(&held), store.clone(), settings.lease);
        async move { held.keep(&store, time).await }
    });
    let worked = batches(store, receiver, settings, &held).await;
    let worked = match worked {
        // Deliveries without an event look like work.
        Ok(false) => store.delete_eventless(&held.lease).await.map(|()| false),
        worked => worked,
    };
    keeper.shutdown().await;
    // Of a lost lease this releases nothing. An error is that of the database, which the lease
    // outlives.
    let released = store.release(&held.lease).await;
    let worked = worked?;
    released?;
    Ok(match worked {
        _ if held.gives_way() => Worked::GaveWay,
        true => Worked::Delivered,
        false => Worked::Nothing,
    })
}

/// The fewest lanes of one receiver, and the number of batches whose keys they have at a time.
/// While some deliver, others read and note.
///
/// A slow event holds up its own lane, so there are as many lanes as keys can run side by side.
const LANES: usize = 4;

/// The number of batches after which a worker looks for parked deliveries.
const BATCHES: u32 = 100;

/// The longest time between two looks of a worker, while some of its lanes deliver. Commits do not
/// wake it.
const LOOK: Duration = Duration::from_secs(1);

struct Lanes<'w> {
    store: &'w Store,
    receiver: &'w Arc<Receiver>,
    settings: &'w Settings,
    held: &'w Held,
    /// Has a permit for each key that may run beside the others.
    runs: Semaphore,
    /// Has the lane that waits for more deliveries. The other lanes wait for their turn to wait, so
    /// that they do not all look at the database after the poll.
    waiting: Mutex<()>,
    /// The keys that lanes have. It is locked while a lane reads, so that no two lanes have a key.
    /// A key is free again when the results of its deliveries are noted.
    busy: Mutex<HashSet<String>>,
    /// Has a permit for a lane that waits, for each batch after which there may be more deliveries.
    /// It is closed when no delivery is left.
    more: Semaphore,
    /// The number of batches that were read.
    read: AtomicU32,
}

impl Lanes<'_> {
    /// Delivers batches until there are none. Returns `true` if it delivered any.
    async fn lane(&self, number: usize) -> Result<bool, DbErr> {
        let delivered = self.batches(number).await;
        if delivered.is_err() {
            // The other lanes end as well, so that the relay starts a worker with all of them.
            self.held.give_way();
        }
        self.more.close();
        delivered
    }

    async fn batches(&self, number: usize) -> Result<bool, DbErr> {
        let mut has_delivered = false;
        let mut is_first = number == 0;
        while is_first || self.wait().await {
            is_first = false;
            while let Some(batch) = self.next().await? {
                let (store, runs, busy) = (self.store, &self.runs, &self.busy);
                let noted = deliver(store, self.held, self.receiver, runs, busy, batch).await;
                if noted.is_err() {
                    // Some results are not noted, so that their keys are not free.
                    self.held.lose();
                }
                noted?;
                has_delivered = true;
            }
            // The keys of a lost lease are not freed.
            if self.busy.lock().await.is_empty() || !self.held.is_held() {
                break;
            }
        }
        Ok(has_delivered)
    }

    /// Waits for more deliveries while other lanes deliver. Returns `false` if there are none left.
    async fn wait(&self) -> bool {
        let _turn = self.waiting.lock().await;
        let pause = self.settings.poll.min(LOOK);
        let more = tokio::time::timeout(pause, self.more.acquire()).await;
        match more {
            Ok(Ok(permit)) => permit.forget(),
            Ok(Err(_)) => return false,
            // Perhaps there are new ones.
            Err(_) => {}
        }
        true
    }

    /// Returns the deliveries that are due and of no other lane's keys, or `None` if there are
    /// none, or none may start.
    async fn next(&self) -> Result<Option<Vec<Stored>>, DbErr> {
        let mut busy = self.busy.lock().await;
        if !self.held.may_start() || self.held.gives_way() || !registry::has(self.receiver) {
            return Ok(None);
        }
        let (name, version) = (&self.receiver.name, self.receiver.version);
        // Relaxed: `busy` is locked.
        if self.read.fetch_add(1, Ordering::Relaxed) % BATCHES == BATCHES - 1
            && self.store.has_newer(name, version).await?
        {
            self.held.give_way();
            return Ok(None);
        }
        let limit = self.settings.batch;
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        if busy.len() >= full.saturating_mul(LANES) {
            return Ok(None);
        }
        let (lease, event) = (&self.held.lease, (self.receiver.event, version));
        loop {
            match self.store.batch(lease, event, limit, &busy).await? {
                Read::Batch {
                    deliveries,
                    is_one_of_more,
                } => {
                    busy.extend(deliveries.iter().map(|it| it.delivery.key.clone()));
                    if is_one_of_more {
                        self.more.add_permits(1);
                    }
                    return Ok(Some(deliveries));
                }
                Read::Again if self.held.may_start() => {}
                Read::Again | Read::Nothing => return Ok(None),
                Read::Lost => {
                    self.held.lose();
                    return Ok(None);
                }
            }
        }
    }
}

/// Delivers until no delivery is due. Returns `true` if there were any.
async fn batches(
    store: &Store,
    receiver: &Arc<Receiver>,
    settings: &Settings,
    held: &Held,
) -> Result<bool, DbErr> {
    let lanes = Lanes {
        store,
        receiver,
        settings,
        held,
        runs: Semaphore::new(receiver.options.keys_at_once),
        waiting: Mutex::default(),
        busy: Mutex::default(),
        more: Semaphore::new(0),
        read: AtomicU32::new(0),
    };
    let count = receiver.options.keys_at_once.max(LANES);
    let delivered = join_all((0..count).map(|number| lanes.lane(number))).await;
    delivered
        .into_iter()
        .try_fold(false, |any, delivered| Ok(any | delivered?))
}
