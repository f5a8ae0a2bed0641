//! The published table: the receivers of a signal, by sender and in order.
//!
//! * `tree`: one ordered list of receivers, shared between versions.
//! * `plain`: that list once more, for sends that need to look at no other data.
//! * `senders`: from a sender to its list, shared between versions.
//! * `hash`: the hash by which that map finds a sender.
//! * `link`: the claim of a receiver, and the flag for its end.
//! * `publish`: one writer at a time, readers that never wait.
//! * `held`: the table that an emitter keeps, and the way in which a writer takes it away.
//! * `barrier`: a barrier that one side has for both.
//! * `asymmetric`: a cell in place of `arc_swap`'s (feature `asymmetric`).
//! * `sync`: the primitives under `held`, `link` and `publish`. It is the only place that names
//!   `arc_swap`.
//!
//! Receivers are not called here.

#[cfg(feature = "asymmetric")]
mod asymmetric;
mod barrier;
pub(crate) mod hash;
pub(crate) mod held;
pub(crate) mod link;
pub(crate) mod plain;
pub(crate) mod publish;
mod senders;
pub(crate) mod sync;
pub(crate) mod tree;

use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sender::{Probe, Sender, SenderKey};
use hash::SenderHasher;
use plain::Plain;
use senders::SenderMap;
use smallvec::SmallVec;
use tree::{Item, List, Run};

/// A handle to one connected receiver, as a table needs it.
pub(crate) trait TableEntry: publish::Entry + Item {
    /// Returns the sender that the receiver was connected for, or `None` for any sender.
    fn sender(&self) -> Option<&SenderKey>;

    /// Returns `true` if the receiver can be dead or spent while it is still in the table.
    fn is_mortal(&self) -> bool {
        self.is_weak() || self.is_limited()
    }

    /// Returns `true` if a send cannot simply call the receiver.
    fn is_special(&self) -> bool;

    /// Returns `true` if an async send awaits the receiver.
    fn is_awaited(&self) -> bool;
}

/// One version of a signal's receivers. It never changes.
pub(crate) struct Table<T: TableEntry> {
    /// The receivers once more, if they are one run that is called for every sender.
    plain: Option<Plain<T>>,
    any: Receivers<T>,
    senders: SenderMap<Arc<OneSender<T>>>,
    hasher: SenderHasher,
    len: usize,
}

/// The approximate number of entries that are counted once more when one is removed from a long
/// list. It is cheaper to make the list anew if more than one in `COPIED` entries is removed.
const COPIED: usize = 64;

/// A list of receivers, and the counts that a send needs beforehand.
pub(crate) struct Receivers<T: TableEntry> {
    list: List<T>,
    counts: Counts,
}

/// The numbers of receivers that need more than a call in a send.
#[derive(Clone, Copy, Default)]
struct Counts {
    special: usize,
    /// The number of these receivers that may be dead or spent.
    mortal: usize,
    /// The number of receivers that an async send awaits.
    awaited: usize,
}

impl Counts {
    fn of<T: TableEntry>(entries: &[T]) -> Self {
        let mut counts = Counts::default();
        for entry in entries {
            counts.special += usize::from(entry.is_special());
            counts.mortal += usize::from(entry.is_mortal());
            counts.awaited += usize::from(entry.is_awaited());
        }
        counts
    }

    fn map2(self, other: Self, change: impl Fn(usize, usize) -> usize) -> Self {
        Counts {
            special: change(self.special, other.special),
            mortal: change(self.mortal, other.mortal),
            awaited: change(self.awaited, other.awaited),
        }
    }
}

/// The receivers of one sender.
pub(crate) struct OneSender<T: TableEntry> {
    key: SenderKey,
    receivers: Receivers<T>,
    /// For a name: `true` if it has been the sender of a send. It is shared by all versions.
    sent: Option<Arc<AtomicBool>>,
}

impl<T: TableEntry> Receivers<T> {
    fn empty() -> Self {
        Receivers {
            list: List::empty(),
            counts: Counts::default(),
        }
    }

    /// Returns the receivers with `added`, which is in order.
    fn with(&self, added: &[T]) -> Self {
        Receivers {
            list: self.list.with(added),
            counts: self.counts.map2(Counts::of(added), usize::add),
        }
    }

    /// Returns the receivers without `removed`, which is in order.
    fn without(&self, removed: &[T]) -> Self {
        if removed.len() == self.list.len() {
            return Receivers::empty();
        }
        let left = match removed {
            [entry] => self.list.without(entry),
            many => self.without_many(many),
        };
        Receivers {
            list: left.expect("a writer removes only what the table holds"),
            counts: self.counts.map2(Counts::of(removed), usize::sub),
        }
    }
}

impl<T: TableEntry> Receivers<T> {
    /// Removes several entries. It is a separate function so that the removal of one entry stays in
    /// line.
    #[cold]
    #[inline(never)]
    fn without_many(&self, removed: &[T]) -> Option<List<T>> {
        if removed.len() * COPIED > self.list.len() {
            return self.list.without_all(removed);
        }
        let mut removed = removed.iter();
        removed.try_fold(self.list.clone(), |list, entry| list.without(entry))
    }
}

