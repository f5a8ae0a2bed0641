//! The walk of a send of several events over one snapshot.

#[cfg(feature = "async")]
use std::iter;
use std::ops::ControlFlow;
use std::slice;
use std::sync::Arc;

#[cfg(feature = "async")]
use crate::awaited::walk::{drive, refuse_on_an_executor};
use crate::event::Event;
use crate::receiver::{Entry, Hub, Selection};
use crate::responses::{BatchResponses, Responses};
use crate::sender::Sender;
use crate::tap::observers::Tap;
use crate::tap::ways::SendWay;
#[cfg(feature = "async")]
use crate::turn::Turn;
use crate::turn::discards::Discards;
use crate::turn::live::{Group, Pins, claim, for_each_live};
use crate::turn::observation::Observation;
use crate::turn::opening::{Snapshot, open};
use crate::turn::watching::{Unwatched, Watching};

/// Sends each of `events`, of which there is at least one, and keeps every response. `take` takes
/// the snapshot.
pub(super) fn collect<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    events: &[E::Args<'_>],
) -> Responses<R> {
    let sent = open(hub, take, sender, |discards, selection| {
        let mut responses = BatchResponses::with_capacity(|| most(selection, events.len()));
        if selection.has_special() {
            walk_special(discards, selection, sender, events, &mut responses);
        } else if let Some(list) = selection.simple() {
            let _ = list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
                for receiver in run {
                    receiver.call_slice(sender, events, &mut responses);
                }
                ControlFlow::<()>::Continue(())
            });
        } else {
            for receiver in selection.iter() {
                receiver.call_slice(sender, events, &mut responses);
            }
        }
        responses.into_responses()
    });
    sent.unwrap_or_else(Responses::new)
}

/// Returns an upper bound of the number of calls.
fn most<E: Event, R: 'static>(selection: &Selection<'_, E, R>, events: usize) -> usize {
    let calls = |entry: &Entry<E, R>| {
        let limit = entry.about().options.limit();
        let runs = limit.map_or(events, |limit| events.min(limit.max_calls() as usize));
        if entry.takes_slices() { 1 } else { runs }
    };
    selection.iter().map(calls).sum()
}

/// Walks the receivers in two groups: first the receivers that are called or handed to their queue,
/// each with all events, then the receivers that are awaited, all of them for each event.
#[cold]
fn walk_special<E: Event, R: 'static>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    events: &[E::Args<'_>],
    responses: &mut BatchResponses<R>,
) {
    #[cfg(feature = "async")]
    refuse_on_an_executor(selection, sender);
    match Observation::tap_of(selection) {
        None => walk_watched(discards, selection, sender, events, responses, &Unwatched),
        Some(tap) => walk_tapped(tap, discards, selection, sender, events, responses),
    }
}

/// Walks receivers of a signal that is observed.
#[cold]
#[inline(never)]
fn walk_tapped<E: Event, R: 'static>(
    tap: &Arc<Tap>,
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    events: &[E::Args<'_>],
    responses: &mut BatchResponses<R>,
) {
    let observation = Observation::start(tap, selection, sender, events, SendWay::Batch);
    walk_watched(discards, selection, sender, events, responses, &observation);
    observation.end();
}

#[inline(always)]
fn walk_watched<E: Event, R: 'static, W: Watching>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    events: &[E::Args<'_>],
    responses: &mut BatchResponses<R>,
    watching: &W,
) {
    let pins = Pins::of(selection, discards);
    // There is one for each event that a queued receiver got.
    let mut handed = Vec::new();
    let group = Group::Called;
    let _ = for_each_live(
        selection,
        &pins,
        discards,
        group,
        watching,
        |receiver, _, discards| {
            let mut run = |from: usize, events: &[E::Args<'_>]| {
                if receiver.about().kind().is_queued() {
                    let len = handed.len().max(from + events.len());
                    handed.resize_with(len, || watching.handed());
                    let handed_over = events.iter().zip(&mut handed[from..]);
                    let handed_over = handed_over
                        .map(|(event, handed)| W::turn(receiver, handed).take(sender, event));
                    responses.extend(receiver.id(), handed_over);
                } else {
                    watching.run(receiver, || receiver.call_slice(sender, events, responses));
                }
            };
            if receiver.about().options.limit().is_some() && !receiver.takes_slices() {
                for (at, event) in events.iter().enumerate() {
                    // The first run has been claimed.
                    if at > 0 && !claim(receiver, discards) {
                        break;
                    }
                    run(at, slice::from_ref(event));
                }
            } else {
                run(0, events);
            }
            ControlFlow::<()>::Continue(())
        },
    );
    #[cfg(feature = "async")]
    for event in events {
        let _ = drive(
            selection,
            &pins,
            discards,
            sender,
            event,
            &mut |turn: Turn<'_, E, R>| {
                let receiver = turn.receiver.id();
                let response = iter::once_with(|| turn.take(sender, event));
                responses.extend(receiver, response);
                ControlFlow::<()>::Continue(())
            },
            watching,
        );
    }
}
