//! The slots of each thread.
//!
//! A thread that sends takes a node, which has some slots, from the list of all nodes that were
//! ever made, and gives it back when it ends. Nodes are never freed, so a writer may walk the list
//! at any time. The number of nodes is the largest number of threads that ever sent at one time.

use std::cell::Cell;
use std::{array, ptr};

use super::sync::{
    AtomicBool, AtomicPtr, AtomicUsize, Mutex, Ordering, SLOTS, forever, is_asymmetric, per_thread,
    statics,
};

/// The place where one load notes the table that it holds.
pub(super) struct Slot {
    /// The address of the table that is held, or that of a cell with a mark, or 0. Only the thread
    /// that has the slot stores it.
    pub(super) held: AtomicUsize,
    /// The address of a table of which the thread that leaves this slot has a count, or 0.
    pub(super) owed: AtomicUsize,
}

/// The slots of one thread, on separate cache lines.
#[repr(align(128))]
struct Node {
    slots: [Slot; SLOTS],
    is_taken: AtomicBool,
    /// The node that was pushed before. It is set before this one is pushed.
    next: AtomicPtr<Node>,
}

pub(super) struct Nodes {
    /// The newest node.
    head: AtomicPtr<Node>,
    /// The lock of the one writer that is looking through the slots.
    pub(super) turn: Mutex<()>,
}

statics! {
    pub(super) static NODES: Nodes = Nodes {
        head: AtomicPtr::new(ptr::null_mut()),
        turn: Mutex::new(()),
    };
}

per_thread! {
    /// The thread's node, if the thread needs no fences. It has no destructor, and so it is one
    /// load.
    static FAST: Cell<Option<&'static Node>> = Cell::new(None);
}

per_thread! {
    /// The thread's node.
    static OWN: Own = Own(Cell::new(None));
}

struct Own(Cell<Option<&'static Node>>);

impl Own {
    #[cold]
    fn take(&self) -> &'static Node {
        let node = Node::take();
        self.0.set(Some(node));
        if is_asymmetric() {
            FAST.with(|fast| fast.set(Some(node)));
        }
        node
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // It always exists in the shipped crate, because it has no destructor.
        let _ = FAST.try_with(|fast| fast.set(None));
        let Some(node) = self.0.take() else { return };
        // A node that a send of this thread still holds is not given back. This happens if a
        // receiver ends the process and this runs over that send: a thread that took the node would
        // overwrite its slots.
        if node.slots.iter().all(Slot::is_free) {
            node.give_back();
        }
    }
}

/// A free slot of this thread.
pub(super) enum Place {
    /// A slot that needs no fences.
    Fast(&'static Slot),
    /// A slot that needs fences.
    Fenced(&'static Slot),
    /// A slot that must be free again when the load returns. It is of a node that is lent, if there
    /// is one.
    Brief(&'static Slot, Option<Lent>),
}

/// A node for the time of one load. It is given back when it is dropped.
pub(super) struct Lent(&'static Node);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Returns the slot of a send inside no other, if it needs no fences.
#[inline(always)]
pub(super) fn first() -> Option<&'static Slot> {
    let slot = &FAST.with(Cell::get)?.slots[0];
    slot.is_free().then_some(slot)
}

/// Returns any slot.
pub(super) fn any() -> Place {
    let Ok(node) = OWN.try_with(|own| own.0.get().unwrap_or_else(|| own.take())) else {
        // The thread is ending, and has given its node back, or left it to one of its own sends.
        // All slots of a node that is taken are free.
        let node = Node::take();
        return Place::Brief(&node.slots[0], Some(Lent(node)));
    };
    let (last, slots) = node.slots.split_last().expect("a node has slots");
    match slots.iter().find(|slot| slot.is_free()) {
        Some(slot) if is_asymmetric() => Place::Fast(slot),
        Some(slot) => Place::Fenced(slot),
        None => Place::Brief(last, None),
    }
}

/// Returns every slot that exists.
pub(super) fn all() -> impl Iterator<Item = &'static Slot> {
    nodes().flat_map(|node| &node.slots)
}

fn nodes() -> impl Iterator<Item = &'static Node> {
    // Acquire: the node, and all that were pushed before it, are made. Row R6.
    let mut next = NODES.head.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: a node lives forever, and only its atomics change.
        let node = unsafe { next.as_ref() }?;
        // Relaxed: stored before the node was pushed. Row R6.
        next = node.next.load(Ordering::Relaxed);
        Some(node)
    })
}

impl Node {
    /// Takes a node that no thread has.
    fn take() -> &'static Node {
        nodes()
            .find(|node| node.try_take())
            .unwrap_or_else(Node::push)
    }

    fn try_take(&self) -> bool {
        // It is one step because two threads may both try. Acquire: our stores to the slots come
        // after those of the thread before. Otherwise its last 0 might erase the address that we
        // hold. Row R7.
        self.is_taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    fn give_back(&self) {
        // Release: to `try_take`. Row R7.
        self.is_taken.store(false, Ordering::Release);
    }

    fn push() -> &'static Node {
        let node = forever(Node {
            slots: array::from_fn(|_| Slot {
                held: AtomicUsize::new(0),
                owed: AtomicUsize::new(0),
            }),
            is_taken: AtomicBool::new(true),
            next: AtomicPtr::new(ptr::null_mut()),
        });
        // Relaxed: the exchange checks whether it is still so. Row R6.
        let mut head = NODES.head.load(Ordering::Relaxed);
        loop {
            // Relaxed: the exchange releases it. Row R6.
            node.next.store(head, Ordering::Relaxed);
            // It is one step. Otherwise one of two threads would lose its node. Release: the node,
            // to a thread that walks the list. Row R6.
            let pushed = NODES.head.compare_exchange(
                head,
                ptr::from_ref(node).cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            match pushed {
                Ok(_) => return node,
                Err(newer) => head = newer,
            }
        }
    }
}

impl Slot {
    #[inline(always)]
    fn is_free(&self) -> bool {
        // Relaxed: stored by this thread, or by one whose end `try_take` acquired. Row R7.
        self.held.load(Ordering::Relaxed) == 0
    }
}
