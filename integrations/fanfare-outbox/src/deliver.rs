//! The delivery of one batch to one receiver.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use fanfare::__private::StoredEvent;
use fanfare::BoxFuture;
use futures_util::future::join;
use futures_util::{FutureExt, StreamExt, stream};
use sea_orm::{DatabaseTransaction, DbErr};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Semaphore};

use crate::delivery::{Completes, Delivery};
use crate::faults::AFTER_ERROR;
use crate::held::Held;
use crate::origin_text;
use crate::registry::{self, Failure, Options, Receiver, Stored};
use crate::sender_text;
use crate::store::Store;
use crate::store::lease::Lease;
use crate::store::notes::Setback;

/// The result of one delivery.
enum Noted {
    Done(Delivery),
    NotDone(NotDone),
    /// The results of this key come before it, and no other one follows.
    Last(String),
}

struct NotDone {
    delivery: Delivery,
    attempts: u32,
    setback: Setback,
}

/// Delivers a batch and notes the results. Keys run side by side, each with a permit of `runs`, and
/// the events of a key one after the other. After a setback the later events of its key stay for
/// another batch. A key whose results are noted is removed from `busy`.
///
/// It stops early when the lease is lost.
pub(crate) async fn deliver(
    store: &Store,
    held: &Held,
    receiver: &Arc<Receiver>,
    runs: &Semaphore,
    busy: &Mutex<HashSet<String>>,
    batch: Vec<Stored>,
) -> Result<(), DbErr> {
    let (results, noted) = unbounded_channel();
    let worker: Arc<dyn Completes> = Arc::new(Completer {
        store: store.clone(),
        lease: held.lease.clone(),
    });
    let deliveries = async move {
        let keys = stream::iter(by_key(batch));
        let (results, worker) = (&results, &worker);
        keys.for_each_concurrent(receiver.options.keys_at_once, async |(key, deliveries)| {
            // An error is that of a semaphore that was closed, which this one never is.
            let _run = runs.acquire().await;
            deliver_key(held, receiver, worker, deliveries, results).await;
            // The notes have ended if the lease is lost.
            let _ = results.send(Noted::Last(key));
        })
        .await;
        // Here the sender of the results is dropped, which ends the notes.
    };
    let ((), noted) = join(deliveries, note(store, held, busy, noted)).await;
    noted
}

/// Returns the keys with their deliveries, in the order of the batch.
fn by_key(batch: Vec<Stored>) -> Vec<(String, Vec<Stored>)> {
    let mut places = HashMap::new();
    let mut keys: Vec<(String, Vec<Stored>)> = Vec::new();
    for stored in batch {
        let key = stored.delivery.key.clone();
        let place = *places.entry(key.clone()).or_insert(keys.len());
        match keys.get_mut(place) {
            Some((_, deliveries)) => deliveries.push(stored),
            None => keys.push((key, vec![stored])),
        }
    }
    keys
}

/// Notes deliveries of a batch in transactions of the receiver.
struct Completer {
    store: Store,
    lease: Lease,
}

impl Completes for Completer {
    fn complete<'a>(
        &'a self,
        delivery: &'a Delivery,
        db: &'a DatabaseTransaction,
    ) -> BoxFuture<'a, Result<(), DbErr>> {
        Box::pin(async move {
            if self.store.complete(db, &self.lease, delivery).await? {
                return Ok(());
            }
            let text = "the delivery is done, or another relay has taken it over: roll back, and return the error";
            Err(DbErr::Custom(text.to_owned()))
        })
    }
}

async fn deliver_key(
    held: &Held,
    receiver: &Arc<Receiver>,
    worker: &Arc<dyn Completes>,
    deliveries: Vec<Stored>,
    results: &UnboundedSender<Noted>,
) {
    for stored in deliveries {
        // No notes are made any more if the lease is lost.
        if !held.may_start() || results.is_closed() || !registry::has(receiver) {
            return;
        }
        let (delivery, attempts) = (stored.delivery.clone(), stored.attempt);
        let setback = if stored.version > receiver.version {
            Some(Setback::Parked)
        } else {
            let failed = call(held, receiver, stored, worker).await.err();
            failed.map(|failure| setback(&receiver.options, failure, attempts))
        };
        let goes_on = match &setback {
            None => true,
            Some(Setback::Dead { sequenced, .. }) => !sequenced,
            Some(Setback::Retry(..) | Setback::Parked) => false,
        };
        let attempts = match setback {
            Some(Setback::Parked) => attempts - 1,
            _ => attempts,
        };
        // The notes have ended if the lease is lost.
        let _ = results.send(match setback {
            None => Noted::Done(delivery),
            Some(setback) => Noted::NotDone(NotDone {
                delivery,
                attempts,
                setback,
            }),
        });
        if !goes_on {
            return;
        }
    }
}

