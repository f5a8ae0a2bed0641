//! The table that an emitter keeps between its sends, and how a writer takes it away.
//!
//! An emitter marks itself as sending, and then looks whether its table is still current. A writer
//! publishes another table, and then looks at the mark. Without a barrier between the two steps of
//! each side, both could miss the other. The barrier of an emitter is for the compiler alone,
//! because its sends are the cheapest. The writer's is for all threads (`barrier.rs`), and is used
//! only when there is an idle emitter to take a table from.
//!
//! If the emitter is not sending, its next send finds that its table is not current, and leaves it.
//! So the writer may take it.
//!
//! This file is compiled once more, over loom, by `loom-tests/`: it may name only `std`'s plain
//! types and its siblings `hub` and `sync`.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use super::hub::{Hub, Opening, Table};
use super::sync::{Arc, AtomicBool, AtomicPtr, Ordering, Weak, heavy, light};

/// The place where an emitter keeps its table. It is shared with the writers. It is on separate
/// cache lines, because each send of the emitter stores to it, and other emitters may be next to
/// it.
#[repr(align(128))]
pub(crate) struct Held<T> {
    /// `true` if a send uses the table. Only the emitter stores it.
    is_sending: AtomicBool,
    /// The table: a pointer of `Arc::into_raw`, with its count, or null.
    table: AtomicPtr<T>,
    owns: PhantomData<Option<Arc<T>>>,
}

/// The table that a send of an emitter uses, until this is dropped.
pub(crate) struct InUse<'e, T> {
    /// The table. Its count is the one in `held`, or belongs to the hub.
    table: ManuallyDrop<Option<Arc<T>>>,
    held: &'e Held<T>,
}

impl<T> Held<T> {
    fn new() -> Self {
        Held {
            is_sending: AtomicBool::new(false),
            table: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// Starts a send of the emitter through `hub`, which must be the hub that made this, and
    /// returns the current table. The caller must not start another before it drops the result.
    #[inline(always)]
    pub(crate) fn start<'e>(&'e self, hub: &'e Hub<T>) -> InUse<'e, T>
    where
        T: Table,
    {
        // Relaxed: the barrier orders it before the look at `current`. Partner: the load in
        // `is_sending`, behind the writer's barrier. Row E1.
        self.is_sending.store(true, Ordering::Relaxed);
        light();
        let current = hub.current();
        // Relaxed: this thread has stored it, or a writer has taken it, which leaves null. If the
        // address in `current` is that of a later table, the load of it has acquired the null,
        // because the later table was published after the taking. Row E2.
        let mut table = self.table.load(Ordering::Relaxed).cast_const();
        if table.addr() != current {
            table = self.replace(hub);
        }
        InUse {
            // SAFETY: `table` is null or of `Arc::into_raw`. Its count stays until the result is
            // dropped: it is the hub's, or the one in `self.table`. The emitter replaces that one
            // only here. No writer takes it, because the emitter is marked as sending and its table
            // was current after that. `ManuallyDrop` leaves the count where it is.
            table: ManuallyDrop::new(unsafe { own(table) }),
            held: self,
        }
    }

    /// Puts the current table in the place of one that is not current. Returns the current table.
    #[inline(never)]
    fn replace(&self, hub: &Hub<T>) -> *const T
    where
        T: Table,
    {
        if let Opening::Frozen(_, last) = hub.opening() {
            if self.is_some() {
                self.release();
            }
            // The hub has the count.
            return last.as_ref().map_or(ptr::null(), Arc::as_ptr);
        }
        let next = hub.load_full();
        let next = next.map_or(ptr::null(), Arc::into_raw);
        drop(self.swap(next));
        next
    }

    /// Gives up the table.
    pub(crate) fn release(&self) {
        drop(self.swap(ptr::null()));
    }

    /// Returns `true` if there is a table.
    pub(crate) fn is_some(&self) -> bool {
        // Relaxed: the emitter's thread has stored it, or a writer has taken it. Row E2.
        !self.table.load(Ordering::Relaxed).is_null()
    }

    /// Puts `next`, with its count, in the place of the table, and returns the old table.
    fn swap(&self, next: *const T) -> Option<Arc<T>> {
        // Release: the count of `next`, to a writer that takes it. Partner: the load in `stale`.
        // Row E2.
        let old = self.table.swap(next.cast_mut(), Ordering::Release);
        // SAFETY: the old pointer is null or of `Arc::into_raw` with its own count, and the swap
        // has taken it out, so that this is the only owner of that count.
        unsafe { own(old) }
    }

    /// Returns the table if it is stale: not at the address `current`, which is that of the hub's
    /// current table, if there is one.
    fn stale(&self, current: usize) -> Option<*mut T> {
        // Acquire: the count that came with the table. Partner: the swap in `swap`. Row E2.
        let table = self.table.load(Ordering::Acquire);
        (!table.is_null() && table.addr() != current).then_some(table)
    }

    /// Returns `true` if a send uses the table.
    fn is_sending(&self) -> bool {
        // Acquire: the uses of the table by the last send. The table may be freed now. Partner: the
        // store as `InUse` is dropped. Row E1.
        self.is_sending.load(Ordering::Acquire)
    }

    /// Takes the table `stale` away, unless a send uses it. The caller has published another table,
    /// and made the barrier for all threads after that.
    fn take(&self, stale: *mut T) -> Option<Arc<T>> {
        if self.is_sending() {
            return None;
        }
        // Relaxed: only the count is read through it, which `stale` has acquired. Only this table
        // is taken: a send that has started in the meantime has replaced it. No other table has its
        // address while this one has a count. Row E2.
        let taken = self.table.compare_exchange(
            stale,
            ptr::null_mut(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        // SAFETY: `stale` is of `Arc::into_raw` with its own count, and the exchange has taken it
        // out, so that this is the only owner of that count.
        taken.ok().and_then(|table| unsafe { own(table) })
    }
}

/// Returns the `Arc` that a pointer stands for.
///
/// # Safety
///
/// `table` is null or of `Arc::into_raw`. The result owns a count: there must be one that has no
/// other owner, or the result must not be dropped.
#[inline(always)]
unsafe fn own<T>(table: *const T) -> Option<Arc<T>> {
    // SAFETY: it is not null, and the caller has promised the rest.
    (!table.is_null()).then(|| unsafe { Arc::from_raw(table) })
}

impl<T> Deref for InUse<'_, T> {
    type Target = Option<Arc<T>>;

    #[inline(always)]
    fn deref(&self) -> &Option<Arc<T>> {
        &self.table
    }
}

impl<T> Drop for InUse<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: the uses of the table, to a writer that takes it. Partner: the load in
        // `is_sending`. Row E1.
        self.held.is_sending.store(false, Ordering::Release);
    }
}

impl<T> Drop for Held<T> {
    /// Gives up the count of the table. It is never the last one, because the hub outlives the
    /// emitter.
    fn drop(&mut self) {
        self.release();
    }
}

/// The emitters of a hub. They are under the writer's lock.
pub(crate) struct Emitters<T> {
    held: Vec<Weak<Held<T>>>,
    /// The length at which the entries of dropped emitters are looked for.
    prune_at: usize,
}

const PRUNE_AT_LEAST: usize = 16;

impl<T> Emitters<T> {
    pub(crate) fn new() -> Self {
        Emitters {
            held: Vec::new(),
            prune_at: PRUNE_AT_LEAST,
        }
    }

