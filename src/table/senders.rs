//! The persistent map from sender to that sender's receivers.
//!
//! Every published table holds one. Cloning takes one reference; a change copies the path to one leaf and shares the
//! rest, and where nothing is shared (a batch being built) it changes the nodes in place.
//!
//! The shape is a radix trie over the bits of the hash, most significant first. A branch is a plain array indexed by
//! the next bits, so a lookup is one load a level and no counting of bits. A leaf holds up to [`ROOM`] entries and is
//! split on one bit at a time: until the split reaches the width of its branch, neighbouring slots point at the same
//! leaf. That keeps the leaves more than half full at every size of the map.

use std::sync::Arc;

/// Bits of the hash that one branch consumes.
const BITS: u32 = 4;
/// Slots of a branch.
const WIDTH: usize = 1 << BITS;
/// Entries of a leaf.
const ROOM: usize = 8;
/// Two halves are joined again at this many entries: well below `ROOM`, so that a connect and disconnect in turn
/// do not split and join the same leaf.
const JOIN: usize = ROOM / 2;

/// `None` only while the leaf behind it is being changed.
type Slot<V> = Option<Arc<Node<V>>>;

enum Node<V> {
    Branch([Slot<V>; WIDTH]),
    Leaf(Leaf<V>),
    /// More than `ROOM` entries whose hashes are equal in all 64 bits.
    Clash(u64, Vec<V>),
}

struct Leaf<V> {
    /// How many leading bits of the hash all entries share by place.
    depth: u8,
    len: u8,
    hashes: [u64; ROOM],
    values: [Option<V>; ROOM],
}

pub(crate) struct SenderMap<V> {
    root: [Slot<V>; 1],
    len: usize,
}

impl<V> Leaf<V> {
    fn new(depth: u8) -> Self {
        Self {
            depth,
            len: 0,
            hashes: [0; ROOM],
            values: [const { None }; ROOM],
        }
    }

    #[inline]
    fn find(&self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<usize> {
        (0..ROOM.min(self.len.into()))
            .find(|&at| self.hashes[at] == hash && self.values[at].as_ref().is_some_and(&eq))
    }

    fn push(&mut self, hash: u64, value: V) {
        let at = usize::from(self.len);
        self.hashes[at] = hash;
        self.values[at] = Some(value);
        self.len += 1;
    }

    fn take(&mut self, at: usize) -> Option<V> {
        let last = usize::from(self.len) - 1;
        self.hashes.swap(at, last);
        self.values.swap(at, last);
        self.len -= 1;
        self.values[last].take()
    }

    fn entries(&mut self) -> impl Iterator<Item = (u64, V)> + '_ {
        self.len = 0;
        self.hashes
            .iter()
            .zip(&mut self.values)
            .filter_map(|(&hash, value)| Some((hash, value.take()?)))
    }
}

impl<V: Clone> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Branch(slots) => {
                // Reading the counts first lets the cache misses overlap; the locked increments would take them in turn.
                std::hint::black_box(
                    slots
                        .iter()
                        .flatten()
                        .map(Arc::strong_count)
                        .fold(0, usize::wrapping_add),
                );
                Self::Branch(slots.clone())
            }
            Self::Leaf(leaf) => Self::Leaf(Leaf {
                values: leaf.values.clone(),
                ..*leaf
            }),
            Self::Clash(hash, values) => Self::Clash(*hash, values.clone()),
        }
    }
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
        Self {
            root: [None],
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value whose key has this hash and satisfies `eq`.
    #[inline]
    pub(crate) fn get(&self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<&V> {
        let mut node = self.root[0].as_deref()?;
        let mut rest = hash;
        loop {
            match node {
                Node::Branch(slots) => {
                    node = slots[(rest >> (64 - BITS)) as usize].as_deref()?;
                    rest <<= BITS;
                }
                Node::Leaf(leaf) => return leaf.values[leaf.find(hash, eq)?].as_ref(),
                Node::Clash(all, values) => {
                    return values.iter().find(|value| *all == hash && eq(value));
                }
            }
        }
    }

    /// Every value, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        Iter {
            levels: vec![self.root.iter()],
            last: None,
            leaf: [].iter(),
            clash: [].iter(),
        }
    }
}

