//! Tests that the map agrees with std's, whatever way it is changed.

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, hash_map::RandomState};
use std::hash::BuildHasher;

type Pair = (u64, Arc<u64>);
type Model = HashMap<u64, Arc<u64>>;

/// The two cases of a change: whether the map as it was before is still there during the change.
const IS_KEPT: [bool; 2] = [false, true];

/// Changes `map`. Returns the values that the change took out.
fn change<T>(
    map: &mut SenderMap<Pair>,
    is_kept: bool,
    change: impl FnOnce(&mut SenderMap<Pair>) -> T,
) -> T {
    let before = is_kept.then(|| map.clone());
    let taken = change(map);
    drop(before);
    taken
}

fn put(map: &mut SenderMap<Pair>, is_kept: bool, hash: u64, pair: Pair) -> Option<Pair> {
    change(map, is_kept, |map| {
        let key = pair.0;
        map.insert(hash, pair, |held| held.0 == key)
    })
}

fn take(map: &mut SenderMap<Pair>, is_kept: bool, hash: u64, key: u64) -> Option<Pair> {
    change(map, is_kept, |map| map.remove(hash, |held| held.0 == key))
}

/// Returns the hash, spoiled by `kind`: whole, all equal, equal in the upper 62 bits, in the lower
/// 56, in all but four near the end, or in all but two in the middle.
fn hash(random: &RandomState, kind: u8, key: u64) -> u64 {
    let whole = random.hash_one(key);
    match kind {
        0 => whole,
        1 => 7,
        2 => whole & 3,
        3 => whole << 56,
        4 => whole & (15 << 2),
        _ => whole & (3 << 33),
    }
}

/// Checks that leaves are where their depth requires and hold only hashes that lead there, and that
/// no branch is over so few entries that they should have been joined. Returns the number of
/// entries.
fn check<V>(slot: &Slot<V>, start: u32, prefix: u64) -> usize {
    let slots = match slot.as_deref().expect("every slot is taken") {
        Node::Branch(slots) => slots,
        Node::Clash(entries) => {
            assert!(start >= DEPTH && entries.len() > JOIN);
            return entries.len();
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
        kind in 0u8..6,
        span in prop_oneof![Just(4u64), Just(40), Just(2000)],
        steps in prop::collection::vec((0u8..20, any::<bool>(), any::<u64>()), 0..600),
    ) {
        let random = RandomState::new();
        let (mut map, mut model) = (SenderMap::<Pair>::new(), Model::new());
        let mut kept: Vec<(SenderMap<Pair>, Model)> = Vec::new();
        for (at, &(step, is_kept, number)) in steps.iter().enumerate() {
            let key = number % span;
            let (hash, eq) = (hash(&random, kind, key), |pair: &Pair| pair.0 == key);
            match step {
                0..10 => {
                    let value = Arc::new(at as u64);
                    let old = put(&mut map, is_kept, hash, (key, value.clone()));
                    prop_assert_eq!(old.map(|pair| pair.1), model.insert(key, value));
                }
                10..17 => {
                    let old = take(&mut map, is_kept, hash, key);
                    prop_assert_eq!(old.map(|pair| pair.1), model.remove(&key));
                }
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
fn a_map_grows_and_shrinks_until_it_is_empty() {
    let random = RandomState::new();
    for is_kept in IS_KEPT {
        let mut map = SenderMap::<Pair>::default();
        for key in 0..20_000 {
            let old = put(
                &mut map,
                is_kept,
                random.hash_one(key),
                (key, Arc::new(key)),
            );
            assert!(old.is_none());
        }
        sound(&map);
        let before = map.clone();
        for key in 0..20_000 {
            let hash = random.hash_one(key);
            let old = take(&mut map, is_kept, hash, key);
            assert!(old.is_some_and(|pair| pair.0 == key));
            assert!(take(&mut map, is_kept, hash, key).is_none());
            if key % 2_000 == 0 || key > 19_950 {
                sound(&map);
            }
        }
        assert!(map.is_empty());
        sound(&before);
        assert_eq!(before.len(), 20_000);
        assert!(before.iter().all(|pair| Arc::strong_count(&pair.1) == 1));
    }
}

#[test]
fn a_change_shares_all_but_a_path() {
    let random = RandomState::new();
    for is_kept in IS_KEPT {
        let mut map = SenderMap::<Pair>::new();
        for key in 0..20_000 {
            put(
                &mut map,
                is_kept,
                random.hash_one(key),
                (key, Arc::new(key)),
            );
        }
        let before = map.clone();
        assert!(take(&mut map, is_kept, random.hash_one(1_u64), 1).is_some());
        let held_twice = before.iter();
        let held_twice = held_twice.filter(|pair| Arc::strong_count(&pair.1) > 1);
        let held_twice = held_twice.count();
        assert!(held_twice <= 2 * ROOM, "{held_twice} values were copied");
    }
}
