//! A connected receiver: the callable, its place, and what it is known by.
//!
//! * here: the entry of a table, and what it shares with the handles.
//! * `callee`: the kinds of receivers.
//! * `key`: what makes two connections the same.

pub(crate) mod callee;
pub(crate) mod key;

#[cfg(feature = "queue")]
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
#[cfg(all(feature = "async", feature = "queue"))]
use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
#[cfg(feature = "async")]
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use callee::{Callee, Pinned};
use key::{Identified, Key};

use crate::error::HeldBy;
use crate::event::Event;
use crate::nesting::{self, Running};
#[cfg(feature = "queue")]
use crate::queue::{Deliver, Shared};
use crate::report;
use crate::send::batch::Answers;
#[cfg(all(feature = "async", feature = "queue"))]
use crate::send::outcome::Answer;
use crate::sender::{Sender, SenderKey};
use crate::table::Table;
use crate::table::link::{Link, Quiet};
use crate::table::publish::{self, Hub, Place};
use crate::table::tree::{Item, Order};

/// What an async receiver returns: its future, boxed and able to change threads.
///
/// `Box::pin(async move { .. })` makes one. It may borrow the sender and the event.
#[cfg(feature = "async")]
pub type BoxFuture<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

/// Which connection a response or a failure came from.
///
/// Unique in the process and never used again; a later connection has a greater one.
/// The same as [`Connection::id`](crate::Connection::id) of the handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiverId(u64);

impl ReceiverId {
    /// The number of the next connection.
    pub(crate) fn next() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: numbers of one thread, and of calls ordered by anything else, rise by
        // the modification order of this counter alone. Row I2.
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Display for ReceiverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for ReceiverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiverId({})", self.0)
    }
}

/// A receiver in a table: an `Arc` that points at its content.
///
/// The content of an `Arc<dyn _>` stands behind two counters at an offset that depends on
/// its alignment, so every call through one reads and adds that first: four instructions
/// and a load more per receiver than through a `Box`. This has done so once.
pub(crate) struct Entry<E: Event, R: 'static>(NonNull<dyn Receive<E, R>>);

// SAFETY: it is an `Arc<dyn Receive>`, and `Receive` asks for `Send + Sync`.
unsafe impl<E: Event, R: 'static> Send for Entry<E, R> {}
// SAFETY: as above.
unsafe impl<E: Event, R: 'static> Sync for Entry<E, R> {}

impl<E: Event, R: 'static> Entry<E, R> {
    pub(crate) fn new(receiver: Arc<dyn Receive<E, R>>) -> Self {
        let content = Arc::into_raw(receiver).cast_mut();
        // SAFETY: `Arc::into_raw` returns no null.
        Entry(unsafe { NonNull::new_unchecked(content) })
    }

    /// The `Arc` that this entry is.
    pub(crate) fn to_arc(&self) -> Arc<dyn Receive<E, R>> {
        let content = self.0.as_ptr();
        // SAFETY: the pointer is of `Arc::into_raw`, and this entry holds one count.
        unsafe { Arc::increment_strong_count(content) };
        // SAFETY: as above; the count just added goes with the returned `Arc`.
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
        // SAFETY: the pointer is of `Arc::into_raw`, and this entry holds one count; the
        // one added is the clone's.
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

/// What a send needs of a receiver.
pub(crate) trait Receive<E: Event, R: 'static>: Attached {
    /// Calls the receiver. For a weak one only while its target is pinned.
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

    /// Hands the event to a queued receiver's queue: see [`Callee::enqueue`].
    #[cfg(feature = "queue")]
    fn enqueue(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
    ) -> R;

    /// The receiver as a queue holds it.
    #[cfg(feature = "queue")]
    fn into_deliver(self: Arc<Self>) -> Arc<dyn Deliver>;

    /// Returns the receiver as a [`Connection`](crate::Connection) refers to it.
    fn into_attached(self: Arc<Self>) -> Arc<dyn Attached>;

    /// Keeps a weak receiver's target alive; `None` if it has died.
    fn pin(&self) -> Option<Pinned>;

    /// What is known of it.
    fn about(&self) -> &About<E, R>;

    /// As `about`, while nobody else has the receiver.
    fn about_mut(&mut self) -> &mut About<E, R>;

    /// Calls the receiver for several events: see [`Callee::call_slice`].
    fn call_slice(&self, sender: &Sender<'_>, events: &[E::Args<'_>], answers: &mut Answers<R>);

    /// Whether `call_slice` is one call, and not one for each event.
    fn takes_slices(&self) -> bool;
}

