//! A receiver as its handles refer to it, whatever the types of its signal.

use std::any::Any;
use std::sync::{Arc, Weak};

use super::key::Identified;
use crate::error::HeldBy;
use crate::table::hub::Place;
use crate::table::link::Quiet;

/// A receiver, whatever the types of its signal.
pub(crate) trait Attached: Send + Sync {
    /// Takes the receiver out of its signal. Returns `false` if it was out. Returns an error if it
    /// is in, and the signal is frozen.
    fn detach(self: Arc<Self>) -> Result<bool, Place>;

    /// Takes `receivers` out in one publication, which are of the same signal as this one. Returns
    /// the number of those that were in. Returns an error if one is in, and the signal is frozen.
    fn detach_with(&self, receivers: &[Arc<dyn Attached>]) -> Result<usize, Place>;

    /// Returns the address that distinguishes its signal from others.
    fn signal_address(&self) -> usize;

    /// Adds the receiver to `receivers`, which is a [`OneSignal`](super::entry::OneSignal). Returns
    /// `false` if it is of another signal.
    fn join(self: Arc<Self>, receivers: &mut dyn Any) -> bool;

    /// Returns `true` if sends still call the receiver.
    fn is_connected(&self) -> bool;

    /// Returns `true` if this thread is inside a send of its signal, or inside the destructor of a
    /// receiver of it.
    fn is_inside(&self) -> bool;

    /// Returns the holder of the receiver, which has been disconnected and has not gone.
    fn held_by(&self) -> HeldBy;

    /// Returns `true` if the receiver runs on threads that a child of `fork`, as this process is,
    /// does not have.
    fn is_left_to_parent(&self) -> bool;

    /// Returns the flag that is set when the receiver has gone. The caller then drops its handle.
    fn watch(&self) -> Arc<Quiet>;

    /// Returns the signal's part that frees replaced tables.
    fn retires(&self) -> Weak<dyn Retires>;

    /// Returns `true` if the receiver can be called at all. It returns `false` once a weak
    /// receiver's target has died.
    fn is_alive(&self) -> bool;

    /// Returns the name of the receiver's type, for a receiver without a name.
    fn type_name(&self) -> &'static str;

    /// Returns the identity by which a receiver without a uid is the same as another.
    fn identity(&self) -> Option<Identified>;

    /// Returns the uid under which the receiver was connected, if it has one.
    fn dispatch_uid(&self) -> Option<String>;

    /// Returns the sender for which the receiver was connected, in words, or `None` for any sender.
    fn sender_in_words(&self) -> Option<String>;

    /// Returns the number of its signal, or `None` if the signal has gone.
    fn signal_number(&self) -> Option<u64>;
}

/// A signal's tables, whatever the types of the signal.
pub(crate) trait Retires: Send + Sync {
    /// Frees every replaced table that is no longer held.
    fn free_retired(&self);
}
