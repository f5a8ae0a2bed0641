//! The smallest table, and entries that follow `src/receiver.rs`.

use std::mem::ManuallyDrop;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize as PlainCount, Ordering};
use std::thread::panicking;

use super::WEAKENED;
use super::hub;
use super::link::{Link, Quiet};
use super::sync::{Arc, Ground, ThreadId, Weak, this_thread};
use crate::weakened::Weakened;

/// Entries in the order of their numbers.
pub(crate) struct Table {
    entries: Vec<Entry>,
    tap: Option<Arc<Tap>>,
}

/// The observers of a hub.
pub(crate) struct Tap(pub(crate) u8);

impl Table {
    fn of(entries: Vec<Entry>, tap: Option<Arc<Tap>>) -> Self {
        Table { entries, tap }
    }

    pub(crate) fn observer(&self) -> Option<u8> {
        self.tap.as_ref().map(|tap| tap.0)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl hub::Table for Table {
    type Entry = Entry;

    fn with(&self, added: &[Entry]) -> Self {
        let mut entries = [self.entries(), added].concat();
        entries.sort_by_key(|entry| entry.0.link.number());
        Table::of(entries, self.tap.clone())
    }

    fn without(&self, removed: &[Entry]) -> Self {
        let numbers: Vec<u64> = removed.iter().map(|entry| entry.0.link.number()).collect();
        let mut entries = self.entries().to_vec();
        entries.retain(|entry| !numbers.contains(&entry.0.link.number()));
        assert_eq!(
            entries.len() + removed.len(),
            self.entries.len(),
            "a writer removes only receivers that the table holds"
        );
        Table::of(entries, self.tap.clone())
    }

    fn flattened(&self) -> Self {
        Table::of(self.entries.clone(), self.tap.clone())
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    type Tap = Tap;

    fn with_tap(&self, tap: Option<Arc<Tap>>) -> Self {
        Table::of(self.entries.clone(), tap)
    }

    fn tap(&self) -> Option<&Arc<Tap>> {
        self.tap.as_ref()
    }

    fn report(_tap: &Tap, _entry: &Entry, _change: hub::Changed) {}

    type Shared = ();

    fn empty((): &()) -> Self {
        Table::of(Vec::new(), None)
    }
}

#[derive(Clone)]
pub(crate) struct Entry(pub(crate) Arc<Slot>);

impl hub::Entry for Entry {
    type Key = u8;

    fn key(&self) -> Option<u8> {
        self.0.key
    }

    fn link(&self) -> &Link {
        &self.0.link
    }

    fn is_weak(&self) -> bool {
        self.0.target.is_some()
    }

    fn is_limited(&self) -> bool {
        self.0.once
    }

    fn is_alive(&self) -> bool {
        let target = self.0.target.as_ref();
        target.is_none_or(|target| target.strong_count() > 0)
    }
}

/// The target of a weak receiver.
pub(crate) struct Target(pub(crate) Ground);

/// A slot, like that of `src/receiver/slot.rs`.
pub(crate) struct Slot {
    pub(crate) link: Link,
    pub(crate) key: Option<u8>,
    pub(crate) once: bool,
    pub(crate) target: Option<Weak<Target>>,
    callee: ManuallyDrop<Callee>,
}

impl Slot {
    pub(crate) fn new(number: u64, life: &Life) -> Self {
        Slot {
            link: Link::new(number),
            key: None,
            once: false,
            target: None,
            callee: ManuallyDrop::new(Callee(life.clone())),
        }
    }

    pub(crate) fn key(mut self, key: u8) -> Self {
        self.key = Some(key);
        self
    }

    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    pub(crate) fn weak(mut self, target: &Arc<Target>) -> Self {
        self.target = Some(Arc::downgrade(target));
        self
    }

    pub(crate) fn entry(self) -> Entry {
        Entry(Arc::new(self))
    }

    pub(crate) fn call(&self) {
        if let Some(target) = &self.target {
            let target = target.upgrade().expect("the send has pinned the target");
            target.0.read();
        }
        self.callee.0.run();
    }

    pub(crate) fn pin(&self) -> Option<Arc<Target>> {
        self.target.as_ref()?.upgrade()
    }

    pub(crate) fn watch(&self) -> Arc<Quiet> {
        self.link.watch()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if WEAKENED == Weakened::GoneBeforeDrop {
            self.link.announce_gone();
        }
        // SAFETY: not used again, and dropped here alone.
        unsafe { ManuallyDrop::drop(&mut self.callee) };
        if WEAKENED != Weakened::GoneBeforeDrop {
            self.link.announce_gone();
        }
    }
}

/// A user's closure, which its destructor ends.
struct Callee(Life);

impl Drop for Callee {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The record of a receiver's life, outside the model's own memory.
#[derive(Clone)]
pub(crate) struct Life(std::sync::Arc<Record>);

struct Record {
    calls: PlainCount,
    running: PlainCount,
    ended: PlainCount,
    /// The thread that ran the destructor.
    ended_by: Mutex<Option<ThreadId>>,
    /// The data that the receiver uses as it runs.
    used: Ground,
    /// The data that its destructor uses.
    owned: Ground,
}

impl Life {
    pub(crate) fn new() -> Self {
        Life(std::sync::Arc::new(Record {
            calls: PlainCount::new(0),
            running: PlainCount::new(0),
            ended: PlainCount::new(0),
            ended_by: Mutex::new(None),
            used: Ground::new(),
            owned: Ground::new(),
        }))
    }

    fn run(&self) {
        assert_eq!(self.ended(), 0, "called after its destructor");
        self.0.running.fetch_add(1, Ordering::Relaxed);
        self.0.used.read();
        self.0.owned.read();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        if panicking() {
            return;
        }
        assert_eq!(self.running(), 0, "dropped while it runs");
        self.0.owned.write();
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        *self.0.ended_by.lock().unwrap() = Some(this_thread());
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> usize {
        self.0.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn is_ended_by(&self, thread: ThreadId) -> bool {
        *self.0.ended_by.lock().unwrap() == Some(thread)
    }

    /// Takes away the data that the receiver uses as it runs.
    pub(crate) fn take_away(&self) {
        assert_eq!(self.running(), 0, "runs although it was waited for");
        self.0.used.write();
    }

    /// Reads the record, as one of several threads that waited for the destructor.
    pub(crate) fn look_back(&self) {
        assert_eq!(self.ended(), 1, "its destructor has not returned");
        self.0.owned.read();
    }

    /// Takes the data over, as a thread that waited for the destructor.
    pub(crate) fn take_over(&self) {
        assert_eq!(self.ended(), 1, "its destructor has not returned");
        self.0.owned.write();
    }
}
