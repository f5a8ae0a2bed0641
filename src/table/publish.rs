//! The protocol of changes: which thread may change a table, how a change is published, and when
//! a replaced table is freed.
//!
//! One writer at a time prepares the next table under a lock and publishes it with one swap.
//! Readers take the table that is published and never wait. User code (receivers, destructors,
//! `Eq`, `Hash`) does not run while the lock is held: the receivers that a change removes are
//! dropped after the lock has been released.
//!
//! # Replaced tables
//!
//! A send frees no table, unless it takes out receivers that have ended, and so is a writer itself.
//! The writer that replaces a table keeps a count of it. If no other holder is left, that writer
//! frees the table. Otherwise the table is *retired*: it waits in a list under the lock, and a
//! later writer frees it once the list holds the only count. So the drop of a reader's handle is a
//! decrement that leaves at least one.
//!
//! A writer may conclude from the count that no reader is left, because `Cell::swap` returns the
//! old table only when each reader that holds it has a count. No reader can come to it afterwards:
//! the cell names another table by then, and the address belongs to no other table as long as the
//! list has this one. `sync.rs` has the argument for the cell of arc-swap, and `asymmetric/cell.rs`
//! has that for the other.
//!
//! This file is compiled twice more, over loom and over shuttle, by `loom-tests/`: it
//! may name only `std`'s plain types and its siblings `hub`, `held`, `link` and `sync`.

use std::hash::Hash;

use super::held::Held;
use super::hub::{
    Changed, Connected, Entry, FROZEN, Frozen, GOING, Hub, NOBODY, Place, SWEEP_AT_LEAST, Table,
    Writer, is_live, is_tapped,
};
use super::sync::{Arc, HashMap, MutexGuard, Ordering, fence, lock, prepare_heavy, try_lock};

/// The number of retired tables that one change looks at. If more of them are held, the next change
/// goes on with the others.
pub(super) const LOOK_AT: usize = 64;

impl<T: Table> Hub<T> {
    /// Refuses every change from now on, and keeps the current table as long as the hub. Frees
    /// every replaced table that is no longer held. Does nothing if the hub is frozen already.
    pub(crate) fn freeze(&self, at: Place) {
        let mut writer = lock(&self.books.writer);
        if self.frozen.get().is_some() {
            return;
        }
        let current = self.cell.load_full();
        let is_tapped = current.as_deref().is_some_and(is_tapped);
        let table = current.filter(|table| !table.is_empty());
        let table = table.map(|table| Arc::new(table.with_tap(None).flattened()));
        let is_empty = table.is_none();
        let _ = self.frozen.set(Frozen { at, table });
        // While there is a tap, sends take the table in the cell, which has it.
        if !is_empty && !is_tapped {
            // Release: a thread that finds this finds the `OnceLock` set, and needs no snapshot.
            // Without it that send takes one. Partner: `current`. Row H4.
            self.current.store(FROZEN, Ordering::Release);
        }
        let freed = writer.free_retired(usize::MAX);
        drop(writer);
        drop(freed);
    }

