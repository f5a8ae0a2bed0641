//! Sending: walking one snapshot and collecting what the receivers answer.
//!
//! * here: the walk that every way of sending shares.
//! * `special`: the walk where some receivers are weak, once-only, queued or async.
//! * `future`: a walk that awaits; `outcome`: the future of one receiver.
//! * `robust`: a walk that catches panics.
//! * `parallel`: a walk over a pool of threads.
//! * `batch`: a walk with several events.
//! * `emitter`: a sender that keeps its snapshot from one send to the next.

pub(crate) mod batch;
pub(crate) mod emitter;
#[cfg(feature = "async")]
pub(crate) mod future;
#[cfg(feature = "async")]
pub(crate) mod outcome;
#[cfg(feature = "rayon")]
pub(crate) mod parallel;
pub(crate) mod robust;
mod special;

use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use crate::error::{Failure, TrySendError};
use crate::event::Event;
use crate::nesting::{Outermost, Running};
use crate::receiver::{Entry, ReceiverId};
use crate::responses::Responses;
use crate::sender::Sender;
use crate::table::plain::Plain;
use crate::table::publish::Hub;
use crate::table::tree::Run;
use crate::table::{Selection, Table};
pub(crate) use special::Discards;

/// A table as a send holds it, or none.
///
/// Every send marks its thread first, then opens its [`Discards`], and then takes the table. So
/// it releases the table first, takes out the receivers that have ended next, and runs the
/// destructors that this may mean with the mark still there.
pub(crate) trait Snapshot<E: Event, R: 'static>:
    Deref<Target = Option<Arc<Table<E, R>>>>
{
}

impl<E: Event, R: 'static, S: Deref<Target = Option<Arc<Table<E, R>>>>> Snapshot<E, R> for S {}

/// One receiver whose turn it is in a walk.
pub(crate) struct Turn<'t, E: Event, R: 'static> {
    pub(crate) receiver: &'t Entry<E, R>,
    how: How<'t, R>,
}

#[cfg_attr(
    not(all(feature = "async", feature = "queue")),
    allow(dead_code, reason = "some are made with a feature only")
)]
enum How<'t, R> {
    Call,
    /// Call it, or hand the event to its queue.
    CallOrEnqueue(&'t mut Shared),
    /// It has run, and here is its outcome. By reference, for the frames of nested sends.
    Ran(&'t mut Option<Result<R, Failure>>),
}

/// What the queued receivers of one send share.
#[cfg(feature = "queue")]
pub(crate) use crate::queue::Shared;
/// What the queued receivers of one send would share.
#[cfg(not(feature = "queue"))]
#[derive(Default)]
pub(crate) struct Shared {}

impl<'t, E: Event, R: 'static> Turn<'t, E, R> {
    #[inline(always)]
    fn of(receiver: &'t Entry<E, R>) -> Self {
        Turn {
            receiver,
            how: How::Call,
        }
    }

    fn or_enqueue(receiver: &'t Entry<E, R>, shared: &'t mut Shared) -> Self {
        Turn {
            receiver,
            how: How::CallOrEnqueue(shared),
        }
    }

    /// Its failure, where it has run and panicked.
    fn failure(&mut self) -> Option<Failure> {
        match &mut self.how {
            How::Ran(outcome) => outcome.take_if(|outcome| outcome.is_err())?.err(),
            _ => None,
        }
    }

    /// Makes the call and returns the answer.
    #[inline(always)]
    pub(crate) fn take(self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        match self.how {
            How::Call => self.receiver.call(sender, event),
            How::CallOrEnqueue(shared) => call_or_enqueue(self.receiver, shared, sender, event),
            How::Ran(outcome) => outcome_of(outcome),
        }
    }
}

/// What a receiver that has run answered; its panic travels on.
#[inline(never)]
fn outcome_of<R>(outcome: &mut Option<Result<R, Failure>>) -> R {
    match outcome.take().expect("a turn is taken once") {
        Ok(answer) => answer,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

fn call_or_enqueue<E: Event, R: 'static>(
    receiver: &Entry<E, R>,
    shared: &mut Shared,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> R {
    #[cfg(feature = "queue")]
    if receiver.about().kind == crate::receiver::Kind::Queued {
        return receiver.enqueue(receiver, sender, event, shared);
    }
    let _ = shared;
    receiver.call(sender, event)
}

/// What a way of sending does with each receiver.
pub(crate) trait Turns<E: Event, R: 'static, B> {
    /// Whether a panic of one receiver leaves the others running.
    #[cfg_attr(not(feature = "async"), allow(dead_code, reason = "asked for futures"))]
    const ROBUST: bool;

    /// Returns `Err` if the walk stops at this response of an async receiver, whose siblings are
    /// then dropped.
    #[cfg_attr(not(feature = "async"), allow(dead_code, reason = "asked for futures"))]
    fn split(answer: R) -> Result<R, R> {
        Ok(answer)
    }

    /// Takes one receiver's turn; a break ends the walk.
    fn visit(&mut self, turn: Turn<'_, E, R>) -> ControlFlow<B>;
}

impl<E: Event, R: 'static, B, F: FnMut(Turn<'_, E, R>) -> ControlFlow<B>> Turns<E, R, B> for F {
    const ROBUST: bool = false;

    #[inline]
    fn visit(&mut self, turn: Turn<'_, E, R>) -> ControlFlow<B> {
        self(turn)
    }
}

/// Gives each receiver of `selection` its turn, in order, until one breaks. The caller has
/// started a `Running`.
#[inline(never)]
pub(crate) fn walk<E: Event, R: 'static, B>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    if selection.has_special() {
        return special::walk(discards, selection, sender, event, turns);
    }
    match selection.simple() {
        Some(list) => list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
            run.iter()
                .try_for_each(|entry| turns.visit(Turn::of(entry)))
        }),
        None => walk_both(selection, turns),
    }
}

