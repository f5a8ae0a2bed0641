//! The ordered list of receivers: a B+ tree whose nodes are shared between versions.
//!
//! Up to [`LEAF`] items are one flat array, which is what most signals are; beyond that
//! arrays hang under inner nodes. A change copies the nodes on one path and shares the
//! rest, so it costs the same for a thousand items and nearly the same for a million.

use std::ops::ControlFlow;
use std::sync::Arc;

/// Items in a leaf at most. A walk pays a jump per leaf, a change copies one leaf.
const LEAF: usize = 64;
/// Children of an inner node at most.
const FAN: usize = 32;
/// Levels of inner nodes at most. `join` keeps any two neighbours above half of `FAN`
/// together, so a level divides by 8 or more: enough for 2^36 leaves.
const LEVELS: usize = 12;

/// Where an item stands: higher priority first, then lower number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Order(std::cmp::Reverse<i32>, u64);

impl Order {
    pub(crate) fn new(priority: i32, number: u64) -> Self {
        Order(std::cmp::Reverse(priority), number)
    }
}

/// What the list holds: a shared handle that knows its place.
pub(crate) trait Item: Clone + Counted {
    /// Never changes, and no two items of a list have the same.
    fn order(&self) -> Order;
}

/// A handle with a reference count elsewhere.
pub(crate) trait Counted {
    /// The count, roughly: asked for only to have it at hand.
    fn count(&self) -> usize;
}

/// Reads the counts of what is about to be cloned. Each clone is a locked increment that
/// waits for its own cache miss; plain reads miss all at once.
fn warm<C: Counted>(handles: &[C]) {
    std::hint::black_box(handles.iter().map(C::count).fold(0, usize::wrapping_add));
}

/// An immutable, ordered list. Cloning it is one reference count.
pub(crate) struct List<T> {
    root: Node<T>,
    len: usize,
}

enum Node<T> {
    Leaf(Arc<[T]>),
    Inner(Arc<[Child<T>]>),
}

struct Child<T> {
    first: Order,
    node: Node<T>,
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(items) => Node::Leaf(Arc::clone(items)),
            Node::Inner(children) => Node::Inner(Arc::clone(children)),
        }
    }
}

impl<T> Clone for Child<T> {
    fn clone(&self) -> Self {
        Child {
            first: self.first,
            node: self.node.clone(),
        }
    }
}

impl<T> Counted for Child<T> {
    fn count(&self) -> usize {
        match &self.node {
            Node::Leaf(items) => Arc::strong_count(items),
            Node::Inner(children) => Arc::strong_count(children),
        }
    }
}

impl<T> Clone for List<T> {
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
            root: Node::Leaf(Arc::default()),
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

