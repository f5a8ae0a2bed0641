//! The steps of readers and writers on a slot.
//!
//! A reader notes in one of its thread's slots that it is about to load from this cell, loads,
//! notes the table that it got, and takes the slot back when it has finished. It never tries again.
//! A writer replaces the table and then looks through all slots. It waits for readers that are
//! about to load. To every slot that holds the old table it owes one count. It adds that count, and
//! the reader drops it as it leaves.
//!
//! In two places one side stores and then looks at the store of the other, and one of the two must
//! see the other:
//!
//! * the reader notes the step that it is about to take, then loads. The writer swaps, then looks.
//! * the reader takes its slot back, then looks whether a count is owed. The writer notes that one
//!   is, then looks whether the slot still holds the table, and if not takes the count back.
//!
//! That takes a barrier between store and look on both sides: `heavy` for the writer, and for the
//! reader `light`, which costs no instruction where `heavy` acts on every thread.
//!
//! # Addresses that are used again
//!
//! Slots name tables by their address. A table may be freed by one signal, and the next table of
//! another signal may be placed at its address. The versions of arc-swap before 1.9.5 could then
//! return the other signal's table. This cell cannot, because a slot never names a table that has
//! been freed:
//!
//! * `held`. The reader marks its slot with the address of the cell before it loads. A writer that
//!   has replaced the table waits until the mark is gone, so the table cannot be freed between the
//!   reader's load and its store of the address. After that store the writer sees the address and
//!   adds a count. So the table lives for as long as its address stands in `held`, and no other
//!   table can have this address meanwhile. The address of the cell is not used again either,
//!   because a load borrows the cell.
//! * `owed`. The writer adds the count before it stores the address in `owed`, and the exchange
//!   that takes the address out also takes over that count. So the table lives for as long as its
//!   address stands in `owed`. A reader or writer that finds its own table's address there takes a
//!   count of that table.
//! * If the second `heavy` fails, the address may stay in `owed` forever, and its count with it.
//!   The table is leaked, so its address is never used again.
//!
//! A writer may keep its own count of each table that it has replaced, until `Arc::get_mut` reports
//! that it has the only one. Then no reader drops the last count: a reader drops a count only if a
//! writer added one for it, and the writer's own count is still there.

use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::ptr;

use super::nodes::{self, NODES, Place, Slot};
use super::sync::{Arc, AtomicPtr, Ordering, full, heavy, is_asymmetric, light, lock, pause};

/// The mark in `Slot::held`, beside the address of a cell, that a load from it is under way.
const ABOUT: usize = 1;

/// A cell that holds the current snapshot, or none.
pub(crate) struct Cell<T> {
    /// The table. The pointer was made by `Arc::into_raw`, with its count. It is null for none.
    current: AtomicPtr<T>,
    owns: PhantomData<Option<Arc<T>>>,
}

