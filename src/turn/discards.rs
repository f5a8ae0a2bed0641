//! The receivers that have ended, which a send takes out.

use crate::event::Event;
use crate::receiver::{Entry, Hub};
use crate::table::tree::Item as _;

/// The receivers that a send found spent or dead, which it takes out of the table.
///
/// It takes them out when the send has released its table, also after a panic. It never waits for a
/// writer: see [`Hub::discard`].
pub(crate) struct Discards<'h, E: Event, R: 'static> {
    hub: &'h Hub<E, R>,
    /// The receivers. The vector allocates only if there are some.
    ended: Vec<Entry<E, R>>,
    /// `true` if this send spent some of them.
    has_spent: bool,
}

impl<'h, E: Event, R: 'static> Discards<'h, E, R> {
    #[inline]
    pub(crate) fn of(hub: &'h Hub<E, R>) -> Self {
        Discards {
            hub,
            ended: Vec::new(),
            has_spent: false,
        }
    }

    /// Notes a receiver that ended elsewhere. A send takes out all receivers that it notes, however
    /// many. Otherwise later sends would meet, and pay for, each of the others again.
    pub(crate) fn note(&mut self, entry: &Entry<E, R>) {
        // A frozen signal keeps the receiver, and later sends pass over it.
        let is_noted = self.ended.last().is_some_and(|last| last.is(entry));
        if !is_noted && self.hub.frozen_at().is_none() {
            self.ended.push(entry.clone());
        }
    }

    /// Notes a receiver whose last run this send has claimed.
    pub(crate) fn note_spent(&mut self, entry: &Entry<E, R>) {
        self.has_spent = true;
        self.note(entry);
    }
}

impl<E: Event, R: 'static> Drop for Discards<'_, E, R> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended.is_empty() {
            self.hub.discard(&self.ended, self.has_spent);
        }
    }
}
