//! A send that observers see, or that mutes concern.

use std::cell::Cell;
#[cfg(feature = "queue")]
use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(feature = "queue")]
use super::observed_job::ObservedJob;
#[cfg(feature = "async")]
use super::observed_run::ObservedFuture;
use super::observed_run::Run;
use super::observed_span::ObservedSpan;
use super::plain_run::PlainRun;
use crate::event::Event;
#[cfg(feature = "queue")]
use crate::receiver::delivery::Deliver;
use crate::receiver::delivery::Shared;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::receiver::{Entry, Selection};
use crate::sender::Sender;
use crate::table::hub::is_live;
use crate::tap::cause::SendId;
use crate::tap::context::{self, Context};
use crate::tap::mutes::Mutes;
#[cfg(feature = "queue")]
use crate::tap::observer::ObservedReceiver;
use crate::tap::observer::{ObservedSend, SendEnd};
use crate::tap::observers::Tap;
use crate::tap::pending::{self, Pending};
#[cfg(feature = "testing")]
use crate::tap::shuffle::ShuffledSend;
use crate::tap::ways::{Outcome, SendWay};

/// A send that observers see, or that mutes concern, until this is dropped.
pub(crate) struct Observation<'t> {
    tap: &'t Arc<Tap>,
    id: SendId,
    /// The context in which the send was made.
    context: Context,
    sender: Sender<'t>,
    way: SendWay,
    span: ObservedSpan,
    /// `true` if there are observers, but neither a span nor a scope.
    is_plain: bool,
    /// The number of receivers that were reached.
    reached: AtomicUsize,
    mutes: Mutes<'t>,
    /// The number of receivers that are muted.
    muted: usize,
    /// The order of the receivers, if a scope shuffles them.
    #[cfg(feature = "testing")]
    shuffle: Option<ShuffledSend>,
    /// `true` once the walk has ended by itself.
    is_over: AtomicBool,
    /// The send as work that has not ended, in a scope that records.
    pending: Option<Pending>,
}

impl<'t> Observation<'t> {
    /// Returns the tap of a send over `selection`, unless the send needs none. It then has no
    /// observer, or is made by one, and no mute concerns it.
    #[inline]
    pub(crate) fn tap_of<E: Event, R: 'static>(
        selection: &Selection<'t, E, R>,
    ) -> Option<&'t Arc<Tap>> {
        selection.tap()?.for_this_thread()
    }

    /// Starts the observation of a send.
    pub(crate) fn start<E: Event, R: 'static>(
        tap: &'t Arc<Tap>,
        selection: &Selection<'t, E, R>,
        sender: &Sender<'t>,
        events: &[E::Args<'_>],
        way: SendWay,
    ) -> Self {
        let context = Context::current();
        let mutes = tap.mutes_of(sender, &context);
        let mut observation = Observation {
            tap,
            id: SendId::next(),
            sender: *sender,
            way,
            span: ObservedSpan::default(),
            is_plain: context.scope.is_none() && tap.has_observers() && !tap.has_spans(),
            reached: AtomicUsize::new(0),
            muted: muted_of(selection, &mutes, &context),
            mutes,
            #[cfg(feature = "testing")]
            shuffle: context.next_shuffled(),
            context,
            is_over: AtomicBool::new(false),
            pending: None,
        };
        let send = observation.send();
        let pending = Pending::start(send.context, || pending::send(&send));
        let span = ObservedSpan::of_send(tap, &send);
        tap.keep::<E>(send.id(), send.context, events);
        tap.show(|observer| observer.send_started(&send));
        observation.pending = pending;
        observation.span = span;
        if observation.stays_on_thread() {
            observation.span.enter();
        }
        observation
    }

    /// Returns `true` if the send leaves `receiver` out.
    pub(crate) fn leaves_out<E: Event, R: 'static>(&self, receiver: &Entry<E, R>) -> bool {
        is_muted(&self.mutes, receiver) || !receiver.about().options.is_in(&self.context)
    }

    /// Returns the order of the receivers, if a scope shuffles them.
    #[cfg(feature = "testing")]
    pub(super) fn shuffle(&self) -> Option<ShuffledSend> {
        self.shuffle
    }

    /// Returns the send as observers see it.
    fn send(&self) -> ObservedSend<'_> {
        ObservedSend {
            id: self.id,
            context: &self.context,
            signal: &self.tap.signal,
            sender: self.sender,
            way: self.way,
        }
    }

    /// Returns `true` if the send starts and ends on one thread, with nothing else in between.
    fn stays_on_thread(&self) -> bool {
        self.way != SendWay::Async
    }

    /// Notes that the send was not cut off. The observation ends when it is dropped.
    pub(crate) fn end(&self) {
        // Relaxed: `drop` reads it with exclusive access. Row W2.
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Counts a receiver that is reached.
    fn count(&self) {
        // Relaxed: only the sum counts, which `drop` reads with exclusive access. Row W2.
        if self.way == SendWay::Parallel {
            self.reached.fetch_add(1, Ordering::Relaxed);
        } else {
            // One thread at a time walks. An addition in one step would take longer.
            let reached = self.reached.load(Ordering::Relaxed);
            self.reached.store(reached + 1, Ordering::Relaxed);
        }
    }

    /// Starts the run of a receiver.
    #[inline(always)]
    fn run_of<'a, E: Event, R: 'static>(&'a self, receiver: &'a Entry<E, R>) -> Run<'a> {
        self.count();
        Run::start(self.tap, self.send(), receiver.described(), |observed| {
            self.span.of_receiver(self.tap, observed)
        })
    }

    /// Starts a receiver that the send awaits. `start` makes its future.
    #[cfg(feature = "async")]
    pub(crate) fn start_awaited<'a, E: Event, R: 'static>(
        &'a self,
        receiver: &'a Entry<E, R>,
        start: impl FnOnce() -> BoxFuture<'a, R>,
    ) -> BoxFuture<'a, R> {
        let observed = ObservedFuture::start(self.run_of(receiver), start);
        #[cfg(feature = "testing")]
        let observed = match self.shuffle {
            // The receiver has been counted, so each has another number. Relaxed: one thread at a
            // time walks. Row W2.
            Some(send) => observed.put_off(send.delay(self.reached.load(Ordering::Relaxed))),
            None => observed,
        };
        Box::pin(observed)
    }

    /// Gives the event to the queue of a receiver, or calls the receiver.
    pub(super) fn take<E: Event, R: 'static>(
        &self,
        receiver: &Entry<E, R>,
        shared: &mut Shared,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
    ) -> R {
        #[cfg(feature = "queue")]
        if receiver.about().kind().is_queued() {
            return self.enqueue(receiver, shared, sender, event);
        }
        let _ = shared;
        self.run(receiver, || receiver.call(sender, event))
    }

    #[cfg(feature = "queue")]
    fn enqueue<E: Event, R: 'static>(
        &self,
        receiver: &Entry<E, R>,
        shared: &mut Shared,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
    ) -> R {
        self.count();
        let job = OnceCell::new();
        let observe = |inner| -> Arc<dyn Deliver> {
            let of = || ObservedJob::of(inner, self.tap, &self.send(), &self.span);
            let observed = job.get_or_init(of);
            Arc::clone(observed) as Arc<dyn Deliver>
        };
        let (response, accepted) = receiver.enqueue_as(receiver, sender, event, shared, &observe);
        let observed = ObservedReceiver(receiver.described());
        self.tap
            .show(|observer| observer.receiver_queued(&self.send(), &observed, accepted));
        if let Some(job) = job.get().filter(|_| !accepted) {
            job.refuse();
        }
        // If the queue has discarded the event, this shows it, because it is the last handle.
        drop(job);
        response
    }

    /// Calls `run`, which runs `receiver`.
    pub(crate) fn run<E: Event, R: 'static, T>(
        &self,
        receiver: &Entry<E, R>,
        run: impl FnOnce() -> T,
    ) -> T {
        let has_budget = receiver.about().options.budget().is_some();
        // A thread of a pool may be in a scope, although the send is not.
        if self.is_plain && !has_budget && !context::is_in_scope() {
            self.count();
            return PlainRun::run(self.tap, &self.send(), receiver.described(), run);
        }
        let mut observed = self.run_of(receiver);
        let returned = observed.part(run);
        observed.note_return();
        returned
    }
}