impl<T> Cell<T> {
    pub(crate) fn empty() -> Self {
        Cell {
            current: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// Returns the current snapshot. Acquires the writes that came before the `swap` that stored
    /// it.
    #[inline(always)]
    pub(crate) fn load(&self) -> Guard<T> {
        match nodes::first() {
            Some(slot) => self.enter(slot, Keeper::fast(slot), light),
            None => self.load_elsewhere(),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_elsewhere(&self) -> Guard<T> {
        match nodes::any() {
            Place::Fast(slot) => self.enter(slot, Keeper::fast(slot), light),
            Place::Fenced(slot) => self.enter(slot, Keeper::fenced(slot), full),
            Place::Brief(slot, lent) => {
                let counted = Option::clone(&self.enter(slot, Keeper::fenced(slot), full));
                drop(lent);
                Guard {
                    table: ManuallyDrop::new(counted),
                    keeper: COUNTED,
                }
            }
        }
    }

    #[inline(always)]
    fn enter(&self, slot: &Slot, keeper: Keeper, barrier: impl Fn()) -> Guard<T> {
        // Release, here and below, for a writer that looks and sees this in place of the 0 from
        // before: this thread's uses of that table are over. Row R3.
        slot.held.store(self.about(), Ordering::Release);
        // If our store is first, the writer's look sees it, or our next store. If its swap is
        // first, we load the new table. Row R1.
        barrier();
        // Acquire: the writes that the writer had made to the table before its swap. Row H3.
        let table = self.current.load(Ordering::Acquire);
        // To the writer that waits: it can go on. Row R2.
        slot.held.store(table.addr(), Ordering::Release);
        if table.is_null() {
            return nothing();
        }
        // SAFETY: it came from `into_raw`. The slot keeps it, and only a thread that has a count
        // for it drops it.
        let table = unsafe { Arc::from_raw(table) };
        Guard {
            table: ManuallyDrop::new(Some(table)),
            keeper,
        }
    }

    fn about(&self) -> usize {
        ptr::from_ref(self).addr() | ABOUT
    }

    /// Returns the current snapshot, owned.
    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        self.load().clone()
    }

    /// Publishes `next` and returns the table that it replaces, with a count for the caller and one
    /// for each guard that holds it. Releases the writes from before.
    pub(crate) fn swap(&self, next: Option<Arc<T>>) -> Option<Arc<T>> {
        // It is called here because it may take milliseconds, and no send comes before the first
        // change.
        is_asymmetric();
        let next = next.map_or(ptr::null_mut(), |next| Arc::into_raw(next).cast_mut());
        // Release: the finished table, to `enter`. Acquire: the old one, from the thread that made
        // it. Row H3.
        let old = self.current.swap(next, Ordering::AcqRel);
        if old.is_null() {
            return None;
        }
        // SAFETY: it came from `into_raw`, with the count that `current` had.
        let old = unsafe { Arc::from_raw(old) };
        self.count_readers(&old);
        Some(old)
    }

    /// Gives every slot that holds `old` a count of it.
    fn count_readers(&self, old: &Arc<T>) {
        let table = Arc::as_ptr(old).addr();
        // Writers do this one at a time: a slot has room for one debt, and its thread may have gone
        // from one table to the next while a writer decides.
        let _turn = lock(&NODES.turn);
        // Partner: the barrier in `enter`. Row R1.
        if !heavy() {
            // The threads that hold it cannot be known, so it stays forever.
            mem::forget(Arc::clone(old));
            return;
        }
        let mut is_held = false;
        for slot in nodes::all() {
            if self.held_in(slot) == table {
                mem::forget(Arc::clone(old));
                // Release: the count exists before the thread that drops it sees the address.
                // Row R5.
                slot.owed.store(table, Ordering::Release);
                is_held = true;
            }
        }
        if !is_held {
            return;
        }
        // Partner: the barrier in `leave`. If our store is first, the thread that leaves sees it.
        // If its store is first, we see that below. Row R4. If the barrier cannot be had, counts
        // stay forever.
        if !heavy() {
            return;
        }
        for slot in nodes::all() {
            // Relaxed: stored by this thread, or by one that had its turn before. Row R5.
            if slot.owed.load(Ordering::Relaxed) == table
                // Acquire: as in `held_in`. Row R3.
                && slot.held.load(Ordering::Acquire) != table
                && slot.take_owed(table)
            {
                drop(ManuallyDrop::into_inner(alias(old)));
            }
        }
    }

    /// Returns the content of `slot` when no load from this cell is under way in it.
    fn held_in(&self, slot: &Slot) -> usize {
        for turn in 0.. {
            // Acquire: the uses of a table by its thread before it released the table. Row R3.
            let held = slot.held.load(Ordering::Acquire);
            if held != self.about() {
                return held;
            }
            pause(turn);
        }
        unreachable!("the loop ends by returning")
    }
}

impl<T> Drop for Cell<T> {
    fn drop(&mut self) {
        drop(self.swap(None));
    }
}

/// A snapshot as one send holds it. It belongs to its thread. It has two words, so that it is
/// returned in registers.
pub(crate) struct Guard<T> {
    table: ManuallyDrop<Option<Arc<T>>>,
    keeper: Keeper,
}

/// The holder that keeps the table of a guard: a slot, or a slot with `FENCED` beside its address,
/// or `COUNTED`, which is a count that the guard owns.
#[derive(Clone, Copy)]
struct Keeper(*const Slot);

/// The mark that the slot was entered, and is left, with a fence.
const FENCED: usize = 1;
const COUNTED: Keeper = Keeper(ptr::without_provenance(2));
const MARKS: usize = 3;

impl Keeper {
    #[inline(always)]
    fn fast(slot: &'static Slot) -> Self {
        Keeper(slot)
    }

    fn fenced(slot: &'static Slot) -> Self {
        Keeper(ptr::from_ref(slot).map_addr(|slot| slot | FENCED))
    }

    #[inline(always)]
    fn fast_slot(self) -> Option<&'static Slot> {
        if self.0.addr() & MARKS != 0 {
            return None;
        }
        // SAFETY: without a mark it is of `fast`.
        Some(unsafe { &*self.0 })
    }

    fn fenced_slot(self) -> Option<&'static Slot> {
        if self.0.addr() & MARKS != FENCED {
            return None;
        }
        let slot = self.0.map_addr(|slot| slot & !MARKS);
        // SAFETY: with this mark it is of `fenced`.
        Some(unsafe { &*slot })
    }
}

impl<T> Deref for Guard<T> {
    type Target = Option<Arc<T>>;

