//! Transactions, and the events that wait for their commit.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use fanfare::deferred::Savepoint;
use fanfare::watch::Context;
use fanfare_django::transaction::{AfterCommit, COMMITTED, Committed, ROLLED_BACK, RolledBack};
use futures_util::FutureExt;
use futures_util::lock::OwnedMutexGuard;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
use sea_orm::RuntimeErr;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, Statement, TransactionOptions, TransactionSession,
};

use crate::after_commit::{deliver, on_commit};
use crate::before_commit::{Closed, Items};
use crate::open_transaction::{Open, ended};
use crate::scope::{self, Scope, Target};

/// A [`DatabaseTransaction`] whose commit delivers the events that waited for it.
///
/// It is begun from a [`SignalConnection`](crate::SignalConnection), or from another
/// `SignalTransaction`. In the second case it is a savepoint.
///
/// Events wait in the order in which they were recorded, those of savepoints among the others. A
/// savepoint's commit leaves its events with the outer transaction. Its rollback and its drop
/// discard them. The outermost commit sends [`COMMITTED`] and then the events, one after the other,
/// before [`commit`](TransactionSession::commit) returns. Events that a receiver records during
/// that are sent as well.
///
/// # Limitations
///
/// - The events are in memory. An event is lost if the process ends, or the future of `commit` is
///   dropped, after the COMMIT and before the event is delivered. A web framework drops that future
///   when the client leaves: commit in a task of its own to go on. An event that must not be lost
///   belongs in a row of the same transaction, which a worker processes, as `fanfare-outbox` does.
/// - If COMMIT fails, or the future of `commit` is dropped before the response, no event is
///   delivered, even if the COMMIT was done. Then [`RolledBack::is_in_doubt`] returns `true`. A
///   savepoint that is dropped so makes the commit around it fail.
/// - A transaction that was begun inside this one must be ended first. Otherwise both are rolled
///   back, and each `commit` returns an error.
/// - If a receiver panics, the others run and later events are delivered. Then the panic unwinds
///   out of `commit`, although the transaction is committed.
///
/// ```
/// # use fanfare::Signal;
/// # use fanfare_sea_orm::SignalConnection;
/// # use sea_orm::{Database, DbErr, TransactionSession, TransactionTrait};
/// # use std::sync::atomic::{AtomicU32, Ordering};
/// static PAID: Signal<u32> = Signal::new();
/// static SUM: AtomicU32 = AtomicU32::new(0);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// PAID.connect(|_sender, cents| { SUM.fetch_add(*cents, Ordering::SeqCst); });
/// let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
///
/// let outer = db.begin().await?;
/// outer.after_commit().record(&PAID, 1);
/// let inner = outer.begin().await?;
/// inner.after_commit().record(&PAID, 20);
/// inner.rollback().await?;
/// assert_eq!(SUM.load(Ordering::SeqCst), 0);
/// outer.commit().await?;
/// assert_eq!(SUM.load(Ordering::SeqCst), 1);
/// # Ok(())
/// # }
/// ```
pub struct SignalTransaction {
    /// It is `None` once the transaction is being ended.
    open: Option<Arc<Open>>,
    backend: DbBackend,
    scope: Scope,
    after_commit: AfterCommit,
    before_commit: Items,
    /// The connection of the outermost transaction. It is `None` in a nested one.
    connection: Option<DatabaseConnection>,
    /// It is `Some` in a nested transaction.
    savepoint: Option<Savepoint>,
    /// `true` once the events that wait have been handed on, delivered or discarded.
    is_settled: bool,
    /// `true` once the outermost COMMIT has begun, until the database has responded.
    is_in_doubt: bool,
    /// It is `Some` in a nested transaction that has not ended.
    within: Option<Within>,
}

/// The handles that a transaction holds of the one around it.
struct Within {
    _inside: Arc<()>,
    /// It is `Some` if a receiver has begun the transaction. It keeps the other receivers of the
    /// send waiting.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl SignalTransaction {
    pub(crate) fn outermost(inner: DatabaseTransaction, scope: Scope) -> Self {
        SignalTransaction::new(Open::outermost(inner), scope, AfterCommit::new(), None)
    }

    pub(crate) async fn nested(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        SignalTransaction::inside(self.open()?, options, &self.scope, None).await
    }

