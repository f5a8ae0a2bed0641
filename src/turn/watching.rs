//! The part of a walk that observers see, which is compiled twice: with observers and without.

use super::observation::{Handed, Observation};
use super::{How, Turn};
use crate::event::Event;
use crate::receiver::Entry;
use crate::receiver::delivery::Shared;

/// The observers of a walk, or their absence. A walk over a table without a tap is compiled without
/// them.
pub(crate) trait Watching {
    /// The data that the turns of one event share.
    type Handed<'w>
    where
        Self: 'w;

    fn handed(&self) -> Self::Handed<'_>;

    /// Returns `true` if the send reaches `receiver`, because it is neither muted nor of another
    /// scope.
    fn keeps<E: Event, R: 'static>(&self, receiver: &Entry<E, R>) -> bool;

    /// Changes the order of receivers of equal priority, if the send is to be shuffled. Returns
    /// `None` if it is not, and otherwise the receivers that `list` makes in their new order.
    #[cfg(feature = "testing")]
    fn shuffled<T>(
        &self,
        list: impl FnOnce() -> Vec<T>,
        priority: impl Fn(&T) -> i32,
    ) -> Option<Vec<T>>;

    /// Returns the turn of a receiver that is called, or to whose queue the event is given.
    fn turn<'t, E: Event, R: 'static>(
        receiver: &'t Entry<E, R>,
        handed: &'t mut Self::Handed<'_>,
    ) -> Turn<'t, E, R>;

    /// Calls `run`, which runs `receiver`.
    fn run<E: Event, R: 'static, T>(&self, receiver: &Entry<E, R>, run: impl FnOnce() -> T) -> T;

    /// Returns the observation, if there is one.
    #[cfg(feature = "async")]
    fn observation(&self) -> Option<&Observation<'_>>;
}

/// The absence of observers.
pub(crate) struct Unwatched;

impl Watching for Unwatched {
    type Handed<'w> = Shared;

    #[inline(always)]
    fn handed(&self) -> Shared {
        Shared::default()
    }

    #[inline(always)]
    fn keeps<E: Event, R: 'static>(&self, _receiver: &Entry<E, R>) -> bool {
        true
    }

    #[cfg(feature = "testing")]
    #[inline(always)]
    fn shuffled<T>(
        &self,
        _list: impl FnOnce() -> Vec<T>,
        _priority: impl Fn(&T) -> i32,
    ) -> Option<Vec<T>> {
        None
    }

    #[inline(always)]
    fn turn<'t, E: Event, R: 'static>(
        receiver: &'t Entry<E, R>,
        handed: &'t mut Shared,
    ) -> Turn<'t, E, R> {
        Turn::or_enqueue(receiver, handed)
    }

    #[inline(always)]
    fn run<E: Event, R: 'static, T>(&self, _receiver: &Entry<E, R>, run: impl FnOnce() -> T) -> T {
        run()
    }

    #[cfg(feature = "async")]
    #[inline(always)]
    fn observation(&self) -> Option<&Observation<'_>> {
        None
    }
}

impl Watching for Observation<'_> {
    type Handed<'w>
        = Handed<'w>
    where
        Self: 'w;

    fn handed(&self) -> Handed<'_> {
        Handed::of(self)
    }

    fn keeps<E: Event, R: 'static>(&self, receiver: &Entry<E, R>) -> bool {
        !self.leaves_out(receiver)
    }

    #[cfg(feature = "testing")]
    fn shuffled<T>(
        &self,
        list: impl FnOnce() -> Vec<T>,
        priority: impl Fn(&T) -> i32,
    ) -> Option<Vec<T>> {
        let order = self.shuffle()?;
        let mut receivers = list();
        order.apply(&mut receivers, priority);
        Some(receivers)
    }

    fn turn<'t, E: Event, R: 'static>(
        receiver: &'t Entry<E, R>,
        handed: &'t mut Handed<'_>,
    ) -> Turn<'t, E, R> {
        Turn {
            receiver,
            how: How::Observed(handed),
        }
    }

    fn run<E: Event, R: 'static, T>(&self, receiver: &Entry<E, R>, run: impl FnOnce() -> T) -> T {
        Observation::run(self, receiver, run)
    }

    #[cfg(feature = "async")]
    fn observation(&self) -> Option<&Observation<'_>> {
        Some(self)
    }
}