    #[inline(always)]
    fn deref(&self) -> &Option<Arc<T>> {
        &self.table
    }
}

impl<T> Drop for Guard<T> {
    #[inline(always)]
    fn drop(&mut self) {
        let Some(table) = &*self.table else { return };
        let table = alias(table);
        match self.keeper.fast_slot() {
            Some(slot) => {
                if slot.leave(light) {
                    drop_owed(table, slot);
                }
            }
            None => drop_elsewhere(table, self.keeper),
        }
    }
}

#[cold]
#[inline(never)]
fn drop_owed<T>(table: ManuallyDrop<Arc<T>>, slot: &Slot) {
    // The slot is free by now: a destructor that runs here may send.
    if slot.take_owed(Arc::as_ptr(&table).addr()) {
        drop(ManuallyDrop::into_inner(table));
    }
}

#[cold]
#[inline(never)]
fn drop_elsewhere<T>(table: ManuallyDrop<Arc<T>>, keeper: Keeper) {
    match keeper.fenced_slot() {
        Some(slot) => {
            if slot.leave(full) {
                drop_owed(table, slot);
            }
        }
        None => drop(ManuallyDrop::into_inner(table)),
    }
}

/// Returns a guard of no table. It is out of line, so that the compiler treats it as rare.
#[cold]
#[inline(never)]
fn nothing<T>() -> Guard<T> {
    Guard {
        table: ManuallyDrop::new(None),
        keeper: COUNTED,
    }
}

/// Returns the handle once more, for a caller that may have a count to drop with it.
#[inline(always)]
fn alias<T>(table: &Arc<T>) -> ManuallyDrop<Arc<T>> {
    // SAFETY: it is valid, and the copy is dropped only by a caller that has a count for it.
    ManuallyDrop::new(unsafe { ptr::read(table) })
}

impl Slot {
    /// Releases the table that is held. Returns `true` if a count may be owed.
    #[inline(always)]
    fn leave(&self, barrier: impl Fn()) -> bool {
        // Release: the send is over before the writer, which acquires it in `held_in`, releases the
        // table. Row R3.
        self.held.store(0, Ordering::Release);
        // If our store is first, the writer's second look sees it, and it takes its count
        // back. If its note is first, we see that. Row R4.
        barrier();
        // Relaxed: `take_owed` acquires. Row R5.
        self.owed.load(Ordering::Relaxed) != 0
    }

    /// Takes the count of `table` that is owed here. Returns `true` to the thread that gets it. A
    /// count that is owed for another table belongs to the writer of that table, which is about to
    /// take it back.
    fn take_owed(&self, table: usize) -> bool {
        // It is one step because reader and writer may both try. Acquire: the count. Row R5.
        self.owed
            .compare_exchange(table, 0, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}
