//! Connecting to a signal.

use std::sync::Arc;

use super::connect_options::{ConnectOptions, Prepared};
use super::freeze;
use super::handle::Connection;
use super::sender_lives::sender_lives;
use crate::event::Event;
use crate::receiver::{Entry, Hub};
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::TableEntry;
use crate::table::publish::{Connected, Place};

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
    #[track_caller]
    pub fn connect_weak<T, M>(&self, target: &Arc<T>, method: M) -> Connection
    where
        T: Send + Sync + 'static,
        M: Fn(&T, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.options().connect_weak(target, method)
    }

    /// Starts a connection with options: a sender, a uid, a priority, once, a name.
    pub fn options(&self) -> ConnectOptions<'_, E, R> {
        ConnectOptions::new(self)
    }

    /// Connects many receivers in one publication, in their order.
    ///
    /// A send calls all of them or none of them. This costs much less than one `connect` for each.
    /// A receiver that is a duplicate, also within `receivers`, is left out. Returns a handle for
    /// each receiver, in the same order.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SQUARE: Signal<u64, u64> = Signal::new();
    ///
    /// let receivers = (0..1_000).map(|n| SQUARE.options().prepare(move |_sender, x| n * x));
    /// let connections = SQUARE.connect_many(receivers);
    /// assert_eq!(connections.len(), 1_000);
    /// assert_eq!(SQUARE.send(&2)[999], 1_998);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the signal is [frozen](Signal::freeze). Then no receiver is connected.
    #[track_caller]
    pub fn connect_many(
        &self,
        receivers: impl IntoIterator<Item = Prepared<E, R>>,
    ) -> Vec<Connection> {
        let hub = &self.shared_hub();
        // They are collected first: the iterator is the user's, and the lock is not taken for it.
        let mut entries = Vec::new();
        for receiver in receivers {
            let entry = receiver.into_entry(hub);
            sender_lives(hub, entry.sender());
            entries.push(entry);
        }
        match self.connect_made(hub, || entries) {
            Ok(connections) => connections,
            Err(at) => freeze::refuse_to_connect(at),
        }
    }

    /// Connects the receivers that `make` returns. `make` runs under the lock, and does not run if
    /// the signal is frozen. It must call no user code. [`sender_lives`] has been called for each
    /// receiver.
    pub(crate) fn connect_made(
        &self,
        hub: &Arc<Hub<E, R>>,
        make: impl FnOnce() -> Vec<Entry<E, R>>,
    ) -> Result<Vec<Connection>, Place> {
        let connected = hub.connect(make)?;
        let handles = connected.into_iter().map(|Connected { entry, is_new }| {
            if !sender_lives(hub, entry.sender()) {
                // A signal that was frozen meanwhile keeps it, because no send can be from that
                // sender.
                let _ = hub.disconnect(&entry);
            }
            let slot = entry.to_arc().into_attached();
            Connection::new(Arc::downgrade(&slot), entry.id(), is_new)
        });
        Ok(handles.collect())
    }

    #[track_caller]
    pub(crate) fn connect_one(&self, receiver: Prepared<E, R>) -> Connection {
        let connections = self.connect_many([receiver]);
        connections
            .into_iter()
            .next()
            .expect("a handle for each receiver")
    }
}
