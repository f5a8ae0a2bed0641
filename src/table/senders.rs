//! The persistent map from a sender to its list of receivers.
//!
//! Every published table holds one. Cloning takes one reference. A change copies the path to one
//! leaf and shares the rest. Nodes that no other map shares (as in a batch that is being built) are
//! changed in place.
//!
//! It is a radix trie over the bits of the hash, most significant first. A branch is a plain array
//! indexed by the next bits: a lookup is one load a level, with no bits to count. A leaf holds up
//! to [`ROOM`] entries and is split on one bit at a time. Until the split is as deep as the branch
//! above it, neighboring slots share a leaf. So leaves stay more than half full whatever the size
//! of the map.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

/// The number of bits of the hash that a branch consumes. More would make lookups faster and
/// changes more expensive.
const BITS: u32 = 4;
/// The maximum number of bits that branches settle.
const DEPTH: u32 = u64::BITS / BITS * BITS;
/// The number of slots of a branch.
const WIDTH: usize = 1 << BITS;
/// The number of entries of a leaf.
const ROOM: usize = 8;
/// The number of entries at which two halves are joined again. It is well below `ROOM`, so that
/// connecting and disconnecting in turn does not split and join the same leaf.
const JOIN: usize = ROOM / 2;

/// A slot of a branch. It is `None` in an empty map, and while the leaf below is being changed.
pub(crate) type Slot<V> = Option<Arc<Node<V>>>;

#[derive(Clone)]
pub(crate) enum Node<V> {
    Branch([Slot<V>; WIDTH]),
    Leaf(Leaf<V>),
    /// More than `ROOM` entries with the same `DEPTH` bits.
    Clash(Vec<(u64, V)>),
}

pub(crate) struct Leaf<V> {
    /// The number of leading bits of the hash that the place of the leaf settles.
    depth: u32,
    len: u16,
    /// A bit for each place whose entry was moved on, and may be elsewhere.
    moved: u32,
    hashes: [u64; ROOM],
    values: [Option<V>; ROOM],
}

/// Returns the place in a leaf at which an entry is put. Until another entry takes its place, a
/// lookup need not search, and has the place before it has the leaf.
fn home(hash: u64) -> usize {
    hash as usize % ROOM
}

impl<V> Leaf<V> {
    fn new(depth: u32) -> Self {
        Self {
            depth,
            len: 0,
            moved: 0,
            hashes: [0; ROOM],
            values: [const { None }; ROOM],
        }
    }

    #[inline]
    fn find(&self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<usize> {
        let is_at =
            |at: usize| self.hashes[at] == hash && self.values[at].as_ref().is_some_and(&eq);
        let home = home(hash);
        if is_at(home) {
            return Some(home);
        }
        if self.moved >> home & 1 == 0 {
            return None;
        }
        (0..ROOM).find(|&at| is_at(at))
    }

    /// Puts an entry at its home. The entry that was there moves on.
    fn push(&mut self, hash: u64, value: V) {
        let at = home(hash);
        let old = (self.hashes[at], self.values[at].replace(value));
        self.hashes[at] = hash;
        self.len += 1;
        if old.1.is_some() {
            self.moved |= 1 << home(old.0);
            let free = self
                .values
                .iter()
                .position(Option::is_none)
                .expect("the leaf has room");
            (self.hashes[free], self.values[free]) = old;
        }
    }

    fn put(&mut self, hash: u64, value: V, eq: impl Fn(&V) -> bool) -> Option<V> {
        match self.find(hash, eq) {
            Some(at) => self.values[at].replace(value),
            None => {
                self.push(hash, value);
                None
            }
        }
    }

    fn take(&mut self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<V> {
        let at = self.find(hash, eq)?;
        self.len -= 1;
        self.values[at].take()
    }

    fn entries(&mut self) -> impl Iterator<Item = (u64, V)> + use<V> {
        let values = mem::replace(&mut self.values, [const { None }; ROOM]);
        (self.len, self.moved) = (0, 0);
        self.hashes
            .into_iter()
            .zip(values)
            .filter_map(|(hash, value)| Some((hash, value?)))
    }

    /// Keeps the entries whose next bit is 0 and returns the others.
    fn split(&mut self) -> Self {
        self.depth += 1;
        let mut other = Self::new(self.depth);
        for (hash, value) in self.entries() {
            let upper = hash >> (u64::BITS - self.depth) & 1 == 1;
            if upper { &mut other } else { &mut *self }.push(hash, value);
        }
        other
    }
}

impl<V: Clone> Clone for Leaf<V> {
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            ..*self
        }
    }
}

