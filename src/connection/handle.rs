//! The handle to a connection.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::freeze;
use crate::error::{DisconnectError, HeldBy, WaitError};
use crate::id::ReceiverId;
use crate::receiver::attached::{Attached, Retires};
use crate::table::link::Quiet;

/// A handle to one connection: cheap, cloneable, and the same type for every signal.
///
/// Dropping it does not disconnect the receiver. For a connection that should end with its handle,
/// use [`scoped`](Connection::scoped). A handle keeps neither the receiver nor the signal alive.
///
/// ```
/// use fanfare::Signal;
///
/// static BELL: Signal<()> = Signal::new();
///
/// let connection = BELL.connect(|_sender, ()| println!("ding"));
/// assert!(connection.is_new() && connection.is_connected());
/// assert!(connection.disconnect());
/// assert!(!connection.disconnect());
/// assert!(BELL.send(&()).is_empty());
/// ```
#[derive(Clone)]
pub struct Connection {
    slot: Weak<dyn Attached>,
    id: ReceiverId,
    is_new: bool,
}

// A handle only checks and disconnects, and those steps cannot be seen half done.
impl UnwindSafe for Connection {}
impl RefUnwindSafe for Connection {}

impl Connection {
    pub(crate) fn new(slot: Weak<dyn Attached>, id: ReceiverId, is_new: bool) -> Self {
        Connection { slot, id, is_new }
    }

    /// Returns the receiver's id, which responses and failures have as well.
    pub fn id(&self) -> ReceiverId {
        self.id
    }

    /// Returns `true` if the `connect` that returned this handle made the connection. Otherwise the
    /// handle is for the connection that was there first, which was left as it was.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the receiver, if it has not gone.
    pub(super) fn slot(&self) -> Option<Arc<dyn Attached>> {
        self.slot.upgrade()
    }

    /// Returns the sender that the receiver was connected for, in words. Returns `None` for any
    /// sender, or if the receiver is gone.
    pub(crate) fn sender_in_words(&self) -> Option<String> {
        self.slot.upgrade()?.sender_in_words()
    }

    /// Returns the number of the signal, or `None` if it or the receiver has gone.
    pub(crate) fn signal_number(&self) -> Option<u64> {
        self.slot.upgrade()?.signal_number()
    }

    /// Returns the receiver's uid. Returns `None` if it has none, or if the receiver is gone.
    pub(crate) fn dispatch_uid(&self) -> Option<String> {
        self.slot.upgrade()?.dispatch_uid()
    }

    /// Returns `true` if a send that started now would call the receiver.
    ///
    /// Returns `false` once the receiver has been disconnected, a once-only receiver has been
    /// claimed, a weak receiver's target has died, or the signal has been dropped. Even then, a
    /// send that started earlier may call the receiver or be calling it.
    pub fn is_connected(&self) -> bool {
        self.slot.upgrade().is_some_and(|slot| slot.is_connected())
    }

    /// Disconnects the receiver. Returns `true` if this call did so.
    ///
    /// No send that starts afterwards calls the receiver. Sends that have started may call it. To
    /// wait for them, use [`disconnect_and_wait`](Connection::disconnect_and_wait). This method may
    /// be called from anywhere, also from the receiver itself.
    ///
    /// It waits for other threads that change the connections of the same signal, for a microsecond
    /// or two each. It never waits for a running receiver.
    ///
    /// The receiver is dropped here, unless a send, an emitter or a future holds it. In that case
    /// the next change of the signal drops it, or [`purge`](crate::Signal::purge), or
    /// [`disconnect_and_wait`](Connection::disconnect_and_wait). A receiver that disconnects itself
    /// is always held by its own send.
    ///
    /// # Panics
    ///
    /// Panics if the receiver is connected and its signal is [frozen](crate::Signal::freeze): see
    /// [`try_disconnect`](Connection::try_disconnect).
    #[track_caller]
    pub fn disconnect(&self) -> bool {
        match self.try_disconnect() {
            Ok(disconnected) => disconnected,
            Err(DisconnectError::Frozen { at }) => freeze::refuse_to_disconnect(at),
        }
    }

