//! Notices by NOTIFY, which is sent after the COMMIT, in a transaction that no application waits
//! for.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::{Acquire, Connection};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::subscription::{Ended, Subscription, error_of};

/// The least time between two notices of a pool: at most 20 in a second.
const BETWEEN_NOTICES: Duration = Duration::from_millis(50);

/// The least time between two looks of a relay that notices cause.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The time without a notice after which the connection is checked.
const QUIET: Duration = Duration::from_secs(60);

/// The time that the database has to respond.
const RESPONSE: Duration = Duration::from_secs(10);

/// Returns the name of the channel, which has the schema of the tables in it. It is cut to the
/// length of PostgreSQL's names, so that schemas with long names may share a channel.
const CHANNEL: &str = "SELECT CAST(CAST('fanfare_outbox.' || n.nspname AS name) AS text) AS channel \
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.oid = to_regclass('fanfare_outbox_event')";

/// The time for the end of the connection.
const AT_THE_END: Duration = Duration::from_secs(1);

/// A task that sends notices.
struct Sending {
    number: u64,
    /// The options of the pool. Their address identifies it.
    options: Arc<PgConnectOptions>,
    /// The name of the connection.
    using: String,
    /// `true` if there was a commit since the last notice.
    again: bool,
}

/// The tasks that have sent a notice a moment ago.
static SENDING: Mutex<Vec<Sending>> = Mutex::new(Vec::new());

fn sending() -> MutexGuard<'static, Vec<Sending>> {
    SENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of a task in [`SENDING`], which it gives up at its end, or when its runtime drops it.
struct Place(u64);

impl Place {
    /// Returns `true` if there was a commit since the last notice. Otherwise it gives the place up,
    /// so that the next commit starts another task.
    fn again(&self) -> bool {
        let mut tasks = sending();
        let Some(at) = tasks.iter().position(|task| task.number == self.0) else {
            return false;
        };
        let again = std::mem::take(&mut tasks[at].again);
        if !again {
            tasks.swap_remove(at);
        }
        again
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        sending().retain(|task| task.number != self.0);
    }
}

/// Sends a notice, at once or a little later if the last one was sent a moment ago.
pub(super) fn send(using: &str, db: &DatabaseConnection) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let options = db.get_postgres_connection_pool().connect_options();
    let mut tasks = sending();
    let is_same = |task: &&mut Sending| Arc::ptr_eq(&task.options, &options) && task.using == using;
    if let Some(task) = tasks.iter_mut().find(is_same) {
        task.again = true;
        return;
    }
    // Relaxed: `SENDING` is locked.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    tasks.push(Sending {
        number,
        options,
        using: using.to_owned(),
        again: false,
    });
    // A runtime that is being shut down drops the task, and with it the place, here.
    drop(tasks);
    let (place, payload, db) = (Place(number), payload(using), db.clone());
    runtime.spawn(async move {
        loop {
            let sql = format!("SELECT pg_notify(channel, $1) FROM ({CHANNEL}) AS outbox");
            let values = [payload.as_str().into()];
            let notify = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            // An error costs the relays one poll.
            let _ = db.execute_raw(notify).await;
            tokio::time::sleep(BETWEEN_NOTICES).await;
            if !place.again() {
                return;
            }
        }
    });
}

/// Returns the payload of notices of this process and this name of connections. Its relays of the
/// name are woken without them.
fn payload(using: &str) -> String {
    static PROCESS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("{:016x}", PROCESS.hash_one(using))
}

/// Wakes the relay at each notice, over a connection that is not of the relay's pool.
pub(super) async fn receive(subscription: &Subscription) -> Result<Ended, DbErr> {
    // By a connection of the pool, because the pool may set the schema of its connections.
    let channel = Statement::from_string(DbBackend::Postgres, CHANNEL);
    let Some(channel) = subscription
        .unless_stopped(subscription.db.query_one_raw(channel))
        .await
    else {
        return Ok(Ended::Stopped);
    };
    let channel = channel?.ok_or_else(|| DbErr::Custom("there are no tables".to_owned()))?;
    let channel: String = channel.try_get_by_index(0)?;
    let options = subscription
        .db
        .get_postgres_connection_pool()
        .connect_options();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(RESPONSE)
        .connect_lazy_with(options.as_ref().clone());
    let received = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        // The relay has to look after each connect.
        listener.eager_reconnect(false);
        listener.listen(&channel).await?;
        subscription.subscribed();
        forward(&mut listener, subscription).await;
        Ok(Ended::Lost)
    };
    let ended = subscription.unless_stopped(received).await;
    match ended {
        Some(ended) => ended.map_err(error_of),
        None => {
            let _ = timeout(AT_THE_END, pool.close()).await;
            Ok(Ended::Stopped)
        }
    }
}

/// Wakes the relay at each notice, until the connection is lost.
///
/// All notices are read at once, so that none are kept by the server, whatever the relay does.
async fn forward(listener: &mut PgListener, subscription: &Subscription) {
    let own = payload(&subscription.using);
    let noticed = Notify::new();
    let looks = async {
        loop {
            noticed.notified().await;
            subscription.wake.notify_one();
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    let received = async {
        loop {
            match timeout(QUIET, listener.try_recv()).await {
                Ok(Ok(Some(notice))) if notice.payload() == own => {}
                Ok(Ok(Some(_))) => noticed.notify_one(),
                Ok(_) => return,
                // A connection can be lost without an error. The check is no statement.
                Err(_) => {
                    let checked = async { listener.acquire().await?.ping().await };
                    if !matches!(timeout(RESPONSE, checked).await, Ok(Ok(()))) {
                        return;
                    }
                }
            }
        }
    };
    select(pin!(received), pin!(looks)).await;
}
