//! Transactions, and what waits for their commit.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use fanfare::deferred::Savepoint;
use fanfare::{BoxFuture, Event, Signal};
use fanfare_django::transaction::{AfterCommit, COMMITTED, Committed, ROLLED_BACK, RolledBack};
use futures_util::FutureExt;
use futures_util::lock::{Mutex as AsyncMutex, OwnedMutexGuard};
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
use sea_orm::RuntimeErr;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    TransactionOptions, TransactionSession, TransactionTrait,
};

use crate::executor::Target;
use crate::handover::across;
use crate::scope::{self, Scope};

/// A [`DatabaseTransaction`] whose commit delivers what waited for it. Begun from a
/// [`SignalConnection`](crate::SignalConnection), or from another one: then it is a savepoint.
///
/// Events wait in the order in which they were recorded, those of savepoints among the others. A
/// savepoint's commit leaves its events with the outer transaction; its rollback, and its drop,
/// discard them. The outermost commit sends [`COMMITTED`] and then the events, one after the other,
/// before [`commit`](TransactionSession::commit) returns. What a receiver records during that is sent as well.
///
/// # Weak points
///
/// - The events are in memory: if the process ends, or the future of `commit` is dropped, after the
///   COMMIT and before an event is delivered, it is lost. A web framework drops it when the client leaves:
///   commit in a task of its own to go on. What must not be lost is a row in the same
///   transaction, which a worker empties.
/// - If COMMIT fails, or the future of `commit` is dropped before the answer, nothing is delivered, even if it
///   was done: then [`RolledBack::is_in_doubt`] says so. A savepoint that is dropped so fails the commit around it.
/// - A transaction that was begun inside this one is to be ended first: otherwise both are rolled back, and each
///   `commit` is an error.
/// - If a receiver panics, the others run and later events are delivered; then the panic travels out of
///   `commit`, although the transaction is committed.
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
    /// `None` once it is being ended.
    open: Option<Arc<Open>>,
    backend: DbBackend,
    scope: Scope,
    after_commit: AfterCommit,
    /// Of a nested one.
    savepoint: Option<Savepoint>,
    /// Whether what waits has been handed on, delivered or discarded.
    is_settled: bool,
    /// Whether the outermost COMMIT has begun, and the database has not said what became of it.
    is_in_doubt: bool,
    /// Of a nested one, until it has ended.
    within: Option<Within>,
}

/// What a transaction holds of the one around it.
struct Within {
    _inside: Arc<()>,
    /// Of one that a receiver has begun: keeps the other receivers of the send waiting.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// A transaction that has not been ended.
pub(crate) struct Open {
    inner: DatabaseTransaction,
    /// Whether a statement has failed, or was dropped and may yet fail.
    has_failed: AtomicBool,
    /// Whether a savepoint was not begun or released to its end, or a transaction ended before one inside it,
    /// here or in a transaction around or inside this one. The driver counts levels: it has then ended
    /// another one than was meant, which may be this one.
    is_lost: Arc<AtomicBool>,
    /// Has a clone in each transaction that was begun inside and has not ended.
    inside: Arc<()>,
    /// Held by a receiver for each statement, and for as long as a transaction that it has begun.
    /// Async receivers of one send take turns at every `.await`: savepoints of two of them must not
    /// lie one in the other, nor a statement of one in a savepoint of the other.
    pub(crate) turn: Arc<AsyncMutex<()>>,
}

impl Open {
    /// Runs a statement, and notes whether it fails.
    pub(crate) async fn run<'t, T, F>(
        &'t self,
        statement: impl FnOnce(&'t DatabaseTransaction) -> F,
    ) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        self.whole()?;
        let unsure = Unless(&self.has_failed);
        let result = across(statement(&self.inner)).await;
        if result.is_ok() {
            unsure.not();
        }
        result
    }

