//! A cell that lets a table go with its last reader: for models about the end of a receiver.
//!
//! A small relative of what arc-swap does. A reader notes which table it is about to use,
//! and looks again whether that is still the current one. A writer that has replaced a table
//! looks through the notes and, for each that names it, adds a count and crosses the note
//! out; a reader that finds its note crossed out has that count to give back. Of a note and a
//! replacement at the same time, the two `SeqCst` fences let at least one see the other.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Mutex;
use std::thread::panicking;

use loom::sync::atomic::{AtomicUsize, Ordering, fence};
use loom::thread::ThreadId;

use super::{Arc, Tick};

/// The fences of a cell, which a world can leave out.
pub(crate) trait Fences {
    const FENCES: bool;
}

pub(crate) struct Fenced;
impl Fences for Fenced {
    const FENCES: bool = true;
}

pub(crate) struct Unfenced;
impl Fences for Unfenced {
    const FENCES: bool = false;
}

/// Threads of a model at most.
const THREADS: usize = 3;
/// Notes of a thread: a send discards, and so loads, while it holds its snapshot.
const NOTES: usize = 2;

pub(crate) struct Cell<T, F = Fenced>(std::sync::Arc<Inner<T>>, PhantomData<fn() -> F>);

struct Inner<T> {
    tick: Tick,
    /// The place of the current table in `memory`, counted from 1; 0 for none.
    current: AtomicUsize,
    /// Places of tables that readers are using without a count.
    notes: [AtomicUsize; THREADS * NOTES],
    /// No part of the model: it stands for memory and for thread-local variables.
    memory: Mutex<Memory<T>>,
}

struct Memory<T> {
    /// Aliases: they keep nothing alive.
    tables: Vec<Arc<T>>,
    threads: Vec<ThreadId>,
    in_use: [bool; THREADS * NOTES],
}

impl<T> Inner<T> {
    fn alias(&self, place: usize) -> Arc<T> {
        Arc::alias(&self.memory.lock().unwrap().tables[place - 1])
    }

    fn take_note(&self) -> usize {
        let memory = &mut *self.memory.lock().unwrap();
        let thread = loom::thread::current().id();
        let index = memory.threads.iter().position(|known| *known == thread);
        let index = index.unwrap_or_else(|| {
            memory.threads.push(thread);
            memory.threads.len() - 1
        });
        let mut own = index * NOTES..(index + 1) * NOTES;
        let note = own.find(|note| !memory.in_use[*note]);
        let note = note.expect("a model's thread holds few snapshots");
        memory.in_use[note] = true;
        note
    }

    fn free_note(&self, note: usize) {
        self.memory.lock().unwrap().in_use[note] = false;
    }

    /// Crosses out a note on a table; false if somebody has done so and left a count.
    fn settle(&self, note: usize, place: usize) -> bool {
        self.notes[note]
            .compare_exchange(place, 0, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

pub(crate) struct Guard<T, F = Fenced> {
    table: Option<Arc<T>>,
    place: usize,
    /// The note on the table, unless the handle is counted.
    noted: Option<Noted<T>>,
    fences: PhantomData<fn() -> F>,
}

struct Noted<T> {
    cell: std::sync::Arc<Inner<T>>,
    note: usize,
}

impl<T, F> Guard<T, F> {
    fn new(place: usize, table: Option<Arc<T>>, noted: Option<Noted<T>>) -> Self {
        Guard {
            table,
            place,
            noted,
            fences: PhantomData,
        }
    }

    fn into_owned(mut self) -> Option<Arc<T>> {
        let table = self.table.take()?;
        let Some(Noted { cell, note }) = self.noted.take() else {
            return Some(table);
        };
        Arc::lend(&table);
        let settled = cell.settle(note, self.place);
        cell.free_note(note);
        if !settled {
            drop(Arc::adopt(Arc::alias(&table)));
        }
        Some(Arc::adopt(table))
    }
}

impl<T, F> Deref for Guard<T, F> {
    type Target = Option<Arc<T>>;

    fn deref(&self) -> &Option<Arc<T>> {
        &self.table
    }
}

impl<T, F> Drop for Guard<T, F> {
    fn drop(&mut self) {
        if panicking() {
            return;
        }
        if let Some(Noted { cell, note }) = self.noted.take() {
            let settled = cell.settle(note, self.place);
            cell.free_note(note);
            if !settled {
                self.table = self.table.take().map(Arc::adopt);
            }
        }
    }
}

impl<T, F: Fences> Cell<T, F> {
    pub(crate) fn empty() -> Self {
        let inner = Inner {
            tick: Tick::new(),
            current: AtomicUsize::new(0),
            notes: std::array::from_fn(|_| AtomicUsize::new(0)),
            memory: Mutex::new(Memory {
                tables: Vec::new(),
                threads: Vec::new(),
                in_use: [false; THREADS * NOTES],
            }),
        };
        Cell(std::sync::Arc::new(inner), PhantomData)
    }

    pub(crate) fn load(&self) -> Guard<T, F> {
        let cell = &self.0;
        loop {
            cell.tick.tick();
            let place = cell.current.load(Ordering::Acquire);
            if place == 0 {
                return Guard::new(place, None, None);
            }
            let note = cell.take_note();
            cell.notes[note].store(place, Ordering::Release);
            if F::FENCES {
                fence(Ordering::SeqCst);
            }
            cell.tick.tick();
            if cell.current.load(Ordering::Acquire) == place {
                let cell = std::sync::Arc::clone(cell);
                let table = cell.alias(place);
                return Guard::new(place, Some(table), Some(Noted { cell, note }));
            }
            let settled = cell.settle(note, place);
            cell.free_note(note);
            if !settled {
                return Guard::new(place, Some(Arc::adopt(cell.alias(place))), None);
            }
        }
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        self.load().into_owned()
    }

    pub(crate) fn swap(&self, next: Option<Arc<T>>) -> Option<Arc<T>> {
        let cell = &self.0;
        let next = next.map_or(0, |next| {
            let tables = &mut cell.memory.lock().unwrap().tables;
            tables.push(Arc::disown(next));
            tables.len()
        });
        cell.tick.tick();
        let old = cell.current.swap(next, Ordering::AcqRel);
        if F::FENCES {
            fence(Ordering::SeqCst);
        }
        if old == 0 {
            return None;
        }
        let old_table = cell.alias(old);
        Arc::lend(&old_table);
        for note in 0..cell.notes.len() {
            if cell.settle(note, old) {
                Arc::lend(&old_table);
            }
        }
        drop(Arc::adopt(Arc::alias(&old_table)));
        Some(Arc::adopt(old_table))
    }
}

impl<T, F> Drop for Cell<T, F> {
    fn drop(&mut self) {
        if panicking() {
            return;
        }
        let place = self.0.current.load(Ordering::Acquire);
        if place != 0 {
            drop(Arc::adopt(self.0.alias(place)));
        }
    }
}
