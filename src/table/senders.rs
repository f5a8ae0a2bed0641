//! The persistent map from a sender to its list of receivers.
//!
//! Every published table holds one. Cloning takes one reference; a change copies the path to one leaf and shares the
//! rest, and what no other map shares (a batch being built) is changed in place.
//!
//! It is a radix trie over the bits of the hash, most significant first. A branch is a plain array indexed by the next
//! bits: a lookup is one load a level, with no bits to count. A leaf holds up to [`ROOM`] entries and is split on one
//! bit at a time; until the split is as deep as the branch above it, neighbouring slots share a leaf. So leaves stay
//! more than half full whatever the size of the map.

use std::ops::Range;
use std::sync::Arc;

/// Bits of the hash that a branch consumes. More would make lookups faster and changes dearer.
const BITS: u32 = 4;
/// Slots of a branch.
const WIDTH: usize = 1 << BITS;
/// Entries of a leaf.
const ROOM: usize = 8;
/// Two halves are joined again at this many entries: well below `ROOM`, so that connecting and disconnecting in turn
/// does not split and join the same leaf.
const JOIN: usize = ROOM / 2;

/// `None` in an empty map, and while the leaf below is being changed.
type Slot<V> = Option<Arc<Node<V>>>;

#[derive(Clone)]
enum Node<V> {
    Branch([Slot<V>; WIDTH]),
    Leaf(Leaf<V>),
    /// More than `ROOM` entries with one hash.
    Clash(Vec<V>),
}

struct Leaf<V> {
    /// How many leading bits of the hash are settled by where the leaf is.
    depth: u32,
    len: u16,
    hashes: [u64; ROOM],
    values: [Option<V>; ROOM],
}

/// Where in a leaf an entry is put: until another takes its place, a lookup need not search, and knows where to look
/// before it has the leaf.
fn home(hash: u64) -> usize {
    hash as usize % ROOM
}

impl<V> Leaf<V> {
    fn new(depth: u32) -> Self {
        Self {
            depth,
            len: 0,
            hashes: [0; ROOM],
            values: [const { None }; ROOM],
        }
    }