impl<V: Clone> SenderMap<V> {
    /// Puts `value` under `hash`; the value it takes the place of, if any, is handed back.
    pub(crate) fn insert(&mut self, hash: u64, value: V, eq: impl Fn(&V) -> bool) -> Option<V> {
        let old = insert(&mut self.root, 0, hash, value, &eq);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes the value out whose key has this hash and satisfies `eq`.
    pub(crate) fn remove(&mut self, hash: u64, eq: impl Fn(&V) -> bool) -> Option<V> {
        self.get(hash, &eq)?;
        let old = remove(&mut self.root, 0, hash, &eq);
        self.len -= usize::from(old.is_some());
        if self.len == 0 {
            self.root = [None];
        }
        old
    }
}

/// Which of `slots` (1 at the root, else `WIDTH`), reached after `end` bits, is the one for `hash`.
fn index(slots: usize, end: u32, hash: u64) -> usize {
    if slots == 1 {
        0
    } else {
        ((hash << (end - BITS)) >> (64 - BITS)) as usize
    }
}

/// The slots that share the leaf at `at`, given how deep it is split.
fn block(at: usize, end: u32, depth: u8) -> std::ops::Range<usize> {
    let size = 1 << (end - u32::from(depth));
    let start = at & !(size - 1);
    start..start + size
}

/// Changes the leaf that `slots` (all of them) share; they point at the changed leaf afterwards.
fn change<V: Clone, T>(slots: &mut [Slot<V>], change: impl FnOnce(&mut Node<V>) -> T) -> Option<T> {
    let (first, others) = slots.split_first_mut()?;
    others.fill(None);
    let answer = change(Arc::make_mut(first.as_mut()?));
    others.fill(first.clone());
    Some(answer)
}

fn insert<V: Clone>(
    slots: &mut [Slot<V>],
    end: u32,
    hash: u64,
    value: V,
    eq: &impl Fn(&V) -> bool,
) -> Option<V> {
    let at = index(slots.len(), end, hash);
    loop {
        match slots[at].as_deref() {
            None => {
                let mut leaf = Leaf::new(end as u8);
                leaf.push(hash, value);
                slots[at] = Some(Arc::new(Node::Leaf(leaf)));
                return None;
            }
            Some(Node::Branch(_)) => {
                let Node::Branch(below) = Arc::make_mut(slots[at].as_mut()?) else {
                    return None;
                };
                return insert(below, end + BITS, hash, value, eq);
            }
            Some(Node::Clash(..)) => {
                let Node::Clash(_, values) = Arc::make_mut(slots[at].as_mut()?) else {
                    return None;
                };
                if let Some(old) = values.iter_mut().find(|value| eq(value)) {
                    return Some(std::mem::replace(old, value));
                }
                values.push(value);
                return None;
            }
            Some(Node::Leaf(leaf)) => {
                let (found, depth) = (leaf.find(hash, eq), leaf.depth);
                if found.is_some() || usize::from(leaf.len) < ROOM {
                    return change(&mut slots[block(at, end, depth)], |node| {
                        let Node::Leaf(leaf) = node else { return None };
                        if let Some(found) = found {
                            return leaf.values[found].replace(value);
                        }
                        leaf.push(hash, value);
                        None
                    })?;
                }
                split(slots, at, end, depth);
            }
        }
    }
}

/// Makes room: the full leaf at `at` becomes two, or a branch of one, or a clash.
fn split<V: Clone>(slots: &mut [Slot<V>], at: usize, end: u32, depth: u8) {
    let shared = &mut slots[block(at, end, depth)];
    let Some((first, others)) = shared.split_first_mut() else {
        return;
    };
    others.fill(None);
    if depth < 64 && u32::from(depth) == end {
        let below = std::array::from_fn(|_| first.clone());
        *first = Some(Arc::new(Node::Branch(below)));
        return;
    }
    let Some(mut whole) = first.take() else {
        return;
    };
    let Node::Leaf(leaf) = Arc::make_mut(&mut whole) else {
        return;
    };
    if depth == 64 {
        let hash = leaf.hashes[0];
        *first = Some(Arc::new(Node::Clash(
            hash,
            leaf.entries().map(|(_, value)| value).collect(),
        )));
        return;
    }
    let mut halves = [Leaf::new(depth + 1), Leaf::new(depth + 1)];
    for (hash, value) in leaf.entries() {
        halves[(hash << depth >> 63) as usize].push(hash, value);
    }
    for (part, half) in shared
        .chunks_mut((1 << (end - u32::from(depth))) / 2)
        .zip(halves)
    {
        part.fill(Some(Arc::new(Node::Leaf(half))));
    }
}

/// The entry is known to be there.
fn remove<V: Clone>(
    slots: &mut [Slot<V>],
    end: u32,
    hash: u64,
    eq: &impl Fn(&V) -> bool,
) -> Option<V> {
    let at = index(slots.len(), end, hash);
    let old = match slots[at].as_deref()? {
        Node::Branch(_) => {
            let Node::Branch(below) = Arc::make_mut(slots[at].as_mut()?) else {
                return None;
            };
            let old = remove(below, end + BITS, hash, eq);
            // A leaf that all slots share needs no branch above it.
            if matches!(below[0].as_deref(), Some(Node::Leaf(leaf)) if u32::from(leaf.depth) == end)
            {
                let leaf = below[0].take();
                slots[at] = leaf;
            }
            old
        }
        Node::Clash(..) => {
            let Node::Clash(hash, values) = Arc::make_mut(slots[at].as_mut()?) else {
                return None;
            };
            let found = values.iter().position(eq)?;
            let old = values.swap_remove(found);
            if values.len() <= JOIN {
                let mut leaf = Leaf::new(64);
                values.drain(..).for_each(|value| leaf.push(*hash, value));
                slots[at] = Some(Arc::new(Node::Leaf(leaf)));
            }
            Some(old)
        }
        Node::Leaf(leaf) => {
            let (found, depth) = (leaf.find(hash, eq)?, leaf.depth);
            change(&mut slots[block(at, end, depth)], |node| match node {
                Node::Leaf(leaf) => leaf.take(found),
                _ => None,
            })?
        }
    };
    while join(slots, at, end) {}
    old
}

/// Joins the leaf at `at` with its other half if both are leaves and small.
fn join<V: Clone>(slots: &mut [Slot<V>], at: usize, end: u32) -> bool {
    let Some(Node::Leaf(leaf)) = slots[at].as_deref() else {
        return false;
    };
    let (depth, len, own) = (leaf.depth, leaf.len, block(at, end, leaf.depth));
    if own.len() == slots.len() {
        return false;
    }
    let other = own.start ^ own.len();
    match slots[other].as_deref() {
        Some(Node::Leaf(leaf)) if leaf.depth == depth && usize::from(leaf.len + len) <= JOIN => {}
        _ => return false,
    }
    let both = &mut slots[block(at, end, depth - 1)];
    let mut joined = Leaf::new(depth - 1);
    for half in [0, own.len()] {
        let Some(Node::Leaf(leaf)) = both[half].as_mut().map(Arc::make_mut) else {
            continue;
        };
        leaf.entries()
            .for_each(|(hash, value)| joined.push(hash, value));
    }
    both.fill(Some(Arc::new(Node::Leaf(joined))));
    true
}

struct Iter<'a, V> {
    levels: Vec<std::slice::Iter<'a, Slot<V>>>,
    /// The slot before, to pass over the others that share its leaf.
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
                Node::Leaf(leaf) => self.leaf = leaf.values[..leaf.len.into()].iter(),
                Node::Clash(_, values) => self.clash = values.iter(),
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