/// On its own for its large frame.
#[inline(never)]
fn walk_both<E: Event, R: 'static, B>(
    selection: &Selection<'_, E, R>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    selection
        .iter()
        .try_for_each(|entry| turns.visit(Turn::of(entry)))
}

/// Sends and keeps every answer. `take` takes the snapshot.
#[inline(always)]
pub(crate) fn collect<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    // Without a store where the caller sends from nobody: see `count`.
    let sender = sender.or_static();
    if Responses::<R>::ONLY_COUNTED {
        Responses::counted(count(hub, take, sender, event))
    } else {
        keep(hub, take, sender, event)
    }
}

/// Sends a frozen signal and keeps every answer.
#[inline(always)]
pub(crate) fn collect_frozen<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: &Option<Arc<Table<E, R>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    let sender = sender.or_static();
    if Responses::<R>::ONLY_COUNTED {
        Responses::counted(count_frozen(hub, table, sender, event))
    } else {
        keep(hub, || table, sender, event)
    }
}

/// As `count`. There is no snapshot to hide the hash behind, so that only sends that need it
/// make it.
#[inline(always)]
fn count_frozen<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: &Option<Arc<Table<E, R>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    match Outermost::send(hub) {
        Some(running) => count_frozen_outermost(running, hub, table, sender, event),
        None => count_nested(hub, || table, sender, event),
    }
}

/// On its own where nothing is optimised, for the frames of nested sends.
#[cfg_attr(not(debug_assertions), inline(always))]
fn count_frozen_outermost<E: Event, R: 'static>(
    _running: Outermost,
    hub: &Hub<Table<E, R>>,
    table: &Option<Arc<Table<E, R>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    match table.as_ref().and_then(|table| table.plain()) {
        Some(plain) => call_plain(plain, sender, event),
        None => count_frozen_by_sender(hub, table, sender, event),
    }
}

#[inline(never)]
fn count_frozen_by_sender<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: &Option<Arc<Table<E, R>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    count_in(hub, table, hub.shared().early(sender), sender, event)
}

/// Sends and counts the answers. The common case is inlined and written so that it stores
/// little: the locked instructions that take and release a snapshot wait for every store
/// before them.
#[inline(always)]
fn count<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    match Outermost::send(hub) {
        Some(running) => count_outermost(running, hub, take, sender, event),
        None => count_nested(hub, take, sender, event),
    }
}

/// On its own where nothing is optimised, for the frames of nested sends.
#[cfg_attr(not(debug_assertions), inline(always))]
fn count_outermost<E: Event, R: 'static, S: Snapshot<E, R>>(
    _running: Outermost,
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    // Before the snapshot, whose locked instruction it need not wait for.
    let hash = hub.shared().early(sender);
    count_in(hub, take(), hash, sender, event)
}

#[inline(never)]
fn count_nested<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let _running = Running::send(hub);
    count_in(hub, take(), None, sender, event)
}

#[inline(always)]
fn count_in<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    snapshot: S,
    hash: Option<u64>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let Some(table) = &*snapshot else { return 0 };
    if let Some(plain) = table.plain() {
        return call_plain(plain, sender, event);
    }
    match hash.and_then(|hash| count_by_sender(table, hash, sender, event)) {
        Some(called) => called,
        None => count_selected(hub, snapshot, hash, sender, event),
    }
}

/// The common case of a sender that has receivers of its own, in a small frame. Returns `None` for
/// other cases, in which nothing has been called.
#[inline(never)]
fn count_by_sender<E: Event, R: 'static>(
    table: &Table<E, R>,
    hash: u64,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Option<usize> {
    let run = table.own_plain(hash, sender)?;
    Some(call_run(run, sender, event))
}

#[inline(never)]
fn count_selected<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    snapshot: S,
    hash: Option<u64>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let mut discards = Discards::of(hub);
    let snapshot = snapshot;
    let Some(table) = &*snapshot else { return 0 };
    let selection = table.select_by(hash, sender);
    if let Some(list) = selection.simple() {
        let _ = list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
            call_all(run, sender, event);
            ControlFlow::<()>::Continue(())
        });
        return list.len();
    }
    let mut called = 0;
    let mut call = |turn: Turn<'_, E, R>| {
        called += 1;
        turn.take(sender, event);
        ControlFlow::<()>::Continue(())
    };
    let _ = walk(&mut discards, &selection, sender, event, &mut call);
    called
}

