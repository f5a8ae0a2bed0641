//! Walks with async receivers. An async send awaits them, and other sends drive them to their end.

use std::any::type_name;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::future::join_all;
use smallvec::SmallVec;

use super::blocking;
use super::join::{MANY, Polled, join, join_unless, join_unless_panic};
use super::marked::{Mark, Marked};
use super::outcome::{self, Begun, Cause, Outcome};
use crate::error::ReceiverError;
use crate::event::Event;
use crate::nesting::Polling;
use crate::panic_report::{self, Progress};
use crate::receiver::delivery::Shared;
use crate::receiver::future::{BoxFuture, ResponseFuture};
use crate::receiver::{Entry, Hub, Selection, Table};
use crate::responses::{Responses, RobustResponses};
use crate::sender::Sender;
use crate::table::hub::is_live;
use crate::tap::ways::SendWay;
use crate::turn::discards::Discards;
use crate::turn::live::{Group, Pins, for_each_live};
use crate::turn::observation::{Observation, left_out_now};
use crate::turn::watching::{Unwatched, Watching};
use crate::turn::{How, Turn, Turns, catch};

/// Returns `true` if a send has to note which receivers ran, because some may be dead or spent, or
/// because a drop of the send would be reported.
pub(crate) fn needs_books<E: Event, R: 'static>(selection: &Selection<'_, E, R>) -> bool {
    selection.has_mortal() || panic_report::hears_of_cancelled_sends()
}

/// Calls the receivers that an async send calls, keeps their responses, and returns the receivers
/// that still have to be awaited. The selection must not have receivers that may be dead or spent.
pub(crate) fn call_first<'t, E: Event, R: 'static>(
    hub: &Hub<E, R>,
    selection: &Selection<'t, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    responses: &mut Responses<R>,
) -> SmallVec<[&'t Entry<E, R>; 4]> {
    let _mark = Mark::of(hub);
    let mut awaited = SmallVec::new();
    let mut shared = Shared::default();
    selection.for_each(|entry| {
        if Group::Concurrent.has(entry.about().kind()) {
            awaited.push(entry);
        } else {
            let response = call(Turn::or_enqueue(entry, &mut shared), sender, event);
            responses.push(|| entry.id(), response);
        }
    });
    awaited
}

/// Starts `receivers`, awaits them together and keeps their responses.
pub(crate) async fn wait<'t, E: Event, R: 'static>(
    hub: &Hub<E, R>,
    receivers: impl ExactSizeIterator<Item = &'t Entry<E, R>> + Clone,
    sender: Sender<'t>,
    event: &'t E::Args<'_>,
    responses: &mut Responses<R>,
) {
    let start = |entry: &'t Entry<E, R>| entry.start(entry, None, sender, event);
    let (done, returned) = if receivers.len() < MANY {
        let begun = poll_fn(|cx| {
            let _mark = Mark::of(hub);
            Poll::Ready(begin(receivers.clone(), start, cx, responses))
        });
        let begun = begun.await;
        if begun.is_empty() {
            return;
        }
        let done = receivers.len() - begun.len();
        let joined = Polled::once(join_all(begun));
        (done, Marked::new(hub, joined).await)
    } else {
        let started = {
            let _mark = Mark::of(hub);
            let started = receivers.clone().map(|entry| {
                let running = catch_unwind(AssertUnwindSafe(|| start(entry)));
                Outcome::of(entry, running, false)
            });
            started.collect::<Vec<_>>()
        };
        let joined = join_unless_panic(started.into_iter());
        let returned = Marked::new(hub, joined).await;
        (
            0,
            returned.unwrap_or_else(|failure| resume_unwind(failure.into_panic())),
        )
    };
    for (entry, response) in receivers.skip(done).zip(returned) {
        responses.push(|| entry.id(), response);
    }
}

/// Starts and polls each receiver. The receivers that need not wait, often all of them, are done
/// then. Returns the first receiver that waits and all receivers after it. Only these have the cost
/// of a combinator.
///
/// The first panic travels when each has been polled.
fn begin<'t, E: Event, R: 'static>(
    receivers: impl Iterator<Item = &'t Entry<E, R>>,
    start: impl Fn(&'t Entry<E, R>) -> BoxFuture<'t, R>,
    cx: &mut Context<'_>,
    responses: &mut Responses<R>,
) -> Vec<Begun<'t, R>> {
    let mut begun = Vec::new();
    let mut first_panic = None;
    for entry in receivers {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut response = ResponseFuture::of(start(entry));
            match Pin::new(&mut response).poll(cx) {
                Poll::Ready(response) => Ok(response),
                Poll::Pending => Err(response),
            }
        }));
        match polled {
            Ok(Ok(response)) if begun.is_empty() => responses.push(|| entry.id(), response),
            Ok(Ok(response)) => begun.push(Begun::Responded(Some(response))),
            Ok(Err(response)) => begun.push(Begun::Waits(response)),
            Err(panic) if first_panic.is_none() => first_panic = Some(panic),
            Err(panic) => outcome::ignore(entry, panic),
        }
    }
    if let Some(panic) = first_panic {
        resume_unwind(panic);
    }
    begun
}

