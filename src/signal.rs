//! The signal: where receivers connect and senders send.

use std::fmt;
use std::ops::ControlFlow;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::any_thread::AnyThread;
use crate::connect::{ConnectOptions, Prepared};
use crate::connection::Connection;
use crate::error::TrySendError;
use crate::event::Event;
use crate::freeze;
use crate::identity::DropsSender;
use crate::once_arc::OnceArc;
use crate::receiver::{Entry, ReceiverId};
use crate::responses::{Response, Responses, RobustResponses};
use crate::send;
use crate::send::emitter::Emitter;
use crate::sender::{Sender, SenderKey};
use crate::table::Table;
use crate::table::publish::{Connected, Hub, Opening, Place};

/// A typed signal: receivers connect to it, and a send calls those that its sender
/// reaches.
///
/// `E` is what is sent (see [`Event`]), `R` what each receiver answers. A signal is
/// usually a `static`; one inside a struct works as well, and its receivers go with it.
///
/// # What a send sees
///
/// It takes a snapshot before its first call. Receivers connected before it started are
/// called, in order of priority and then of connecting. One that is disconnected while
/// the send runs, by another receiver or on another thread, is still called by it; one
/// that is connected meanwhile is not. A send from inside a receiver takes a snapshot of
/// its own.
///
/// # Re-entry
///
/// Receivers, and destructors of receivers, may do anything with the signal: connect,
/// disconnect, send. No lock is held while they run. A send panics when sends are nested 1,000 deep
/// on its thread, or when the stack of the thread has too little room for one more, so that
/// unbounded recursion does not overflow the stack. See "Bounds" in `docs/guarantees.md`.
///
/// # Progress
///
/// A send to a signal without receivers is one or two loads. Any other send takes the
/// snapshot as `arc_swap` does it: lock-free, and wait-free but for the first send of a
/// thread and once in `usize::MAX / 4` loads; with the feature `asymmetric`, wait-free but for
/// the first send of a thread. It never waits for a connect or for another send. Connecting and
/// disconnecting block one another, for a microsecond or two each.
/// `docs/guarantees.md` has a row for each operation.
pub struct Signal<E: Event, R: 'static = ()> {
    pub(crate) hub: AnyThread<OnceArc<Hub<Table<E, R>>>>,
}

pub(crate) type SharedHub<E, R> = Arc<Hub<Table<E, R>>>;

// What runs inside the signal's own steps cannot panic half-way: receivers run outside.
impl<E: Event, R: 'static> UnwindSafe for Signal<E, R> {}
impl<E: Event, R: 'static> RefUnwindSafe for Signal<E, R> {}

impl<E: Event, R: 'static> Signal<E, R> {
    /// Makes a signal without receivers. Allocates nothing until the first connect.
    pub const fn new() -> Self {
        Signal {
            hub: AnyThread::new(OnceArc::new()),
        }
    }

    pub(crate) fn hub(&self) -> &Hub<Table<E, R>> {
        self.hub.get_or_init(Hub::new)
    }

    pub(crate) fn shared_hub(&self) -> SharedHub<E, R> {
        self.hub();
        self.hub.to_arc().expect("it has just been made")
    }

    /// How a send reaches the receivers.
    #[inline]
    pub(crate) fn opening(&self) -> Opening<'_, Table<E, R>> {
        match self.hub.get() {
            Some(hub) => hub.opening(),
            None => Opening::Nobody,
        }
    }

    /// What sends walk, unless nothing is connected.
    #[inline]
    pub(crate) fn occupied(&self) -> Option<&Hub<Table<E, R>>> {
        self.hub.get().filter(|hub| hub.is_occupied())
    }
}

