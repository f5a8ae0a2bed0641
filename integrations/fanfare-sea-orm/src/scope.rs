//! The scope of an operation, which the hooks get from a connection.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::{Arc, Weak};

use fanfare_django::transaction::AfterCommit;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};

use crate::before_commit::Items;
use crate::open_transaction::Open;

/// The properties of an operation beside its instance.
#[derive(Clone)]
pub struct Scope {
    pub(crate) using: Arc<str>,
    pub(crate) raw: bool,
    pub(crate) origin: Option<Arc<dyn Any + Send + Sync>>,
    /// `Some` in a transaction.
    pub(crate) after_commit: Option<AfterCommit>,
    /// `Some` in a transaction.
    pub(crate) before_commit: Option<Items>,
    /// The target of the queries of receivers.
    pub(crate) target: Target,
}

/// The connection or the transaction that the statements of an [`Executor`](crate::Executor) run
/// on.
#[derive(Clone)]
pub(crate) enum Target {
    Connection(DatabaseConnection),
    /// The reference is weak, because the transaction's own scope has the target.
    Transaction(Weak<Open>, DbBackend),
}

impl Scope {
    pub(crate) fn new(using: impl Into<Arc<str>>, connection: DatabaseConnection) -> Self {
        Scope {
            using: using.into(),
            raw: false,
            origin: None,
            after_commit: None,
            before_commit: None,
            target: Target::Connection(connection),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("using", &self.using)
            .field("raw", &self.raw)
            .field("has_origin", &self.origin.is_some())
            .field("in_transaction", &self.after_commit.is_some())
            .finish()
    }
}

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
    static LEFT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Returns the scope of a connection of ours, also behind wrappers of others.
///
/// A hook gets a `&C` of which only the trait is known, and the trait has no method for us. But
/// every implementation must return its backend, and a wrapper must get it from the wrapped one.
/// During such a call from here, our connection leaves its scope in a thread-local.
pub(crate) fn of<C: ConnectionTrait>(db: &C) -> Option<Scope> {
    struct Asking;
    impl Drop for Asking {
        fn drop(&mut self) {
            ASKING.set(false);
        }
    }
    // This drops the scope that a call left when it panicked.
    LEFT.take();
    ASKING.set(true);
    let asking = Asking;
    db.get_database_backend();
    drop(asking);
    LEFT.take()
}

/// Leaves the scope if `of` is running. A connection of ours calls it when it returns its backend.
pub(crate) fn leave(scope: &Scope) {
    if ASKING.get() {
        LEFT.set(Some(scope.clone()));
    }
}
