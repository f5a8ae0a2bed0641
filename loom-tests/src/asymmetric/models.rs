//! Models of the asymmetric cell. Each returns its outcome, and panics where a table is used
//! after it was dropped, is dropped twice, or is never dropped.

use std::sync::atomic::AtomicUsize as Plain;

use super::cell::Cell;
use super::nodes;
use super::sync::{Arc, Ground, Note, Ordering, SLOTS, spawn};
use crate::harness::Model;

/// A stand-in for a table.
struct Thing {
    name: &'static str,
    /// Sends read it. A thread that has found itself the last holder writes to it.
    ground: Ground,
    drops: std::sync::Arc<Plain>,
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// The things that a model made, so that it can check the end of each.
#[derive(Default)]
struct Things(Vec<(&'static str, std::sync::Arc<Plain>)>);

type Shared = std::sync::Arc<Cell<Thing>>;

impl Things {
    fn make(&mut self, name: &'static str) -> Option<Arc<Thing>> {
        self.plan(name)()
    }

    /// For another thread to make.
    fn plan(&mut self, name: &'static str) -> impl FnOnce() -> Option<Arc<Thing>> + use<> {
        let thing = self.thing(name);
        move || Some(Arc::new(thing()))
    }

    fn thing(&mut self, name: &'static str) -> impl FnOnce() -> Thing + use<> {
        let drops = std::sync::Arc::<Plain>::default();
        self.0.push((name, std::sync::Arc::clone(&drops)));
        move || Thing {
            name,
            ground: Ground::new(),
            drops,
        }
    }

    fn cell_of(&mut self, name: &'static str) -> Shared {
        let cell = Cell::empty();
        assert!(cell.swap(self.make(name)).is_none());
        std::sync::Arc::new(cell)
    }

    fn drops(&self, name: &str) -> usize {
        let thing = self.0.iter().find(|(other, _)| *other == name);
        thing.expect("made").1.load(Ordering::Relaxed)
    }

    /// Drops the cells, and checks that each thing was dropped once.
    fn end<const N: usize>(self, cells: [Shared; N]) {
        drop(cells);
        for (name, drops) in self.0 {
            let drops = drops.load(Ordering::Relaxed);
            assert!(drops == 1, "`{name}` was dropped {drops} times");
        }
    }
}

fn name(thing: &Option<Arc<Thing>>) -> &'static str {
    thing.as_ref().map_or("nobody", |thing| thing.name)
}

/// One send: its snapshot's name.
fn send(cell: &Shared) -> &'static str {
    let guard = cell.load();
    if let Some(thing) = &*guard {
        thing.ground.read();
    }
    name(&guard)
}

fn sends(cell: &Shared) -> crate::loom_sync::Spawned<&'static str> {
    let cell = std::sync::Arc::clone(cell);
    spawn(move || send(&cell))
}

/// A send and a replacement: one of the two is the last to have the old table.
pub(crate) fn reader_vs_swap() -> Model {
    Model {
        name: "reader_vs_swap",
        outcomes: &[
            "A, gone with the writer",
            "A, gone with the reader",
            "B, gone with the writer",
        ],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let reader = sends(&cell);
            let old = cell.swap(things.make("B"));
            assert_eq!(name(&old), "A");
            drop(old);
            let last = ["reader", "writer"][things.drops("A")];
            let seen = reader.join();
            things.end([cell]);
            format!("{seen}, gone with the {last}")
        },
    }
}

/// A send and the last disconnect.
pub(crate) fn reader_vs_removal() -> Model {
    Model {
        name: "reader_vs_removal",
        outcomes: &["A", "nobody"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let reader = sends(&cell);
            drop(cell.swap(None));
            let seen = reader.join();
            things.end([cell]);
            seen.into()
        },
    }
}

/// A swap returns one count for the caller, and one for each reader that holds the old table.
pub(crate) fn counts_of_the_old() -> Model {
    Model {
        name: "counts_of_the_old",
        outcomes: &["sent, 1", "sending, 1", "sending, 2"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let sent = std::sync::Arc::new(Note::new());
            let reader = {
                let (cell, sent) = (std::sync::Arc::clone(&cell), std::sync::Arc::clone(&sent));
                spawn(move || {
                    send(&cell);
                    sent.write();
                })
            };
            let at = if sent.read() { "sent" } else { "sending" };
            let old = cell.swap(None).expect("there is one");
            let count = Arc::strong_count(&old);
            if count == 1 {
                old.ground.write();
            }
            reader.join();
            assert_eq!(
                Arc::strong_count(&old),
                1,
                "a count is left after the last handle was dropped"
            );
            drop(old);
            things.end([cell]);
            format!("{at}, {count}")
        },
    }
}

