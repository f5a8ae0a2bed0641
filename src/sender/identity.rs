//! Senders that are objects: each has a unique number, and its death disconnects receivers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::{Sender, SenderKey};
use crate::lock::lock;

/// A sender that is one object among many of its type.
///
/// Each identity has a number that no other identity of this process has or will have. It is never
/// an address, so a new object cannot inherit the connections of a dead one. Put the identity into
/// the struct that sends, and connect for `&it.identity`.
///
/// Dropping an identity disconnects every receiver that is connected for it, in every signal. The
/// drop locks each of those signals once (as [`Connection::disconnect`] does). Destructors of the
/// receivers run in the drop, outside the locks.
///
/// ```
/// use fanfare::{Identity, Signal};
///
/// static RANG: Signal<u32, u32> = Signal::new();
///
/// let door = Identity::new();
/// let window = Identity::new();
/// RANG.options().sender(&door).connect(|_sender, times| *times);
///
/// assert_eq!(*RANG.from(&door).send(&2), [2]);
/// assert!(RANG.from(&window).send(&2).is_empty());
///
/// drop(door);
/// assert_eq!(RANG.receiver_count(), 0);
/// ```
///
/// [`Connection::disconnect`]: crate::Connection::disconnect
pub struct Identity(Arc<IdentityState>);

/// The state that an identity shares with the connections made for it.
pub(crate) struct IdentityState {
    number: u64,
    /// The signals that may hold connections for the identity. It is `None` once the identity has
    /// died.
    signals: Mutex<Option<Vec<Weak<dyn DropsSender>>>>,
}

/// A signal whose connections for a sender can be removed.
pub(crate) trait DropsSender: Send + Sync {
    /// Disconnects every receiver connected for `sender`.
    fn drop_sender(&self, sender: &SenderKey);
}

impl Identity {
    /// Makes an identity with a unique number. Allocates once. Wait-free.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Identity(Arc::new(IdentityState {
            // Relaxed: only the atomicity of the addition matters. Row I1.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            signals: Mutex::new(Some(Vec::new())),
        }))
    }

    /// Returns this identity as a sender.
    pub const fn sender(&self) -> Sender<'_> {
        Sender::identity(self)
    }

    pub(crate) const fn state(&self) -> &Arc<IdentityState> {
        &self.0
    }
}

impl IdentityState {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Stores that `signal` may hold connections for this identity. Returns `false` if the identity
    /// has died.
    ///
    /// It must be called before the connection is made *and* after. A death between the two may
    /// have come too early to remove the connection.
    pub(crate) fn remember(&self, signal: &Arc<dyn DropsSender>) -> bool {
        let mut signals = lock(&self.signals);
        let Some(signals) = &mut *signals else {
            return false;
        };
        let signal = Arc::downgrade(signal);
        if !signals.iter().any(|known| Weak::ptr_eq(known, &signal)) {
            signals.retain(|known| known.strong_count() > 0);
            signals.push(signal);
        }
        true
    }
}

impl Default for Identity {
    fn default() -> Self {
        Identity::new()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let state = &*self.0;
        let signals = lock(&state.signals).take();
        let key = SenderKey::Identity(Arc::clone(&self.0));
        for signal in signals.iter().flatten().filter_map(Weak::upgrade) {
            signal.drop_sender(&key);
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.0.number)
    }
}