/// # Connecting
impl<E: Event, R: 'static> Signal<E, R> {
    /// Connects `receiver` for any sender.
    ///
    /// The signal owns it until it is disconnected. A function, or a closure that captures
    /// nothing, can be connected once: a second connect of the same one changes nothing
    /// and returns a handle to the first, whose [`is_new`](Connection::is_new) is false.
    /// Closures that capture, and function pointers, are always new: give them a
    /// [`dispatch_uid`](ConnectOptions::dispatch_uid) to be told apart.
    ///
    /// Every send that starts after this returns calls the receiver. Costs a few microseconds,
    /// and little more where a million are connected; on average, where receivers have keys,
    /// for those are in a hash table that grows. Blocks while another thread changes the signal's
    /// connections, never for a running receiver.
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
    /// assert_eq!(*DONE.send(Sender::NONE, &7), ["job 7 is done"]);
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
    /// Once the last `Arc` of the target is gone no send calls the method, except for
    /// those that had started. The connection itself is then taken out by the next send
    /// that meets it, by a connect whenever the number of weak receivers has doubled, or by
    /// [`purge`](Signal::purge). So each death costs one send, or one connect, less than a
    /// microsecond: call `purge` elsewhere if very many targets die at once.
    ///
    /// A function, or a closure that captures nothing, is the same receiver when it is
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
    /// assert_eq!(*ASKED.send(Sender::NONE, &9), [5]);
    /// drop(shelf);
    /// assert!(ASKED.send(Sender::NONE, &9).is_empty());
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
    /// A send sees all of them or none. Costs much less than one `connect` for each. What
    /// is a duplicate is left out, also within `receivers`. Returns a handle for each, in
    /// the same order.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static SQUARE: Signal<u64, u64> = Signal::new();
    ///
    /// let receivers = (0..1_000).map(|n| SQUARE.options().prepare(move |_sender, x| n * x));
    /// let connections = SQUARE.connect_many(receivers);
    /// assert_eq!(connections.len(), 1_000);
    /// assert_eq!(SQUARE.send(Sender::NONE, &2)[999], 1_998);
    /// ```
    ///
    /// # Panics
    ///
    /// If the signal is [frozen](Signal::freeze). Then no receiver is connected.
    #[track_caller]
    pub fn connect_many(
        &self,
        receivers: impl IntoIterator<Item = Prepared<E, R>>,
    ) -> Vec<Connection> {
        let hub = &self.shared_hub();
        // Collected first: the iterator is the user's, and the lock is not taken for it.
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

    /// Connects the receivers that `make` returns. It runs under the lock, and not at all if the
    /// signal is frozen; it must call no user code. [`sender_lives`] has been called for each.
    pub(crate) fn connect_made(
        &self,
        hub: &SharedHub<E, R>,
        make: impl FnOnce() -> Vec<Entry<E, R>>,
    ) -> Result<Vec<Connection>, Place> {
        let connected = hub.connect(make)?;
        let handles = connected.into_iter().map(|Connected { entry, is_new }| {
            if !sender_lives(hub, entry.sender()) {
                // A signal that was frozen meanwhile keeps it: no send can be from that sender.
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

/// # Sending
impl<E: Event, R: 'static> Signal<E, R> {
    /// Calls each receiver that `sender` reaches, one after the other on this thread, and
    /// returns their answers.
    ///
    /// Allocates nothing if `R` has no content (see [`Responses`]) and no more than 16 weak
    /// receivers are reached. Costs its receivers plus what `arc_swap` takes for a snapshot,
    /// 10 to 20 ns, whatever is connected for other senders.
    ///
    /// # Panics
    ///
    /// With the panic of the first receiver that does: later ones do not run and the
    /// earlier answers are lost. The signal is as good as before. Also if sends are nested
    /// too deep: see [`Signal`].
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static ADD: Signal<(), u8> = Signal::new();
    /// struct Till;
    ///
    /// ADD.connect(|_sender, ()| 1);
    /// ADD.options().sender(Sender::of::<Till>()).connect(|_sender, ()| 2);
    /// assert_eq!(*ADD.send(Sender::of::<Till>(), &()), [1, 2]);
    /// assert_eq!(*ADD.send(Sender::NONE, &()), [1]);
    /// ```
    #[inline(always)]
    pub fn send<'a>(&self, sender: impl Into<Sender<'a>>, event: &E::Args<'_>) -> Responses<R> {
        match self.opening() {
            Opening::Live(hub) => {
                let sender = sender.into();
                send::collect(hub, || hub.snapshot(), &sender, event)
            }
            Opening::Nobody => Responses::new(),
            Opening::Frozen(hub, table) => send::collect_frozen(hub, table, &sender.into(), event),
        }
    }

    /// As [`send`](Signal::send), but a panic of a receiver is caught and becomes its
    /// outcome; the others run.
    ///
    /// Each failure is also reported once, as a `tracing` event at level error and target
    /// `fanfare` with the feature `tracing`. A failing report fails nothing. Catching needs
    /// `panic = "unwind"`.
    ///
    /// # Panics
    ///
    /// If sends are nested too deep: see [`Signal`].
    #[inline]
    pub fn send_robust<'a>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
    ) -> RobustResponses<R> {
        let sender = sender.into();
        match self.opening() {
            Opening::Live(hub) => send::robust::collect(hub, || hub.snapshot(), &sender, event),
            Opening::Nobody => RobustResponses::new(),
            Opening::Frozen(hub, table) => send::robust::collect(hub, || table, &sender, event),
        }
    }

    /// As [`send`](Signal::send), but stops at the first answer that satisfies `enough` and
    /// returns it; `None` if none did.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static MAY_CLOSE: Signal<u32, Result<(), &'static str>> = Signal::new();
    /// MAY_CLOSE.connect(|_sender, unsaved| if *unsaved == 0 { Ok(()) } else { Err("unsaved work") });
    ///
    /// let veto = MAY_CLOSE.send_until(Sender::NONE, &2, Result::is_err);
    /// assert_eq!(veto.unwrap().value, Err("unsaved work"));
    /// assert!(MAY_CLOSE.send_until(Sender::NONE, &0, Result::is_err).is_none());
    /// ```
    pub fn send_until<'a>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
        mut enough: impl FnMut(&R) -> bool,
    ) -> Option<Response<R>> {
        let first = self.send_each(sender, event, |receiver, value| {
            if enough(&value) {
                ControlFlow::Break(Response { receiver, value })
            } else {
                ControlFlow::Continue(())
            }
        });
        first.break_value()
    }

    /// As [`send`](Signal::send), but hands each answer to `each` as it comes, with its
    /// receiver, and stops where `each` breaks. Allocates nothing whatever `R` is, but for
    /// more than 16 weak receivers.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    /// use std::ops::ControlFlow;
    ///
    /// static VOTE: Signal<(), bool> = Signal::new();
    /// for n in 0..5 {
    ///     VOTE.connect(move |_sender, ()| n % 2 == 0);
    /// }
    /// let mut ayes = 0;
    /// let _ = VOTE.send_each(Sender::NONE, &(), |_receiver, aye| {
    ///     ayes += u32::from(aye);
    ///     ControlFlow::<()>::Continue(())
    /// });
    /// assert_eq!(ayes, 3);
    /// ```
    pub fn send_each<'a, B>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
        mut each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let sender = sender.into();
        match self.opening() {
            Opening::Live(hub) => send::each(hub, || hub.snapshot(), &sender, event, &mut each),
            Opening::Nobody => ControlFlow::Continue(()),
            Opening::Frozen(hub, table) => send::each(hub, || table, &sender, event, &mut each),
        }
    }

    /// Returns a handle for sending over and over from one place; see its price there. Allocates, and
    /// waits for a change of this signal that is under way.
    pub fn emitter(&self) -> Emitter<'_, E, R> {
        Emitter::new(self.hub())
    }

    /// Whether a send from `sender` that started now would call anything: receivers for
    /// any sender count, those of `sender` count, dead and spent ones do not.
    ///
    /// A few loads if nothing at all is connected. Takes out the dead receivers that it passes, as a
    /// send does.
    pub fn has_listeners<'a>(&self, sender: impl Into<Sender<'a>>) -> bool {
        self.has_listener(&sender.into(), |_| true)
    }
}

