//! The allocation of a receiver.

#[cfg(feature = "queue")]
use std::any::Any;
#[cfg(feature = "queue")]
use std::borrow::Cow;
#[cfg(all(feature = "async", feature = "queue"))]
use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(all(feature = "async", feature = "queue"))]
use std::pin::Pin;
use std::sync::{Arc, Weak};

use super::attached::{Attached, Retires};
use super::callee::Callee;
#[cfg(feature = "queue")]
use super::delivery::{Deliver, Shared};
use super::entry::{About, Entry, Hub, Pinned, Receive};
#[cfg(feature = "async")]
use super::future::BoxFuture;
#[cfg(all(feature = "async", feature = "queue"))]
use super::future::ResponseFuture;
use super::key::Identified;
use crate::error::HeldBy;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::nesting::{self, Running};
use crate::panic_report;
use crate::responses::BatchResponses;
use crate::sender::Sender;
use crate::table::link::Quiet;
use crate::table::publish::Place;

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

    fn sender_in_words(&self) -> Option<String> {
        self.about.options.sender.as_ref().map(ToString::to_string)
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
