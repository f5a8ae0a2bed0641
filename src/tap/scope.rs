//! A part of a program that is muted or recorded apart from the rest, with all that it causes.

use std::fmt;
use std::iter;
#[cfg(feature = "testing")]
use std::sync::OnceLock;
#[cfg(feature = "testing")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[cfg(feature = "testing")]
use super::shuffle::Shuffle;
use super::steps::Record;
use crate::lock::lock;

/// The scopes of tests that have not ended, for events that are stored in them.
static OF_TESTS: Mutex<Vec<Arc<Scope>>> = Mutex::new(Vec::new());

/// A scope, which contexts carry to all that it causes.
pub(crate) struct Scope {
    /// The number, which no other scope of the process has or had.
    pub(crate) number: u64,
    /// The scope around it.
    pub(crate) parent: Option<Arc<Scope>>,
    /// The record, in a scope of a test.
    pub(crate) record: Option<Record>,
    /// `true` if a receiver was made for it.
    #[cfg(feature = "testing")]
    has_receivers: AtomicBool,
    /// It is set if the scope shuffles receivers.
    #[cfg(feature = "testing")]
    pub(crate) shuffle: OnceLock<Shuffle>,
}

impl Scope {
    /// Makes a scope inside of `parent`.
    pub(crate) fn inside(parent: Option<Arc<Scope>>, record: Option<Record>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Scope {
            // Relaxed: each number is another one by the modification order of this counter alone.
            // Row W5.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            parent,
            record,
            #[cfg(feature = "testing")]
            has_receivers: AtomicBool::new(false),
            #[cfg(feature = "testing")]
            shuffle: OnceLock::new(),
        })
    }

    /// Returns the same scope, without its record, inside of `parent`.
    pub(crate) fn moved(&self, parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Scope {
            number: self.number,
            parent,
            record: None,
            #[cfg(feature = "testing")]
            has_receivers: AtomicBool::new(false),
            #[cfg(feature = "testing")]
            shuffle: OnceLock::new(),
        })
    }

    /// Returns `true` if it is the scope of a test that has ended.
    #[cfg(feature = "testing")]
    pub(crate) fn has_ended(&self) -> bool {
        self.record.as_ref().is_some_and(Record::is_closed)
    }

    /// Notes that a receiver is made for the scope.
    #[cfg(feature = "testing")]
    pub(crate) fn note_receiver(&self) {
        // Relaxed: a receiver that another thread connects at the end of the scope may be in time
        // or not. Row W4.
        self.has_receivers.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if a receiver was made for the scope.
    #[cfg(feature = "testing")]
    pub(crate) fn has_receivers(&self) -> bool {
        // Relaxed: as in `note_receiver`. Row W4.
        self.has_receivers.load(Ordering::Relaxed)
    }

    /// Returns the scope of a test with this number, if it has not ended.
    pub(super) fn find(number: u64) -> Option<Arc<Self>> {
        let scopes = lock(&OF_TESTS);
        scopes.iter().find(|scope| scope.number == number).cloned()
    }

    /// Adds the scope, which is that of a test, to those that `find` returns.
    #[cfg(feature = "testing")]
    pub(crate) fn register(self: &Arc<Self>) {
        lock(&OF_TESTS).push(Arc::clone(self));
    }

    /// Removes the scope from those that `find` returns.
    #[cfg(feature = "testing")]
    pub(crate) fn unregister(&self) {
        lock(&OF_TESTS).retain(|scope| scope.number != self.number);
    }

    /// Returns this scope and those around it, outwards.
    pub(crate) fn outwards(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Scope>> {
        iter::successors(Some(self), |scope| scope.parent.as_ref())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.number)
    }
}
