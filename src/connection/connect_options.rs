//! The options of a connection: how users give them, and how a look shows them.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::{Arc, Weak};

use super::handle::Connection;
use super::sender_lives::sender_lives;
use crate::error::ConnectError;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::callee::{Callee, Strong, Weakly};
use crate::receiver::entry::{About, Receive};
use crate::receiver::key::Identified;
use crate::receiver::kind::ReceiverKind;
use crate::receiver::limit::Limit;
use crate::receiver::options::Options;
use crate::receiver::slot::Slot;
use crate::receiver::{Entry, Hub};
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::link::Link;

/// The options of one connection. Made by [`Signal::options`], and used by
/// [`connect`](ConnectOptions::connect) or one of its siblings.
///
/// ```
/// use fanfare::{Sender, Signal};
///
/// static ORDERED: Signal<u32, &'static str> = Signal::new();
/// struct Shop;
///
/// ORDERED.connect(|_sender, _cents| "bill");
/// ORDERED
///     .options()
///     .sender(Sender::of::<Shop>())
///     .dispatch_uid("stock")
///     .priority(10)
///     .connect(|_sender, _cents| "reserve stock");
///
/// assert_eq!(*ORDERED.from(Sender::of::<Shop>()).send(&900), ["reserve stock", "bill"]);
/// assert_eq!(*ORDERED.from("web").send(&900), ["bill"]);
/// ```
#[must_use = "options do nothing until `connect`, `connect_weak`, `prepare` or `prepare_weak`"]
pub struct ConnectOptions<'s, E: Event, R: 'static = ()> {
    signal: &'s Signal<E, R>,
    options: Options,
}

