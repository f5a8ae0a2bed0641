//! The assertions about a scope.

use super::sent::{SeenSend, Sent};
use super::test_scope::Scope;
use crate::event::Event;
use crate::signal::Signal;
use crate::signal_from::SignalFrom;
use crate::tap::cause_tree::tree_of;
use crate::tap::steps::{Step, Work};

impl Scope {
    /// Asserts that the scope has caused a send of `signal`. The result asserts more about those
    /// sends.
    ///
    /// # Panics
    ///
    /// Panics if there is none. The message has all that the scope has caused, as a
    /// [tree](Scope::tree), and the receivers that did not run in those sends, each with the
    /// reason. A reason is of the moment of the failure, as that of [`Signal::explain`] is.
    #[track_caller]
    pub fn assert_sent<E: Event, R: 'static>(&self, signal: &Signal<E, R>) -> Sent<'_, E> {
        Sent::of(self, signal).at_least_one()
    }

    /// Asserts that the scope has caused no send of `signal`.
    ///
    /// # Panics
    ///
    /// Panics if there is one.
    #[track_caller]
    pub fn assert_not_sent<E: Event, R: 'static>(&self, signal: &Signal<E, R>) {
        let _ = Sent::of(self, signal).times(0);
    }

    /// Asserts that the scope has caused no send of any signal.
    ///
    /// # Panics
    ///
    /// Panics if there is one.
    #[track_caller]
    pub fn nothing_sent(&self) {
        let steps = self.steps();
        let is_send = |step: &Step| matches!(step.work, Work::Send(_));
        assert!(
            !steps.iter().any(is_send),
            "the scope has caused sends{}:\n{}",
            self.seed_in_words(),
            tree_of(&steps)
        );
    }

    /// Asserts that a send that started now would call a receiver.
    ///
    /// # Panics
    ///
    /// Panics if it would call none. The message [explains](Signal::explain) each connection.
    #[track_caller]
    pub fn assert_listening<'s, 'a, E: Event, R: 'static>(
        &self,
        signal: impl Into<SignalFrom<'s, 'a, E, R>>,
    ) {
        let signal = signal.into();
        assert!(
            signal.has_listeners(),
            "no receiver would run for a send of `{}`: {}",
            signal.signal.name(),
            signal.explain()
        );
    }

    /// Returns the sends of `signal` that the scope has caused, in the order of their starts.
    pub fn sends<E: Event, R: 'static>(&self, signal: &Signal<E, R>) -> Vec<SeenSend> {
        Sent::of(self, signal).into_sends()
    }
}
