//! The allocation of a receiver.

use std::any::Any;
use std::borrow::Cow;
#[cfg(all(feature = "async", feature = "queue"))]
use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
#[cfg(all(feature = "async", feature = "queue"))]
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::attached::{Attached, Retires};
use super::callee::Callee;
#[cfg(feature = "queue")]
use super::delivery::{Deliver, Observe, Shared};
use super::entry::{About, Entry, Hub, OneSignal, Receive};
#[cfg(feature = "async")]
use super::future::BoxFuture;
#[cfg(all(feature = "async", feature = "queue"))]
use super::future::ResponseFuture;
use super::key::Identified;
use super::limit::Limit;
use super::pin::Pinned;
use crate::error::HeldBy;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::nesting::{self, Running};
use crate::panic_report;
use crate::responses::BatchResponses;
use crate::sender::Sender;
use crate::table::hub::Place;
use crate::table::link::Quiet;
use crate::tap::info::ConnectionInfo;
use crate::tap::observer::Described;
#[cfg(feature = "queue")]
use crate::tap::verdict::Verdict;

/// The allocation behind an entry.
///
/// The fields are in this order so that the counts in front of it and the captured values of the
/// callable are on different cache lines. A change counts each receiver that it keeps, and a send
/// reads only the callable of a receiver.
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
        pin: Option<&'a Pinned<'_>>,
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
    fn enqueue_as(
        &self,
        entry: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
        shared: &mut Shared,
        observe: &Observe<'_>,
    ) -> (R, bool) {
        self.callee
            .enqueue_as(entry, sender, event, shared, observe)
    }

    #[cfg(feature = "queue")]
    fn intake(&self, entry: &Entry<E, R>, sender: &Sender<'_>) -> Verdict {
        self.callee.intake(entry, sender)
    }

    #[cfg(feature = "queue")]
    fn into_deliver(self: Arc<Self>) -> Arc<dyn Deliver> {
        self
    }

    fn into_attached(self: Arc<Self>) -> Arc<dyn Attached> {
        self
    }

    fn pin(&self) -> Option<Pinned<'_>> {
        self.callee.pin()
    }

    fn described(&self) -> &dyn Described {
        self
    }

    fn about(&self) -> &About<E, R> {
        &self.about
    }

    fn about_mut(&mut self) -> &mut About<E, R> {
        &mut self.about
    }

    fn call_slice(
        &self,
        sender: &Sender<'_>,
        events: &[E::Args<'_>],
        responses: &mut BatchResponses<R>,
    ) {
        let receiver = ReceiverId::of(self.about.link.number());
        self.callee.call_slice(receiver, sender, events, responses);
    }

    fn takes_slices(&self) -> bool {
        C::TAKES_SLICES
    }
}

impl<E: Event, R: 'static> Retires for Hub<E, R> {
    fn free_retired(&self) {
        Hub::free_retired(self);
    }
}

impl<E: Event, R: 'static, C: Callee<E, R>> Attached for Slot<E, R, C> {
    fn detach(self: Arc<Self>) -> Result<bool, Place> {
        match self.about.hub.upgrade() {
            Some(hub) => Ok(hub.disconnect(&[Entry::new(self)])? == 1),
            None => Ok(false),
        }
    }

    fn detach_with(&self, receivers: &[Arc<dyn Attached>]) -> Result<usize, Place> {
        match self.about.hub.upgrade() {
            Some(hub) => OneSignal::new(&hub).detach(receivers),
            None => Ok(0),
        }
    }

    fn signal_address(&self) -> usize {
        self.about.hub.as_ptr().addr()
    }

    fn join(self: Arc<Self>, receivers: &mut dyn Any) -> bool {
        OneSignal::join(receivers, Entry::new(self))
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
        Weak::<Hub<E, R>>::clone(&self.about.hub)
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

    fn dispatch_uid(&self) -> Option<String> {
        self.about.options.uid().map(ToString::to_string)
    }

    fn sender_in_words(&self) -> Option<String> {
        self.about.options.sender.as_ref().map(ToString::to_string)
    }

    fn signal_number(&self) -> Option<u64> {
        let hub = self.about.hub.upgrade()?;
        let info = hub.shared().signal.get()?;
        Some(info.number())
    }
}

impl<E: Event, R: 'static, C: Callee<E, R>> Described for Slot<E, R, C> {
    fn id(&self) -> ReceiverId {
        <dyn Receive<E, R>>::id(self)
    }

    fn name(&self) -> Cow<'static, str> {
        <dyn Receive<E, R>>::name(self)
    }

    fn location(&self) -> &'static Location<'static> {
        self.about.location
    }

    fn sender_in_words(&self) -> Option<String> {
        Attached::sender_in_words(self)
    }

    fn tags(&self) -> &[Cow<'static, str>] {
        self.about.options.tags()
    }

    fn budget(&self) -> Option<Duration> {
        self.about.options.budget()
    }

    fn info(&self) -> ConnectionInfo {
        let About {
            options, location, ..
        } = &self.about;
        ConnectionInfo {
            id: Described::id(self),
            name: Described::name(self).into_owned(),
            location,
            sender: options.sender.as_ref().map(ToString::to_string),
            dispatch_uid: options.uid().map(ToString::to_string),
            tags: options.tags().iter().map(ToString::to_string).collect(),
            priority: options.priority,
            max_calls: options.limit().map(Limit::max_calls),
            weak: options.weak,
            kind: self.about.kind(),
            live: Attached::is_connected(self),
        }
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
            let mut response = {
                let _running = mark();
                ResponseFuture::of(self.callee.drive(sent))
            };
            let polled = poll_fn(|cx| {
                let _running = mark();
                Pin::new(&mut response).poll(cx)
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

    fn described(&self) -> &dyn Described {
        self
    }
}

impl<E: Event, R: 'static, C: Callee<E, R>> Drop for Slot<E, R, C> {
    /// Drops the callable. It runs on the thread that drops the last handle, which may be one that
    /// has no part in this receiver. So a panic of the user's destructor is caught here.
    fn drop(&mut self) {
        let _running = Running::unchecked(self.about.hub.as_ptr());
        let callee = &mut self.callee;
        // SAFETY: `ManuallyDrop::drop` wants a value that is not used or dropped again. This is the
        // only call, in the destructor of the only owner.
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(callee) }));
        if let Err(payload) = dropped {
            panic_report::destructor_panicked(ReceiverId::of(self.about.link.number()), payload);
        }
        self.about.link.announce_gone();
    }
}
