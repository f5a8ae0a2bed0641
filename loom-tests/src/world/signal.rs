//! Sending and waiting as `src/signal.rs`, `src/send/`, `src/turn/` and `src/connection/handle.rs`
//! do it, without their types. `source.rs` detects changes of the originals.

use std::panic::Location;
use std::time::Duration;

use super::WEAKENED;
use super::held::Held;
use super::hub::{Connected, Entry as _, Hub, Opening, Place};
use super::sync::{Arc, Ordering, Weak, fence, pause};
use super::table::{Entry, Slot, Table, Tap, Target};
use crate::weakened::Weakened;

/// A signal, as threads share it.
#[derive(Clone)]
pub(crate) struct Signal(std::sync::Arc<Hub<Table>>);

/// The result of a send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Nothing was connected, by the address.
    Idle,
    /// Nothing was published, whatever the address said.
    Unpublished,
    /// It called the receivers with these numbers.
    Called(Vec<u64>),
}

impl Sent {
    pub(crate) fn numbers(self) -> Vec<u64> {
        match self {
            Sent::Called(numbers) => numbers,
            Sent::Idle | Sent::Unpublished => Vec::new(),
        }
    }
}

impl Signal {
    pub(crate) fn new() -> Self {
        Signal(std::sync::Arc::new(Hub::new()))
    }

    pub(crate) fn hub(&self) -> &Hub<Table> {
        &self.0
    }

    pub(crate) fn connect(&self, slot: Slot) -> Connection {
        let connected = self.try_connect(slot);
        connected.expect("the signal is not frozen")
    }

    pub(crate) fn try_connect(&self, slot: Slot) -> Result<Connection, Place> {
        let connected = self.0.change_by(|change| change.connect(slot.entry()))?;
        Ok(self.handle(connected))
    }

    fn handle(&self, connected: Connected<Entry>) -> Connection {
        let Connected { entry, is_new } = connected;
        Connection {
            slot: Arc::downgrade(&entry.0),
            number: entry.link().number(),
            is_new,
            signal: self.clone(),
        }
    }

    /// Puts a receiver into the place of another, in one change.
    pub(crate) fn replace(&self, old: &Connection, slot: Slot) -> Connection {
        if WEAKENED == Weakened::StepByStep {
            old.disconnect();
            return self.connect(slot);
        }
        let old = old.slot.upgrade().expect("it is connected");
        let connected = self.0.change_by(|change| {
            change.disconnect([Entry(old)]);
            change.connect(slot.entry())
        });
        self.handle(connected.expect("the signal is not frozen"))
    }

    pub(crate) fn freeze(&self) {
        self.0.freeze(Location::caller());
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.0.frozen_at().is_some()
    }

    /// Attaches an observer in the place of the present one.
    pub(crate) fn attach(&self, observer: u8) {
        self.retap(|| Some(observer));
    }

    pub(crate) fn detach(&self) {
        self.retap(|| None);
    }

    pub(crate) fn retap(&self, observer: impl FnOnce() -> Option<u8>) {
        drop(
            self.0
                .retap(|| observer().map(|observer| Arc::new(Tap(observer)))),
        );
    }

    /// Returns the observer of a send, which calls no receiver.
    pub(crate) fn observer(&self) -> Option<u8> {
        match self.0.opening() {
            Opening::Nobody => None,
            Opening::Live(hub) => hub.snapshot().as_deref().and_then(Table::observer),
            Opening::Frozen(_, table) => table.as_deref().and_then(Table::observer),
        }
    }

    /// The numbers of the receivers in the last table, if sends walk that.
    pub(crate) fn last(&self) -> Option<Vec<u64>> {
        let Opening::Frozen(_, table) = self.0.opening() else {
            return None;
        };
        let entries = table.as_deref().map_or(&[][..], Table::entries);
        Some(entries.iter().map(|entry| entry.link().number()).collect())
    }

    pub(crate) fn send(&self) -> Sent {
        self.send_with(|_| ())
    }

    /// Sends; `before` runs before each call.
    pub(crate) fn send_with(&self, before: impl FnMut(u64)) -> Sent {
        let sent = |discards: &mut Discards<'_>, table: &Option<Arc<Table>>| match table {
            Some(table) => Sent::Called(walk(discards, table, before)),
            None => Sent::Unpublished,
        };
        match self.0.opening() {
            Opening::Nobody => Sent::Idle,
            Opening::Live(hub) => {
                let mut discards = Discards::of(hub);
                let snapshot = hub.snapshot();
                sent(&mut discards, &snapshot)
            }
            Opening::Frozen(hub, table) => sent(&mut Discards::of(hub), table),
        }
    }

    /// The numbers that a send would call, and nothing else of one.
    pub(crate) fn published(&self) -> Vec<u64> {
        let table = self.0.snapshot();
        let entries = table.as_deref().map_or(&[][..], Table::entries);
        entries.iter().map(|entry| entry.link().number()).collect()
    }
}

