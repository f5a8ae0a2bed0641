//! Connecting to a signal.

use std::panic::Location;
use std::slice;
use std::sync::Arc;

use super::connect_options::ConnectOptions;
use super::freeze;
use super::handle::Connection;
use super::prepared::{ConnectionKey, Prepared};
use super::sender_lives::sender_lives;
use super::target::ConnectTarget;
use crate::error::ConnectError;
use crate::event::Event;
use crate::receiver::callee::Strong;
use crate::receiver::{Entry, Hub};
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::TableEntry;
use crate::table::hub::{Connected, Place};

/// # Connecting
impl<E: Event, R: 'static> Signal<E, R> {
    /// Connects `receiver` for any sender.
    ///
    /// The signal owns the receiver until it is disconnected. A function, or a closure that
    /// captures no variables, can be connected once. A second connect of the same one has no
    /// effect. It returns a handle to the first connection, and [`is_new`](Connection::is_new) of
    /// that handle returns `false`. Closures that capture variables, and function pointers, are
    /// always new. To identify one, give it a [`dispatch_uid`](ConnectOptions::dispatch_uid).
    ///
    /// Every send that starts after this returns calls the receiver. A connect costs a few
    /// microseconds, and little more if a million receivers are connected. If receivers have keys,
    /// this is an average, because the keys are in a hash table that grows. A connect blocks while
    /// another thread changes the signal's connections. It never waits for a running receiver.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static DONE: Signal<u32, String> = Signal::new();
    ///
    /// fn tell(_sender: Sender<'_>, job: &u32) -> String {
    ///     format!("job {job} is done")
    /// }
    ///
    /// assert!(DONE.connect(tell).is_new());
    /// assert!(!DONE.connect(tell).is_new());
    /// assert_eq!(*DONE.send(&7), ["job 7 is done"]);
    /// ```
    #[track_caller]
    pub fn connect<F>(&self, receiver: F) -> Connection
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.options().connect(receiver)
    }

    /// Connects a method of `target`, for any sender, without keeping `target` alive.
    ///
    /// Once the last `Arc` of the target is gone, no send calls the method, except for sends that
    /// had started. The connection itself is then taken out by the next send that reaches it, by a
    /// connect whenever the number of weak receivers has doubled, or by [`purge`](Signal::purge).
    /// So each death makes one send, or one connect, slower by less than a microsecond. If very
    /// many targets die at once, call `purge` elsewhere.
    ///
    /// A function, or a closure that captures no variables, is the same receiver when it is
    /// connected for the same `Arc` again.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use std::sync::Arc;
    ///
    /// static ASKED: Signal<u32, u32> = Signal::new();
    ///
    /// struct Shelf(u32);
    /// impl Shelf {
    ///     fn take(&self, _sender: Sender<'_>, n: &u32) -> u32 {
    ///         self.0.min(*n)
    ///     }
    /// }
    ///
    /// let shelf = Arc::new(Shelf(5));
    /// ASKED.connect_weak(&shelf, Shelf::take);
    /// assert_eq!(*ASKED.send(&9), [5]);
    /// drop(shelf);
    /// assert!(ASKED.send(&9).is_empty());
    /// ```
    ///
    /// The target may be a trait object, a slice or a text. The parameter of a function that takes
    /// a trait object is `&(dyn Trait + 'static)`. A method of the trait is passed by its path:
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use std::sync::Arc;
    ///
    /// static ASKED: Signal<u32, u32> = Signal::new();
    ///
    /// trait Store: Send + Sync {
    ///     fn take(&self, _sender: Sender<'_>, n: &u32) -> u32;
    /// }
    /// impl Store for [u32] {
    ///     fn take(&self, _sender: Sender<'_>, n: &u32) -> u32 {
    ///         self.iter().sum::<u32>().min(*n)
    ///     }
    /// }
    /// impl Store for u32 {
    ///     fn take(&self, _sender: Sender<'_>, n: &u32) -> u32 {
    ///         *self.min(n)
    ///     }
    /// }
    ///
    /// let object: Arc<dyn Store> = Arc::new(5);
    /// let slice: Arc<[u32]> = Arc::new([3, 4]);
    /// ASKED.connect_weak(&object, Store::take);
    /// ASKED.connect_weak(&slice, Store::take);
    /// assert_eq!(*ASKED.send(&9), [5, 7]);
    /// ```
    #[track_caller]
    pub fn connect_weak<T, M>(&self, target: &Arc<T>, method: M) -> Connection
    where
        T: ?Sized + Send + Sync + 'static,
        M: Fn(&T, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.options().connect_weak(target, method)
    }

    /// Starts a connect or a disconnect with options: a sender, a uid, a priority, a name, and
    /// others.
    pub fn options(&self) -> ConnectOptions<E, R, &Self> {
        ConnectOptions::new(self)
    }

    /// Connects the receiver that `make` returns. `make` runs under the lock, and does not run if
    /// the signal is frozen. It must call no user code. [`sender_lives`] has been called for each
    /// receiver.
    fn connect_made(
        &self,
        hub: &Arc<Hub<E, R>>,
        make: impl FnOnce() -> Entry<E, R>,
    ) -> Result<Connection, Place> {
        let connected = hub.change_by(|change| change.connect(make()))?;
        Ok(handle_of(hub, connected))
    }
}

