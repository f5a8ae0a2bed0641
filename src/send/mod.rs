//! Sending: walking one snapshot and collecting what the receivers answer.
//!
//! * here: the walk that every way of sending shares.
//! * `special`: the walk where some receivers are weak or once-only.
//! * `robust`: a walk that catches panics.
//! * `emitter`: a sender that keeps its snapshot from one send to the next.

pub(crate) mod emitter;
pub(crate) mod robust;
mod special;

use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use crate::event::Event;
use crate::nesting::{Outermost, Running};
use crate::receiver::{Entry, Receive, ReceiverId};
use crate::responses::Responses;
use crate::sender::Sender;
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

/// A table as a send holds it, or none.
///
/// Every send marks its thread first and takes the table then, so that it lets go of what
/// it holds, and runs the destructors that this may mean, with the mark still there.
pub(crate) trait Snapshot<E: Event, R: 'static>:
    Deref<Target = Option<Arc<Table<E, R>>>>
{
}

impl<E: Event, R: 'static, S: Deref<Target = Option<Arc<Table<E, R>>>>> Snapshot<E, R> for S {}

/// Hands each receiver of `selection` to `visit`, in order, until it breaks. `visit` makes
/// the call, and the caller has started a `Running`.
#[inline(never)]
pub(crate) fn walk<E: Event, R: 'static, B>(
    hub: &Hub<Table<E, R>>,
    selection: &Selection<'_, E, R>,
    visit: &mut impl FnMut(&dyn Receive<E, R>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    if selection.has_special() {
        return special::walk(hub, selection, visit);
    }
    match selection.simple() {
        Some(list) => list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
            run.iter().try_for_each(|entry| visit(&**entry))
        }),
        None => walk_both(selection, visit),
    }
}

/// On its own for its large frame.
#[inline(never)]
fn walk_both<E: Event, R: 'static, B>(
    selection: &Selection<'_, E, R>,
    visit: &mut impl FnMut(&dyn Receive<E, R>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    selection.iter().try_for_each(|entry| visit(&**entry))
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
    let Some(_running) = Outermost::send(hub) else {
        return count_nested(hub, take, sender, event);
    };
    let snapshot = take();
    count_in(hub, &snapshot, sender, event)
}

#[inline(never)]
fn count_nested<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let _running = Running::send(hub);
    let snapshot = take();
    count_in(hub, &snapshot, sender, event)
}

#[inline(always)]
fn count_in<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    snapshot: &Option<Arc<Table<E, R>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let Some(table) = snapshot else { return 0 };
    match table.plain() {
        Some(run) => {
            call_all(run, sender, event);
            run.len()
        }
        None => count_selected(hub, table, sender, event),
    }
}

#[inline(never)]
fn count_selected<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: &Table<E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let selection = table.select(sender);
    if let Some(list) = selection.simple() {
        let _ = list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
            call_all(run, sender, event);
            ControlFlow::<()>::Continue(())
        });
        return list.len();
    }
    let mut called = 0;
    let _ = walk(hub, &selection, &mut |receiver| {
        called += 1;
        receiver.call(sender, event);
        ControlFlow::<()>::Continue(())
    });
    called
}

/// Four calls a round: a loop over single calls takes three branches for each, and how
/// they happen to be aligned moves it by half.
#[inline]
fn call_all<E: Event, R: 'static>(
    mut run: &[Entry<E, R>],
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) {
    while let Some(([a, b, c, d], rest)) = run.split_first_chunk() {
        a.call(sender, event);
        b.call(sender, event);
        c.call(sender, event);
        d.call(sender, event);
        run = rest;
    }
    for receiver in run {
        receiver.call(sender, event);
    }
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
    let snapshot = take();
    let Some(table) = &*snapshot else {
        return Responses::new();
    };
    let selection = table.select(sender);
    let mut responses = Responses::with_capacity(selection.len());
    let _ = walk(hub, &selection, &mut |receiver| {
        let value = receiver.call(sender, event);
        responses.push(|| receiver.id(), value);
        ControlFlow::<()>::Continue(())
    });
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
    let snapshot = take();
    let Some(table) = &*snapshot else {
        return ControlFlow::Continue(());
    };
    walk(hub, &table.select(sender), &mut |receiver| {
        each(receiver.id(), receiver.call(sender, event))
    })
}
