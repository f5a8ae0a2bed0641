//! The places that receivers are connected to and disconnected from.

use super::prepared::{ConnectionKey, Prepared};
use crate::event::Event;

/// A place that receivers are connected to and disconnected from with
/// [`ConnectOptions`](crate::ConnectOptions).
///
/// It is a `&Signal`, the [`Changes`](crate::connections::Changes) of a signal, or a model by its
/// name (in `fanfare-django`). Its methods are hidden, because no other crate is meant to implement
/// it.
///
/// ```
/// use fanfare::connections::ConnectTarget;
/// use fanfare::{ConnectOptions, Signal};
///
/// /// Connects a receiver to whatever the options are for.
/// fn connect_log<T: ConnectTarget<u32, ()>>(options: ConnectOptions<u32, (), T>) -> T::Connected {
///     options.priority(-10).connect(|_sender, id| println!("saved {id}"))
/// }
///
/// static SAVED: Signal<u32> = Signal::new();
/// assert!(connect_log(SAVED.options().sender("shop.Order")).is_new());
/// let connections = SAVED.change(|changes| connect_log(changes.options()));
/// assert_eq!(connections.len(), 1);
/// ```
pub trait ConnectTarget<E: Event, R: 'static>: Sized {
    /// The result of a connect: a [`Connection`](crate::Connection) for a signal.
    type Connected;

    /// The result of a disconnect: `true` for a signal if the receiver was connected.
    type Disconnected;

    #[doc(hidden)]
    #[track_caller]
    fn connect(self, receiver: Prepared<E, R>) -> Self::Connected;

    #[doc(hidden)]
    #[track_caller]
    fn disconnect(self, receiver: ConnectionKey) -> Self::Disconnected;
}
