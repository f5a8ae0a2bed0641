//! Sending: walking one snapshot and collecting what the receivers answer.
//!
//! * here: the walk that every way of sending shares.
//! * `special`: the walk where some receivers are weak or once-only.
//! * `robust`: a walk that catches panics.
//! * `emitter`: a sender that keeps its snapshot from one send to the next.

pub(crate) mod emitter;
pub(crate) mod robust;
mod special;

use std::ops::ControlFlow;

use crate::event::Event;
use crate::nesting::Running;
use crate::receiver::{Entry, Receive, ReceiverId};
use crate::responses::Responses;
use crate::sender::Sender;
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

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
    match selection.only_list() {
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

/// Sends and keeps every answer.
#[inline(always)]
pub(crate) fn collect<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: &Table<E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    let selection = table.select(sender);
    // The common case on its own, so that what it holds stays in registers.
    let Some(run) = selection.flat() else {
        return collect_all(hub, &selection, sender, event);
    };
    if Responses::<R>::ONLY_COUNTED {
        let running = Running::send(hub);
        call_all(run, |receiver| {
            receiver.call(sender, event);
        });
        drop(running);
        return Responses::counted(run.len());
    }
    // First, so that it outlives the answers, whose destructors are the user's.
    let _running = Running::send(hub);
    let mut responses = Responses::with_capacity(run.len());
    for receiver in run {
        let value = receiver.call(sender, event);
        responses.push(|| receiver.id(), value);
    }
    responses
}

/// Four calls a round: a loop over single calls takes three branches for each, and how
/// they happen to be aligned moves it by half.
#[inline(always)]
fn call_all<T>(run: &[T], mut call: impl FnMut(&T)) {
    let (fours, rest) = run.as_chunks::<4>();
    for [a, b, c, d] in fours {
        call(a);
        call(b);
        call(c);
        call(d);
    }
    for last in rest {
        call(last);
    }
}

#[inline(never)]
fn collect_all<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    if Responses::<R>::ONLY_COUNTED
        && !selection.has_special()
        && let Some(list) = selection.only_list()
    {
        let _running = Running::send(hub);
        let _ = list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
            call_all(run, |receiver| {
                receiver.call(sender, event);
            });
            ControlFlow::<()>::Continue(())
        });
        return Responses::counted(list.len());
    }
    let _running = Running::send(hub);
    let mut responses = Responses::with_capacity(selection.len());
    let _ = walk(hub, selection, &mut |receiver| {
        let value = receiver.call(sender, event);
        responses.push(|| receiver.id(), value);
        ControlFlow::<()>::Continue(())
    });
    responses
}

/// Sends and hands each answer to `each`, until it breaks.
#[inline]
pub(crate) fn each<E: Event, R: 'static, B>(
    hub: &Hub<Table<E, R>>,
    table: &Table<E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    each: &mut impl FnMut(ReceiverId, R) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let selection = table.select(sender);
    let _running = Running::send(hub);
    walk(hub, &selection, &mut |receiver| {
        each(receiver.id(), receiver.call(sender, event))
    })
}
