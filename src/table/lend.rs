//! How a table takes over what it shares with the one before.
//!
//! A changed node is a copy of the old one, and shares with it every child but one. To count
//! a reference for each, and to give it back when the old node goes, would be most of the
//! cost of a change: two locked instructions for each of some hundred children, on lines that
//! nothing else of the change touches. So a change of one entry copies its handles uncounted
//! and notes the old nodes: it *lends*. Once the new table is published, the writer *settles*,
//! under the same lock and from the root down. An old node that nobody else holds, no send
//! and no older table, is freed and its handles are not: they are the new node's now. Where
//! somebody does hold it, its handles are counted, as a copy would have been.

use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use smallvec::SmallVec;

/// How a change comes by handles to what the old and the new version both hold. `L` is what
/// it notes down.
pub(crate) enum Sharing<L> {
    /// By cloning them.
    Counted,
    /// By copying them. See [`Sharing::lent`].
    Lent(SmallVec<[L; 12]>),
}

impl<L> Sharing<L> {
    /// # Safety
    ///
    /// Until it is settled, the old version and the new one both stay and are changed by
    /// nobody. Each handle in a node that is [noted](Sharing::note) has been
    /// [shared](Sharing::share) once and is in the new version or noted itself. None that has
    /// been shared is dropped otherwise, and none owns something that it did not count.
    pub(crate) unsafe fn lent() -> Self {
        Sharing::Lent(SmallVec::new())
    }

    /// Another handle to what `handle` is one to.
    #[inline]
    pub(crate) fn share<H: Clone>(&self, handle: &H) -> H {
        match self {
            Sharing::Counted => handle.clone(),
            // SAFETY: the handle stays, since the old version does; that both together are
            // counted once is made good as it is settled: see `lent`, whose caller sees to it.
            Sharing::Lent(_) => unsafe { ptr::read(handle) },
        }
    }

    /// As [`share`](Sharing::share), each of `handles`, into `into`, which is as long.
    fn share_all<H: Clone>(&self, handles: &[H], into: &mut [MaybeUninit<H>]) {
        match self {
            Sharing::Counted => {
                for (handle, into) in handles.iter().zip(into) {
                    into.write(handle.clone());
                }
            }
            Sharing::Lent(_) => {
                assert_eq!(handles.len(), into.len());
                // SAFETY: both are that long, and `into` is exclusive. As to their count, see
                // `share`.
                unsafe {
                    ptr::copy_nonoverlapping(
                        handles.as_ptr(),
                        into.as_mut_ptr().cast(),
                        handles.len(),
                    );
                }
            }
        }
    }

    /// Puts another handle for each of `handles` at the end of `into`.
    pub(crate) fn extend<H: Clone>(&self, into: &mut Vec<H>, handles: &[H]) {
        into.reserve(handles.len());
        let len = into.len();
        self.share_all(handles, &mut into.spare_capacity_mut()[..handles.len()]);
        // SAFETY: so many have been written after the first `len`.
        unsafe { into.set_len(len + handles.len()) };
    }

    /// A node with the content of `node`, and uncounted handles. All that `node` owns must be
    /// handles that [`Content::count`] counts.
    pub(crate) fn copy<C: Content>(&self, node: &Arc<C>) -> Arc<C> {
        assert!(self.is_lent());
        let mut copy = Arc::new_uninit();
        let place = Arc::get_mut(&mut copy).expect("nobody else has it yet");
        // SAFETY: one value is read and one place, which is exclusive, is written. As to the
        // count of its handles, see `share`.
        unsafe { ptr::copy_nonoverlapping(&raw const **node, place.as_mut_ptr(), 1) };
        // SAFETY: it has been written.
        unsafe { copy.assume_init() }
    }

    /// A node with the handles of `old`, but with `new` in the place of `gone`. Those in `gone`
    /// are left to the caller, to be shared as well.
    pub(crate) fn splice<H: Clone>(
        &self,
        old: &[H],
        gone: Range<usize>,
        new: impl ExactSizeIterator<Item = H>,
    ) -> Arc<[H]> {
        let (before, after) = (&old[..gone.start], &old[gone.end..]);
        let count = new.len();
        let mut node = Arc::new_uninit_slice(before.len() + count + after.len());
        let places = Arc::get_mut(&mut node).expect("nobody else has it yet");
        let (first, rest) = places.split_at_mut(before.len());
        let (middle, last) = rest.split_at_mut(count);
        let mut written = 0;
        for (handle, place) in new.zip(middle) {
            place.write(handle);
            written += 1;
        }
        assert_eq!(written, count, "an exact size");
        self.share_all(before, first);
        self.share_all(after, last);
        // SAFETY: all three parts have been written.
        unsafe { node.assume_init() }
    }

    /// Takes what the new version has no place for: a node whose content has been shared, or
    /// a handle that the old version alone holds.
    pub(crate) fn note(&mut self, loan: L) {
        match self {
            Sharing::Counted => drop(loan),
            Sharing::Lent(notes) => notes.push(loan),
        }
    }

    pub(crate) fn is_lent(&self) -> bool {
        matches!(self, Sharing::Lent(_))
    }

    /// What has been noted, in that order, to be settled; nothing is owed then.
    pub(crate) fn take_notes(&mut self) -> impl DoubleEndedIterator<Item = L> + use<L> {
        let mut settled = ManuallyDrop::new(mem::replace(self, Sharing::Counted));
        let notes = match &mut *settled {
            Sharing::Counted => SmallVec::new(),
            Sharing::Lent(notes) => mem::take(notes),
        };
        notes.into_iter()
    }
}

/// Two versions that own the same handles must not both be dropped. Nothing between lending
/// and settling can panic; if something did, this is the last resort.
impl<L> Drop for Sharing<L> {
    fn drop(&mut self) {
        if self.is_lent() {
            std::process::abort();
        }
    }
}

/// A value in an `Arc`, as a node or an array of handles.
///
/// # Safety
///
/// `count` counts each handle that dropping the value would give back. `kept` is the same
/// address, as that of a value with the same layout and no destructor.
pub(crate) unsafe trait Content {
    /// Counts each handle in it once more.
    fn count(&self);

    /// The same value, for an `Arc` that does not drop it.
    type Kept: ?Sized;
    fn kept(content: *const Self) -> *const Self::Kept;
}

// SAFETY: `ManuallyDrop` is transparent, and an array has nothing but its elements.
unsafe impl<H: Clone> Content for [H] {
    fn count(&self) {
        self.iter().cloned().for_each(mem::forget);
    }

    type Kept = [ManuallyDrop<H>];
    fn kept(content: *const Self) -> *const Self::Kept {
        content as *const Self::Kept
    }
}

/// Lets go of a node whose content has been lent: frees it without the content if nobody else
/// holds it, and counts the content otherwise.
///
/// # Safety
///
/// Whoever holds what has been lent holds it uncounted, once, as [`Sharing::lent`] says, and
/// `node` is counted.
pub(crate) unsafe fn hand_over<C: Content + ?Sized>(mut node: Arc<C>) {
    if Arc::get_mut(&mut node).is_none() {
        node.count();
        return;
    }
    let content = C::kept(Arc::into_raw(node));
    // SAFETY: of `into_raw`; `Kept` is the same value as seen through `ManuallyDrop`, which is
    // transparent. The content, which is not dropped, goes on in what it was lent to.
    drop(unsafe { Arc::from_raw(content) });
}