/// What a handle needs of a receiver, whatever the types of its signal.
pub(crate) trait Attached: Send + Sync {
    /// Takes the receiver out of its signal; false if it was out. An error if it is in, and
    /// the signal is frozen.
    fn detach(self: Arc<Self>) -> Result<bool, Place>;

    /// Whether sends still call it.
    fn is_connected(&self) -> bool;

    /// Whether this thread is inside a send of its signal, or inside the destructor of a
    /// receiver of it.
    fn is_inside(&self) -> bool;

    /// Returns what holds the receiver, which has been disconnected and has not gone.
    fn held_by(&self) -> HeldBy;

    /// Whether the receiver runs on threads that a child of `fork`, as this process is, does not
    /// have.
    fn is_left_to_parent(&self) -> bool;

    /// The flag that is set when the receiver has gone, for a caller that then drops its handle.
    fn watch(&self) -> Arc<Quiet>;

    /// The signal's part that frees replaced tables.
    fn retires(&self) -> Weak<dyn Retires>;

    /// Whether it can be called at all: false once a weak receiver's target has died.
    fn is_alive(&self) -> bool;

    /// What the receiver is called when it was given no name.
    fn type_name(&self) -> &'static str;

    /// What makes a receiver without uid the same as another.
    fn identity(&self) -> Option<Identified>;

    /// The sender it was connected for, in words; `None` for any.
    #[cfg(feature = "macros")]
    fn sender_in_words(&self) -> Option<String>;
}

/// A signal's tables, whatever the types of the signal.
pub(crate) trait Retires: Send + Sync {
    /// Frees every replaced table that nothing holds any more.
    fn free_retired(&self);
}

impl<E: Event, R: 'static> Retires for Hub<Table<E, R>> {
    fn free_retired(&self) {
        Hub::free_retired(self);
    }
}

/// What is known of a receiver, apart from the callable.
pub(crate) struct About<E: Event, R: 'static> {
    pub(crate) link: Link,
    pub(crate) hub: Weak<Hub<Table<E, R>>>,
    pub(crate) sender: Option<SenderKey>,
    pub(crate) location: &'static Location<'static>,
    /// Boxed: most receivers have neither.
    pub(crate) labels: Option<Box<Labels>>,
    pub(crate) priority: i32,
    pub(crate) kind: Kind,
    pub(crate) once: bool,
    pub(crate) weak: bool,
}

/// What a send does when it gets to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiverKind {
    /// Calls it.
    Called,
    /// Calls it; in an async send where it may block the thread.
    Blocking,
    /// Calls it; in an async send on a thread where it may block, and awaits it.
    Offloaded,
    /// Awaits it, together with the others that are awaited.
    Awaited,
    /// Hands the event to its queue.
    Queued,
}

pub(crate) use ReceiverKind as Kind;

impl Kind {
    /// Whether a send from a thread that nothing awaits on cannot just call it.
    pub(crate) fn is_special(self) -> bool {
        matches!(self, Kind::Awaited | Kind::Queued)
    }
}

/// What a receiver was called by its user.
#[derive(Default)]
pub(crate) struct Labels {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) uid: Option<Cow<'static, str>>,
}

impl<E: Event, R: 'static> dyn Receive<E, R> + '_ {
    pub(crate) fn id(&self) -> ReceiverId {
        ReceiverId(self.about().link.number())
    }