/// Sends over `table` and keeps every response, or, if `robust`, every outcome.
pub(crate) async fn gather<E: Event, R: 'static>(
    hub: &Hub<E, R>,
    table: Arc<Table<E, R>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    robust: bool,
) -> RobustResponses<R> {
    let mut discards = Discards::of(hub);
    let table = table;
    let selection = table.select(sender);
    let tap = Observation::tap_of(&selection);
    let observation = tap.map(|tap| {
        Observation::start(
            tap,
            &selection,
            sender,
            slice::from_ref(event),
            SendWay::Async,
        )
    });
    let pins = Pins::of(&selection, &mut discards);
    let mut responses = RobustResponses::with_capacity(selection.len());
    call_inline(
        &selection,
        &pins,
        &mut discards,
        observation.as_ref(),
        |entry, turn| {
            let outcome = catch::catch_if(robust, || call(turn, sender, event));
            catch::keep(&mut responses, entry, outcome);
            ControlFlow::<()>::Continue(())
        },
    );

    let awaiting = Awaiting {
        group: Group::Concurrent,
        sender: *sender,
        event,
        robust,
        observation: observation.as_ref(),
    };
    let started = awaiting.start(&selection, &pins, &mut discards);
    let finished = started.finished();
    let cancelled = Cancelled::unless_over(&started.receivers, &finished);
    let futures = noting(started.futures, &finished);
    if robust {
        let outcomes = join(futures).await;
        cancelled.disarm();
        for (receiver, outcome) in started.receivers.into_iter().zip(outcomes) {
            match outcome {
                Ok(response) => responses.push(|| receiver.id(), response),
                Err(failure) => responses.push_panic(failure),
            }
        }
    } else {
        let returned = join_unless_panic(futures).await;
        let returned = returned.unwrap_or_else(|failure| resume_unwind(failure.into_panic()));
        cancelled.disarm();
        for (receiver, response) in started.receivers.into_iter().zip(returned) {
            responses.push(|| receiver.id(), response);
        }
    }
    observation.iter().for_each(Observation::end);
    responses
}

