//! The handle to a receiver that tables hold, and the operations of a send on a receiver.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::attached::Attached;
#[cfg(feature = "queue")]
use super::delivery::{Deliver, Observe, Shared};
#[cfg(feature = "async")]
use super::future::BoxFuture;
use super::in_use::SignalCell;
use super::key::{Identified, Key};
use super::options::Options;
use super::pin::Pinned;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::kind::{Mode, ReceiverKind};
#[cfg(feature = "tokio")]
use crate::nesting::Running;
use crate::responses::BatchResponses;
use crate::sender::{Sender, SenderKey};
use crate::table;
use crate::table::hub::{self, Changed, Place};
use crate::table::link::Link;
use crate::table::tree::{Item, Order};
use crate::tap::observer::{Described, ObservedReceiver, ReceiverChange};
use crate::tap::observers::Tap;
#[cfg(feature = "queue")]
use crate::tap::verdict::Verdict;

/// The table of a signal.
pub(crate) type Table<E, R> = table::Table<Entry<E, R>>;

/// The published table of a signal, and the lock of its changes.
pub(crate) type Hub<E, R> = hub::Hub<Table<E, R>>;

/// The receivers of one send.
pub(crate) type Selection<'t, E, R> = table::Selection<'t, Entry<E, R>>;

/// A receiver in a table: an `Arc` that points at its content.
///
/// The content of an `Arc<dyn _>` stands behind two counters at an offset that depends on its
/// alignment, so every call through one reads and adds that offset first. That is four instructions
/// and a load more for each receiver than through a `Box`. This handle has done so once.
pub(crate) struct Entry<E: Event, R: 'static>(NonNull<dyn Receive<E, R>>);

// SAFETY: it is an `Arc<dyn Receive>`, and `Receive` requires `Send + Sync`.
unsafe impl<E: Event, R: 'static> Send for Entry<E, R> {}
// SAFETY: as above.
unsafe impl<E: Event, R: 'static> Sync for Entry<E, R> {}

impl<E: Event, R: 'static> Entry<E, R> {
    pub(crate) fn new(receiver: Arc<dyn Receive<E, R>>) -> Self {
        let content = Arc::into_raw(receiver).cast_mut();
        // SAFETY: `Arc::into_raw` returns no null.
        Entry(unsafe { NonNull::new_unchecked(content) })
    }

    /// Returns the `Arc` that this entry is.
    pub(crate) fn to_arc(&self) -> Arc<dyn Receive<E, R>> {
        let content = self.0.as_ptr();
        // SAFETY: the pointer is of `Arc::into_raw`, and this entry holds one count.
        unsafe { Arc::increment_strong_count(content) };
        // SAFETY: as above. The count just added goes with the returned `Arc`.
        unsafe { Arc::from_raw(content) }
    }
}

impl<E: Event, R: 'static> Deref for Entry<E, R> {
    type Target = dyn Receive<E, R>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        // SAFETY: the content lives as long as the count that this entry holds, and
        // `Arc`s give out no exclusive reference while there is a second owner.
        unsafe { self.0.as_ref() }
    }
}

impl<E: Event, R: 'static> Clone for Entry<E, R> {
    fn clone(&self) -> Self {
        // SAFETY: the pointer is of `Arc::into_raw`, and this entry holds one count. The one added
        // is the clone's.
        unsafe { Arc::increment_strong_count(self.0.as_ptr()) };
        Entry(self.0)
    }
}

impl<E: Event, R: 'static> Drop for Entry<E, R> {
    fn drop(&mut self) {
        // SAFETY: the pointer is of `Arc::into_raw`, and gives back the count that this
        // entry holds.
        unsafe { Arc::decrement_strong_count(self.0.as_ptr()) };
    }
}

