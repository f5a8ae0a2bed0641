//! A signal together with the sender of the sends made through it.

use std::fmt;

use crate::event::Event;
use crate::sender::Sender;
use crate::signal::Signal;

/// A [`Signal`] together with the sender of the sends made through it. Made by [`Signal::from`].
///
/// It has the sending methods of the signal. It is `Copy` and does not allocate. A `&Signal`
/// converts into a `SignalFrom` without a sender, so a function that takes
/// `impl Into<SignalFrom<…>>` takes both.
///
/// ```
/// use fanfare::{Sender, Signal};
///
/// struct Order;
///
/// static SAVED: Signal<u32, &'static str> = Signal::new();
/// SAVED.connect(|_sender, _id| "any");
/// SAVED.options().sender(Sender::of::<Order>()).connect(|_sender, _id| "an order");
///
/// let orders = SAVED.from(Sender::of::<Order>());
/// assert_eq!(*orders.send(&7), ["any", "an order"]);
/// assert_eq!(*orders.send(&8), ["any", "an order"]);
/// assert_eq!(*SAVED.from("shop.Order").send(&9), ["any"]);
/// ```
#[must_use = "events are sent only by its methods"]
pub struct SignalFrom<'s, 'a, E: Event, R: 'static = ()> {
    pub(crate) signal: &'s Signal<E, R>,
    pub(crate) sender: Sender<'a>,
}

impl<E: Event, R: 'static> Clone for SignalFrom<'_, '_, E, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Event, R: 'static> Copy for SignalFrom<'_, '_, E, R> {}

impl<'s, E: Event, R: 'static> From<&'s Signal<E, R>> for SignalFrom<'s, 'static, E, R> {
    /// Returns the signal without a sender.
    #[inline(always)]
    fn from(signal: &'s Signal<E, R>) -> Self {
        SignalFrom {
            signal,
            sender: Sender::NONE,
        }
    }
}

impl<E: Event, R: 'static> fmt::Debug for SignalFrom<'_, '_, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalFrom")
            .field("signal", self.signal)
            .field("sender", &self.sender)
            .finish()
    }
}
