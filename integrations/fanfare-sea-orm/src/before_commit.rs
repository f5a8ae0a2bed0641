//! Items that a transaction writes just before its COMMIT.

use std::any::{Any, TypeId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare::BoxFuture;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};

/// A kind of items that a transaction collects, and writes together just before its outermost
/// COMMIT.
///
/// [`Scopes::before_commit`](crate::Scopes::before_commit) adds an item. The items of a savepoint
/// are discarded with it. If a write fails, the transaction is rolled back, and `commit` returns
/// the error. So the items are in the database if and only if the changes of the transaction are.
///
/// ```
/// use fanfare::BoxFuture;
/// use fanfare_sea_orm::{BeforeCommit, Scopes, SignalConnection};
/// use sea_orm::{ConnectionTrait, Database, DatabaseTransaction, DbErr};
/// use sea_orm::{TransactionSession, TransactionTrait};
///
/// struct Line(&'static str);
///
/// impl BeforeCommit for Line {
///     fn write(lines: Vec<Line>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
///         Box::pin(async move {
///             let lines: Vec<_> = lines.iter().map(|line| format!("('{}')", line.0)).collect();
///             let insert = format!("INSERT INTO audit VALUES {}", lines.join(", "));
///             db.execute_unprepared(&insert).await.map(drop)
///         })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// # let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
/// db.execute_unprepared("CREATE TABLE audit (text TEXT NOT NULL)").await?;
/// let transaction = db.begin().await?;
/// assert!(transaction.before_commit(Line("paid")).is_ok());
/// let savepoint = transaction.begin().await?;
/// assert!(savepoint.before_commit(Line("refunded")).is_ok());
/// savepoint.rollback().await?;
/// assert!(transaction.before_commit(Line("sent")).is_ok());
/// transaction.commit().await?;
///
/// # use sea_orm::{DbBackend, Statement};
/// let count = "SELECT count(*) AS lines FROM audit";
/// let count = Statement::from_string(DbBackend::Sqlite, count);
/// let row = db.query_one_raw(count).await?.unwrap();
/// assert_eq!(row.try_get::<i32>("", "lines")?, 2);
/// # Ok(())
/// # }
/// ```
pub trait BeforeCommit: Sized + Send + 'static {
    /// `true` if `write` returns the error of each of its statements.
    ///
    /// Otherwise the transaction makes one more query on PostgreSQL. After a statement that has
    /// failed, PostgreSQL responds to COMMIT with a rollback, which is no error to the driver.
    const RETURNS_EACH_ERROR: bool = false;

    /// Writes all items of this kind that the transaction has collected, in the order in which they
    /// were added.
    ///
    /// It runs after every other statement of the transaction. Kinds are written in the order of
    /// their first items.
    fn write(items: Vec<Self>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>>;

    /// Called once after the COMMIT of a transaction that has written items, before the events that
    /// wait for the commit are delivered. `using` is the name of the connection, and `db` is the
    /// connection from which the transaction was begun.
    ///
    /// It is called on the task that commits, so it should only wake or spawn other tasks. They
    /// take a clone of the connection, which is another handle of the same pool.
    fn committed(using: &str, db: &DatabaseConnection) {
        let _ = (using, db);
    }
}

/// The items of one outermost transaction, as it or one of its savepoints sees them.
#[derive(Clone)]
pub(crate) struct Items {
    collected: Arc<Mutex<Collected>>,
    /// The savepoints in which an item is that is added here, from the outermost.
    within: Vec<u64>,
}

struct Collected {
    /// It is `None` once the outermost transaction ends.
    items: Option<Vec<Item>>,
    /// The number of savepoints so far.
    savepoints: u64,
}

struct Item {
    kind: Kind,
    item: Box<dyn Any + Send>,
    /// The savepoints that have not ended, and whose rollback discards the item.
    within: Vec<u64>,
}

