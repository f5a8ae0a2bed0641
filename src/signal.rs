//! The signal itself. Each way to use it adds its methods: `connection/`, `send/`, `batch/`,
//! `parallel/` and `awaited/`.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::Arc;

use crate::any_thread::AnyThread;
use crate::event::Event;
use crate::once_arc::OnceArc;
use crate::receiver::tapped::register;
use crate::receiver::{Hub, Table};
use crate::table::hub::Opening;

/// A typed signal: receivers connect to it, and a send calls those that its sender
/// reaches.
///
/// `E` is the type of its events (see [`Event`]), and `R` is the type of each receiver's response.
/// A signal is usually a `static`. A signal inside a struct works as well, and its receivers are
/// dropped with it.
///
/// # The snapshot of a send
///
/// A send takes a snapshot before its first call. It calls the receivers that were connected before
/// it started, in order of priority and then of connecting. It still calls a receiver that another
/// receiver or another thread disconnects while the send runs. It does not call a receiver that is
/// connected while it runs. A send from inside a receiver takes a separate snapshot.
///
/// # Re-entry
///
/// Receivers, and destructors of receivers, may do anything with the signal: connect, disconnect,
/// send. No lock is held while they run. A send panics when sends are nested 1,000 deep on its
/// thread, or when the stack of the thread has too little room for one more, so that unbounded
/// recursion does not overflow the stack. See "Bounds" in `docs/guarantees.md`.
///
/// # Progress
///
/// A send to a signal without receivers is one or two loads. Any other send takes the snapshot as
/// `arc_swap` does, which is lock-free. It is also wait-free, except for the first send of a thread
/// and once in `usize::MAX / 4` loads. With the feature `asymmetric`, it is wait-free except for
/// the first send of a thread. A send never waits for a connect or for another send. Connecting and
/// disconnecting block one another, for a microsecond or two each. `docs/guarantees.md` has a row
/// for each operation.
pub struct Signal<E: Event, R: 'static = ()> {
    pub(crate) hub: AnyThread<OnceArc<Hub<E, R>>>,
}

// Code that runs inside the signal's own steps cannot panic half-way: receivers run outside.
impl<E: Event, R: 'static> UnwindSafe for Signal<E, R> {}
impl<E: Event, R: 'static> RefUnwindSafe for Signal<E, R> {}

impl<E: Event, R: 'static> Signal<E, R> {
    /// Makes a signal without receivers. It does not allocate until the first connect or change.
    pub const fn new() -> Self {
        Signal {
            hub: AnyThread::new(OnceArc::new()),
        }
    }

    pub(crate) fn hub(&self) -> &Hub<E, R> {
        let hub = self.hub.get_or_init(Hub::new);
        register(hub, ptr::from_ref(self).addr(), || {
            self.hub.to_arc().expect("the hub has just been made")
        });
        hub
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
