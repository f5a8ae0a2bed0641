//! What the expansion of `#[receiver]` stands on. Not part of the interface.

pub use crate::registry::Registration;
pub use inventory::submit;

#[cfg(feature = "async")]
use std::marker::PhantomData;

use crate::connect::ConnectOptions;
use crate::connection::Connection;
use crate::event::Event;
#[cfg(feature = "async")]
use crate::receiver::callee::{Awaited, Callee, Pinned};
#[cfg(feature = "async")]
use crate::receiver::{BoxFuture, Entry, Kind};
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

#[cfg(feature = "async")]
impl<E: Event, R: 'static, F: Send + Sync + 'static> Candidate<E, R, F> {
    /// Connects the async function that `start` calls.
    ///
    /// The expansion writes `start`, and not this a bound on the function: what keeps its
    /// future from being boxed is then explained by what the future holds.
    #[track_caller]
    pub fn connect_async<S>(self, start: S) -> Connection
    where
        S: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        let signal = self.options.signal();
        signal.connect_one(self.options.slot(Started {
            start: Awaited(start),
            function: PhantomData::<F>,
        }))
    }
}

/// An async function, known by itself and not by the closure that starts it: each
/// expansion has another one.
#[cfg(feature = "async")]
struct Started<F, S> {
    start: Awaited<S>,
    function: PhantomData<F>,
}

#[cfg(feature = "async")]
impl<E, R, F, S> Callee<E, R> for Started<F, S>
where
    E: Event,
    R: 'static,
    F: Send + Sync + 'static,
    S: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
{
    type Function = F;
    const KIND: Kind = Kind::Awaited;

    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        Callee::<E, R>::call(&self.start, sender, event)
    }

    fn start<'a>(
        &'a self,
        entry: &Entry<E, R>,
        pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        self.start.start(entry, pin, sender, event)
    }
}
