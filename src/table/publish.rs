//! The protocol of changes: which thread may change a table, how a change is published, and when
//! a replaced table is freed.
//!
//! One writer at a time prepares the next table under a lock and publishes it with one
//! swap; readers take whatever is published and never wait. No user code (receivers,
//! destructors, `Eq`, `Hash`) runs while the lock is held: what a change removes is
//! dropped after the lock has been released.
//!
//! # Replaced tables
//!
//! A send frees no table, unless it takes out receivers that have ended, and so is a writer itself.
//! The writer that replaces a table
//! keeps a count of it. If nothing else holds the table, that writer frees it. Otherwise the table
//! is *retired*: it waits in a list under the lock, and a later writer frees it once the list
//! holds the only count. So the drop of a reader's handle is a decrement that leaves at least
//! one.
//!
//! A writer may conclude from the count that no reader is left, because `Cell::swap` returns the
//! old table only when each reader that holds it has a count, and no reader can come to it
//! afterwards: the cell names another table by then, and the address belongs to no other
//! table as long as the list has this one. `sync.rs` has the argument for the cell of
//! arc-swap, `asymmetric/cell.rs` that for the other.
//!
//! This file is compiled twice more, over loom and over shuttle, by `loom-tests/`: it
//! may name only `std`'s plain types and its siblings `held`, `link` and `sync`.

use std::collections::VecDeque;
use std::hash::Hash;
use std::panic::Location;

use super::held::{Emitters, Held};
use super::link::Link;
use super::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, Cell, Guard, HashMap, Mutex, MutexGuard, OnceLock,
    Ordering, fence, lock, prepare_heavy, try_lock,
};

/// An immutable collection of entries, changed by making another one.
pub(crate) trait Table: Sized {
    /// What it holds: a cheap handle.
    type Entry: Entry;

    /// The table with `added` put in. Entries are in no other order than their own.
    fn with(&self, added: &[Self::Entry]) -> Self;

    /// The table without `removed`, all of which it holds.
    fn without(&self, removed: &[Self::Entry]) -> Self;

    /// The same table, laid out for sends alone: it is changed no more.
    fn flattened(&self) -> Self;

    /// Whether nothing is left.
    fn is_empty(&self) -> bool;

    /// What all tables of a hub have in common.
    type Shared: Default;

    /// The table that a first connect starts from.
    fn empty(shared: &Self::Shared) -> Self;
}

/// A handle to one connected receiver.
pub(crate) trait Entry: Clone {
    /// What makes two connections the same.
    type Key: Eq + Hash;

    /// The key, or `None` for a receiver that equals no other.
    fn key(&self) -> Option<Self::Key>;

    /// The entry's part in the protocol.
    fn link(&self) -> &Link;

    /// Whether the receiver can die by itself.
    fn is_weak(&self) -> bool;

    /// Whether the receiver runs in one send only.
    fn is_once(&self) -> bool;

    /// Whether the receiver can still be called. Runs no user code.
    fn is_alive(&self) -> bool;
}

/// What `connect` did with one entry.
pub(crate) struct Connected<E> {
    /// The entry that is in the table: the one given, or the one that was first.
    pub(crate) entry: E,
    /// Whether it is the one given.
    pub(crate) is_new: bool,
}

/// A place in the source.
pub(crate) type Place = &'static Location<'static>;

/// The end of all changes: where it was declared, and the last table.
struct Frozen<T> {
    at: Place,
    table: Option<Arc<T>>,
}

/// The way in which a send reaches the receivers of a hub.
pub(crate) enum Opening<'h, T: Table> {
    /// Nothing is connected.
    Nobody,
    /// By a snapshot.
    Live(&'h Hub<T>),
    /// By the last table, which lives as long as the hub.
    Frozen(&'h Hub<T>, &'h Option<Arc<T>>),
}

/// A published table and the lock of those who change it.
pub(crate) struct Hub<T: Table> {
    /// The address of the table that is, or is about to be, current, or one of the constants
    /// below. Never followed: a send and an emitter look here before they take a snapshot.
    current: AtomicUsize,
    /// Set once, under the lock.
    frozen: OnceLock<Frozen<T>>,
    /// Never changes.
    shared: T::Shared,
    cell: Cell<T>,
    books: Books<T>,
}

