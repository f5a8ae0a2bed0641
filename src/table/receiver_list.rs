//! The receivers for any sender or those of one, with the counts that a send needs beforehand.

use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicBool, Ordering};

use super::table_entry::TableEntry;
use super::tree::List;
use crate::sender::SenderKey;

/// The approximate number of entries that are counted once more when one is removed from a long
/// list. It is cheaper to make the list anew if more than one in `COPIED` entries is removed.
const COPIED: usize = 64;

/// A list of receivers, and the counts that a send needs beforehand.
pub(super) struct Receivers<T: TableEntry> {
    pub(super) list: List<T>,
    pub(super) counts: Counts,
}

/// The numbers of receivers that need more than a call in a send. [`TAPPED`] may be added to the
/// first two.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) special: usize,
    /// The number of these receivers that may be dead or spent.
    pub(super) mortal: usize,
    /// The number of receivers that an async send awaits.
    pub(super) awaited: usize,
}

/// The bit in the counts of special and mortal receivers that a table with a tap has in `any`. No
/// number of receivers reaches it.
pub(super) const TAPPED: usize = 1 << (usize::BITS - 1);

impl Counts {
    /// Returns the counts for a table with a tap, or without.
    pub(super) fn tapped(self, is_tapped: bool) -> Self {
        let bit = if is_tapped { TAPPED } else { 0 };
        Counts {
            special: self.special & !TAPPED | bit,
            mortal: self.mortal & !TAPPED | bit,
            awaited: self.awaited,
        }
    }

    fn of<T: TableEntry>(entries: &[T]) -> Self {
        let mut counts = Counts::default();
        for entry in entries {
            counts.special += usize::from(entry.is_special());
            counts.mortal += usize::from(entry.is_mortal());
            counts.awaited += usize::from(entry.is_awaited());
        }
        counts
    }

    fn map2(self, other: Self, change: impl Fn(usize, usize) -> usize) -> Self {
        Counts {
            special: change(self.special, other.special),
            mortal: change(self.mortal, other.mortal),
            awaited: change(self.awaited, other.awaited),
        }
    }
}

/// The receivers of one sender.
pub(super) struct OneSender<T: TableEntry> {
    pub(super) key: SenderKey,
    pub(super) receivers: Receivers<T>,
    /// `true` if it has been the sender of a send. A version that was made while the first of those
    /// sends ran may have `false` here. The receivers then have the note.
    sent: AtomicBool,
    /// `true` if `sent` is, and all receivers can simply be called. The counted path reads this in
    /// place of the counts, so that the note takes it few instructions.
    direct: AtomicBool,
}

impl<T: TableEntry> OneSender<T> {
    pub(super) fn new(key: SenderKey, receivers: Receivers<T>, sent: bool) -> Self {
        let direct = sent && receivers.counts.special == 0;
        OneSender {
            key,
            receivers,
            sent: AtomicBool::new(sent),
            direct: AtomicBool::new(direct),
        }
    }

    /// Returns `true` if this version has the note that the sender has sent.
    #[inline]
    pub(super) fn is_noted(&self) -> bool {
        // Relaxed: it is a note that only people read. Row T1.
        self.sent.load(Ordering::Relaxed)
    }

    /// Notes that the sender has sent, here and in the receivers. A version that a writer has
    /// copied from this one before the note shares receivers with it.
    #[cold]
    #[inline(never)]
    pub(super) fn note_sent(&self) {
        self.receivers.list.iter().for_each(T::note_sent);
        // Relaxed, both: as in `is_noted`. Row T1.
        self.sent.store(true, Ordering::Relaxed);
        let direct = self.receivers.counts.special == 0;
        self.direct.store(direct, Ordering::Relaxed);
    }

    /// Returns `true` if a send can call the receivers and has no note to write.
    #[inline(always)]
    pub(super) fn is_direct(&self) -> bool {
        // Relaxed: the counts, which it is made of, came with the table. Row T1.
        self.direct.load(Ordering::Relaxed)
    }

    /// Returns `true` if the sender has sent since its first receiver was connected.
    pub(super) fn has_sent(&self) -> bool {
        self.is_noted() || self.receivers.list.iter().any(T::has_sent)
    }
}

impl<T: TableEntry> Receivers<T> {
    pub(super) fn empty() -> Self {
        Receivers {
            list: List::empty(),
            counts: Counts::default(),
        }
    }

    /// Returns the receivers with `added`, which is in order.
    pub(super) fn with(&self, added: &[T]) -> Self {
        Receivers {
            list: self.list.with(added),
            counts: self.counts.map2(Counts::of(added), usize::add),
        }
    }

    /// Returns the receivers without `removed`, which is in order.
    pub(super) fn without(&self, removed: &[T]) -> Self {
        if removed.len() == self.list.len() {
            return Receivers::empty();
        }
        let left = match removed {
            [entry] => self.list.without(entry),
            many => self.without_many(many),
        };
        Receivers {
            list: left.expect("a writer removes only receivers that the table holds"),
            counts: self.counts.map2(Counts::of(removed), usize::sub),
        }
    }

    /// Removes several entries. It is a separate function so that the removal of one entry stays in
    /// line.
    #[cold]
    #[inline(never)]
    fn without_many(&self, removed: &[T]) -> Option<List<T>> {
        if removed.len() * COPIED > self.list.len() {
            return self.list.without_all(removed);
        }
        let mut removed = removed.iter();
        removed.try_fold(self.list.clone(), |list, entry| list.without(entry))
    }
}
