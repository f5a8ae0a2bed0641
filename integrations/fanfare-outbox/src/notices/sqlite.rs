//! Notices by the number that SQLite gives to the data of a file, which each commit changes.
//!
//! To read the number takes a statement. So it is read only for a while after the files have
//! changed, which costs one call of the system to see. The change of the files alone is no notice:
//! it comes before the commit is visible.

use std::fs;
use std::time::{Duration, SystemTime};

use sea_orm::DbErr;
use sea_orm::sqlx::{ConnectOptions, Connection, Error, SqliteConnection, query_scalar};
use tokio::time::{Instant, timeout};

use super::subscription::{Ended, Subscription, error_of};

/// The time between two looks at the files.
const EVERY: Duration = Duration::from_millis(20);

/// The time for which the number is read after a change of the files. It is longer than most
/// commits take from their first write to their end, and than the steps of the files' clock.
const AFTER_CHANGE: Duration = Duration::from_secs(1);

/// The time for the end of the connection.
const AT_THE_END: Duration = Duration::from_secs(1);

/// Wakes the relay at each commit that has stored events.
///
/// The number is that of one connection, which is not of the pool. To read it, SQLite takes the
/// lock of a reader for a moment, compares a few bytes, and reads no page.
pub(super) async fn receive(subscription: &Subscription) -> Result<Ended, DbErr> {
    let pool = subscription.db.get_sqlite_connection_pool();
    let file = query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'");
    let Some(file) = subscription.unless_stopped(file.fetch_one(pool)).await else {
        return Ok(Ended::Stopped);
    };
    let file: String = file.map_err(error_of)?;
    // A database in memory has no other process.
    if file.is_empty() {
        return Ok(Ended::Unsupported);
    }
    // In this mode a second connection would lock out the first, or wait for it forever.
    let mode = query_scalar("PRAGMA locking_mode");
    let Some(mode) = subscription.unless_stopped(mode.fetch_one(pool)).await else {
        return Ok(Ended::Stopped);
    };
    let mode: String = mode.map_err(error_of)?;
    if mode.eq_ignore_ascii_case("exclusive") {
        return Ok(Ended::Unsupported);
    }
    let options = pool.connect_options().as_ref().clone();
    let options = options.create_if_missing(false).disable_statement_logging();
    let connection = options.connect().await;
    let mut connection = connection.map_err(error_of)?;
    let files = [format!("{file}-wal"), file];
    let ended = watch(&mut connection, &files, subscription)
        .await
        .map_err(error_of);
    // The last connection of a file to be closed removes the files beside it.
    let _ = timeout(AT_THE_END, connection.close()).await;
    ended
}

/// Returns the sizes of the files and the times of their last changes. It opens no file: to close
/// one would release SQLite's locks on it.
fn state_of(files: &[String]) -> Vec<Option<(u64, SystemTime)>> {
    let states = files.iter().map(|file| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    });
    states.collect()
}

async fn watch(
    connection: &mut SqliteConnection,
    files: &[String],
    subscription: &Subscription,
) -> Result<Ended, Error> {
    let (mut version, mut last) = (None, None);
    let (mut state, mut changed) = (Vec::new(), Instant::now());
    loop {
        let new_state = state_of(files);
        if state != new_state {
            (state, changed) = (new_state, Instant::now());
        }
        // Elsewhere the state of an open file may be an old one.
        if changed.elapsed() < AFTER_CHANGE || !cfg!(unix) {
            let new: i64 = query_scalar("PRAGMA data_version")
                .fetch_one(&mut *connection)
                .await?;
            // Other changes, such as those of the application, do not wake the relay.
            if version.replace(new) != Some(new) {
                let sent =
                    "SELECT max(seq) FROM sqlite_sequence WHERE name = 'fanfare_outbox_event'";
                let sent: Option<i64> = query_scalar(sent).fetch_one(&mut *connection).await?;
                match last.replace(sent) {
                    None => subscription.subscribed(),
                    Some(last) if last != sent => subscription.wake.notify_one(),
                    Some(_) => {}
                }
            }
        }
        let pause = tokio::time::sleep(EVERY);
        if subscription.unless_stopped(pause).await.is_none() {
            return Ok(Ended::Stopped);
        }
    }
}
