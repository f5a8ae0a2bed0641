//! The record of one event in a [`Deferred`](super::Deferred).

use std::any::{Any, TypeId, type_name};
use std::hash::{BuildHasher, Hash};
use std::mem::needs_drop;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

#[cfg(feature = "async")]
use crate::awaited::walk::refused_for;
use crate::event::Event;
use crate::panic_report;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::receiver_panic::ReceiverPanic;
use crate::responses::RobustResponses;
use crate::sender::{Sender, SenderKey};
use crate::signal::Signal;
use crate::signal_from::SignalFrom;
#[cfg(feature = "async")]
use crate::table::hub::Hub;
use crate::tap::context::Context;
use crate::tap::pending::Pending;
use crate::tap::steps::Work;

/// The record of one event, whatever its types.
pub(super) trait Record {
    /// Sends the event.
    fn deliver(&self);

    /// Sends the event, and returns the panics of receivers.
    fn deliver_robust(&self) -> Vec<ReceiverPanic>;

    /// Sends the event with [`Signal::asend`].
    #[cfg(feature = "async")]
    fn deliver_async<'r>(self: Box<Self>) -> BoxFuture<'r, ()>
    where
        Self: 'r;

    /// Sends the event with [`Signal::asend_robust`], and returns the panics of receivers.
    #[cfg(feature = "async")]
    fn deliver_async_robust<'r>(self: Box<Self>) -> BoxFuture<'r, Vec<ReceiverPanic>>
    where
        Self: 'r;

    /// Panics if a send of the event would be refused because of its async receivers, before it
    /// calls any.
    #[cfg(feature = "async")]
    fn refuse_on_an_executor(&self);

    /// Returns `true` if it has this target. Calls `Eq` of the key only if all else is equal.
    fn is_for(&self, target: &Target<'_>) -> bool;

    fn sender(&self) -> Sender<'_>;

    fn event_name(&self) -> &'static str;
}

/// The parts that make two events equal to `record_coalesced`.
pub(super) struct Target<'r> {
    /// The address of the signal, which stays unique while the signal is borrowed.
    signal: usize,
    sender: Option<&'r SenderKey>,
    key: &'r dyn Any,
}

pub(super) struct Recorded<'s, E: Event, R: 'static, K> {
    signal: &'s Signal<E, R>,
    sender: Option<SenderKey>,
    event: Contained<E::Args<'static>>,
    key: Contained<K>,
    /// The place in which the event was recorded, if it was inside of a receiver or a scope.
    /// Otherwise the event is sent in the context of its commit.
    within: Option<Box<Within>>,
}

/// The place in which an event was recorded.
struct Within {
    context: Context,
    /// The event as work that has not ended, in a scope that records.
    _pending: Option<Pending>,
}

impl Within {
    /// Returns the place in which this thread is, for an event of the signal that `name` names.
    #[cold]
    fn of(context: Context, name: impl FnOnce() -> &'static str) -> Box<Self> {
        let pending = Pending::start(&context, || Work::Deferred { signal: name() });
        Box::new(Within {
            context,
            _pending: pending,
        })
    }
}

impl<'s, E: Event, R: 'static, K: 'static> Recorded<'s, E, R, K> {
    pub(super) fn new<'a>(
        source: impl Into<SignalFrom<'s, 'a, E, R>>,
        event: E::Args<'static>,
        key: K,
    ) -> Self {
        // This precedes the conversion, which may panic: then both are dropped in their containers.
        let event = Contained::new(event);
        let key = Contained::new(key);
        let SignalFrom { signal, sender } = source.into();
        let context = Context::of_thread();
        let within = context.map(|context| Within::of(context, || signal.name()));
        Recorded {
            signal,
            sender: sender.to_key(),
            event,
            key,
            within,
        }
    }

    pub(super) fn target(&self) -> Target<'_> {
        Target {
            signal: ptr::from_ref(self.signal).addr(),
            sender: self.sender.as_ref(),
            key: self.key.get(),
        }
    }

    #[cfg(feature = "async")]
    fn context(&self) -> Option<&Context> {
        self.within.as_ref().map(|within| &within.context)
    }

    /// Calls `run` in the context in which the event was recorded.
    fn in_context<T>(&self, run: impl FnOnce() -> T) -> T {
        match &self.within {
            None => run(),
            Some(within) => within.context.clone().enter(run),
        }
    }

    /// Returns the hash of its target.
    pub(super) fn hash(&self, hasher: &impl BuildHasher) -> u64
    where
        K: Hash,
    {
        let Target { signal, sender, .. } = self.target();
        hasher.hash_one((signal, sender, TypeId::of::<K>(), self.key.get()))
    }
}

