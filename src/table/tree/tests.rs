//! The list agrees with a sorted `Vec`, whatever way it is changed, and counts what it holds.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Held(Arc<(i32, u64)>);

impl Counted for Held {
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

/// How a change comes by what it shares.
#[derive(Clone, Copy, Debug)]
enum How {
    Counted,
    /// Lent, and the list before goes.
    Alone,
    /// Lent, and the list before stays.
    Kept,
}

const HOW: [How; 3] = [How::Counted, How::Alone, How::Kept];

type Change<'c> = &'c dyn Fn(&List<Held>, &mut Sharing<Held>) -> List<Held>;

/// Changes `list`; returns what it was before, where that is to stay.
fn change(list: &mut List<Held>, how: How, change: Change<'_>) -> Option<List<Held>> {
    if let How::Counted = how {
        *list = change(list, &mut Sharing::Counted);
        return None;
    }
    // SAFETY: `with` and `without` share as they must; it is settled below.
    let mut sharing = unsafe { Sharing::lent() };
    let next = change(list, &mut sharing);
    match how {
        How::Kept => list.count_root(),
        _ => list.give_root(),
    }
    // SAFETY: of one change of `list`, whose root was given away or counted.
    unsafe { sharing.settle() };
    let before = mem::replace(list, next);
    matches!(how, How::Kept).then_some(before)
}

fn put(list: &mut List<Held>, how: How, item: &Held) -> Option<List<Held>> {
    let added = std::slice::from_ref(item);
    change(list, how, &|list, sharing| list.with(added, sharing))
}

fn take(list: &mut List<Held>, how: How, item: &Held) -> Option<List<Held>> {
    change(list, how, &|list, sharing| {
        list.without(item, sharing).expect("it was put in")
    })
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
        steps in prop::collection::vec((0_u8..10, 0..HOW.len(), 0_i32..3, any::<prop::sample::Index>()), 0..500),
    ) {
        let item = |priority, number| Held(Arc::new((priority, number)));
        let mut model: Vec<Held> = (0..start).map(|number| item(0, number)).collect();
        let mut list = List::empty().with(&model, &mut Sharing::Counted);
        let mut kept: Vec<(List<Held>, Vec<u64>)> = Vec::new();
        for (number, (step, how, priority, which)) in (start..).zip(steps) {
            let (how, was) = (HOW[how], numbers(&list));
            let before = if step < gain || model.is_empty() {
                // Mostly at the end.
                let priority = if priority == 2 { 1 } else { 0 };
                model.push(item(priority, number));
                put(&mut list, how, &model[model.len() - 1])
            } else {
                let gone = model.swap_remove(which.index(model.len()));
                take(&mut list, how, &gone)
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
        // Nobody else is left who counts.
        prop_assert!(model.iter().all(|item| item.count() == 2));
        drop(list);
        prop_assert!(model.iter().all(|item| item.count() == 1));
    }
}

#[test]
fn a_change_that_lends_counts_nothing() {
    let items: Vec<Held> = (0..5_000).map(|at| Held(Arc::new((0, at)))).collect();
    let mut list = List::empty().with(&items, &mut Sharing::Counted);
    // SAFETY: as in `change`.
    let mut sharing = unsafe { Sharing::lent() };
    let next = list.without(&items[2_500], &mut sharing);
    assert!(items.iter().all(|item| item.count() == 2));
    list.give_root();
    // SAFETY: as in `change`.
    unsafe { sharing.settle() };
    let counted_twice = items.iter().filter(|item| item.count() == 2);
    assert_eq!(counted_twice.count(), 4_999);
    drop(next);
    assert!(items.iter().all(|item| item.count() == 1));
}

#[test]
fn what_is_not_there_is_not_taken_out() {
    let items: Vec<Held> = (0..200).map(|at| Held(Arc::new((0, at)))).collect();
    let list = List::empty().with(&items[1..], &mut Sharing::Counted);
    assert!(list.without(&items[0], &mut Sharing::Counted).is_none());
    // SAFETY: nothing is shared, and nothing is changed.
    let mut sharing = unsafe { Sharing::lent() };
    assert!(list.without(&items[0], &mut sharing).is_none());
    // SAFETY: there are none.
    unsafe { sharing.settle() };
}

#[test]
fn one_item_alone_has_no_array() {
    let is_alone = |list: &List<Held>| matches!(list.flat(), Some(Run::One(_)));
    let items: Vec<Held> = (0..3).map(|at| Held(Arc::new((0, at)))).collect();
    for how in HOW {
        let mut list = List::empty();
        put(&mut list, how, &items[1]);
        assert!(is_alone(&list), "{how:?}");
        put(&mut list, how, &items[0]);
        put(&mut list, how, &items[2]);
        assert_eq!(numbers(&list), [0, 1, 2], "{how:?}");
        take(&mut list, how, &items[0]);
        assert!(!is_alone(&list), "{how:?}");
        take(&mut list, how, &items[2]);
        assert!(is_alone(&list), "{how:?}");
        assert_eq!(numbers(&list), [1], "{how:?}");
        take(&mut list, how, &items[1]);
        assert!(list.is_empty(), "{how:?}");
        assert!(items.iter().all(|item| item.count() == 1), "{how:?}");
    }
}
