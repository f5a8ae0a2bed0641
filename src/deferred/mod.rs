//! Events that wait for a transaction: its commit delivers them, its rollback drops them.
//!
//! A [`Deferred`] records events. A [`Savepoint`] is a point to roll back to.
//!
//! ```
//! use fanfare::deferred::{CommitReport, SavepointError};
//! use fanfare::{Deferred, Signal};
//!
//! static PAID: Signal<u32> = Signal::new();
//! PAID.connect(|_sender, order| assert_eq!(*order, 7));
//!
//! let mut deferred = Deferred::new();
//! deferred.record(&PAID, 7);
//! let savepoint = deferred.savepoint();
//! deferred.record(PAID.from("till"), 8);
//! deferred.rollback_to(savepoint)?;
//!
//! let report: CommitReport = deferred.commit_robust();
//! assert_eq!((report.sent(), report.all_ok()), (1, true));
//! assert_eq!(deferred.rollback_to(savepoint), Err(SavepointError::Ended(savepoint)));
//! # Ok::<(), SavepointError>(())
//! ```
// * here: recording, and savepoints.
// * `commit`: the end of a buffer.
// * `report`: the report of a robust commit.
// * `record`: one event with its types erased.
// * `savepoint`: the token and its errors.

mod commit;
mod record;
mod report;
mod savepoint;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::event::Event;
#[cfg(doc)]
use crate::signal::Signal;
use crate::signal_from::SignalFrom;
use crate::table::sync::HashMap;
use record::{Record, Recorded};
pub use report::CommitReport;
pub use savepoint::{Savepoint, SavepointError};

/// Events that are sent after a commit, or not at all.
///
/// Receivers must not get the events of a transaction before the transaction is committed: a mail
/// for a row that was rolled back cannot be called back. So record the events here while the
/// transaction runs, and [`commit`](Deferred::commit) this after it. Dropping it instead, or
/// [`rollback`](Deferred::rollback), sends no events. It has no connection to a database: the
/// caller decides when to commit.
///
/// ```
/// use fanfare::{Deferred, Signal};
/// use std::sync::Mutex;
///
/// static PAID: Signal<u32> = Signal::new();
/// static MAILS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// PAID.connect(|_sender, order| MAILS.lock().unwrap().push(format!("order {order} is paid")));
///
/// let mut deferred = Deferred::new();
/// deferred.record(&PAID, 7);
/// let savepoint = deferred.savepoint();
/// deferred.record(&PAID, 8);
/// deferred.rollback_to(savepoint)?;
/// assert!(MAILS.lock().unwrap().is_empty());
///
/// assert_eq!(deferred.commit(), 1);
/// assert_eq!(*MAILS.lock().unwrap(), ["order 7 is paid"]);
/// # Ok::<(), fanfare::deferred::SavepointError>(())
/// ```
///
/// # Requirements
///
/// The event is kept by value until the commit, so it may hold no borrow that is not `'static`. The
/// sender is kept by its value, and the signal is borrowed (`'s`, and usually the signal is a
/// `static`). The commit calls the receivers that are connected at that time. An
/// [`Identity`](crate::Identity) that has died by then reaches the receivers for any sender.
///
/// The responses of receivers are dropped, also an `Err`, because the code that recorded the event
/// has moved on. A receiver that can fail should report its failure itself, or panic, so that
/// [`commit_robust`](Deferred::commit_robust) reports the panic.
///
/// A `Deferred` is `Send`: it may be filled on several threads, one after the other, and held
/// across an `.await`. It does not depend on the thread that made it. So that its events can be
/// delivered on any thread, they must be `Send` and `Sync`, and the responses `Send`.
///
/// # Re-entry
///
/// During a commit the buffer is borrowed, so receivers cannot record into it. They may send, and
/// record into another buffer. If the buffer is in a `Mutex`, take it out to commit it. Otherwise a
/// receiver that locks that mutex waits for its own thread. Write
/// `let mut taken = std::mem::take(&mut *shared.lock().unwrap())` in a statement of its own, then
/// `taken.commit()`.
///
/// # Panics in destructors
///
/// A panic in the destructor of an event, of a key or of a response that is dropped here is caught,
/// and reported once with the feature `tracing`. The other values are dropped as well.
///
/// # Cost
///
/// Each event costs one box, which also holds the sender and the key, an `Arc<str>` for a sender
/// with a name, and a place in a B-tree, which allocates once for about six events. A `Deferred`
/// shares no data with other threads, and does not wait, except for its receivers.
pub struct Deferred<'s> {
    /// The number that identifies it to its savepoints.
    number: u64,
    /// The moment of the last event that was recorded or the last savepoint, counted from 1.
    now: u64,
    /// The entries, in the order of recording.
    entries: BTreeMap<u64, Entry<'s>>,
    /// The moments of the entries that the next entry with an equal key takes the place of, by
    /// hash.
    latest: HashMap<u64, SmallVec<[u64; 2]>>,
    /// The moments when the open savepoints were made, the outermost first.
    savepoints: Vec<u64>,
    /// The hidden entries, by the moment when another entry took their place. Each was recorded
    /// before, and replaced after, a savepoint that is still open. A rollback to that savepoint
    /// brings it back.
    replaced: BTreeMap<u64, u64>,
}

