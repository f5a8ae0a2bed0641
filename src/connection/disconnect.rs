//! Disconnecting by function, uid, id or sender, or everything.

use std::sync::Arc;

use super::connect_options::ConnectOptions;
use super::freeze;
use super::prepared::ConnectionKey;
use super::receiver_fn::{self, ReceiverFn};
use super::removal::Removal;
use super::target::ConnectTarget;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::key::Identified;
use crate::receiver::options::Options;
use crate::sender::Sender;
use crate::signal::Signal;
use crate::signal_from::SignalFrom;

/// # Disconnecting
///
/// Each of these methods works as [`Connection::disconnect`](crate::Connection::disconnect) does,
/// and can be called from anywhere. Each panics if the signal is [frozen](Signal::freeze), even if
/// there is no receiver to disconnect.
///
/// To disconnect the receivers of one sender, write `SIGNAL.from(sender).disconnect_all()`. For one
/// receiver of one sender, and for methods of an object, see [`options`](Signal::options). For
/// several receivers in one publication, see [`change`](Signal::change).
impl<E: Event, R: 'static> Signal<E, R> {
    /// Disconnects a function, or a closure without captures, that was connected for any sender and
    /// without a uid. Returns `false` if it was not.
    ///
    /// The function may be a receiver of any kind: sync, async, queued, or one that takes slices.
    /// It may be connected by hand or by `#[receiver]`. A closure that calls a function is another
    /// receiver than the function: `disconnect(index)` does not find the closure that
    /// `connect_async(|sender, event| Box::pin(index(sender, event)))` has connected. Keep its
    /// [`Connection`](crate::Connection), or connect a function that returns a
    /// `BoxFuture`.
    ///
    /// This method does not compile for a callable with state, because each value of its type is a
    /// different receiver: see [`ReceiverFn`]. Keep the [`Connection`](crate::Connection) of such a
    /// receiver.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static LOG: Signal<u32> = Signal::new();
    /// fn log(_sender: Sender<'_>, line: &u32) {
    ///     println!("{line}");
    /// }
    ///
    /// LOG.connect(log);
    /// assert!(LOG.disconnect(log));
    /// assert!(!LOG.disconnect(log));
    ///
    /// // A closure in a variable has the types of its parameters.
    /// let log = |_sender: Sender<'_>, line: &u32| println!("{line}");
    /// LOG.connect(log);
    /// assert!(LOG.disconnect(log));
    /// ```
    ///
    /// A closure that captures a variable does not compile:
    ///
    /// ```compile_fail,E0080
    /// use fanfare::{Sender, Signal};
    ///
    /// static LOG: Signal<u32> = Signal::new();
    /// let level = 3;
    /// LOG.disconnect(move |_: Sender<'_>, line: &u32| println!("{level} {line}"));
    /// ```
    #[track_caller]
    pub fn disconnect<F, K>(&self, receiver: F) -> bool
    where
        F: ReceiverFn<E, K>,
    {
        self.options().disconnect(receiver)
    }

    /// Disconnects the receiver that was connected under `uid` for any sender. Returns `false` if
    /// there was no such receiver.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.options().dispatch_uid("index").connect(|_sender, _id| ());
    /// assert!(SAVED.disconnect_uid("index"));
    /// assert!(!SAVED.disconnect_uid("index"));
    /// ```
    #[track_caller]
    pub fn disconnect_uid(&self, uid: &str) -> bool {
        self.options().disconnect_uid(uid)
    }

    /// Disconnects the receiver with this id. Returns `false` if the signal has no such receiver.
    /// Looks at every connection: the [`Connection`](crate::Connection) of a receiver costs less.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32, u32> = Signal::new();
    /// SAVED.connect(|_sender, id| {
    ///     assert_ne!(*id, 7, "unlucky");
    ///     *id
    /// });
    ///
    /// // The receiver that fails is disconnected.
    /// let responses = SAVED.send_robust(&7);
    /// let (id, _panic) = responses.pairs().find(|(_, response)| response.is_err()).unwrap();
    /// assert!(SAVED.disconnect_id(id));
    /// assert_eq!(SAVED.receiver_count(), 0);
    /// ```
    #[track_caller]
    pub fn disconnect_id(&self, receiver: ReceiverId) -> bool {
        self.disconnect_by(Removal::Id(receiver)) == 1
    }

    /// Disconnects every receiver, and returns their number.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.connect(|_sender, _id| ());
    /// SAVED.options().sender("shop.Order").connect(|_sender, _id| ());
    /// assert_eq!(SAVED.disconnect_all(), 2);
    /// ```
    #[track_caller]
    pub fn disconnect_all(&self) -> usize {
        self.disconnect_by(Removal::All)
    }

    #[track_caller]
    fn disconnect_by(&self, removal: Removal<E, R>) -> usize {
        match self.hub.get().map(|hub| removal.apply_to(hub)) {
            None => 0,
            Some(Ok(taken)) => taken,
            Some(Err(at)) => freeze::refuse_to_disconnect(at),
        }
    }

    /// Disconnects the receiver with this key.
    #[track_caller]
    pub(super) fn disconnect_key(&self, key: ConnectionKey) -> bool {
        self.disconnect_by(Removal::Key(key)) == 1
    }
}

