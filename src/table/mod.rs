//! The published table: the receivers of a signal, by sender and in order.
//!
//! * `tree`: one ordered list of receivers, shared between versions.
//! * `plain`: that list once more, for sends that need to look at no other data.
//! * `receiver_list`: such a list, with the counts that a send needs beforehand.
//! * `table_entry`: a receiver as a table needs it.
//! * `senders`: from a sender to its list, shared between versions.
//! * `hash`: the hash by which that map finds a sender.
//! * `link`: the claim of a receiver, and the flag for its end.
//! * `hub`: the table that is published, as readers use it, and the lock of the writers.
//! * `publish`: one writer at a time, and readers that never wait.
//! * `held`: the table that an emitter keeps, and the way in which a writer takes it away.
//! * `barrier`: a barrier that one side has for both.
//! * `asymmetric`: a cell in place of `arc_swap`'s (feature `asymmetric`).
//! * `sync`: the primitives under `hub`, `held`, `link` and `publish`. It is the only place that
//!   names `arc_swap`.
//!
//! Receivers are not called here.

#[cfg(feature = "asymmetric")]
mod asymmetric;
mod barrier;
pub(crate) mod hash;
pub(crate) mod held;
pub(crate) mod hub;
pub(crate) mod link;
pub(crate) mod plain;
pub(crate) mod publish;
mod receiver_list;
mod senders;
pub(crate) mod sync;
mod table_entry;
pub(crate) mod tree;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::sender::{Probe, Sender, SenderKey};
use hash::SenderHasher;
use hub::Changed;
use plain::Plain;
use receiver_list::{Counts, OneSender, Receivers, TAPPED};
use senders::SenderMap;
use smallvec::SmallVec;
pub(crate) use table_entry::TableEntry;
use tree::{List, Run};

/// The data that all tables of a signal have in common.
#[derive(Default)]
pub(crate) struct Common<S> {
    pub(crate) hasher: SenderHasher,
    pub(crate) signal: S,
}

/// One version of a signal's receivers. It never changes.
pub(crate) struct Table<T: TableEntry> {
    /// The receivers once more, if they are one run that is called for every sender.
    plain: Option<Plain<T>>,
    any: Receivers<T>,
    senders: SenderMap<Arc<OneSender<T>>>,
    /// The senders once more, if no receiver is for any sender and there is no tap. A send then
    /// needs no look at either.
    alone: SenderMap<Arc<OneSender<T>>>,
    hasher: SenderHasher,
    len: usize,
    /// The observers of the signal, if there are some. With a tap, `any` counts as special, so that
    /// each send takes the path of special receivers, which alone looks here.
    tap: Option<Arc<T::Tap>>,
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
    /// can simply be called. `hash` is the [early](SenderHasher::early) one. Returns `None` for the
    /// first send of a sender, which `select_by` notes.
    #[inline]
    pub(crate) fn own_plain(&self, hash: u64, sender: &Sender<'_>) -> Option<&Run<T>> {
        let own = self.alone.get(hash, |own| own.key.is(sender))?;
        own.receivers.list.flat().filter(|_| own.is_direct())
    }

