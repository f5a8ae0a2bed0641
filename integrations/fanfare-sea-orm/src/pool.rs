//! `CONNECTION_CREATED` from SeaORM's pools, once for each physical connection.
//!
//! # Receivers
//!
//! Each receiver gets the connection in turn, as a type of sqlx: `sqlx::SqliteConnection` or
//! `sqlx::PgConnection`, which are also the senders. The connection is in no transaction, and no
//! other code has it before the receivers are done.
//!
//! # Cost
//!
//! A query costs nothing more. A new connection costs an `asend` and the work of the receivers.
//!
//! # Limitations
//!
//! - **sqlx has one place for work on a new connection.** [`send_connection_created`] takes it. Of
//!   two `map_sqlx_sqlite_pool_opts` (or `map_sqlx_postgres_pool_opts`) the later wins, and an
//!   `after_connect` of your own inside of one is lost. Call [`connection_created`] in your own
//!   instead.
//! - **`set_schema_search_path` needs that place on PostgreSQL, and is lost silently.** Name the
//!   path with the options of the connection instead:
//!   `options.map_sqlx_postgres_opts(|it| it.options([("search_path", "blog")]))`.
//! - **The caller does not get the error of a receiver.** The pool closes the connection, logs the
//!   error and tries again, until its time for acquiring a connection is over. Then the caller gets
//!   a timeout error. Shorten `acquire_timeout` if that is too long.
//! - A panic of a receiver reaches the code that requested a connection from the pool. If the pool
//!   made the connection by itself, for `min_connections`, the panic reaches no caller.
//! - This module has no support for MySQL's pools (MySQL has not been tried). SeaORM's `rusqlite`
//!   and its proxies have no pools, and send no signal.
//!
//! SeaORM's own `ConnectOptions::after_connect` is different: it runs once for the pool.

use fanfare::Sender;
use fanfare_django::db::{CONNECTION_CREATED, ConnectionCreated};
use sea_orm::{ConnectOptions, sqlx};

use crate::error::{driver_refusal, signal_name};

/// Makes the pool of these options send `CONNECTION_CREATED` for each connection that it opens, to
/// the database that the application calls `using`.
///
/// The pool's future sends. So receivers run wherever a connection is requested, and those for
/// connections below `min_connections` also run in the pool's own tasks. See the limitations of
/// [this module](self).
///
/// ```
/// # #[cfg(feature = "sqlx-sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sea_orm::DbErr> {
/// use fanfare::Sender;
/// use fanfare_django::db::CONNECTION_CREATED;
/// use fanfare_sea_orm::pool::send_connection_created;
/// use sea_orm::sqlx::{Executor, SqliteConnection};
/// use sea_orm::{ConnectOptions, ConnectionTrait, Database};
///
/// let sqlite = Sender::of::<SqliteConnection>();
/// CONNECTION_CREATED.options().sender(sqlite).connect_async(|_sender, created| {
///     Box::pin(async move {
///         let connection = created.connection::<SqliteConnection>().await;
///         let mut connection = connection.ok_or("not SQLite")?;
///         connection.execute("CREATE TEMP TABLE scratch (note text)").await?;
///         Ok(())
///     })
/// });
///
/// let mut options = ConnectOptions::new("sqlite::memory:");
/// send_connection_created(&mut options, "default");
/// let db = Database::connect(options).await?;
/// db.execute_unprepared("INSERT INTO scratch VALUES ('each connection has its own')").await?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlx-sqlite"))]
/// # fn main() {}
/// ```
pub fn send_connection_created(
    options: &mut ConnectOptions,
    using: impl Into<String>,
) -> &mut ConnectOptions {
    let using: std::sync::Arc<str> = using.into().into();
    #[cfg(feature = "sqlx-sqlite")]
    {
        let using = using.clone();
        options.map_sqlx_sqlite_pool_opts(move |pool| {
            let using = using.clone();
            pool.after_connect(move |connection, _| {
                let using = using.clone();
                Box::pin(async move { connection_created(&using, "sqlite", connection).await })
            })
        });
    }
    #[cfg(feature = "sqlx-postgres")]
    options.map_sqlx_postgres_pool_opts(move |pool| {
        let using = using.clone();
        pool.after_connect(move |connection, _| {
            let using = using.clone();
            Box::pin(async move { connection_created(&using, "postgres", connection).await })
        })
    });
    options
}

/// Sends `CONNECTION_CREATED` for this connection, in an `after_connect` of your own.
///
/// # Errors
///
/// Returns the first error of a receiver: unchanged if it is a `sqlx::Error`, otherwise inside a
/// `sqlx::Error::Configuration`, where [`receiver_error`](crate::receiver_error) finds it.
/// `sqlx::Error::Configuration`, where [`receiver_error`](crate::receiver_error) finds it.
///
/// ```
/// # #[cfg(feature = "sqlx-sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sea_orm::DbErr> {
/// use fanfare_django::db::CONNECTION_CREATED;
/// use fanfare_sea_orm::pool::connection_created;
/// use sea_orm::sqlx::Executor;
/// use sea_orm::{ConnectOptions, Database};
/// # use std::sync::atomic::{AtomicU32, Ordering};
///
/// static OPEN: AtomicU32 = AtomicU32::new(0);
/// CONNECTION_CREATED.connect(|_sender, created| {
///     OPEN.fetch_add(u32::from(created.using() == "archive"), Ordering::Relaxed);
///     Ok(())
/// });
///
/// let mut options = ConnectOptions::new("sqlite::memory:");
/// options.map_sqlx_sqlite_pool_opts(|pool| {
///     pool.after_connect(|connection, _| {
///         Box::pin(async move {
///             connection.execute("PRAGMA cache_size = -8000").await?;
///             connection_created("archive", "sqlite", connection).await
///         })
///     })
/// });
/// let _db = Database::connect(options).await?;
/// assert_eq!(OPEN.load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlx-sqlite"))]
/// # fn main() {}
/// ```
pub async fn connection_created<C: sqlx::Connection + Send + 'static>(
    using: &str,
    backend: &str,
    connection: &mut C,
) -> Result<(), sqlx::Error> {
    let created = ConnectionCreated::new(using, backend, connection);
    let sent = CONNECTION_CREATED
        .from(Sender::of::<C>())
        .asend_until_err(&created)
        .await;
    match sent {
        Ok(_) => Ok(()),
        Err(failed) => Err(driver_refusal(
            signal_name!(CONNECTION_CREATED),
            failed.error,
        )),
    }
}