    /// Publishes the receivers with the tap that `tap` returns, also if the hub is frozen. `tap`
    /// runs under the lock and must call no user code.
    ///
    /// A send that starts after this returns walks a table with that tap, or with the tap of a
    /// later call. The drop of the result may run user code.
    pub(crate) fn retap(&self, tap: impl FnOnce() -> Option<Arc<T::Tap>>) -> Replaced<'_, T> {
        let mut change = self.begin(lock(&self.books.writer), Some(After(self)));
        change.retap(tap());
        let Change {
            current,
            writer,
            replaced,
            _freed,
            _after,
            ..
        } = change;
        drop((current, writer));
        Replaced {
            _replaced: replaced,
            _freed,
            _after,
        }
    }

    /// Makes the place for the table of a new emitter.
    pub(crate) fn emitter(&self) -> Arc<Held<T>> {
        let _after = After(self);
        let mut writer = lock(&self.books.writer);
        let held = writer.emitters.add();
        drop(writer);
        held
    }

    /// Makes the changes of `steps` in one publication, unless the hub is frozen. `steps` runs
    /// under the lock and must call no user code.
    pub(crate) fn change_by<O>(
        &self,
        steps: impl FnOnce(&mut Change<'_, T>) -> O,
    ) -> Result<O, Place> {
        let mut change = self.change()?;
        let done = steps(&mut change);
        change.publish();
        Ok(done)
    }

    /// Takes `entries` out, of which some may be out. Returns the number of those that were in and
    /// live.
    pub(crate) fn disconnect(&self, entries: &[T::Entry]) -> Result<usize, Place> {
        match self.change_by(|change| change.disconnect(entries.iter().cloned())) {
            // They were out before the hub was frozen, because no entry has been taken out since.
            Err(_) if entries.iter().all(|entry| entry.link().is_removed()) => Ok(0),
            taken => taken,
        }
    }

    /// Takes out the receivers that a send found spent or dead. Never waits: if a writer is at
    /// work, dead receivers stay for a later send or connect. The receivers that this send has
    /// `spent` are then taken out by that writer when it has released the lock. Does nothing if the
    /// hub is frozen.
    pub(crate) fn discard(&self, found: &[T::Entry], spent: bool) {
        if let Some(writer) = try_lock(&self.books.writer) {
            let Ok(mut change) = self.change_with(writer, Some(After(self))) else {
                return;
            };
            for entry in found {
                change.unlink(entry.clone());
            }
            change.publish();
        } else if spent {
            // Release: the claims of this send, to the search in `take_left`. It is one step, so
            // that those of earlier sends go with it. The fence in `take_left` orders it before the
            // look at the lock. Row H5.
            self.books.left_spent.swap(true, Ordering::Release);
            self.take_left();
        }
    }

    /// Takes out the spent receivers that sends have left, unless a writer is at work or the hub is
    /// frozen. Called by a send that has left some, and by each writer after it has released the
    /// lock: one of the two finds them.
    fn take_left(&self) {
        loop {
            // If the send's fence is first, the writer sees the flag. If the writer's fence is
            // first, the send sees that the lock is free, or taken by a later writer, with which it
            // is the same. Row H5.
            fence(Ordering::SeqCst);
            // Relaxed: see the fence. The swap below acquires. Row H5.
            if !self.books.left_spent.load(Ordering::Relaxed) {
                return;
            }
            let Some(writer) = try_lock(&self.books.writer) else {
                return;
            };
            // This change needs no `After`, because the next turn of this loop takes its look.
            let Ok(mut change) = self.change_with(writer, None) else {
                return;
            };
            // Acquire: the claims of all sends that have set the flag. Before the search: a send
            // that sets it later is found by the next turn. Row H5.
            self.books.left_spent.swap(false, Ordering::Acquire);
            change.sweep_spent();
            change.publish();
        }
    }

    /// Takes out every dead weak entry and returns their number. Does not take out any if the hub
    /// is frozen. Frees every table that is no longer held.
    pub(crate) fn purge(&self) -> usize {
        let purged = self.change().map_or(0, |mut change| {
            let purged = change.sweep();
            change.publish();
            purged
        });
        self.free_retired();
        purged
    }

    /// Takes the replaced tables away from idle emitters, and frees every table that is no longer
    /// held.
    pub(crate) fn free_retired(&self) {
        let _after = After(self);
        let mut writer = lock(&self.books.writer);
        if !writer.emitters.is_empty() {
            // The first time takes milliseconds, and no other writer should wait that long.
            drop(writer);
            prepare_heavy();
            writer = lock(&self.books.writer);
        }
        writer.emitters.take_idle(self.current());
        let freed = writer.free_retired(usize::MAX);
        drop(writer);
        drop(freed);
    }

    /// Returns `true` if an idle emitter keeps a table that is no longer current, and that cannot
    /// be taken away.
    pub(crate) fn has_stale_emitter(&self) -> bool {
        let _after = After(self);
        let mut writer = lock(&self.books.writer);
        writer.emitters.take_idle(self.current());
        let has_stale = writer.emitters.keep_stale(self.current());
        drop(writer);
        has_stale
    }

    /// Returns the number of replaced tables that were still held.
    #[cfg(test)]
    pub(crate) fn retired(&self) -> usize {
        lock(&self.books.writer).retired.len()
    }

    fn change(&self) -> Result<Change<'_, T>, Place> {
        self.change_with(lock(&self.books.writer), Some(After(self)))
    }

    /// Starts a change, unless the hub is frozen. A change that turns out to have no effect also
    /// frees the tables that earlier ones had to leave.
    fn change_with<'h>(
        &'h self,
        writer: MutexGuard<'h, Writer<T>>,
        after: Option<After<'h, T>>,
    ) -> Result<Change<'h, T>, Place> {
        // The check is under the lock: a change that begins before the hub is frozen is in its last
        // table.
        if let Some(at) = self.frozen_at() {
            return Err(at);
        }
        Ok(self.begin(writer, after))
    }

    /// Starts a change, or the change of the tap of a frozen hub.
    fn begin<'h>(
        &'h self,
        mut writer: MutexGuard<'h, Writer<T>>,
        after: Option<After<'h, T>>,
    ) -> Change<'h, T> {
        let freed = writer.free_retired(LOOK_AT);
        Change {
            // Only writers replace it, and this one has the lock.
            current: self.cell.load_full(),
            writer,
            hub: self,
            added: Vec::new(),
            removed: Vec::new(),
            garbage: Vec::new(),
            replaced: None,
            _report: None,
            _freed: freed,
            _after: after,
        }
    }
}

