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

/// An immutable collection of entries. A change makes another one.
pub(crate) trait Table: Sized {
    /// The entries: cheap handles.
    type Entry: Entry;

    /// Returns the table with `added` put in. The entries are ordered by their own order alone,
    /// whatever the order of `added`.
    fn with(&self, added: &[Self::Entry]) -> Self;

    /// Returns the table without `removed`, all of which it holds.
    fn without(&self, removed: &[Self::Entry]) -> Self;

    /// Returns the same table, laid out for sends alone. It is never changed again.
    fn flattened(&self) -> Self;

    /// Returns `true` if no entry is left.
    fn is_empty(&self) -> bool;

    /// The data that all tables of a hub have in common.
    type Shared: Default;

    /// Returns the table that a first connect starts from.
    fn empty(shared: &Self::Shared) -> Self;
}

/// A handle to one connected receiver.
pub(crate) trait Entry: Clone {
    /// The key by which two connections are the same.
    type Key: Eq + Hash;

    /// Returns the key, or `None` for a receiver that equals no other.
    fn key(&self) -> Option<Self::Key>;

    /// Returns the entry's part in the protocol.
    fn link(&self) -> &Link;

    /// Returns `true` if the receiver can die by itself.
    fn is_weak(&self) -> bool;

    /// Returns `true` if the receiver does not run in every send.
    fn is_limited(&self) -> bool;

    /// Returns `true` if the receiver can still be called. Runs no user code.
    fn is_alive(&self) -> bool;
}

/// The result of `connect` for one entry.
pub(crate) struct Connected<E> {
    /// The entry that is in the table: the new one, or the one that was first.
    pub(crate) entry: E,
    /// `true` if it is the new one.
    pub(crate) is_new: bool,
}

/// A place in the source.
pub(crate) type Place = &'static Location<'static>;

/// The end of all changes: the place where it was declared, and the last table.
struct Frozen<T> {
    at: Place,
    table: Option<Arc<T>>,
}

/// The way in which a send reaches the receivers of a hub.
pub(crate) enum Opening<'h, T: Table> {
    /// No receiver is connected.
    Nobody,
    /// The send reaches them through a snapshot.
    Live(&'h Hub<T>),
    /// The send reaches them through the last table, which lives as long as the hub.
    Frozen(&'h Hub<T>, &'h Option<Arc<T>>),
}

/// A published table and the lock of the threads that change it.
pub(crate) struct Hub<T: Table> {
    /// The address of the table that is current or about to be, or one of the constants below. It
    /// is never dereferenced: a send and an emitter look here before they take a snapshot.
    current: AtomicUsize,
    /// The end of all changes. It is set once, under the lock.
    frozen: OnceLock<Frozen<T>>,
    /// The data that all tables have in common. It never changes.
    shared: T::Shared,
    cell: Cell<T>,
    books: Books<T>,
}

/// The fields that sends do not touch, on separate cache lines. A writer stores to them all the
/// time that it has the lock, and each store would take the line away from sends.
#[repr(align(128))]
struct Books<T: Table> {
    purged: AtomicU64,
    /// The number of futures of async sends that are suspended.
    suspended: AtomicU64,
    /// `true` if sends have spent receivers that they could not take out, because a writer was at
    /// work. `discard` sets it, and the writer that takes them out clears it.
    left_spent: AtomicBool,
    writer: Mutex<Writer<T>>,
}

/// The state under the lock.
struct Writer<T: Table> {
    keys: HashMap<<T::Entry as Entry>::Key, T::Entry>,
    weak: HashMap<u64, T::Entry>,
    limited: HashMap<u64, T::Entry>,
    /// Replaced tables that something held when they were last looked at.
    retired: VecDeque<Arc<T>>,
    emitters: Emitters<T>,
    /// The number of weak entries that call for a search for dead ones. It is twice the number that
    /// the last search left, so that a connect pays a constant for it on average.
    sweep_at: usize,
}