    /// That nothing of it has been undone beside its back.
    fn whole(&self) -> Result<(), DbErr> {
        // Relaxed: set by a statement before this one, in whatever task: they borrow the
        // transaction one after the other. Row M2.
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(lost());
        }
        Ok(())
    }

    /// To be asked where it ends: that nothing inside of it is open still, and nothing of it was undone.
    fn ends(&self) -> Result<(), DbErr> {
        if Arc::strong_count(&self.inside) > 1 {
            // The driver ends the innermost now, and what is inside would then end this one. Relaxed:
            // that was begun through this one, and ends after it. Row M2.
            self.is_lost.store(true, Ordering::Relaxed);
            return Err(in_use());
        }
        self.whole()
    }

    /// Begins a savepoint. `scope` is that of the transaction.
    pub(crate) async fn nested(
        &self,
        options: TransactionOptions,
        scope: &Scope,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Result<SignalTransaction, DbErr> {
        self.whole()?;
        let unsure = Unless(&self.is_lost);
        let inner = self.inner.begin_with_options(options).await?;
        unsure.not();
        let after_commit = scope.after_commit.clone().unwrap_or_default();
        let savepoint = after_commit.lock().savepoint();
        let is_lost = Arc::clone(&self.is_lost);
        let mut nested =
            SignalTransaction::new(inner, scope.clone(), after_commit, Some(savepoint), is_lost);
        nested.within = Some(Within {
            _inside: Arc::clone(&self.inside),
            _turn: turn,
        });
        Ok(nested)
    }
}

/// Sets the flag when it is dropped, unless it is told not to.
struct Unless<'f>(&'f AtomicBool);

impl Unless<'_> {
    fn not(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unless<'_> {
    fn drop(&mut self) {
        // Relaxed: who commits looks after every statement. Row M2.
        self.0.store(true, Ordering::Relaxed);
    }
}

fn lost() -> DbErr {
    DbErr::Custom(String::from(
        "a transaction around or inside this one ended out of its turn, or was dropped as it began or was \
         committed, and more may be undone than was meant: roll back and begin again",
    ))
}

fn in_use() -> DbErr {
    DbErr::Custom(String::from(
        "a transaction that was begun inside this one is still open, and both are rolled back: end it first, \
         and one that a receiver has begun before that returns",
    ))
}

/// The error of whoever comes too late.
pub(crate) fn ended() -> DbErr {
    DbErr::Custom(String::from("the transaction has ended, or is being ended"))
}

impl SignalTransaction {
    pub(crate) fn outermost(inner: DatabaseTransaction, scope: Scope) -> Self {
        SignalTransaction::new(inner, scope, AfterCommit::new(), None, Arc::default())
    }

    pub(crate) async fn nested(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        self.open()?.nested(options, &self.scope, None).await
    }

    fn new(
        inner: DatabaseTransaction,
        mut scope: Scope,
        after_commit: AfterCommit,
        savepoint: Option<Savepoint>,
        is_lost: Arc<AtomicBool>,
    ) -> Self {
        let backend = inner.get_database_backend();
        let open = Arc::new(Open {
            inner,
            has_failed: AtomicBool::new(false),
            is_lost,
            inside: Arc::default(),
            turn: Arc::default(),
        });
        scope.after_commit = Some(after_commit.clone());
        scope.target = Target::Transaction(Arc::downgrade(&open), backend);
        SignalTransaction {
            open: Some(open),
            backend,
            scope,
            after_commit,
            savepoint,
            is_settled: false,
            is_in_doubt: false,
            within: None,
        }
    }

    /// The same, for operations that say more of themselves.
    pub(crate) fn scoped(mut self, scope: &Scope) -> Self {
        self.scope.raw = scope.raw;
        self.scope.origin = scope.origin.clone();
        self
    }

    pub(crate) fn own_scope(&self) -> &Scope {
        &self.scope
    }

    /// The name of its connection.
    pub fn using(&self) -> &str {
        &self.scope.using
    }

    /// Where to record what is to be sent after the outermost commit.
    pub fn after_commit(&self) -> &AfterCommit {
        &self.after_commit
    }

    /// Runs `job` after the outermost commit, in its place among the events that wait; never, if this
    /// or a transaction around it is rolled back. Django's `transaction.on_commit`.
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

