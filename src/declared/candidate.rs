//! The receivers that `#[receiver]` declares: their options, their senders, and the way in which
//! they are connected.

#![allow(missing_docs, reason = "no part of the interface")]

use std::any::Any;
use std::marker::PhantomData;

#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::connection::connect_options::{ConnectOptions, Prepared};
use crate::connection::handle::Connection;
use crate::event::Event;
use crate::receiver::callee::Callee;
#[cfg(feature = "async")]
use crate::receiver::entry::{Entry, Pinned};
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
#[cfg(feature = "async")]
use crate::receiver::kind::ReceiverKind;
use crate::sender::Sender;
use crate::signal::Signal;

/// An event whose crate decides which senders its declared receivers may name, and how a name
/// connects a receiver.
///
/// `Senders` has two methods of its own, which the expansion calls as it calls those of
/// [`AnySenders`]: `of` and `named`. The bounds are those of the crate.
pub trait DeclaresSenders: Event {
    type Senders: Default;
}

/// The signal that a receiver is declared for. Its methods `senders` differ by the event: the
/// expansion calls `(&Declares::of(signal)).senders()`, and the trait that needs no further
/// reference is taken.
pub struct Declares<E: Event, R: 'static>(PhantomData<fn() -> (E, R)>);

impl<E: Event, R: 'static> Declares<E, R> {
    pub fn of(_signal: &'static Signal<E, R>) -> Self {
        Declares(PhantomData)
    }
}

/// The senders of a signal whose event implements [`DeclaresSenders`].
pub trait SendersOfCrate {
    type Senders;

    fn senders(&self) -> Self::Senders;
}

impl<E: DeclaresSenders, R: 'static> SendersOfCrate for Declares<E, R> {
    type Senders = E::Senders;

    fn senders(&self) -> E::Senders {
        E::Senders::default()
    }
}

/// The senders of every other signal.
pub trait SendersOfAny {
    fn senders(&self) -> AnySenders;
}

impl<E: Event, R: 'static> SendersOfAny for &Declares<E, R> {
    fn senders(&self) -> AnySenders {
        AnySenders
    }
}

/// The senders of a signal whose event leaves them to the user.
pub struct AnySenders;

impl AnySenders {
    pub fn of<S: Any, E: Event, R: 'static>(
        self,
        options: ConnectOptions<'static, E, R>,
    ) -> Declaring<E, R> {
        Declaring::from(options.sender(Sender::of::<S>()))
    }

    pub fn named<N, E: Event, R: 'static>(
        self,
        _form: N,
        options: ConnectOptions<'static, E, R>,
        name: &'static str,
    ) -> Declaring<E, R> {
        Declaring::from(options.sender(Sender::named(name)))
    }
}

/// The form of a name in the attribute. `PARTS` is the number of its parts, which dots separate. It
/// is 0 if one of the parts is empty.
pub struct Name<const PARTS: usize>;

/// The options of a declared receiver, and how its name connects it, if its event's crate decides.
pub struct Declaring<E: Event, R: 'static> {
    options: ConnectOptions<'static, E, R>,
    by_name: Option<(&'static str, ByName<E, R>)>,
}

/// Connects a receiver by a name.
pub type ByName<E, R> = fn(&'static Signal<E, R>, &'static str, Prepared<E, R>) -> Declared;

impl<E: Event, R: 'static> From<ConnectOptions<'static, E, R>> for Declaring<E, R> {
    fn from(options: ConnectOptions<'static, E, R>) -> Self {
        Declaring {
            options,
            by_name: None,
        }
    }
}

impl<E: Event, R: 'static> Declaring<E, R> {
    pub fn by_name(
        options: ConnectOptions<'static, E, R>,
        name: &'static str,
        connect: ByName<E, R>,
    ) -> Self {
        Declaring {
            options,
            by_name: Some((name, connect)),
        }
    }

    /// Makes the receiver of `callee` and connects it.
    #[track_caller]
    pub(super) fn connect_slot<C: Callee<E, R>>(self, callee: C) -> Declared {
        let signal = self.options.signal();
        connect(signal, self.by_name, self.options.slot(callee))
    }
}

/// Connects a receiver to the signal, by the name if there is one.
#[track_caller]
fn connect<E: Event, R: 'static>(
    signal: &'static Signal<E, R>,
    by_name: Option<(&'static str, ByName<E, R>)>,
    receiver: Prepared<E, R>,
) -> Declared {
    match by_name {
        Some((name, connect)) => connect(signal, name, receiver),
        None => signal.connect_one(receiver).into(),
    }
}

/// The result of connecting a declared receiver, for the report.
pub struct Declared {
    sender: Option<String>,
    is_new: bool,
}

impl From<Connection> for Declared {
    fn from(connection: Connection) -> Self {
        Declared {
            sender: connection.sender_in_words(),
            is_new: connection.is_new(),
        }
    }
}

impl Declared {
    /// Returns the result for a receiver that waits for a sender, which `sender` describes.
    pub fn waiting(sender: String, is_new: bool) -> Self {
        Declared {
            sender: Some(sender),
            is_new,
        }
    }

    pub fn sender_in_words(&self) -> Option<String> {
        self.sender.clone()
    }

    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

/// Returns the options of a signal that lives forever. A `const` signal does not live forever: each
/// use of it makes a new one, and does not compile here.
pub fn options<E: Event, R: 'static>(
    signal: &'static Signal<E, R>,
) -> ConnectOptions<'static, E, R> {
    signal.options()
}

/// A function that `#[receiver]` is about to connect.
///
/// If a function that does not fit were an argument of `connect`, it would get the compiler's
/// advice for arguments, which makes no sense where the function is declared.
pub struct Candidate<E: Event, R: 'static, F> {
    /// The options of its connection.
    pub options: Declaring<E, R>,
    /// The function.
    pub function: F,
}

impl<E: Event, R: 'static, F> Candidate<E, R, F> {
    /// Connects the function.
    #[track_caller]
    pub fn connect(self) -> Declared
    where
        F: Receiver<E, R>,
    {
        let Declaring { options, by_name } = self.options;
        connect(options.signal(), by_name, self.function.prepare(options))
    }
}

/// A function that fits a signal. `Fn` would be two bounds, for arguments and for the response, and
/// would give two errors. This trait is one bound and gives one error.
pub trait Receiver<E: Event, R: 'static> {
    /// Prepares the function as a receiver.
    #[track_caller]
    fn prepare(self, options: ConnectOptions<'static, E, R>) -> Prepared<E, R>;
}

impl<E: Event, R: 'static, F> Receiver<E, R> for F
where
    F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    #[track_caller]
    fn prepare(self, options: ConnectOptions<'static, E, R>) -> Prepared<E, R> {
        options.prepare(self)
    }
}

#[cfg(feature = "async")]
impl<E: Event, R: 'static, F: Send + Sync + 'static> Candidate<E, R, F> {
    /// Connects the async function that `start` calls.
    ///
    /// The expansion writes `start`, instead of a bound on the function here. If the future cannot
    /// be boxed, the compiler then explains that by the values that the future holds.
    #[track_caller]
    pub fn connect_async<S>(self, start: S) -> Declared
    where
        S: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        let receiver = Started {
            start: Awaited(start),
            function: PhantomData::<F>,
        };
        self.options.connect_slot(receiver)
    }
}

/// An async function, identified by itself and not by the closure that starts it, because each
/// expansion has another closure.
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
    const KIND: ReceiverKind = ReceiverKind::Awaited;

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
