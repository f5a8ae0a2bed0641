//! The handle to a receiver that tables hold, and the operations of a send on a receiver.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};

use super::attached::Attached;
#[cfg(feature = "queue")]
use super::delivery::{Deliver, Shared};
#[cfg(feature = "async")]
use super::future::BoxFuture;
use super::key::{Identified, Key};
use super::kind::{Mode, ReceiverKind};
use super::options::Options;
use crate::event::Event;
use crate::id::ReceiverId;
#[cfg(feature = "tokio")]
use crate::nesting::Running;
use crate::responses::BatchResponses;
use crate::sender::{Sender, SenderKey};
use crate::table;
use crate::table::link::Link;
use crate::table::publish;
use crate::table::tree::{Item, Order};

/// The table of a signal.
pub(crate) type Table<E, R> = table::Table<Entry<E, R>>;

/// The published table of a signal, and the lock of its changes.
pub(crate) type Hub<E, R> = publish::Hub<Table<E, R>>;

/// The receivers of one send.
pub(crate) type Selection<'t, E, R> = table::Selection<'t, Entry<E, R>>;

/// The target of a weak receiver, kept alive for one send.
pub(crate) type Pinned = Arc<dyn Any + Send + Sync>;

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
        pin: Option<&'a Pinned>,
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

    /// Returns the receiver as a queue holds it.
    #[cfg(feature = "queue")]
    fn into_deliver(self: Arc<Self>) -> Arc<dyn Deliver>;

    /// Returns the receiver as a [`Connection`](crate::Connection) refers to it.
    fn into_attached(self: Arc<Self>) -> Arc<dyn Attached>;

    /// Keeps a weak receiver's target alive. Returns `None` if the target has died.
    fn pin(&self) -> Option<Pinned>;

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

impl<E: Event, R: 'static> publish::Entry for Entry<E, R> {
    type Key = Key;

    fn key(&self) -> Option<Key> {
        Some(Key {
            receiver: self.identified()?,
            sender: self.about().options.sender.clone(),
        })
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
}
