//! The receivers of a table that a send calls without a look at other data.

use std::array;
use std::sync::Arc;

use super::tree::Run;

/// The maximum number of entries that stand in the table itself.
const FEW: usize = 4;

/// Receivers that can simply be called. It is one enum, so that a send looks at one tag.
pub(crate) enum Plain<T> {
    One(T),
    /// The first `len` elements are valid. The rest repeat the first. Without an array around them
    /// a send, under changes, waits for one cache line less.
    Few(usize, [T; FEW]),
    Many(Arc<[T]>),
}

impl<T: Clone> Plain<T> {
    /// Returns the plain form of a run, or `None` if there are no receivers.
    pub(super) fn of(run: &Run<T>) -> Option<Self> {
        let run = match run {
            Run::One(entry) => return Some(Plain::One(entry.clone())),
            Run::Many(run) => run,
        };
        match &**run {
            [] => None,
            few @ [first, _, ..] if few.len() <= FEW => {
                let entries = array::from_fn(|at| few.get(at).unwrap_or(first).clone());
                Some(Plain::Few(few.len(), entries))
            }
            _ => Some(Plain::Many(Arc::clone(run))),
        }
    }
}