/// One change of a hub's table, under the lock. Fields are dropped from the top: first the handle
/// to the current table, of which the cell has another, then the lock, then the fields whose drop
/// may run user code.
pub(crate) struct Change<'h, T: Table> {
    current: Option<Arc<T>>,
    writer: MutexGuard<'h, Writer<T>>,
    hub: &'h Hub<T>,
    added: Vec<T::Entry>,
    removed: Vec<T::Entry>,
    garbage: Vec<T::Entry>,
    /// The table that this change has replaced, if it has no other holder.
    replaced: Option<Arc<T>>,
    _report: Option<Report<T>>,
    /// Tables that were retired, and that are no longer held.
    _freed: Vec<Arc<T>>,
    _after: Option<After<'h, T>>,
}

/// The tables that a change of the tap has taken from the hub, when the lock has been released.
pub(crate) struct Replaced<'h, T: Table> {
    _replaced: Option<Arc<T>>,
    _freed: Vec<Arc<T>>,
    _after: Option<After<'h, T>>,
}

/// The changes of entries that observers see when the lock has been released.
struct Report<T: Table> {
    tap: Arc<T::Tap>,
    changes: Vec<(T::Entry, Changed)>,
}

impl<T: Table> Drop for Report<T> {
    fn drop(&mut self) {
        for (entry, change) in &self.changes {
            T::report(&self.tap, entry, *change);
        }
    }
}

/// A guard that ends a change, after the lock has been released and the garbage has been dropped.
struct After<'h, T: Table>(&'h Hub<T>);

impl<T: Table> Drop for After<'_, T> {
    fn drop(&mut self) {
        self.0.take_left();
    }
}