    /// Leaves sit where their depth says, hold only hashes of their place, and `len` counts what is there.
    fn check<V>(slots: &[Slot<V>], end: u32, prefix: u64) -> usize {
        let (mut at, mut count) = (0, 0);
        while at < slots.len() {
            let first = slots[at].as_ref().expect("every slot is taken");
            let place = if end == 0 {
                0
            } else {
                prefix | (at as u64) << (64 - end)
            };
            let mut size = 1;
            match &**first {
                Node::Branch(below) => count += check(below, end + BITS, place),
                Node::Clash(all, values) => {
                    assert!(end == 64 && *all == place && values.len() > JOIN);
                    count += values.len();
                }
                Node::Leaf(leaf) => {
                    let shared = block(at, end, leaf.depth);
                    assert!(
                        shared.start == at
                            && slots[shared.clone()]
                                .iter()
                                .flatten()
                                .all(|slot| Arc::ptr_eq(slot, first))
                    );
                    size = shared.len();
                    let used = usize::from(leaf.len);
                    let same =
                        |hash: u64| leaf.depth == 0 || (hash ^ place) >> (64 - leaf.depth) == 0;
                    assert!(leaf.hashes[..used].iter().all(|&hash| same(hash)));
                    assert!(
                        leaf.values[..used].iter().all(Option::is_some)
                            && leaf.values[used..].iter().all(Option::is_none)
                    );
                    count += used;
                }
            }
            at += size;
        }
        count
    }

    fn sound<V>(map: &SenderMap<V>) {
        let held = if map.root[0].is_none() {
            0
        } else {
            check(&map.root, 0, 0)
        };
        assert_eq!(held, map.len());
        assert_eq!(map.iter().count(), map.len());
        assert_eq!(map.root[0].is_none(), map.is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_std(
            kind in 0u8..5,
            span in prop_oneof![Just(4u64), Just(40), Just(2000)],
            steps in prop::collection::vec((0u8..20, any::<u64>()), 0..600),
        ) {
            let random = RandomState::new();
            let (mut map, mut model) = (SenderMap::<Pair>::new(), HashMap::new());
            let mut kept: Vec<(SenderMap<Pair>, HashMap<u64, Arc<u64>>)> = Vec::new();
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
        }
        assert!(map.is_empty() && map.root[0].is_none());
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
