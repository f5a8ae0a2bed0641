//! A database that is away.

use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

/// The time between two attempts to reach a database that is away.
const PAUSE: Duration = Duration::from_secs(1);

/// The last failure to reach the database, if the database was not reached since.
///
/// While the database is away, one statement of the relay at a time tries to reach it, at most once
/// a second. The other statements get the last error at once, and their callers rest before
/// they try again. So the number of attempts does not depend on the number of receivers.
#[derive(Default)]
pub(super) struct Away(Mutex<Option<Failed>>);

struct Failed {
    error: DbErr,
    at: Instant,
    /// `true` while a statement tries to reach the database.
    is_tried: bool,
}

/// The right to try, until it is dropped.
struct Attempt<'a>(&'a Away);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.change(|failed| {
            if let Some(failed) = failed {
                failed.is_tried = false;
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
    pub(super) async fn reach<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        // Held until the end, also if the statement is dropped before.
        let _attempt = self.attempt()?;
        let result = statement.await;
        self.change(|failed| match &result {
            Err(error) if is_of_the_connection(error) => {
                *failed = Some(Failed {
                    error: error.clone(),
                    at: Instant::now(),
                    is_tried: false,
                });
            }
            _ => *failed = None,
        });
        result
    }

    fn attempt(&self) -> Result<Option<Attempt<'_>>, DbErr> {
        self.change(|failed| match failed {
            None => Ok(None),
            Some(failed) if failed.is_tried || failed.at.elapsed() < PAUSE => {
                Err(failed.error.clone())
            }
            Some(failed) => {
                failed.is_tried = true;
                Ok(Some(Attempt(self)))
            }
        })
    }
}

/// Returns `true` if the error is that of the connection, so that the database may be away.
fn is_of_the_connection(error: &DbErr) -> bool {
    if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) {
        return true;
    }
    let mut error: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(it) = error {
        if it.is::<io::Error>() {
            return true;
        }
        error = it.source();
    }
    false
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
        tokio::time::sleep(PAUSE).await;
        {
            let mut first = Box::pin(away.reach(pending::<Result<(), DbErr>>()));
            assert!((&mut first).now_or_never().is_none());
            assert!(!tries(&away, Ok(())).await, "the first one has not ended");
        }
        // It was dropped.
        assert!(tries(&away, Err(refused())).await);
        assert!(!tries(&away, Ok(())).await, "another pause");
        tokio::time::sleep(PAUSE).await;
        assert!(tries(&away, Ok(())).await);
        assert!(!away.is_away());
        assert!(tries(&away, Ok(())).await);
    }

    #[tokio::test]
    async fn an_error_of_a_statement_does_not_mean_that_the_database_is_away() {
        let away = Away::default();
        let error = DbErr::Exec(RuntimeErr::Internal("a syntax error".to_owned()));
        assert!(tries(&away, Err(error)).await);
        assert!(!away.is_away());
    }
}