impl<T: Table> Writer<T> {
    /// Takes out the retired tables that are no longer held, of the `at_most` that have waited
    /// longest since the last look at them. The caller drops them after the lock.
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

/// The value of `current` if no table is published.
const NOBODY: usize = 0;
/// The value of `current` while the last table is removed. It is not that table's address any more.
/// Otherwise an emitter that holds the table would call a receiver that a send of the same thread
/// has found gone.
const GOING: usize = 1;
/// The value of `current` once the last table is the hub's forever. It is negative, as no address
/// is on most machines, so that a send distinguishes both this and `NOBODY` by one comparison.
const FROZEN: usize = usize::MAX;
const SWEEP_AT_LEAST: usize = 16;
/// The number of retired tables that one change looks at. If more of them are held, the next change
/// goes on with the others.
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
                    limited: HashMap::default(),
                    retired: VecDeque::new(),
                    emitters: Emitters::new(),
                    sweep_at: SWEEP_AT_LEAST,
                }),
            },
        }
    }

    /// Returns the data that all its tables have in common.
    #[inline]
    pub(crate) fn shared(&self) -> &T::Shared {
        &self.shared
    }

    /// Returns `true` if a table is published.
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

    /// Does the same as `opening`, if `current` is a constant or an address in the upper half.
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
    /// every replaced table that is no longer held. Does nothing if the hub is frozen already.
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
            // Release: a thread that finds this finds the `OnceLock` set, and needs no snapshot.
            // Without it that send takes one. Partner: `current`. Row H4.
            self.current.store(FROZEN, Ordering::Release);
        }
        let freed = writer.free_retired(usize::MAX);
        drop(writer);
        drop(freed);
    }

    /// Returns the address that distinguishes one table from the next: that of the current table,
    /// or of the one that is about to be current. A thread that holds a table with that address has
    /// the current one.
    #[inline]
    pub(crate) fn current(&self) -> usize {
        // Acquire: with the release of `NOBODY` in `publish`, so that a thread that found no
        // receiver does not find one on its next send that was gone before. Acquire also with the
        // release of an address, for an emitter whose table was taken. For a send relaxed would do:
        // the address of a table is stored before it is published, so a thread that has seen the
        // table, or that runs after one that has, finds that address or a later one. Row H1.
        self.current.load(Ordering::Acquire)
    }

    /// Returns the current table.
    #[inline]
    pub(crate) fn snapshot(&self) -> Guard<T> {
        self.cell.load()
    }

    /// Returns the current table, owned, for a caller that keeps it from one send to the next.
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

    /// Returns the number of dead weak entries that have been taken out so far.
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

    /// Ends the count that `count_suspended` began.
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

    /// Puts entries into the table in one publication. If a live entry has the same key, that one
    /// stays as it is and the new one is dropped.
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
                    if entry.is_limited() {
                        change.writer.limited.insert(number, entry.clone());
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

    /// Takes `entry` out. Returns `false` if it was not in, or not in any more.
    pub(crate) fn disconnect(&self, entry: &T::Entry) -> Result<bool, Place> {
        match self.disconnect_these(|_| vec![entry.clone()]) {
            // It was out before the hub was frozen, because no entry has been taken out since.
            Err(_) if entry.link().is_removed() => Ok(false),
            taken => taken.map(|taken| taken == 1),
        }
    }

    /// Takes out the entry with this key. Returns `false` if there is none.
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

    /// Takes out the entries that `select` picks from the current table. Returns the number of
    /// those that were in and live. `select` runs under the lock and must call no user code.
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
        mut writer: MutexGuard<'h, Writer<T>>,
        after: Option<After<'h, T>>,
    ) -> Result<Change<'h, T>, Place> {
        // The check is under the lock: a change that begins before the hub is frozen is in its last
        // table.
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

/// One change of a hub's table. Fields are dropped from the top: first the handle to the current
/// table, of which the cell has another, then the lock, then the fields whose drop may run user
/// code.
struct Change<'h, T: Table> {
    current: Option<Arc<T>>,
    writer: MutexGuard<'h, Writer<T>>,
    hub: &'h Hub<T>,
    added: Vec<T::Entry>,
    removed: Vec<T::Entry>,
    garbage: Vec<T::Entry>,
    /// The table that this change has replaced, if it has no other holder.
    replaced: Option<Arc<T>>,
    /// Tables that were retired, and that are no longer held.
    _freed: Vec<Arc<T>>,
    _after: Option<After<'h, T>>,
}

/// A guard that ends a change, after the lock has been released and the garbage has been dropped.
struct After<'h, T: Table>(&'h Hub<T>);

impl<T: Table> Drop for After<'_, T> {
    fn drop(&mut self) {
        self.0.take_left();
    }
}

impl<T: Table> Change<'_, T> {
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
            return;
        }
        let next = self.next();
        let is_last = next.is_none();
        let current = next
            .as_ref()
            .map_or(GOING, |table| Arc::as_ptr(table).addr());
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
        next.filter(|table| !table.is_empty()).map(Arc::new)
    }
}

/// Returns `true` if a send would call the receiver.
pub(crate) fn is_live<E: Entry>(entry: &E) -> bool {
    entry.is_alive() && !entry.link().is_spent()
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
