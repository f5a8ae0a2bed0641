//! Sends with async receivers: awaited by an async send, driven to their end by others.

use std::any::Any;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;

use futures_concurrency::future::{Join, TryJoin};
use futures_util::future::{join_all, try_join_all};
use pin_project_lite::pin_project;

use super::robust;
use super::special::{Discards, Group, Pins, for_each_live};
use super::{How, Shared, Turn, Turns};
use crate::blocking;
use crate::error::TrySendError;
use crate::event::Event;
use crate::nesting::{Polling, Running};
use crate::receiver::{BoxFuture, Entry, Kind};
use crate::report;
use crate::responses::{Responses, RobustResponses};
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

/// From so many futures on `futures-concurrency`, which polls only those that were woken,
/// is faster than `join_all`.
const MANY: usize = 64;

/// Keeps every answer, or, if `robust`, every outcome.
pub(crate) async fn gather<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: Arc<Table<E, R>>,
    sender: Sender<'_>,
    event: &E::Args<'_>,
    robust: bool,
) -> RobustResponses<R> {
    let selection = table.select(&sender);
    let pins = Pins::of(&selection);
    let mut discards = Discards::of(hub);
    let mut responses = RobustResponses::with_capacity(selection.len());
    call_inline(&selection, &pins, &mut discards, |entry, turn| {
        let call = AssertUnwindSafe(|| call(turn, &sender, event));
        let outcome = if robust {
            catch_unwind(call)
        } else {
            Ok(call())
        };
        robust::keep(&mut responses, entry, outcome);
        ControlFlow::<()>::Continue(())
    });

    let group = Group::Concurrent;
    let started = start(
        &selection,
        &pins,
        &mut discards,
        group,
        sender,
        event,
        robust,
    );
    let finished = started.finished();
    let cancelled = Cancelled::unless_over(&started.receivers, &finished);
    let outcomes = join(noting(started.futures, &finished)).await;
    cancelled.is_over();
    for (receiver, outcome) in started.receivers.into_iter().zip(outcomes) {
        robust::keep(&mut responses, receiver, outcome);
    }
    responses
}

/// Keeps every answer until the first `Err`, which drops the futures that are still
/// running.
pub(crate) async fn try_gather<E: Event, T: 'static, X: 'static>(
    hub: &Hub<Table<E, Result<T, X>>>,
    table: Arc<Table<E, Result<T, X>>>,
    sender: Sender<'_>,
    event: &E::Args<'_>,
) -> Result<Responses<T>, TrySendError<T, X>> {
    let selection = table.select(&sender);
    let pins = Pins::of(&selection);
    let mut discards = Discards::of(hub);
    let mut before = Responses::new();
    let failed = call_inline(&selection, &pins, &mut discards, |entry, turn| {
        let value = match call(turn, &sender, event) {
            Ok(value) => value,
            Err(error) => return ControlFlow::Break((entry.id(), error)),
        };
        before.push(|| entry.id(), value);
        ControlFlow::Continue(())
    });
    let failed = match failed {
        Some(failed) => failed,
        None => {
            let group = Group::Concurrent;
            let started = start(
                &selection,
                &pins,
                &mut discards,
                group,
                sender,
                event,
                false,
            );
            let finished = started.finished();
            let cancelled = Cancelled::unless_over(&started.receivers, &finished);
            let futures = noting(started.futures, &finished).zip(&started.receivers);
            let answers = try_join(futures.map(|(future, receiver)| async move {
                let answer = future.await.unwrap_or_else(|panic| resume_unwind(panic));
                answer.map_err(|error| (receiver.id(), error))
            }));
            let answers = answers.await;
            cancelled.is_over();
            match answers {
                Ok(answers) => {
                    for (receiver, value) in started.receivers.into_iter().zip(answers) {
                        before.push(|| receiver.id(), value);
                    }
                    return Ok(before);
                }
                Err(failed) => failed,
            }
        }
    };
    let (receiver, error) = failed;
    Err(TrySendError {
        before,
        receiver,
        error,
    })
}

/// Gives each receiver that an async send does not await its turn; returns what broke.
fn call_inline<'t, E: Event, R: 'static, B>(
    selection: &Selection<'t, E, R>,
    pins: &'t Pins,
    discards: &mut Discards<'_, E, R>,
    mut each: impl FnMut(&'t Entry<E, R>, Turn<'_, E, R>) -> ControlFlow<B>,
) -> Option<B> {
    let mut shared = Shared::default();
    let walked = for_each_live(selection, pins, discards, Group::Inline, |entry, _| {
        each(entry, Turn::or_enqueue(entry, &mut shared))
    });
    walked.break_value()
}