impl<T: TableEntry> Table<T> {
    fn own(&self, probe: Probe<'_>) -> Option<&Arc<OneSender<T>>> {
        self.own_by(self.hasher.hash(probe), probe)
    }

    #[inline]
    fn own_by(&self, hash: u64, probe: Probe<'_>) -> Option<&Arc<OneSender<T>>> {
        self.senders.get(hash, |own| own.key.probe() == probe)
    }

    /// Returns the receivers that every send calls, whoever sends, if they are one run of receivers
    /// that can simply be called.
    #[inline(always)]
    pub(crate) fn plain(&self) -> Option<&Plain<T>> {
        self.plain.as_ref()
    }

    /// Returns the receivers that a send from `sender` calls, if they are one run of its own that
    /// can simply be called. `hash` is the [early](SenderHasher::early) one.
    #[inline]
    pub(crate) fn own_plain(&self, hash: u64, sender: &Sender<'_>) -> Option<&Run<T>> {
        if !self.any.list.is_empty() {
            return None;
        }
        let own = self.senders.get(hash, |own| own.key.is(sender))?;
        let receivers = &own.receivers;
        receivers
            .list
            .flat()
            .filter(|_| receivers.counts.special == 0)
    }

    /// Returns the receivers that a send from `sender` calls. A name is noted as the sender of a
    /// send.
    #[inline]
    pub(crate) fn select(&self, sender: &Sender<'_>) -> Selection<'_, T> {
        self.select_by(None, sender)
    }

    /// Does the same as `select`, with the [early](SenderHasher::early) hash of `sender`, if there
    /// is one.
    #[inline]
    pub(crate) fn select_by(&self, hash: Option<u64>, sender: &Sender<'_>) -> Selection<'_, T> {
        let own = if self.senders.is_empty() {
            None
        } else {
            self.select_own(hash, sender)
        };
        Selection {
            any: &self.any,
            own,
        }
    }

    #[inline]
    fn select_own(&self, hash: Option<u64>, sender: &Sender<'_>) -> Option<&Receivers<T>> {
        let probe = sender.probe()?;
        let hash = hash.unwrap_or_else(|| self.hasher.hash(probe));
        let own = self.own_by(hash, probe)?;
        if let Some(sent) = &own.sent {
            // Relaxed, both: it is a note that only people read. The load spares other senders the
            // write. Row T1.
            if !sent.load(Ordering::Relaxed) {
                sent.store(true, Ordering::Relaxed);
            }
        }
        Some(&own.receivers)
    }

    /// Returns the same as `select`, without the note.
    pub(crate) fn peek(&self, sender: &Sender<'_>) -> Selection<'_, T> {
        let own = sender.probe().and_then(|probe| self.own(probe));
        Selection {
            any: &self.any,
            own: own.map(|own| &own.receivers),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the entries connected for `sender` alone, or, without a sender, for any.
    pub(crate) fn connected_for(&self, sender: Option<Probe<'_>>) -> Vec<T> {
        let receivers = self.receivers_of(sender);
        receivers.map_or(Vec::new(), |receivers| {
            receivers.list.iter().cloned().collect()
        })
    }

    fn receivers_of(&self, sender: Option<Probe<'_>>) -> Option<&Receivers<T>> {
        match sender {
            None => Some(&self.any),
            Some(sender) => self.own(sender).map(|own| &own.receivers),
        }
    }

    /// Returns every entry: first those for any sender, then sender by sender, each in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &T> {
        let own = self
            .senders
            .iter()
            .flat_map(|own| own.receivers.list.iter());
        self.any.list.iter().chain(own)
    }

    /// Returns the names that have receivers and that have not been the sender of a send.
    pub(crate) fn names_not_sent(&self) -> impl Iterator<Item = &str> {
        self.senders.iter().filter_map(|own| {
            // Relaxed: a note that only people read. Row T1.
            let sent = own.sent.as_ref()?.load(Ordering::Relaxed);
            own.key.name().filter(|_| !sent)
        })
    }

    /// Returns the table with `change` applied to the list of each sender that `entries` name.
    fn apply(
        &self,
        entries: &[T],
        change: impl Fn(&Receivers<T>, &[T]) -> Receivers<T>,
        len: usize,
    ) -> Self {
        let mut sorted = SmallVec::<[_; 1]>::from(entries);
        if entries.len() > 1 {
            sorted.sort_by_cached_key(|entry| {
                let hash = entry.sender().map(|key| self.hasher.hash(key.probe()));
                (hash, entry.order())
            });
        }
        let mut any = None;
        let mut senders = self.senders.clone();
        for group in sorted.chunk_by(|a, b| a.sender() == b.sender()) {
            let Some(key) = group[0].sender() else {
                any = Some(change(&self.any, group));
                continue;
            };
            let hash = self.hasher.hash(key.probe());
            let known = senders.get(hash, |own| own.key == *key);
            let receivers = match known {
                Some(known) => change(&known.receivers, group),
                None => change(&Receivers::empty(), group),
            };
            let sent = match known {
                Some(known) => known.sent.clone(),
                None => key.name().map(|_| Arc::default()),
            };
            if receivers.list.is_empty() {
                senders.remove(hash, |own| own.key == *key);
            } else {
                let own = OneSender {
                    key: key.clone(),
                    receivers,
                    sent,
                };
                senders.insert(hash, Arc::new(own), |own| own.key == *key);
            }
        }
        let any = any.unwrap_or_else(|| self.any.with(&[]));
        let is_plain = senders.is_empty() && any.counts.special == 0;
        let run = any.list.flat().filter(|_| is_plain);
        Table {
            plain: run.and_then(Plain::of),
            any,
            senders,
            hasher: self.hasher.clone(),
            len,
        }
    }
}

impl<T: TableEntry> publish::Table for Table<T> {
    type Entry = T;

    fn with(&self, added: &[T]) -> Self {
        let len = self.len + added.len();
        self.apply(added, Receivers::with, len)
    }

    fn without(&self, removed: &[T]) -> Self {
        if removed.len() == self.len {
            return Table::empty(&self.hasher);
        }
        let len = self.len - removed.len();
        self.apply(removed, Receivers::without, len)
    }

    fn flattened(&self) -> Self {
        let mut flat = self.apply(&[], Receivers::with, self.len);
        let is_plain = self.senders.is_empty() && self.any.counts.special == 0;
        if is_plain && self.any.list.flat().is_none() {
            let all = self.any.list.iter().cloned();
            flat.plain = Plain::of(&Run::Many(all.collect()));
        }
        flat
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    type Shared = SenderHasher;

    fn empty(hasher: &SenderHasher) -> Self {
        Table {
            plain: None,
            any: Receivers::empty(),
            senders: SenderMap::new(),
            hasher: hasher.clone(),
            len: 0,
        }
    }
}

/// The receivers that one send calls: those for any sender and those of its own sender.
pub(crate) struct Selection<'t, T: TableEntry> {
    any: &'t Receivers<T>,
    own: Option<&'t Receivers<T>>,
}

impl<'t, T: TableEntry> Selection<'t, T> {
    pub(crate) fn len(&self) -> usize {
        self.any.list.len() + self.own.map_or(0, |own| own.list.len())
    }

    #[inline]
    fn sum(&self, of: impl Fn(&Counts) -> usize) -> usize {
        of(&self.any.counts) + self.own.map_or(0, |own| of(&own.counts))
    }

    /// Returns `true` if some receivers may be dead or spent, or are queued or async, so that
    /// calling is not enough.
    #[inline]
    pub(crate) fn has_special(&self) -> bool {
        self.sum(|counts| counts.special) != 0
    }

    /// Returns `true` if some receivers may be dead or spent.
    #[cfg(any(feature = "async", feature = "queue"))]
    pub(crate) fn has_mortal(&self) -> bool {
        self.sum(|counts| counts.mortal) != 0
    }

    /// Returns the number of receivers that an async send awaits.
    #[cfg(feature = "async")]
    pub(crate) fn awaited(&self) -> usize {
        self.sum(|counts| counts.awaited)
    }

    /// Returns all receivers, if they are one run and all are awaited by an async send.
    #[cfg(feature = "async")]
    pub(crate) fn only_awaited(&self) -> Option<&'t [T]> {
        if self.awaited() != self.len() {
            return None;
        }
        Some(self.only_list()?.flat()?)
    }

    /// Passes all receivers to `each`, in order.
    #[cfg(feature = "async")]
    pub(crate) fn for_each(&self, mut each: impl FnMut(&'t T)) {
        match self.only_list().and_then(|list| list.flat()) {
            Some(run) => run.iter().for_each(each),
            None => self.iter().for_each(&mut each),
        }
    }

    /// Returns all receivers, if they are one run and each is called or queued, whatever happens
    /// during the send.
    #[cfg(feature = "queue")]
    pub(crate) fn called_or_queued(&self) -> Option<&'t [T]> {
        #[cfg(feature = "async")]
        if self.awaited() > 0 {
            return None;
        }
        if self.has_mortal() {
            return None;
        }
        Some(self.only_list()?.flat()?)
    }

    /// Returns all receivers, if they are one list and can simply be called.
    #[inline]
    pub(crate) fn simple(&self) -> Option<&'t List<T>> {
        if self.has_special() {
            return None;
        }
        self.only_list()
    }

    /// Returns the one list that a send walks, if one is enough.
    #[inline]
    fn only_list(&self) -> Option<&'t List<T>> {
        match self.own {
            None => Some(&self.any.list),
            Some(own) if self.any.list.is_empty() => Some(&own.list),
            Some(_) => None,
        }
    }

    /// Returns all receivers in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'t T> + Clone + use<'t, T> {
        let mut any = self.any.list.iter().peekable();
        let mut own = self
            .own
            .map(|own| own.list.iter())
            .into_iter()
            .flatten()
            .peekable();
        std::iter::from_fn(move || match (any.peek(), own.peek()) {
            (Some(a), Some(b)) if a.order() < b.order() => any.next(),
            (Some(_), None) => any.next(),
            _ => own.next(),
        })
    }
}

#[cfg(test)]
mod tests;
