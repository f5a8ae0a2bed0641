//! A connection that gives its properties to the hooks.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseExecutor, DbBackend, DbErr,
    ExecResult, IntoDatabaseExecutor, IsolationLevel, QueryResult, Statement, TransactionError,
    TransactionOptions, TransactionSession, TransactionTrait,
};

use crate::before_commit::BeforeCommit;
use crate::begin;
use crate::executor::Executor;
use crate::handover::across;
use crate::scope::{self, Scope};
use crate::transaction::SignalTransaction;

/// A [`DatabaseConnection`] with a name, whose operations send complete signals.
///
/// Use it wherever SeaORM takes a connection. It gives receivers
/// [`using`](fanfare_django::model::PostSave::using), the columns of an update in `post_save`, and
/// [`after_commit`](fanfare_django::model::PostSave::after_commit), because its transactions are
/// [`SignalTransaction`]s. It is as cheap to clone as the connection itself.
///
/// It has no streams (`StreamTrait`). Use [`inner`](SignalConnection::inner) for them. A migrator
/// takes it, and migrates over the connection inside.
///
/// ```
/// # use fanfare_sea_orm::SignalConnection;
/// # use sea_orm::{ConnectionTrait, Database, DbErr};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
/// assert_eq!(db.using(), "default");
/// db.execute_unprepared("CREATE TABLE author (id INTEGER PRIMARY KEY)").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SignalConnection {
    inner: DatabaseConnection,
    scope: Scope,
}

impl SignalConnection {
    /// Names the connection "default".
    pub fn new(connection: DatabaseConnection) -> Self {
        SignalConnection::named("default", connection)
    }

    /// Gives the connection a name, which receivers get as `using`.
    pub fn named(using: impl Into<Arc<str>>, connection: DatabaseConnection) -> Self {
        SignalConnection {
            scope: Scope::new(using, connection.clone()),
            inner: connection,
        }
    }

    /// Returns its name.
    pub fn using(&self) -> &str {
        &self.scope.using
    }

    /// Returns SeaORM's connection, for code that takes a `&DatabaseConnection`.
    ///
    /// Saves through it send the signals as over a plain connection: receivers get no `connection`,
    /// no `after_commit`, and "default" as `using`. A function of your own keeps all of these if it
    /// takes `&impl ConnectionTrait` and gets the `SignalConnection`.
    ///
    /// ```
    /// # mod post {
    /// #     use sea_orm::entity::prelude::*;
    /// #     #[sea_orm::model]
    /// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    /// #     #[sea_orm(table_name = "post")]
    /// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32 }
    /// #     fanfare_sea_orm::model_signals!("blog.Post");
    /// # }
    /// # use fanfare_django::model::POST_SAVE;
    /// # use fanfare_sea_orm::SignalConnection;
    /// # use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, DatabaseConnection};
    /// # use sea_orm::{DbErr, Set};
    /// # use std::sync::Mutex;
    /// static USING: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// async fn of_another_crate(id: i32, db: &DatabaseConnection) -> Result<(), DbErr> {
    ///     post::ActiveModel { id: Set(id) }.insert(db).await.map(drop)
    /// }
    ///
    /// async fn of_ours(id: i32, db: &impl ConnectionTrait) -> Result<(), DbErr> {
    ///     post::ActiveModel { id: Set(id) }.insert(db).await.map(drop)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), DbErr> {
    /// POST_SAVE.connect(|_sender, event| {
    ///     USING.lock().unwrap().push(event.using().to_owned());
    ///     Ok(())
    /// });
    /// let db = SignalConnection::named("blog", Database::connect("sqlite::memory:").await?);
    /// # db.execute_unprepared("CREATE TABLE post (id INTEGER PRIMARY KEY)").await?;
    /// of_another_crate(1, db.inner()).await?;
    /// of_ours(2, &db).await?;
    /// assert_eq!(*USING.lock().unwrap(), ["default", "blog"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn inner(&self) -> &DatabaseConnection {
        &self.inner
    }

    /// Returns SeaORM's connection.
    pub fn into_inner(self) -> DatabaseConnection {
        self.inner
    }
}

/// A connection from which a [`Scoped`] connection can be made: [`SignalConnection`],
/// [`SignalTransaction`], [`Executor`] and `Scoped` itself.
pub trait Scopes:
    ConnectionTrait + TransactionTrait<Transaction = SignalTransaction> + HasScope + Sized
{
    /// Returns the same connection, whose operations load data as it is, as from a fixture.
    ///
    /// For receivers [`PreSave::raw`](fanfare_django::model::PreSave::raw) is true. Rows are
    /// written as usual.
    fn raw(&self) -> Scoped<'_, Self> {
        let mut scope = self.scope().clone();
        scope.raw = true;
        Scoped { inner: self, scope }
    }

    /// Returns the same connection, whose deletes have this
    /// [`Delete::origin`](fanfare_django::model::Delete::origin).
    ///
    /// SeaORM's hooks cannot distinguish a cascade from a delete. The code that starts it can.
    ///
    /// ```
    /// # mod author {
    /// #     use sea_orm::entity::prelude::*;
    /// #     #[sea_orm::model]
    /// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    /// #     #[sea_orm(table_name = "author")]
    /// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32 }
    /// #     fanfare_sea_orm::model_signals!("library.Author");
    /// # }
    /// # use fanfare_django::model::PRE_DELETE;
    /// # use fanfare_sea_orm::{Scopes, SignalConnection};
    /// # use sea_orm::{ConnectionTrait, Database, DbErr};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), DbErr> {
    /// # let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
    /// # db.execute_unprepared("CREATE TABLE author (id INTEGER PRIMARY KEY)").await?;
    /// PRE_DELETE.connect(|_sender, event| {
    ///     assert_eq!(event.origin::<author::Model>(), Some(&author::Model { id: 7 }));
    ///     Ok(())
    /// });
    /// let author = author::Model { id: 7 };
    /// author.clone().cascade_delete(&db.with_origin(author)).await?;
    /// # Ok(())
    /// # }
    /// ```
    fn with_origin(&self, origin: impl Any + Send + Sync) -> Scoped<'_, Self> {
        let mut scope = self.scope().clone();
        scope.origin = Some(Arc::new(origin));
        Scoped { inner: self, scope }
    }

    /// Adds an item that the outermost transaction writes just before its COMMIT, with the other
    /// items of this kind.
    ///
    /// # Errors
    ///
    /// Returns the item if this is not in a transaction, or if the transaction is already being
    /// committed.
    fn before_commit<T: BeforeCommit>(&self, item: T) -> Result<(), T> {
        match &self.scope().before_commit {
            Some(items) => items.add(item),
            None => Err(item),
        }
    }
}

