//! The steps of a recorder, as people read them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::cause::SendId;
use super::observer::SignalInfo;
use super::ring::Words;
use super::ways::Outcome;
use crate::id::ReceiverId;

/// The number of disconnected receivers whose names are kept.
const GONE_NAMES: usize = 4_096;

// The first word of a step has its kind in 4 bits, 4 bits of detail, and the number of its signal.
/// The time of the steps after it. It has no signal.
pub(super) const TIME: u64 = 0;
pub(super) const SEND_STARTED: u64 = 1;
pub(super) const SEND_ENDED: u64 = 2;
pub(super) const RECEIVER_STARTED: u64 = 3;
pub(super) const RECEIVER_ENDED: u64 = 4;
pub(super) const QUEUED: u64 = 5;
pub(super) const DISCARDED: u64 = 6;
pub(super) const OVER_BUDGET: u64 = 7;

pub(super) fn first_word(kind: u64, detail: u64, signal: &SignalInfo) -> u64 {
    kind | detail << 4 | signal.number << 8
}

/// Returns the key of a receiver's name.
pub(super) fn receiver_key(receiver: ReceiverId) -> u64 {
    receiver.number() << 1
}

/// Returns the key of a signal's name.
pub(super) fn signal_key(signal: u64) -> u64 {
    signal << 1 | 1
}

/// The last steps of a thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedThread {
    /// The name of the thread.
    pub name: String,
    /// The steps, oldest first.
    pub steps: Vec<RecordedStep>,
}

/// A step of a send that a [`Recorder`](crate::watch::Recorder) has kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedStep {
    /// The kind of the step.
    pub kind: StepKind,
    /// The time between the making of the recorder and the last look at the clock on this thread
    /// before the step.
    pub time: Duration,
    /// The send.
    pub send: SendId,
    /// The name of its signal.
    pub signal: Arc<str>,
    /// The send and the receiver that caused the send, at its start.
    pub cause: Option<(SendId, ReceiverId)>,
    /// The receiver, in the steps of a receiver.
    pub receiver: Option<ReceiverId>,
    /// The name of the receiver and the place of its connect, or those of the receiver that caused
    /// the send.
    pub place: String,
}

/// The kind of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// A send has started.
    SendStarted,
    /// A send has ended.
    SendEnded {
        /// The number of receivers that were reached.
        reached: u64,
        /// `true` if the send did not come to its end.
        cut_off: bool,
    },
    /// A receiver has started.
    ReceiverStarted,
    /// A receiver has ended.
    ReceiverEnded(Outcome),
    /// The event was given to the queue of a receiver.
    ReceiverQueued {
        /// `false` if the queue refused it.
        accepted: bool,
    },
    /// A queued event will not reach its receiver.
    EventDiscarded,
    /// A receiver has run longer than its budget.
    OverBudget(Duration),
}

impl fmt::Display for RecordedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "+{:.6} s: {} of {}: ",
            self.time.as_secs_f64(),
            self.send,
            self.signal
        )?;
        let place = &self.place;
        match self.kind {
            StepKind::SendStarted => match self.cause {
                Some((send, _)) => write!(f, "started, caused by {place} in {send}"),
                None => f.write_str("started"),
            },
            StepKind::SendEnded { reached, cut_off } => {
                let end = if cut_off { "cut off" } else { "ended" };
                write!(f, "{end}, {reached} receivers reached")
            }
            StepKind::ReceiverStarted => write!(f, "{place} started"),
            StepKind::ReceiverEnded(Outcome::Returned) => write!(f, "{place} returned"),
            StepKind::ReceiverEnded(Outcome::Panicked) => write!(f, "{place} panicked"),
            StepKind::ReceiverEnded(Outcome::Dropped) => write!(f, "{place} was dropped"),
            StepKind::ReceiverEnded(Outcome::Failed) => write!(f, "{place} failed"),
            StepKind::ReceiverQueued { accepted: true } => write!(f, "queued for {place}"),
            StepKind::ReceiverQueued { accepted: false } => {
                write!(f, "refused by the queue of {place}")
            }
            StepKind::EventDiscarded => write!(f, "discarded by the queue of {place}"),
            StepKind::OverBudget(took) => write!(f, "{place} took {took:?}, over its budget"),
        }
    }
}

/// The names of receivers and signals, by [`receiver_key`] and [`signal_key`].
#[derive(Default)]
pub(super) struct Names {
    named: HashMap<u64, Named>,
    /// Disconnected receivers, in the order in which they were disconnected.
    gone: VecDeque<u64>,
}

pub(super) struct Named {
    pub(super) name: Arc<str>,
    pub(super) location: Option<&'static Location<'static>>,
}

impl Names {
    pub(super) fn learn(&mut self, key: u64, name: impl FnOnce() -> Named) {
        self.named.entry(key).or_insert_with(name);
    }

    /// Keeps the name of a disconnected receiver until many further receivers were disconnected.
    pub(super) fn forget_later(&mut self, receiver: ReceiverId) {
        let key = receiver_key(receiver);
        if !self.named.contains_key(&key) {
            return;
        }
        self.gone.push_back(key);
        if self.gone.len() > GONE_NAMES {
            let oldest = self.gone.pop_front();
            oldest.and_then(|oldest| self.named.remove(&oldest));
        }
    }

    /// Returns the name of a receiver and the place of its connect.
    pub(super) fn receiver(&self, receiver: ReceiverId) -> String {
        match self.named.get(&receiver_key(receiver)) {
            Some(Named {
                name,
                location: Some(location),
            }) => format!("{name:?} ({location})"),
            _ => format!("receiver {receiver}"),
        }
    }

    /// Returns the steps that the words of a thread stand for.
    pub(super) fn steps(&self, words: Vec<Words>) -> Vec<RecordedStep> {
        let mut time = Duration::ZERO;
        let steps = words.into_iter().filter_map(|words| {
            if words[0] == TIME {
                time = Duration::from_nanos(words[1]);
                return None;
            }
            self.step(words, time)
        });
        steps.collect()
    }

    fn step(&self, [first, send, receiver, last]: Words, time: Duration) -> Option<RecordedStep> {
        let (detail, signal) = (first >> 4 & 0xf, first >> 8);
        let kind = match first & 0xf {
            SEND_STARTED => StepKind::SendStarted,
            SEND_ENDED => StepKind::SendEnded {
                reached: last,
                cut_off: detail != 0,
            },
            RECEIVER_STARTED => StepKind::ReceiverStarted,
            RECEIVER_ENDED => StepKind::ReceiverEnded(match detail {
                0 => Outcome::Returned,
                1 => Outcome::Panicked,
                3 => Outcome::Failed,
                _ => Outcome::Dropped,
            }),
            QUEUED => StepKind::ReceiverQueued {
                accepted: detail != 0,
            },
            DISCARDED => StepKind::EventDiscarded,
            OVER_BUDGET => StepKind::OverBudget(Duration::from_nanos(last)),
            _ => return None,
        };
        let is_send = matches!(kind, StepKind::SendStarted | StepKind::SendEnded { .. });
        let named = (receiver != 0).then(|| ReceiverId::of(receiver));
        let signal = self.named.get(&signal_key(signal));
        let cause = match kind {
            StepKind::SendStarted => SendId::of(last).zip(named),
            _ => None,
        };
        Some(RecordedStep {
            kind,
            time,
            send: SendId::of(send)?,
            signal: signal.map_or("a signal".into(), |signal| Arc::clone(&signal.name)),
            cause,
            receiver: named.filter(|_| !is_send),
            place: named.map_or(String::new(), |receiver| self.receiver(receiver)),
        })
    }
}