/// What sends do not touch, on cache lines of its own: a writer stores to it all the time that it
/// has the lock, and each store would take the line away from sends.
#[repr(align(128))]
struct Books<T: Table> {
    purged: AtomicU64,
    /// Futures of async sends that are suspended.
    suspended: AtomicU64,
    /// Whether sends have spent receivers that they could not take out, because a writer was at
    /// work. Set by `discard`, cleared by the writer that takes them out.
    left_spent: AtomicBool,
    writer: Mutex<Writer<T>>,
}

/// What is under the lock.
struct Writer<T: Table> {
    keys: HashMap<<T::Entry as Entry>::Key, T::Entry>,
    weak: HashMap<u64, T::Entry>,
    once: HashMap<u64, T::Entry>,
    /// Replaced tables that something held when they were last looked at.
    retired: VecDeque<Arc<T>>,
    emitters: Emitters<T>,
    /// How many weak entries call for a search for dead ones: twice those that the last
    /// search left, so that a connect pays a constant for it on average.
    sweep_at: usize,
}

impl<T: Table> Writer<T> {
    /// Takes out the retired tables that nothing holds any more, of the `at_most` that have
    /// waited longest since the last look at them. The caller drops them after the lock.
    fn free_retired(&mut self, at_most: usize) -> Vec<Arc<T>> {
        let mut freed = Vec::new();
        for _ in 0..self.retired.len().min(at_most) {
            let oldest = self.retired.pop_front();
            let mut table = oldest.expect("the list has as many");
            if Arc::get_mut(&mut table).is_some() {
                freed.push(table);
            } else {
                self.retired.push_back(table);
            }
        }
        freed
    }
}

/// What `current` says where nothing is published.
const NOBODY: usize = 0;
/// What it says while the last table goes: not that table's address any more, lest an
/// emitter that holds it calls what a send of the same thread has found gone.
const GOING: usize = 1;
/// The value of `current` once the last table is the hub's forever. It is negative, as no address
/// is on most machines, so that a send sorts out both this and `NOBODY` by one comparison.
const FROZEN: usize = usize::MAX;
const SWEEP_AT_LEAST: usize = 16;
/// Retired tables that one change looks at: where more of them are held, the next change goes on
/// with the others.
pub(super) const LOOK_AT: usize = 64;

impl<T: Table> Hub<T> {
    pub(crate) fn new() -> Self {
        Hub {
            current: AtomicUsize::new(NOBODY),
            frozen: OnceLock::new(),
            shared: T::Shared::default(),
            cell: Cell::empty(),
            books: Books {
                purged: AtomicU64::new(0),
                suspended: AtomicU64::new(0),
                left_spent: AtomicBool::new(false),
                writer: Mutex::new(Writer {
                    keys: HashMap::default(),
                    weak: HashMap::default(),
                    once: HashMap::default(),
                    retired: VecDeque::new(),
                    emitters: Emitters::new(),
                    sweep_at: SWEEP_AT_LEAST,
                }),
            },
        }
    }

    /// What all its tables have in common.
    #[inline]
    pub(crate) fn shared(&self) -> &T::Shared {
        &self.shared
    }

    /// Whether anything is published.
    #[inline]
    pub(crate) fn is_occupied(&self) -> bool {
        self.current() != NOBODY
    }

