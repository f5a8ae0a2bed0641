//! Assertions about the sends of a scope.

use std::fmt;
use std::iter;
use std::marker::PhantomData;

use super::not_run::not_run;
use super::test_scope::Scope;
use crate::event::{Event, OwnedEvent};
use crate::receiver::tapped::info_of;
use crate::sender::into_sender::IntoSender;
use crate::sender::{Sender, SenderKey};
use crate::signal::Signal;
use crate::tap::cause::{Cause, SendId};
use crate::tap::cause_tree::tree_of;
use crate::tap::steps::{SendWork, Step, Work};
use crate::tap::ways::SendWay;

/// The sends of one signal in a scope. Each method asserts one thing and returns the sends, for the
/// next method.
///
/// A failure panics, with all that the scope has caused as a tree, and a line for each receiver
/// that did not run in one of those sends, with the reason.
pub struct Sent<'s, E> {
    scope: &'s Scope,
    steps: Vec<Step>,
    signal: u64,
    /// The name of the signal.
    name: &'static str,
    /// The places of the sends in `steps`.
    places: Vec<usize>,
    /// The conditions on the sends, in words.
    from: String,
    of: PhantomData<fn(E)>,
}

impl<'s, E: Event> Sent<'s, E> {
    #[track_caller]
    pub(super) fn of<R: 'static>(scope: &'s Scope, signal: &Signal<E, R>) -> Self {
        let name = signal.name();
        let hub = signal.hub.get();
        assert!(
            hub.is_some(),
            "a send of `{name}` could not have been seen, because no receiver was \
             ever connected to it: call `scope.watch` with the signal before the send"
        );
        let signal = info_of(signal.hub()).number();
        let mut sent = Sent {
            scope,
            steps: scope.steps(),
            signal,
            name,
            places: Vec::new(),
            from: String::new(),
            of: PhantomData,
        };
        sent.places = sent.places_of(signal);
        sent
    }

    fn places_of(&self, signal: u64) -> Vec<usize> {
        let of = |(place, step): (usize, &Step)| match &step.work {
            Work::Send(send) => (send.signal == signal).then_some(place),
            _ => None,
        };
        self.steps.iter().enumerate().filter_map(of).collect()
    }

    /// Returns the places of the sends of another signal.
    fn places_of_signal<F: Event, R: 'static>(&self, other: &Signal<F, R>) -> Vec<usize> {
        let hub = other.hub.get();
        hub.map_or(Vec::new(), |hub| self.places_of(info_of(hub).number()))
    }

    fn send_at(&self, place: usize) -> &SendWork {
        match &self.steps[place].work {
            Work::Send(send) => send,
            _ => unreachable!("the places are those of sends"),
        }
    }

    #[track_caller]
    pub(super) fn at_least_one(self) -> Self {
        if self.places.is_empty() {
            self.fail("was not sent");
        }
        self
    }

    /// Asserts that there is one send.
    #[track_caller]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Asserts that there are `times` sends.
    #[track_caller]
    pub fn times(self, times: usize) -> Self {
        if self.places.len() != times {
            let found = self.places.len();
            self.fail(&format!("was sent {found} times, and not {times} times"));
        }
        self
    }

    /// Goes on with the sends from `sender` alone. Asserts that there is one.
    ///
    /// ```
    /// use fanfare::{Signal, testing};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, _order| ());
    ///
    /// testing::scope(|scope| {
    ///     PAID.from("shop").send(&7);
    ///     PAID.from("till").send(&8);
    ///     scope.assert_sent(&PAID).times(2).from("till").once();
    /// });
    /// ```
    #[track_caller]
    pub fn from<'a>(mut self, sender: impl IntoSender<'a>) -> Self {
        let sender = sender.into_sender();
        let mut places = std::mem::take(&mut self.places);
        places.retain(|at| SeenSend(self.send_at(*at).clone()).is_from(sender));
        self.places = places;
        self.from.push_str(&format!(" from {sender}"));
        self.at_least_one()
    }

    /// Goes on with the sends whose event satisfies `accept`. Asserts that there is one. The scope
    /// must [keep](Scope::keep) the events.
    #[track_caller]
    pub fn matching(self, accept: impl Fn(&E) -> bool) -> Self
    where
        E: OwnedEvent,
    {
        self.matching_kept(accept)
    }

    /// Goes on with the sends of whose event the scope has [kept](Scope::keep_with) a value that
    /// satisfies `accept`. Asserts that there is one.
    #[track_caller]
    pub fn matching_kept<T: 'static>(mut self, accept: impl Fn(&T) -> bool) -> Self {
        let Some(values) = self.scope.values_of(self.signal) else {
            panic!(
                "sends of `{}` cannot be matched, because their events were not kept: call \
                 `scope.keep` with the signal before the sends",
                self.name
            );
        };
        let accepted = |id: SendId| {
            let of = values.iter().filter(|(send, _)| *send == id);
            let mut of = of.filter_map(|(_, value)| value.downcast_ref::<T>());
            of.any(&accept)
        };
        let mut places = std::mem::take(&mut self.places);
        places.retain(|at| accepted(self.send_at(*at).id));
        self.places = places;
        self.from.push_str(" with an event that matches");
        self.at_least_one()
    }

    /// Asserts that each of the sends started before the first send of `other`, which was sent.
    #[track_caller]
    pub fn before<F: Event, R: 'static>(self, other: &Signal<F, R>) -> Self {
        let name = other.name();
        let others = self.places_of_signal(other);
        let Some(first) = others.first() else {
            self.fail(&format!("was not sent before `{name}`, which was not sent"));
        };
        if self.places.iter().any(|place| place > first) {
            self.fail(&format!("was sent after `{name}`"));
        }
        self
    }

    /// Asserts that a receiver of `other` caused each of the sends, directly or through receivers
    /// of other signals.
    ///
    /// ```
    /// use fanfare::{Signal, testing};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// static PACKED: Signal<u32> = Signal::new();
    /// static SHIPPED: Signal<u32> = Signal::new();
    /// PAID.connect(|_sender, order| { PACKED.send(order); });
    /// PACKED.connect(|_sender, order| { SHIPPED.send(order); });
    /// SHIPPED.connect(|_sender, _order| ());
    ///
    /// testing::scope(|scope| {
    ///     PAID.send(&7);
    ///     scope.assert_sent(&SHIPPED).once().caused_by(&PACKED).caused_by(&PAID);
    /// });
    /// ```
    ///
    /// An event that a [`Deferred`](crate::Deferred) sends is caused by the receiver that recorded
    /// it. The send of `other` must be in this scope.
    #[track_caller]
    pub fn caused_by<F: Event, R: 'static>(self, other: &Signal<F, R>) -> Self {
        let others = self.places_of_signal(other);
        let others: Vec<SendId> = others.iter().map(|at| self.send_at(*at).id).collect();
        let is_caused = |place: &usize| self.causes(*place).any(|send| others.contains(&send));
        if !self.places.iter().all(is_caused) {
            self.fail(&format!("was not caused by `{}`", other.name()));
        }
        self
    }

    /// Returns the sends whose receivers caused the send at `place`, from the nearest one to the
    /// root.
    fn causes(&self, place: usize) -> impl Iterator<Item = SendId> {
        let above = |cause: &Cause| {
            let is_it =
                |step: &&Step| matches!(&step.work, Work::Send(send) if send.id == cause.send);
            self.steps.iter().find(is_it)?.cause
        };
        iter::successors(self.steps[place].cause, above).map(|cause| cause.send)
    }

    pub(super) fn into_sends(self) -> Vec<SeenSend> {
        let sends = self.places.iter();
        sends
            .map(|at| SeenSend(self.send_at(*at).clone()))
            .collect()
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        let Sent { name, from, .. } = self;
        let tree = match self.steps.is_empty() {
            true => "nothing: no send was seen".to_owned(),
            false => tree_of(&self.steps),
        };
        let not_run = not_run(self.scope, &self.steps);
        let seed = self.scope.seed_in_words();
        panic!("`{name}`{from} {what}{seed}; the scope has caused:\n{tree}{not_run}")
    }
}

impl<E> fmt::Debug for Sent<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("signal", &self.signal)
            .field("name", &self.name)
            .field("sends", &self.places.len())
            .finish_non_exhaustive()
    }
}

/// A send that a scope has seen.
#[derive(Clone)]
pub struct SeenSend(SendWork);

impl SeenSend {
    /// Returns the number of the send.
    pub fn id(&self) -> SendId {
        self.0.id
    }

    /// Returns `true` if it was sent from `sender`.
    pub fn is_from<'a>(&self, sender: impl IntoSender<'a>) -> bool {
        let own = self.0.sender.as_ref();
        own.map_or(Sender::NONE, SenderKey::as_sender) == sender.into_sender()
    }

    /// Returns the way in which its receivers ran.
    pub fn way(&self) -> SendWay {
        self.0.way
    }
}

impl fmt::Debug for SeenSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.id, Work::Send(self.0.clone()))
    }
}