/// Sends over `table` and keeps every response until the first `Err`, which drops the futures that
/// are still running.
pub(crate) async fn try_gather<E: Event, T: 'static, X: 'static>(
    hub: &Hub<E, Result<T, X>>,
    table: Arc<Table<E, Result<T, X>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Result<Responses<T>, ReceiverError<T, X>> {
    let mut discards = Discards::of(hub);
    let table = table;
    let selection = table.select(sender);
    let tap = Observation::tap_of(&selection);
    let observation = tap.map(|tap| {
        Observation::start(
            tap,
            &selection,
            sender,
            slice::from_ref(event),
            SendWay::Async,
        )
    });
    let pins = Pins::of(&selection, &mut discards);
    let mut before = Responses::new();
    let failed = call_inline(
        &selection,
        &pins,
        &mut discards,
        observation.as_ref(),
        |entry, turn| {
            let value = match call(turn, sender, event) {
                Ok(value) => value,
                Err(error) => return ControlFlow::Break((entry.id(), error)),
            };
            before.push(|| entry.id(), value);
            ControlFlow::Continue(())
        },
    );
    let failed = match failed {
        Some(failed) => failed,
        None => {
            let awaiting = Awaiting {
                group: Group::Concurrent,
                sender: *sender,
                event,
                robust: false,
                observation: observation.as_ref(),
            };
            let started = awaiting.start(&selection, &pins, &mut discards);
            let finished = started.finished();
            let cancelled = Cancelled::unless_over(&started.receivers, &finished);
            let futures = noting(started.futures, &finished);
            let stop = match join_unless(futures, |response| response).await {
                Ok(responses) => {
                    cancelled.disarm();
                    for (receiver, value) in started.receivers.into_iter().zip(responses) {
                        before.push(|| receiver.id(), value);
                    }
                    observation.iter().for_each(Observation::end);
                    return Ok(before);
                }
                Err(stop) => stop,
            };
            match stop.cause {
                Cause::Panic(failure) => resume_unwind(failure.into_panic()),
                Cause::Error(error) => {
                    cancelled.disarm();
                    (stop.receiver, error)
                }
            }
        }
    };
    observation.iter().for_each(Observation::end);
    let (receiver, error) = failed;
    Err(ReceiverError {
        before,
        receiver,
        error,
    })
}

/// Gives each receiver that an async send does not await its turn, and returns the value of the
/// break, if there was one.
fn call_inline<'t, E: Event, R: 'static, B>(
    selection: &Selection<'t, E, R>,
    pins: &'t Pins<'_>,
    discards: &mut Discards<'_, E, R>,
    observation: Option<&Observation<'_>>,
    mut each: impl FnMut(&'t Entry<E, R>, Turn<'_, E, R>) -> ControlFlow<B>,
) -> Option<B> {
    let group = Group::Inline;
    let walked = match observation {
        None => {
            let mut shared = Shared::default();
            let unwatched = &Unwatched;
            for_each_live(
                selection,
                pins,
                discards,
                group,
                unwatched,
                |entry, _, _| each(entry, Turn::or_enqueue(entry, &mut shared)),
            )
        }
        Some(observation) => {
            let mut handed = observation.handed();
            for_each_live(
                selection,
                pins,
                discards,
                group,
                observation,
                |entry, _, _| each(entry, Observation::turn(entry, &mut handed)),
            )
        }
    };
    walked.break_value()
}

/// Calls a receiver. If the receiver may block its thread, it is called by `blocking::in_place`.
fn call<E: Event, R: 'static>(turn: Turn<'_, E, R>, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
    if turn.receiver.about().kind().may_block() {
        blocking::in_place(|| turn.take(sender, event))
    } else {
        turn.take(sender, event)
    }
}

/// Walks the receivers that a send on this thread awaits, as `walk_any` in `send/walk.rs` does. It
/// runs all of them together, to the end of the last, and then gives each its turn.
pub(crate) fn drive<E: Event, R: 'static, B, T: Turns<E, R, B>>(
    selection: &Selection<'_, E, R>,
    pins: &Pins<'_>,
    discards: &mut Discards<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut T,
    watching: &impl Watching,
) -> ControlFlow<B> {
    if selection.awaited() == 0 {
        return ControlFlow::Continue(());
    }
    let polling = Polling::start();
    let awaiting = Awaiting {
        group: Group::Awaited,
        sender: *sender,
        event,
        robust: T::ROBUST,
        observation: watching.observation(),
    };
    let started = awaiting.start(selection, pins, discards);
    if started.futures.is_empty() {
        return ControlFlow::Continue(());
    }
    let receivers = started.receivers.into_iter();
    let futures = started.futures.into_iter();
    let mut visit = |receiver, outcome| {
        let mut outcome = Some(outcome);
        let how = How::Ran(&mut outcome);
        turns.visit(Turn { receiver, how })
    };
    if T::ROBUST {
        let outcomes = pollster::block_on(join(futures));
        drop(polling);
        let mut outcomes = receivers.zip(outcomes);
        return outcomes.try_for_each(|(receiver, outcome)| visit(receiver, outcome));
    }
    let ended = pollster::block_on(join_unless(futures, T::split));
    drop(polling);
    match ended {
        Ok(responses) => {
            let mut responses = receivers.zip(responses);
            responses.try_for_each(|(receiver, response)| visit(receiver, Ok(response)))
        }
        Err(stop) => match stop.cause {
            Cause::Panic(failure) => resume_unwind(failure.into_panic()),
            Cause::Error(response) => {
                let mut receivers = receivers;
                let stopped = receivers.find(|receiver| receiver.id() == stop.receiver);
                visit(
                    stopped.expect("the receiver that stopped the send is one of its receivers"),
                    Ok(response),
                )
            }
        },
    }
}