    /// Returns the way in which a send reaches the receivers.
    #[inline]
    pub(crate) fn opening(&self) -> Opening<'_, T> {
        let current = self.current();
        if current as isize > 0 {
            return Opening::Live(self);
        }
        self.unusual_opening(current)
    }

    /// As `opening`, if `current` is a constant or an address in the upper half.
    #[inline]
    fn unusual_opening(&self, current: usize) -> Opening<'_, T> {
        if current == NOBODY {
            return Opening::Nobody;
        }
        match self.frozen.get() {
            Some(frozen) => Opening::Frozen(self, &frozen.table),
            None => Opening::Live(self),
        }
    }

    /// Returns the place where the hub was frozen.
    pub(crate) fn frozen_at(&self) -> Option<Place> {
        self.frozen.get().map(|frozen| frozen.at)
    }

    /// Refuses every change from now on, and keeps the current table as long as the hub. Frees
    /// every replaced table that nothing holds. Does nothing if the hub is frozen already.
    pub(crate) fn freeze(&self, at: Place) {
        let mut writer = lock(&self.books.writer);
        if self.frozen.get().is_some() {
            return;
        }
        let current = self.cell.load_full();
        let table = current.map(|table| Arc::new(table.flattened()));
        let is_empty = table.is_none();
        let _ = self.frozen.set(Frozen { at, table });
        if !is_empty {
            // Release: whoever finds this finds the `OnceLock` set, and needs no snapshot. Without
            // it that send takes one. Partner: `current`. Row H4.
            self.current.store(FROZEN, Ordering::Release);
        }
        let freed = writer.free_retired(usize::MAX);
        drop(writer);
        drop(freed);
    }

    /// What tells one table from the next: the address of the one that is about to be
    /// current, if not yet so. Who holds a table with that address has the current one.
    #[inline]
    pub(crate) fn current(&self) -> usize {
        // Acquire: with the release of `NOBODY` in `publish`, so that a thread that found
        // nobody does not find a receiver on its next send that was gone before; and with that
        // of an address, for an emitter whose table was taken. For a send relaxed would do: the
        // address of a table is stored before it is published, so whoever has seen the table, or
        // heard of it, finds that address or a later one. Row H1.
        self.current.load(Ordering::Acquire)
    }

    /// The current table.
    #[inline]
    pub(crate) fn snapshot(&self) -> Guard<T> {
        self.cell.load()
    }

    /// The current table, owned, for who keeps it from one send to the next.
    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        self.cell.load_full()
    }

    /// Makes the place for the table of a new emitter.
    pub(crate) fn emitter(&self) -> Arc<Held<T>> {
        let _after = After(self);
        let mut writer = lock(&self.books.writer);
        let held = writer.emitters.add();
        drop(writer);
        held
    }

    /// How many dead weak entries have been taken out so far.
    pub(crate) fn purged(&self) -> u64 {
        // Relaxed: a statistic. Row H2.
        self.books.purged.load(Ordering::Relaxed)
    }

    /// Counts a future of an async send that is suspended, until `count_ended`.
    #[allow(dead_code, reason = "with the feature `async` only")]
    pub(crate) fn count_suspended(&self) {
        // Relaxed: for people. Row H2.
        self.books.suspended.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends what `count_suspended` began.
    #[allow(dead_code, reason = "with the feature `async` only")]
    pub(crate) fn count_ended(&self) {
        // Relaxed: for people. It adds -1. Row H2.
        self.books.suspended.fetch_add(u64::MAX, Ordering::Relaxed);
    }

    /// Returns `true` if a future of an async send is suspended.
    pub(crate) fn has_suspended(&self) -> bool {
        // Relaxed: for people. Row H2.
        self.books.suspended.load(Ordering::Relaxed) != 0
    }

    /// Puts entries into the table in one publication. Where a live entry has the same
    /// key, that one stays as it is and the new one is dropped.
    ///
    /// `make` runs under the lock, unless the hub is frozen, and must call no user code.
    pub(crate) fn connect(
        &self,
        make: impl FnOnce() -> Vec<T::Entry>,
    ) -> Result<Vec<Connected<T::Entry>>, Place> {
        let mut change = self.change()?;
        let entries = make();
        let mut connected = Vec::with_capacity(entries.len());
        if change.writer.weak.len() >= change.writer.sweep_at {
            change.sweep();
        }
        for entry in entries {
            let key = entry.key();
            let first = key
                .as_ref()
                .and_then(|key| change.writer.keys.get(key))
                .cloned();
            match first {
                Some(first) if is_live(&first) => {
                    change.garbage.push(entry);
                    connected.push(Connected {
                        entry: first,
                        is_new: false,
                    });
                }
                gone => {
                    if let Some(gone) = gone {
                        change.unlink(gone);
                    }
                    if let Some(key) = key {
                        change.writer.keys.insert(key, entry.clone());
                    }
                    let number = entry.link().number();
                    if entry.is_weak() {
                        change.writer.weak.insert(number, entry.clone());
                    }
                    if entry.is_once() {
                        change.writer.once.insert(number, entry.clone());
                    }
                    change.added.push(entry.clone());
                    connected.push(Connected {
                        entry,
                        is_new: true,
                    });
                }
            }
        }
        change.publish();
        Ok(connected)
    }

    /// Takes `entry` out; false if it was not in (any more).
    pub(crate) fn disconnect(&self, entry: &T::Entry) -> Result<bool, Place> {
        match self.disconnect_these(|_| vec![entry.clone()]) {
            // It was out before the hub was frozen, for nothing has been taken out since.
            Err(_) if entry.link().is_removed() => Ok(false),
            taken => taken.map(|taken| taken == 1),
        }
    }

    /// Takes out the entry with this key; false if there is none.
    pub(crate) fn disconnect_key(&self, key: &<T::Entry as Entry>::Key) -> Result<bool, Place> {
        let mut change = self.change()?;
        let Some(entry) = change.writer.keys.get(key).cloned() else {
            return Ok(false);
        };
        let found = is_live(&entry);
        change.unlink(entry);
        change.publish();
        Ok(found)
    }

    /// Takes out what `select` picks from the current table; returns how many of those
    /// were in and live. `select` runs under the lock and must call no user code.
    pub(crate) fn disconnect_these(
        &self,
        select: impl FnOnce(&T) -> Vec<T::Entry>,
    ) -> Result<usize, Place> {
        let mut change = self.change()?;
        let chosen = match change.current.as_deref() {
            Some(table) => select(table),
            None => return Ok(0),
        };
        let mut taken = 0;
        for entry in chosen {
            let was_live = is_live(&entry);
            taken += usize::from(change.unlink(entry) && was_live);
        }
        change.publish();
        Ok(taken)
    }

    /// Takes out what a send found spent or dead. Never waits: if a writer is at work, what is
    /// dead stays for a later send or connect, and what this send has `spent` is taken out by
    /// that writer when it has released the lock. Does nothing if the hub is frozen.
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
            // Release: the claims of this send, to the search in `take_left`. One step, so that
            // those of earlier sends go with it. The fence in `take_left` orders it before the
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
            // first, the send sees that the lock is free, or taken by a later writer, with which
            // it is the same. Row H5.
            fence(Ordering::SeqCst);
            // Relaxed: see the fence; the swap below acquires. Row H5.
            if !self.books.left_spent.load(Ordering::Relaxed) {
                return;
            }
            let Some(writer) = try_lock(&self.books.writer) else {
                return;
            };
            // Without the look of `After`, which is the next turn of this loop.
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

    /// Takes out every dead weak entry; returns how many. None if the hub is frozen. Frees every
    /// table that nothing holds.
    pub(crate) fn purge(&self) -> usize {
        let purged = self.change().map_or(0, |mut change| {
            let purged = change.sweep();
            change.publish();
            purged
        });
        self.free_retired();
        purged
    }

    /// Takes the replaced tables away from idle emitters, and frees every one that nothing holds any
    /// more.
    pub(crate) fn free_retired(&self) {
        let _after = After(self);
        let mut writer = lock(&self.books.writer);
        if !writer.emitters.is_empty() {
            // The first time it takes milliseconds, for which no other writer should wait.
            drop(writer);
            prepare_heavy();
            writer = lock(&self.books.writer);
        }
        writer.emitters.take_idle(self.current());
        let freed = writer.free_retired(usize::MAX);
        drop(writer);
        drop(freed);
    }

    /// Returns `true` if an idle emitter keeps a table that is no longer current, and that cannot be
    /// taken away.
    pub(crate) fn has_stale_emitter(&self) -> bool {
        let _after = After(self);
        let mut writer = lock(&self.books.writer);
        writer.emitters.take_idle(self.current());
        let has_stale = writer.emitters.keep_stale(self.current());
        drop(writer);
        has_stale
    }

    /// Returns the number of replaced tables that something held.
    #[cfg(test)]
    pub(crate) fn retired(&self) -> usize {
        lock(&self.books.writer).retired.len()
    }

    fn change(&self) -> Result<Change<'_, T>, Place> {
        self.change_with(lock(&self.books.writer), Some(After(self)))
    }

    /// Starts a change, unless the hub is frozen. Also a change that turns out to change nothing
    /// frees what earlier ones had to leave.
    fn change_with<'h>(
        &'h self,
        mut writer: MutexGuard<'h, Writer<T>>,
        after: Option<After<'h, T>>,
    ) -> Result<Change<'h, T>, Place> {
        // Under the lock: a change that begins before the hub is frozen is in its last table.
        if let Some(at) = self.frozen_at() {
            return Err(at);
        }
        let freed = writer.free_retired(LOOK_AT);
        Ok(Change {
            // Only writers replace it, and this one has the lock.
            current: self.cell.load_full(),
            writer,
            hub: self,
            added: Vec::new(),
            removed: Vec::new(),
            garbage: Vec::new(),
            replaced: None,
            _freed: freed,
            _after: after,
        })
    }
}