impl<E, R, K> Record for Recorded<'_, E, R, K>
where
    E: Event,
    E::Args<'static>: Send,
    for<'x> E::Args<'x>: Sync,
    R: Send + 'static,
    K: Eq + Send + 'static,
{
    fn deliver(&self) {
        self.in_context(|| {
            let event = self.event.get();
            // They are dropped one by one, so that a panic of a later receiver has no responses to
            // drop.
            let _ = self
                .signal
                .from(self.sender())
                .send_each(event, |_, response| {
                    drop(Contained::new(response));
                    ControlFlow::<()>::Continue(())
                });
        });
    }

    fn deliver_robust(&self) -> Vec<ReceiverPanic> {
        self.in_context(|| {
            let signal = self.signal.from(self.sender());
            panics_of(signal.send_robust(self.event.get()))
        })
    }

    #[cfg(feature = "async")]
    fn deliver_async<'r>(self: Box<Self>) -> BoxFuture<'r, ()>
    where
        Self: 'r,
    {
        Box::pin(async move {
            let context = self.context();
            let sent = self.signal.from(self.sender()).asend(self.event.get());
            for response in follow(context, sent).await {
                drop(Contained::new(response));
            }
        })
    }

    #[cfg(feature = "async")]
    fn deliver_async_robust<'r>(self: Box<Self>) -> BoxFuture<'r, Vec<ReceiverPanic>>
    where
        Self: 'r,
    {
        Box::pin(async move {
            let sent = self
                .signal
                .from(self.sender())
                .asend_robust(self.event.get());
            panics_of(follow(self.context(), sent).await)
        })
    }

    #[cfg(feature = "async")]
    fn refuse_on_an_executor(&self) {
        let snapshot = self.signal.occupied().map(Hub::snapshot);
        let Some(table) = snapshot.as_deref().and_then(Option::as_deref) else {
            return;
        };
        // A mute may concern the send, whose context it therefore takes.
        let sender = self.sender();
        let refused = self.in_context(|| refused_for(&table.peek(&sender), &sender));
        if let Some(receiver) = refused {
            panic!(
                "a `{}` was committed with a blocking `commit` on a thread that runs an executor, \
                 and its signal has an async receiver, {}: await `commit_async` instead; the event \
                 is still in the buffer",
                type_name::<E>(),
                receiver.place()
            );
        }
    }

    fn is_for(&self, target: &Target<'_>) -> bool {
        let own = self.target();
        own.signal == target.signal
            && own.sender == target.sender
            && target
                .key
                .downcast_ref::<K>()
                .is_some_and(|key| self.key.get() == key)
    }

    fn sender(&self) -> Sender<'_> {
        let sender = self.sender.as_ref();
        sender.map_or(Sender::NONE, SenderKey::as_sender)
    }

    fn event_name(&self) -> &'static str {
        type_name::<E>()
    }
}

/// Runs `sent` to its end, in `context` if there is one.
#[cfg(feature = "async")]
async fn follow<F: Future>(context: Option<&Context>, sent: F) -> F::Output {
    match context {
        Some(context) => context.clone().follow(sent).await,
        None => sent.await,
    }
}

/// Returns the panics of receivers. The responses are dropped one by one.
fn panics_of<R>(outcomes: RobustResponses<R>) -> Vec<ReceiverPanic> {
    let mut panics = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(response) => drop(Contained::new(response)),
            Err(panic) => panics.push(panic),
        }
    }
    panics
}

/// A value of the user's. A panic of its destructor is caught and reported.
struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    fn new(value: T) -> Self {
        Contained(Some(value))
    }

    fn get(&self) -> &T {
        self.0.as_ref().expect("only its drop takes it out")
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if !needs_drop::<T>() {
            return;
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(self.0.take()))) {
            panic_report::deferred_panicked(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Covers `is_for` directly, because the hash nearly always differs before `is_for` is called.
    #[test]
    fn a_target_is_a_signal_a_sender_and_a_key() {
        let signals: [Signal<u32>; 2] = [Signal::new(), Signal::new()];
        let recorded = |signal: usize, sender: &'static str, key: u32| {
            Recorded::new(signals[signal].from(sender), 0, key)
        };
        let one = recorded(0, "till", 7);
        assert!(one.is_for(&recorded(0, "till", 7).target()));
        assert!(!one.is_for(&recorded(1, "till", 7).target()));
        assert!(!one.is_for(&recorded(0, "shop", 7).target()));
        assert!(!one.is_for(&recorded(0, "till", 8).target()));
        let of_another_type = Recorded::new(signals[0].from("till"), 0, 7_u64);
        assert!(!one.is_for(&of_another_type.target()));
        let of_nobody = Recorded::new(&signals[0], 0, 7_u32);
        assert!(!one.is_for(&of_nobody.target()));
    }
}