fn slot<V>(leaf: Leaf<V>) -> Slot<V> {
    Some(Arc::new(Node::Leaf(leaf)))
}

fn as_leaf<V>(slot: &Slot<V>) -> Option<&Leaf<V>> {
    match slot.as_deref()? {
        Node::Leaf(leaf) => Some(leaf),
        _ => None,
    }
}

pub(crate) struct SenderMap<V> {
    root: Slot<V>,
    len: usize,
}

impl<V> Clone for SenderMap<V> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            len: self.len,
        }
    }
}

impl<V> Default for SenderMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> SenderMap<V> {
    pub(crate) const fn new() -> Self {
        Self { root: None, len: 0 }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the value whose key has this hash and satisfies `eq`.
    #[inline]
    pub(crate) fn get(&self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<&V> {
        let (mut node, mut rest) = (self.root.as_deref()?, hash);
        while let Node::Branch(slots) = node {
            node = slots[(rest >> (u64::BITS - BITS)) as usize].as_deref()?;
            rest <<= BITS;
        }
        match node {
            Node::Leaf(leaf) => leaf.values[leaf.find(hash, eq)?].as_ref(),
            Node::Clash(entries) => Some(&entries.iter().find(|(_, value)| eq(value))?.1),
            Node::Branch(_) => None,
        }
    }

    /// Returns every value, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        Iter {
            levels: vec![std::slice::from_ref(&self.root).iter()],
            last: None,
            leaf: [].iter(),
            clash: [].iter(),
        }
    }
}

