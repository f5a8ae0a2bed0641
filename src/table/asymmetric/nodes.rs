//! The slots of each thread.
//!
//! A thread that sends takes a node, which has some slots, from the list of all that there
//! ever were, and gives it back when it ends. Nodes are never freed, so a writer may walk the
//! list at any time; there are as many as ever were threads at one time that sent.

use std::cell::Cell;
use std::{array, ptr};

use super::sync::{
    AtomicBool, AtomicPtr, AtomicUsize, Mutex, Ordering, SLOTS, forever, is_asymmetric, per_thread,
    statics,
};

/// Where one load says what it holds.
pub(super) struct Slot {
    /// 0, or the address of the table that is held, or that of a cell with a mark. Stored by
    /// the thread that has the slot and by no other.
    pub(super) held: AtomicUsize,
    /// 0, or the address of a table of which whoever leaves this slot has a count.
    pub(super) owed: AtomicUsize,
}

/// What one thread has, on cache lines of its own.
#[repr(align(128))]
struct Node {
    slots: [Slot; SLOTS],
    is_taken: AtomicBool,
    /// The node that was pushed before; set before this one is.
    next: AtomicPtr<Node>,
}

pub(super) struct Nodes {
    /// The newest.
    head: AtomicPtr<Node>,
    /// Held by the one writer that is looking through the slots.
    pub(super) turn: Mutex<()>,
}

statics! {
    pub(super) static NODES: Nodes = Nodes {
        head: AtomicPtr::new(ptr::null_mut()),
        turn: Mutex::new(()),
    };
}

per_thread! {
    /// The thread's node, where it needs no fences. Without a destructor, and so one load.
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
        // Always there where it ships, for it has no destructor.
        let _ = FAST.try_with(|fast| fast.set(None));
        let Some(node) = self.0.take() else { return };
        // Not one that a send of this thread still holds, as where a receiver ends the process
        // and this runs over that send: whoever took the node would overwrite what it holds.
        if node.slots.iter().all(Slot::is_free) {
            node.give_back();
        }
    }
}

/// A free slot of this thread.
pub(super) enum Place {
    /// One that needs no fences.
    Fast(&'static Slot),
    /// One that does.
    Fenced(&'static Slot),
    /// One that must be free again when the load returns; of a node that is lent, if there is
    /// one.
    Brief(&'static Slot, Option<Lent>),
}

/// A node for the time of one load. Given back when it is dropped.
pub(super) struct Lent(&'static Node);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// The slot of a send inside no other, if it needs no fences.
#[inline(always)]
pub(super) fn first() -> Option<&'static Slot> {
    let slot = &FAST.with(Cell::get)?.slots[0];
    slot.is_free().then_some(slot)
}

/// Any slot.
pub(super) fn any() -> Place {
    let Ok(node) = OWN.try_with(|own| own.0.get().unwrap_or_else(|| own.take())) else {
        // The thread is ending, and has given its node back, or left it to a send of its own. A
        // node that is taken has free slots alone.
        let node = Node::take();
        return Place::Brief(&node.slots[0], Some(Lent(node)));
    };
    let (last, slots) = node.slots.split_last().expect("there are some");
    match slots.iter().find(|slot| slot.is_free()) {
        Some(slot) if is_asymmetric() => Place::Fast(slot),
        Some(slot) => Place::Fenced(slot),
        None => Place::Brief(last, None),
    }
}

/// Every slot that there is.
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
    /// One that nobody has.
    fn take() -> &'static Node {
        nodes()
            .find(|node| node.try_take())
            .unwrap_or_else(Node::push)
    }

    fn try_take(&self) -> bool {
        // One step, for two threads may both try. Acquire: our stores to the slots come after
        // those of the thread before; otherwise its last 0 might erase what we hold. Row R7.
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
        // Relaxed: the exchange finds out whether it is still so. Row R6.
        let mut head = NODES.head.load(Ordering::Relaxed);
        loop {
            // Relaxed: the exchange releases it. Row R6.
            node.next.store(head, Ordering::Relaxed);
            // One step, or of two threads one's node were lost. Release: the node, to whoever
            // walks the list. Row R6.
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