    /// Begins a savepoint inside `open`. `scope` is that of the transaction.
    pub(crate) async fn inside(
        open: &Open,
        options: TransactionOptions,
        scope: &Scope,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Result<Self, DbErr> {
        let inner = open.savepoint(options).await?;
        let after_commit = scope.after_commit.clone().unwrap_or_default();
        let savepoint = after_commit.lock().savepoint();
        let mut nested =
            SignalTransaction::new(inner, scope.clone(), after_commit, Some(savepoint));
        nested.within = Some(Within {
            _inside: open.inside(),
            _turn: turn,
        });
        Ok(nested)
    }

    fn new(
        open: Open,
        mut scope: Scope,
        after_commit: AfterCommit,
        savepoint: Option<Savepoint>,
    ) -> Self {
        let backend = open.backend();
        let open = Arc::new(open);
        let before_commit = match (savepoint, &scope.before_commit) {
            (Some(_), Some(around)) => around.savepoint(),
            _ => Items::new(),
        };
        scope.after_commit = Some(after_commit.clone());
        scope.before_commit = Some(before_commit.clone());
        let target = Target::Transaction(Arc::downgrade(&open), backend);
        let connection = match std::mem::replace(&mut scope.target, target) {
            Target::Connection(connection) => Some(connection),
            Target::Transaction(..) => None,
        };
        SignalTransaction {
            open: Some(open),
            backend,
            scope,
            after_commit,
            before_commit,
            connection,
            savepoint,
            is_settled: false,
            is_in_doubt: false,
            within: None,
        }
    }

    /// Returns the same transaction, with further properties for the events of its operations.
    pub(crate) fn scoped(mut self, scope: &Scope) -> Self {
        self.scope.raw = scope.raw;
        self.scope.origin = scope.origin.clone();
        self
    }

    pub(crate) fn own_scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the name of its connection.
    pub fn using(&self) -> &str {
        &self.scope.using
    }

    /// Returns the handle in which to record events that are to be sent after the outermost commit.
    pub fn after_commit(&self) -> &AfterCommit {
        &self.after_commit
    }

    /// Runs `job` after the outermost commit, in its place among the events that wait.
    ///
    /// The job never runs if this transaction or one around it is rolled back. This is Django's
    /// `transaction.on_commit`.
    ///
    /// ```
    /// # use fanfare_sea_orm::SignalConnection;
    /// # use sea_orm::{Database, DbErr, TransactionSession, TransactionTrait};
    /// # use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), DbErr> {
    /// # let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
    /// let ran = Arc::new(AtomicBool::new(false));
    /// let transaction = db.begin().await?;
    /// let flag = Arc::clone(&ran);
    /// transaction.on_commit(async move || flag.store(true, Ordering::SeqCst));
    /// assert!(!ran.load(Ordering::SeqCst));
    /// transaction.commit().await?;
    /// assert!(ran.load(Ordering::SeqCst));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_commit<F, Fut>(&self, job: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        on_commit(&self.after_commit, job);
    }

    fn open(&self) -> Result<&Open, DbErr> {
        self.open.as_deref().ok_or_else(ended)
    }

    /// Takes the transaction out, to end it.
    fn take_open(&mut self) -> Result<Open, DbErr> {
        // A statement borrows from this transaction, so that only a leaked future has it still.
        let open = self.open.take().and_then(Arc::into_inner);
        open.ok_or_else(ended)
    }

    /// Takes the items to write before the COMMIT, if this is the outermost transaction.
    fn closed(&self) -> Closed {
        match self.savepoint {
            Some(_) => Closed::default(),
            None => self.before_commit.close(),
        }
    }

    /// Discards the events that wait, and returns their number.
    fn discard(&mut self) -> usize {
        self.is_settled = true;
        self.before_commit.discard();
        let Some(savepoint) = self.savepoint else {
            let discarded = self.after_commit.take();
            return discarded.len();
        };
        // A savepoint that has ended went with an outer one.
        let mut deferred = self.after_commit.lock();
        let before = deferred.len();
        let _ = deferred.rollback_to(savepoint);
        let _ = deferred.release(savepoint);
        before.saturating_sub(deferred.len())
    }

    /// Discards the events that wait, and gives up the turn, so that receivers of the event can use
    /// the transaction around this one.
    fn rolled_back(&mut self) -> Undone {
        self.within = None;
        Undone {
            discarded: self.discard(),
            using: Arc::clone(&self.scope.using),
            is_nested: self.savepoint.is_some(),
            is_in_doubt: self.is_in_doubt,
        }
    }

    /// Sends [`COMMITTED`], and then the events that wait.
    async fn send_committed(&self) {
        let using = &*self.scope.using;
        let event = Committed::new(using, self.after_commit.len());
        let sent = AssertUnwindSafe(COMMITTED.from(using).asend(&event));
        let sent = sent.catch_unwind().await;
        deliver(&self.after_commit).await;
        if let Err(panic) = sent {
            resume_unwind(panic);
        }
    }

