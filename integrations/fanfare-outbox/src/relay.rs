//! The relay: the task that hands out events and starts a worker for each receiver.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fanfare::BoxFuture;
use fanfare::watch::Context;
use futures_util::FutureExt;
use futures_util::future::{Either, select, select_all};
use sea_orm::DbErr;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::error::StartError;
use crate::faults::{AFTER_ERROR, Faults, Part};
use crate::held::is_stopped;
use crate::notices::{self, Subscription};
use crate::registry::{self, Receiver};
use crate::settings::Settings;
use crate::store::Store;
use crate::store::look::Work;
use crate::store::receivers::SWEEP;
use crate::wake;
use crate::worker::{Worked, work};

/// The time after which a look without a response is shown as an error.
const SLOW: Duration = Duration::from_secs(2);

/// The time for each step of a shutdown after the grace.
const AT_THE_END: Duration = Duration::from_secs(2);

/// The parts that a relay shares with its handles.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    /// The name of the connection.
    pub(crate) using: String,
    /// Notified by commits of this process, by notices of other processes, and by changes of the
    /// receivers.
    pub(crate) wake: Arc<Notify>,
    /// Changed by each look at the database that has succeeded.
    looked: watch::Sender<()>,
    /// Notified when a worker has ended.
    pub(crate) progress: Notify,
    pub(crate) faults: Arc<Faults>,
    /// The context in which the relay was started. Its deliveries are in the scope of that.
    pub(crate) context: Context,
}

impl Shared {
    pub(crate) fn new(store: Store, settings: Settings, using: &str) -> Self {
        Shared {
            store,
            settings,
            using: using.to_owned(),
            wake: wake::register(using),
            looked: watch::Sender::new(()),
            progress: Notify::new(),
            faults: Arc::default(),
            context: Context::current(),
        }
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.faults.first()
    }

    pub(crate) fn set_last_error(&self, error: Option<String>) {
        self.faults.set(Part::Relay, error);
    }
}

type Ended = Result<Worked, DbErr>;

/// The things that a relay waits for.
enum Next {
    /// A commit, or a change of the receivers of this process.
    Woken,
    Time,
    Stopped,
    /// A worker has ended.
    Ended(Result<(Id, Ended), JoinError>),
}

/// A receiver whose next worker starts later.
struct Later {
    time: Instant,
    /// `true` if other relays should come first. Otherwise a commit brings the time forward.
    gives_way: bool,
}

/// A worker that runs.
struct Running {
    /// The name of the receiver.
    name: String,
    /// The number of times that the relay had been woken when the worker started.
    woken: u64,
}

pub(crate) struct Relay {
    /// The time of the last sweep.
    swept: Instant,
    shared: Arc<Shared>,
    /// The tables for the relay and its workers.
    store: Store,
    stop: watch::Receiver<bool>,
    /// The receivers that the database knows.
    known: Vec<Arc<Receiver>>,
    workers: JoinSet<Ended>,
    /// The task that receives the notices of other processes.
    notices: JoinSet<()>,
    /// The receivers whose workers run.
    running: HashMap<Id, Running>,
    /// The number of times that the relay was woken.
    woken: u64,
    /// The receivers that had no work although there seemed to be some, and those that give way.
    later: HashMap<String, Later>,
}

