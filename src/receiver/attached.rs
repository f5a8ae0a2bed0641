//! A receiver as its handles refer to it, whatever the types of its signal.

use std::sync::{Arc, Weak};

use super::key::Identified;
use crate::error::HeldBy;
use crate::table::link::Quiet;
use crate::table::publish::Place;

/// A receiver, whatever the types of its signal.
pub(crate) trait Attached: Send + Sync {
    /// Takes the receiver out of its signal; false if it was out. An error if it is in, and
    /// the signal is frozen.
    fn detach(self: Arc<Self>) -> Result<bool, Place>;

    /// Whether sends still call it.
    fn is_connected(&self) -> bool;

    /// Whether this thread is inside a send of its signal, or inside the destructor of a
    /// receiver of it.
    fn is_inside(&self) -> bool;

    /// Returns what holds the receiver, which has been disconnected and has not gone.
    fn held_by(&self) -> HeldBy;

    /// Whether the receiver runs on threads that a child of `fork`, as this process is, does not
    /// have.
    fn is_left_to_parent(&self) -> bool;

    /// The flag that is set when the receiver has gone, for a caller that then drops its handle.
    fn watch(&self) -> Arc<Quiet>;

    /// The signal's part that frees replaced tables.
    fn retires(&self) -> Weak<dyn Retires>;

    /// Whether it can be called at all: false once a weak receiver's target has died.
    fn is_alive(&self) -> bool;

    /// What the receiver is called when it was given no name.
    fn type_name(&self) -> &'static str;

    /// What makes a receiver without uid the same as another.
    fn identity(&self) -> Option<Identified>;

    /// The sender it was connected for, in words; `None` for any.
    fn sender_in_words(&self) -> Option<String>;
}

/// A signal's tables, whatever the types of the signal.
pub(crate) trait Retires: Send + Sync {
    /// Frees every replaced table that nothing holds any more.
    fn free_retired(&self);
}