    /// Disconnects the receiver, unless its signal is [frozen](crate::Signal::freeze). Returns
    /// `true` if this call did so.
    ///
    /// # Errors
    ///
    /// Returns [`DisconnectError::Frozen`] if the receiver is connected to a frozen signal. The
    /// receiver stays connected.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use fanfare::error::DisconnectError;
    ///
    /// static READY: Signal<()> = Signal::new();
    /// let connection = READY.connect(|_sender, ()| ());
    /// READY.freeze();
    ///
    /// let refused = connection.try_disconnect().unwrap_err();
    /// let DisconnectError::Frozen { at, .. } = refused else { panic!("{refused}") };
    /// assert_eq!(Some(at), READY.frozen_at());
    /// assert!(connection.is_connected());
    /// ```
    pub fn try_disconnect(&self) -> Result<bool, DisconnectError> {
        match self.slot.upgrade().map(Attached::detach) {
            None => Ok(false),
            Some(detached) => detached.map_err(|at| DisconnectError::Frozen { at }),
        }
    }

    /// Disconnects the receiver and waits until it is not running and cannot run again.
    ///
    /// When this returns `Ok`, every send that might have called the receiver has ended. It does
    /// not matter which thread disconnected the receiver, and when. The receiver's destructor has
    /// returned as well. It runs on this thread, or on another thread that changes the signal at
    /// the same time. There is one exception: if the receiver was disconnected before, and was no
    /// longer held when this call began, its destructor may still be running elsewhere.
    ///
    /// A send does not notify this call. It looks again and again, with pauses of up to a
    /// millisecond, so it can return that much late.
    ///
    /// This call blocks until the last such send ends, at most for `timeout` ([`Duration::MAX`]
    /// waits for as long as it takes). Two receivers that wait for each other on two threads, on
    /// two signals, both run into their timeouts. A suspended async send counts. On the thread that
    /// would have to poll that send, only the timeout ends the wait.
    ///
    /// # Errors
    ///
    /// The receiver is disconnected unless the signal is frozen.
    ///
    /// * [`WaitError::Frozen`], at once, if the receiver is connected to a
    ///   [frozen](crate::Signal::freeze) signal. It stays connected.
    /// * [`WaitError::InsideSend`], at once, if this thread is inside a send of the same signal, or
    ///   inside the destructor of a receiver of the signal, and the receiver is still held. Such a
    ///   call comes from the receiver itself, from another receiver in the same send, or from any
    ///   code that these call. The wait is also refused if that send does not hold the receiver,
    ///   but a send on another thread does.
    /// * [`WaitError::Timeout`] if something still holds the receiver when the time is up:
    ///   [`HeldBy`] lists what can. An idle [`Emitter`](crate::Emitter) does not hold it on Linux,
    ///   because this call takes its old snapshot away.
    /// * [`WaitError::Forked`], at once, in a child of `fork`, if the receiver runs on a queue that
    ///   was made before the fork and that had an event for it then.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use fanfare::error::WaitError;
    /// use std::sync::{Arc, OnceLock};
    /// use std::time::Duration;
    ///
    /// static STOP: Signal<()> = Signal::new();
    ///
    /// let flush = STOP.connect(|_sender, ()| { /* writes a file */ });
    /// assert_eq!(flush.disconnect_and_wait(Duration::from_secs(5)), Ok(()));
    /// ```
    pub fn disconnect_and_wait(&self, timeout: Duration) -> Result<(), WaitError> {
        let Some(slot) = self.slot.upgrade() else {
            // Acquire: `upgrade` has read, relaxed, the count that the last owner's release brought
            // to zero. Without this fence the receiver's own writes might not be visible to the
            // caller, although this call reports that the receiver is over. Row C1.
            fence(Ordering::Acquire);
            return Ok(());
        };
        if let Err(at) = slot.clone().detach() {
            return Err(WaitError::Frozen { at });
        }
        self.watch_slot(slot).wait(timeout)
    }

