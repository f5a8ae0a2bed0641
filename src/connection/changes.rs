//! Several changes of a signal's receivers in one publication.

use std::borrow::Borrow;
use std::sync::Arc;

use super::connect::handle_of;
use super::connect_options::ConnectOptions;
use super::freeze;
use super::handle::Connection;
use super::handles::Connections;
use super::prepared::{ConnectionKey, Prepared};
use super::receiver_fn::ReceiverFn;
use super::removal::Removal;
use super::sender_lives::sender_lives;
use super::target::ConnectTarget;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::entry::OneSignal;
use crate::receiver::{Entry, Hub};
use crate::sender::Sender;
use crate::sender::into_sender::IntoSender;
use crate::signal::Signal;
use crate::table::TableEntry;

/// # Several changes at once
impl<E: Event, R: 'static> Signal<E, R> {
    /// Connects and disconnects several receivers in one publication: a send finds all of these
    /// changes made, or none of them. Returns the handles of the connected receivers, in the order
    /// of connecting.
    ///
    /// `build` notes the changes, and they are made after it has returned, in the order in which it
    /// noted them. If it panics, no change is made. It may use the signal. It runs on this thread,
    /// without a lock.
    ///
    /// A connect of many receivers costs much less here than one [`connect`](Signal::connect) for
    /// each. A receiver that is a duplicate, also within these changes, is left out, and its handle
    /// is for the receiver that was there first. A receiver takes its place among others of the
    /// same priority when it is noted: before a receiver that another connect adds after that.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use std::time::Duration;
    ///
    /// static PRICED: Signal<u32, u32> = Signal::new();
    /// fn half(_sender: Sender<'_>, price: &u32) -> u32 {
    ///     price / 2
    /// }
    /// fn double(_sender: Sender<'_>, price: &u32) -> u32 {
    ///     price * 2
    /// }
    ///
    /// let old = PRICED.change(|changes| {
    ///     changes.connect(half);
    ///     changes.options().priority(9).connect(|_sender, price| *price);
    /// });
    /// assert_eq!(*PRICED.send(&4), [4, 2]);
    ///
    /// // No send calls both `half` and `double`, or neither of them.
    /// let new = PRICED.change(|changes| {
    ///     changes.disconnect_each(&old);
    ///     for sender in ["EURUSD", "GBPUSD"] {
    ///         changes.options().sender(sender).connect(double);
    ///     }
    /// });
    /// assert_eq!(*PRICED.from("EURUSD").send(&4), [8]);
    ///
    /// // This waits until the old receivers have ended.
    /// assert_eq!(old.disconnect_and_wait(Duration::from_secs(5)), Ok(()));
    /// assert_eq!(new.disconnect(), 2);
    /// ```
    ///
    /// No change is of two signals. To replace receivers of several signals, keep one
    /// [`Connections`] for each signal.
    ///
    /// # Panics
    ///
    /// Panics if the signal is [frozen](Signal::freeze) and there is a change to make. Then no
    /// change is made.
    #[track_caller]
    pub fn change(&self, build: impl FnOnce(&mut Changes<E, R>)) -> Connections {
        let mut changes = Changes {
            hub: self.shared_hub(),
            steps: Vec::new(),
        };
        build(&mut changes);
        let Changes { hub, mut steps } = changes;
        for step in &mut steps {
            step.find_receivers(&hub);
        }
        steps.retain(|step| !step.is_empty());
        if steps.is_empty() {
            return Connections::default();
        }
        let connected = hub.change_by(|change| {
            let mut connected = Vec::with_capacity(steps.len());
            for step in steps {
                match step {
                    Step::Connect(entry) => connected.push(change.connect(entry)),
                    Step::Disconnect(removal) => {
                        removal.apply(change);
                    }
                    Step::DisconnectEach(_) => unreachable!("its receivers were found"),
                }
            }
            connected
        });
        match connected {
            Ok(connected) => {
                let handles = connected.into_iter().map(|it| handle_of(&hub, it));
                handles.collect()
            }
            Err(at) => freeze::refuse_to_change(at),
        }
    }
}

/// The changes of one [`Signal::change`], which makes them in one publication.
///
/// Its methods are called as those of a signal are, but they only note a change: they return no
/// handle, and not whether a receiver was connected. [`Signal::change`] returns the handles. For
/// receivers of other kinds, and for other options, see [`options`](Changes::options).
pub struct Changes<E: Event, R: 'static = ()> {
    hub: Arc<Hub<E, R>>,
    steps: Vec<Step<E, R>>,
}

