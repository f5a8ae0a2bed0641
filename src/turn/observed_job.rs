//! The event of an observed send, as it waits in a queue.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::kept_send::KeptSend;
#[cfg(feature = "async")]
use super::observed_run::ObservedFuture;
use super::observed_run::Run;
use super::observed_span::ObservedSpan;
use crate::id::ReceiverId;
use crate::receiver::delivery::Deliver;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::tap::observer::{Described, ObservedReceiver, ObservedSend};
use crate::tap::observers::Tap;
use crate::tap::pending::{self, Pending};
use crate::tap::steps::Work;
use crate::tap::ways::Outcome;

/// A queued receiver, and the send whose event waits for it.
pub(super) struct ObservedJob {
    receiver: Arc<dyn Deliver>,
    send: KeptSend,
    span: ObservedSpan,
    /// `true` once the receiver has started, or the queue has refused the event. Its drop is then
    /// not shown.
    is_settled: AtomicBool,
    /// The event as work that has not ended, in a scope that records.
    pending: Option<Pending>,
}

impl ObservedJob {
    /// Returns `receiver` as a receiver that observers see.
    pub(super) fn of(
        receiver: Arc<dyn Deliver>,
        tap: &Arc<Tap>,
        send: &ObservedSend<'_>,
        send_span: &ObservedSpan,
    ) -> Arc<Self> {
        let observed = ObservedReceiver(receiver.described());
        let span = send_span.of_queued(tap, send, &observed);
        let queued = || Work::Queued(pending::run(send.id(), &observed));
        let pending = Pending::start(send.context, queued);
        Arc::new(ObservedJob {
            pending,
            receiver,
            send: KeptSend {
                tap: Arc::clone(tap),
                id: send.id,
                context: send.context.clone(),
                sender: send.sender.to_key(),
                way: send.way,
            },
            span,
            is_settled: AtomicBool::new(false),
        })
    }

    /// Notes that the queue has refused the event.
    pub(super) fn refuse(&self) {
        // Relaxed: `drop` reads it with exclusive access. Row W3.
        self.is_settled.store(true, Ordering::Relaxed);
    }

    /// Starts the run of the receiver.
    fn run(&self) -> Run<'_> {
        // Relaxed: `drop` reads it with exclusive access. Row W3.
        self.is_settled.store(true, Ordering::Relaxed);
        let described = self.receiver.described();
        let send = self.send.observed();
        Run::start(&self.send.tap, send, described, |_| self.span.clone())
    }
}

impl Deliver for ObservedJob {
    fn deliver(&self, sent: &(dyn Any + Send + Sync)) {
        let mut run = self.run();
        run.part(|| self.receiver.deliver(sent));
        run.note_return();
    }

    #[cfg(feature = "async")]
    fn is_async(&self) -> bool {
        self.receiver.is_async()
    }

    #[cfg(feature = "async")]
    fn drive<'a>(&'a self, sent: &'a (dyn Any + Send + Sync)) -> BoxFuture<'a, ()> {
        let run = self.run();
        // It starts in the first poll, where its panic is caught.
        Box::pin(async move { ObservedFuture::start(run, || self.receiver.drive(sent)).await })
    }

    fn id(&self) -> ReceiverId {
        self.receiver.id()
    }

    fn name(&self) -> Cow<'static, str> {
        self.receiver.name()
    }

    fn described(&self) -> &dyn Described {
        self.receiver.described()
    }
}

impl Drop for ObservedJob {
    fn drop(&mut self) {
        if *self.is_settled.get_mut() {
            if let Some(pending) = self.pending.take() {
                pending.end(Outcome::Returned);
            }
        } else {
            self.span.record("discarded");
            let send = self.send.observed();
            let receiver = ObservedReceiver(self.receiver.described());
            let tap = &self.send.tap;
            tap.show(|observer| observer.event_discarded(&send, &receiver));
        }
    }
}