    /// Returns the receivers that a send from `sender` calls, and notes that `sender` has sent.
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
        Selection { table: self, own }
    }

    #[inline]
    fn select_own(&self, hash: Option<u64>, sender: &Sender<'_>) -> Option<&Receivers<T>> {
        let probe = sender.probe()?;
        let hash = hash.unwrap_or_else(|| self.hasher.hash(probe));
        let own = self.own_by(hash, probe)?;
        // The load spares other sends the write.
        if !own.is_noted() {
            own.note_sent();
        }
        Some(&own.receivers)
    }

    /// Returns the same as `select`, without the note.
    pub(crate) fn peek(&self, sender: &Sender<'_>) -> Selection<'_, T> {
        let own = sender.probe().and_then(|probe| self.own(probe));
        Selection {
            table: self,
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

    /// Returns the senders that have receivers and that have not sent.
    pub(crate) fn senders_not_sent(&self) -> impl Iterator<Item = &SenderKey> {
        let senders = self.senders.iter().filter(|own| !own.has_sent());
        senders.map(|own| &own.key)
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
            // If `group` is removed, the notes of its receivers move here.
            let sent = known.is_some_and(|known| known.is_noted()) || group.iter().any(T::has_sent);
            if receivers.list.is_empty() {
                senders.remove(hash, |own| own.key == *key);
            } else {
                let own = OneSender::new(key.clone(), receivers, sent);
                senders.insert(hash, Arc::new(own), |own| own.key == *key);
            }
        }
        let any = any.unwrap_or_else(|| self.any.with(&[]));
        Table::of(any, senders, self.hasher.clone(), len, self.tap.clone())
    }

    fn empty_with(hasher: &SenderHasher, tap: Option<Arc<T::Tap>>) -> Self {
        let senders = SenderMap::new();
        Table::of(Receivers::empty(), senders, hasher.clone(), 0, tap)
    }

    fn of(
        mut any: Receivers<T>,
        senders: SenderMap<Arc<OneSender<T>>>,
        hasher: SenderHasher,
        len: usize,
        tap: Option<Arc<T::Tap>>,
    ) -> Self {
        any.counts = any.counts.tapped(tap.is_some());
        let is_plain = senders.is_empty() && any.counts.special == 0;
        let run = any.list.flat().filter(|_| is_plain);
        let alone = match any.list.is_empty() && tap.is_none() {
            true => senders.clone(),
            false => SenderMap::new(),
        };
        Table {
            plain: run.and_then(Plain::of),
            any,
            senders,
            alone,
            hasher,
            len,
            tap,
        }
    }
}

impl<T: TableEntry> hub::Table for Table<T> {
    type Entry = T;

    fn with(&self, added: &[T]) -> Self {
        let len = self.len + added.len();
        self.apply(added, Receivers::with, len)
    }

    fn without(&self, removed: &[T]) -> Self {
        if removed.len() == self.len {
            return Table::empty_with(&self.hasher, self.tap.clone());
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

    type Tap = T::Tap;

    fn with_tap(&self, tap: Option<Arc<T::Tap>>) -> Self {
        let any = self.any.with(&[]);
        let senders = self.senders.clone();
        Table::of(any, senders, self.hasher.clone(), self.len, tap)
    }

    fn tap(&self) -> Option<&Arc<T::Tap>> {
        self.tap.as_ref()
    }

    fn report(tap: &T::Tap, entry: &T, change: Changed) {
        entry.report(tap, change);
    }

    type Shared = Common<T::Signal>;

    fn empty(common: &Self::Shared) -> Self {
        Table::empty_with(&common.hasher, None)
    }
}

/// The receivers that one send calls: those for any sender and those of its own sender.
pub(crate) struct Selection<'t, T: TableEntry> {
    table: &'t Table<T>,
    own: Option<&'t Receivers<T>>,
}

impl<'t, T: TableEntry> Selection<'t, T> {
    fn any(&self) -> &'t Receivers<T> {
        &self.table.any
    }

    /// Returns the tap of the table, if the signal is observed.
    pub(crate) fn tap(&self) -> Option<&'t Arc<T::Tap>> {
        self.table.tap.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.any().list.len() + self.own.map_or(0, |own| own.list.len())
    }

    #[inline]
    fn sum(&self, of: impl Fn(&Counts) -> usize) -> usize {
        of(&self.any().counts) + self.own.map_or(0, |own| of(&own.counts))
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

    /// Returns `true` if a receiver can be dead or spent, whether the signal is observed or not.
    pub(crate) fn has_mortal_receiver(&self) -> bool {
        self.sum(|counts| counts.mortal) & !TAPPED != 0
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
            None => Some(&self.any().list),
            Some(own) if self.any().list.is_empty() => Some(&own.list),
            Some(_) => None,
        }
    }

    /// Passes the receivers to `visit`, in order, until it breaks.
    #[inline(always)]
    pub(crate) fn try_for_each<B>(
        &self,
        mut visit: impl FnMut(&'t T) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self.only_list() {
            Some(list) => {
                list.try_for_each_run(&mut |run: &'t [T]| run.iter().try_for_each(&mut visit))
            }
            None => self.iter().try_for_each(visit),
        }
    }

    /// Returns all receivers in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'t T> + Clone + use<'t, T> {
        let mut any = self.any().list.iter().peekable();
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
