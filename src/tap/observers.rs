//! The observers and the mutes of one signal, as its table holds them.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::cause::SendId;
use super::context::Context;
use super::keep::Keeper;
use super::mutes::{MuteRule, Mutes};
#[cfg(feature = "tracing")]
use super::observer::MakeSpans;
use super::observer::{Observer, SignalInfo};
use crate::event::Event;
use crate::panic_report;
use crate::sender::Sender;

/// An observer that is attached.
pub(crate) struct Watcher {
    /// The observer. It is `None` while it is dropped.
    observer: Option<Box<dyn Observer>>,
    /// The number of the signal that it observes, or `None` for all signals.
    pub(crate) signal: Option<u64>,
    pub(crate) wants_durations: bool,
    /// `true` if sends by observers need a tap as well.
    pub(crate) carries_scopes: bool,
    /// The place for the events of its signal, if a test keeps them.
    pub(crate) keeper: Option<Keeper>,
    /// `true` if it makes spans, and sees nothing else.
    pub(crate) makes_spans: bool,
}

impl Watcher {
    pub(crate) fn new(
        observer: Box<dyn Observer>,
        signal: Option<u64>,
        keeper: Option<Keeper>,
    ) -> Self {
        #[cfg(feature = "tracing")]
        let makes_spans = caught(|| observer.make_spans().is_some()).unwrap_or(false);
        #[cfg(not(feature = "tracing"))]
        let makes_spans = false;
        Watcher {
            wants_durations: caught(|| observer.wants_durations()).unwrap_or(true),
            carries_scopes: observer.carries_scopes(),
            observer: Some(observer),
            signal,
            keeper,
            makes_spans,
        }
    }
}

/// Drops the observer. A change or a send that frees the last table with the observer is not
/// concerned by a panic of its destructor.
impl Drop for Watcher {
    fn drop(&mut self) {
        let observer = self.observer.take();
        caught(|| drop(observer));
    }
}

/// The observers and the mutes of a signal. A table has them if there are some, or if a scope must
/// follow what the receivers of the signal cause.
pub(crate) struct Tap {
    pub(crate) signal: Arc<SignalInfo>,
    pub(crate) watchers: Box<[Arc<Watcher>]>,
    /// The first of the observers that make spans. It is not among `watchers`.
    #[cfg(feature = "tracing")]
    pub(crate) spans: Option<Arc<Watcher>>,
    /// `true` if an observer wants durations.
    pub(crate) is_timed: bool,
    /// The mutes that may concern a send of the signal, the oldest first.
    pub(crate) mutes: Box<[Arc<MuteRule>]>,
    /// The tap without observers, if it has observers and is needed without them, too.
    pub(crate) silent: Option<Arc<Tap>>,
}

thread_local! {
    /// `true` while an observer runs on this thread.
    static OBSERVING: Cell<bool> = const { Cell::new(false) };
}

/// Returns `true` if an observer runs on this thread.
fn is_observing() -> bool {
    OBSERVING.get()
}

impl Tap {
    /// Passes the events of a send to the places that keep them. Catches and reports panics of
    /// their clones.
    pub(crate) fn keep<E: Event>(&self, send: SendId, context: &Context, events: &[E::Args<'_>]) {
        let keepers = self.watchers.iter().filter_map(|it| it.keeper.as_ref());
        for keep in keepers.filter_map(Keeper::get::<E>) {
            let kept = catch_unwind(AssertUnwindSafe(|| {
                for event in events {
                    keep.keep(send, context, event);
                }
            }));
            if let Err(payload) = kept {
                panic_report::observer_panicked(payload);
            }
        }
    }

    /// Returns `true` if an observer sees the sends, or makes spans for them.
    #[inline]
    pub(crate) fn has_observers(&self) -> bool {
        #[cfg(feature = "tracing")]
        if self.spans.is_some() {
            return true;
        }
        !self.watchers.is_empty()
    }

    /// Returns `true` if an observer makes spans.
    pub(crate) fn has_spans(&self) -> bool {
        #[cfg(feature = "tracing")]
        return self.spans.is_some();
        #[cfg(not(feature = "tracing"))]
        false
    }

    /// Returns the tap for a send by this thread. The observers do not see a send that one of them
    /// makes, but the mutes hold for it. Returns `None` if such a send needs no tap.
    pub(crate) fn for_this_thread(self: &Arc<Self>) -> Option<&Arc<Self>> {
        if !is_observing() || !self.has_observers() {
            return Some(self);
        }
        self.silent.as_ref()
    }

    /// Returns the mutes that concern a send from `sender` by this thread in `context`.
    pub(crate) fn mutes_of(&self, sender: &Sender<'_>, context: &Context) -> Mutes<'_> {
        Mutes::of(&self.mutes, self.signal.number(), sender, context)
    }

    /// Passes each observer to `show`. Catches and reports their panics. Does nothing inside of an
    /// observer.
    pub(crate) fn show(&self, show: impl Fn(&dyn Observer)) {
        if self.watchers.is_empty() || OBSERVING.replace(true) {
            return;
        }
        let observers = self.watchers.iter();
        for observer in observers.filter_map(|watcher| watcher.observer.as_deref()) {
            caught(|| show(observer));
        }
        OBSERVING.set(false);
    }

    /// Passes the observer that makes spans to `make`, if there is one.
    #[cfg(feature = "tracing")]
    pub(crate) fn make_span<T>(&self, make: impl FnOnce(&dyn MakeSpans) -> T) -> Option<T> {
        let watcher = self.spans.as_ref()?;
        let observer = watcher.observer.as_deref()?;
        quietly(|| observer.make_spans().map(make)).flatten()
    }
}

/// Calls `run`, whose sends are not observed. Catches and reports its panic.
#[cfg(feature = "tracing")]
pub(crate) fn quietly<T>(run: impl FnOnce() -> T) -> Option<T> {
    let before = OBSERVING.replace(true);
    let returned = caught(run);
    OBSERVING.set(before);
    returned
}

fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    let returned = catch_unwind(AssertUnwindSafe(run));
    returned.map_err(panic_report::observer_panicked).ok()
}