/// A recorded event.
struct Entry<'s> {
    record: Box<dyn Record + Send + 's>,
    /// `None` for an entry that takes no other's place and whose place no other takes.
    coalesced: Option<Coalesced>,
}

#[derive(Clone, Copy)]
struct Coalesced {
    /// The hash of the target, computed once because a `Hash` of the user's may panic.
    hash: u64,
    /// `true` if another entry took its place.
    hidden: bool,
}

impl<'s> Deferred<'s> {
    /// Makes an empty buffer. It does not allocate, except for the seeds of hashing if they are the
    /// first that the process draws.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Deferred {
            // Relaxed: only the atomicity of the addition matters. Without it, a savepoint would be
            // valid for two buffers. Its partner is itself. Row D1.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            now: 0,
            entries: BTreeMap::new(),
            latest: HashMap::default(),
            savepoints: Vec::new(),
            replaced: BTreeMap::new(),
        }
    }

    /// Returns the number of events that a commit would deliver now.
    pub fn len(&self) -> usize {
        self.entries.len() - self.replaced.len()
    }

    /// Returns `true` if a commit would deliver no events.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

/// # Recording
impl<'s> Deferred<'s> {
    /// Records an event, which the commit sends through `source`: a `&Signal`, or a signal together
    /// with a sender, as [`Signal::from`] returns it. Calls no receiver.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    ///
    /// static SAVED: Signal<String, usize> = Signal::new();
    /// SAVED.connect(|_sender, title| title.len());
    ///
    /// let mut deferred = Deferred::new();
    /// deferred.record(&SAVED, String::from("Emma"));
    /// deferred.record(SAVED.from("shop.Book"), String::from("Persuasion"));
    /// assert_eq!(deferred.len(), 2);
    /// assert_eq!(deferred.commit(), 2);
    /// ```
    pub fn record<'a, E, R>(
        &mut self,
        source: impl Into<SignalFrom<'s, 'a, E, R>>,
        event: E::Args<'static>,
    ) where
        E: Event,
        E::Args<'static>: Send,
        for<'x> E::Args<'x>: Sync,
        R: Send + 'static,
    {
        let record = Recorded::new(source, event, ());
        let moment = self.tick();
        let entry = Entry {
            record: Box::new(record),
            coalesced: None,
        };
        self.entries.insert(moment, entry);
    }

    /// Records an event as [`record`](Deferred::record) does. It takes the place of the event that
    /// was recorded with the same signal, an equal sender and an equal key: that event is not sent.
    ///
    /// So the commit sends only the latest of these events, once, at the place where that event was
    /// recorded: after the events recorded before it. Keys of different types are different (a
    /// literal `7` is an `i32`). An event recorded with `record` does not take the place of another
    /// event and keeps its own.
    ///
    /// If a savepoint was made between the two events, a rollback to it brings the earlier one
    /// back, in its own place. Until such a savepoint has ended, both are kept. Otherwise the
    /// earlier one is dropped at once.
    ///
    /// Costs a hash of the key and a look in a hash table, and calls `Eq` for a key that has the
    /// same hash.
    ///
    /// # Panics
    ///
    /// Panics if `Hash` or `Eq` of the key panics. The buffer is then as it was before the call.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    /// use std::sync::Mutex;
    ///
    /// static CHANGED: Signal<&'static str> = Signal::new();
    /// static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    /// CHANGED.connect(|_sender, row| TOLD.lock().unwrap().push(row.to_string()));
    ///
    /// let mut deferred = Deferred::new();
    /// deferred.record_coalesced(CHANGED.from("paint"), "row 7 is blue", 7);
    /// deferred.record_coalesced(CHANGED.from("paint"), "row 8 is red", 8);
    /// deferred.record_coalesced(CHANGED.from("paint"), "row 7 is green", 7);
    /// let savepoint = deferred.savepoint();
    /// deferred.record_coalesced(CHANGED.from("paint"), "row 7 is white", 7);
    /// assert_eq!(deferred.len(), 2);
    /// deferred.rollback_to(savepoint)?;
    ///
    /// assert_eq!(deferred.commit(), 2);
    /// assert_eq!(*TOLD.lock().unwrap(), ["row 8 is red", "row 7 is green"]);
    /// # Ok::<(), fanfare::deferred::SavepointError>(())
    /// ```
    pub fn record_coalesced<'a, E, R, K>(
        &mut self,
        source: impl Into<SignalFrom<'s, 'a, E, R>>,
        event: E::Args<'static>,
        key: K,
    ) where
        E: Event,
        E::Args<'static>: Send,
        for<'x> E::Args<'x>: Sync,
        R: Send + 'static,
        K: Eq + Hash + Send + 'static,
    {
        let record = Recorded::new(source, event, key);
        // `Hash` and `Eq` of the user's run up to `earlier`, before the buffer is changed.
        let hash = record.hash(self.latest.hasher());
        let earlier = self.latest.get(&hash).and_then(|moments| {
            let target = record.target();
            let mut moments = moments.iter().copied();
            moments.find(|moment| self.entries[moment].record.is_for(&target))
        });

        let moment = self.tick();
        let moments = self.latest.entry(hash).or_default();
        moments.retain(|it| Some(*it) != earlier);
        moments.push(moment);
        if let Some(earlier) = earlier {
            self.replace(earlier, moment);
        }
        let entry = Entry {
            record: Box::new(record),
            coalesced: Some(Coalesced {
                hash,
                hidden: false,
            }),
        };
        self.entries.insert(moment, entry);
    }

    /// Drops an entry whose place was taken at `moment`, or hides it if a rollback may bring it
    /// back.
    fn replace(&mut self, earlier: u64, moment: u64) {
        if self.is_of_innermost(earlier) {
            self.entries.remove(&earlier);
        } else {
            self.hide(earlier, true);
            self.replaced.insert(moment, earlier);
        }
    }

    /// Returns `true` if every rollback that drops the events recorded now drops this entry as
    /// well.
    fn is_of_innermost(&self, moment: u64) -> bool {
        self.savepoints.last() < Some(&moment)
    }

    /// Hides or shows an entry, and returns its hash.
    fn hide(&mut self, moment: u64, hidden: bool) -> Option<u64> {
        let coalesced = self.entries.get_mut(&moment)?.coalesced.as_mut()?;
        coalesced.hidden = hidden;
        Some(coalesced.hash)
    }

    /// Removes the moment of an entry that has been taken out, so that no later entry takes its
    /// place.
    fn forget(&mut self, moment: u64, entry: &Entry<'s>) {
        let Some(Coalesced { hash, .. }) = entry.coalesced else {
            return;
        };
        if let Some(moments) = self.latest.get_mut(&hash) {
            moments.retain(|it| *it != moment);
            if moments.is_empty() {
                self.latest.remove(&hash);
            }
        }
    }
}

