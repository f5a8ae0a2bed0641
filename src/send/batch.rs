//! The send of several events over one snapshot.

#[cfg(feature = "async")]
use std::iter;
use std::ops::ControlFlow;

#[cfg(feature = "async")]
use super::Turn;
use super::special::{Group, Pins, for_each_live};
use super::{Discards, Shared, Snapshot, call_or_enqueue};
use crate::event::Event;
use crate::nesting::Running;
use crate::receiver::{Entry, Kind, ReceiverId};
use crate::responses::Responses;
use crate::sender::Sender;
use crate::table::publish::Hub;
use crate::table::{Selection, Table};

/// The answers to a batch so far.
pub(crate) struct Answers<R> {
    /// Empty where answers are only counted.
    responses: Responses<R>,
    counted: usize,
}

impl<R: 'static> Answers<R> {
    fn with_capacity_for<E: Event>(selection: &Selection<'_, E, R>, events: usize) -> Self {
        let most = if Responses::<R>::ONLY_COUNTED {
            0
        } else {
            let calls = |entry: &Entry<E, R>| match entry {
                entry if entry.takes_slices() || entry.about().once => 1,
                _ => events,
            };
            selection.iter().map(calls).sum()
        };
        Answers {
            responses: Responses::with_capacity(most),
            counted: 0,
        }
    }

    /// Draws the answers of one receiver and adds them.
    #[inline]
    pub(crate) fn extend(
        &mut self,
        receiver: ReceiverId,
        values: impl ExactSizeIterator<Item = R>,
    ) {
        if Responses::<R>::ONLY_COUNTED {
            self.counted += values.len();
            values.for_each(drop);
        } else {
            values.for_each(|value| self.responses.push(|| receiver, value));
        }
    }

    fn into_responses(self) -> Responses<R> {
        if Responses::<R>::ONLY_COUNTED {
            Responses::counted(self.counted)
        } else {
            self.responses
        }
    }
}

/// Sends each of `events`, of which there is one at least, and keeps every answer. `take` takes
/// the snapshot.
pub(crate) fn collect<E: Event, R: 'static, S: Snapshot<E, R>>(
    hub: &Hub<Table<E, R>>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    events: &[E::Args<'_>],
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
    let mut answers = Answers::with_capacity_for(&selection, events.len());
    if selection.has_special() {
        walk_special(&mut discards, &selection, sender, events, &mut answers);
    } else if let Some(list) = selection.simple() {
        let _ = list.try_for_each_run(&mut |run: &[Entry<E, R>]| {
            for receiver in run {
                receiver.call_slice(sender, events, &mut answers);
            }
            ControlFlow::<()>::Continue(())
        });
    } else {
        for receiver in selection.iter() {
            receiver.call_slice(sender, events, &mut answers);
        }
    }
    answers.into_responses()
}

/// As the walk in `special`: first those that are called or handed to their queue, each
/// with all events, then those that are awaited, all of them for each event.
#[cold]
fn walk_special<E: Event, R: 'static>(
    discards: &mut Discards<'_, E, R>,
    selection: &Selection<'_, E, R>,
    sender: &Sender<'_>,
    events: &[E::Args<'_>],
    answers: &mut Answers<R>,
) {
    #[cfg(feature = "async")]
    super::future::refuse_on_an_executor(selection);
    let pins = Pins::of(selection, discards);
    // One for each event, as soon as a receiver is queued.
    let mut shared = Vec::new();
    let group = Group::Called;
    let _ = for_each_live(selection, &pins, discards, group, |receiver, _| {
        let about = receiver.about();
        if about.kind == Kind::Queued {
            shared.resize_with(events.len(), Shared::default);
        }
        let is_for_one = about.once && !receiver.takes_slices();
        let events = if is_for_one { &events[..1] } else { events };
        if about.kind == Kind::Queued {
            let handed_over = events.iter().zip(&mut shared);
            let handed_over =
                handed_over.map(|(event, shared)| call_or_enqueue(receiver, shared, sender, event));
            answers.extend(receiver.id(), handed_over);
        } else {
            receiver.call_slice(sender, events, answers);
        }
        ControlFlow::<()>::Continue(())
    });
    #[cfg(feature = "async")]
    for event in events {
        let _ = super::future::drive(
            selection,
            &pins,
            discards,
            sender,
            event,
            &mut |turn: Turn<'_, E, R>| {
                let receiver = turn.receiver.id();
                let answer = iter::once_with(|| turn.take(sender, event));
                answers.extend(receiver, answer);
                ControlFlow::<()>::Continue(())
            },
        );
    }
}
