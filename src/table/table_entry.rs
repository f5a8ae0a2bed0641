//! A receiver as a table needs it.

use super::hub::{self, Changed};
use super::tree::Item;
use crate::sender::SenderKey;

/// A handle to one connected receiver, as a table needs it.
pub(crate) trait TableEntry: hub::Entry + Item {
    /// Returns the sender that the receiver was connected for, or `None` for any sender.
    fn sender(&self) -> Option<&SenderKey>;

    /// Returns `true` if the receiver can be dead or spent while it is still in the table.
    fn is_mortal(&self) -> bool {
        self.is_weak() || self.is_limited()
    }

    /// Returns `true` if a send cannot simply call the receiver.
    fn is_special(&self) -> bool;

    /// Returns `true` if an async send awaits the receiver.
    fn is_awaited(&self) -> bool;

    /// Notes that the receiver's sender has sent to it.
    fn note_sent(&self);

    /// Returns `true` if the receiver's sender has sent to it.
    fn has_sent(&self) -> bool;

    /// The observers of a signal.
    type Tap: Send + Sync;

    /// The data of a signal that all its tables have in common.
    type Signal: Default;

    /// Shows a change of the receivers to the observers.
    fn report(&self, tap: &Self::Tap, change: Changed);
}