    /// Discards what waits; returns how much that was.
    fn discard(&mut self) -> usize {
        self.is_settled = true;
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

    /// Discards what waits, and lets others have their turn before they are told.
    fn rolled_back(&mut self) -> Undone {
        self.within = None;
        Undone {
            discarded: self.discard(),
            using: Arc::clone(&self.scope.using),
            is_nested: self.savepoint.is_some(),
            is_in_doubt: self.is_in_doubt,
        }
    }

    async fn tell_rolled_back(&mut self) {
        let undone = self.rolled_back();
        ROLLED_BACK
            .from(&*undone.using)
            .asend(&undone.event())
            .await;
    }
}

/// What is told of a transaction that was not committed.
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

/// Whether it may be committed after this error of COMMIT: the database has not said that it is not.
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
        // Whoever runs a statement borrows from this transaction: only a leaked future has it still.
        let open = self.open.take().and_then(Arc::into_inner);
        let open = open.ok_or_else(ended)?;
        let whole = open.ends();
        let Open {
            inner,
            has_failed,
            is_lost,
            ..
        } = open;
        if let Err(error) = whole {
            // Whether this undoes all of it or finds nothing left, the answer is the same.
            let _ = inner.rollback().await;
            self.tell_rolled_back().await;
            return Err(error);
        }
        let has_failed = has_failed.into_inner();
        // PostgreSQL answers COMMIT after a failed statement with a rollback, which is no error to
        // the driver.
        if has_failed
            && inner.get_database_backend() == DbBackend::Postgres
            && let Err(aborted) = inner.execute_unprepared("SELECT 1").await
        {
            inner.rollback().await?;
            self.tell_rolled_back().await;
            return Err(aborted);
        }
        self.is_in_doubt = self.savepoint.is_none();
        let unsure = self.savepoint.map(|_| Unless(&is_lost));
        let committed = inner.commit().await;
        if let Some(unsure) = unsure {
            unsure.not();
        }
        if let Err(error) = committed {
            self.is_in_doubt &= leaves_doubt(&error);
            self.tell_rolled_back().await;
            return Err(error);
        }
        self.is_settled = true;
        if let Some(savepoint) = self.savepoint {
            let _ = self.after_commit.lock().release(savepoint);
            return Ok(());
        }
        let using = &*self.scope.using;
        let event = Committed::new(using, self.after_commit.len());
        let told = AssertUnwindSafe(COMMITTED.from(using).asend(&event));
        let told = told.catch_unwind().await;
        deliver(&self.after_commit).await;
        if let Err(panic) = told {
            resume_unwind(panic);
        }
        Ok(())
    }

    async fn rollback(mut self) -> Result<(), DbErr> {
        let open = self.open.take().and_then(Arc::into_inner);
        let open = open.ok_or_else(ended)?;
        // What is still open inside is undone with it.
        let _ = open.ends();
        open.inner.rollback().await?;
        self.tell_rolled_back().await;
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
            tell_elsewhere(undone);
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

/// Tells of a dropped transaction where its receivers can be awaited, which is not in a destructor: in a
/// task of the runtime, or else on a thread.
fn tell_elsewhere(undone: Undone) {
    #[cfg(feature = "runtime-tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            ROLLED_BACK
                .from(&*undone.using)
                .asend_robust(&undone.event())
                .await;
        });
        return;
    }
    // Where no thread is to be had, there is no place left that may block.
    let _ = std::thread::Builder::new()
        .name("rolled_back".into())
        .spawn(move || {
            ROLLED_BACK
                .from(&*undone.using)
                .send_robust(&undone.event());
        });
}

#[async_trait]
impl ConnectionTrait for SignalTransaction {
    fn get_database_backend(&self) -> DbBackend {
        scope::answer(&self.scope);
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

/// Delivers what waits, and what is recorded meanwhile. A panic of a receiver keeps no other event
/// from being delivered; the first one travels on at the end.
pub(crate) async fn deliver(after_commit: &AfterCommit) {
    let mut first_panic = None;
    loop {
        let mut taken = after_commit.take();
        if taken.is_empty() {
            break;
        }
        while !taken.is_empty() {
            let waiting = taken.len();
            let delivery = AssertUnwindSafe(taken.commit_async()).catch_unwind();
            if let Err(panic) = delivery.await {
                first_panic.get_or_insert(panic);
                // Refused, as each further try would be.
                if taken.len() == waiting {
                    break;
                }
            }
        }
    }
    if let Some(panic) = first_panic {
        resume_unwind(panic);
    }
}

/// Runs `job` after the commit, in its place among the events that wait. For a receiver that has a
/// handle from its event; see [`SignalTransaction::on_commit`].
pub fn on_commit<F, Fut>(after_commit: &AfterCommit, job: F)
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    static CONNECT: Once = Once::new();
    CONNECT.call_once(|| {
        JOBS.connect_async(|_sender, job| {
            Box::pin(async move {
                let taken = job.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(start) = taken {
                    start().await;
                }
            })
        });
    });
    let start: Start = Box::new(move || Box::pin(job()));
    after_commit.record(&JOBS, Job(Mutex::new(Some(start))));
}

type Start = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A job is an event as well, so that it has its place among the others.
struct Job(Mutex<Option<Start>>);

impl Event for Job {
    type Args<'a> = Job;
}

static JOBS: Signal<Job> = Signal::new();
