//! The callables of async receivers, and of receivers that an async send runs elsewhere.

use std::sync::Weak;

use crate::event::Event;
#[cfg(feature = "tokio")]
use crate::event::OwnedEvent;
use crate::receiver::callee::Callee;
use crate::receiver::entry::{Entry, Pinned};
use crate::receiver::future::BoxFuture;
use crate::receiver::key::Identified;
use crate::receiver::kind::ReceiverKind;
use crate::sender::Sender;

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
        _pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        (self.0)(sender, event)
    }
}

/// An async method of an object that it does not keep alive.
pub(crate) struct AwaitedWeakly<T, M> {
    pub(crate) target: Weak<T>,
    pub(crate) method: M,
}

impl<E, R, T, M> Callee<E, R> for AwaitedWeakly<T, M>
where
    E: Event,
    R: 'static,
    T: Send + Sync + 'static,
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
        pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        let target = pin.and_then(|pin| pin.downcast_ref());
        let target = target.expect("the send has pinned the target");
        (self.method)(target, sender, event)
    }

    fn pin(&self) -> Option<Pinned> {
        self.target.upgrade().map(|target| target as _)
    }

    fn is_alive(&self) -> bool {
        self.target.strong_count() > 0
    }

    fn identity(&self) -> Option<Identified> {
        Identified::method::<M>(self.target.clone())
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
        _pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E,
    ) -> BoxFuture<'a, R> {
        // These are owned by the thread that runs the receiver, because a cancelled send does not
        // wait for that thread. So the thread has the entry too, and `disconnect_and_wait` waits.
        let entry = entry.clone();
        let (key, event) = (sender.to_key(), event.clone());
        Box::pin(super::blocking::elsewhere(move || {
            let sender = key.as_ref().map_or(Sender::NONE, |key| key.as_sender());
            entry.call_marked(&sender, &event)
        }))
    }
}
