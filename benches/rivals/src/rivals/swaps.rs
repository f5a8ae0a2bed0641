//! Rivals that are written by hand around a pointer that is swapped: each change copies the table.

use std::hint::black_box;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, Cache};
use seize::{Collector, Guard, reclaim};

use super::{Shared, place, shared, shares};
use crate::rival::Rival;

pub(crate) type Table = Vec<Shared>;

fn with_one_more(table: &Table, receiver: &Shared) -> Table {
    let mut changed = Vec::with_capacity(table.len() + 1);
    changed.extend_from_slice(table);
    changed.push(Arc::clone(receiver));
    changed
}

fn without(table: &Table, held: &Shared) -> Table {
    let at = place(table, held);
    let mut changed = Vec::with_capacity(table.len() - 1);
    changed.extend_from_slice(&table[..at]);
    changed.extend_from_slice(&table[at + 1..]);
    changed
}

pub(crate) struct Swapped {
    table: ArcSwap<Table>,
    changes: Mutex<()>,
}

impl Swapped {
    fn with(n: u64) -> (Self, Vec<Shared>) {
        let table = shares(n);
        let swapped = Swapped {
            table: ArcSwap::from_pointee(table.clone()),
            changes: Mutex::new(()),
        };
        (swapped, table)
    }

    fn connect(&self, c: u64) -> Shared {
        let receiver = shared(c);
        let _changes = self.changes.lock().expect("nothing panics");
        let changed = with_one_more(&self.table.load(), &receiver);
        self.table.store(Arc::new(changed));
        receiver
    }

    fn disconnect(&self, held: &Shared) {
        let _changes = self.changes.lock().expect("nothing panics");
        let changed = without(&self.table.load(), held);
        self.table.store(Arc::new(changed));
    }
}

pub(crate) struct ArcSwapLoad(Swapped);

impl Rival for ArcSwapLoad {
    const NAME: &'static str = "arc-swap `load`";
    const ABOUT: &'static str =
        "by hand over arc-swap 1.9.5, which is what `signal` loads its table with";

    type Held = Shared;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<Shared>) {
        let (swapped, held) = Swapped::with(n);
        (ArcSwapLoad(swapped), held)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        let event = black_box(&1);
        for receiver in self.0.table.load().iter() {
            receiver(event);
        }
    }

    fn connect(&self, c: u64) -> Shared {
        self.0.connect(c)
    }

    fn disconnect(&self, held: Shared) {
        self.0.disconnect(&held);
    }
}

#[derive(Clone)]
pub(crate) struct Owner(Arc<Swapped>);

impl std::ops::Deref for Owner {
    type Target = ArcSwap<Table>;

    fn deref(&self) -> &ArcSwap<Table> {
        &self.0.table
    }
}

pub(crate) struct ArcSwapCache(Owner);

impl Rival for ArcSwapCache {
    const NAME: &'static str = "arc-swap `Cache`";
    const ABOUT: &'static str = "by hand: a cache of each thread, which keeps the table it last saw alive, as \
                                 `emitter` does";

    type Held = Shared;
    type Local = Cache<Owner, Arc<Table>>;

    fn with(n: u64) -> (Self, Vec<Shared>) {
        let (swapped, held) = Swapped::with(n);
        (ArcSwapCache(Owner(Arc::new(swapped))), held)
    }

    fn local(&self, _threads: usize) -> Self::Local {
        Cache::new(self.0.clone())
    }

    #[inline(always)]
    fn send(&self, local: &mut Self::Local) {
        let event = black_box(&1);
        for receiver in local.load().iter() {
            receiver(event);
        }
    }

    fn connect(&self, c: u64) -> Shared {
        self.0.0.connect(c)
    }

    fn disconnect(&self, held: Shared) {
        self.0.0.disconnect(&held);
    }
}

pub(crate) struct Seize {
    table: AtomicPtr<Table>,
    collector: Collector,
    changes: Mutex<()>,
}

impl Seize {
    fn change(&self, change: impl FnOnce(&Table) -> Table) {
        let _changes = self.changes.lock().expect("nothing panics");
        let guard = self.collector.enter();
        let old = guard.protect(&self.table, Ordering::Acquire);
        // SAFETY: it came from a box, and the guard keeps it until it is dropped.
        let changed = change(unsafe { &*old });
        // AcqRel: hands the finished table to `protect`, and takes over the old one.
        let old = guard.swap(
            &self.table,
            Box::into_raw(Box::new(changed)),
            Ordering::AcqRel,
        );
        // SAFETY: no later `protect` finds it, the lock keeps other threads from retiring it, and
        // it came from a box.
        unsafe { guard.defer_retire(old, reclaim::boxed) };
    }
}

impl Rival for Seize {
    const NAME: &'static str = "seize guard";
    const ABOUT: &'static str = "by hand over seize 0.5.1: old tables are freed in batches, so a receiver that was \
                                 disconnected stays in memory for some time";

    type Held = Shared;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<Shared>) {
        let table = shares(n);
        let seize = Seize {
            table: AtomicPtr::new(Box::into_raw(Box::new(table.clone()))),
            collector: Collector::new(),
            changes: Mutex::new(()),
        };
        (seize, table)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        let event = black_box(&1);
        let guard = self.collector.enter();
        let table = guard.protect(&self.table, Ordering::Acquire);
        // SAFETY: it came from a box, and the guard keeps it until it is dropped.
        let table = unsafe { &*table };
        for receiver in table {
            receiver(event);
        }
    }

    fn connect(&self, c: u64) -> Shared {
        let receiver = shared(c);
        self.change(|table| with_one_more(table, &receiver));
        receiver
    }

    fn disconnect(&self, held: Shared) {
        self.change(|table| without(table, &held));
    }
}

impl Drop for Seize {
    fn drop(&mut self) {
        let table = *self.table.get_mut();
        // SAFETY: it came from a box, and this is the last owner.
        drop(unsafe { Box::from_raw(table) });
    }
}
