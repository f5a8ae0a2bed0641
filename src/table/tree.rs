//! The ordered list of receivers: a B+ tree whose nodes are shared between versions.
//!
//! A list of one item is the item itself, and up to [`FLAT`] items are one flat array, as in most
//! signals. Longer lists have shorter arrays under inner nodes. A change copies the nodes on one
//! path and shares the others, so it costs the same for a thousand items and little more for a
//! million.

use std::iter;
use std::ops::{ControlFlow, Deref, Range};
use std::slice;
use std::sync::Arc;

/// The maximum number of items in a list that is one array.
const FLAT: usize = 64;
/// The maximum number of items in a leaf of a longer list. A walk pays a jump per leaf. A change
/// counts each item of one leaf once more.
const LEAF: usize = 32;
/// The maximum number of children of an inner node.
const FAN: usize = 16;
/// The maximum number of levels of inner nodes. `join` keeps any two neighbors above half of `FAN`
/// together, so a level divides by 4 or more: enough for 2^36 leaves.
const LEVELS: usize = 18;

/// The place of an item: higher priority first, then lower number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Order(std::cmp::Reverse<i32>, u64);

impl Order {
    pub(crate) fn new(priority: i32, number: u64) -> Self {
        Order(std::cmp::Reverse(priority), number)
    }
}

/// An item of the list: a shared handle that has its place.
pub(crate) trait Item: Clone {
    /// Returns the place. It never changes, and no two items of a list have the same.
    fn order(&self) -> Order;

    /// Returns `true` if both are handles to the same item. The item is not read.
    fn is(&self, other: &Self) -> bool;
}

/// An immutable, ordered list. Cloning it is one reference count.
pub(crate) struct List<T> {
    root: Node<T>,
    len: usize,
}

pub(crate) enum Node<T> {
    Leaf(Run<T>),
    Inner(Arc<[Child<T>]>),
}

/// Neighbors in a list. One item alone has no array around it, so that a send has an address less
/// to load. These loads depend on one another.
pub(crate) enum Run<T> {
    /// One item. It is only the root of a list, and not of every list of one.
    One(T),
    Many(Arc<[T]>),
}

impl<T> Deref for Run<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Run::One(item) => slice::from_ref(item),
            Run::Many(items) => items,
        }
    }
}

impl<T: Clone> Clone for Run<T> {
    fn clone(&self) -> Self {
        match self {
            Run::One(item) => Run::One(item.clone()),
            Run::Many(items) => Run::Many(Arc::clone(items)),
        }
    }
}

pub(crate) struct Child<T> {
    first: Order,
    node: Node<T>,
}

impl<T: Clone> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(items) => Node::Leaf(items.clone()),
            Node::Inner(children) => Node::Inner(Arc::clone(children)),
        }
    }
}

impl<T: Clone> Clone for Child<T> {
    fn clone(&self) -> Self {
        Child {
            first: self.first,
            node: self.node.clone(),
        }
    }
}

impl<T: Clone> Clone for List<T> {
    fn clone(&self) -> Self {
        List {
            root: self.root.clone(),
            len: self.len,
        }
    }
}