    /// Calls the receiver on a thread that is in no send of its signal otherwise.
    #[cfg(feature = "tokio")]
    pub(crate) fn call_marked(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        let _running = Running::send(self.about().hub.as_ptr());
        self.call(sender, event)
    }

    pub(crate) fn sender(&self) -> Option<&SenderKey> {
        self.about().sender.as_ref()
    }

    pub(crate) fn uid(&self) -> Option<&str> {
        self.about().labels.as_ref()?.uid.as_deref()
    }

    pub(crate) fn name(&self) -> Cow<'static, str> {
        let given = self
            .about()
            .labels
            .as_ref()
            .and_then(|labels| labels.name.clone());
        given.unwrap_or(Cow::Borrowed(self.type_name()))
    }

    /// Its name, and where it was connected.
    #[cfg(feature = "async")]
    pub(crate) fn place(&self) -> String {
        format!("{:?} of {}", self.name(), self.about().location)
    }

    /// The receiver's half of its key, if it has one.
    pub(crate) fn identified(&self) -> Option<Identified> {
        let labels = self.about().labels.as_ref();
        match labels.and_then(|labels| labels.uid.clone()) {
            Some(uid) => Some(Identified::Uid(uid)),
            None => self.identity(),
        }
    }

    /// Whether a send cannot simply call it.
    pub(crate) fn is_special(&self) -> bool {
        self.is_mortal() || self.about().kind.is_special()
    }

    /// Whether an async send awaits it.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self.about().kind, Kind::Awaited | Kind::Offloaded)
    }

    /// Whether it can be dead or spent while it is still in the table.
    pub(crate) fn is_mortal(&self) -> bool {
        self.about().once || self.about().weak
    }
}

impl<E: Event, R: 'static> Item for Entry<E, R> {
    fn order(&self) -> Order {
        let about = self.about();
        Order::new(about.priority, about.link.number())
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
            sender: self.sender().cloned(),
        })
    }

    fn link(&self) -> &Link {
        &self.about().link
    }

    fn is_weak(&self) -> bool {
        self.about().weak
    }

    fn is_once(&self) -> bool {
        self.about().once
    }

    fn is_alive(&self) -> bool {
        Attached::is_alive(&**self)
    }
}

/// The allocation behind an entry.
///
/// In this order, so that the counts in front of it and what the callable captures are on
/// different cache lines: a change counts each receiver that it keeps, and a send reads
/// nothing of one but the callable.
#[repr(C)]
pub(crate) struct Slot<E: Event, R: 'static, C: Callee<E, R>> {
    about: About<E, R>,
    callee: ManuallyDrop<C>,
}

impl<E: Event, R: 'static, C: Callee<E, R>> Slot<E, R, C> {
    pub(crate) fn new(about: About<E, R>, callee: C) -> Self {
        Slot {
            about,
            callee: ManuallyDrop::new(callee),
        }
    }
}

impl<E: Event, R: 'static, C: Callee<E, R>> Receive<E, R> for Slot<E, R, C> {
    #[inline]
    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        self.callee.call(sender, event)
    }

    #[cfg(feature = "async")]
    fn start<'a>(
        &'a self,
        entry: &Entry<E, R>,
        pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        self.callee.start(entry, pin, sender, event)
    }

    #[cfg(feature = "queue")]
    fn enqueue(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
    ) -> R {
        self.callee.enqueue(entry, sender, event, shared)
    }

    #[cfg(feature = "queue")]
    fn into_deliver(self: Arc<Self>) -> Arc<dyn Deliver> {
        self
    }

    fn into_attached(self: Arc<Self>) -> Arc<dyn Attached> {
        self
    }

    fn pin(&self) -> Option<Pinned> {
        self.callee.pin()
    }

    fn about(&self) -> &About<E, R> {
        &self.about
    }

    fn about_mut(&mut self) -> &mut About<E, R> {
        &mut self.about
    }

    fn call_slice(&self, sender: &Sender<'_>, events: &[E::Args<'_>], answers: &mut Answers<R>) {
        let receiver = ReceiverId(self.about.link.number());
        self.callee.call_slice(receiver, sender, events, answers);
    }

    fn takes_slices(&self) -> bool {
        C::TAKES_SLICES
    }
}

