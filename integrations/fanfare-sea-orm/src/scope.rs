//! What a connection tells the hooks.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use fanfare::ReceiverError;
use fanfare_django::model::{Context, PrimaryKey};
use fanfare_django::transaction::AfterCommit;
use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

use crate::error::{SignalName, refusal};
use crate::executor::{Executor, Target};
use crate::keys::RowKey;

/// What is known of an operation beside its instance.
#[derive(Clone)]
pub struct Scope {
    pub(crate) using: Arc<str>,
    pub(crate) raw: bool,
    pub(crate) origin: Option<Arc<dyn Any + Send + Sync>>,
    /// In a transaction.
    pub(crate) after_commit: Option<AfterCommit>,
    /// What receivers run their queries on.
    pub(crate) target: Target,
}

impl Scope {
    pub(crate) fn new(using: impl Into<Arc<str>>, connection: DatabaseConnection) -> Self {
        Scope {
            using: using.into(),
            raw: false,
            origin: None,
            after_commit: None,
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
    static ANSWER: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// The scope of a connection of ours, also behind wrappers of others.
///
/// A hook gets a `&C` of which it knows only the trait, and the trait has no door for us. But every
/// implementation must say its backend, and a wrapper must ask the wrapped one: while we ask, ours
/// leaves its scope beside the answer.
pub(crate) fn of<C: ConnectionTrait>(db: &C) -> Option<Scope> {
    struct Asking;
    impl Drop for Asking {
        fn drop(&mut self) {
            ASKING.set(false);
        }
    }
    // An answer to a question that panicked.
    ANSWER.take();
    ASKING.set(true);
    let asking = Asking;
    db.get_database_backend();
    drop(asking);
    ANSWER.take()
}

/// To be called where a connection of ours is asked for its backend.
pub(crate) fn answer(scope: &Scope) {
    if ASKING.get() {
        ANSWER.set(Some(scope.clone()));
    }
}

/// One operation that sends: what is known of it, and where its receivers record what is for later.
pub(crate) struct Operation {
    /// Lent to receivers. What they do over it is neither raw nor of this origin.
    executor: Option<Executor>,
    raw: bool,
    origin: Option<Arc<dyn Any + Send + Sync>>,
    /// Outside a transaction what is recorded is sent right after the operation.
    autocommit: Option<AfterCommit>,
}

impl Operation {
    /// One that has not happened yet.
    pub(crate) fn ahead(scope: Option<Scope>) -> Self {
        let mut operation = Operation {
            executor: None,
            raw: false,
            origin: None,
            autocommit: None,
        };
        if let Some(mut scope) = scope {
            operation.raw = std::mem::take(&mut scope.raw);
            operation.origin = scope.origin.take();
            operation.executor = Some(Executor::new(scope));
        }
        operation
    }

    /// One whose rows are written.
    pub(crate) fn done(scope: Option<Scope>) -> Self {
        let commits_itself = scope.as_ref().is_some_and(|it| it.after_commit.is_none());
        Operation {
            autocommit: commits_itself.then(AfterCommit::new),
            ..Operation::ahead(scope)
        }
    }

    /// Returns the context of an event of the model `name`, of its row `key` if there is one.
    pub(crate) fn context<'a>(&'a self, name: &'a str, key: Option<&'a RowKey>) -> Context<'a> {
        let context = self.about_connection().with_model_name(name);
        match key {
            Some(key) => context.with_pk(PrimaryKey::new(key)),
            None => context,
        }
    }

    fn about_connection(&self) -> Context<'_> {
        let Some(executor) = &self.executor else {
            return Context::default();
        };
        let scope = executor.own_scope();
        let mut context = Context::new(&scope.using)
            .raw(self.raw)
            .connection(executor);
        if let Some(origin) = &self.origin {
            context = context.origin(&**origin);
        }
        match scope.after_commit.as_ref().or(self.autocommit.as_ref()) {
            Some(after_commit) => context.after_commit(after_commit),
            None => context,
        }
    }

    /// Runs the send, then sends what receivers recorded, where there is no commit to wait for:
    /// also if one of them failed or panicked, for the rows are written.
    pub(crate) async fn tell<R>(
        &self,
        signal: SignalName,
        send: impl Future<Output = Result<R, ReceiverError<(), Box<dyn Error + Send + Sync>>>>,
    ) -> Result<(), DbErr> {
        let sent = AssertUnwindSafe(send).catch_unwind().await;
        if let Some(after_commit) = &self.autocommit {
            crate::transaction::deliver(after_commit).await;
        }
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(stopped)) => Err(refusal(signal, stopped.error)),
            Err(panic) => resume_unwind(panic),
        }
    }
}