/// The operations of a send on a receiver.
pub(crate) trait Receive<E: Event, R: 'static>: Attached {
    /// Calls the receiver. A weak receiver is called only while its target is pinned.
    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R;

    /// Starts an async receiver: see [`Callee::start`].
    #[cfg(feature = "async")]
    fn start<'a>(
        &'a self,
        entry: &Entry<E, R>,
        pin: Option<&'a Pinned<'_>>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R>;

    /// Gives the event to a queued receiver's queue: see [`Callee::enqueue`].
    #[cfg(feature = "queue")]
    fn enqueue(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
    ) -> R;

    /// Gives the event to a queued receiver's queue: see [`Callee::enqueue_as`].
    #[cfg(feature = "queue")]
    fn enqueue_as(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
        observe: &Observe<'_>,
    ) -> (R, bool);

    /// Returns the verdict of a queued receiver's queue: see [`Callee::intake`].
    #[cfg(feature = "queue")]
    fn intake(&self, entry: &Entry<E, R>, sender: &Sender<'_>) -> Verdict;

    /// Returns the receiver as a queue holds it.
    #[cfg(feature = "queue")]
    fn into_deliver(self: Arc<Self>) -> Arc<dyn Deliver>;

    /// Returns the receiver as a [`Connection`](crate::Connection) refers to it.
    fn into_attached(self: Arc<Self>) -> Arc<dyn Attached>;

    /// Keeps a weak receiver's target alive. Returns `None` if the target has died.
    fn pin(&self) -> Option<Pinned<'_>>;

    /// Returns the receiver as observers see it.
    fn described(&self) -> &dyn Described;

    /// Returns the place of the receiver and the wishes of its user.
    fn about(&self) -> &About<E, R>;

    /// Returns the same as `about`, mutable, while this is the only handle to the receiver.
    fn about_mut(&mut self) -> &mut About<E, R>;

    /// Calls the receiver for several events: see [`Callee::call_slice`].
    fn call_slice(
        &self,
        sender: &Sender<'_>,
        events: &[E::Args<'_>],
        responses: &mut BatchResponses<R>,
    );

    /// Returns `true` if `call_slice` is one call, and not one for each event.
    fn takes_slices(&self) -> bool;
}

/// The place of a receiver, and the wishes of its user.
pub(crate) struct About<E: Event, R: 'static> {
    pub(crate) link: Link,
    pub(crate) hub: Weak<Hub<E, R>>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) options: Options,
}

impl<E: Event, R: 'static> About<E, R> {
    /// Returns the kind of the receiver, which the callable has decided.
    #[inline]
    pub(crate) fn kind(&self) -> ReceiverKind {
        self.options.kind
    }
}

impl<E: Event, R: 'static> dyn Receive<E, R> + '_ {
    pub(crate) fn id(&self) -> ReceiverId {
        ReceiverId::of(self.about().link.number())
    }

    /// Calls the receiver on a thread that is not in another send of its signal.
    #[cfg(feature = "tokio")]
    pub(crate) fn call_marked(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        let _running = Running::send(self.about().hub.as_ptr());
        self.call(sender, event)
    }

    /// Returns the name that the user gave, or that of the type.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        let given = self.about().options.name().cloned();
        given.unwrap_or(Cow::Borrowed(self.type_name()))
    }

    /// Returns the name, and the place of the connect.
    #[cfg(feature = "async")]
    pub(crate) fn place(&self) -> String {
        format!("{:?} of {}", self.name(), self.about().location)
    }

    /// Returns `true` if `receiver` is the receiver's half of its key.
    pub(crate) fn is_identified_by(&self, receiver: &Identified) -> bool {
        match (self.about().options.uid(), receiver) {
            (Some(uid), Identified::Uid(other)) => uid == other,
            (None, other) => self.identity().as_ref() == Some(other),
            (Some(_), _) => false,
        }
    }

    /// Returns the receiver's half of its key, if it has one.
    pub(crate) fn identified(&self) -> Option<Identified> {
        match self.about().options.uid().cloned() {
            Some(uid) => Some(Identified::Uid(uid)),
            None => self.identity(),
        }
    }
}