impl<E: Event, R: 'static, C: Callee<E, R>> Attached for Slot<E, R, C> {
    fn detach(self: Arc<Self>) -> Result<bool, Place> {
        match self.about.hub.upgrade() {
            Some(hub) => hub.disconnect(&Entry::new(self)),
            None => Ok(false),
        }
    }

    fn is_connected(&self) -> bool {
        self.about.link.is_connected()
            && self.callee.is_alive()
            && self.about.hub.strong_count() > 0
    }

    fn is_inside(&self) -> bool {
        nesting::is_inside(self.about.hub.as_ptr()) || self.callee.waits_for_this_thread()
    }

    fn held_by(&self) -> HeldBy {
        match self.about.hub.upgrade() {
            _ if self.callee.has_queued_events() => HeldBy::QueuedEvents,
            Some(hub) if hub.has_stale_emitter() => HeldBy::IdleEmitter,
            Some(hub) if hub.has_suspended() => HeldBy::SuspendedFuture,
            _ => HeldBy::RunningSend,
        }
    }

    fn is_left_to_parent(&self) -> bool {
        self.callee.is_left_to_parent()
    }

    fn watch(&self) -> Arc<Quiet> {
        self.about.link.watch()
    }

    fn retires(&self) -> Weak<dyn Retires> {
        Weak::<Hub<Table<E, R>>>::clone(&self.about.hub)
    }

    fn is_alive(&self) -> bool {
        self.callee.is_alive()
    }

    fn type_name(&self) -> &'static str {
        self.callee.type_name()
    }

    fn identity(&self) -> Option<Identified> {
        self.callee.identity()
    }

    #[cfg(feature = "macros")]
    fn sender_in_words(&self) -> Option<String> {
        self.about.sender.as_ref().map(ToString::to_string)
    }
}

#[cfg(feature = "queue")]
impl<E: Event, R: 'static, C: Callee<E, R>> Deliver for Slot<E, R, C> {
    fn deliver(&self, sent: &(dyn Any + Send + Sync)) {
        let _running = Running::send(self.about.hub.as_ptr());
        self.callee.deliver(sent);
    }

    #[cfg(feature = "async")]
    fn is_async(&self) -> bool {
        self.callee.is_driven()
    }

    #[cfg(feature = "async")]
    fn drive<'a>(&'a self, sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
        let mark = || Running::send(self.about.hub.as_ptr());
        Box::pin(async move {
            let mut answer = {
                let _running = mark();
                Answer::of(self.callee.drive(sent))
            };
            let polled = poll_fn(|cx| {
                let _running = mark();
                Pin::new(&mut answer).poll(cx)
            });
            polled.await;
        })
    }

    fn id(&self) -> ReceiverId {
        <dyn Receive<E, R>>::id(self)
    }

    fn name(&self) -> Cow<'static, str> {
        <dyn Receive<E, R>>::name(self)
    }
}

impl<E: Event, R: 'static, C: Callee<E, R>> Drop for Slot<E, R, C> {
    /// Runs on the thread that drops the last handle, which may be one that has no part in this
    /// receiver: so a panic of the user's destructor stops here.
    fn drop(&mut self) {
        let _running = Running::unchecked(self.about.hub.as_ptr());
        let callee = &mut self.callee;
        // SAFETY: `ManuallyDrop::drop` wants a value that is not used or dropped again;
        // this is the only call, in the destructor of the only owner.
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(callee) }));
        if let Err(payload) = dropped {
            report::destructor_panicked(ReceiverId(self.about.link.number()), payload);
        }
        self.about.link.announce_gone();
    }
}