/// A trait that only this crate can name, so that no other crate implements `Scopes`.
pub trait HasScope {
    fn scope(&self) -> &Scope;
}

/// A connection or a transaction with further properties for the events of its operations.
///
/// [`Scopes::raw`] and [`Scopes::with_origin`] make it, and they can be chained.
#[derive(Debug)]
pub struct Scoped<'c, C> {
    inner: &'c C,
    scope: Scope,
}

impl HasScope for SignalConnection {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl HasScope for SignalTransaction {
    fn scope(&self) -> &Scope {
        self.own_scope()
    }
}

impl HasScope for Executor {
    fn scope(&self) -> &Scope {
        self.own_scope()
    }
}

impl<C> HasScope for Scoped<'_, C> {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Scopes for SignalConnection {}
impl Scopes for SignalTransaction {}
impl Scopes for Executor {}
impl<C: Scopes> Scopes for Scoped<'_, C> {}

impl From<DatabaseConnection> for SignalConnection {
    /// Names the connection "default".
    fn from(connection: DatabaseConnection) -> Self {
        SignalConnection::new(connection)
    }
}

/// The connection for migrators, which take a connection of any kind: `Migrator::up(&db, None)`.
impl<'c> IntoDatabaseExecutor<'c> for &'c SignalConnection {
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        DatabaseExecutor::Connection(&self.inner)
    }
}

#[async_trait]
impl ConnectionTrait for SignalConnection {
    fn get_database_backend(&self) -> DbBackend {
        scope::leave(&self.scope);
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        across(self.inner.execute_raw(stmt)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        across(self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        across(self.inner.query_one_raw(stmt)).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        across(self.inner.query_all_raw(stmt)).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.inner.is_mock_connection()
    }
}

#[async_trait]
impl<C: Scopes> ConnectionTrait for Scoped<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        let backend = self.inner.get_database_backend();
        // This comes after the inner connection's scope, which has fewer properties.
        scope::leave(&self.scope);
        backend
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(stmt).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(stmt).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(stmt).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.inner.is_mock_connection()
    }
}

/// An implementation of `TransactionTrait`, of which only `begin_with_options` differs.
macro_rules! transactions {
    ([$($generics:tt)*] $name:ty, $begin:expr) => {
        #[async_trait]
        impl<$($generics)*> TransactionTrait for $name {
            type Transaction = SignalTransaction;

            async fn begin(&self) -> Result<SignalTransaction, DbErr> {
                self.begin_with_options(TransactionOptions::default()).await
            }

            async fn begin_with_config(
                &self,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<SignalTransaction, DbErr> {
                let options = TransactionOptions {
                    isolation_level,
                    access_mode,
                    sqlite_transaction_mode: None,
                };
                self.begin_with_options(options).await
            }

            async fn begin_with_options(
                &self,
                options: TransactionOptions,
            ) -> Result<SignalTransaction, DbErr> {
                $begin(self, options).await
            }

            async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c SignalTransaction,
                    )
                        -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
                    + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                self.transaction_with_config(callback, None, None).await
            }

            async fn transaction_with_config<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c SignalTransaction,
                    )
                        -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
                    + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                let transaction = self.begin_with_config(isolation_level, access_mode).await?;
                match callback(&transaction).await {
                    Ok(value) => {
                        transaction.commit().await?;
                        Ok(value)
                    }
                    Err(error) => {
                        transaction.rollback().await?;
                        Err(TransactionError::Transaction(error))
                    }
                }
            }
        }
    };
}

transactions!([] SignalConnection, SignalConnection::outermost);
transactions!([] SignalTransaction, SignalTransaction::nested);
transactions!([] Executor, Executor::begun);
transactions!([C: Scopes] Scoped<'_, C>, Scoped::begun);

impl SignalConnection {
    async fn outermost(&self, options: TransactionOptions) -> Result<SignalTransaction, DbErr> {
        let inner = begin::outermost(&self.inner, options).await?;
        Ok(SignalTransaction::outermost(inner, self.scope.clone()))
    }
}

impl<C: Scopes> Scoped<'_, C> {
    async fn begun(&self, options: TransactionOptions) -> Result<SignalTransaction, DbErr> {
        let transaction = self.inner.begin_with_options(options).await?;
        Ok(transaction.scoped(&self.scope))
    }
}