    /// Returns the means to wait for the end of the receiver, or `None` if it has gone.
    pub(super) fn watch(&self) -> Option<Watch<'_>> {
        let Some(slot) = self.slot.upgrade() else {
            // Acquire: as in `disconnect_and_wait`. Row C1.
            fence(Ordering::Acquire);
            return None;
        };
        Some(self.watch_slot(slot))
    }

    fn watch_slot(&self, slot: Arc<dyn Attached>) -> Watch<'_> {
        let refusal = match slot.is_left_to_parent() {
            _ if slot.is_inside() => Some(WaitError::InsideSend),
            true => Some(WaitError::Forked),
            false => None,
        };
        let quiet = slot.watch();
        let retires = slot.retires();
        drop(slot);
        Watch {
            connection: self,
            refusal,
            quiet,
            retires,
        }
    }

    /// Ties the connection to a guard that disconnects when it is dropped.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32, u32> = Signal::new();
    /// {
    ///     let _spy = SAVED.connect(|_sender, id| *id).scoped();
    ///     assert_eq!(*SAVED.send(&7), [7]);
    /// }
    /// assert_eq!(SAVED.receiver_count(), 0);
    /// ```
    pub fn scoped(self) -> ScopedConnection {
        ScopedConnection {
            connection: self,
            disconnects: true,
        }
    }
}

/// The means to wait for the end of a receiver.
pub(super) struct Watch<'c> {
    connection: &'c Connection,
    /// The reason for which this thread cannot wait.
    refusal: Option<WaitError>,
    quiet: Arc<Quiet>,
    retires: Weak<dyn Retires>,
}

impl Watch<'_> {
    /// Returns the handle of the receiver.
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// Waits until the receiver, which has been disconnected, has gone. See
    /// [`Connection::disconnect_and_wait`].
    pub(super) fn wait(self, timeout: Duration) -> Result<(), WaitError> {
        let Watch {
            connection,
            refusal,
            quiet,
            retires,
        } = self;
        let free = || {
            if let Some(signal) = retires.upgrade() {
                signal.free_retired();
            }
        };
        if let Some(refusal) = refusal {
            free();
            return match quiet.is_gone() {
                true => Ok(()),
                false => Err(refusal),
            };
        }
        if quiet.wait(timeout, free) {
            return Ok(());
        }
        let held_by = match connection.slot() {
            Some(slot) => slot.held_by(),
            None if quiet.is_gone() => return Ok(()),
            None => HeldBy::Destructor,
        };
        Err(WaitError::Timeout {
            waited: timeout,
            held_by,
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("is_new", &self.is_new)
            .field("is_connected", &self.is_connected())
            .finish()
    }
}

/// A guard that disconnects the receiver when it is dropped, as [`Connection::disconnect`] does. If
/// the signal is [frozen](crate::Signal::freeze), its drop has no effect and does not panic.
///
/// Made by [`Connection::scoped`]. If the handle was for a duplicate, the guard also ends the
/// connection that was there first: check [`is_new`](Connection::is_new) if that matters.
#[derive(Debug)]
#[must_use = "the receiver is disconnected as soon as this guard is dropped"]
pub struct ScopedConnection {
    connection: Connection,
    disconnects: bool,
}

impl ScopedConnection {
    /// Takes the handle back and leaves the receiver connected.
    pub fn keep(mut self) -> Connection {
        self.disconnects = false;
        self.connection.clone()
    }
}

impl Deref for ScopedConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for ScopedConnection {
    fn drop(&mut self) {
        if self.disconnects {
            // A frozen signal keeps the receiver.
            let _ = self.connection.try_disconnect();
        }
    }
}
