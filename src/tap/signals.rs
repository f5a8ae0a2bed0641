//! The signals that are in use, and the observers that are attached.

use std::collections::BTreeMap;
use std::mem;
use std::panic::Location;
use std::sync::{Arc, Mutex, Weak};

use super::info::ConnectionInfo;
use super::keep::Keeper;
use super::mutes::MuteRule;
use super::observer::{Observer, SignalInfo};
use super::observers::{Tap, Watcher};
#[cfg(feature = "testing")]
use super::verdict::ExplainedConnection;
use crate::id::ReceiverId;
use crate::lock::lock;
#[cfg(feature = "testing")]
use crate::sender::Sender;

/// A signal in use, whatever its types.
pub(crate) trait Tapped: Send + Sync {
    /// Publishes the signal's receivers with the observers and the mutes that concern it.
    fn retap(&self, info: &Arc<SignalInfo>);

    /// Disconnects the receivers of a scope. Returns `false` if the signal is frozen and keeps
    /// some.
    #[cfg(feature = "testing")]
    fn end_scope(&self, number: u64) -> bool;

    /// Returns the connections in the order of their calls, each with the verdict on it, and then
    /// those that were disconnected and are kept.
    #[cfg(feature = "testing")]
    fn explained(&self, sender: &Sender<'_>) -> Vec<ExplainedConnection>;

    /// Returns the connections in the order of their calls.
    fn connections(&self) -> Vec<ConnectionInfo>;

    /// Returns the name of the receiver with this id, if it is connected.
    fn name_of(&self, receiver: ReceiverId) -> Option<String>;

    /// Returns the place where the signal was frozen, if it was.
    fn freeze_place(&self) -> Option<&'static Location<'static>>;
}

/// A signal in use.
#[derive(Clone)]
pub(crate) struct Member {
    /// The properties. They are here as well because another thread may find the signal here before
    /// the signal has them.
    pub(crate) info: Arc<SignalInfo>,
    pub(crate) hub: Weak<dyn Tapped>,
}

struct Registry {
    /// The signals by their numbers, which are in the order of the first uses.
    signals: BTreeMap<u64, Member>,
    watchers: Vec<Arc<Watcher>>,
    /// The mutes, the oldest first.
    mutes: Vec<Arc<MuteRule>>,
    /// The number of signals that have been in use.
    numbers: u64,
}

/// The lock is taken under the lock of a signal's changes, and never the other way round. No user
/// code runs under it.
static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    signals: BTreeMap::new(),
    watchers: Vec::new(),
    mutes: Vec::new(),
    numbers: 0,
});

impl Registry {
    /// Returns the signals whose number `is_concerned` accepts.
    ///
    /// The caller upgrades one after the other, without the lock: it may then have the last handle
    /// to one, and drop its receivers.
    fn signals(&self, is_concerned: impl Fn(u64) -> bool) -> Vec<Member> {
        let members = self.signals.values();
        members
            .filter(|member| is_concerned(member.info.number))
            .cloned()
            .collect()
    }
}

/// Returns the signals in use.
pub(crate) fn in_use() -> Vec<Member> {
    lock(&REGISTRY).signals(|_| true)
}

/// Returns the number of the next signal.
pub(crate) fn next_number() -> u64 {
    let mut registry = lock(&REGISTRY);
    registry.numbers += 1;
    registry.numbers
}

/// Adds a signal. Returns `true` if it may need a tap.
pub(crate) fn register(info: &Arc<SignalInfo>, hub: Weak<dyn Tapped>) -> bool {
    let mut registry = lock(&REGISTRY);
    let (number, info) = (info.number, Arc::clone(info));
    registry.signals.insert(number, Member { info, hub });
    !registry.watchers.is_empty() || !registry.mutes.is_empty()
}

/// Removes a signal that is being dropped.
pub(crate) fn unregister(number: u64) {
    let removed = lock(&REGISTRY).signals.remove(&number);
    drop(removed);
}

/// Disconnects the receivers of a scope from all signals. Returns the numbers of the signals that
/// are frozen and keep some.
#[cfg(feature = "testing")]
pub(crate) fn end_scope(number: u64) -> Vec<u64> {
    let keeps = |member: &Member| {
        let signal = member.hub.upgrade();
        signal.is_some_and(|signal| !signal.end_scope(number))
    };
    let kept = in_use().into_iter().filter(keeps);
    kept.map(|member| member.info.number).collect()
}