impl<'s, E: Event, R: 'static> ConnectOptions<'s, E, R> {
    pub(crate) fn new(signal: &'s Signal<E, R>) -> Self {
        ConnectOptions {
            signal,
            options: Options::new(),
        }
    }

    pub(crate) fn signal(&self) -> &'s Signal<E, R> {
        self.signal
    }

    /// Sets the sender whose sends reach the receiver. Sends from other senders do not reach it.
    /// The default is [`Sender::NONE`], which means any sender.
    pub fn sender<'a>(mut self, sender: impl Into<Sender<'a>>) -> Self {
        self.options.sender = sender.into().to_key();
        self
    }

    /// Sets the uid, which identifies the connection in place of the receiver. A second connect
    /// with the same uid and the same sender has no effect, whatever its receiver is.
    ///
    /// # Panics
    ///
    /// Panics if `uid` is empty. Django ignores an empty uid, which hides mistakes.
    pub fn dispatch_uid(mut self, uid: impl Into<Cow<'static, str>>) -> Self {
        let uid = uid.into();
        assert!(
            !uid.is_empty(),
            "the dispatch_uid \"\" is empty: give it a text, or leave the option out"
        );
        self.options.rare_mut().uid = Some(uid);
        self
    }

    /// Sets the priority of the receiver. Receivers of higher priority run earlier. Receivers of
    /// the same priority run in the order in which they were connected. The default is 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Limits the receiver to one run, in the send that reaches it first. It is then disconnected.
    /// A run that panics counts.
    pub fn once(self) -> Self {
        self.max_calls(1)
    }

    /// Limits the receiver to `calls` runs, in the sends that reach it first. It is then
    /// disconnected. A run that panics counts. Replaces [`once`](ConnectOptions::once), which
    /// allows one run.
    ///
    /// Each event of a batch is one run. For a receiver that takes slices, the whole batch is one
    /// run. For a queued receiver, an event that is handed to its queue is one run, whatever
    /// becomes of it.
    ///
    /// # Panics
    ///
    /// Panics if `calls` is 0.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static ALARM: Signal<u32, u32> = Signal::new();
    /// let connection = ALARM.options().max_calls(2).connect(|_sender, code| *code);
    ///
    /// let calls: Vec<usize> = (0..3).map(|code| ALARM.send(&code).len()).collect();
    /// assert_eq!(calls, [1, 1, 0]);
    /// assert!(!connection.is_connected());
    /// ```
    #[track_caller]
    pub fn max_calls(mut self, calls: u32) -> Self {
        let calls = NonZeroU32::new(calls)
            .expect("`max_calls(0)` allows no run: give 1 or more, or leave the receiver out");
        self.options.rare_mut().limit = Some(Limit::calls(calls));
        self
    }

    /// Allows the receiver to block its thread in an async send.
    ///
    /// On a worker of tokio's multi-threaded runtime, the other tasks of that worker are handed on
    /// first (`block_in_place`), and the event stays borrowed. On a current-thread runtime, in a
    /// `LocalSet`, on another executor and in a blocking send, the receiver is called like any
    /// other receiver. If that is not acceptable, see `connect_offloaded`, which the feature
    /// `tokio` adds. In a `LocalSet` each such call runs the panic hook, and with `panic = "abort"`
    /// it ends the process. This option has no effect on an async receiver.
    ///
    /// # Panics
    ///
    /// Panics without the feature `tokio`.
    #[track_caller]
    pub fn blocking(mut self) -> Self {
        if !cfg!(feature = "tokio") {
            panic!(
                "`.blocking()` runs a receiver through tokio: enable fanfare's feature `tokio`, or \
                 leave the option out"
            );
        }
        self.options.kind = ReceiverKind::Blocking;
        self
    }

    /// Sets the name of the receiver in failures and in [`Signal::connections`]. The default is the
    /// name of its type.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options.rare_mut().name = Some(name.into());
        self
    }

    /// Connects `receiver`. See [`Signal::connect`].
    #[track_caller]
    pub fn connect<F>(self, receiver: F) -> Connection
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        let signal = self.signal;
        signal.connect_one(self.prepare(receiver))
    }

    /// Connects `receiver`, or returns it if the signal is [frozen](Signal::freeze).
    ///
    /// # Errors
    ///
    /// Returns [`ConnectError::Frozen`] with the place of the freeze and the receiver.
    ///
    /// ```
    /// use fanfare::Signal;
    /// use fanfare::error::ConnectError;
    ///
    /// static READY: Signal<(), u8> = Signal::new();
    /// assert!(READY.options().try_connect(|_sender, ()| 1).is_ok());
    /// READY.freeze();
    ///
    /// let refused = READY.options().try_connect(|_sender, ()| 2).unwrap_err();
    /// assert!(matches!(refused, ConnectError::Frozen { at, .. } if at.file().ends_with(".rs")));
    /// let receiver = refused.into_receiver();
    /// assert_eq!(receiver(fanfare::Sender::NONE, &()), 2);
    /// ```
    #[track_caller]
    pub fn try_connect<F>(self, receiver: F) -> Result<Connection, ConnectError<F>>
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        let signal = self.signal;
        let location = Location::caller();
        let hub = &signal.shared_hub();
        sender_lives(hub, self.options.sender.as_ref());
        let mut receiver = Some(receiver);
        let connected = signal.connect_made(hub, || {
            let receiver = receiver.take().map(Strong);
            let prepared = receiver.map(|receiver| self.slot_at(location, receiver));
            prepared
                .into_iter()
                .map(|prepared| prepared.into_entry(hub))
                .collect()
        });
        match (connected, receiver) {
            (Err(at), Some(receiver)) => Err(ConnectError::Frozen { at, receiver }),
            (connected, _) => {
                let connections = connected.into_iter().flatten();
                Ok(connections.last().expect("a handle for the receiver"))
            }
        }
    }

    /// Connects a method of an object that the signal does not keep alive. See
    /// [`Signal::connect_weak`].
    #[track_caller]
    pub fn connect_weak<T, M>(self, target: &Arc<T>, method: M) -> Connection
    where
        T: Send + Sync + 'static,
        M: Fn(&T, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        let signal = self.signal;
        signal.connect_one(self.prepare_weak(target, method))
    }

    /// Prepares a receiver for [`Signal::connect_many`].
    #[track_caller]
    pub fn prepare<F>(self, receiver: F) -> Prepared<E, R>
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.slot(Strong(receiver))
    }

    /// Prepares a method of an object that the signal does not keep alive. See
    /// [`prepare`](ConnectOptions::prepare).
    #[track_caller]
    pub fn prepare_weak<T, M>(self, target: &Arc<T>, method: M) -> Prepared<E, R>
    where
        T: Send + Sync + 'static,
        M: Fn(&T, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.slot(Weakly {
            target: Arc::downgrade(target),
            method,
        })
    }

    #[track_caller]
    pub(crate) fn slot<C: Callee<E, R>>(self, callee: C) -> Prepared<E, R> {
        self.slot_at(Location::caller(), callee)
    }

    fn slot_at<C: Callee<E, R>>(
        self,
        location: &'static Location<'static>,
        callee: C,
    ) -> Prepared<E, R> {
        let mut options = self.options;
        options.weak = C::WEAK;
        if C::KIND != ReceiverKind::Called {
            options.kind = C::KIND;
        }
        let about = About {
            link: Link::new(0),
            hub: Weak::new(),
            location,
            options,
        };
        Prepared(Arc::new(Slot::new(about, callee)))
    }
}