/// Calls the receiver. A panic and a timeout are failures.
async fn call(
    held: &Held,
    receiver: &Receiver,
    stored: Stored,
    worker: &Arc<dyn Completes>,
) -> Result<(), Failure> {
    let time = receiver.options.timeout;
    let observed = receiver
        .hook
        .start(&held.context, || to_be_observed(&stored));
    let called = catch_unwind(AssertUnwindSafe(|| {
        let worker = Arc::clone(worker);
        match observed {
            None => receiver.call(stored, worker),
            Some(observed) => {
                Box::pin(observed.run(|| receiver.call(stored, worker), Failure::to_string))
            }
        }
    }));
    let ended = match called {
        Ok(mut called) => {
            let ran = AssertUnwindSafe(&mut called).catch_unwind();
            let ended = tokio::time::timeout(time, ran).await;
            match catch_unwind(AssertUnwindSafe(|| drop(called))) {
                Ok(()) => ended,
                Err(panic) => Ok(Err(panic)),
            }
        }
        Err(panic) => Ok(Err(panic)),
    };
    match ended {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(Failure::Error(format!("panicked: {}", text_of(&*panic)))),
        Err(_) => Err(Failure::Error(format!("did not end within {time:?}"))),
    }
}

/// Returns the event as observers see it.
fn to_be_observed(stored: &Stored) -> StoredEvent<'_> {
    StoredEvent {
        id: stored.delivery.id,
        attempt: stored.attempt,
        sender: sender_text::read(&stored.sender),
        origin: stored.cause.as_deref().and_then(origin_text::read),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}

fn setback(options: &Options, failure: Failure, attempts: u32) -> Setback {
    let sequenced = options.sequenced;
    match failure {
        Failure::Error(error) if attempts < options.attempts => {
            Setback::Retry(delay(options, attempts), error)
        }
        Failure::Error(error) | Failure::Unreadable(error) => Setback::Dead { sequenced, error },
    }
}

/// Returns the time until the attempt after this one.
fn delay(options: &Options, attempts: u32) -> Duration {
    let delays = ExponentialBuilder::new()
        .with_min_delay(options.first_delay)
        .with_max_delay(options.max_delay)
        .without_max_times()
        .with_jitter();
    let before = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    // After 64 doublings every delay is the longest.
    let delay = delays.build().nth(before.min(64));
    delay.unwrap_or(options.max_delay)
}

/// Notes results until there are no more or the lease is lost. Results that come while a note is
/// being written are written together.
async fn note(
    store: &Store,
    held: &Held,
    busy: &Mutex<HashSet<String>>,
    mut noted: UnboundedReceiver<Noted>,
) -> Result<(), DbErr> {
    while let Some(first) = noted.recv().await {
        let (mut done, mut not_done, mut free) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(noted_now) = next {
            match noted_now {
                Noted::Done(delivery) => done.push(delivery),
                Noted::NotDone(delivery) => not_done.push(delivery),
                Noted::Last(key) => free.push(key),
            }
            next = noted.try_recv().ok();
        }
        // First, because a delivery that is set back must not be noted before an earlier one of its
        // key: after a crash it would be delivered before that one.
        if !done.is_empty() && !again(store, held, |_| store.done(&held.lease, &done)).await? {
            held.lose();
            return Ok(());
        }
        for NotDone {
            delivery,
            attempts,
            setback,
        } in not_done
        {
            if matches!(setback, Setback::Parked) {
                held.give_way();
            }
            // The database may not have the characters of the error.
            let plain = LazyLock::new(|| setback.in_ascii());
            let write = |tries| {
                let setback = if tries == 0 { &setback } else { &*plain };
                store.set_back(&held.lease, &delivery, attempts, setback)
            };
            if !again(store, held, write).await? {
                held.lose();
                return Ok(());
            }
        }
        let mut busy = busy.lock().await;
        for key in free {
            busy.remove(&key);
        }
    }
    Ok(())
}

/// The number of times that a note is written if the database refuses it. An error that stays must
/// not hold up the later notes of the receiver.
const TRIES: u32 = 5;

/// Writes once more, a second after an error, as long as there is a lease: an event whose note is
/// not written is delivered again. `write` gets the number of tries before it that the database
/// refused.
async fn again<F>(
    store: &Store,
    held: &Held,
    mut write: impl FnMut(u32) -> F,
) -> Result<bool, DbErr>
where
    F: Future<Output = Result<bool, DbErr>>,
{
    let (mut tries, mut has_failed) = (0, false);
    loop {
        let error = match write(tries).await {
            Err(error) => error,
            Ok(written) => {
                if has_failed {
                    held.set_error(None);
                }
                return Ok(written);
            }
        };
        has_failed = true;
        // A database that is away has not refused the note.
        if !store.is_away() {
            tries += 1;
        }
        held.set_error(Some(error.to_string()));
        if tries == TRIES || !held.is_held() {
            return Err(error);
        }
        tokio::time::sleep(AFTER_ERROR).await;
    }
}