type Erased = Vec<Box<dyn Any + Send>>;
type Write = fn(Erased, &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>>;

/// A type of items, with its functions.
#[derive(Clone, Copy)]
struct Kind {
    id: TypeId,
    write: Write,
    returns_each_error: bool,
    committed: fn(&str, &DatabaseConnection),
}

impl Kind {
    fn of<T: BeforeCommit>() -> Self {
        Kind {
            id: TypeId::of::<T>(),
            write: |items, db| T::write(items.into_iter().filter_map(whole::<T>).collect(), db),
            returns_each_error: T::RETURNS_EACH_ERROR,
            committed: T::committed,
        }
    }
}

fn whole<T: 'static>(item: Box<dyn Any + Send>) -> Option<T> {
    let item = item.downcast().ok();
    debug_assert!(item.is_some(), "items are grouped by their type");
    item.map(|item| *item)
}

impl Items {
    pub(crate) fn new() -> Self {
        let collected = Collected {
            items: Some(Vec::new()),
            savepoints: 0,
        };
        Items {
            collected: Arc::new(Mutex::new(collected)),
            within: Vec::new(),
        }
    }

    /// Returns the same items for a new savepoint.
    pub(crate) fn savepoint(&self) -> Self {
        let mut collected = self.lock();
        collected.savepoints += 1;
        let mut within = self.within.clone();
        within.push(collected.savepoints);
        drop(collected);
        Items {
            collected: Arc::clone(&self.collected),
            within,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        let collected = self.collected.lock();
        collected.unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, or returns it if the transaction has ended or is being committed.
    pub(crate) fn add<T: BeforeCommit>(&self, item: T) -> Result<(), T> {
        match &mut self.lock().items {
            Some(items) => {
                items.push(Item {
                    kind: Kind::of::<T>(),
                    item: Box::new(item),
                    within: self.within.clone(),
                });
                Ok(())
            }
            None => Err(item),
        }
    }

    /// Makes the items of this savepoint those of the transaction around it.
    pub(crate) fn release(&self) {
        let Some(savepoint) = self.within.last() else {
            return;
        };
        for item in self.lock().items.iter_mut().flatten() {
            item.within.retain(|within| within != savepoint);
        }
    }

    /// Discards the items of this savepoint and of those inside it, and no item that the
    /// transaction around it has got meanwhile. If this is the outermost transaction, it accepts no
    /// more.
    pub(crate) fn discard(&self) {
        let mut collected = self.lock();
        let discarded = match (self.within.last(), &mut collected.items) {
            (Some(savepoint), Some(items)) => items
                .extract_if(.., |item| item.within.contains(savepoint))
                .collect(),
            (None, items) => items.take().unwrap_or_default(),
            (Some(_), None) => Vec::new(),
        };
        drop(collected);
        // Outside of the lock, because items have destructors of the user's, which may panic. This
        // runs in a destructor, too.
        for item in discarded {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(item)));
        }
    }

    /// Takes the items, and accepts no more.
    pub(crate) fn close(&self) -> Closed {
        let items = self.lock().items.take().unwrap_or_default();
        let mut groups: Vec<(Kind, Erased)> = Vec::new();
        for Item { kind, item, .. } in items {
            match groups.iter_mut().find(|(of, _)| of.id == kind.id) {
                Some((_, group)) => group.push(item),
                None => groups.push((kind, vec![item])),
            }
        }
        Closed(groups)
    }
}

/// The items of a transaction that is being committed, by their kinds.
#[derive(Default)]
pub(crate) struct Closed(Vec<(Kind, Erased)>);

impl Closed {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if the error of a statement may be hidden by a write.
    pub(crate) fn may_hide_errors(&self) -> bool {
        self.0.iter().any(|(kind, _)| !kind.returns_each_error)
    }

    /// Writes the items, which are then no longer here.
    pub(crate) async fn write(&mut self, db: &DatabaseTransaction) -> Result<(), DbErr> {
        for (kind, items) in &mut self.0 {
            (kind.write)(std::mem::take(items), db).await?;
        }
        Ok(())
    }

    pub(crate) fn committed(&self, using: &str, db: &DatabaseConnection) {
        for (kind, _) in &self.0 {
            (kind.committed)(using, db);
        }
    }
}