/// Returns the handle of a receiver that was connected. If its sender has died meanwhile, the
/// receiver is disconnected.
pub(super) fn handle_of<E: Event, R: 'static>(
    hub: &Arc<Hub<E, R>>,
    connected: Connected<Entry<E, R>>,
) -> Connection {
    let Connected { entry, is_new } = connected;
    if let Some(signal) = hub.shared().signal.get() {
        signal.first_connect.get_or_init(|| entry.about().location);
    }
    if !sender_lives(hub, entry.sender()) || is_of_ended_scope(&entry) {
        // A signal that was frozen meanwhile keeps it, because no send can be from that sender.
        let _ = hub.disconnect(slice::from_ref(&entry));
    }
    new_handle(&entry, is_new)
}

/// Returns `true` if the receiver is of the scope of a test that has ended. The end of the scope
/// may have come before the receiver was in the table.
fn is_of_ended_scope<E: Event, R: 'static>(entry: &Entry<E, R>) -> bool {
    #[cfg(feature = "testing")]
    return entry
        .about()
        .options
        .scope()
        .is_some_and(|scope| scope.has_ended());
    #[cfg(not(feature = "testing"))]
    {
        let _ = entry;
        false
    }
}

fn new_handle<E: Event, R: 'static>(entry: &Entry<E, R>, is_new: bool) -> Connection {
    let slot = entry.to_arc().into_attached();
    Connection::new(Arc::downgrade(&slot), entry.id(), is_new)
}

/// Connects a receiver if `decide` calls its parameter, which it may do once. Returns the place of
/// the freeze if the signal is frozen, and does not call `decide` then.
///
/// `decide` runs under the lock of the signal and must call no user code. So it can connect the
/// receiver and store the handle in one step. A disconnect on another thread by that handle waits
/// for the lock.
pub fn try_connect_prepared<E: Event, R: 'static>(
    signal: &Signal<E, R>,
    receiver: Prepared<E, R>,
    decide: impl FnOnce(&mut dyn FnMut() -> Connection),
) -> Result<(), &'static Location<'static>> {
    let hub = &signal.shared_hub();
    let entry = receiver.into_entry(hub);
    sender_lives(hub, entry.sender());
    // If it is not connected, it is dropped after the lock is released.
    let mut entry = Some(entry);
    let mut connected = None;
    hub.change_by(|change| {
        decide(&mut || {
            let new = change.connect(entry.take().expect("it is connected once"));
            let handle = new_handle(&new.entry, new.is_new);
            connected = Some(new);
            handle
        });
    })?;
    if let Some(connected) = connected {
        // Its sender may have died meanwhile.
        handle_of(hub, connected);
    }
    Ok(())
}

impl<E: Event, R: 'static> ConnectTarget<E, R> for &Signal<E, R> {
    type Connected = Connection;
    type Disconnected = bool;

    fn connect(self, receiver: Prepared<E, R>) -> Connection {
        let hub = &self.shared_hub();
        let entry = receiver.into_entry(hub);
        sender_lives(hub, entry.sender());
        match self.connect_made(hub, || entry) {
            Ok(connection) => connection,
            Err(at) => freeze::refuse_to_connect(at),
        }
    }

    fn disconnect(self, receiver: ConnectionKey) -> bool {
        self.disconnect_key(receiver)
    }
}

/// # Connecting a signal that may be frozen
impl<E: Event, R: 'static> ConnectOptions<E, R, &Signal<E, R>> {
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
        let signal = self.target;
        let location = Location::caller();
        let hub = &signal.shared_hub();
        sender_lives(hub, self.options.sender.as_ref());
        let mut receiver = Some(receiver);
        let connected = signal.connect_made(hub, || {
            let receiver = receiver.take().expect("it is made once");
            Prepared::new(location, self.options, Strong(receiver)).into_entry(hub)
        });
        connected.map_err(|at| ConnectError::Frozen {
            at,
            receiver: receiver.expect("it was not made"),
        })
    }
}
