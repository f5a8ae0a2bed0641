//! The number of a connection.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The connection from which a response or a panic came.
///
/// The id is unique in the process and is never used again. A connection has a greater one than
/// those that were made before it began. It is the same as
/// [`Connection::id`](crate::Connection::id) of the handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiverId(u64);

impl ReceiverId {
    /// Returns the id of the connection with this number.
    pub(crate) fn of(number: u64) -> Self {
        ReceiverId(number)
    }

    /// Returns the number of the connection.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Returns the number of the next connection.
    pub(crate) fn next() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: numbers of one thread, and of calls ordered by any other means, rise by the
        // modification order of this counter alone. Row I2.
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Display for ReceiverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for ReceiverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiverId({})", self.0)
    }
}