/// A receiver with its options, ready to be connected.
#[must_use = "a prepared receiver is not connected until `Signal::connect_many`"]
pub struct Prepared<E: Event, R: 'static = ()>(Arc<dyn Receive<E, R>>);

impl<E: Event, R: 'static> Prepared<E, R> {
    /// Returns the key that makes it the same as another receiver.
    pub(crate) fn identified(&self) -> Option<Identified> {
        self.0.identified()
    }

    /// Returns the same receiver, for this sender.
    pub(crate) fn for_sender(self, sender: Sender<'_>) -> Self {
        let Prepared(mut receiver) = self;
        Arc::get_mut(&mut receiver)
            .expect("nobody else has a prepared receiver")
            .about_mut()
            .options
            .sender = sender.to_key();
        Prepared(receiver)
    }

    /// Makes it a connection of `hub`, with a number of its own.
    pub(crate) fn into_entry(self, hub: &Arc<Hub<E, R>>) -> Entry<E, R> {
        let Prepared(mut receiver) = self;
        let about = Arc::get_mut(&mut receiver)
            .expect("nobody else has a prepared receiver")
            .about_mut();
        about.link = Link::new(ReceiverId::next());
        about.hub = Arc::downgrade(hub);
        Entry::new(receiver)
    }
}

/// One connection of a signal. [`Signal::connections`] returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The receiver's id.
    pub id: ReceiverId,
    /// Its name, or the name of its type.
    pub name: String,
    /// The place in the source where it was connected.
    pub location: &'static Location<'static>,
    /// The sender it was connected for, in words, with a name in quotes, or `None` for any sender.
    pub sender: Option<String>,
    /// Its uid.
    pub dispatch_uid: Option<String>,
    /// Its priority.
    pub priority: i32,
    /// The maximum number of its runs, or `None` for any number.
    pub max_calls: Option<u32>,
    /// `true` if it is a method of an object that the signal does not keep alive.
    pub weak: bool,
    /// The kind of the receiver, which decides how a send runs it.
    pub kind: ReceiverKind,
    /// `true` if a send would call it. A dead or spent receiver is not called.
    pub live: bool,
}

impl ConnectionInfo {
    pub(super) fn of<E: Event, R: 'static>(entry: &Entry<E, R>) -> Self {
        let about = entry.about();
        ConnectionInfo {
            id: entry.id(),
            name: entry.name().into_owned(),
            location: about.location,
            sender: about.options.sender.as_ref().map(ToString::to_string),
            dispatch_uid: about.options.uid().map(ToString::to_string),
            priority: about.options.priority,
            max_calls: about.options.limit().map(Limit::max_calls),
            weak: about.options.weak,
            kind: about.kind(),
            live: entry.is_connected(),
        }
    }
}