    /// The list with `added`, which is sorted and holds nothing that the list has.
    pub(crate) fn with(&self, added: &[T]) -> Self {
        if added.is_empty() {
            return self.clone();
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

    /// The list without the item at `order`, or `None` if there is none.
    pub(crate) fn without(&self, order: Order) -> Option<Self> {
        let mut root = match self.root.without(order) {
            Removal::Missing => return None,
            Removal::Emptied => return Some(List::empty()),
            Removal::Left(node) => node,
        };
        while let Node::Inner(children) = &root
            && let [only] = &children[..]
        {
            root = only.node.clone();
        }
        Some(List {
            root,
            len: self.len - 1,
        })
    }

    /// The whole list, where it is one array.
    pub(crate) fn flat(&self) -> Option<&Arc<[T]>> {
        match &self.root {
            Node::Leaf(items) => Some(items),
            Node::Inner(_) => None,
        }
    }

    /// Calls `visit` with each run of neighbours, in order, until it breaks.
    #[inline]
    pub(crate) fn try_for_each_run<B>(
        &self,
        visit: &mut impl FnMut(&[T]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match &self.root {
            Node::Leaf(items) => visit(items),
            Node::Inner(children) => for_each_run_below(children, visit),
        }
    }

    /// The items in order.
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

fn for_each_run_below<T, B>(
    children: &[Child<T>],
    visit: &mut impl FnMut(&[T]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    for child in children {
        match &child.node {
            Node::Leaf(items) => visit(items)?,
            Node::Inner(children) => for_each_run_below(children, visit)?,
        }
    }
    ControlFlow::Continue(())
}

/// What became of a node from which an item was to go.
enum Removal<T> {
    Missing,
    Emptied,
    Left(Node<T>),
}

impl<T: Item> Node<T> {
    /// The nodes, of this node's height, that hold its items and `added`. `is_last`: none of
    /// the list stands after them.
    fn with(&self, added: &[T], is_last: bool) -> Vec<Child<T>> {
        match self {
            Node::Leaf(items) => {
                warm(items);
                let last = items.last().map(T::order);
                if is_last && last.is_none_or(|last| last < added[0].order()) {
                    return append(items, added);
                }
                let merged = merge(items, added);
                group(merged, LEAF).map(Node::Leaf).map(child).collect()
            }
            Node::Inner(children) => {
                warm(children);
                let mut grown = Vec::with_capacity(children.len() + 1);
                let mut rest = added;
                for (at, child) in children.iter().enumerate() {
                    let here = match children.get(at + 1) {
                        Some(next) => rest.partition_point(|item| item.order() < next.first),
                        None => rest.len(),
                    };
                    let (here, later) = rest.split_at(here);
                    rest = later;
                    if here.is_empty() {
                        grown.push(child.clone());
                    } else {
                        let is_last = is_last && at + 1 == children.len();
                        grown.extend(child.node.with(here, is_last));
                    }
                }
                group(grown, FAN).map(Node::Inner).map(child).collect()
            }
        }
    }

    fn without(&self, order: Order) -> Removal<T> {
        match self {
            Node::Leaf(items) => {
                warm(items);
                let Ok(at) = position(items, order) else {
                    return Removal::Missing;
                };
                if items.len() == 1 {
                    return Removal::Emptied;
                }
                let (before, after) = (&items[..at], &items[at + 1..]);
                Removal::Left(Node::Leaf(before.iter().chain(after).cloned().collect()))
            }
            Node::Inner(children) => {
                warm(children);
                let at = child_for(children, order);
                let (before, after) = (&children[..at], &children[at + 1..]);
                let left = match children[at].node.without(order) {
                    Removal::Missing => return Removal::Missing,
                    Removal::Emptied if children.len() == 1 => return Removal::Emptied,
                    Removal::Emptied => {
                        let kept = before.iter().chain(after).cloned().collect();
                        return Removal::Left(Node::Inner(kept));
                    }
                    Removal::Left(node) => node,
                };
                // A node that ran low joins a neighbour that has room for it.
                if let Some(next) = after.first()
                    && let Some(joined) = left.join(&next.node)
                {
                    let after = after[1..].iter().cloned();
                    let joined = std::iter::once(child(joined));
                    let kept = before.iter().cloned().chain(joined).chain(after);
                    return Removal::Left(Node::Inner(kept.collect()));
                }
                if let Some((previous, before)) = before.split_last()
                    && let Some(joined) = previous.node.join(&left)
                {
                    let joined = std::iter::once(child(joined));
                    let kept = before
                        .iter()
                        .cloned()
                        .chain(joined)
                        .chain(after.iter().cloned());
                    return Removal::Left(Node::Inner(kept.collect()));
                }
                let left = std::iter::once(child(left));
                let kept = before
                    .iter()
                    .cloned()
                    .chain(left)
                    .chain(after.iter().cloned());
                Removal::Left(Node::Inner(kept.collect()))
            }
        }
    }

    /// This node and the next as one, where that leaves room to grow.
    fn join(&self, next: &Node<T>) -> Option<Node<T>> {
        match (self, next) {
            (Node::Leaf(a), Node::Leaf(b)) if a.len() + b.len() <= LEAF / 4 * 3 => {
                Some(Node::Leaf(a.iter().chain(&b[..]).cloned().collect()))
            }
            (Node::Inner(a), Node::Inner(b)) if a.len() + b.len() <= FAN / 2 => {
                Some(Node::Inner(a.iter().chain(&b[..]).cloned().collect()))
            }
            _ => None,
        }
    }

    fn first(&self) -> Order {
        match self {
            Node::Leaf(items) => items[0].order(),
            Node::Inner(children) => children[0].first,
        }
    }
}

fn child<T: Item>(node: Node<T>) -> Child<T> {
    Child {
        first: node.first(),
        node,
    }
}

/// Connecting at the end, which is what connecting mostly is: fills the last leaf up and
/// leaves a full one alone, so that leaves are full and changes copy little.
fn append<T: Item>(items: &Arc<[T]>, added: &[T]) -> Vec<Child<T>> {
    let (here, later) = added.split_at(added.len().min(LEAF - items.len()));
    let mut nodes = Vec::with_capacity(1 + later.len().div_ceil(LEAF));
    if here.is_empty() {
        nodes.push(child(Node::Leaf(Arc::clone(items))));
    } else {
        nodes.push(child(Node::Leaf(
            items.iter().chain(here).cloned().collect(),
        )));
    }
    nodes.extend(later.chunks(LEAF).map(|run| child(Node::Leaf(run.into()))));
    nodes
}

fn merge<T: Item>(items: &[T], added: &[T]) -> Vec<T> {
    let mut merged = Vec::with_capacity(items.len() + added.len());
    let mut rest = items;
    for item in added {
        let before = rest.partition_point(|held| held.order() < item.order());
        merged.extend_from_slice(&rest[..before]);
        merged.push(item.clone());
        rest = &rest[before..];
    }
    merged.extend_from_slice(rest);
    merged
}

/// Shares `parts` out evenly over as few groups of at most `most` as will hold them.
fn group<P>(parts: Vec<P>, most: usize) -> impl Iterator<Item = Arc<[P]>> {
    let groups = parts.len().div_ceil(most);
    let (size, larger) = (parts.len() / groups, parts.len() % groups);
    let mut parts = parts.into_iter();
    (0..groups).map(move |at| {
        let size = size + usize::from(at < larger);
        parts.by_ref().take(size).collect()
    })
}

fn position<T: Item>(items: &[T], order: Order) -> Result<usize, usize> {
    items.binary_search_by_key(&order, T::order)
}

/// The child whose range `order` falls into.
fn child_for<T>(children: &[Child<T>], order: Order) -> usize {
    children[1..].partition_point(|child| child.first <= order)
}

/// See [`List::iter`]. Allocates nothing.
pub(crate) struct Iter<'l, T> {
    run: std::slice::Iter<'l, T>,
    above: [&'l [Child<T>]; LEVELS],
    depth: usize,
}

impl<'l, T> Iter<'l, T> {
    /// Goes to the first leaf under `node`, noting what comes after on the way.
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
