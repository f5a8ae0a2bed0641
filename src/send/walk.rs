//! The walk of a send that waits for its receivers on its thread.

use std::ops::ControlFlow;
use std::slice;
use std::sync::Arc;

#[cfg(feature = "async")]
use crate::awaited::walk::{drive, refuse_on_an_executor};
use crate::event::Event;
#[cfg(feature = "queue")]
use crate::receiver::delivery::Shared;
use crate::receiver::{Entry, Selection};
use crate::sender::Sender;
use crate::tap::observers::Tap;
use crate::tap::ways::SendWay;
use crate::turn::discards::Discards;
use crate::turn::live::{Group, Pins, for_each_live};
use crate::turn::observation::Observation;
use crate::turn::watching::{Unwatched, Watching};
use crate::turn::{Turn, Turns};

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
        return walk_special(discards, selection, sender, event, turns);
    }
    match selection.simple() {
        Some(list) => list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
            run.iter()
                .try_for_each(|entry| turns.visit(Turn::of(entry)))
        }),
        None => walk_both(selection, turns),
    }
}

/// Walks a selection that is not simple. It is a function of its own because of its large frame.
#[inline(never)]
fn walk_both<E: Event, R: 'static, B>(
    selection: &Selection<'_, E, R>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    selection
        .iter()
        .try_for_each(|entry| turns.visit(Turn::of(entry)))
}

/// Walks the receivers as [`walk`] does, in two groups: first the receivers that are called or
/// handed to their queue, then the receivers that are awaited.
#[inline(never)]
fn walk_special<E: Event, R: 'static, B>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    #[cfg(feature = "queue")]
    if let Some(run) = selection.called_or_queued() {
        let mut shared = Shared::default();
        return run
            .iter()
            .try_for_each(|entry| turns.visit(Turn::or_enqueue(entry, &mut shared)));
    }
    walk_any(discards, selection, sender, event, turns)
}

/// Walks receivers of any kind. It is a function of its own because of its large frame.
#[cold]
#[inline(never)]
fn walk_any<E: Event, R: 'static, B>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    #[cfg(feature = "async")]
    refuse_on_an_executor(selection, sender);
    match Observation::tap_of(selection) {
        None => walk_watched(discards, selection, sender, event, turns, &Unwatched),
        Some(tap) => walk_tapped(tap, discards, selection, sender, event, turns),
    }
}

/// Walks receivers of a signal that is observed. It is a function of its own, so that the walk
/// without observers pays nothing for its frame.
#[cold]
#[inline(never)]
fn walk_tapped<E: Event, R: 'static, B>(
    tap: &Arc<Tap>,
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
) -> ControlFlow<B> {
    let observation = Observation::start(
        tap,
        selection,
        sender,
        slice::from_ref(event),
        SendWay::Blocking,
    );
    let walked = walk_watched(discards, selection, sender, event, turns, &observation);
    observation.end();
    walked
}

#[inline(always)]
fn walk_watched<E: Event, R: 'static, B, W: Watching>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    event: &E::Args<'_>,
    turns: &mut impl Turns<E, R, B>,
    watching: &W,
) -> ControlFlow<B> {
    let pins = Pins::of(selection, discards);
    let mut handed = watching.handed();
    let group = Group::Called;
    for_each_live(
        selection,
        &pins,
        discards,
        group,
        watching,
        |entry, _, _| turns.visit(W::turn(entry, &mut handed)),
    )?;
    #[cfg(feature = "async")]
    if selection.awaited() > 0 {
        drive(selection, &pins, discards, sender, event, turns, watching)?;
    }
    #[cfg(not(feature = "async"))]
    let _ = (sender, event);
    ControlFlow::Continue(())
}