/// # Sending to receivers that can fail
impl<E: Event, T: 'static, X: 'static> Signal<E, Result<T, X>> {
    /// As [`send`](Signal::send), but stops at the first `Err`.
    ///
    /// The `Err` of an async receiver ends the send as its panic does: each async receiver has
    /// begun, and those that have not finished are dropped.
    ///
    /// # Errors
    ///
    /// With that error, its receiver, and the answers that came before. Those of async receivers
    /// that had finished are lost, if the receiver is async.
    ///
    /// ```
    /// use fanfare::{Sender, Signal};
    ///
    /// static PAY: Signal<u32, Result<u32, String>> = Signal::new();
    /// PAY.connect(|_sender, cents| Ok(cents / 100));
    /// PAY.connect(|_sender, cents| Err(format!("{cents} cents are too few")));
    /// PAY.connect(|_sender, _cents| unreachable!());
    ///
    /// let stopped = PAY.try_send(Sender::NONE, &250).unwrap_err();
    /// assert_eq!(*stopped.before, [2]);
    /// assert_eq!(stopped.error, "250 cents are too few");
    /// ```
    pub fn try_send<'a>(
        &self,
        sender: impl Into<Sender<'a>>,
        event: &E::Args<'_>,
    ) -> Result<Responses<T>, TrySendError<T, X>> {
        let sender = sender.into();
        match self.opening() {
            Opening::Live(hub) => send::try_collect(hub, || hub.snapshot(), &sender, event),
            Opening::Nobody => Ok(Responses::new()),
            Opening::Frozen(hub, table) => send::try_collect(hub, || table, &sender, event),
        }
    }
}

/// Whether the sender has not died, which an identity can. See
/// [`IdentityState::remember`](crate::identity::IdentityState::remember).
pub(crate) fn sender_lives<E: Event, R: 'static>(
    hub: &SharedHub<E, R>,
    sender: Option<&SenderKey>,
) -> bool {
    match sender {
        Some(SenderKey::Identity(identity)) => {
            identity.remember(&(Arc::clone(hub) as Arc<dyn DropsSender>))
        }
        _ => true,
    }
}

impl<E: Event, R: 'static> Default for Signal<E, R> {
    fn default() -> Self {
        Signal::new()
    }
}

impl<E: Event, R: 'static> fmt::Debug for Signal<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("event", &std::any::type_name::<E>())
            .field("connections", &self.len())
            .finish()
    }
}

impl<E: Event, R: 'static> DropsSender for Hub<Table<E, R>> {
    fn drop_sender(&self, sender: &SenderKey) {
        // A frozen signal keeps them: no send can be from that sender any more.
        let _ = self.disconnect_these(|table| table.connected_for(Some(sender.probe())));
    }
}
