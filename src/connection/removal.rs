//! The receivers that one step of a change takes out.

use super::prepared::ConnectionKey;
use crate::event::Event;
use crate::id::ReceiverId;
use crate::receiver::key::Identified;
use crate::receiver::{Entry, Hub, Table};
use crate::sender::SenderKey;
use crate::table::TableEntry;
use crate::table::hub::Place;
use crate::table::publish::Change;
use crate::tap::context::Context;

/// The receivers that one step of a change takes out.
pub(crate) enum Removal<E: Event, R: 'static> {
    /// The receiver with this key.
    Key(ConnectionKey),
    /// Each connection of a receiver, for whatever sender.
    Everywhere(Identified),
    /// The receiver with this id.
    Id(ReceiverId),
    /// The receivers of one sender alone, or those for any sender.
    Sender(Option<SenderKey>),
    /// These receivers, each of which may be out already.
    These(Vec<Entry<E, R>>),
    /// Every receiver.
    All,
}

impl<E: Event, R: 'static> Removal<E, R> {
    /// Takes the receivers out, and returns the number of those that were in and live.
    pub(super) fn apply(self, change: &mut Change<'_, Table<E, R>>) -> usize {
        let chosen = match self {
            Removal::Key(named) => return usize::from(disconnect_named(change, &named)),
            Removal::Everywhere(receiver) => {
                select(change, |entry| entry.is_identified_by(&receiver))
            }
            Removal::Id(id) => select(change, |entry| entry.id() == id),
            Removal::Sender(sender) => {
                let probe = sender.as_ref().map(SenderKey::probe);
                let connected = change.current().map(|table| table.connected_for(probe));
                let mut chosen = connected.unwrap_or_default();
                let added = change.added().iter();
                chosen.extend(added.filter(|it| it.sender() == sender.as_ref()).cloned());
                chosen
            }
            Removal::These(entries) => return change.disconnect(entries),
            Removal::All => select(change, |_| true),
        };
        // A test leaves the receivers of others alone.
        let context = Context::current();
        let here = chosen.into_iter();
        let here: Vec<_> = here
            .filter(|it| it.about().options.is_in(&context))
            .collect();
        change.disconnect(here)
    }

    /// Takes the receivers out in one publication, and returns the number of those that were in and
    /// live.
    pub(super) fn apply_to(self, hub: &Hub<E, R>) -> Result<usize, Place> {
        hub.change_by(|change| self.apply(change))
    }
}

/// Takes out the receiver with this key. In a scope of a test, that is the one of the scope, or
/// else that of the next scope around it.
fn disconnect_named<E: Event, R: 'static>(
    change: &mut Change<'_, Table<E, R>>,
    named: &ConnectionKey,
) -> bool {
    if change.disconnect_key(&named.key) {
        return true;
    }
    #[cfg(feature = "testing")]
    if let Some(scope) = &named.scope {
        let mut outer = named.key.outwards(scope);
        return outer.any(|key| change.disconnect_key(&key));
    }
    false
}

/// Returns the receivers for which `is_it` returns `true`. Looks at every receiver.
fn select<E: Event, R: 'static>(
    change: &Change<'_, Table<E, R>>,
    is_it: impl Fn(&Entry<E, R>) -> bool,
) -> Vec<Entry<E, R>> {
    let current = change.current().into_iter().flat_map(Table::entries);
    let all = current.chain(change.added());
    all.filter(|entry| is_it(entry)).cloned().collect()
}
