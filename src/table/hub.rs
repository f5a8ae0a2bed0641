//! A hub: the table that is published, the lock of the threads that change it, and what a table and
//! its entries must be able to do.
//!
//! This file has what readers use. The changes are in `publish.rs`.
//!
//! This file is compiled twice more, over loom and over shuttle, by `loom-tests/`: it
//! may name only `std`'s plain types and its siblings `held`, `link` and `sync`.

use std::collections::VecDeque;
use std::hash::Hash;
use std::panic::Location;

use super::held::Emitters;
use super::link::Link;
use super::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, Cell, Guard, HashMap, Mutex, OnceLock, Ordering,
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

    /// The observers of a hub.
    type Tap;

    /// Returns the table with this tap in place of its own.
    fn with_tap(&self, tap: Option<Arc<Self::Tap>>) -> Self;

    /// Returns the tap, if there is one.
    fn tap(&self) -> Option<&Arc<Self::Tap>>;

    /// Shows a change of an entry to the observers. It may run user code.
    fn report(tap: &Self::Tap, entry: &Self::Entry, change: Changed);

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

    /// Returns the keys of other connections that are the same as this one, if there are several.
    fn outer_keys(&self) -> Vec<Self::Key> {
        Vec::new()
    }

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

/// A change of an entry, as observers see it.
#[derive(Clone, Copy)]
pub(crate) enum Changed {
    Connected,
    Disconnected,
    Died,
    Spent,
}

/// A place in the source.
pub(crate) type Place = &'static Location<'static>;

/// The end of all changes: the place where it was declared, and the last table, without a tap.
pub(super) struct Frozen<T> {
    pub(super) at: Place,
    pub(super) table: Option<Arc<T>>,
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
    pub(super) current: AtomicUsize,
    /// The end of all changes. It is set once, under the lock.
    pub(super) frozen: OnceLock<Frozen<T>>,
    /// The data that all tables have in common. It never changes.
    pub(super) shared: T::Shared,
    pub(super) cell: Cell<T>,
    pub(super) books: Books<T>,
}

/// The fields that sends do not touch, on separate cache lines. A writer stores to them all the
/// time that it has the lock, and each store would take the line away from sends.
#[repr(align(128))]
pub(super) struct Books<T: Table> {
    pub(super) purged: AtomicU64,
    /// The number of futures of async sends that are suspended.
    suspended: AtomicU64,
    /// `true` if sends have spent receivers that they could not take out, because a writer was at
    /// work. `discard` sets it, and the writer that takes them out clears it.
    pub(super) left_spent: AtomicBool,
    pub(super) writer: Mutex<Writer<T>>,
}

/// The state under the lock.
pub(super) struct Writer<T: Table> {
    pub(super) keys: HashMap<<T::Entry as Entry>::Key, T::Entry>,
    pub(super) weak: HashMap<u64, T::Entry>,
    pub(super) limited: HashMap<u64, T::Entry>,
    /// Replaced tables that something held when they were last looked at.
    pub(super) retired: VecDeque<Arc<T>>,
    pub(super) emitters: Emitters<T>,
    /// The number of weak entries that call for a search for dead ones. It is twice the number that
    /// the last search left, so that a connect pays a constant for it on average.
    pub(super) sweep_at: usize,
}

impl<T: Table> Writer<T> {
    /// Takes out the retired tables that are no longer held, of the `at_most` that have waited
    /// longest since the last look at them. The caller drops them after the lock.
    pub(super) fn free_retired(&mut self, at_most: usize) -> Vec<Arc<T>> {
        let mut freed = Vec::new();
        for _ in 0..self.retired.len().min(at_most) {
            let oldest = self.retired.pop_front();
            let mut table = oldest.expect("the loop takes no more tables than the list has");
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
pub(super) const NOBODY: usize = 0;
/// The value of `current` while the last table is removed. It is not that table's address any more.
/// Otherwise an emitter that holds the table would call a receiver that a send of the same thread
/// has found gone.
pub(super) const GOING: usize = 1;
/// The value of `current` once the last table is the hub's forever. It is negative, as no address
/// is on most machines, so that a send distinguishes both this and `NOBODY` by one comparison.
pub(super) const FROZEN: usize = usize::MAX;
pub(super) const SWEEP_AT_LEAST: usize = 16;
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
    pub(super) fn unusual_opening(&self, current: usize) -> Opening<'_, T> {
        if current == NOBODY {
            return Opening::Nobody;
        }
        match self.frozen.get() {
            // While a frozen hub has a tap, its sends take the table in the cell.
            Some(frozen) if current == FROZEN => Opening::Frozen(self, &frozen.table),
            _ => Opening::Live(self),
        }
    }

    /// Returns the place where the hub was frozen.
    pub(crate) fn frozen_at(&self) -> Option<Place> {
        self.frozen.get().map(|frozen| frozen.at)
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
}

/// Returns `true` if the table has a tap.
pub(super) fn is_tapped<T: Table>(table: &T) -> bool {
    table.tap().is_some()
}

/// Returns `true` if a send would call the receiver.
pub(crate) fn is_live<E: Entry>(entry: &E) -> bool {
    entry.is_alive() && !entry.link().is_spent()
}