enum Step<E: Event, R: 'static> {
    Connect(Entry<E, R>),
    Disconnect(Removal<E, R>),
    /// The handles are kept in the place of the receivers, so that a change that is noted does not
    /// hold them.
    DisconnectEach(Vec<Connection>),
}

impl<E: Event, R: 'static> Step<E, R> {
    /// Finds the receivers of handles that are still connected.
    fn find_receivers(&mut self, hub: &Arc<Hub<E, R>>) {
        if let Step::DisconnectEach(connections) = self {
            let mut ours = OneSignal::new(hub);
            let connected = connections.iter().filter(|it| it.is_connected());
            for slot in connected.filter_map(Connection::slot) {
                slot.join(&mut ours);
            }
            *self = Step::Disconnect(Removal::These(ours.into_entries()));
        }
    }

    /// Returns `true` if it changes nothing for certain.
    fn is_empty(&self) -> bool {
        matches!(self, Step::Disconnect(Removal::These(entries)) if entries.is_empty())
    }
}

impl<E: Event, R: 'static> Changes<E, R> {
    /// Connects `receiver` for any sender. See [`Signal::connect`].
    #[track_caller]
    pub fn connect<F>(&mut self, receiver: F)
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.options().connect(receiver);
    }

    /// Starts a connect or a disconnect with options. See [`Signal::options`].
    pub fn options(&mut self) -> ConnectOptions<E, R, &mut Self> {
        ConnectOptions::new(self)
    }

    /// Disconnects a function, or a closure without captures. See [`Signal::disconnect`].
    pub fn disconnect<F, K>(&mut self, receiver: F)
    where
        F: ReceiverFn<E, K>,
    {
        self.options().disconnect(receiver);
    }

    /// Disconnects the receivers that these handles are for, unless they have been disconnected
    /// before: `&connections`, or `[&connection]` for one.
    ///
    /// # Panics
    ///
    /// Panics if a receiver is connected to another signal. Then no change is made, unless the
    /// panic is caught inside the closure of [`Signal::change`].
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// let log = SAVED.connect(|_sender, _id| ());
    /// let index = SAVED.connect(|_sender, _id| ());
    /// SAVED.change(|changes| changes.disconnect_each([&log, &index]));
    /// assert_eq!(SAVED.receiver_count(), 0);
    /// ```
    #[track_caller]
    pub fn disconnect_each(&mut self, connections: impl IntoIterator<Item: Borrow<Connection>>) {
        let mut connected = Vec::new();
        for connection in connections {
            let connection: &Connection = connection.borrow();
            if connection.is_connected() {
                connected.push(connection.clone());
            }
        }
        for connection in &connected {
            let address = connection.slot().map(|slot| slot.signal_address());
            assert!(
                address.is_none_or(|address| address == Arc::as_ptr(&self.hub).addr()),
                "receiver {} is connected to another signal: disconnect it there",
                connection.id()
            );
        }
        self.steps.push(Step::DisconnectEach(connected));
    }

    /// Disconnects the receiver with this id. See [`Signal::disconnect_id`].
    pub fn disconnect_id(&mut self, receiver: ReceiverId) {
        self.take(Removal::Id(receiver));
    }

    /// Disconnects the receiver that was connected under `uid` for any sender. See
    /// [`Signal::disconnect_uid`].
    pub fn disconnect_uid(&mut self, uid: &str) {
        self.options().disconnect_uid(uid);
    }

    /// Disconnects every receiver that was connected for `sender` alone. [`Sender::NONE`] stands
    /// for the receivers that were connected for any sender.
    pub fn disconnect_sender<'a>(&mut self, sender: impl IntoSender<'a>) {
        self.take(Removal::Sender(sender.into_sender().to_key()));
    }

    /// Disconnects every receiver. See [`Signal::disconnect_all`].
    pub fn disconnect_all(&mut self) {
        self.take(Removal::All);
    }

    fn take(&mut self, removal: Removal<E, R>) {
        self.steps.push(Step::Disconnect(removal));
    }
}

impl<E: Event, R: 'static> ConnectTarget<E, R> for &mut Changes<E, R> {
    type Connected = ();
    type Disconnected = ();

    fn connect(self, receiver: Prepared<E, R>) {
        let entry = receiver.into_entry(&self.hub);
        sender_lives(&self.hub, entry.sender());
        self.steps.push(Step::Connect(entry));
    }

    fn disconnect(self, receiver: ConnectionKey) {
        self.take(Removal::Key(receiver));
    }
}