/// Returns the first async receiver, if a blocking send from `sender` would have to block a thread
/// on which an executor runs.
pub(crate) fn refused_for<'t, E: Event, R: 'static>(
    selection: &Selection<'t, E, R>,
    sender: &Sender<'_>,
) -> Option<&'t Entry<E, R>> {
    // A dead receiver is not counted: if it caused a refusal, no send would reach it and take it
    // out.
    let is_awaited =
        |entry: &&Entry<E, R>| Group::Awaited.has(entry.about().kind()) && is_live(*entry);
    let first = (selection.awaited() > 0).then(|| selection.iter().find(is_awaited))??;
    if !blocking::is_forbidden() {
        return None;
    }
    if selection.tap().is_none() {
        return Some(first);
    }
    let is_left_out = left_out_now(selection, sender);
    selection
        .iter()
        .find(|entry| is_awaited(entry) && !is_left_out(entry))
}

/// Refuses a send that would block a thread on which an executor runs.
///
/// # Panics
///
/// Panics if the send would be [refused](refused_for).
pub(crate) fn refuse_on_an_executor<E: Event, R: 'static>(
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
) {
    if let Some(receiver) = refused_for(selection, sender) {
        panic!(
            "a signal of `{}` was sent with a blocking `send` on a thread that runs an executor, \
             and has an async receiver, {}: await `asend`, `asend_robust` or `asend_until_err` instead; no \
             receiver has run",
            type_name::<E>(),
            receiver.place()
        );
    }
}

/// Receivers that are awaited, and their futures.
struct Started<'t, E: Event, R: 'static> {
    receivers: Vec<&'t Entry<E, R>>,
    futures: Vec<Outcome<'t, E, R>>,
}

/// The way in which a send starts the receivers that it awaits.
struct Awaiting<'t, 'e, E: Event> {
    group: Group,
    sender: Sender<'t>,
    event: &'t E::Args<'e>,
    robust: bool,
    observation: Option<&'t Observation<'t>>,
}

impl<'t, E: Event> Awaiting<'t, '_, E> {
    /// Starts the receivers of the group.
    fn start<R: 'static>(
        self,
        selection: &Selection<'t, E, R>,
        pins: &'t Pins<'_>,
        discards: &mut Discards<'_, E, R>,
    ) -> Started<'t, E, R> {
        let mut started = Started {
            receivers: Vec::new(),
            futures: Vec::new(),
        };
        let (sender, event) = (self.sender, self.event);
        let mut push = |entry: &'t Entry<E, R>, start: &dyn Fn() -> BoxFuture<'t, R>| {
            let running = catch_unwind(AssertUnwindSafe(start));
            started.receivers.push(entry);
            started
                .futures
                .push(Outcome::of(entry, running, self.robust));
            ControlFlow::<()>::Continue(())
        };
        let group = self.group;
        let _ = match self.observation {
            None => for_each_live(
                selection,
                pins,
                discards,
                group,
                &Unwatched,
                |entry, pin, _| push(entry, &|| entry.start(entry, pin, sender, event)),
            ),
            Some(observation) => for_each_live(
                selection,
                pins,
                discards,
                group,
                observation,
                |entry, pin, _| {
                    let start = || entry.start(entry, pin, sender, event);
                    push(entry, &|| observation.start_awaited(entry, start))
                },
            ),
        };
        started
    }
}

/// Returns the futures, each of which notes its end if a report will need that.
fn noting<'a, E: Event, R: 'static>(
    futures: Vec<Outcome<'a, E, R>>,
    finished: &'a [AtomicBool],
) -> impl ExactSizeIterator<Item = Outcome<'a, E, R>> {
    let noted = futures.into_iter().enumerate();
    noted.map(|(at, future)| future.noting(finished.get(at)))
}

impl<E: Event, R: 'static> Started<'_, E, R> {
    /// Returns a place to note the end of each future, if that end would be reported.
    fn finished(&self) -> Vec<AtomicBool> {
        if panic_report::hears_of_cancelled_sends() {
            self.futures
                .iter()
                .map(|_| AtomicBool::new(false))
                .collect()
        } else {
            Vec::new()
        }
    }
}

/// A guard that reports which receivers had finished, if the send is dropped before all have.
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

    fn disarm(mut self) {
        self.finished = &[];
    }
}

impl<E: Event, R: 'static> Drop for Cancelled<'_, E, R> {
    fn drop(&mut self) {
        let receivers = self.receivers.iter().zip(self.finished);
        // Relaxed: see where it is set. Row A1.
        let receivers = receivers.map(|(receiver, finished)| {
            let progress = if finished.load(Ordering::Relaxed) {
                Progress::Finished
            } else if receiver.about().kind().outlives_its_send() {
                Progress::Continuing
            } else {
                Progress::Dropped
            };
            (receiver.id(), receiver.name(), progress)
        });
        panic_report::send_cancelled(receivers);
    }
}