/// # Savepoints
///
/// Savepoints work as in SQL. They nest, without a limit.
impl<'s> Deferred<'s> {
    /// Makes a savepoint inside the savepoints that are open.
    ///
    /// It ends when it is released, when an outer one is released or rolled back to, and with
    /// `commit` and `rollback`. A savepoint that is forgotten, because of a `?` for example, does
    /// not roll back. [`nested`](Deferred::nested) does roll back then.
    pub fn savepoint(&mut self) -> Savepoint {
        let moment = self.tick();
        self.savepoints.push(moment);
        Savepoint {
            buffer: self.number,
            moment,
        }
    }

    /// Runs `record` inside a savepoint of its own, and returns the result of `record`. An `Ok`
    /// releases the savepoint. An `Err` or a panic rolls back to it, so that the events recorded
    /// inside are never sent.
    ///
    /// It nests, as Django's `atomic` does, and a `?` inside does not leave a savepoint behind.
    ///
    /// # Panics
    ///
    /// Panics if `record` panics. The buffer is rolled back first.
    ///
    /// ```
    /// use fanfare::{Deferred, Signal};
    ///
    /// static PAID: Signal<u32> = Signal::new();
    /// let mut deferred = Deferred::new();
    /// deferred.record(&PAID, 1);
    /// let parsed = deferred.nested(|deferred| {
    ///     deferred.record(&PAID, 2);
    ///     "three".parse().map(|order: u32| deferred.record(&PAID, order))
    /// });
    /// assert!(parsed.is_err());
    /// assert_eq!(deferred.commit(), 1);
    /// ```
    pub fn nested<T, X>(&mut self, record: impl FnOnce(&mut Self) -> Result<T, X>) -> Result<T, X> {
        let savepoint = self.savepoint();
        let mut inside = Inside {
            deferred: self,
            savepoint: Some(savepoint),
        };
        let recorded = record(inside.deferred);
        if recorded.is_ok() {
            if let Some(savepoint) = inside.savepoint.take() {
                // An `Err` means that `record` has ended it, by a commit for example.
                let _ = inside.deferred.release(savepoint);
            }
        }
        recorded
    }

