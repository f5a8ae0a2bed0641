//! The receivers that `#[receiver]` declares: their options, their senders, and the way in which
//! they are connected.

#![allow(missing_docs, reason = "no part of the interface")]

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::connection::connect_options::ConnectOptions;
use crate::connection::handle::Connection;
use crate::connection::target::ConnectTarget;
use crate::event::Event;
#[cfg(feature = "async")]
use crate::kind::ReceiverKind;
#[cfg(feature = "async")]
use crate::receiver::callee::Callee;
#[cfg(feature = "async")]
use crate::receiver::entry::Entry;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
#[cfg(feature = "async")]
use crate::receiver::pin::Pinned;
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
    pub fn of<S: Any, E: Event, R: 'static>(self, options: Options<E, R>) -> Options<E, R> {
        options.sender(Sender::of::<S>())
    }

    pub fn named<N, E: Event, R: 'static>(
        self,
        _form: N,
        options: Options<E, R>,
        name: &'static str,
    ) -> Options<E, R> {
        options.sender(Sender::named(name))
    }
}

/// The form of a name in the attribute. `PARTS` is the number of its parts, which dots separate. It
/// is 0 if one of the parts is empty.
pub struct Name<const PARTS: usize>;

/// The options of a declared receiver.
pub type Options<E, R> = ConnectOptions<E, R, &'static Signal<E, R>>;

/// The result of connecting a declared receiver, for the report.
#[derive(Clone)]
pub struct Declared {
    sender: Option<String>,
    dispatch_uid: Option<String>,
    durable: Option<String>,
    is_new: bool,
    handle: Handle,
}

#[derive(Clone)]
enum Handle {
    Connected(Connection),
    Waiting(Arc<dyn WaitingReceiver>),
}

/// A declared receiver without a connection: one that is connected as soon as its sender is known,
/// or a durable one, which waits for stored events and which no send calls.
pub trait WaitingReceiver: Send + Sync {
    /// Returns the connection, once there is one. A durable receiver has none.
    fn connection(&self) -> Option<Connection>;

    /// Returns `true` if the receiver waits.
    fn is_waiting(&self) -> bool;

    /// Prevents that the receiver is connected, or gets further stored events. Returns `true` if it
    /// waited.
    fn stop_waiting(&self) -> bool;
}

impl From<Connection> for Declared {
    fn from(connection: Connection) -> Self {
        Declared {
            sender: connection.sender_in_words(),
            dispatch_uid: connection.dispatch_uid(),
            durable: None,
            is_new: connection.is_new(),
            handle: Handle::Connected(connection),
        }
    }
}

impl Declared {
    /// Returns the result for a receiver that waits for a sender, which `sender` describes.
    pub fn waiting(
        sender: String,
        dispatch_uid: Option<String>,
        is_new: bool,
        receiver: impl WaitingReceiver + 'static,
    ) -> Self {
        Declared {
            sender: Some(sender),
            dispatch_uid,
            durable: None,
            is_new,
            handle: Handle::Waiting(Arc::new(receiver)),
        }
    }

    /// Returns the result for a durable receiver of this name.
    pub fn durable(name: String, is_new: bool, receiver: impl WaitingReceiver + 'static) -> Self {
        Declared {
            sender: None,
            dispatch_uid: None,
            durable: Some(name),
            is_new,
            handle: Handle::Waiting(Arc::new(receiver)),
        }
    }

    pub fn sender_in_words(&self) -> Option<String> {
        self.sender.clone()
    }

    pub fn dispatch_uid(&self) -> Option<String> {
        self.dispatch_uid.clone()
    }

    pub fn durable_name(&self) -> Option<String> {
        self.durable.clone()
    }

    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the connection, if there is one by now.
    pub fn connection(&self) -> Option<Connection> {
        match &self.handle {
            Handle::Connected(connection) => Some(connection.clone()),
            Handle::Waiting(receiver) => receiver.connection(),
        }
    }

    /// Returns `true` if the receiver waits for its sender, or for stored events.
    pub fn is_waiting(&self) -> bool {
        match &self.handle {
            Handle::Connected(_) => false,
            Handle::Waiting(receiver) => receiver.is_waiting(),
        }
    }

    /// Prevents that the receiver is connected, or gets further stored events. Returns `true` if it
    /// waited.
    pub fn stop_waiting(&self) -> bool {
        match &self.handle {
            Handle::Connected(_) => false,
            Handle::Waiting(receiver) => receiver.stop_waiting(),
        }
    }
}

/// Returns the options of a signal that lives forever. A `const` signal does not live forever: each
/// use of it makes a new one, and does not compile here.
///
/// A declared receiver is connected once for the whole process, also if a test does so in a scope.
pub fn options<E: Event, R: 'static>(signal: &'static Signal<E, R>) -> Options<E, R> {
    signal.options().outside_of_scopes()
}

/// Returns the same options for the place that `other` returns.
pub fn with_target<E: Event, R: 'static, T, U>(
    options: ConnectOptions<E, R, T>,
    other: impl FnOnce(T) -> U,
) -> ConnectOptions<E, R, U> {
    options.with_target(other)
}

/// A function that `#[receiver]` is about to connect.
///
/// If a function that does not fit were an argument of `connect`, it would get the compiler's
/// advice for arguments, which makes no sense where the function is declared.
pub struct Candidate<E: Event, R: 'static, T, F> {
    /// The options of its connection.
    pub options: ConnectOptions<E, R, T>,
    /// The function.
    pub function: F,
}

impl<E: Event, R: 'static, T: ConnectTarget<E, R, Connected: Into<Declared>>, F>
    Candidate<E, R, T, F>
{
    /// Connects the function.
    #[track_caller]
    pub fn connect(self) -> Declared
    where
        F: Receiver<E, R>,
    {
        self.function.connect_with(self.options).into()
    }
}

/// A function that fits a signal. `Fn` would be two bounds, for arguments and for the response, and
/// would give two errors. This trait is one bound and gives one error.
pub trait Receiver<E: Event, R: 'static> {
    /// Connects the function with these options.
    #[track_caller]
    fn connect_with<T: ConnectTarget<E, R>>(self, options: ConnectOptions<E, R, T>)
    -> T::Connected;
}

impl<E: Event, R: 'static, F> Receiver<E, R> for F
where
    F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    #[track_caller]
    fn connect_with<T: ConnectTarget<E, R>>(
        self,
        options: ConnectOptions<E, R, T>,
    ) -> T::Connected {
        options.connect(self)
    }
}

#[cfg(feature = "async")]
impl<E, R, T, F> Candidate<E, R, T, F>
where
    E: Event,
    R: 'static,
    T: ConnectTarget<E, R, Connected: Into<Declared>>,
    F: Send + Sync + 'static,
{
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
        self.options.connect_callee(receiver).into()
    }
}

/// An async function, identified by itself and not by the closure that starts it, because each
/// expansion has another closure.
#[cfg(feature = "async")]
pub(super) struct Started<F, S> {
    pub(super) start: Awaited<S>,
    pub(super) function: PhantomData<F>,
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
        pin: Option<&'a Pinned<'_>>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        self.start.start(entry, pin, sender, event)
    }
}