/// Two replacements of one table's successors, under a send.
pub(crate) fn two_swaps_vs_reader() -> Model {
    Model {
        name: "two_swaps_vs_reader",
        outcomes: &["A", "B", "C"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let reader = sends(&cell);
            let make_b = things.plan("B");
            let other = std::sync::Arc::clone(&cell);
            let writer = spawn(move || name(&other.swap(make_b())));
            let old = name(&cell.swap(things.make("C")));
            assert!(["A", "B"].contains(&old));
            let seen = reader.join();
            writer.join();
            things.end([cell]);
            seen.into()
        },
    }
}

/// A thread goes from one cell to the next while both are emptied: each count is for its own
/// table.
pub(crate) fn two_cells_vs_reader() -> Model {
    Model {
        name: "two_cells_vs_reader",
        outcomes: &["A, B", "A, nobody", "nobody, B", "nobody, nobody"],
        run: || {
            let mut things = Things::default();
            let (first, second) = (things.cell_of("A"), things.cell_of("B"));
            let empty = |cell: &Shared| {
                let cell = std::sync::Arc::clone(cell);
                spawn(move || drop(cell.swap(None)))
            };
            let writers = [empty(&first), empty(&second)];
            let seen = (send(&first), send(&second));
            for writer in writers {
                writer.join();
            }
            things.end([first, second]);
            format!("{}, {}", seen.0, seen.1)
        },
    }
}

/// A thread has gone from one cell to the next when the writer of the first decides.
pub(crate) fn next_cell_vs_swap() -> Model {
    Model {
        name: "next_cell_vs_swap",
        outcomes: &["A", "nobody"],
        run: || {
            let mut things = Things::default();
            let (first, second) = (things.cell_of("A"), things.cell_of("B"));
            let emptied = std::sync::Arc::clone(&first);
            let writer = spawn(move || drop(emptied.swap(None)));
            let seen = send(&first);
            assert_eq!(send(&second), "B");
            writer.join();
            things.end([first, second]);
            seen.into()
        },
    }
}

/// A table that one cell has freed, and a table of another cell at the same address: a send gets
/// the one of its own cell, and gives up no count of the other. The writer frees a table only when
/// nobody else has a count, as it does with its retired tables.
pub(crate) fn one_address_in_two_cells() -> Model {
    Model {
        name: "one_address_in_two_cells",
        outcomes: &[
            "A, nobody, kept",
            "A, nobody, reused",
            "A, B, reused",
            "nobody, nobody, reused",
            "nobody, B, reused",
        ],
        run: || {
            let mut things = Things::default();
            let first = things.cell_of("A");
            let second: Shared = std::sync::Arc::new(Cell::empty());
            let cells = [&first, &second].map(std::sync::Arc::clone);
            let reader = spawn(move || [send(&cells[0]), send(&cells[1])]);
            let mut old = first.swap(None).expect("there is one");
            let place = Arc::place(&old);
            let mut kept = None;
            if Arc::get_mut(&mut old).is_some() {
                drop(old);
                let other = things.thing("B")();
                second.swap(Some(place.reuse(other)));
                let other = second.swap(None);
                assert_eq!(name(&other), "B");
                drop(other);
            } else {
                kept = Some(old);
            }
            let seen = reader.join();
            assert!(
                seen[0] != "B" && seen[1] != "A",
                "a table of the other cell"
            );
            let end = if kept.is_some() { "kept" } else { "reused" };
            drop(kept);
            things.end([first, second]);
            format!("{}, {}, {end}", seen[0], seen[1])
        },
    }
}