/// # Disconnecting
impl<E: Event, R: 'static> SignalFrom<'_, '_, E, R> {
    /// Disconnects every receiver that was connected for this sender alone, and returns their
    /// number. [`Sender::NONE`] stands for the receivers that were connected for any sender.
    ///
    /// # Panics
    ///
    /// Panics if the signal is [frozen](Signal::freeze).
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.connect(|_sender, _id| ());
    /// SAVED.options().sender("shop.Order").connect(|_sender, _id| ());
    /// SAVED.options().sender("shop.Order").connect(|_sender, _id| ());
    /// assert_eq!(SAVED.from("shop.Order").disconnect_all(), 2);
    /// assert_eq!(SAVED.receiver_count(), 1);
    /// ```
    #[track_caller]
    pub fn disconnect_all(self) -> usize {
        let sender = self.sender.to_key();
        self.signal.disconnect_by(Removal::Sender(sender))
    }
}

/// # Disconnecting
///
/// The options that count are [`sender`](ConnectOptions::sender) and
/// [`dispatch_uid`](ConnectOptions::dispatch_uid), as in Django's `disconnect`. A receiver is
/// disconnected with those with which it was connected. The other options have no effect.
impl<E: Event, R: 'static, T: ConnectTarget<E, R>> ConnectOptions<E, R, T> {
    /// Disconnects `receiver`, or, if the options have a uid, the receiver that was connected under
    /// this uid. See [`Signal::disconnect`].
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// fn index(_sender: Sender<'_>, _id: &u32) {}
    ///
    /// SAVED.options().sender("shop.Order").connect(index);
    /// assert!(!SAVED.disconnect(index), "it was not connected for any sender");
    /// assert!(SAVED.options().sender("shop.Order").disconnect(index));
    /// ```
    #[track_caller]
    pub fn disconnect<F, K>(self, receiver: F) -> T::Disconnected
    where
        F: ReceiverFn<E, K>,
    {
        let receiver = uid_or(&self.options, receiver_fn::identity(receiver));
        let key = ConnectionKey::new(receiver, self.options);
        self.target.disconnect(key)
    }

    /// Disconnects a method that was connected for `object`, sync or async. A callable with state
    /// does not compile, as in [`Signal::disconnect`]. The method must be the one that was
    /// connected, and not a closure that calls it. If it was connected for an `Arc<dyn Trait>`,
    /// pass an `Arc` of that type.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use std::sync::Arc;
    ///
    /// static ASKED: Signal<u32, u32> = Signal::new();
    /// struct Shelf(u32);
    /// impl Shelf {
    ///     fn take(&self, _sender: Sender<'_>, n: &u32) -> u32 {
    ///         self.0.min(*n)
    ///     }
    /// }
    ///
    /// let shelf = Arc::new(Shelf(5));
    /// ASKED.connect_weak(&shelf, Shelf::take);
    /// assert!(ASKED.options().disconnect_weak(&shelf, Shelf::take));
    /// ```
    ///
    /// A closure that captures a variable does not compile:
    ///
    /// ```compile_fail,E0080
    /// use fanfare::{Sender, Signal};
    /// use std::sync::Arc;
    ///
    /// static ASKED: Signal<u32> = Signal::new();
    /// let (shelf, level) = (Arc::new(5), 3);
    /// let method = move |_: &u32, _: Sender<'_>, _: &u32| assert_eq!(level, 3);
    /// ASKED.options().disconnect_weak(&shelf, method);
    /// ```
    #[track_caller]
    pub fn disconnect_weak<O, M, V>(self, object: &Arc<O>, method: M) -> T::Disconnected
    where
        O: ?Sized + Send + Sync + 'static,
        M: Fn(&'static O, Sender<'static>, &'static E::Args<'static>) -> V + Copy + 'static,
    {
        let receiver = receiver_fn::identity_of_method(object, method);
        let receiver = uid_or(&self.options, receiver);
        let key = ConnectionKey::of_object(receiver, self.options, object);
        self.target.disconnect(key)
    }

    /// Disconnects the receiver that was connected under `uid`, whatever uid the options have. See
    /// [`Signal::disconnect_uid`].
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.options().sender("shop.Order").dispatch_uid("index").connect(|_sender, _id| ());
    /// assert!(SAVED.options().sender("shop.Order").disconnect_uid("index"));
    /// ```
    #[track_caller]
    pub fn disconnect_uid(self, uid: &str) -> T::Disconnected {
        let key = ConnectionKey::new(named(uid), self.options);
        self.target.disconnect(key)
    }
}

/// # Disconnecting for every sender
impl<E: Event, R: 'static> ConnectOptions<E, R, &Signal<E, R>> {
    /// Disconnects a receiver wherever it was connected, for any sender and for each sender, and
    /// returns the number of connections that this ended. If the options have a uid, these are the
    /// connections under this uid. Looks at every connection. See [`Signal::disconnect`].
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// fn index(_sender: Sender<'_>, _id: &u32) {}
    ///
    /// SAVED.connect(index);
    /// SAVED.options().sender("shop.Order").connect(index);
    /// assert_eq!(SAVED.options().disconnect_everywhere(index), 2);
    /// ```
    #[track_caller]
    pub fn disconnect_everywhere<F, K>(self, receiver: F) -> usize
    where
        F: ReceiverFn<E, K>,
    {
        let receiver = uid_or(&self.options, receiver_fn::identity(receiver));
        self.target.disconnect_by(Removal::Everywhere(receiver))
    }

    /// Disconnects the receivers that were connected under `uid`, for any sender and for each
    /// sender, and returns their number. Looks at every connection.
    #[track_caller]
    pub fn disconnect_uid_everywhere(self, uid: &str) -> usize {
        self.target.disconnect_by(Removal::Everywhere(named(uid)))
    }
}

fn named(uid: &str) -> Identified {
    Identified::Uid(uid.to_owned().into())
}

/// Returns the uid of the options, or `receiver` if they have none.
fn uid_or(options: &Options, receiver: Identified) -> Identified {
    match options.uid() {
        Some(uid) => Identified::Uid(uid.clone()),
        None => receiver,
    }
}