/// How many were called.
#[inline(always)]
fn call_plain<E: Event, R: 'static>(
    plain: &Plain<E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    match plain {
        Plain::One(receiver) => {
            receiver.call(sender, event);
            1
        }
        Plain::Few(len, few) => {
            let [a, b, c, d] = few;
            a.call(sender, event);
            b.call(sender, event);
            if *len > 2 {
                c.call(sender, event);
            }
            if *len > 3 {
                d.call(sender, event);
            }
            *len
        }
        Plain::Many(run) => call_all(run, sender, event),
    }
}

/// How many were called.
#[inline(always)]
fn call_run<E: Event, R: 'static>(
    run: &Run<Entry<E, R>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    match run {
        Run::One(receiver) => {
            receiver.call(sender, event);
            1
        }
        Run::Many(run) => call_all(run, sender, event),
    }
}

/// How many were called. Four calls a round: a loop over single calls takes three branches for
/// each, and how they happen to be aligned moves it by half.
#[inline]
fn call_all<E: Event, R: 'static>(
    run: &[Entry<E, R>],
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let fours = run.chunks_exact(4);
    let rest = fours.remainder();
    for four in fours {
        // Each chunk has four receivers, so the compiler removes this branch.
        let [a, b, c, d] = four else { continue };
        a.call(sender, event);
        b.call(sender, event);
        c.call(sender, event);
        d.call(sender, event);
    }
    for receiver in rest {
        receiver.call(sender, event);
    }
    run.len()
}

#[inline(never)]
fn keep<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    // Before the snapshot and the answers, to outlive both: their destructors are the
    // user's.
    let _running = Running::send(hub);
    let mut discards = Discards::of(hub);
    let snapshot = take();
    let Some(table) = &*snapshot else {
        return Responses::new();
    };
    let selection = table.select(sender);
    let mut responses = Responses::with_capacity(selection.len());
    let mut call = |turn: Turn<'_, E, R>| {
        let receiver = turn.receiver;
        let value = turn.take(sender, event);
        responses.push(|| receiver.id(), value);
        ControlFlow::<()>::Continue(())
    };
    let _ = walk(&mut discards, &selection, sender, event, &mut call);
    responses
}

/// Sends and hands each answer to `each`, until it breaks.
#[inline]
pub(crate) fn each<E: Event, R: 'static, B, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    each: &mut impl FnMut(ReceiverId, R) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let _running = Running::send(hub);
    let mut discards = Discards::of(hub);
    let snapshot = take();
    let Some(table) = &*snapshot else {
        return ControlFlow::Continue(());
    };
    let selection = table.select(sender);
    let mut call = |turn: Turn<'_, E, R>| each(turn.receiver.id(), turn.take(sender, event));
    walk(&mut discards, &selection, sender, event, &mut call)
}

/// Sends until the first `Err`.
#[inline]
pub(crate) fn try_collect<E: Event, T: 'static, X: 'static, S: Snapshot<E, Result<T, X>>>(
    hub: &Hub<Table<E, Result<T, X>>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Result<Responses<T>, TrySendError<T, X>> {
    // Before the snapshot and the answers, to outlive both: their destructors are the
    // user's.
    let _running = Running::send(hub);
    let mut discards = Discards::of(hub);
    let snapshot = take();
    let Some(table) = &*snapshot else {
        return Ok(Responses::new());
    };
    let selection = table.select(sender);
    let mut until_error = UntilError {
        sender,
        event,
        before: Responses::new(),
    };
    let stopped = walk(&mut discards, &selection, sender, event, &mut until_error);
    let before = until_error.before;
    match stopped {
        ControlFlow::Continue(()) => Ok(before),
        ControlFlow::Break((receiver, error)) => Err(TrySendError {
            before,
            receiver,
            error,
        }),
    }
}

/// Keeps the answers until the first `Err`.
struct UntilError<'s, 'e, E: Event, T: 'static> {
    sender: &'s Sender<'s>,
    event: &'s E::Args<'e>,
    before: Responses<T>,
}

impl<E: Event, T: 'static, X: 'static> Turns<E, Result<T, X>, (ReceiverId, X)>
    for UntilError<'_, '_, E, T>
{
    const ROBUST: bool = false;

    fn split(answer: Result<T, X>) -> Result<Result<T, X>, Result<T, X>> {
        match answer {
            Ok(value) => Ok(Ok(value)),
            Err(error) => Err(Err(error)),
        }
    }

    #[inline]
    fn visit(&mut self, turn: Turn<'_, E, Result<T, X>>) -> ControlFlow<(ReceiverId, X)> {
        let receiver = turn.receiver;
        match turn.take(self.sender, self.event) {
            Ok(value) => {
                self.before.push(|| receiver.id(), value);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break((receiver.id(), error)),
        }
    }
}
