//! What the expansion of `#[receiver]` stands on. Not part of the interface.

pub use crate::registry::Registration;
pub use inventory::submit;

use crate::connect::ConnectOptions;
use crate::connection::Connection;
use crate::event::Event;
use crate::sender::Sender;
use crate::signal::Signal;

/// The options of a signal that lives for ever. A `const` signal does not: each use of it
/// makes a new one, and does not compile here.
pub fn options<E: Event, R: 'static>(
    signal: &'static Signal<E, R>,
) -> ConnectOptions<'static, E, R> {
    signal.options()
}

/// A function that `#[receiver]` is about to connect.
///
/// Passed as an argument of `connect`, a function that does not fit would get the
/// compiler's advice for arguments, which makes no sense where it is declared.
pub struct Candidate<E: Event, R: 'static, F> {
    /// How it is to be connected.
    pub options: ConnectOptions<'static, E, R>,
    /// The function.
    pub function: F,
}

impl<E: Event, R: 'static, F> Candidate<E, R, F> {
    /// Connects it.
    #[track_caller]
    pub fn connect(self) -> Connection
    where
        F: Receiver<E, R>,
    {
        self.function.connect(self.options)
    }
}

/// What fits a signal. One bound where `Fn` would be two, arguments and answer, and so
/// one error where there would be two.
pub trait Receiver<E: Event, R: 'static> {
    /// Connects it.
    #[track_caller]
    fn connect(self, options: ConnectOptions<'static, E, R>) -> Connection;
}

impl<E: Event, R: 'static, F> Receiver<E, R> for F
where
    F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    #[track_caller]
    fn connect(self, options: ConnectOptions<'static, E, R>) -> Connection {
        options.connect(self)
    }
}