/// Calls one of those, where it may block if it asked for that.
fn call<E: Event, R: 'static>(turn: Turn<'_, E, R>, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
    match turn.receiver.about().kind {
        Kind::Blocking => blocking::in_place(|| turn.take(sender, event)),
        _ => turn.take(sender, event),
    }
}

/// As the walk in `special`, for the receivers that a send on this thread awaits: all of
/// them together, to the end of the last, and then each gets its turn.
pub(super) fn drive<E: Event, R: 'static, B, T: Turns<E, R, B>>(
    selection: &Selection<'_, E, R>,
    pins: &Pins,
    discards: &mut Discards<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut T,
) -> ControlFlow<B> {
    let group = Group::Awaited;
    let polling = Polling::start();
    let started = start(selection, pins, discards, group, *sender, event, T::ROBUST);
    if started.futures.is_empty() {
        return ControlFlow::Continue(());
    }
    let outcomes = pollster::block_on(join(started.futures.into_iter()));
    drop(polling);
    let mut outcomes = started.receivers.into_iter().zip(outcomes);
    outcomes.try_for_each(|(receiver, outcome)| {
        turns.visit(Turn {
            receiver,
            how: How::Ran(outcome),
        })
    })
}

/// Refuses a send that would have to block a thread on which an executor runs.
///
/// # Panics
///
/// If one of the receivers is async and this is such a thread.
pub(super) fn refuse_on_an_executor<E: Event, R: 'static>(selection: &Selection<'_, E, R>) {
    let is_awaited = |entry: &Entry<E, R>| entry.about().kind == Kind::Awaited;
    assert!(
        !selection.iter().any(is_awaited) || !blocking::is_forbidden(),
        "a signal with async receivers was sent with a blocking `send` on a thread that runs an \
         executor: await `asend`, `asend_robust` or `try_asend` instead; no receiver has run"
    );
}

/// Receivers that are awaited, and their futures.
struct Started<'t, E: Event, R: 'static> {
    receivers: Vec<&'t Entry<E, R>>,
    futures: Vec<Outcome<'t, R>>,
}

fn start<'t, E: Event, R: 'static>(
    selection: &Selection<'t, E, R>,
    pins: &'t Pins,
    discards: &mut Discards<'_, E, R>,
    group: Group,
    sender: Sender<'t>,
    event: &'t E::Args<'_>,
    robust: bool,
) -> Started<'t, E, R> {
    let mut started = Started {
        receivers: Vec::new(),
        futures: Vec::new(),
    };
    let _ = for_each_live(selection, pins, discards, group, |entry, pin| {
        let start = AssertUnwindSafe(|| entry.start(entry, pin, sender, event));
        let state = if robust {
            catch_unwind(start).map_or_else(State::Panicked, State::Running)
        } else {
            State::Running(start())
        };
        started.receivers.push(entry);
        started.futures.push(Outcome {
            state,
            robust,
            finished: None,
        });
        ControlFlow::<()>::Continue(())
    });
    started
}

/// A receiver's future that ends with what it answered or, if `robust`, panicked with.
struct Outcome<'a, R> {
    state: State<'a, R>,
    robust: bool,
    finished: Option<&'a AtomicBool>,
}

enum State<'a, R> {
    Running(BoxFuture<'a, R>),
    Panicked(Box<dyn Any + Send>),
    Over,
}

impl<R> Outcome<'_, R> {
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<R>> {
        match &mut self.state {
            State::Running(future) => {
                let answer = ready!(future.as_mut().poll(cx));
                self.state = State::Over;
                Poll::Ready(Ok(answer))
            }
            State::Panicked(_) => match mem::replace(&mut self.state, State::Over) {
                State::Panicked(panic) => Poll::Ready(Err(panic)),
                _ => unreachable!("it was one"),
            },
            State::Over => panic!("a receiver's future was polled after its end"),
        }
    }
}

