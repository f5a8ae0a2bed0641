//! An attempt to deliver a stored event to a durable receiver. Observers see it as a send.

use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::kept_send::KeptSend;
use super::observed_run::{ObservedFuture, Run};
use super::observed_span::ObservedSpan;
use crate::event::Event;
use crate::receiver::future::BoxFuture;
use crate::receiver::tapped::info_of;
use crate::sender::Sender;
use crate::signal::Signal;
use crate::tap::cause::SendId;
use crate::tap::context::Context;
use crate::tap::durable::origin::{Origin, note_root};
use crate::tap::durable::receivers::{DurableReceiver, ObservedDurable};
use crate::tap::durable::stored_cause::DeliveryParts;
use crate::tap::observer::{Described, ObservedReceiver, ReceiverChange, SendEnd};
use crate::tap::observers::Tap;
use crate::tap::pending::{self, Pending};
use crate::tap::ways::{Outcome, SendWay};

/// A durable receiver of fanfare-outbox, as this crate needs it for observers and explanations.
pub struct DurableHook {
    receiver: Arc<DurableReceiver>,
    tap: Box<dyn Fn() -> Option<Arc<Tap>> + Send + Sync>,
}

/// A stored event that a durable receiver is about to get.
pub struct StoredEvent<'a> {
    /// The id of the event.
    pub id: i64,
    /// The number of the attempt, counted from 1.
    pub attempt: u32,
    /// The sender of the event.
    pub sender: Sender<'a>,
    /// The origin of the event, if one was stored with it.
    pub origin: Option<Origin>,
}

impl DurableHook {
    /// Makes the receiver of `signal` that was connected at `location`.
    pub fn new<E: Event, R: 'static>(
        signal: &'static Signal<E, R>,
        name: String,
        location: &'static Location<'static>,
    ) -> Self {
        let info = Arc::clone(info_of(signal.hub()));
        let tap = || {
            let table = signal.hub().snapshot();
            table.as_deref()?.peek(&Sender::NONE).tap().cloned()
        };
        DurableHook {
            receiver: DurableReceiver::new(info, name, location),
            tap: Box::new(tap),
        }
    }

    /// Notes that the receiver is connected.
    pub fn connect(&self) {
        self.receiver.connect();
        self.show(ReceiverChange::Connected);
    }

    /// Notes that the receiver was disconnected.
    pub fn disconnect(&self) {
        if self.receiver.disconnect() {
            self.show(ReceiverChange::Disconnected);
        }
    }

    fn show(&self, change: ReceiverChange) {
        if let Some(tap) = (self.tap)() {
            let receiver = ObservedDurable {
                receiver: Arc::clone(&self.receiver),
                delivery: None,
            };
            let receiver = ObservedReceiver(&receiver);
            tap.show(|observer| observer.receiver_changed(&tap.signal, &receiver, change));
        }
    }

    /// Starts an attempt, or returns `None` if no observer and no scope follows it. The attempt is
    /// in the scope of the event, if this process has it, and otherwise in that of `relay`.
    #[inline]
    pub fn start<'a>(
        &self,
        relay: &Context,
        event: impl FnOnce() -> StoredEvent<'a>,
    ) -> Option<ObservedAttempt> {
        let tap = (self.tap)()?;
        let tap = tap.for_this_thread()?;
        let is_followed = tap.has_observers() || relay.scope.is_some();
        is_followed.then(|| ObservedAttempt::start(tap, &self.receiver, relay, event()))
    }
}

/// An attempt that observers see, until this is dropped.
pub struct ObservedAttempt {
    /// The send that the attempt is.
    send: KeptSend,
    receiver: ObservedDurable,
    span: ObservedSpan,
    has_ended: bool,
    /// The send as work that has not ended, in a scope that records.
    pending: Option<Pending>,
}

impl ObservedAttempt {
    #[cold]
    fn start(
        tap: &Arc<Tap>,
        receiver: &Arc<DurableReceiver>,
        relay: &Context,
        event: StoredEvent<'_>,
    ) -> Self {
        let context = Origin::context(event.origin.as_ref(), relay);
        let cause = event.origin.and_then(|origin| origin.cause);
        let mut attempt = ObservedAttempt {
            send: KeptSend {
                tap: Arc::clone(tap),
                id: SendId::next(),
                context,
                sender: event.sender.to_key(),
                way: SendWay::Durable,
            },
            receiver: ObservedDurable {
                receiver: Arc::clone(receiver),
                delivery: Some(DeliveryParts {
                    event_id: event.id,
                    attempt: event.attempt,
                    cause,
                    error: OnceLock::new(),
                }),
            },
            span: ObservedSpan::default(),
            has_ended: false,
            pending: None,
        };
        let send = attempt.send.observed();
        if let Some(cause) = attempt.receiver.delivery().and_then(|it| it.cause()) {
            note_root(send.root(), cause);
        }
        let pending = Pending::start(send.context, || pending::send(&send));
        let span = ObservedSpan::of_send(tap, &send);
        tap.show(|observer| observer.send_started(&send));
        attempt.pending = pending;
        attempt.span = span;
        attempt
    }

    /// Runs the receiver, which `start` starts. `text` returns an error of it in words.
    pub async fn run<'r, X: Send + 'r>(
        mut self,
        start: impl FnOnce() -> BoxFuture<'r, Result<(), X>> + Send,
        text: impl Fn(&X) -> String + Send,
    ) -> Result<(), X> {
        let (tap, receiver) = (&self.send.tap, &self.receiver);
        let run = Run::start(tap, self.send.observed(), receiver, |receiver| {
            self.span.of_receiver(tap, receiver)
        });
        let observed = ObservedFuture::start(run, || {
            Box::pin(async move {
                let result = start().await;
                if let Err(failure) = &result {
                    receiver.note_error(text(failure));
                }
                result
            })
        });
        let result = observed.await;
        self.has_ended = true;
        result
    }
}

impl Drop for ObservedAttempt {
    fn drop(&mut self) {
        let end = SendEnd {
            reached: 1,
            muted: 0,
            cut_off: !self.has_ended,
        };
        if end.cut_off {
            self.span.record("cut off");
        }
        let send = self.send.observed();
        let tap = &self.send.tap;
        tap.show(|observer| observer.send_ended(&send, &end));
        if let Some(pending) = self.pending.take() {
            pending.end(Outcome::of(!end.cut_off));
        }
    }
}
