//! The signal itself. Each way to use it adds its methods: `connection/`, `send/`, `batch/`,
//! `parallel/` and `awaited/`.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::any_thread::AnyThread;
use crate::event::Event;
use crate::once_arc::OnceArc;
use crate::receiver::{Hub, Table};
use crate::table::publish::Opening;

/// A typed signal: receivers connect to it, and a send calls those that its sender
/// reaches.
///
/// `E` is the type of its events (see [`Event`]), `R` the type of each receiver's response. A signal is
/// usually a `static`; one inside a struct works as well, and its receivers go with it.
///
/// # What a send sees
///
/// It takes a snapshot before its first call. Receivers connected before it started are
/// called, in order of priority and then of connecting. One that is disconnected while
/// the send runs, by another receiver or on another thread, is still called by it; one
/// that is connected meanwhile is not. A send from inside a receiver takes a snapshot of
/// its own.
///
/// # Re-entry
///
/// Receivers, and destructors of receivers, may do anything with the signal: connect,
/// disconnect, send. No lock is held while they run. A send panics when sends are nested 1,000 deep
/// on its thread, or when the stack of the thread has too little room for one more, so that
/// unbounded recursion does not overflow the stack. See "Bounds" in `docs/guarantees.md`.
///
/// # Progress
///
/// A send to a signal without receivers is one or two loads. Any other send takes the
/// snapshot as `arc_swap` does it: lock-free, and wait-free but for the first send of a
/// thread and once in `usize::MAX / 4` loads; with the feature `asymmetric`, wait-free but for
/// the first send of a thread. It never waits for a connect or for another send. Connecting and
/// disconnecting block one another, for a microsecond or two each.
/// `docs/guarantees.md` has a row for each operation.
pub struct Signal<E: Event, R: 'static = ()> {
    pub(crate) hub: AnyThread<OnceArc<Hub<E, R>>>,
}

// What runs inside the signal's own steps cannot panic half-way: receivers run outside.
impl<E: Event, R: 'static> UnwindSafe for Signal<E, R> {}
impl<E: Event, R: 'static> RefUnwindSafe for Signal<E, R> {}

impl<E: Event, R: 'static> Signal<E, R> {
    /// Makes a signal without receivers. Allocates nothing until the first connect.
    pub const fn new() -> Self {
        Signal {
            hub: AnyThread::new(OnceArc::new()),
        }
    }

    pub(crate) fn hub(&self) -> &Hub<E, R> {
        self.hub.get_or_init(Hub::new)
    }

    pub(crate) fn shared_hub(&self) -> Arc<Hub<E, R>> {
        self.hub();
        self.hub.to_arc().expect("the hub has just been made")
    }

    /// Returns the way in which a send reaches the receivers.
    #[inline]
    pub(crate) fn opening(&self) -> Opening<'_, Table<E, R>> {
        match self.hub.get() {
            Some(hub) => hub.opening(),
            None => Opening::Nobody,
        }
    }

    /// Returns the hub if a receiver is connected.
    #[inline]
    pub(crate) fn occupied(&self) -> Option<&Hub<E, R>> {
        self.hub.get().filter(|hub| hub.is_occupied())
    }
}

impl<E: Event, R: 'static> Default for Signal<E, R> {
    fn default() -> Self {
        Signal::new()
    }
}

impl<E: Event, R: 'static> fmt::Debug for Signal<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("event", &std::any::type_name::<E>())
            .field("connections", &self.receiver_count())
            .finish()
    }
}