impl<T: Table> Change<'_, T> {
    /// Returns the table that is current until this change is published.
    pub(crate) fn current(&self) -> Option<&T> {
        self.current.as_deref()
    }

    /// Returns the entries that this change puts in.
    pub(crate) fn added(&self) -> &[T::Entry] {
        &self.added
    }

    /// Puts `entry` in, unless a live entry has its key. Entries come in the order of their
    /// numbers.
    pub(crate) fn connect(&mut self, entry: T::Entry) -> Connected<T::Entry> {
        if self.writer.weak.len() >= self.writer.sweep_at {
            self.sweep();
        }
        let key = entry.key();
        let first = key
            .as_ref()
            .and_then(|key| self.writer.keys.get(key))
            .cloned()
            .or_else(|| self.first_of(&entry.outer_keys()));
        match first {
            Some(first) if is_live(&first) => {
                self.garbage.push(entry);
                return Connected {
                    entry: first,
                    is_new: false,
                };
            }
            Some(gone) => {
                self.unlink(gone);
            }
            None => {}
        }
        if let Some(key) = key {
            self.writer.keys.insert(key, entry.clone());
        }
        let number = entry.link().number();
        if entry.is_weak() {
            self.writer.weak.insert(number, entry.clone());
        }
        if entry.is_limited() {
            self.writer.limited.insert(number, entry.clone());
        }
        self.added.push(entry.clone());
        Connected {
            entry,
            is_new: true,
        }
    }

    /// Returns the live entry with the first of these keys that has one.
    fn first_of(&self, keys: &[<T::Entry as Entry>::Key]) -> Option<T::Entry> {
        let mut entries = keys.iter().filter_map(|key| self.writer.keys.get(key));
        entries.find(|entry| is_live(*entry)).cloned()
    }

    /// Takes `entries` out, of which some may be out. Returns the number of those that were in and
    /// live.
    pub(crate) fn disconnect<I>(&mut self, entries: I) -> usize
    where
        I: IntoIterator<Item = T::Entry, IntoIter: DoubleEndedIterator>,
    {
        let mut taken = 0;
        // From the end, so that an entry of this change is the last in `added`.
        for entry in entries.into_iter().rev() {
            let was_live = is_live(&entry);
            taken += usize::from(self.unlink(entry) && was_live);
        }
        taken
    }

    /// Takes out the entry with this key. Returns `false` if there is none.
    pub(crate) fn disconnect_key(&mut self, key: &<T::Entry as Entry>::Key) -> bool {
        let found = self.writer.keys.get(key).cloned();
        self.disconnect(found) == 1
    }

    /// Takes `entry` out of the writer's books and marks it for removal. Returns `false` if it was
    /// out already.
    fn unlink(&mut self, entry: T::Entry) -> bool {
        if entry.link().is_removed() {
            self.garbage.push(entry);
            return false;
        }
        entry.link().mark_removed();
        let number = entry.link().number();
        if let Some(key) = entry.key() {
            let held = self.writer.keys.get(&key);
            if held.is_some_and(|held| held.link().number() == number) {
                self.garbage.extend(self.writer.keys.remove(&key));
                shrink(&mut self.writer.keys);
            }
        }
        if entry.is_limited() {
            self.garbage.extend(self.writer.limited.remove(&number));
            shrink(&mut self.writer.limited);
        }
        if entry.is_weak() {
            self.garbage.extend(self.writer.weak.remove(&number));
            shrink(&mut self.writer.weak);
            let most = SWEEP_AT_LEAST.max(4 * self.writer.weak.len());
            self.writer.sweep_at = self.writer.sweep_at.min(most);
            // A receiver that ran for the only time has not died, though its target may have.
            if !entry.is_alive() && !entry.link().is_spent() {
                // Relaxed: a statistic. Row H2.
                self.hub.books.purged.fetch_add(1, Ordering::Relaxed);
            }
        }
        // They are in the order of their numbers, as `connect` was given them.
        let pending = self
            .added
            .binary_search_by_key(&number, |pending| pending.link().number());
        match pending.ok() {
            Some(at) => self.garbage.push(self.added.remove(at)),
            None => self.removed.push(entry),
        }
        true
    }

    /// Unlinks every dead weak entry and returns their number.
    fn sweep(&mut self) -> usize {
        let weak = self.writer.weak.values();
        let dead: Vec<_> = weak.filter(|entry| !entry.is_alive()).cloned().collect();
        let count = dead.len();
        for entry in dead {
            self.unlink(entry);
        }
        self.writer.sweep_at = SWEEP_AT_LEAST.max(2 * self.writer.weak.len());
        count
    }

    /// Unlinks every spent entry.
    fn sweep_spent(&mut self) {
        let limited = self.writer.limited.values();
        let spent: Vec<_> = limited.filter(|entry| !is_live(*entry)).cloned().collect();
        for entry in spent {
            self.unlink(entry);
        }
    }

    /// Publishes the table that the change produces.
    fn publish(mut self) {
        if self.removed.is_empty() && self.added.is_empty() {
            self.mark_unreachable();
            return;
        }
        self._report = self.report();
        let next = self.next();
        self.install(next);
        self.mark_unreachable();
    }

    /// Returns the report of this change, if it is observed.
    #[inline]
    fn report(&self) -> Option<Report<T>> {
        let tap = self.current.as_deref()?.tap()?;
        let removed = self.removed.iter().map(|entry| {
            let change = match entry {
                entry if entry.link().is_spent() => Changed::Spent,
                entry if !entry.is_alive() => Changed::Died,
                _ => Changed::Disconnected,
            };
            (entry.clone(), change)
        });
        let added = self.added.iter();
        let added = added.map(|entry| (entry.clone(), Changed::Connected));
        Some(Report {
            tap: Arc::clone(tap),
            changes: removed.chain(added).collect(),
        })
    }

    /// Publishes the receivers with `tap`.
    fn retap(&mut self, tap: Option<Arc<T::Tap>>) {
        let is_tapped = self.current.as_deref().is_some_and(is_tapped);
        if tap.is_none() && !is_tapped {
            return;
        }
        let receivers = match (self.hub.frozen.get(), &self.current) {
            (Some(frozen), _) => frozen.table.as_ref(),
            (None, current) => current.as_ref(),
        };
        let next = match receivers {
            Some(receivers) => receivers.with_tap(tap),
            None => T::empty(&self.hub.shared).with_tap(tap),
        };
        self.install(needed(Some(next)));
    }

    /// Publishes `next`, or no table.
    fn install(&mut self, next: Option<Arc<T>>) {
        let is_last = next.is_none();
        // A hub that is frozen needs no snapshot while it has no tap.
        let is_frozen = self.hub.frozen.get().is_some();
        let current = match &next {
            Some(table) if is_frozen && !is_tapped(&**table) => FROZEN,
            Some(table) => Arc::as_ptr(table).addr(),
            None => GOING,
        };
        // It is before the swap below, whose release carries it to a thread that sees the new
        // table, or none. Release: the table may be at the address of one that a writer has taken
        // from an emitter. The emitter that finds the address then finds null in the place of its
        // table. Partner: `current`. Row H1.
        self.hub.current.store(current, Ordering::Release);
        // The swap releases the finished table to the acquiring load of `snapshot`. Otherwise a
        // send could call a half-built entry. Row H3.
        let old = self.hub.cell.swap(next);
        self.retire(old);
        if is_last {
            // Release: after the swap, to be seen no earlier than it by `current`. No other writer
            // is between the two, because the lock is held. Row H1.
            self.hub.current.store(NOBODY, Ordering::Release);
            // The maps are empty by now. Their room is freed as well.
            self.writer.keys = HashMap::default();
            self.writer.weak = HashMap::default();
            self.writer.limited = HashMap::default();
        }
    }

    /// Marks the entries that no published table has any more.
    fn mark_unreachable(&self) {
        for entry in self.removed.iter().chain(&self.garbage) {
            if entry.link().is_removed() {
                entry.link().mark_unreachable();
            }
        }
    }

    /// Takes the table that has left the cell. It is freed after the lock, or by a later change if
    /// a send, an emitter or a future holds it.
    fn retire(&mut self, old: Option<Arc<T>>) {
        // This is the handle of this change: the others are those of readers.
        self.current = None;
        if let Some(mut old) = old {
            if Arc::get_mut(&mut old).is_some() {
                self.replaced = Some(old);
            } else {
                self.writer.retired.push_back(old);
            }
        }
    }

    /// Returns the table that the change produces, or `None` if no receiver is left.
    fn next(&self) -> Option<Arc<T>> {
        let current = self.current.as_deref();
        let kept = current
            .filter(|_| !self.removed.is_empty())
            .map(|table| table.without(&self.removed));
        let next = match kept.as_ref().or(current) {
            _ if self.added.is_empty() => kept,
            Some(base) => Some(base.with(&self.added)),
            None => Some(T::empty(&self.hub.shared).with(&self.added)),
        };
        needed(next)
    }
}

/// Returns the table for the cell, or `None` if sends do the same without one.
fn needed<T: Table>(table: Option<T>) -> Option<Arc<T>> {
    let needed = table.filter(|table| !table.is_empty() || is_tapped(table));
    needed.map(Arc::new)
}

/// Frees most of the room of a map that has become far too large. A map that grows again moves its
/// entries once they have doubled, so that a change pays a constant for it on average.
fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    /// The number of entries for which a map keeps room.
    const FEW: usize = 4;

    if map.capacity() > 8 * map.len().max(FEW) {
        map.shrink_to(2 * map.len());
    }
}