    #[inline]
    fn find(&self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<usize> {
        let (mut at, mut next) = (home(hash), 0);
        loop {
            if self.hashes[at] == hash && self.values[at].as_ref().is_some_and(&eq) {
                return Some(at);
            }
            at = next
                + self.hashes[next..]
                    .iter()
                    .position(|&other| other == hash)?;
            next = at + 1;
        }
    }

    /// The entry that was at home there moves on.
    fn push(&mut self, hash: u64, value: V) {
        let home = home(hash);
        let old = (self.hashes[home], self.values[home].replace(value));
        self.hashes[home] = hash;
        self.len += 1;
        if old.1.is_some() {
            let free = self
                .values
                .iter()
                .position(Option::is_none)
                .expect("a leaf with room");
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
        let values = std::mem::replace(&mut self.values, [const { None }; ROOM]);
        self.len = 0;
        self.hashes
            .into_iter()
            .zip(values)
            .filter_map(|(hash, value)| Some((hash, value?)))
    }

    /// Keeps the entries whose next bit is 0 and hands back the others.
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

    /// The value whose key has this hash and satisfies `eq`.
    #[inline]
    pub(crate) fn get(&self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<&V> {
        let (mut node, mut rest) = (self.root.as_deref()?, hash);
        while let Node::Branch(slots) = node {
            node = slots[(rest >> (u64::BITS - BITS)) as usize].as_deref()?;
            rest <<= BITS;
        }
        match node {
            Node::Leaf(leaf) => leaf.values[leaf.find(hash, eq)?].as_ref(),
            Node::Clash(values) => values.iter().find(|value| eq(value)),
            Node::Branch(_) => None,
        }
    }

    /// Every value, in no order that means anything.
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
    /// Puts `value` under `hash`; the value whose place it takes, if any, is handed back.
    pub(crate) fn insert(&mut self, hash: u64, value: V, eq: impl Fn(&V) -> bool) -> Option<V> {
        if self.len == 0 {
            self.root = slot(Leaf::new(0));
        }
        let old = insert(&mut self.root, 0, hash, value, &eq);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes out the value whose key has this hash and satisfies `eq`; copies nothing if there is none.
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

/// The slot for `hash` in a branch below `start` bits.
fn index(start: u32, hash: u64) -> usize {
    ((hash << start) >> (u64::BITS - BITS)) as usize
}

/// The slots of a branch above `end` bits that share the leaf at `at`.
fn block(at: usize, end: u32, depth: u32) -> Range<usize> {
    let size = 1 << (end - depth);
    let first = at & !(size - 1);
    first..first + size
}

/// Changes the leaf that `slots` (all of them) share.
fn change<V: Clone, T>(slots: &mut [Slot<V>], change: impl FnOnce(&mut Leaf<V>) -> T) -> Option<T> {
    let (first, others) = slots.split_first_mut()?;
    others.fill(None);
    let Node::Leaf(leaf) = Arc::make_mut(first.as_mut()?) else {
        return None;
    };
    let answer = change(leaf);
    others.fill(first.clone());
    Some(answer)
}

/// `below` is what `start` bits of the hash lead to, and no other slot shares it.
fn insert<V: Clone>(
    below: &mut Slot<V>,
    start: u32,
    hash: u64,
    value: V,
    eq: &impl Fn(&V) -> bool,
) -> Option<V> {
    let has_room = |leaf: &Leaf<V>| usize::from(leaf.len) < ROOM || leaf.find(hash, eq).is_some();
    let mut node = Arc::make_mut(below.as_mut()?);
    if let Node::Leaf(leaf) = node {
        if has_room(leaf) {
            return leaf.put(hash, value, eq);
        }
        if start >= u64::BITS {
            let values = leaf.entries().map(|(_, value)| value).collect();
            *node = Node::Clash(values);
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
        Node::Clash(values) => {
            if let Some(old) = values.iter_mut().find(|old| eq(old)) {
                return Some(std::mem::replace(old, value));
            }
            values.push(value);
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

/// The entry is known to be there.
fn remove<V: Clone>(
    below: &mut Slot<V>,
    start: u32,
    hash: u64,
    eq: &impl Fn(&V) -> bool,
) -> Option<V> {
    let node = Arc::make_mut(below.as_mut()?);
    let slots = match node {
        Node::Branch(slots) => slots,
        Node::Leaf(leaf) => return leaf.take(hash, eq),
        Node::Clash(values) => {
            let old = values.swap_remove(values.iter().position(eq)?);
            if values.len() <= JOIN {
                let mut leaf = Leaf::new(start);
                values.drain(..).for_each(|value| leaf.push(hash, value));
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
    for half in [0, own.len()] {
        let leaf = as_leaf(&both[half]);
        let entries = leaf
            .into_iter()
            .flat_map(|leaf| leaf.hashes.iter().zip(&leaf.values));
        for (&hash, value) in entries {
            value
                .iter()
                .for_each(|value| joined.push(hash, value.clone()));
        }
    }
    both.fill(slot(joined));
    true
}

struct Iter<'a, V> {
    levels: Vec<std::slice::Iter<'a, Slot<V>>>,
    /// The leaf before, to pass over the other slots that share it.
    last: Option<&'a Arc<Node<V>>>,
    leaf: std::slice::Iter<'a, Option<V>>,
    clash: std::slice::Iter<'a, V>,
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
                .or_else(|| self.clash.next())
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
                Node::Clash(values) => self.clash = values.iter(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, hash_map::RandomState};
    use std::hash::BuildHasher;

    type Pair = (u64, Arc<u64>);
    type Model = HashMap<u64, Arc<u64>>;

    /// How the hash is spoilt: whole, all equal, equal in the upper 62 bits, in the lower 56, or two bits in the middle.
    fn hash(random: &RandomState, kind: u8, key: u64) -> u64 {
        let whole = random.hash_one(key);
        match kind {
            0 => whole,
            1 => 7,
            2 => whole & 3,
            3 => whole << 56,
            _ => whole & (3 << 33),
        }
    }

    /// Leaves are where their depth says and hold only hashes that lead there, and no branch is over so few entries
    /// that they should have been joined; returns how many entries there are.
    fn check<V>(slot: &Slot<V>, start: u32, prefix: u64) -> usize {
        let slots = match slot.as_deref().expect("every slot is taken") {
            Node::Branch(slots) => slots,
            Node::Clash(values) => {
                assert!(start >= 64 && values.len() > JOIN);
                return values.len();
            }
            Node::Leaf(leaf) => {
                let depth = leaf.depth;
                assert!(depth <= start);
                let taken: Vec<_> = (0..ROOM).filter(|&at| leaf.values[at].is_some()).collect();
                assert_eq!(taken.len(), usize::from(leaf.len));
                assert!(
                    taken
                        .iter()
                        .all(|&at| depth == 0 || (leaf.hashes[at] ^ prefix) >> (64 - depth) == 0)
                );
                return taken.len();
            }
        };
        let end = start + BITS;
        let (mut at, mut count) = (0, 0);
        while at < slots.len() {
            count += check(&slots[at], end, prefix | (at as u64) << (64 - end));
            let (Some(leaf), Some(node)) = (as_leaf(&slots[at]), &slots[at]) else {
                at += 1;
                continue;
            };
            assert!(leaf.depth > start);
            let shared = block(at, end, leaf.depth);
            assert_eq!(shared.start, at);
            assert!(
                slots[shared.clone()]
                    .iter()
                    .flatten()
                    .all(|other| Arc::ptr_eq(node, other))
            );
            at = shared.end;
        }
        assert!(count > JOIN, "a branch over {count} entries");
        count
    }

    fn sound<V>(map: &SenderMap<V>) {
        assert_eq!(map.root.is_none(), map.is_empty());
        assert_eq!(
            if map.is_empty() {
                0
            } else {
                check(&map.root, 0, 0)
            },
            map.len()
        );
        assert_eq!(map.iter().count(), map.len());
    }

    proptest! {
        #[test]
        fn agrees_with_std(
            kind in 0u8..5,
            span in prop_oneof![Just(4u64), Just(40), Just(2000)],
            steps in prop::collection::vec((0u8..20, any::<u64>()), 0..600),
        ) {
            let random = RandomState::new();
            let (mut map, mut model) = (SenderMap::<Pair>::new(), Model::new());
            let mut kept: Vec<(SenderMap<Pair>, Model)> = Vec::new();
            for (at, &(step, number)) in steps.iter().enumerate() {
                let key = number % span;
                let (hash, eq) = (hash(&random, kind, key), |pair: &Pair| pair.0 == key);
                match step {
                    0..10 => {
                        let value = Arc::new(at as u64);
                        let old = map.insert(hash, (key, value.clone()), eq).map(|pair| pair.1);
                        prop_assert_eq!(old, model.insert(key, value));
                    }
                    10..17 => prop_assert_eq!(map.remove(hash, eq).map(|pair| pair.1), model.remove(&key)),
                    17 => kept.push((map.clone(), model.clone())),
                    18 => drop(kept.pop()),
                    _ => prop_assert_eq!(map.get(hash, eq).map(|pair| &pair.1), model.get(&key)),
                }
            }
            kept.push((map, model));
            for (map, model) in &kept {
                sound(map);
                prop_assert_eq!(map.len(), model.len());
                for (key, value) in model {
                    let found = map.get(hash(&random, kind, *key), |pair| pair.0 == *key);
                    prop_assert!(found.is_some_and(|pair| Arc::ptr_eq(&pair.1, value)));
                }
                prop_assert!(map.iter().all(|pair| model.get(&pair.0) == Some(&pair.1)));
            }
            let values: Vec<_> = kept.iter().flat_map(|(_, model)| model.values().cloned()).collect();
            kept.clear();
            for value in &values {
                let held = values.iter().filter(|other| Arc::ptr_eq(value, other)).count();
                prop_assert_eq!(Arc::strong_count(value), held);
            }
        }
    }

    #[test]
    fn grows_and_shrinks_to_nothing() {
        let random = RandomState::new();
        let mut map = SenderMap::<Pair>::default();
        for key in 0..20_000 {
            assert!(
                map.insert(random.hash_one(key), (key, Arc::new(key)), |pair| pair.0
                    == key)
                    .is_none()
            );
        }
        sound(&map);
        let before = map.clone();
        for key in 0..20_000 {
            assert!(
                map.remove(random.hash_one(key), |pair| pair.0 == key)
                    .is_some_and(|pair| pair.0 == key)
            );
            assert!(
                map.remove(random.hash_one(key), |pair| pair.0 == key)
                    .is_none()
            );
            if key % 2_000 == 0 || key > 19_950 {
                sound(&map);
            }
        }
        assert!(map.is_empty());
        sound(&before);
        assert_eq!(before.len(), 20_000);
    }

    #[test]
    fn a_change_shares_all_but_a_path() {
        let random = RandomState::new();
        let mut map = SenderMap::<Pair>::new();
        for key in 0..20_000 {
            map.insert(random.hash_one(key), (key, Arc::new(key)), |pair| {
                pair.0 == key
            });
        }
        let mut next = map.clone();
        next.remove(random.hash_one(1), |pair| pair.0 == 1);
        let held_twice = map
            .iter()
            .filter(|pair| Arc::strong_count(&pair.1) > 1)
            .count();
        assert!(held_twice <= 2 * ROOM, "{held_twice} values were copied");
    }
}
