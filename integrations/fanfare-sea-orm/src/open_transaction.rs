//! The statements of a transaction, from its beginning to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use futures_util::lock::{Mutex as AsyncMutex, OwnedMutexGuard};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, TransactionOptions, TransactionTrait,
};

use crate::before_commit::Closed;
use crate::handover::across;

/// A transaction that has not been ended.
pub(crate) struct Open {
    inner: DatabaseTransaction,
    /// `true` if a statement has failed, or was dropped and may yet fail.
    has_failed: AtomicBool,
    /// `true` if a savepoint was not begun or released to its end, or if a transaction ended before
    /// one inside it, here or in a transaction around or inside this one. The driver counts levels,
    /// so that it may then have ended this one in place of another.
    is_lost: Arc<AtomicBool>,
    /// Has a clone in each transaction that was begun inside and has not ended.
    inside: Arc<()>,
    /// A receiver holds this during each statement, and as long as a transaction that it has begun.
    /// Async receivers of one send take turns at every `.await`. A savepoint or a statement of one
    /// must not be inside a savepoint of another.
    turn: Arc<AsyncMutex<()>>,
}

impl Open {
    pub(crate) fn outermost(inner: DatabaseTransaction) -> Self {
        Open::new(inner, Arc::default())
    }

    fn new(inner: DatabaseTransaction, is_lost: Arc<AtomicBool>) -> Self {
        Open {
            inner,
            has_failed: AtomicBool::new(false),
            is_lost,
            inside: Arc::default(),
            turn: Arc::default(),
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    /// Returns a handle for a transaction that was begun inside this one, which holds the handle
    /// until it has ended.
    pub(crate) fn inside(&self) -> Arc<()> {
        Arc::clone(&self.inside)
    }

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

    /// Returns an error if a part of the transaction may have been undone.
    fn whole(&self) -> Result<(), DbErr> {
        // Relaxed: a statement before this one set it, in whatever task. They borrow the
        // transaction one after the other. Row M2.
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(lost());
        }
        Ok(())
    }

    /// Returns an error if a transaction inside this one is still open, or if a part of this one
    /// may have been undone. It is called where this one ends.
    pub(crate) fn ends(&self) -> Result<(), DbErr> {
        if Arc::strong_count(&self.inside) > 1 {
            // The driver now ends the innermost transaction, whose own end would then end this one.
            // Relaxed: the one inside was begun through this one, and ends after it. Row M2.
            self.is_lost.store(true, Ordering::Relaxed);
            return Err(in_use());
        }
        self.whole()
    }

    /// Begins a savepoint.
    pub(crate) async fn savepoint(&self, options: TransactionOptions) -> Result<Open, DbErr> {
        self.whole()?;
        let unsure = Unless(&self.is_lost);
        let inner = self.inner.begin_with_options(options).await?;
        unsure.not();
        Ok(Open::new(inner, Arc::clone(&self.is_lost)))
    }

    /// Returns an error if PostgreSQL would respond to COMMIT with a rollback, because a statement
    /// has failed. That response is no error to the driver.
    pub(crate) async fn committable(&mut self) -> Result<(), DbErr> {
        let has_failed = *self.has_failed.get_mut();
        if has_failed && self.backend() == DbBackend::Postgres {
            self.inner.execute_unprepared("SELECT 1").await?;
        }
        Ok(())
    }

    /// Writes items, and returns an error if PostgreSQL would respond to COMMIT with a rollback
    /// afterwards.
    pub(crate) async fn write(&mut self, items: &mut Closed) -> Result<(), DbErr> {
        if items.may_hide_errors() {
            *self.has_failed.get_mut() = true;
        }
        self.run(|it| items.write(it)).await?;
        self.committable().await
    }

    /// Commits the transaction. If it is a savepoint and the future is dropped, the state of all
    /// transactions around it is unknown.
    pub(crate) async fn commit(self, is_savepoint: bool) -> Result<(), DbErr> {
        let Open { inner, is_lost, .. } = self;
        let unsure = is_savepoint.then(|| Unless(&is_lost));
        let committed = inner.commit().await;
        if let Some(unsure) = unsure {
            unsure.not();
        }
        committed
    }

    /// Rolls the transaction back.
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }
}

/// Waits until no other receiver uses the transaction, and returns it with the turn.
pub(crate) async fn turn_at(open: &Weak<Open>) -> Result<(Arc<Open>, OwnedMutexGuard<()>), DbErr> {
    let open = open.upgrade().ok_or_else(ended)?;
    let turn = Arc::clone(&open.turn).lock_owned().await;
    Ok((open, turn))
}

/// Sets the flag when it is dropped, unless [`not`](Unless::not) is called.
struct Unless<'f>(&'f AtomicBool);

impl Unless<'_> {
    fn not(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unless<'_> {
    fn drop(&mut self) {
        // Relaxed: a commit reads the flag after every statement. Row M2.
        self.0.store(true, Ordering::Relaxed);
    }
}

fn lost() -> DbErr {
    DbErr::Custom(String::from(
        "the transaction's state is unknown: an enclosing or nested transaction ended out of order, or was \
         dropped during its begin or commit; roll back and begin again",
    ))
}

fn in_use() -> DbErr {
    DbErr::Custom(String::from(
        "a nested transaction is still open, so both are rolled back: end the nested one first; a receiver \
         must end its own before it returns",
    ))
}

/// Returns the error of a statement that comes after the end.
pub(crate) fn ended() -> DbErr {
    DbErr::Custom(String::from(
        "the transaction has ended or is being ended: begin another one",
    ))
}