impl<T: Item> List<T> {
    pub(crate) fn empty() -> Self {
        List {
            root: Node::array(Arc::default()),
            len: 0,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the list with `added`, which is sorted and has no item of the list.
    pub(crate) fn with(&self, added: &[T]) -> Self {
        if added.is_empty() {
            return self.clone();
        }
        if let ([item], 0) = (added, self.len) {
            return List {
                root: Node::Leaf(Run::One(item.clone())),
                len: 1,
            };
        }
        if let (Some(items), true) = (self.flat(), self.len + added.len() <= FLAT) {
            let items = match added {
                [item] => put_in(items, item),
                _ => merge(items, added).into(),
            };
            return List {
                len: items.len(),
                root: Node::array(items),
            };
        }
        let mut nodes = self.root.with(added, true);
        while nodes.len() > 1 {
            nodes = group(nodes, FAN).map(Node::Inner).map(child).collect();
        }
        List {
            root: nodes.pop().expect("a list with an item has a root").node,
            len: self.len + added.len(),
        }
    }

    /// Returns the list without `item`, or `None` if it does not have `item`.
    pub(crate) fn without(&self, item: &T) -> Option<Self> {
        let order = item.order();
        let at = self.root.place_of(item, order)?;
        if let Some([first, second]) = self.flat().map(|run| &**run) {
            let left = [second, first][at].clone();
            return Some(List {
                root: Node::Leaf(Run::One(left)),
                len: 1,
            });
        }
        let Some(mut root) = self.root.without(item, order) else {
            return Some(List::empty());
        };
        while let Node::Inner(children) = &root {
            let [only] = &children[..] else { break };
            root = only.node.clone();
        }
        Some(List {
            root,
            len: self.len - 1,
        })
    }

    /// Returns the list without `removed`, which are in order, or `None` if it lacks one of them.
    /// The cost is that of the length of the list, however many are removed.
    pub(crate) fn without_all(&self, removed: &[T]) -> Option<Self> {
        let mut removed = removed.iter().peekable();
        let stays = |item: &&T| removed.next_if(|removed| removed.is(item)).is_none();
        let kept: Vec<T> = self.iter().filter(stays).cloned().collect();
        removed.next().is_none().then(|| List::empty().with(&kept))
    }

    /// Returns the whole list, if it is one run.
    #[inline]
    pub(crate) fn flat(&self) -> Option<&Run<T>> {
        match &self.root {
            Node::Leaf(items) => Some(items),
            Node::Inner(_) => None,
        }
    }

    /// Calls `visit` with each run of neighbors, in order, until it breaks.
    #[inline]
    pub(crate) fn try_for_each_run<'t, B>(
        &'t self,
        visit: &mut impl FnMut(&'t [T]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match &self.root {
            Node::Leaf(items) => visit(items),
            Node::Inner(children) => for_each_run_below(children, visit),
        }
    }

    /// Returns the items in order.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        let none: &[Child<T>] = &[];
        let mut iter = Iter {
            run: [].iter(),
            above: [none; LEVELS],
            depth: 0,
        };
        iter.descend(&self.root);
        iter
    }
}

fn for_each_run_below<'t, T, B>(
    children: &'t [Child<T>],
    visit: &mut impl FnMut(&'t [T]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    for child in children {
        match &child.node {
            Node::Leaf(items) => visit(items)?,
            Node::Inner(children) => for_each_run_below(children, visit)?,
        }
    }
    ControlFlow::Continue(())
}

impl<T: Item> Node<T> {
    fn array(items: Arc<[T]>) -> Self {
        Node::Leaf(Run::Many(items))
    }

    /// Returns the index of `item` in its leaf.
    fn place_of(&self, item: &T, order: Order) -> Option<usize> {
        match self {
            Node::Leaf(items) => items.iter().position(|held| held.is(item)),
            Node::Inner(children) => {
                let child = &children[child_for(children, order)];
                child.node.place_of(item, order)
            }
        }
    }

    /// Returns the nodes, of this node's height, that hold its items and `added`. `is_last`: no
    /// node of the list stands after them.
    fn with(&self, added: &[T], is_last: bool) -> Vec<Child<T>> {
        match self {
            Node::Leaf(items) => {
                let last = items.last().map(T::order);
                let is_at_end = is_last && last.is_none_or(|last| last < added[0].order());
                if is_at_end && items.len() <= LEAF {
                    return self.append(items, added);
                }
                if let ([item], true) = (added, items.len() < LEAF) {
                    return vec![child(Node::array(put_in(items, item)))];
                }
                let merged = merge(items, added);
                group(merged, LEAF).map(Node::array).map(child).collect()
            }
            Node::Inner(children) => {
                let mut grown = Vec::new();
                let (mut done, mut rest) = (0, added);
                while let Some(item) = rest.first() {
                    let at = child_for(children, item.order());
                    let here = match children.get(at + 1) {
                        Some(next) => rest.partition_point(|item| item.order() < next.first),
                        None => rest.len(),
                    };
                    let (here, later) = rest.split_at(here);
                    rest = later;
                    let is_last = is_last && at + 1 == children.len();
                    let new = children[at].node.with(here, is_last);
                    if here.len() == added.len() && children.len() - 1 + new.len() <= FAN {
                        let node = splice(children, at..at + 1, new.into_iter());
                        return vec![child(Node::Inner(node))];
                    }
                    grown.extend_from_slice(&children[done..at]);
                    grown.extend(new);
                    done = at + 1;
                }
                grown.extend_from_slice(&children[done..]);
                group(grown, FAN).map(Node::Inner).map(child).collect()
            }
        }
    }

