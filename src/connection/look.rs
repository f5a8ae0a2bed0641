//! The connections of a signal, for people.

use std::sync::Arc;

use crate::event::Event;
use crate::kind::ReceiverKind;
use crate::receiver::tapped::connections_of;
use crate::receiver::{Entry, Table};
use crate::sender::Sender;
use crate::signal::Signal;
use crate::table::TableEntry;
use crate::table::hub::{Entry as _, Opening};
use crate::tap::info::ConnectionInfo;
use crate::turn::discards::Discards;
use crate::turn::observation::left_out_now;

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
        self.with_table(Vec::new(), connections_of)
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

    /// Returns `true` if a send from `sender` would reach a receiver of the kinds that `of`
    /// accepts, and that is not muted. Takes out the dead receivers that it passes, as a send does.
    pub(crate) fn has_listener(
        &self,
        sender: &Sender<'_>,
        of: impl Fn(ReceiverKind) -> bool,
    ) -> bool {
        let find = |table: &Option<Arc<Table<E, R>>>, discards: &mut Discards<'_, E, R>| {
            let Some(table) = table else { return false };
            let selection = table.peek(sender);
            let mut would_run = |entry: &Entry<E, R>| {
                if !entry.is_alive() {
                    discards.note(entry);
                    return false;
                }
                of(entry.about().kind()) && entry.is_connected()
            };
            if selection.tap().is_none() {
                return selection.iter().any(would_run);
            }
            let is_left_out = left_out_now(&selection, sender);
            selection
                .iter()
                .any(|entry| would_run(entry) && !is_left_out(entry))
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

    pub(crate) fn with_table<T>(&self, none: T, look: impl FnOnce(&Table<E, R>) -> T) -> T {
        match self.occupied() {
            Some(hub) => hub.snapshot().as_deref().map_or(none, look),
            None => none,
        }
    }
}

/// Returns the senders that receivers of `signal` were connected for, but that no send has come
/// from since the first of those connections. A name among them may be misspelled, and a type may
/// be another one of the same name. They are in words, as in [`ConnectionInfo::sender`], and
/// sorted.
///
/// ```
/// use fanfare::connections::unmatched_senders;
/// use fanfare::{Sender, Signal};
///
/// static SAVED: Signal<u32> = Signal::new();
/// SAVED.options().sender("shop.Order").connect(|_sender, _id| ());
/// SAVED.options().sender("shop.Odrer").connect(|_sender, _id| ());
/// SAVED.options().sender(Sender::of::<str>()).connect(|_sender, _id| ());
/// SAVED.options().sender(7).connect(|_sender, _id| ());
/// SAVED.from("shop.Order").send(&1);
/// assert_eq!(unmatched_senders(&SAVED), ["\"shop.Odrer\"", "key 7", "str"]);
/// ```
pub fn unmatched_senders<E: Event, R: 'static>(signal: &Signal<E, R>) -> Vec<String> {
    let mut senders: Vec<String> = signal.with_table(Vec::new(), |table| {
        table.senders_not_sent().map(ToString::to_string).collect()
    });
    senders.sort();
    senders
}

/// Returns the number of dead weak receivers of `signal` that have been taken out so far, by
/// whatever means.
///
/// ```
/// use fanfare::Signal;
/// use fanfare::connections::purged;
/// use std::sync::Arc;
///
/// static SAVED: Signal<u32> = Signal::new();
/// SAVED.connect_weak(&Arc::new(7), |_seven, _sender, _id| ());
/// assert_eq!((SAVED.receiver_count(), purged(&SAVED)), (1, 0));
/// SAVED.send(&1);
/// assert_eq!((SAVED.receiver_count(), purged(&SAVED)), (0, 1));
/// ```
pub fn purged<E: Event, R: 'static>(signal: &Signal<E, R>) -> u64 {
    signal.hub.get().map_or(0, |hub| hub.purged())
}