impl<V: Clone> SenderMap<V> {
    /// Puts `value` under `hash`. Returns the value whose place it takes, if any.
    pub(crate) fn insert(&mut self, hash: u64, value: V, eq: impl Fn(&V) -> bool) -> Option<V> {
        if self.len == 0 {
            self.root = slot(Leaf::new(0));
        }
        let old = insert(&mut self.root, 0, hash, value, &eq);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes out the value whose key has this hash and satisfies `eq`. It copies no node if there
    /// is none.
    pub(crate) fn remove(&mut self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<V> {
        self.get(hash, &eq)?;
        let old = remove(&mut self.root, 0, hash, &eq);
        self.len -= usize::from(old.is_some());
        if self.len == 0 {
            self.root = None;
        }
        old
    }
}

/// Returns the node, to be changed in place. It is a copy if other maps hold it.
fn own<V: Clone>(slot: &mut Slot<V>) -> Option<&mut Node<V>> {
    slot.as_mut().map(Arc::make_mut)
}

/// Returns the slot for `hash` in a branch below `start` bits.
fn index(start: u32, hash: u64) -> usize {
    ((hash << start) >> (u64::BITS - BITS)) as usize
}

/// Returns the slots of a branch above `end` bits that share the leaf at `at`.
fn block(at: usize, end: u32, depth: u32) -> Range<usize> {
    let size = 1 << (end - depth);
    let first = at & !(size - 1);
    first..first + size
}

/// Changes the leaf that all of `slots` share.
fn change<V: Clone, T>(slots: &mut [Slot<V>], change: impl FnOnce(&mut Leaf<V>) -> T) -> Option<T> {
    let (first, others) = slots.split_first_mut()?;
    others.fill(None);
    let Node::Leaf(leaf) = own(first)? else {
        return None;
    };
    let result = change(leaf);
    others.fill(first.clone());
    Some(result)
}

/// Inserts a value below `start` bits of the hash. `below` is the slot that those bits lead to, and
/// no other slot shares it.
fn insert<V: Clone>(
    below: &mut Slot<V>,
    start: u32,
    hash: u64,
    value: V,
    eq: &impl Fn(&V) -> bool,
) -> Option<V> {
    let has_room = |leaf: &Leaf<V>| usize::from(leaf.len) < ROOM || leaf.find(hash, eq).is_some();
    let mut node = own(below)?;
    if let Node::Leaf(leaf) = node {
        if has_room(leaf) {
            return leaf.put(hash, value, eq);
        }
        if start >= DEPTH {
            let entries = leaf.entries().collect();
            *node = Node::Clash(entries);
        } else {
            let upper = slot(leaf.split());
            let lower = below.take();
            let half = |at| if at < WIDTH / 2 { &lower } else { &upper };
            let branch = Node::Branch(std::array::from_fn(|at| half(at).clone()));
            node = Arc::make_mut(below.insert(Arc::new(branch)));
        }
    }
    let slots = match node {
        Node::Branch(slots) => slots,
        Node::Clash(entries) => {
            if let Some((_, old)) = entries.iter_mut().find(|(_, old)| eq(old)) {
                return Some(mem::replace(old, value));
            }
            entries.push((hash, value));
            return None;
        }
        Node::Leaf(_) => return None,
    };
    let (at, end) = (index(start, hash), start + BITS);
    loop {
        let Some(leaf) = as_leaf(&slots[at]).filter(|leaf| leaf.depth < end) else {
            return insert(&mut slots[at], end, hash, value, eq);
        };
        let (has_room, shared) = (has_room(leaf), block(at, end, leaf.depth));
        let shared = &mut slots[shared];
        if has_room {
            return change(shared, |leaf| leaf.put(hash, value, eq))?;
        }
        let upper = change(shared, Leaf::split)?;
        let middle = shared.len() / 2;
        shared[middle..].fill(slot(upper));
    }
}

/// Removes an entry that is known to be there.
fn remove<V: Clone>(
    below: &mut Slot<V>,
    start: u32,
    hash: u64,
    eq: &impl Fn(&V) -> bool,
) -> Option<V> {
    let node = own(below)?;
    let slots = match node {
        Node::Branch(slots) => slots,
        Node::Leaf(leaf) => return leaf.take(hash, eq),
        Node::Clash(entries) => {
            let at = entries.iter().position(|(_, value)| eq(value))?;
            let (_, old) = entries.swap_remove(at);
            if entries.len() <= JOIN {
                let mut leaf = Leaf::new(start);
                let entries = entries.drain(..);
                entries.for_each(|(hash, value)| leaf.push(hash, value));
                *node = Node::Leaf(leaf);
            }
            return Some(old);
        }
    };
    let (at, end) = (index(start, hash), start + BITS);
    let old = match as_leaf(&slots[at]).map(|leaf| leaf.depth) {
        Some(depth) => change(&mut slots[block(at, end, depth)], |leaf| {
            leaf.take(hash, eq)
        })?,
        None => remove(&mut slots[at], end, hash, eq),
    };
    while join(slots, at, end) {}
    // A leaf that all slots share needs no branch.
    if as_leaf(&slots[0]).is_some_and(|leaf| leaf.depth == start) {
        *below = slots[0].take();
    }
    old
}

/// Joins the leaf at `at` with its other half if that is a leaf too and both are small.
fn join<V: Clone>(slots: &mut [Slot<V>], at: usize, end: u32) -> bool {
    let Some(leaf) = as_leaf(&slots[at]) else {
        return false;
    };
    let (depth, len) = (leaf.depth, leaf.len);
    let own = block(at, end, depth);
    if own.len() == slots.len() {
        return false;
    }
    match as_leaf(&slots[own.start ^ own.len()]) {
        Some(leaf) if leaf.depth == depth && usize::from(leaf.len + len) <= JOIN => {}
        _ => return false,
    }
    let both = &mut slots[block(at, end, depth - 1)];
    let mut joined = Leaf::new(depth - 1);
    for half in both.chunks_mut(own.len()) {
        change(half, |leaf| {
            let entries = leaf.entries();
            entries.for_each(|(hash, value)| joined.push(hash, value));
        });
    }
    both.fill(slot(joined));
    true
}

struct Iter<'a, V> {
    levels: Vec<std::slice::Iter<'a, Slot<V>>>,
    /// The leaf before. It is used to pass over the other slots that share it.
    last: Option<&'a Arc<Node<V>>>,
    leaf: std::slice::Iter<'a, Option<V>>,
    clash: std::slice::Iter<'a, (u64, V)>,
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        loop {
            if let Some(value) = self
                .leaf
                .by_ref()
                .flatten()
                .next()
                .or_else(|| Some(&self.clash.next()?.1))
            {
                return Some(value);
            }
            let Some(slot) = self.levels.last_mut()?.next() else {
                self.levels.pop();
                continue;
            };
            let Some(node) = slot else { continue };
            if self
                .last
                .replace(node)
                .is_some_and(|last| Arc::ptr_eq(last, node))
            {
                continue;
            }
            match &**node {
                Node::Branch(slots) => self.levels.push(slots.iter()),
                Node::Leaf(leaf) => self.leaf = leaf.values.iter(),
                Node::Clash(entries) => self.clash = entries.iter(),
            }
        }
    }
}

#[cfg(test)]
mod tests;
