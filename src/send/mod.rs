//! Sending: walking one snapshot and collecting what the receivers answer.
//!
//! * here: the walk that every way of sending shares.
//! * `robust`: a walk that catches panics.
//! * `emitter`: a sender that keeps its snapshot from one send to the next.

pub(crate) mod emitter;
pub(crate) mod robust;
mod special;

use std::ops::ControlFlow;

use crate::event::Event;
use crate::nesting;
use crate::receiver::{Entry, Receive, ReceiverId};
use crate::responses::Responses;
use crate::sender::Sender;
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

/// Hands each receiver of `selection`, which is of `table`, to `visit`, in order, until it
/// breaks. `visit` makes the call.
#[inline(never)]
pub(crate) fn walk<E: Event, R: 'static, B>(
    hub: &Hub<Table<E, R>>,
    table: &Table<E, R>,
    selection: &Selection<'_, E, R>,
    visit: &mut impl FnMut(&dyn Receive<E, R>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    nesting::within(hub, table, || {
        if selection.has_special() {
            return special::walk(hub, selection, visit);
        }
        match selection.only_list() {
            Some(list) => list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
                run.iter().try_for_each(|entry| visit(&**entry))
            }),
            None => selection.iter().try_for_each(|entry| visit(&**entry)),
        }
    })
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
    // The common case on its own, so that what it counts stays in registers.
    if let Some(run) = selection.flat() {
        let mut responses = Responses::with_capacity(run.len());
        nesting::within(hub, table, || {
            for receiver in run {
                let value = receiver.call(sender, event);
                responses.push(|| receiver.id(), value);
            }
        });
        return responses;
    }
    collect_all(hub, table, &selection, sender, event)
}

#[inline(never)]
fn collect_all<E: Event, R: 'static>(
    hub: &Hub<Table<E, R>>,
    table: &Table<E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    let mut responses = Responses::with_capacity(selection.len());
    let _ = walk(hub, table, selection, &mut |receiver| {
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
    mut each: impl FnMut(ReceiverId, R) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let selection = table.select(sender);
    walk(hub, table, &selection, &mut |receiver| {
        each(receiver.id(), receiver.call(sender, event))
    })
}