impl<R> Future for Outcome<'_, R> {
    type Output = thread::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = if self.robust {
            let advanced = catch_unwind(AssertUnwindSafe(|| self.advance(cx)));
            ready!(advanced.unwrap_or_else(|panic| Poll::Ready(Err(panic))))
        } else {
            ready!(self.advance(cx))
        };
        if let Some(finished) = self.finished {
            // Relaxed: who drops the send has it after whoever polled it last, by whatever
            // hands futures from thread to thread. Row A1.
            finished.store(true, Ordering::Relaxed);
        }
        Poll::Ready(outcome)
    }
}

impl<R> Drop for Outcome<'_, R> {
    /// Several are dropped in a row where a send is cancelled; a panic of one future's
    /// destructor must not meet that of another.
    fn drop(&mut self) {
        let state = mem::replace(&mut self.state, State::Over);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(state))) {
            report::future_panicked(panic);
        }
    }
}

/// The futures, each to note its end where somebody will ask.
fn noting<'a, R>(
    futures: Vec<Outcome<'a, R>>,
    finished: &'a [AtomicBool],
) -> impl ExactSizeIterator<Item = Outcome<'a, R>> {
    let noted = futures.into_iter().enumerate();
    noted.map(|(at, mut future)| {
        future.finished = finished.get(at);
        future
    })
}

impl<E: Event, R: 'static> Started<'_, E, R> {
    /// A place to note the end of each, if it would be reported.
    fn finished(&self) -> Vec<AtomicBool> {
        if report::CANCELLED_SENDS {
            self.futures
                .iter()
                .map(|_| AtomicBool::new(false))
                .collect()
        } else {
            Vec::new()
        }
    }
}

/// Reports which receivers had finished, should the send be dropped before all have.
struct Cancelled<'t, E: Event, R: 'static> {
    receivers: &'t [&'t Entry<E, R>],
    finished: &'t [AtomicBool],
}

impl<'t, E: Event, R: 'static> Cancelled<'t, E, R> {
    fn unless_over(receivers: &'t [&'t Entry<E, R>], finished: &'t [AtomicBool]) -> Self {
        Cancelled {
            receivers,
            finished,
        }
    }

    fn is_over(mut self) {
        self.finished = &[];
    }
}

impl<E: Event, R: 'static> Drop for Cancelled<'_, E, R> {
    fn drop(&mut self) {
        let receivers = self.receivers.iter().zip(self.finished);
        // Relaxed: see where it is set. Row A1.
        let receivers = receivers.map(|(receiver, finished)| {
            (
                receiver.id(),
                receiver.name(),
                finished.load(Ordering::Relaxed),
            )
        });
        report::send_cancelled(receivers);
    }
}

/// Waits for all, and keeps their order.
async fn join<F: Future>(mut futures: impl ExactSizeIterator<Item = F>) -> Vec<F::Output> {
    match futures.len() {
        0 => Vec::new(),
        1 => vec![futures.next().expect("there is one").await],
        ..MANY => join_all(futures).await,
        _ => futures.collect::<Vec<_>>().join().await,
    }
}

/// Waits for all, and keeps their order, or for the first error, and drops the others.
async fn try_join<F, T, X>(futures: impl ExactSizeIterator<Item = F>) -> Result<Vec<T>, X>
where
    F: Future<Output = Result<T, X>>,
{
    match futures.len() {
        ..MANY => try_join_all(futures).await,
        _ => futures.collect::<Vec<_>>().try_join().await,
    }
}

pin_project! {
    /// An async send, which marks its thread whenever user code runs in it.
    pub(crate) struct Marked<'s, E: Event, R: 'static, F> {
        signal: &'s Signal<E, R>,
        #[pin]
        send: Option<F>,
    }

    impl<E: Event, R: 'static, F> PinnedDrop for Marked<'_, E, R, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _running = this.signal.hub.get().map(|hub| Running::destructor(&**hub));
            this.send.set(None);
        }
    }
}

impl<'s, E: Event, R: 'static, F> Marked<'s, E, R, F> {
    pub(crate) fn new(signal: &'s Signal<E, R>, send: F) -> Self {
        Marked {
            signal,
            send: Some(send),
        }
    }
}

impl<E: Event, R: 'static, F: Future> Future for Marked<'_, E, R, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _running = this.signal.hub.get().map(|hub| Running::send(&**hub));
        let _polling = Polling::start();
        let send = this.send.as_pin_mut().expect("only the drop takes it");
        send.poll(cx)
    }
}