    /// Appends at the end, where most receivers are connected. It fills the last leaf, this one
    /// with `items`, and does not touch a full one, so that leaves are full and changes copy
    /// little.
    fn append(&self, items: &[T], added: &[T]) -> Vec<Child<T>> {
        let (here, later) = added.split_at(added.len().min(LEAF - items.len()));
        let mut nodes = Vec::with_capacity(1 + later.len().div_ceil(LEAF));
        if here.is_empty() {
            nodes.push(child(self.clone()));
        } else {
            let filled = splice(items, items.len()..items.len(), here.iter().cloned());
            nodes.push(child(Node::array(filled)));
        }
        nodes.extend(later.chunks(LEAF).map(|run| child(Node::array(run.into()))));
        nodes
    }

    /// Returns the node without `item`, which it has, or `None` if no item is left.
    fn without(&self, item: &T, order: Order) -> Option<Self> {
        match self {
            Node::Leaf(items) => {
                let at = self.place_of(item, order).expect("the list has the item");
                replace(items, at..at + 1, None).map(Node::array)
            }
            Node::Inner(children) => {
                let at = child_for(children, order);
                let old = &children[at];
                let (gone, new) = match old.node.without(item, order) {
                    None => (at..at + 1, None),
                    // A node that ran low joins a neighbor that has room for it.
                    Some(low) => {
                        let next = children.get(at + 1);
                        let previous = at.checked_sub(1).map(|at| &children[at]);
                        if let Some(next) = next.filter(|next| low.has_room_for(&next.node)) {
                            (at..at + 2, Some((old.first, low.join(&next.node))))
                        } else if let Some(previous) =
                            previous.filter(|previous| previous.node.has_room_for(&low))
                        {
                            let joined = previous.node.join(&low);
                            (at - 1..at + 1, Some((previous.first, joined)))
                        } else {
                            (at..at + 1, Some((old.first, low)))
                        }
                    }
                };
                let new = new.map(|(first, node)| Child { first, node });
                replace(children, gone, new).map(Node::Inner)
            }
        }
    }

    /// Returns `true` if this node and the next can be one that has room to grow.
    fn has_room_for(&self, next: &Node<T>) -> bool {
        match (self, next) {
            (Node::Leaf(a), Node::Leaf(b)) => a.len() + b.len() <= LEAF / 4 * 3,
            (Node::Inner(a), Node::Inner(b)) => a.len() + b.len() <= FAN / 2,
            _ => false,
        }
    }

    /// Returns this node and the next, of the same height, as one.
    fn join(&self, next: &Node<T>) -> Node<T> {
        match (self, next) {
            (Node::Leaf(a), Node::Leaf(b)) => Node::array(join(a, b)),
            (Node::Inner(a), Node::Inner(b)) => Node::Inner(join(a, b)),
            _ => unreachable!("neighbors have the same height"),
        }
    }

    fn first(&self) -> Order {
        match self {
            Node::Leaf(items) => items[0].order(),
            Node::Inner(children) => children[0].first,
        }
    }
}