    /// Returns `true` if there is no emitter, apart from dropped ones that may be noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Makes the place for the table of a new emitter.
    pub(crate) fn add(&mut self) -> Arc<Held<T>> {
        if self.held.len() >= self.prune_at {
            self.prune();
        }
        let held = Arc::new(Held::new());
        self.held.push(Arc::downgrade(&held));
        held
    }

    /// Removes dropped emitters, and frees most of their room.
    fn prune(&mut self) {
        self.held.retain(|held| held.upgrade().is_some());
        self.prune_at = PRUNE_AT_LEAST.max(2 * self.held.len());
        self.held.shrink_to(self.prune_at);
    }

    /// Takes each table that is not the one at `current` away from its emitter, unless the emitter
    /// is sending. `current` has been published before.
    ///
    /// It does not give up a last count, and so does not free a table: the writers have one of each
    /// table that they have replaced. It does nothing if the system has no barrier for all threads.
    pub(crate) fn take_idle(&mut self, current: usize) {
        self.prune();
        let emitters = self.held.iter().filter_map(Weak::upgrade);
        let idle: Vec<_> = emitters
            .filter_map(|held| {
                let stale = held.stale(current)?;
                (!held.is_sending()).then_some((held, stale))
            })
            .collect();
        if idle.is_empty() || !heavy() {
            return;
        }
        for (held, stale) in idle {
            drop(held.take(stale));
        }
    }

    /// Returns `true` if an emitter that is not sending keeps another table than the one at
    /// `current`.
    pub(crate) fn keep_stale(&self, current: usize) -> bool {
        let mut emitters = self.held.iter().filter_map(Weak::upgrade);
        emitters.any(|held| held.stale(current).is_some() && !held.is_sending())
    }
}