/// The data that the turns of one event share in a send that observers see. It is one reference in
/// a `Turn`, because turns without observers take more instructions if they are larger.
pub(crate) struct Handed<'o> {
    shared: Cell<Shared>,
    observation: &'o Observation<'o>,
}

impl<'o> Handed<'o> {
    pub(super) fn of(observation: &'o Observation<'o>) -> Self {
        Handed {
            shared: Cell::default(),
            observation,
        }
    }

    /// Gives the event to the queue of a receiver, or calls the receiver.
    #[cold]
    #[inline(never)]
    pub(super) fn take<E: Event, R: 'static>(
        &self,
        receiver: &Entry<E, R>,
        sender: &Sender<'_>,
        event: &E::Args<'_>,
    ) -> R {
        let mut shared = self.shared.take();
        let observation = self.observation;
        if !receiver.about().kind().is_queued() {
            return observation.run(receiver, || receiver.call(sender, event));
        }
        let response = observation.take(receiver, &mut shared, sender, event);
        self.shared.set(shared);
        response
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        let end = SendEnd {
            reached: *self.reached.get_mut(),
            muted: self.muted,
            cut_off: !*self.is_over.get_mut(),
        };
        if self.stays_on_thread() {
            self.span.leave();
        }
        if end.cut_off {
            self.span.record("cut off");
        }
        let send = self.send();
        self.tap.show(|observer| observer.send_ended(&send, &end));
        if let Some(pending) = self.pending.take() {
            pending.end(Outcome::of(!end.cut_off));
        }
    }
}

/// Returns `true` if a send that `mutes` concern leaves `receiver` out.
fn is_muted<E: Event, R: 'static>(mutes: &Mutes<'_>, receiver: &Entry<E, R>) -> bool {
    !mutes.is_empty() && mutes.mute_of(receiver.described()).is_some()
}

/// Returns the number of live receivers that the send leaves out.
fn muted_of<E: Event, R: 'static>(
    selection: &Selection<'_, E, R>,
    mutes: &Mutes<'_>,
    context: &Context,
) -> usize {
    if mutes.is_empty() {
        return 0;
    }
    let muted = |receiver: &&Entry<E, R>| {
        let is_here = receiver.about().options.is_in(context);
        is_here && is_live(*receiver) && is_muted(mutes, receiver)
    };
    selection.iter().filter(muted).count()
}

/// Returns the test for the receivers that a send from `sender` by this thread would leave out now.
pub(crate) fn left_out_now<'t, E: Event, R: 'static>(
    selection: &Selection<'t, E, R>,
    sender: &Sender<'_>,
) -> impl Fn(&Entry<E, R>) -> bool + use<'t, E, R> {
    let tap = selection.tap().and_then(Tap::for_this_thread);
    let context = Context::current();
    let mutes = tap.map(|tap| tap.mutes_of(sender, &context));
    move |receiver| {
        let is_muted = mutes
            .as_ref()
            .is_some_and(|mutes| is_muted(mutes, receiver));
        is_muted || !receiver.about().options.is_in(&context)
    }
}