/// Returns the handles of `old`, with `new` in the place of `gone`, as a new node.
fn splice<H: Clone>(
    old: &[H],
    gone: Range<usize>,
    new: impl ExactSizeIterator<Item = H>,
) -> Arc<[H]> {
    let before = old[..gone.start].iter().cloned();
    let after = old[gone.end..].iter().cloned();
    before.chain(new).chain(after).collect()
}

/// Returns `items` with `item` in its place.
fn put_in<T: Item>(items: &[T], item: &T) -> Arc<[T]> {
    let at = items.partition_point(|held| held.order() < item.order());
    splice(items, at..at, iter::once(item.clone()))
}

/// Does the same as [`splice`], but returns `None` if no handle is left.
fn replace<H: Clone>(old: &[H], gone: Range<usize>, new: Option<H>) -> Option<Arc<[H]>> {
    if new.is_none() && gone.len() == old.len() {
        return None;
    }
    Some(splice(old, gone, new.into_iter()))
}

/// Returns the handles of both nodes as one node.
fn join<H: Clone>(a: &[H], b: &[H]) -> Arc<[H]> {
    splice(a, a.len()..a.len(), b.iter().cloned())
}

fn child<T: Item>(node: Node<T>) -> Child<T> {
    Child {
        first: node.first(),
        node,
    }
}

/// Returns both in order, if each is in order and they have no item in common.
fn merge<T: Item>(items: &[T], added: &[T]) -> Vec<T> {
    debug_assert!(is_sorted(items) && is_sorted(added));
    let mut merged = Vec::with_capacity(items.len() + added.len());
    let mut rest = items;
    for item in added {
        let before = rest.partition_point(|held| held.order() < item.order());
        let (here, later) = rest.split_at(before);
        merged.extend_from_slice(here);
        merged.push(item.clone());
        rest = later;
    }
    merged.extend_from_slice(rest);
    merged
}

fn is_sorted<T: Item>(items: &[T]) -> bool {
    items.is_sorted_by(|a, b| a.order() < b.order())
}

/// Divides `parts` evenly among groups of at most `most`. There are as few groups as will hold
/// them.
fn group<P>(parts: Vec<P>, most: usize) -> impl Iterator<Item = Arc<[P]>> {
    let groups = parts.len().div_ceil(most);
    let (size, larger) = (parts.len() / groups, parts.len() % groups);
    let mut parts = parts.into_iter();
    (0..groups).map(move |at| {
        let size = size + usize::from(at < larger);
        parts.by_ref().take(size).collect()
    })
}

/// Returns the child whose range includes `order`.
fn child_for<T>(children: &[Child<T>], order: Order) -> usize {
    children[1..].partition_point(|child| child.first <= order)
}

/// The iterator of [`List::iter`]. It does not allocate.
pub(crate) struct Iter<'l, T> {
    run: std::slice::Iter<'l, T>,
    above: [&'l [Child<T>]; LEVELS],
    depth: usize,
}

impl<'l, T> Iter<'l, T> {
    /// Goes to the first leaf under `node`, and notes the nodes that come after on the way.
    fn descend(&mut self, mut node: &'l Node<T>) {
        loop {
            match node {
                Node::Leaf(items) => {
                    self.run = items.iter();
                    return;
                }
                Node::Inner(children) => {
                    self.above[self.depth] = &children[1..];
                    self.depth += 1;
                    node = &children[0].node;
                }
            }
        }
    }
}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Iter {
            run: self.run.clone(),
            above: self.above,
            depth: self.depth,
        }
    }
}

impl<'l, T> Iterator for Iter<'l, T> {
    type Item = &'l T;

    #[inline]
    fn next(&mut self) -> Option<&'l T> {
        loop {
            if let Some(item) = self.run.next() {
                return Some(item);
            }
            let next = loop {
                let depth = self.depth.checked_sub(1)?;
                match self.above[depth].split_first() {
                    Some((next, rest)) => {
                        self.above[depth] = rest;
                        break next;
                    }
                    None => self.depth = depth,
                }
            };
            self.descend(&next.node);
        }
    }
}

#[cfg(test)]
mod tests;
