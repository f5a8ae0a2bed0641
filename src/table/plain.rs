//! What a send calls that need look at nothing else: the list for any sender once more.

use std::array;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use super::tree::Run;
use crate::event::Event;
use crate::receiver::Entry;

/// Entries that stand in the table itself at most.
const FEW: usize = 4;

/// Receivers that can simply be called, as a list of the same table has and counts them. One
/// enum, for a send looks at one tag.
pub(crate) enum Plain<E: Event, R: 'static> {
    One(ManuallyDrop<Entry<E, R>>),
    /// As many as it says, and the first in the places that are left. Without the array around
    /// them a send has, under changes, a line less to wait for.
    Few(usize, [ManuallyDrop<Entry<E, R>>; FEW]),
    Many(ManuallyDrop<Arc<[Entry<E, R>]>>),
}

impl<E: Event, R: 'static> Plain<E, R> {
    /// `None` for no receivers.
    ///
    /// # Safety
    ///
    /// It is used only as long as the list that has `run` is there, unchanged.
    pub(super) unsafe fn of(run: &Run<Entry<E, R>>) -> Option<Self> {
        let run = match run {
            // SAFETY: the list has the entry, which our caller keeps.
            Run::One(entry) => return Some(Plain::One(unsafe { again(entry) })),
            Run::Many(run) => run,
        };
        match &**run {
            [] => None,
            few @ [first, _, ..] if few.len() <= FEW => {
                let place = |at| few.get(at).unwrap_or(first);
                // SAFETY: as above.
                let entries = array::from_fn(|at| unsafe { again(place(at)) });
                Some(Plain::Few(few.len(), entries))
            }
            // SAFETY: as above, the array.
            _ => Some(Plain::Many(unsafe { again(run) })),
        }
    }
}

/// The handle once more, uncounted.
///
/// # Safety
///
/// It is used only as long as `handle` is there.
unsafe fn again<H>(handle: &H) -> ManuallyDrop<H> {
    // SAFETY: the copy is not dropped, and used as long as our caller says.
    ManuallyDrop::new(unsafe { ptr::read(handle) })
}