/// An emitter, like that of `src/send/emitter.rs`: it sends from a snapshot that it keeps.
pub(crate) struct Emitter {
    signal: Signal,
    held: Arc<Held<Table>>,
}

impl Emitter {
    pub(crate) fn new(signal: &Signal) -> Self {
        Emitter {
            held: signal.hub().emitter(),
            signal: signal.clone(),
        }
    }

    pub(crate) fn send(&mut self) -> Vec<u64> {
        let hub = self.signal.hub();
        let mut discards = Discards::of(hub);
        let table = self.held.start(hub);
        let table = table.as_deref();
        table.map_or(Vec::new(), |table| walk(&mut discards, table, |_| ()))
    }

    /// Returns the observer of a send, which calls no receiver.
    pub(crate) fn observer(&mut self) -> Option<u8> {
        let table = self.held.start(self.signal.hub());
        table.as_deref().and_then(Table::observer)
    }
}

fn walk(discards: &mut Discards<'_>, table: &Table, mut before: impl FnMut(u64)) -> Vec<u64> {
    let mut called = Vec::new();
    let entries = table.entries();
    let mut visit = |entry: &Entry| {
        before(entry.link().number());
        entry.0.call();
        called.push(entry.link().number());
    };
    if entries.iter().any(|entry| entry.0.once || entry.is_weak()) {
        walk_special(discards, entries, &mut visit);
    } else {
        entries.iter().for_each(visit);
    }
    called
}

fn walk_special(discards: &mut Discards<'_>, entries: &[Entry], visit: &mut impl FnMut(&Entry)) {
    let weak = entries.iter().filter(|entry| entry.is_weak());
    let pins: Vec<Option<Arc<Target>>> = match WEAKENED {
        Weakened::PinnedInTurn | Weakened::Unpinned => Vec::new(),
        _ => weak.map(|entry| entry.0.pin()).collect(),
    };
    let mut pinned = pins.iter();
    for entry in entries {
        let in_turn;
        let is_dead = match WEAKENED {
            Weakened::PinnedInTurn => {
                in_turn = entry.0.pin();
                in_turn.is_none()
            }
            Weakened::Unpinned => !entry.is_alive(),
            _ => entry.is_weak() && pinned.next().is_none_or(Option::is_none),
        };
        if entry.is_weak() && is_dead {
            discards.note(entry);
            continue;
        }
        if entry.0.once {
            if !entry.link().claim() {
                discards.note(entry);
                continue;
            }
            discards.has_spent = true;
            discards.note(entry);
        }
        visit(entry);
    }
}

struct Discards<'h> {
    hub: &'h Hub<Table>,
    ended: Vec<Entry>,
    has_spent: bool,
}

impl<'h> Discards<'h> {
    fn of(hub: &'h Hub<Table>) -> Self {
        Discards {
            hub,
            ended: Vec::new(),
            has_spent: false,
        }
    }

    fn note(&mut self, entry: &Entry) {
        self.ended.push(entry.clone());
    }
}

impl Drop for Discards<'_> {
    fn drop(&mut self) {
        if !self.ended.is_empty() && !std::thread::panicking() {
            self.hub.discard(&self.ended, self.has_spent);
        }
    }
}

/// A handle, like that of `src/connection/handle.rs`.
pub(crate) struct Connection {
    slot: Weak<Slot>,
    pub(crate) number: u64,
    pub(crate) is_new: bool,
    signal: Signal,
}

/// The result of `disconnect_and_wait`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The receiver had gone by itself.
    Gone,
    /// The receiver went, and its destructor has returned.
    Seen,
    Timeout,
}

impl Connection {
    fn upgrade(&self) -> Option<Arc<Slot>> {
        pause();
        self.slot.upgrade()
    }

    pub(crate) fn disconnect(&self) -> bool {
        self.try_disconnect().expect("the signal is not frozen")
    }

    pub(crate) fn try_disconnect(&self) -> Result<bool, Place> {
        match self.upgrade() {
            Some(slot) => Ok(self.signal.hub().disconnect(&[Entry(slot)])? == 1),
            None => Ok(false),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        let slot = self.upgrade();
        slot.is_some_and(|slot| slot.link.is_connected())
    }

    pub(crate) fn disconnect_and_wait(&self, timeout: Duration) -> Waited {
        let Some(slot) = self.upgrade() else {
            if WEAKENED != Weakened::EndNotAcquired {
                fence(Ordering::Acquire);
            }
            return Waited::Gone;
        };
        let detached = self.signal.hub().disconnect(&[Entry(slot.clone())]);
        detached.expect("the signal is not frozen");
        let quiet = slot.watch();
        drop(slot);
        if quiet.wait(timeout, || self.signal.hub().free_retired()) {
            Waited::Seen
        } else {
            Waited::Timeout
        }
    }
}
