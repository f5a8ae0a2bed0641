//! Freezing: the end of all changes of a signal.

use std::panic::Location;

use crate::event::Event;
use crate::signal::Signal;
use crate::table::hub::Place;

/// # Freezing
impl<E: Event, R: 'static> Signal<E, R> {
    /// Ends all changes of the receivers, so that a send costs little more than the calls of its
    /// receivers.
    ///
    /// Call it when the program has started and every receiver is connected. Sends of a frozen
    /// signal take no snapshot. They walk the last table, which lives as long as the signal. They
    /// reach the same receivers, return the same responses and panic in the same cases as before.
    ///
    /// # Changes of a frozen signal
    ///
    /// * Connecting and disconnecting panic with the place of the freeze. The twins
    ///   [`try_connect`](crate::ConnectOptions::try_connect) and
    ///   [`try_disconnect`](crate::Connection::try_disconnect) return an error, and
    ///   [`disconnect_and_wait`](crate::Connection::disconnect_and_wait) returns
    ///   [`WaitError::Frozen`](crate::error::WaitError::Frozen).
    /// * The drop of a [`ScopedConnection`](crate::ScopedConnection) or of an
    ///   [`Identity`](crate::Identity) has no effect. [`purge`](Signal::purge) takes out no
    ///   receivers, but still frees replaced tables.
    /// * A weak receiver whose target has died, and a once-only receiver that has run, are
    ///   skipped. They are dropped together with the signal.
    ///
    /// A freeze cannot be undone. A second one has no effect, and [`frozen_at`](Signal::frozen_at)
    /// keeps the first place. The freeze of a signal without receivers means that it will never
    /// have one.
    ///
    /// A freeze blocks while another thread changes the receivers, a few microseconds for each
    /// change. It never waits for a receiver that runs. It frees replaced tables, and so can run
    /// destructors of receivers that were disconnected before. It may be called from a receiver. A
    /// connect on another thread at the same time either is part of the frozen signal or is
    /// refused.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static TICK: Signal<u64, u64> = Signal::new();
    ///
    /// TICK.connect(|_sender, tick| tick + 1);
    /// TICK.freeze();
    /// assert_eq!(*TICK.send(&1), [2]);
    /// assert!(TICK.frozen_at().is_some());
    ///
    /// let refused = std::panic::catch_unwind(|| TICK.connect(|_sender, tick| tick + 2));
    /// assert!(refused.is_err());
    /// assert_eq!(TICK.receiver_count(), 1);
    /// ```
    #[track_caller]
    pub fn freeze(&self) {
        self.hub().freeze(Location::caller());
    }

    /// Returns the place where the signal was [frozen](Signal::freeze), if it was.
    pub fn frozen_at(&self) -> Option<&'static Location<'static>> {
        self.hub.get()?.frozen_at()
    }
}

/// Panics because of a connect after the freeze at this place.
#[cold]
#[track_caller]
pub(crate) fn refuse_to_connect(at: Place) -> ! {
    panic!(
        "a receiver was not connected because the signal was frozen at {at}: connect it before \
         `freeze`, or use `try_connect`"
    )
}

/// Panics because of several changes after the freeze at this place.
#[cold]
#[track_caller]
pub(super) fn refuse_to_change(at: Place) -> ! {
    panic!(
        "the receivers were not changed because the signal was frozen at {at}: change them before \
         `freeze`"
    )
}

/// Panics because of a disconnect after the freeze at this place.
#[cold]
#[track_caller]
pub(crate) fn refuse_to_disconnect(at: Place) -> ! {
    panic!(
        "a receiver was not disconnected because the signal was frozen at {at}: disconnect it \
         before `freeze`, or use `try_disconnect`"
    )
}
