//! A cell that keeps every table until the cell itself goes: for models about ordering.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Mutex;

use loom::sync::atomic::{AtomicUsize, Ordering};

use super::{Arc, Tick};

/// The orderings of a cell.
pub(crate) trait Orderings {
    const LOAD: Ordering;
    const SWAP: Ordering;
}

/// The promise that arc-swap documents: a load acquires the data that a swap released.
pub(crate) struct Sound;
impl Orderings for Sound {
    const LOAD: Ordering = Ordering::Acquire;
    const SWAP: Ordering = Ordering::AcqRel;
}

pub(crate) struct RelaxedLoad;
impl Orderings for RelaxedLoad {
    const LOAD: Ordering = Ordering::Relaxed;
    const SWAP: Ordering = Ordering::AcqRel;
}

pub(crate) struct RelaxedSwap;
impl Orderings for RelaxedSwap {
    const LOAD: Ordering = Ordering::Acquire;
    const SWAP: Ordering = Ordering::Relaxed;
}

pub(crate) struct Cell<T, O = Sound> {
    tick: Tick,
    /// The place of the current table in `tables`, counted from 1; 0 for none.
    current: AtomicUsize,
    /// No part of the model: it stands for memory.
    tables: Mutex<Vec<Arc<T>>>,
    orderings: PhantomData<fn() -> O>,
}

pub(crate) struct Guard<T>(Option<Arc<T>>);

impl<T> Deref for Guard<T> {
    type Target = Option<Arc<T>>;

    fn deref(&self) -> &Option<Arc<T>> {
        &self.0
    }
}

impl<T, O: Orderings> Cell<T, O> {
    pub(crate) fn empty() -> Self {
        Cell {
            tick: Tick::new(),
            current: AtomicUsize::new(0),
            tables: Mutex::new(Vec::new()),
            orderings: PhantomData,
        }
    }

    pub(crate) fn load(&self) -> Guard<T> {
        Guard(self.load_full())
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        self.tick.tick();
        self.at(self.current.load(O::LOAD))
    }

    pub(crate) fn swap(&self, next: Option<Arc<T>>) -> Option<Arc<T>> {
        let next = next.map_or(0, |next| {
            let mut tables = self.tables.lock().unwrap();
            tables.push(next);
            tables.len()
        });
        self.tick.tick();
        self.at(self.current.swap(next, O::SWAP))
    }

    fn at(&self, place: usize) -> Option<Arc<T>> {
        let tables = self.tables.lock().unwrap();
        place.checked_sub(1).map(|at| Arc::alias(&tables[at]))
    }
}
