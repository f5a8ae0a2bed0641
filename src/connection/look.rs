//! The connections of a signal, for people.

use std::sync::Arc;

use super::connect_options::ConnectionInfo;
use crate::event::Event;
use crate::receiver::Table;
use crate::receiver::kind::ReceiverKind;
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::TableEntry;
use crate::table::publish::{Entry as _, Opening};
use crate::table::tree::Item as _;
use crate::turn::discards::Discards;

/// # Looking
///
/// The results describe one moment, which may have passed when they are returned.
impl<E: Event, R: 'static> Signal<E, R> {
    /// Returns the number of receivers that are connected, for whatever sender. Weak receivers
    /// whose target has died count until they are taken out.
    /// [`has_listeners`](Signal::has_listeners) does not count them.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.connect(|_sender, _id| ());
    /// SAVED.options().sender("shop.Order").connect(|_sender, _id| ());
    /// assert_eq!(SAVED.receiver_count(), 2);
    /// SAVED.disconnect_all();
    /// assert_eq!(SAVED.receiver_count(), 0);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.with_table(0, Table::len)
    }

    /// Returns the connections in the order of their calls: by priority, and then by connecting. A
    /// send from one sender calls the receivers for any sender and those for its own sender, in
    /// this order. To count how often each receiver ran, count its id in
    /// [`send_each`](Signal::send_each).
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.options().name("log").connect(|_sender, _id| ());
    /// SAVED.options().sender("shop.Order").priority(7).name("index").connect(|_sender, _id| ());
    ///
    /// let names: Vec<String> = SAVED.connections().into_iter().map(|it| it.name).collect();
    /// assert_eq!(names, ["index", "log"]);
    /// ```
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.with_table(Vec::new(), |table| {
            let mut entries: Vec<_> = table.entries().collect();
            entries.sort_by_key(|entry| entry.order());
            entries.into_iter().map(ConnectionInfo::of).collect()
        })
    }

    /// Returns the names that receivers were connected for, but that no send has used since the
    /// first of those connections. They may be misspelled. The names are sorted.
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// SAVED.options().sender("shop.Order").connect(|_sender, _id| ());
    /// SAVED.options().sender("shop.Odrer").connect(|_sender, _id| ());
    /// SAVED.from("shop.Order").send(&1);
    /// assert_eq!(SAVED.unmatched_senders(), ["shop.Odrer"]);
    /// ```
    pub fn unmatched_senders(&self) -> Vec<String> {
        let mut names: Vec<String> = self.with_table(Vec::new(), |table| {
            table.names_not_sent().map(String::from).collect()
        });
        names.sort();
        names
    }

    /// Returns the senders that receivers were connected for, except those in `known`.
    pub(crate) fn senders_beside(&self, known: &[Sender<'_>]) -> Vec<String> {
        self.with_table(Vec::new(), |table| {
            let senders = table.entries().filter_map(|entry| entry.sender());
            let beside = senders.filter(|key| !known.contains(&key.as_sender()));
            beside.map(ToString::to_string).collect()
        })
    }

    /// Takes out the weak receivers whose target has died, and returns their number. Also frees
    /// each replaced table, with its receivers, that no send, emitter or future holds. A call is
    /// never needed for correctness: it frees memory, and the variables that receivers captured,
    /// now.
    pub fn purge(&self) -> usize {
        self.hub.get().map_or(0, |hub| hub.purge())
    }

    /// Returns the number of dead weak receivers that have been taken out so far, by whatever
    /// means.
    pub fn purged(&self) -> u64 {
        self.hub.get().map_or(0, |hub| hub.purged())
    }

    /// Returns `true` if a send from `sender` would reach a receiver of the kinds that `of`
    /// accepts. Takes out the dead receivers that it passes, as a send does.
    pub(crate) fn has_listener(
        &self,
        sender: &Sender<'_>,
        of: impl Fn(ReceiverKind) -> bool,
    ) -> bool {
        let find = |table: &Option<Arc<Table<E, R>>>, discards: &mut Discards<'_, E, R>| {
            let Some(table) = table else { return false };
            table.peek(sender).iter().any(|entry| {
                if !entry.is_alive() {
                    discards.note(entry);
                    return false;
                }
                of(entry.about().kind()) && entry.is_connected()
            })
        };
        match self.opening() {
            Opening::Nobody => false,
            Opening::Live(hub) => {
                let mut discards = Discards::of(hub);
                let table = hub.snapshot();
                find(&table, &mut discards)
            }
            Opening::Frozen(hub, table) => find(table, &mut Discards::of(hub)),
        }
    }

    fn with_table<T>(&self, none: T, look: impl FnOnce(&Table<E, R>) -> T) -> T {
        match self.occupied() {
            Some(hub) => hub.snapshot().as_deref().map_or(none, look),
            None => none,
        }
    }
}
