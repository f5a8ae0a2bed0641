//! The signals in use, as observers are attached to them.

use std::any::type_name;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "testing")]
use super::entry::Entry;
use super::entry::{Hub, Table};
#[cfg(feature = "testing")]
use super::explained::explained;
use super::explained::in_order;
use crate::event::Event;
use crate::id::ReceiverId;
#[cfg(feature = "testing")]
use crate::sender::Sender;
use crate::tap::context::Context;
use crate::tap::declaration::declaration_of;
#[cfg(feature = "testing")]
use crate::tap::disconnected::kept_of;
use crate::tap::info::ConnectionInfo;
use crate::tap::observer::SignalInfo;
use crate::tap::signals::{self, Tapped};
#[cfg(feature = "testing")]
use crate::tap::verdict::ExplainedConnection;

impl<E: Event, R: 'static> Tapped for Hub<E, R> {
    fn retap(&self, info: &Arc<SignalInfo>) {
        drop(Hub::retap(self, || signals::tap_of(info)));
    }

    #[cfg(feature = "testing")]
    fn end_scope(&self, number: u64) -> bool {
        let is_its = |entry: &&Entry<E, R>| {
            let scope = entry.about().options.scope();
            scope.is_some_and(|scope| scope.number == number)
        };
        let entries: Vec<_> = match self.snapshot().as_deref() {
            Some(table) => table.entries().filter(is_its).cloned().collect(),
            None => Vec::new(),
        };
        entries.is_empty() || self.disconnect(&entries).is_ok()
    }

    #[cfg(feature = "testing")]
    fn explained(&self, sender: &Sender<'_>) -> Vec<ExplainedConnection> {
        let table = self.snapshot();
        let table = table.as_deref();
        let mut connections = table.map_or(Vec::new(), |table| explained(table, sender));
        connections.extend(kept_of(info_of(self).number()));
        connections
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        let table = self.snapshot();
        table.as_deref().map_or(Vec::new(), connections_of)
    }

    fn name_of(&self, receiver: ReceiverId) -> Option<String> {
        let table = self.snapshot();
        let mut entries = table.as_deref()?.entries();
        let found = entries.find(|entry| entry.id() == receiver)?;
        Some(found.name().into_owned())
    }

    fn freeze_place(&self) -> Option<&'static Location<'static>> {
        self.frozen_at()
    }
}

/// Returns the properties of a signal that is registered.
pub(crate) fn info_of<E: Event, R: 'static>(hub: &Hub<E, R>) -> &Arc<SignalInfo> {
    let info = hub.shared().signal.get();
    info.expect("`Signal::hub` registers the signal")
}

/// Returns the connections of a table, in the order of their calls, without those of other scopes.
pub(crate) fn connections_of<E: Event, R: 'static>(table: &Table<E, R>) -> Vec<ConnectionInfo> {
    let context = Context::current();
    let entries = in_order(table).into_iter();
    let here = entries.filter(|entry| entry.about().options.is_in(&context));
    here.map(|entry| entry.described().info()).collect()
}

/// Adds the signal of `hub`, which is at `address`, to the signals in use, unless it is among them.
#[inline]
pub(crate) fn register<E: Event, R: 'static>(
    hub: &Hub<E, R>,
    address: usize,
    arc: impl FnOnce() -> Arc<Hub<E, R>>,
) {
    if hub.shared().signal.get().is_none() {
        register_first(&arc(), address);
    }
}

/// Adds the signal. Another thread that uses the signal waits, so that none of its sends precedes
/// the observers of all signals.
#[cold]
fn register_first<E: Event, R: 'static>(hub: &Arc<Hub<E, R>>, address: usize) {
    // It may have the last handle to an observer, whose destructor may use the signal.
    let mut replaced = None;
    hub.shared().signal.get_or_init(|| {
        let info = Arc::new(SignalInfo {
            number: signals::next_number(),
            event: type_name::<E>(),
            response: type_name::<R>(),
            declaration: declaration_of(address),
            first_connect: OnceLock::new(),
        });
        if signals::register(&info, Arc::<Hub<E, R>>::downgrade(hub)) {
            replaced = Some(Hub::retap(hub, || signals::tap_of(&info)));
        }
        info
    });
    drop(replaced);
}
