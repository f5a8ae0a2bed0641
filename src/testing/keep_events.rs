//! The events that a scope keeps, to assert on them later.

use std::sync::Arc;

use super::test_scope::{Kept, Scope, Value, Values};
use crate::event::{Event, OwnedEvent};
use crate::lock::lock;
use crate::receiver::tapped::info_of;
use crate::signal::Signal;
use crate::tap::cause::SendId;
use crate::tap::context::Context;
use crate::tap::keep::Keep;
use crate::watch;

struct Keeping<M> {
    /// The number of the scope.
    scope: u64,
    make: M,
    values: Values,
}

impl<E, T, M> Keep<E> for Keeping<M>
where
    E: Event,
    T: Send + Sync + 'static,
    M: Fn(&E::Args<'_>) -> T + Send + Sync,
{
    fn keep(&self, send: SendId, context: &Context, event: &E::Args<'_>) {
        if context.is_in_scope(self.scope) {
            let value = Arc::new((self.make)(event));
            lock(&self.values).push((send, value));
        }
    }
}

impl Scope {
    /// Keeps a clone of each later event of `signal` that the scope causes, for
    /// [`matching`](super::Sent::matching) and [`events`](Scope::events).
    ///
    /// ```
    /// use fanfare::{Signal, testing};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    ///
    /// testing::scope(|scope| {
    ///     scope.keep(&PAID);
    ///     PAID.send(&7);
    ///     PAID.send(&8);
    ///     scope.assert_sent(&PAID).matching(|order| *order == 7).once();
    ///     assert_eq!(scope.events(&PAID), [7, 8]);
    /// });
    /// ```
    pub fn keep<E, R: 'static>(&self, signal: &Signal<E, R>)
    where
        E: OwnedEvent + Clone + Send + Sync,
    {
        self.keep_with(signal, |event: &E| event.clone());
    }

    /// Keeps the value that `make` makes of each later event of `signal`, for an event that
    /// borrows. [`matching_kept`](super::Sent::matching_kept) gets the values.
    pub fn keep_with<E, R: 'static, T>(
        &self,
        signal: &Signal<E, R>,
        make: impl Fn(&E::Args<'_>) -> T + Send + Sync + 'static,
    ) where
        E: Event,
        T: Send + Sync + 'static,
    {
        let values = Values::default();
        let keeping = Keeping {
            scope: self.inner.number,
            make,
            values: Arc::clone(&values),
        };
        let watch = watch::keep(signal, Box::new(keeping));
        lock(&self.kept).push(Kept {
            signal: info_of(signal.hub()).number(),
            values,
            _watch: watch,
        });
    }

    /// Returns the events of `signal` that the scope has [kept](Scope::keep), in the order of their
    /// sends.
    ///
    /// # Panics
    ///
    /// Panics if it was not told to keep them.
    #[track_caller]
    pub fn events<E, R: 'static>(&self, signal: &Signal<E, R>) -> Vec<E>
    where
        E: OwnedEvent + Clone + Send + Sync,
    {
        let number = info_of(signal.hub()).number();
        let kept = self.values_of(number);
        let kept = kept.expect("the events were not kept: call `scope.keep` before the sends");
        let events = kept
            .iter()
            .filter_map(|(_, value)| value.downcast_ref::<E>());
        events.cloned().collect()
    }

    /// Returns the values that are kept of the signal with this number, or `None` if none are to be
    /// kept.
    pub(super) fn values_of(&self, signal: u64) -> Option<Vec<(SendId, Value)>> {
        let kept = lock(&self.kept);
        let mut of = kept.iter().filter(|kept| kept.signal == signal).peekable();
        of.peek()?;
        Some(of.flat_map(|kept| lock(&kept.values).clone()).collect())
    }
}
