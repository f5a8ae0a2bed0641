//! A database that is away.

use std::sync::{Mutex, PoisonError};

use sea_orm::DbErr;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
use sea_orm::{RuntimeErr, sqlx};
use tokio::time::Instant;

use crate::faults::AFTER_ERROR;

/// The last failure to reach the database, if the database was not reached since.
///
/// While the database is away, one statement of the relay at a time tries to reach it, at most once
/// a second. The other statements get the last error at once, and their callers rest before
/// they try again. So the number of attempts does not depend on the number of receivers.
#[derive(Default)]
pub(super) struct Away(Mutex<Option<Failed>>);

struct Failed {
    error: DbErr,
    /// The time of the last attempt.
    at: Instant,
    /// The number of the attempt that runs.
    attempt: Option<u64>,
    /// The number of attempts.
    attempts: u64,
}

/// The right to try, until it is dropped.
struct Attempt<'a> {
    away: &'a Away,
    number: u64,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.away.change(|failed| {
            if let Some(failed) = failed
                && failed.attempt == Some(self.number)
            {
                failed.attempt = None;
            }
        });
    }
}

impl Away {
    fn change<T>(&self, change: impl FnOnce(&mut Option<Failed>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_away(&self) -> bool {
        self.change(|failed| failed.is_some())
    }

    /// Runs a statement, unless the database is away and it is not the time for an attempt.
    ///
    /// A statement that started before the first failure may end later. Its error gives no other
    /// statement the right to try.
    pub(super) async fn reach<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        // Held until the end, also if the statement is dropped before.
        let _attempt = self.attempt()?;
        let result = statement.await;
        self.change(|failed| match (&result, failed) {
            (Err(error), Some(failed)) if is_of_the_connection(error) => {
                failed.error = error.clone();
                failed.at = Instant::now();
            }
            (Err(error), failed) if is_of_the_connection(error) => {
                *failed = Some(Failed {
                    error: error.clone(),
                    at: Instant::now(),
                    attempt: None,
                    attempts: 0,
                });
            }
            (_, failed) => *failed = None,
        });
        result
    }

    fn attempt(&self) -> Result<Option<Attempt<'_>>, DbErr> {
        self.change(|failed| match failed {
            None => Ok(None),
            Some(failed) if failed.attempt.is_some() || failed.at.elapsed() < AFTER_ERROR => {
                Err(failed.error.clone())
            }
            Some(failed) => {
                failed.attempts += 1;
                failed.attempt = Some(failed.attempts);
                failed.at = Instant::now();
                Ok(Some(Attempt {
                    away: self,
                    number: failed.attempts,
                }))
            }
        })
    }
}

/// Returns `true` if the error is that of the connection, so that the database may be away.
pub(crate) fn is_of_the_connection(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => true,
        #[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            is_of_the_way(error)
        }
        _ => false,
    }
}

/// Returns `true` if a statement was not run, or its connection was cut.
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
fn is_of_the_way(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL ends, starts, or has cut the connection.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P0") || code.starts_with("08")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use sea_orm::RuntimeErr;
    use std::future::{pending, ready};

    fn refused() -> DbErr {
        DbErr::Conn(RuntimeErr::Internal("refused".to_owned()))
    }

    async fn tries(away: &Away, result: Result<(), DbErr>) -> bool {
        let mut has_tried = false;
        let statement = async {
            has_tried = true;
            result
        };
        let _ = away.reach(statement).await;
        has_tried
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_tried_once_a_second_and_by_one_statement() {
        let away = Away::default();
        assert!(tries(&away, Err(refused())).await);
        assert!(away.is_away());
        assert!(!tries(&away, Ok(())).await, "the pause is not over");
        let again = away.reach(ready(Ok(()))).await;
        assert_eq!(again.unwrap_err().to_string(), refused().to_string());
        tokio::time::sleep(AFTER_ERROR).await;
        {
            let mut first = Box::pin(away.reach(pending::<Result<(), DbErr>>()));
            assert!((&mut first).now_or_never().is_none());
            assert!(!tries(&away, Ok(())).await, "the first one has not ended");
        }
        assert!(!tries(&away, Ok(())).await, "a dropped attempt counts");
        tokio::time::sleep(AFTER_ERROR).await;
        assert!(tries(&away, Err(refused())).await);
        assert!(!tries(&away, Ok(())).await, "another pause");
        tokio::time::sleep(AFTER_ERROR).await;
        assert!(tries(&away, Ok(())).await);
        assert!(!away.is_away());
        assert!(tries(&away, Ok(())).await);
    }

    #[tokio::test]
    async fn a_statement_from_before_gives_no_other_one_the_right_to_try() {
        let away = Away::default();
        let mut before = Box::pin(away.reach(async {
            tokio::task::yield_now().await;
            Err::<(), _>(refused())
        }));
        assert!((&mut before).now_or_never().is_none());
        assert!(tries(&away, Err(refused())).await);
        tokio::time::sleep(AFTER_ERROR).await;
        let mut attempt = Box::pin(away.reach(pending::<Result<(), DbErr>>()));
        assert!((&mut attempt).now_or_never().is_none());
        before.await.unwrap_err();
        tokio::time::sleep(AFTER_ERROR).await;
        assert!(!tries(&away, Ok(())).await, "the attempt has not ended");
    }

    #[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
    #[tokio::test]
    async fn a_connection_that_is_cut_in_a_statement_means_that_the_database_is_away() {
        let away = Away::default();
        let cut = || sqlx::Error::from(std::io::Error::other("cut"));
        assert!(tries(&away, Err(refused())).await);
        let error = DbErr::Exec(RuntimeErr::SqlxError(cut().into()));
        tokio::time::sleep(AFTER_ERROR).await;
        assert!(tries(&away, Err(error)).await);
        assert!(away.is_away());
    }

    #[tokio::test]
    async fn an_error_of_a_statement_does_not_mean_that_the_database_is_away() {
        let away = Away::default();
        let error = DbErr::Exec(RuntimeErr::Internal("a syntax error".to_owned()));
        assert!(tries(&away, Err(error)).await);
        assert!(!away.is_away());
    }
}