    /// Drops every event recorded since `savepoint`, and brings back the events whose places they
    /// took. Ends the savepoints made after it. The savepoint itself stays open.
    ///
    /// The cost grows with the number of events that it drops.
    ///
    /// # Errors
    ///
    /// Returns an error if the savepoint has ended or is of another `Deferred`. Then the buffer is
    /// unchanged.
    ///
    /// ```
    /// use fanfare::deferred::SavepointError;
    /// use fanfare::{Deferred, Signal};
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// let mut deferred = Deferred::new();
    ///
    /// let outer = deferred.savepoint();
    /// deferred.record(&SAVED, 1);
    /// let inner = deferred.savepoint();
    /// deferred.record(&SAVED, 2);
    /// deferred.rollback_to(inner)?;
    /// assert_eq!(deferred.len(), 1);
    /// deferred.rollback_to(outer)?;
    /// assert_eq!(deferred.len(), 0);
    ///
    /// assert_eq!(deferred.rollback_to(inner), Err(SavepointError::Ended(inner)));
    /// deferred.record(&SAVED, 3);
    /// deferred.rollback_to(outer)?;
    /// assert!(deferred.is_empty());
    /// # Ok::<(), SavepointError>(())
    /// ```
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<(), SavepointError> {
        let place = self.place(savepoint)?;
        self.savepoints.truncate(place + 1);
        let dropped = self.entries.split_off(&savepoint.moment);
        for (moment, entry) in &dropped {
            self.forget(*moment, entry);
        }
        for earlier in self.replaced.split_off(&savepoint.moment).into_values() {
            // The entries recorded since have been dropped.
            if let Some(hash) = self.hide(earlier, false) {
                self.latest.entry(hash).or_default().push(earlier);
            }
        }
        Ok(())
    }

    /// Ends `savepoint` and the savepoints made after it. Events recorded since then count as
    /// recorded before it: only a rollback to an outer savepoint, or of everything, drops them.
    ///
    /// Costs a look at each event that took the place of an event from before the savepoint,
    /// because the earlier event may now be dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if the savepoint has ended or is of another `Deferred`. Then the buffer is
    /// unchanged.
    ///
    /// ```
    /// use fanfare::deferred::SavepointError;
    /// use fanfare::{Deferred, Signal};
    ///
    /// static SAVED: Signal<u32> = Signal::new();
    /// let mut deferred = Deferred::new();
    /// let savepoint = deferred.savepoint();
    /// deferred.record(&SAVED, 1);
    /// deferred.release(savepoint)?;
    /// assert_eq!(deferred.release(savepoint), Err(SavepointError::Ended(savepoint)));
    /// assert_eq!(deferred.commit(), 1);
    /// # Ok::<(), SavepointError>(())
    /// ```
    pub fn release(&mut self, savepoint: Savepoint) -> Result<(), SavepointError> {
        let place = self.place(savepoint)?;
        self.savepoints.truncate(place);
        // An entry that only the released savepoints kept was replaced after the first of them was
        // made.
        for (moment, earlier) in self.replaced.split_off(&savepoint.moment) {
            self.replace(earlier, moment);
        }
        Ok(())
    }

    /// Returns the place of `savepoint` among the open savepoints.
    fn place(&self, savepoint: Savepoint) -> Result<usize, SavepointError> {
        if savepoint.buffer != self.number {
            return Err(SavepointError::Foreign(savepoint));
        }
        let place = self.savepoints.binary_search(&savepoint.moment);
        place.map_err(|_| SavepointError::Ended(savepoint))
    }
}

/// A guard that rolls back to its savepoint and ends it, if it is still there when this is dropped.
struct Inside<'d, 's> {
    deferred: &'d mut Deferred<'s>,
    savepoint: Option<Savepoint>,
}

impl Drop for Inside<'_, '_> {
    fn drop(&mut self) {
        let Some(savepoint) = self.savepoint else {
            return;
        };
        if self.deferred.rollback_to(savepoint).is_ok() {
            let released = self.deferred.release(savepoint);
            debug_assert_eq!(released, Ok(()), "the savepoint is open");
        }
    }
}

impl Default for Deferred<'_> {
    fn default() -> Self {
        Deferred::new()
    }
}

impl fmt::Debug for Deferred<'_> {
    /// Formats the type and the sender of each event that a commit would deliver.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred")
            .field("events", &Events(self))
            .field("open_savepoints", &self.savepoints.len())
            .finish()
    }
}

struct Events<'r, 's>(&'r Deferred<'s>);

impl fmt::Debug for Events<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.entries.values();
        let shown = entries.filter(|entry| entry.coalesced.is_none_or(|it| !it.hidden));
        f.debug_list().entries(shown.map(Shown)).finish()
    }
}

struct Shown<'r, 's>(&'r Entry<'s>);

impl fmt::Debug for Shown<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = &self.0.record;
        write!(f, "{} from {}", record.event_name(), record.sender())
    }
}