    async fn send_rolled_back(&mut self) {
        let undone = self.rolled_back();
        ROLLED_BACK
            .from(&*undone.using)
            .asend(&undone.event())
            .await;
    }
}

/// The parts of the event of a transaction that was not committed.
struct Undone {
    using: Arc<str>,
    discarded: usize,
    is_nested: bool,
    is_in_doubt: bool,
}

impl Undone {
    fn event(&self) -> RolledBack<'_> {
        let event = RolledBack::new(&self.using, self.discarded, self.is_nested);
        event.in_doubt(self.is_in_doubt)
    }
}

/// Returns `true` if the transaction may be committed in spite of this error of COMMIT, because the
/// database has not reported the opposite.
fn leaves_doubt(error: &DbErr) -> bool {
    #[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
    if let DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error)) = error
    {
        return error.as_database_error().is_none();
    }
    let _ = error;
    true
}

#[async_trait]
impl TransactionSession for SignalTransaction {
    async fn commit(mut self) -> Result<(), DbErr> {
        let mut open = self.take_open()?;
        if let Err(error) = open.ends() {
            // The error is the same if the driver has already ended this transaction.
            let _ = open.rollback().await;
            self.send_rolled_back().await;
            return Err(error);
        }
        if let Err(aborted) = open.committable().await {
            open.rollback().await?;
            self.send_rolled_back().await;
            return Err(aborted);
        }
        let mut items = self.closed();
        if !items.is_empty()
            && let Err(error) = open.write(&mut items).await
        {
            let _ = open.rollback().await;
            self.send_rolled_back().await;
            return Err(error);
        }
        self.is_in_doubt = self.savepoint.is_none();
        if let Err(error) = open.commit(self.savepoint.is_some()).await {
            self.is_in_doubt &= leaves_doubt(&error);
            self.send_rolled_back().await;
            return Err(error);
        }
        self.is_settled = true;
        let told = catch_unwind(AssertUnwindSafe(|| {
            if let Some(connection) = &self.connection {
                items.committed(&self.scope.using, connection);
            }
        }));
        if let Some(savepoint) = self.savepoint {
            self.before_commit.release();
            let _ = self.after_commit.lock().release(savepoint);
        } else {
            self.send_committed().await;
        }
        if let Err(panic) = told {
            resume_unwind(panic);
        }
        Ok(())
    }

    async fn rollback(mut self) -> Result<(), DbErr> {
        let open = self.take_open()?;
        // A transaction that is still open inside is undone with it.
        let _ = open.ends();
        open.rollback().await?;
        self.send_rolled_back().await;
        Ok(())
    }
}

impl Drop for SignalTransaction {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let open = self.open.take();
        if let Some(open) = &open {
            let _ = open.ends();
        }
        // SeaORM's destructor panics where it cannot begin the rollback.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(open)));
        let undone = self.rolled_back();
        if ROLLED_BACK.from(&*undone.using).wants_asend() {
            send_elsewhere(undone);
            return;
        }
        // A destructor must not panic, and a send that is refused does.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            ROLLED_BACK
                .from(&*undone.using)
                .send_robust(&undone.event());
        }));
    }
}

/// Sends the event of a dropped transaction in a task of the runtime, or else on a thread, because
/// a destructor cannot await its receivers. The task or the thread takes the context along.
fn send_elsewhere(undone: Undone) {
    let context = Context::current();
    #[cfg(feature = "runtime-tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(context.follow(async move {
            ROLLED_BACK
                .from(&*undone.using)
                .asend_robust(&undone.event())
                .await;
        }));
        return;
    }
    // If no thread can be started, there is no place left that may block.
    let _ = std::thread::Builder::new()
        .name("rolled_back".into())
        .spawn(move || {
            context.enter(|| {
                ROLLED_BACK
                    .from(&*undone.using)
                    .send_robust(&undone.event())
            });
        });
}

#[async_trait]
impl ConnectionTrait for SignalTransaction {
    fn get_database_backend(&self) -> DbBackend {
        scope::leave(&self.scope);
        self.backend
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.open()?.run(|it| it.execute_raw(stmt)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.open()?.run(|it| it.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.open()?.run(|it| it.query_one_raw(stmt)).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.open()?.run(|it| it.query_all_raw(stmt)).await
    }
}

impl fmt::Debug for SignalTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalTransaction")
            .field("using", &self.scope.using)
            .field("is_nested", &self.savepoint.is_some())
            .field("after_commit", &self.after_commit)
            .finish_non_exhaustive()
    }
}
