//! The callables of async receivers, and of receivers that an async send runs elsewhere.

use std::sync::Weak;

use crate::event::Event;
#[cfg(feature = "tokio")]
use crate::event::OwnedEvent;
use crate::kind::ReceiverKind;
use crate::receiver::callee::Callee;
use crate::receiver::entry::Entry;
use crate::receiver::future::BoxFuture;
use crate::receiver::key::Identified;
use crate::receiver::pin::Pinned;
use crate::sender::Sender;
#[cfg(feature = "tokio")]
use crate::tap::context::Context;
#[cfg(feature = "tokio")]
use crate::tap::pending::Pending;
#[cfg(feature = "tokio")]
use crate::tap::steps::{RunWork, Work};

/// An async function or closure, owned.
pub(crate) struct Awaited<F>(pub(crate) F);

impl<E, R, F> Callee<E, R> for Awaited<F>
where
    E: Event,
    R: 'static,
    F: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
{
    type Function = F;
    const KIND: ReceiverKind = ReceiverKind::Awaited;

    fn call(&self, _sender: &Sender<'_>, _event: &E::Args<'_>) -> R {
        unreachable!("async receivers are started, not called")
    }

    fn start<'a>(
        &'a self,
        _entry: &Entry<E, R>,
        _pin: Option<&'a Pinned<'_>>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        (self.0)(sender, event)
    }
}

/// An async method of an object that it does not keep alive.
pub(crate) struct AwaitedWeakly<T: ?Sized, M> {
    pub(crate) target: Weak<T>,
    pub(crate) method: M,
}

impl<E, R, T, M> Callee<E, R> for AwaitedWeakly<T, M>
where
    E: Event,
    R: 'static,
    T: ?Sized + Send + Sync + 'static,
    M: for<'a> Fn(&'a T, Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
{
    type Function = M;
    const KIND: ReceiverKind = ReceiverKind::Awaited;
    const WEAK: bool = true;

    fn call(&self, _sender: &Sender<'_>, _event: &E::Args<'_>) -> R {
        unreachable!("async receivers are started, not called")
    }

    fn start<'a>(
        &'a self,
        _entry: &Entry<E, R>,
        pin: Option<&'a Pinned<'_>>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        let target = pin.and_then(|pin| pin.get(&self.target));
        let target = target.expect("the send has pinned the target");
        (self.method)(target, sender, event)
    }

    fn pin(&self) -> Option<Pinned<'_>> {
        Pinned::of(&self.target)
    }

    fn is_alive(&self) -> bool {
        self.target.strong_count() > 0
    }

    fn identity(&self) -> Option<Identified> {
        Identified::method::<M, T>(&self.target)
    }
}

/// A function or closure that an async send runs on a thread that tokio keeps for blocking.
#[cfg(feature = "tokio")]
pub(crate) struct Offloaded<F>(pub(crate) F);

#[cfg(feature = "tokio")]
impl<E, R, F> Callee<E, R> for Offloaded<F>
where
    E: OwnedEvent + Clone + Send + Sync,
    R: Send + 'static,
    F: Fn(Sender<'_>, &E) -> R + Send + Sync + 'static,
{
    type Function = F;
    const KIND: ReceiverKind = ReceiverKind::Offloaded;

    fn call(&self, sender: &Sender<'_>, event: &E) -> R {
        (self.0)(*sender, event)
    }

    fn start<'a>(
        &'a self,
        entry: &Entry<E, R>,
        _pin: Option<&'a Pinned<'_>>,
        sender: Sender<'a>,
        event: &'a E,
    ) -> BoxFuture<'a, R> {
        // These are owned by the thread that runs the receiver, because a cancelled send does not
        // wait for that thread. So the thread has the entry too, and `disconnect_and_wait` waits.
        let entry = entry.clone();
        let (key, event) = (sender.to_key(), event.clone());
        let context = Context::current();
        let pending = context.cause.and_then(|cause| {
            Pending::start(&context, || {
                Work::Elsewhere(RunWork {
                    send: cause.send,
                    receiver: entry.id(),
                    name: entry.name().into_owned(),
                    location: entry.about().location,
                })
            })
        });
        Box::pin(super::blocking::elsewhere(move || {
            let _pending = pending;
            // They are dropped before the work counts as ended.
            let (entry, key, event) = (entry, key, event);
            let sender = key.as_ref().map_or(Sender::NONE, |key| key.as_sender());
            context.enter(|| entry.call_marked(&sender, &event))
        }))
    }
}
