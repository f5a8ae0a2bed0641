//! Beginning a transaction on a connection, also if the caller leaves before the database responds.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, TransactionOptions, TransactionTrait,
};

/// Begins a transaction.
///
/// If the future is dropped on the way, a task of the runtime polls it to its end, and the
/// transaction is rolled back. sqlx 0.9.0 counts a transaction of PostgreSQL only after the reply
/// to BEGIN. Without the task, the connection would return to the pool with the transaction open,
/// and later writes through it would not be committed.
pub(crate) async fn outermost(
    connection: &DatabaseConnection,
    options: TransactionOptions,
) -> Result<DatabaseTransaction, DbErr> {
    let connection = connection.clone();
    let begin = async move { connection.begin_with_options(options).await };
    Begin {
        begin: Some(Box::pin(begin)),
        is_under_way: false,
    }
    .await
}

struct Begin {
    /// It is `None` at its end.
    begin: Option<BoxFuture<'static, Result<DatabaseTransaction, DbErr>>>,
    is_under_way: bool,
}

impl Future for Begin {
    type Output = Result<DatabaseTransaction, DbErr>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.is_under_way = true;
        let begin = self.begin.as_mut();
        let begun = begin.expect("a begin was polled after its end").as_mut();
        let begun = ready!(begun.poll(cx));
        self.begin = None;
        Poll::Ready(begun)
    }
}

impl Drop for Begin {
    fn drop(&mut self) {
        let Some(begin) = self.begin.take().filter(|_| self.is_under_way) else {
            return;
        };
        #[cfg(feature = "runtime-tokio")]
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async { drop(begin.await) });
            return;
        }
        drop(begin);
    }
}