/// A writer keeps its count of a replaced table until it has the only one: no send drops the table.
pub(crate) fn retired_vs_reader() -> Model {
    Model {
        name: "retired_vs_reader",
        outcomes: &["A, at once", "A, later", "B, at once"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let reader = sends(&cell);
            let mut retired = cell.swap(things.make("B")).expect("there is one");
            let is_free = Arc::get_mut(&mut retired).is_some();
            if is_free {
                retired.ground.write();
            }
            let seen = reader.join();
            assert_eq!(things.drops("A"), 0, "a send dropped a retired table");
            assert!(Arc::get_mut(&mut retired).is_some(), "a count is left");
            drop(retired);
            things.end([cell]);
            format!("{seen}, {}", if is_free { "at once" } else { "later" })
        },
    }
}

/// A send inside another, which outlives it.
pub(crate) fn nested_vs_swap() -> Model {
    Model {
        name: "nested_vs_swap",
        outcomes: &["A, A", "A, B", "B, B"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let own = std::sync::Arc::clone(&cell);
            let reader = spawn(move || {
                let outer = own.load();
                let inner = own.load();
                let first = name(&outer);
                drop(outer);
                (first, name(&inner))
            });
            drop(cell.swap(things.make("B")));
            let seen = reader.join();
            things.end([cell]);
            format!("{}, {}", seen.0, seen.1)
        },
    }
}

/// More sends inside one another than there are slots to keep.
pub(crate) fn nested_past_the_slots() -> Model {
    Model {
        name: "nested_past_the_slots",
        outcomes: &["A A A A", "A A A B", "A A B B", "A B B B", "B B B B"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let own = std::sync::Arc::clone(&cell);
            let reader = spawn(move || {
                let guards = [own.load(), own.load(), own.load(), own.load()];
                guards.map(|guard| name(&guard))
            });
            drop(cell.swap(things.make("B")));
            let seen = reader.join();
            things.end([cell]);
            seen.join(" ")
        },
    }
}

/// A table that is owned outlives its cell's interest in it.
pub(crate) fn owned_vs_swap() -> Model {
    Model {
        name: "owned_vs_swap",
        outcomes: &["A", "B"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let own = std::sync::Arc::clone(&cell);
            let reader = spawn(move || {
                let owned = own.load_full();
                drop(own);
                name(&owned)
            });
            drop(cell.swap(things.make("B")));
            let seen = reader.join();
            things.end([cell]);
            seen.into()
        },
    }
}

fn nodes() -> usize {
    nodes::all().count() / SLOTS
}

/// Two threads send for the first time: each has slots that the writer finds.
pub(crate) fn first_sends_vs_swap() -> Model {
    Model {
        name: "first_sends_vs_swap",
        outcomes: &["1", "2"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            let readers = [sends(&cell), sends(&cell)];
            drop(cell.swap(None));
            for reader in readers {
                reader.join();
            }
            things.end([cell]);
            nodes().to_string()
        },
    }
}

/// A thread has ended, and one of two new ones takes its slots. Over loom a join does not wait
/// for thread-local variables to go: there may be three.
pub(crate) fn slots_taken_again() -> Model {
    Model {
        name: "slots_taken_again",
        outcomes: &["1", "2", "3"],
        run: || {
            let mut things = Things::default();
            let cell = things.cell_of("A");
            sends(&cell).join();
            let readers = [sends(&cell), sends(&cell)];
            drop(cell.swap(None));
            for reader in readers {
                reader.join();
            }
            things.end([cell]);
            nodes().to_string()
        },
    }
}

/// A thread has ended, and two new ones want its slots: while a thread has a slot, it is the only
/// one that stores to it. As to three, see `slots_taken_again`.
pub(crate) fn slots_of_one_thread() -> Model {
    Model {
        name: "slots_of_one_thread",
        outcomes: &["1", "2", "3"],
        run: || {
            let uses = |mark: usize| {
                spawn(move || {
                    let (nodes::Place::Fast(slot) | nodes::Place::Fenced(slot)) = nodes::any()
                    else {
                        panic!("a thread that runs has slots of its own");
                    };
                    slot.held.store(mark, Ordering::Release);
                    let held = slot.held.load(Ordering::Relaxed);
                    assert_eq!(held, mark, "another thread has these slots");
                    slot.held.store(0, Ordering::Release);
                })
            };
            uses(1).join();
            for thread in [uses(2), uses(3)] {
                thread.join();
            }
            nodes().to_string()
        },
    }
}