/// Returns the tap of a signal, or `None` if it needs none.
pub(crate) fn tap_of(signal: &Arc<SignalInfo>) -> Option<Arc<Tap>> {
    let registry = lock(&REGISTRY);
    let concerned = |of: Option<u64>| of.is_none_or(|number| number == signal.number);
    let watchers = registry.watchers.iter();
    let (spans, watchers): (Vec<_>, Vec<_>) = watchers
        .filter(|watcher| concerned(watcher.signal))
        .cloned()
        .partition(|watcher| watcher.makes_spans);
    let mutes = registry.mutes.iter();
    let mutes: Box<[_]> = mutes
        .filter(|rule| rule.is_about(signal.number))
        .cloned()
        .collect();
    // Sends of observers need a tap without them, for mutes and for the receivers of scopes.
    let is_needed_without_observers = !mutes.is_empty()
        || registry.mutes.iter().any(|rule| rule.needs_all_signals())
        || watchers.iter().any(|watcher| watcher.carries_scopes);
    drop(registry);
    let has_observers = !watchers.is_empty() || !spans.is_empty();
    let silent = is_needed_without_observers.then(|| {
        Arc::new(Tap {
            signal: Arc::clone(signal),
            watchers: Box::default(),
            #[cfg(feature = "tracing")]
            spans: None,
            is_timed: false,
            mutes: mutes.clone(),
            silent: None,
        })
    });
    if !has_observers {
        return silent;
    }
    Some(Arc::new(Tap {
        signal: Arc::clone(signal),
        is_timed: watchers.iter().any(|watcher| watcher.wants_durations),
        watchers: watchers.into(),
        #[cfg(feature = "tracing")]
        spans: spans.into_iter().next(),
        mutes,
        silent,
    }))
}

/// Attaches an observer to one signal, or to all.
pub(crate) fn attach(
    observer: Box<dyn Observer>,
    signal: Option<u64>,
    keeper: Option<Keeper>,
) -> Arc<Watcher> {
    let watcher = Arc::new(Watcher::new(observer, signal, keeper));
    let concerned = |number| signal.is_none_or(|it| it == number);
    change(concerned, |registry| {
        registry.watchers.push(Arc::clone(&watcher));
    });
    watcher
}

/// Detaches an observer. The caller has a handle, so that no destructor of the user runs here.
pub(crate) fn detach(watcher: &Arc<Watcher>) {
    let concerned = |number| watcher.signal.is_none_or(|it| it == number);
    let removed = change(concerned, |registry| {
        let (kept, removed): (Vec<_>, Vec<_>) = mem::take(&mut registry.watchers)
            .into_iter()
            .partition(|other| !Arc::ptr_eq(other, watcher));
        registry.watchers = kept;
        removed
    });
    drop(removed);
}

/// Starts mutes. Returns when each send that starts obeys them.
pub(crate) fn mute(rules: &[Arc<MuteRule>]) {
    change(concerned_by(rules), |registry| {
        registry.mutes.extend_from_slice(rules);
    });
}

/// Ends mutes. The caller has handles, so that no destructor of the user runs under the lock.
pub(crate) fn unmute(rules: &[Arc<MuteRule>]) {
    let is_over = |rule: &Arc<MuteRule>| rules.iter().any(|over| Arc::ptr_eq(over, rule));
    change(concerned_by(rules), |registry| {
        registry.mutes.retain(|rule| !is_over(rule));
    });
}

/// Returns the test for the signals whose taps depend on `rules`.
fn concerned_by(rules: &[Arc<MuteRule>]) -> impl Fn(u64) -> bool {
    |signal| {
        let mut rules = rules.iter();
        rules.any(|rule| rule.needs_all_signals() || rule.is_about(signal))
    }
}

/// Changes the registry, and then the tables of the signals that the change concerns, by their
/// numbers.
///
/// Each signal asks the registry for its tap under the lock of its own changes. So the last of
/// several changes at the same time finds the work of all of them.
fn change<T>(is_concerned: impl Fn(u64) -> bool, change: impl FnOnce(&mut Registry) -> T) -> T {
    let mut registry = lock(&REGISTRY);
    let changed = change(&mut registry);
    let signals = registry.signals(is_concerned);
    drop(registry);
    for Member { info, hub } in signals {
        if let Some(signal) = hub.upgrade() {
            signal.retap(&info);
        }
    }
    changed
}
