//! The path of sends whose responses are only counted.
//!
//! | case | path |
//! |---|---|
//! | no receiver | `Signal::send_from` returns |
//! | inside another send of the thread | `count_nested`, then as below |
//! | simple receivers, all for any sender | `call_plain` |
//! | simple receivers in one run, all for the sender | `count_by_sender` |
//! | a frozen signal | `count_frozen`, which borrows the last table and needs no snapshot |
//! | any other | `count_selected` |

use std::ops::ControlFlow;
use std::sync::Arc;

use super::collect::keep;
use super::walk::walk;
use crate::event::Event;
use crate::nesting::{Outermost, Running};
use crate::receiver::{Entry, Hub, Table};
use crate::responses::Responses;
use crate::sender::Sender;
use crate::table::plain::Plain;
use crate::table::tree::Run;
use crate::turn::Turn;
use crate::turn::discards::Discards;
use crate::turn::opening::Snapshot;

/// Sends and keeps every response. `take` takes the snapshot.
#[inline(always)]
pub(crate) fn collect<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> Responses<R> {
    // This needs no store if the caller sends without a sender: see `count`.
    let sender = sender.or_static();
    if Responses::<R>::ONLY_COUNTED {
        Responses::counted(count(hub, take, sender, event))
    } else {
        keep(hub, take, sender, event)
    }
}

/// Sends a frozen signal and keeps every response.
#[inline(always)]
pub(crate) fn collect_frozen<E: Event, R: 'static>(
    hub: &Hub<E, R>,
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

/// Counts the responses of a send of a frozen signal, as `count` does. There is no snapshot to hide
/// the hash behind, so only sends that need the hash compute it.
#[inline(always)]
fn count_frozen<E: Event, R: 'static>(
    hub: &Hub<E, R>,
    table: &Option<Arc<Table<E, R>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    match Outermost::send(hub) {
        Some(running) => count_frozen_outermost(running, hub, table, sender, event),
        None => count_nested(hub, || table, sender, event),
    }
}

/// Counts the responses of a frozen, outermost send. It is a function of its own in builds without
/// optimization, for the frames of nested sends.
#[cfg_attr(not(debug_assertions), inline(always))]
fn count_frozen_outermost<E: Event, R: 'static>(
    _running: Outermost,
    hub: &Hub<E, R>,
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
    hub: &Hub<E, R>,
    table: &Option<Arc<Table<E, R>>>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    count_in(hub, table, hub.shared().hasher.early(sender), sender, event)
}

/// Sends and counts the responses. The common case is inlined and written so that it stores little:
/// the locked instructions that take and release a snapshot wait for every store before them.
#[inline(always)]
fn count<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    match Outermost::send(hub) {
        Some(running) => count_outermost(running, hub, take, sender, event),
        None => count_nested(hub, take, sender, event),
    }
}

/// Counts the responses of an outermost send. It is a function of its own in builds without
/// optimization, for the frames of nested sends.
#[cfg_attr(not(debug_assertions), inline(always))]
fn count_outermost<E: Event, R: 'static, S: Snapshot<E, R>>(
    _running: Outermost,
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    // The hash comes before the snapshot, because it need not wait for the snapshot's locked
    // instruction.
    let hash = hub.shared().hasher.early(sender);
    count_in(hub, take(), hash, sender, event)
}

#[inline(never)]
fn count_nested<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
) -> usize {
    let _running = Running::send(hub);
    count_in(hub, take(), None, sender, event)
}

#[inline(always)]
fn count_in<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
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

/// Calls the receivers in the common case of a sender that has receivers of its own, in a small
/// frame. Returns `None` in other cases, in which no receiver has been called.
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
    hub: &Hub<E, R>,
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

/// Calls the receivers, and returns their number.
#[inline(always)]
fn call_plain<E: Event, R: 'static>(
    plain: &Plain<Entry<E, R>>,
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

/// Calls the receivers, and returns their number.
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

/// Calls the receivers, and returns their number. It makes four calls a round. A loop over single
/// calls takes three branches for each, and their alignment changes its time by half.
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
