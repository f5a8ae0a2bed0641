//! Tests that the list agrees with a sorted `Vec`, whatever way it is changed, and counts its
//! items.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Held(Arc<(i32, u64)>);

impl Held {
    fn count(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl Item for Held {
    fn order(&self) -> Order {
        Order::new(self.0.0, self.0.1)
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn items(count: u64) -> Vec<Held> {
    (0..count).map(|at| Held(Arc::new((0, at)))).collect()
}

/// Changes `list`. Returns the list as it was, if that is to be kept.
fn change(list: &mut List<Held>, is_kept: bool, next: List<Held>) -> Option<List<Held>> {
    let before = std::mem::replace(list, next);
    is_kept.then_some(before)
}

fn put(list: &mut List<Held>, is_kept: bool, item: &Held) -> Option<List<Held>> {
    let next = list.with(std::slice::from_ref(item));
    change(list, is_kept, next)
}

fn take(list: &mut List<Held>, is_kept: bool, item: &Held) -> Option<List<Held>> {
    let next = list.without(item).expect("it was put in");
    change(list, is_kept, next)
}

fn numbers(list: &List<Held>) -> Vec<u64> {
    assert_eq!(list.iter().count(), list.len());
    list.iter().map(|item| item.0.1).collect()
}

fn sorted(model: &[Held]) -> Vec<u64> {
    let mut sorted = model.to_vec();
    sorted.sort_by_key(Held::order);
    sorted.iter().map(|item| item.0.1).collect()
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_vec(
        start in prop_oneof![Just(0_u64), 1..200_u64, 2_000..5_000_u64],
        // Connecting gains, loses, or holds its own.
        gain in 1_u8..10,
        steps in prop::collection::vec((0_u8..10, any::<bool>(), 0_i32..3, any::<prop::sample::Index>()), 0..500),
    ) {
        let item = |priority, number| Held(Arc::new((priority, number)));
        let mut model: Vec<Held> = (0..start).map(|number| item(0, number)).collect();
        let mut list = List::empty().with(&model);
        let mut kept: Vec<(List<Held>, Vec<u64>)> = Vec::new();
        for (number, (step, is_kept, priority, which)) in (start..).zip(steps) {
            let was = numbers(&list);
            let before = if step < gain || model.is_empty() {
                // The item is mostly put at the end.
                let priority = if priority == 2 { 1 } else { 0 };
                model.push(item(priority, number));
                put(&mut list, is_kept, &model[model.len() - 1])
            } else {
                let gone = model.swap_remove(which.index(model.len()));
                take(&mut list, is_kept, &gone)
            };
            kept.extend(before.map(|before| (before, was)));
            if number % 3 == 0 && !kept.is_empty() {
                kept.swap_remove(which.index(kept.len()));
            }
        }
        prop_assert_eq!(numbers(&list), sorted(&model));
        for (before, was) in kept.drain(..) {
            prop_assert_eq!(numbers(&before), was);
        }
        // No other owner is left that counts.
        prop_assert!(model.iter().all(|item| item.count() == 2));
        drop(list);
        prop_assert!(model.iter().all(|item| item.count() == 1));
    }
}

#[test]
fn a_change_of_a_long_list_shares_all_leaves_but_one() {
    let items = items(5_000);
    let list = List::empty().with(&items);
    let next = list.without(&items[2_500]).expect("it is there");
    let copied = items.iter().filter(|item| item.count() > 2).count();
    assert!(
        (1..=2 * LEAF).contains(&copied),
        "{copied} items were copied"
    );
    drop((list, next));
    assert!(items.iter().all(|item| item.count() == 1));
}

#[test]
fn without_all_leaves_what_taking_out_one_by_one_leaves() {
    for len in [2, 3, 64, 65, 1_000, 5_000] {
        let items = items(len);
        let list = List::empty().with(&items);
        for step in [1, 2, 3, 100] {
            let (removed, kept): (Vec<_>, Vec<_>) =
                items.iter().cloned().partition(|item| item.0.1 % step == 0);
            let left = list.without_all(&removed).expect("all are in it");
            assert_eq!(numbers(&left), sorted(&kept), "{len}, each of {step}");
            let grown = left.with(&removed[..1]);
            assert_eq!(grown.len(), kept.len() + 1);
            assert!(left.without_all(&removed[..1]).is_none(), "it is out");
        }
    }
}

#[test]
fn entries_that_are_not_there_are_not_taken_out() {
    let items = items(200);
    let list = List::empty().with(&items[1..]);
    assert!(list.without(&items[0]).is_none());
}

#[test]
fn one_item_alone_has_no_array() {
    let is_alone = |list: &List<Held>| matches!(list.flat(), Some(Run::One(_)));
    let items = items(3);
    for is_kept in [false, true] {
        let mut list = List::empty();
        put(&mut list, is_kept, &items[1]);
        assert!(is_alone(&list), "{is_kept}");
        put(&mut list, is_kept, &items[0]);
        put(&mut list, is_kept, &items[2]);
        assert_eq!(numbers(&list), [0, 1, 2], "{is_kept}");
        take(&mut list, is_kept, &items[0]);
        assert!(!is_alone(&list), "{is_kept}");
        take(&mut list, is_kept, &items[2]);
        assert!(is_alone(&list), "{is_kept}");
        assert_eq!(numbers(&list), [1], "{is_kept}");
        take(&mut list, is_kept, &items[1]);
        assert!(list.is_empty(), "{is_kept}");
        assert!(items.iter().all(|item| item.count() == 1), "{is_kept}");
    }
}

/// Returns the number of leaves below `node`, all of whose nodes have at most as many parts as they
/// may.
fn leaves_of_legal_size(node: &Node<Held>) -> usize {
    match node {
        Node::Leaf(items) => {
            assert!(
                (1..=LEAF).contains(&items.len()),
                "a leaf of {}",
                items.len()
            );
            1
        }
        Node::Inner(children) => {
            assert!(
                (1..=FAN).contains(&children.len()),
                "{} children",
                children.len()
            );
            children
                .iter()
                .map(|child| leaves_of_legal_size(&child.node))
                .sum()
        }
    }
}

/// Asserts that no two inner nodes below the root that stand side by side are so small that they
/// would be one.
fn assert_joined(node: &Node<Held>) {
    let Node::Inner(children) = node else {
        return;
    };
    for pair in children.windows(2) {
        if let (Node::Inner(a), Node::Inner(b)) = (&pair[0].node, &pair[1].node) {
            let (a, b) = (a.len(), b.len());
            assert!(a + b > FAN / 2, "neighbors of {a} and {b} children");
        }
    }
}

#[test]
fn leaves_are_full_if_items_are_appended() {
    let items = items(3_000);
    for at_once in [1, 7, 500] {
        let mut list = List::empty();
        for (chunk, some) in items.chunks(at_once).enumerate() {
            list = list.with(some);
            let len = (chunk * at_once) + some.len();
            // The array of a short list becomes two leaves, which are divided evenly.
            if len > 2 * FLAT {
                let leaves = leaves_of_legal_size(&list.root);
                assert!(leaves <= len.div_ceil(LEAF) + 1, "{len} in {leaves} leaves");
            }
        }
        assert_eq!(numbers(&list), sorted(&items));
    }
}

#[test]
fn nodes_keep_their_sizes_while_a_list_grows_all_over() {
    let items = items(3_000);
    let mut list = List::empty();
    for step in 0..items.len() {
        // 1,103 is prime: the list gains items all over, and each only once.
        list = list.with(std::slice::from_ref(&items[step * 1_103 % items.len()]));
        if step > FLAT && step % 10 == 0 {
            let leaves = leaves_of_legal_size(&list.root);
            assert!(
                leaves <= list.len() / (LEAF / 2),
                "{} in {leaves} leaves",
                list.len()
            );
        }
    }
    assert_eq!(numbers(&list), sorted(&items));
}

#[test]
fn nodes_keep_their_sizes_whatever_number_is_put_in_at_once() {
    for before in [0, 1, 31, 32, 63, 64, 65, 96, 1_000] {
        for added in [1, 2, 31, 32, 33, 63, 64, 96, 128, 2_000] {
            let items = items(before + added);
            let whole = sorted(&items);
            // At the end, at the beginning, and in the middle.
            for start in [before, 0, before / 2] {
                let (start, end) = (start as usize, (start + added) as usize);
                let others = [&items[..start], &items[end..]].concat();
                let list = List::empty().with(&others).with(&items[start..end]);
                assert_eq!(numbers(&list), whole, "{before} and {added} at {start}");
                if list.len() > FLAT {
                    leaves_of_legal_size(&list.root);
                }
            }
        }
    }
}

/// Leaves join as they run low, and no leaf becomes larger than it may be.
#[test]
fn nodes_keep_their_sizes_while_a_list_shrinks() {
    let items = items(5_000);
    // 2,503 is prime: the list loses items all over, and each only once.
    let spread = |step: usize| &items[step * 2_503 % items.len()];
    let mut list = List::empty().with(&items);
    for step in 0..4_800 {
        take(&mut list, false, spread(step));
        if step % 100 == 0 {
            leaves_of_legal_size(&list.root);
            assert_joined(&list.root);
        }
    }
    let leaves = leaves_of_legal_size(&list.root);
    // Two neighbors have more than 24 items. Otherwise they would be one leaf.
    assert!(leaves <= 2 * 200 / 24 + 1, "200 items in {leaves} leaves");
}

/// Full leaves on both sides have no room for the leaf that loses its items.
#[test]
fn a_leaf_that_loses_its_last_item_is_taken_out() {
    let items = items(8 * LEAF as u64);
    for leaf in [0, 3, 7] {
        let mut list = List::empty().with(&items);
        let gone = leaf * LEAF..(leaf + 1) * LEAF;
        for item in &items[gone.clone()] {
            take(&mut list, false, item);
        }
        let left = [&items[..gone.start], &items[gone.end..]].concat();
        assert_eq!(numbers(&list), sorted(&left));
        assert_eq!(leaves_of_legal_size(&list.root), 7);
    }
}