impl Relay {
    pub(crate) fn new(shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Self {
        Relay {
            swept: Instant::now(),
            store: shared.store.with_pauses(),
            shared,
            stop,
            known: Vec::new(),
            workers: JoinSet::new(),
            notices: JoinSet::new(),
            running: HashMap::new(),
            woken: 0,
            later: HashMap::new(),
        }
    }

    /// Makes the receivers of the process known to the database.
    pub(crate) async fn register(&mut self) -> Result<(), StartError> {
        let receivers = registry::receivers_of(&self.shared.using);
        let is_in = |receiver: &Arc<Receiver>, all: &[Arc<Receiver>]| {
            all.iter().any(|other| Arc::ptr_eq(receiver, other))
        };
        self.known.retain(|known| is_in(known, &receivers));
        let mut new = receivers;
        new.retain(|receiver| !is_in(receiver, &self.known));
        if new.is_empty() {
            return Ok(());
        }
        let mut refused = self.store.register(&new).await?;
        // The other receivers go on.
        new.retain(|receiver| !refused.iter().any(|(it, _)| Arc::ptr_eq(receiver, it)));
        self.known.extend(new);
        refused.pop().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Runs until it is stopped. Then it waits for the receivers that run.
    pub(crate) async fn run(mut self) {
        if self.shared.settings.notices {
            let subscription = Subscription {
                db: self.shared.store.connection().clone(),
                using: self.shared.using.clone(),
                wake: Arc::clone(&self.shared.wake),
                looked: self.shared.looked.subscribe(),
                stop: self.stop.clone(),
                faults: Arc::clone(&self.shared.faults),
            };
            self.notices.spawn(notices::receive(subscription));
        }
        while !is_stopped(&self.stop) {
            let mut stop = self.stop.clone();
            let turned = {
                let turn = pin!(self.turn());
                let stopped = pin!(stop.wait_for(|is_stopped| *is_stopped));
                match select(stopped, turn).await {
                    Either::Left(_) => break,
                    Either::Right((turned, _)) => turned,
                }
            };
            let pause = match turned {
                Ok(pause) => pause,
                Err(error) => {
                    self.shared.set_last_error(Some(error.to_string()));
                    self.rest(AFTER_ERROR).await;
                    continue;
                }
            };
            match self.next(pause).await {
                Next::Woken => {
                    self.woken += 1;
                    self.later.retain(|_, later| later.gives_way);
                }
                Next::Ended(ended) => {
                    let mut has_failed = self.ended(ended);
                    // One rest for all whose connections were cut at once.
                    while let Some(ended) = self.workers.try_join_next_with_id() {
                        has_failed |= self.ended(ended);
                    }
                    if has_failed {
                        self.rest(AFTER_ERROR).await;
                    }
                }
                Next::Time | Next::Stopped => {}
            }
        }
        self.finish().await;
    }

    /// Waits until something happens, for at most this time.
    async fn next(&mut self, pause: Duration) -> Next {
        let woken = self.shared.wake.notified().map(|()| Next::Woken);
        let time = tokio::time::sleep(pause).map(|()| Next::Time);
        // An error is that of a handle that was dropped, which stops the relay too.
        let stopped = self.stop.changed().map(|_| Next::Stopped);
        let workers = &mut self.workers;
        let ended = async {
            match workers.join_next_with_id().await {
                Some(ended) => Next::Ended(ended),
                None => std::future::pending().await,
            }
        };
        let waits: [BoxFuture<'_, Next>; 4] = [
            Box::pin(stopped),
            Box::pin(ended),
            Box::pin(woken),
            Box::pin(time),
        ];
        select_all(waits).await.0
    }

    /// Looks for work once, hands out, and starts the workers that have work. Returns the time to
    /// the next look.
    ///
    /// It does not hand out until no event is left, because senders may be as fast as it is.
    async fn turn(&mut self) -> Result<Duration, StartError> {
        let refused = self.register().await;
        let found = self.look().await?;
        self.shared.looked.send_replace(());
        let store = &self.store;
        let mut handed_out = Ok(());
        for event in &found.new {
            // The other events go on.
            handed_out = handed_out.and(store.hand_out(event).await);
        }
        let now = Instant::now();
        self.later.retain(|_, later| later.time > now);
        for receiver in &self.known {
            let name = &receiver.name;
            if self.running.values().any(|running| running.name == *name) {
                continue;
            }
            if !found.due.contains(name) {
                // The error of an earlier worker is over.
                self.shared.faults.set(Part::Worker(name.clone()), None);
            } else if !self.later.contains_key(name) {
                let (shared, receiver) = (Arc::clone(&self.shared), Arc::clone(receiver));
                let (store, stop) = (store.clone(), self.stop.clone());
                let worker = self.workers.spawn(async move {
                    let settings = &shared.settings;
                    let (faults, context) = (&shared.faults, &shared.context);
                    work(&store, &receiver, settings, stop, faults, context).await
                });
                let running = Running {
                    name: name.clone(),
                    woken: self.woken,
                };
                self.running.insert(worker.id(), running);
            }
        }
        let mut swept = Ok(());
        if self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            // Deliveries go on without it.
            swept = store.sweep().await;
        }
        let refused = refused.err().map(|error| error.to_string());
        let error = refused.or(swept.err().map(|error| error.to_string()));
        self.shared.set_last_error(error);
        handed_out?;
        if !found.new.is_empty() {
            return Ok(Duration::ZERO);
        }
        let poll = self.shared.settings.poll;
        Ok(found.next.map_or(poll, |next| next.min(poll)))
    }

    /// Looks for work. Shows an error while the response is late: a pool may try for half a minute
    /// to connect to a database that is away.
    async fn look(&self) -> Result<Work, DbErr> {
        let receivers = self.known.iter().map(|it| (it.name.as_str(), it.version));
        let receivers: Vec<_> = receivers.collect();
        let mut look = pin!(self.store.work(&receivers));
        if let Ok(found) = tokio::time::timeout(SLOW, &mut look).await {
            return found;
        }
        let error = format!("the database does not respond: the relay has waited for {SLOW:?}");
        self.shared.set_last_error(Some(error));
        look.await
    }

    /// Notes the end of a worker, and returns `true` if it was an error of the database.
    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) -> bool {
        let (id, worked) = match ended {
            Ok(ended) => ended,
            // Receivers do not panic here, so this is the relay's own.
            Err(error) => (error.id(), Err(DbErr::Custom(error.to_string()))),
        };
        let running = self.running.remove(&id);
        self.shared.progress.notify_waiters();
        let (name, woken) = running.map(|it| (it.name, it.woken)).unzip();
        match worked {
            Ok(Worked::Delivered) => false,
            // The worker may have read before the commit that woke the relay.
            Ok(Worked::Nothing) if woken.is_some_and(|woken| self.was_woken_since(woken)) => false,
            Ok(worked) => {
                // The other relays look once in this time.
                let gives_way = worked == Worked::GaveWay;
                let pauses = if gives_way { 2 } else { 1 };
                let time = Instant::now() + self.shared.settings.poll * pauses;
                let later = Later { time, gives_way };
                self.later.extend(name.map(|name| (name, later)));
                false
            }
            Err(error) => {
                let part = name.map_or(Part::Relay, Part::Worker);
                self.shared.faults.set(part, Some(error.to_string()));
                true
            }
        }
    }

    /// Returns `true` if the relay was woken more than `woken` times. It takes the permit of a wake
    /// that the relay has not seen, so the caller must look at the tables.
    fn was_woken_since(&mut self, woken: u64) -> bool {
        if self.shared.wake.notified().now_or_never().is_some() {
            self.woken += 1;
        }
        self.woken > woken
    }

    /// Waits, unless the relay is stopped.
    async fn rest(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, self.stop.changed()).await;
    }

    /// Waits for the tasks. The workers start no more deliveries.
    async fn finish(mut self) {
        self.finish_workers().await;
        let ended = self.notices.join_next();
        let _ = tokio::time::timeout(AT_THE_END, ended).await;
    }

    async fn finish_workers(&mut self) {
        let all = async { while self.workers.join_next().await.is_some() {} };
        let grace = self.shared.settings.grace;
        if tokio::time::timeout(grace, all).await.is_ok() {
            return;
        }
        // A receiver that blocks its thread cannot be ended, and keeps its lease.
        let ended = tokio::time::timeout(AT_THE_END, self.workers.shutdown()).await;
        if ended.is_ok() {
            let released = self.store.release_all();
            let _ = tokio::time::timeout(AT_THE_END, released).await;
        }
    }
}
