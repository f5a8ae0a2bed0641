//! Notices of commits in other processes.
//!
//! A notice only wakes the relay, which then looks at the tables. So a notice that is lost costs
//! one poll, and a notice too many costs one look. The steps are in an order that loses none:
//!
//! - The sender sends the notice after the response to its COMMIT, so that the look sees the
//!   events.
//! - The relay first subscribes and then looks. Commits before that are in the look, and those
//!   after it give a notice.
//! - `Notify::notify_one` keeps a permit if no task waits. So a notice between a look and the wait
//!   after it makes the wait end at once.

#![cfg_attr(
    not(any(feature = "sqlx-postgres", feature = "sqlx-sqlite")),
    allow(dead_code, reason = "no driver gives notices")
)]

#[cfg(feature = "sqlx-postgres")]
mod postgres;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;
mod subscription;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{DatabaseConnection, DatabaseConnectionType, DbErr};
use tokio::time::Instant;

use crate::faults::Part;
use subscription::Ended;
pub(crate) use subscription::Subscription;

/// The time to the second try to subscribe. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two tries to subscribe.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The names of the connections whose commits send no notices.
static SILENT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Sets whether commits of this process over connections of the name `using` send notices to the
/// relays of other processes. They do by default.
///
/// On PostgreSQL a notice is a NOTIFY, which a task of the runtime sends after the COMMIT of a
/// transaction that sent durable events, over the same pool. A pool sends at most 20 in a second,
/// and later commits share one. Without notices, other processes find the events by
/// [`poll`](crate::Settings::poll). On SQLite there is nothing to send: relays detect commits by
/// the file.
///
/// A process that ends right after its commit may end before the notice is sent.
/// [`Settings::notices`](crate::Settings::notices) is the other side: whether a relay receives
/// notices.
///
/// ```
/// fanfare_outbox::send_notices("default", false);
/// ```
pub fn send_notices(using: &str, is_on: bool) {
    let mut silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner);
    if is_on {
        silent.remove(using);
    } else {
        silent.insert(using.to_owned());
    }
}

/// Sends a notice to the relays of other processes, after a commit over this connection. It only
/// spawns a task.
pub(crate) fn send(using: &str, db: &DatabaseConnection) {
    let silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner);
    if silent.contains(using) {
        return;
    }
    drop(silent);
    match &db.inner {
        #[cfg(feature = "sqlx-postgres")]
        DatabaseConnectionType::SqlxPostgresPoolConnection(_) => postgres::send(using, db),
        _ => {}
    }
}

/// Wakes the relay at each notice, until the relay is stopped.
pub(crate) async fn receive(mut subscription: Subscription) {
    let mut pause = FIRST_PAUSE;
    let mut has_failed = false;
    loop {
        let started = Instant::now();
        let ended = subscribe(&subscription).await;
        subscription.looked.mark_unchanged();
        if started.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        match ended {
            Ok(Ended::Stopped | Ended::Unsupported) => return,
            Ok(Ended::Lost) => {
                has_failed = false;
                // Notices may be lost as well.
                subscription.wake.notify_one();
            }
            // The first error may be that of a database that is away, which the relay reports. The
            // second comes after a look that has succeeded.
            Err(error) => {
                if has_failed {
                    let error = format!("events of other processes wait for the poll: {error}");
                    subscription.faults.set(Part::Notices, Some(error));
                }
                has_failed = true;
            }
        }
        let mut looked = subscription.looked.clone();
        let again = async {
            tokio::time::sleep(pause).await;
            // The relay tries a database that is away, once a second. An idle one would look only
            // after the poll.
            subscription.wake.notify_one();
            looked.changed().await
        };
        let Some(Ok(())) = subscription.unless_stopped(again).await else {
            return;
        };
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn subscribe(subscription: &Subscription) -> Result<Ended, DbErr> {
    match &subscription.db.inner {
        #[cfg(feature = "sqlx-postgres")]
        DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
            postgres::receive(subscription).await
        }
        #[cfg(feature = "sqlx-sqlite")]
        DatabaseConnectionType::SqlxSqlitePoolConnection(_) => sqlite::receive(subscription).await,
        _ => Ok(Ended::Unsupported),
    }
}
