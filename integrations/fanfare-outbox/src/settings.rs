//! The settings of a relay.

use std::time::Duration;

/// The longest time: a year. Longer ones are cut to it, because no clock can add them.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The settings of an [`Outbox`](crate::Outbox).
///
/// ```
/// use fanfare_outbox::Settings;
/// use std::time::Duration;
///
/// let settings = Settings::default().lease(Duration::from_secs(10)).batch(500);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) poll: Duration,
    pub(crate) lease: Duration,
    pub(crate) batch: u32,
    pub(crate) grace: Duration,
    pub(crate) notices: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(30),
            batch: 100,
            grace: Duration::from_secs(30),
            notices: true,
        }
    }
}

impl Settings {
    /// Sets the time between two looks at the database while there is nothing to do. An event of
    /// another process waits for at most this time if no [notice](Settings::notices) of it comes.
    /// It is 1 second by default.
    pub fn poll(self, poll: Duration) -> Self {
        let poll = poll.clamp(Duration::from_millis(10), LONGEST);
        Settings { poll, ..self }
    }

    /// Sets the time for which a relay has a receiver for itself. It renews the lease at every
    /// third of the time. After the end of a process, another relay takes over when the time is
    /// over. It is 30 seconds by default.
    ///
    /// It does not end a receiver that still runs when the lease is over, and gives no protection
    /// to effects outside of the outbox's tables.
    pub fn lease(self, lease: Duration) -> Self {
        let lease = lease.clamp(Duration::from_millis(100), LONGEST);
        Settings { lease, ..self }
    }

    /// Sets the number of deliveries of a receiver that are read at a time. It is 100 by default.
    pub fn batch(self, batch: u32) -> Self {
        let batch = batch.max(1);
        Settings { batch, ..self }
    }

    /// Sets the time that [`shutdown`](crate::Outbox::shutdown) waits for receivers that run. Then
    /// their futures are dropped, the leases are given back, and their events are delivered again.
    /// A receiver that blocks its thread runs on, and keeps its lease until the lease is over. It
    /// is 30 seconds by default.
    pub fn grace(self, grace: Duration) -> Self {
        let grace = grace.min(LONGEST);
        Settings { grace, ..self }
    }

    /// Sets whether commits in other processes wake the relay, within about 20 milliseconds. They
    /// do by default. Otherwise the relay finds their events by [`poll`](Settings::poll).
    ///
    /// On PostgreSQL the relay has one more connection, outside of its pool, which receives the
    /// notices with LISTEN. Switch it off if the program connects through a pooler in transaction
    /// mode, such as PgBouncer's: LISTEN has no effect there. [`send_notices`](crate::send_notices)
    /// is the other side.
    ///
    /// A commit that comes right after another one waits for up to 50 milliseconds more.
    ///
    /// On SQLite the relay has one more connection to the file, and looks 50 times a second whether
    /// the file has changed. Elsewhere than on Unix each look is a statement. For a database in
    /// memory it has no further connection.
    pub fn notices(self, notices: bool) -> Self {
        Settings { notices, ..self }
    }
}
