//! The handle to many connections.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::freeze;
use super::handle::Connection;
use crate::error::{DisconnectError, WaitError};

/// A handle to several connections, of one signal or of many.
///
/// [`Signal::change`](crate::Signal::change) returns one. It can also be collected from
/// [`Connection`]s, and extended by them. As a slice it has the single connections. Like a
/// `Connection` it is cloneable, and dropping it does not disconnect the receivers.
///
/// ```
/// use fanfare::Signal;
/// use fanfare::connections::Connections;
///
/// static TRADED: Signal<u64> = Signal::new();
/// static CANCELED: Signal<u64> = Signal::new();
///
/// let instruments = ["EURUSD", "GBPUSD"];
/// let mut strategy: Connections = instruments
///     .into_iter()
///     .map(|name| TRADED.options().sender(name).connect(|_sender, _price| ()))
///     .collect();
/// strategy.extend([CANCELED.connect(|_sender, _price| ())]);
///
/// assert_eq!(strategy.len(), 3);
/// assert_eq!(strategy.disconnect(), 3);
/// assert_eq!(TRADED.receiver_count() + CANCELED.receiver_count(), 0);
/// ```
#[derive(Clone, Default)]
pub struct Connections(Vec<Connection>);

impl Connections {
    /// Disconnects the receivers, those of each signal in one publication. Returns the number of
    /// receivers that this call disconnected. See [`Connection::disconnect`].
    ///
    /// # Panics
    ///
    /// Panics if a receiver is connected and its signal is [frozen](crate::Signal::freeze): see
    /// [`try_disconnect`](Connections::try_disconnect). The receivers of other signals are
    /// disconnected.
    #[track_caller]
    pub fn disconnect(&self) -> usize {
        match self.try_disconnect() {
            Ok(disconnected) => disconnected,
            Err(DisconnectError::Frozen { at }) => freeze::refuse_to_disconnect(at),
        }
    }

    /// Disconnects the receivers, except for those of [frozen](crate::Signal::freeze) signals.
    /// Returns the number of receivers that this call disconnected.
    ///
    /// # Errors
    ///
    /// Returns [`DisconnectError::Frozen`] if a receiver is connected to a frozen signal. Receivers
    /// of a frozen signal stay connected. The others are disconnected.
    pub fn try_disconnect(&self) -> Result<usize, DisconnectError> {
        let address = |it: &Connection| it.slot().map(|slot| slot.signal_address());
        let connections = self.0.iter();
        let mut connections: Vec<_> = connections
            .filter_map(|it| Some((address(it)?, it)))
            .collect();
        connections.sort_by_key(|(address, _)| *address);
        let mut disconnected = Ok(0);
        for of_one_signal in connections.chunk_by(|(a, _), (b, _)| a == b) {
            // They are held for this signal alone. The destructor of a receiver may wait for a
            // receiver of another signal.
            let slots = of_one_signal.iter().filter_map(|(_, it)| it.slot());
            let slots: Vec<_> = slots.collect();
            let Some(first) = slots.first() else {
                continue;
            };
            match first.detach_with(&slots) {
                Ok(more) => disconnected = disconnected.map(|number| number + more),
                Err(at) => disconnected = Err(DisconnectError::Frozen { at }),
            }
        }
        disconnected
    }

    /// Disconnects the receivers, those of each signal in one publication, and waits until none of
    /// them is running or can run again. See [`Connection::disconnect_and_wait`]. `timeout` is for
    /// all of them together.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Connection::disconnect_and_wait`]: the first that a receiver causes.
    /// This call has then waited for the others as well, until the timeout.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use std::time::Duration;
    ///
    /// static TICK: Signal<u64> = Signal::new();
    /// let strategy = TICK.change(|changes| {
    ///     changes.connect(|_sender, _tick| ());
    ///     changes.options().sender("EURUSD").connect(|_sender, _tick| ());
    /// });
    /// assert_eq!(strategy.disconnect_and_wait(Duration::from_secs(5)), Ok(()));
    /// ```
    pub fn disconnect_and_wait(&self, timeout: Duration) -> Result<(), WaitError> {
        let start = Instant::now();
        // Each is watched before it is disconnected. Otherwise another thread could begin to
        // destroy one, and this call would return before the end of its destructor.
        let watches: Vec<_> = self.0.iter().filter_map(Connection::watch).collect();
        // The errors of a frozen signal come back below.
        let _ = self.try_disconnect();
        let mut waited = Ok(());
        for watch in watches {
            let left = timeout.saturating_sub(start.elapsed());
            let one = match watch.connection().try_disconnect() {
                Err(DisconnectError::Frozen { at }) => Err(WaitError::Frozen { at }),
                Ok(_) => watch.wait(left),
            };
            waited = waited.and(one);
        }
        match waited {
            Err(WaitError::Timeout { held_by, .. }) => Err(WaitError::Timeout {
                waited: timeout,
                held_by,
            }),
            waited => waited,
        }
    }

    /// Ties the connections to a guard that disconnects them when it is dropped.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// {
    ///     let _spies = SAVED.change(|changes| changes.connect(|_sender, _id| ())).scoped();
    ///     assert_eq!(SAVED.receiver_count(), 1);
    /// }
    /// assert_eq!(SAVED.receiver_count(), 0);
    /// ```
    pub fn scoped(self) -> ScopedConnections {
        ScopedConnections(self)
    }
}

impl Deref for Connections {
    type Target = [Connection];

    fn deref(&self) -> &[Connection] {
        &self.0
    }
}

impl DerefMut for Connections {
    fn deref_mut(&mut self) -> &mut [Connection] {
        &mut self.0
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl From<Connection> for Connections {
    fn from(connection: Connection) -> Self {
        Connections(vec![connection])
    }
}

impl FromIterator<Connection> for Connections {
    fn from_iter<I: IntoIterator<Item = Connection>>(connections: I) -> Self {
        Connections(connections.into_iter().collect())
    }
}

impl Extend<Connection> for Connections {
    fn extend<I: IntoIterator<Item = Connection>>(&mut self, connections: I) {
        self.0.extend(connections);
    }
}

impl IntoIterator for Connections {
    type Item = Connection;
    type IntoIter = std::vec::IntoIter<Connection>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'c> IntoIterator for &'c Connections {
    type Item = &'c Connection;
    type IntoIter = std::slice::Iter<'c, Connection>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A guard that disconnects the receivers when it is dropped, as [`Connections::disconnect`] does.
/// Receivers of a [frozen](crate::Signal::freeze) signal stay connected.
///
/// Made by [`Connections::scoped`].
#[derive(Debug)]
#[must_use = "the receivers are disconnected as soon as this guard is dropped"]
pub struct ScopedConnections(Connections);

impl ScopedConnections {
    /// Takes the handle back and leaves the receivers connected.
    pub fn keep(mut self) -> Connections {
        std::mem::take(&mut self.0)
    }
}

impl Deref for ScopedConnections {
    type Target = Connections;

    fn deref(&self) -> &Connections {
        &self.0
    }
}

impl Drop for ScopedConnections {
    fn drop(&mut self) {
        // A frozen signal keeps its receivers.
        let _ = self.0.try_disconnect();
    }
}