/// One change of a hub's table. Fields are dropped from the top: the handle to the current table,
/// of which the cell has another; the lock; then what may run user code as it goes.
struct Change<'h, T: Table> {
    current: Option<Arc<T>>,
    writer: MutexGuard<'h, Writer<T>>,
    hub: &'h Hub<T>,
    added: Vec<T::Entry>,
    removed: Vec<T::Entry>,
    garbage: Vec<T::Entry>,
    /// The table that this change has replaced, if nothing else holds it.
    replaced: Option<Arc<T>>,
    /// Tables that were retired, and that nothing holds any more.
    _freed: Vec<Arc<T>>,
    _after: Option<After<'h, T>>,
}

/// Ends a change, after the lock has been released and the garbage has been dropped.
struct After<'h, T: Table>(&'h Hub<T>);

impl<T: Table> Drop for After<'_, T> {
    fn drop(&mut self) {
        self.0.take_left();
    }
}

impl<T: Table> Change<'_, T> {
    /// Takes `entry` out of the writer's books and marks it for removal; false if it was
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
        if entry.is_once() {
            self.garbage.extend(self.writer.once.remove(&number));
            shrink(&mut self.writer.once);
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
        // In the order of their numbers, as `connect` was given them.
        let pending = self
            .added
            .binary_search_by_key(&number, |pending| pending.link().number());
        match pending.ok() {
            Some(at) => self.garbage.push(self.added.remove(at)),
            None => self.removed.push(entry),
        }
        true
    }

    /// Unlinks every dead weak entry; returns how many.
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
        let once = self.writer.once.values();
        let spent: Vec<_> = once.filter(|entry| !is_live(*entry)).cloned().collect();
        for entry in spent {
            self.unlink(entry);
        }
    }

    /// Publishes the table that the change amounts to.
    fn publish(mut self) {
        if self.removed.is_empty() && self.added.is_empty() {
            return;
        }
        let next = self.next();
        let is_last = next.is_none();
        let current = next
            .as_ref()
            .map_or(GOING, |table| Arc::as_ptr(table).addr());
        // Before the swap below, whose release carries it to whoever sees the new table, or none.
        // Release: the table may be at the address of one that a writer has taken from an emitter.
        // The emitter that finds the address then finds null in the place of its table. Partner:
        // `current`. Row H1.
        self.hub.current.store(current, Ordering::Release);
        // The swap releases the finished table to the acquiring load of `snapshot`;
        // otherwise a send could call a half-built entry. Row H3.
        let old = self.hub.cell.swap(next);
        self.retire(old);
        if is_last {
            // Release: after the swap, to be seen no earlier than it by `current`. No other
            // writer is between the two, for the lock is held. Row H1.
            self.hub.current.store(NOBODY, Ordering::Release);
            // Empty by now; what they had grown to goes with them.
            self.writer.keys = HashMap::default();
            self.writer.weak = HashMap::default();
            self.writer.once = HashMap::default();
        }
        for entry in self.removed.iter().chain(&self.garbage) {
            if entry.link().is_removed() {
                entry.link().mark_unreachable();
            }
        }
    }

    /// Takes the table that has left the cell: to be freed after the lock, or by a later change
    /// if a send, an emitter or a future holds it.
    fn retire(&mut self, old: Option<Arc<T>>) {
        // The handle of this change: the others are those of readers.
        self.current = None;
        if let Some(mut old) = old {
            if Arc::get_mut(&mut old).is_some() {
                self.replaced = Some(old);
            } else {
                self.writer.retired.push_back(old);
            }
        }
    }

    /// The table that the change amounts to, or none if nobody is left.
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
        next.filter(|table| !table.is_empty()).map(Arc::new)
    }
}

/// Returns `true` if the receiver can be dead or spent while it is still in the table.
#[allow(dead_code, reason = "the models have tables of their own")]
pub(crate) fn is_mortal<E: Entry>(entry: &E) -> bool {
    entry.is_weak() || entry.is_once()
}

/// Returns `true` if a send would call the receiver.
pub(crate) fn is_live<E: Entry>(entry: &E) -> bool {
    entry.is_alive() && !entry.link().is_spent()
}

/// Gives back most of the room of a map that has become far too large. A map that grows again moves
/// its entries once they have doubled, so that a change pays a constant for it on average.
fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    /// Entries for which a map keeps room.
    const FEW: usize = 4;

    if map.capacity() > 8 * map.len().max(FEW) {
        map.shrink_to(2 * map.len());
    }
}
