//! The end of a transaction, and events that wait for it.
//!
//! Django has no such signals. It has `transaction.on_commit`. `fanfare-sea-orm` sends them for
//! transactions that were begun through its `SignalConnection`. Other code that commits sends them
//! in one line each:
//!
//! ```
//! use fanfare_django::transaction::{COMMITTED, Committed, ROLLED_BACK, RolledBack};
//!
//! COMMITTED.connect(|_sender, event| assert_eq!(event.using(), "default"));
//! COMMITTED.from("default").send(&Committed::new("default", 0));
//! ROLLED_BACK.from("default").send(&RolledBack::new("default", 0, false));
//! ```

use std::fmt;
use std::hash::Hash;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare::{Deferred, Event, Signal, SignalFrom};

/// Sent when a transaction has been committed: the outermost one, not a savepoint.
///
/// - **Sender**: the name of the connection, `Sender::named("default")`.
/// - **When**: it is sent before the events that waited for the commit.
/// - **Django**: it has no such signal, but `transaction.on_commit`.
pub static COMMITTED: Signal<Committed<'static>> = Signal::new();

/// Sent when a transaction or a savepoint has been rolled back or dropped, and the events that
/// waited for its commit are discarded.
///
/// [`RolledBack::is_in_doubt`] returns `true` for a transaction that may be committed all the same.
///
/// - **Sender**: the name of the connection, `Sender::named("default")`.
/// - **When**: `fanfare-sea-orm` awaits async receivers where `rollback` is called. A transaction
///   that is merely dropped sends from its destructor, which cannot await. If there are async
///   receivers, all receivers then run a little later, in a task of the runtime, or on a thread if
///   there is no runtime. They do not run if the runtime is ending.
/// - **Django**: it has no such signal, but `transaction.on_commit`.
pub static ROLLED_BACK: Signal<RolledBack<'static>> = Signal::new();

fanfare::signals!(COMMITTED, ROLLED_BACK);

/// The event of [`COMMITTED`].
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    using: &'a str,
    waiting: usize,
}

impl Event for Committed<'static> {
    type Args<'a> = Committed<'a>;
}

impl<'a> Committed<'a> {
    /// Returns an event for the connection `using`, whose commit is about to deliver `waiting`
    /// events.
    pub fn new(using: &'a str, waiting: usize) -> Self {
        Committed { using, waiting }
    }

    /// Returns the name of the connection.
    pub fn using(&self) -> &'a str {
        self.using
    }

    /// Returns the number of events that waited for this commit, and are delivered next.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

/// The event of [`ROLLED_BACK`].
#[derive(Clone, Copy, Debug)]
pub struct RolledBack<'a> {
    using: &'a str,
    discarded: usize,
    is_nested: bool,
    is_in_doubt: bool,
}

impl Event for RolledBack<'static> {
    type Args<'a> = RolledBack<'a>;
}

impl<'a> RolledBack<'a> {
    /// Returns an event for the connection `using`, where `discarded` events will not be delivered.
    pub fn new(using: &'a str, discarded: usize, is_nested: bool) -> Self {
        RolledBack {
            using,
            discarded,
            is_nested,
            is_in_doubt: false,
        }
    }

    /// Sets whether the state of the transaction in the database is unknown.
    pub fn in_doubt(self, is_in_doubt: bool) -> Self {
        RolledBack {
            is_in_doubt,
            ..self
        }
    }

    /// Returns the name of the connection.
    pub fn using(&self) -> &'a str {
        self.using
    }

    /// Returns the number of events that waited for the commit.
    pub fn discarded(&self) -> usize {
        self.discarded
    }

    /// Returns `true` if it was a savepoint inside another transaction, which goes on.
    pub fn is_nested(&self) -> bool {
        self.is_nested
    }

    /// Returns `true` if the transaction may be committed all the same, because its COMMIT was
    /// under way when the connection failed or the future was dropped.
    ///
    /// A receiver that undoes something because of a rollback queries the database first.
    pub fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }
}

/// A handle to the events that wait for one transaction's commit. It is cheap to clone, `Send` and
/// `Sync`.
///
/// The model signals' events have a handle if their emitter knows the transaction
/// ([`PostSave::after_commit`](crate::model::PostSave::after_commit)). A receiver records in it the
/// events that must be sent only once the row is safe. It is a shared [`Deferred`], whose
/// documentation of events, order and responses holds here.
///
/// Events that are recorded after the transaction has ended are never sent, so do not keep the
/// handle. Events that a rollback to a savepoint or an equal key drops are dropped under the
/// handle's lock. Their destructors must not use the handle.
///
/// ```
/// use fanfare::Signal;
/// use fanfare_django::transaction::AfterCommit;
///
/// static MAIL_OWED: Signal<String, usize> = Signal::new();
///
/// let after_commit = AfterCommit::new();
/// after_commit.record(&MAIL_OWED, String::from("ada@example.org"));
/// assert_eq!(after_commit.len(), 1);
///
/// // What an emitter does after its COMMIT:
/// assert_eq!(after_commit.take().commit(), 1);
/// assert!(after_commit.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct AfterCommit(Arc<Mutex<Deferred<'static>>>);

impl AfterCommit {
    /// Makes a handle for a new transaction. This is for emitters.
    pub fn new() -> Self {
        AfterCommit::default()
    }

    /// Records an event, which is sent through `source` after the commit. See [`Deferred::record`].
    pub fn record<'a, E, R>(
        &self,
        source: impl Into<SignalFrom<'static, 'a, E, R>>,
        event: E::Args<'static>,
    ) where
        E: Event,
        E::Args<'static>: Send,
        for<'x> E::Args<'x>: Sync,
        R: Send + 'static,
    {
        self.lock().record(source, event);
    }

    /// Records an event, which takes the place of one recorded with an equal key. See
    /// [`Deferred::record_coalesced`].
    ///
    /// `Hash` and `Eq` of the key run under the handle's lock: they must not use the handle.
    pub fn record_coalesced<'a, E, R, K>(
        &self,
        source: impl Into<SignalFrom<'static, 'a, E, R>>,
        event: E::Args<'static>,
        key: K,
    ) where
        E: Event,
        E::Args<'static>: Send,
        for<'x> E::Args<'x>: Sync,
        R: Send + 'static,
        K: Eq + Hash + Send + 'static,
    {
        self.lock().record_coalesced(source, event, key);
    }

    /// Returns the number of events that wait.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns `true` if no event waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Locks the buffer and returns it, for savepoints. This is for emitters.
    ///
    /// Do not send while it is held: a receiver that records would wait for its own thread.
    pub fn lock(&self) -> MutexGuard<'_, Deferred<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the waiting events out, to be committed. This is for emitters.
    ///
    /// Events that receivers record while these are delivered are in the handle afterwards.
    pub fn take(&self) -> Deferred<'static> {
        mem::take(&mut *self.lock())
    }
}

impl fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AfterCommit").field(&*self.lock()).finish()
    }
}