impl<E: Event, R: 'static> Item for Entry<E, R> {
    fn order(&self) -> Order {
        let about = self.about();
        Order::new(about.options.priority, about.link.number())
    }

    fn is(&self, other: &Self) -> bool {
        ptr::addr_eq(self.0.as_ptr(), other.0.as_ptr())
    }
}

impl<E: Event, R: 'static> hub::Entry for Entry<E, R> {
    type Key = Key;

    fn key(&self) -> Option<Key> {
        Some(Key {
            receiver: self.identified()?,
            sender: self.about().options.sender.clone(),
            #[cfg(feature = "testing")]
            scope: self.about().options.scope().map(|scope| scope.number),
        })
    }

    #[cfg(feature = "testing")]
    fn outer_keys(&self) -> Vec<Key> {
        let scope = self.about().options.scope();
        let own = scope.and_then(|_| self.key());
        let outer = scope.zip(own.as_ref());
        outer.map_or(Vec::new(), |(scope, key)| key.outwards(scope).collect())
    }

    fn link(&self) -> &Link {
        &self.about().link
    }

    fn is_weak(&self) -> bool {
        self.about().options.weak
    }

    fn is_limited(&self) -> bool {
        self.about().options.limit().is_some()
    }

    fn is_alive(&self) -> bool {
        Attached::is_alive(&**self)
    }
}

impl<E: Event, R: 'static> table::TableEntry for Entry<E, R> {
    fn sender(&self) -> Option<&SenderKey> {
        self.about().options.sender.as_ref()
    }

    fn is_special(&self) -> bool {
        self.is_mortal() || self.about().kind().is_special()
    }

    fn is_awaited(&self) -> bool {
        self.about().kind().is_awaited(Mode::Async)
    }

    fn note_sent(&self) {
        // Relaxed: it is a note that only people read. Row T1.
        self.about().options.sent.store(true, Ordering::Relaxed);
    }

    fn has_sent(&self) -> bool {
        // Relaxed: as in `note_sent`. Row T1.
        self.about().options.sent.load(Ordering::Relaxed)
    }

    type Tap = Tap;
    type Signal = SignalCell;

    fn report(&self, tap: &Tap, change: Changed) {
        let change = match change {
            Changed::Connected => ReceiverChange::Connected,
            Changed::Disconnected => ReceiverChange::Disconnected,
            Changed::Died => ReceiverChange::Died,
            Changed::Spent => ReceiverChange::UsedUp,
        };
        let receiver = ObservedReceiver(self.described());
        tap.show(|observer| observer.receiver_changed(&tap.signal, &receiver, change));
    }
}

/// Receivers of one signal.
pub(crate) struct OneSignal<E: Event, R: 'static> {
    hub: Arc<Hub<E, R>>,
    entries: Vec<Entry<E, R>>,
}

impl<E: Event, R: 'static> OneSignal<E, R> {
    pub(crate) fn new(hub: &Arc<Hub<E, R>>) -> Self {
        OneSignal {
            hub: Arc::clone(hub),
            entries: Vec::new(),
        }
    }

    /// Adds `entry` to `receivers`, which is a `OneSignal`. Returns `false` if it is of another
    /// signal.
    pub(super) fn join(receivers: &mut dyn Any, entry: Entry<E, R>) -> bool {
        let Some(ours) = receivers.downcast_mut::<Self>() else {
            return false;
        };
        let is_ours = ptr::eq(entry.about().hub.as_ptr(), Arc::as_ptr(&ours.hub));
        if is_ours {
            ours.entries.push(entry);
        }
        is_ours
    }

    pub(crate) fn into_entries(self) -> Vec<Entry<E, R>> {
        self.entries
    }

    /// Takes those of `receivers` that are of this signal out, in one publication.
    pub(super) fn detach(mut self, receivers: &[Arc<dyn Attached>]) -> Result<usize, Place> {
        for receiver in receivers {
            Arc::clone(receiver).join(&mut self);
        }
        let OneSignal { hub, entries } = self;
        hub.disconnect(&entries)
    }
}
