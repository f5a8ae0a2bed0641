//! The primitives under `hub` and `publish`.
//!
//! `publish.rs`, `hub.rs`, `held.rs` and `link.rs` name atomics, locks and cells only through their
//! sibling `sync`, so that the model checkers can compile the same files over theirs.

pub(crate) use super::barrier::{heavy, light, prepare_heavy};
pub(crate) use crate::lock::{lock, try_lock};
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use std::thread;
use std::time::{Duration, Instant};

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;

/// Pauses before the next look for a change that another thread is about to make. The pause is
/// longer each turn, up to a millisecond, and does not go past `deadline`.
pub(crate) fn rest(turn: u32, deadline: Option<Instant>) {
    if turn < 16 {
        return thread::yield_now();
    }
    let pause = Duration::from_micros(16 << (turn - 16).min(6));
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    thread::sleep(left.map_or(pause, |left| pause.min(left)));
}

/// Makes this thread take the node that its first load from any cell takes.
///
/// A thread's node serves every cell, so a cell that only this function uses is enough. A load goes
/// through the same steps as that of a send, also on a thread whose thread-local variables are
/// gone.
pub(crate) fn prepare_thread() {
    drop(Cell::<()>::empty().load());
}

#[cfg(feature = "asymmetric")]
pub(crate) use super::asymmetric::{Cell, Guard};
#[cfg(not(feature = "asymmetric"))]
pub(crate) use by_arc_swap::{Cell, Guard};

#[cfg(not(feature = "asymmetric"))]
mod by_arc_swap {
    //! The cell of arc-swap, and the reason for which its counts show which tables are in use.
    //!
    //! A writer that has swapped a table out keeps one count of it, and frees it when
    //! `Arc::get_mut` succeeds. This is sound if two statements hold.
    //!
    //! * **Complete.** When `Cell::swap` returns, every send that uses the old table, or is yet to
    //!   use it, has a count of its own in the table's strong count.
    //! * **Writers free.** No step of a reader gives up the last count while the writer has its
    //!   own.
    //!
    //! Both rest on three facts of ours. Writers of one cell take turns, under the lock. A table
    //! is stored into one cell, once. A writer that keeps a count keeps the address: while it
    //! does, no other table is there.
    //!
    //! # Complete
    //!
    //! A load takes one of two ways. W is the writer's swap, X the address of the old table.
    //!
    //! *The fast way.* The reader loads X, exchanges X into a free slot of its thread together
    //! with the address of the cell (the *debt*), and loads the cell again. Exchange, both loads,
    //! W, and the writer's look at the slot are sequentially consistent.
    //!
    //! 1. The second load finds X. Then it comes before W, and so does the debt. The writer, which
    //!    looks at every slot of every thread after W, finds the debt, or finds that the reader has
    //!    returned it. It pays a debt: it adds a count, and takes the debt out of the slot. It does
    //!    so whether it still reads the address of this cell beside X, or already the mark that the
    //!    debt is confirmed. A reader that returned its debt has finished, and its exchange in the
    //!    slot releases its uses to the writer's look.
    //! 2. The second load finds another table. The reader takes its debt back. If it can, it has
    //!    not touched the table, and goes the other way. If it cannot, a writer has paid. That
    //!    writer took X out of this very cell, because the debt is not confirmed and carries the
    //!    cell's address. The count was added before the writer's swap returned.
    //! 3. The debt is written after the writer's look. Then the second load comes after W. As long
    //!    as the writer keeps its count, the cell does not hold X, and this is case 2: no writer
    //!    pays, and the reader takes its debt back. If X has been freed in the meantime and a later
    //!    table of this cell is there, the debt protects that table, by case 1. If X now belongs to
    //!    a table of another cell, the writers of that cell pass over the debt: it is not
    //!    confirmed, and carries another cell's address. Versions before 1.9.5 lacked this check,
    //!    and gave the other cell's table to the reader.
    //!
    //! *The slow way* is for a reader whose eight slots are all taken, or for which the fast way
    //! has failed. The reader stores the cell's address, announces a generation in `control`, loads
    //! the candidate X, exchanges it into its ninth slot and sets `control` back.
    //!
    //! 4. It finds its generation. Then no writer of this cell has helped. If the candidate is X,
    //!    the load came before W, and so did the announcement. The writer looks at `control` first.
    //!    Either it finds the generation, and then its attempt to help fails because the reader is
    //!    done, or it finds a later value. In both cases the ninth slot is filled by then, and the
    //!    writer's look at it finds the debt or its return. The reader turns the debt into a count
    //!    at once: it adds one, takes its debt back, and gives one up if the debt had been paid.
    //! 5. It finds a replacement. That is a count of the cell's table at the time, added by a
    //!    writer of this cell before its swap returned. The lock has ended the swaps of earlier
    //!    writers before W, so a replacement that is the old table has been counted, even if the
    //!    reader has not fetched it yet. The candidate is not used. If its debt was paid, the
    //!    reader gives up that count.
    //!
    //! Threads: a thread takes a node of nine slots before its first debt, and nodes are never
    //! freed, so the writer's walk, which starts after W, meets it. A thread that ends gives its
    //! node back, with the debts that guards still have in it. They stay where they are, the next
    //! owner passes over slots that are not empty, and the guard returns its debt from wherever it
    //! is dropped. A node rests until no writer is in it before it is taken again, so that a
    //! writer cannot help a new owner's generation by an old look. A ninth guard on one thread
    //! owns a count from the start.
    //!
    //! So the strong count after W is one for the writer and one for each guard and each owned
    //! handle. A thread that has no count does not add to it. `get_mut` reads it with acquire: a
    //! reader's last use comes before its release of the count, or, if it returned its debt before
    //! the look, before its exchange of the slot, which the writer's look has acquired.
    //!
    //! # Writers free
    //!
    //! A reader gives up a count in five places. A guard whose debt was paid, or that owned a count
    //! from the start, is dropped. An owned handle is dropped. The slow way gives up the count that
    //! it had too many (it has another). It gives up that of a candidate that was paid. An
    //! `Emitter` releases its old table. Each is a count of a table that is in the cell, which has
    //! a count, or of one that a writer took out and keeps until the strong count is one, which is
    //! not before the reader has given up its own. So a reader's is never the last, as long as the
    //! *cell* or the *list* has one. That is so until the hub itself is dropped, and then no guard
    //! of it exists, because a guard borrows the hub.
    //!
    //! A return of a debt (the ordinary end of a send) changes no count at all.

    use super::Arc;
    use arc_swap::ArcSwapOption;

    /// A cell that holds the current snapshot, or none.
    pub(crate) struct Cell<T>(ArcSwapOption<T>);

    /// A snapshot as one send holds it.
    pub(crate) type Guard<T> = arc_swap::Guard<Option<Arc<T>>>;

    impl<T> Cell<T> {
        pub(crate) const fn empty() -> Self {
            Cell(ArcSwapOption::const_empty())
        }

        /// Returns the current snapshot. Acquires the writes that came before the `swap` that
        /// stored it.
        #[inline]
        pub(crate) fn load(&self) -> Guard<T> {
            self.0.load()
        }

        /// Returns the current snapshot, owned.
        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }

        /// Publishes `next` and returns the table that it replaces. Releases the writes from
        /// before.
        pub(crate) fn swap(&self, next: Option<Arc<T>>) -> Option<Arc<T>> {
            self.0.swap(next)
        }
    }
}
