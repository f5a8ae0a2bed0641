//! Disconnecting by key, by sender, or everything.

use std::any::TypeId;
use std::sync::Arc;

use super::freeze;
use crate::event::Event;
use crate::receiver::key::{Identified, Key};
use crate::receiver::{Entry, Table};
use crate::sender::Sender;
use crate::signal::Signal;

/// # Disconnecting
///
/// Each of these methods works as [`Connection::disconnect`](crate::Connection::disconnect) does,
/// and can be called from anywhere. Each panics if the signal is [frozen](Signal::freeze), even if
/// there is no receiver to disconnect.
impl<E: Event, R: 'static> Signal<E, R> {
    /// Disconnects a function, or a closure without captures, that was connected for any sender and
    /// without a uid. Returns `false` if it was not.
    ///
    /// This method does not compile for a callable with state, because each value of its type is a
    /// different receiver. Keep the [`Connection`](crate::Connection) of such a receiver.
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
    /// ```
    #[track_caller]
    pub fn disconnect<F>(&self, receiver: F) -> bool
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.disconnect_key(function(&receiver), Sender::NONE)
    }

    /// Disconnects a receiver that was connected for `sender`. See
    /// [`disconnect`](Signal::disconnect).
    #[track_caller]
    pub fn disconnect_from<'a, F>(&self, sender: impl Into<Sender<'a>>, receiver: F) -> bool
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.disconnect_key(function(&receiver), sender.into())
    }

    /// Disconnects a receiver wherever it was connected, for any sender and for each sender, and
    /// returns the number of connections that this ended. Looks at every connection. See
    /// [`disconnect`](Signal::disconnect).
    #[track_caller]
    pub fn disconnect_everywhere<F>(&self, receiver: F) -> usize
    where
        F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.disconnect_identified(&function(&receiver))
    }

    /// Disconnects a method that was connected for `target`, for any sender and without a uid.
    /// Returns `false` if it was not. This method does not compile for a callable with state.
    #[track_caller]
    pub fn disconnect_weak<T, M>(&self, target: &Arc<T>, method: M) -> bool
    where
        T: Send + Sync + 'static,
        M: Fn(&T, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        self.disconnect_weak_from(Sender::NONE, target, method)
    }

    /// Disconnects a method that was connected for `target` and for `sender`. See
    /// [`disconnect_weak`](Signal::disconnect_weak).
    #[track_caller]
    pub fn disconnect_weak_from<'a, T, M>(
        &self,
        sender: impl Into<Sender<'a>>,
        target: &Arc<T>,
        method: M,
    ) -> bool
    where
        T: Send + Sync + 'static,
        M: Fn(&T, Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        const {
            assert!(
                size_of::<M>() == 0,
                "a callable with state cannot be told from others of its type: keep its Connection and disconnect that"
            )
        }
        let _ = method;
        let target = Arc::downgrade(target);
        match Identified::method::<M>(target) {
            Some(method) => self.disconnect_key(method, sender.into()),
            None => false,
        }
    }

    /// Disconnects the receiver that was connected under `uid` for any sender. Returns `false` if
    /// there was no such receiver.
    #[track_caller]
    pub fn disconnect_uid(&self, uid: &str) -> bool {
        self.disconnect_key(Identified::Uid(uid.to_owned().into()), Sender::NONE)
    }

    /// Disconnects the receiver that was connected under `uid` for `sender`. Returns `false` if
    /// there was no such receiver.
    #[track_caller]
    pub fn disconnect_uid_from<'a>(&self, sender: impl Into<Sender<'a>>, uid: &str) -> bool {
        self.disconnect_key(Identified::Uid(uid.to_owned().into()), sender.into())
    }

    /// Disconnects the receivers that were connected under `uid`, for any sender and for each
    /// sender, and returns their number. Looks at every connection.
    #[track_caller]
    pub fn disconnect_uid_everywhere(&self, uid: &str) -> usize {
        self.disconnect_identified(&Identified::Uid(uid.to_owned().into()))
    }

    /// Disconnects every receiver that was connected for `sender` alone, and returns their number.
    /// [`Sender::NONE`] stands for the receivers that were connected for any sender.
    #[track_caller]
    pub fn disconnect_sender<'a>(&self, sender: impl Into<Sender<'a>>) -> usize {
        let sender = sender.into();
        self.disconnect_these(|table| table.connected_for(sender.probe()))
    }

    /// Disconnects every receiver, and returns their number.
    #[track_caller]
    pub fn disconnect_all(&self) -> usize {
        self.disconnect_these(|table| table.entries().cloned().collect())
    }

    #[track_caller]
    fn disconnect_key(&self, receiver: Identified, sender: Sender<'_>) -> bool {
        let sender = sender.to_key();
        let key = Key { receiver, sender };
        match self.hub.get().map(|hub| hub.disconnect_key(&key)) {
            None => false,
            Some(Ok(found)) => found,
            Some(Err(at)) => freeze::refuse_to_disconnect(at),
        }
    }

    #[track_caller]
    fn disconnect_identified(&self, receiver: &Identified) -> usize {
        self.disconnect_these(|table| {
            let entries = table.entries();
            entries
                .filter(|entry| entry.identified().as_ref() == Some(receiver))
                .cloned()
                .collect()
        })
    }

    #[track_caller]
    fn disconnect_these(&self, select: impl FnOnce(&Table<E, R>) -> Vec<Entry<E, R>>) -> usize {
        match self.hub.get().map(|hub| hub.disconnect_these(select)) {
            None => 0,
            Some(Ok(taken)) => taken,
            Some(Err(at)) => freeze::refuse_to_disconnect(at),
        }
    }
}

fn function<F: 'static>(_receiver: &F) -> Identified {
    const {
        assert!(
            size_of::<F>() == 0,
            "a callable with state cannot be told from others of its type: keep its Connection and disconnect that"
        )
    }
    Identified::Function(TypeId::of::<F>())
}
