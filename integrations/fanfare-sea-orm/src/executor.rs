//! The connection on which a receiver runs queries of its own.

use std::fmt;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, TransactionOptions,
};

use crate::begin;
use crate::handover::across;
use crate::open_transaction::turn_at;
use crate::scope::{self, Scope, Target};
use crate::transaction::SignalTransaction;

/// The connection of an operation, or the transaction that it runs in, lent to its receivers:
/// `event.connection::<Executor>()`.
///
/// In a transaction, writes through it are undone with the writes of the operation. The receiver
/// does not wait for a second connection: a pool of one is enough, and `sqlite::memory:` is one.
/// Saves through it send signals with the operation's `using` and
/// [`after_commit`](fanfare_django::model::PostSave::after_commit). Outside of a transaction it is
/// the connection, and each statement commits itself.
///
/// The events of saves, deletes, links and bulk statements have one if the operation ran over a
/// connection of this crate. The connection may be inside a wrapper of other code. The queries of
/// receivers do not go through that wrapper. The executor is borrowed from the event and cannot
/// outlive the operation. A transaction that is begun from it can outlive the operation, and must
/// not: end it before the receiver returns, or the commit around it fails. Only an async receiver
/// can await its queries.
///
/// # Limitations
///
/// - **While a transaction that was begun from it is open, it waits.** Async receivers of one send
///   run side by side, and their savepoints must not mix. A receiver that begins a transaction and
///   then uses the executor beside it waits for itself, forever. Use that transaction instead.
/// - Outside of a transaction there is no such wait. A transaction that is begun from it has
///   another connection, and a use of the executor beside that waits for a third, or for the pool's
///   timeout.
/// - The events that receivers record with `after_commit` are in one list. A receiver that rolls
///   its transaction back also discards the events that others have recorded since it began.
/// - The operation's own statements take no turns. Run one operation at a time over a transaction
///   whose receivers begin others.
/// - On PostgreSQL a statement that fails makes the whole transaction fail. Run a statement that
///   may fail in a transaction that is begun from the executor, which is a savepoint.
///
/// ```
/// # macro_rules! entity {
/// #     ($module:ident, $table:literal, $name:literal) => {
/// #         mod $module {
/// #             use sea_orm::entity::prelude::*;
/// #             #[sea_orm::model]
/// #             #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #             #[sea_orm(table_name = $table)]
/// #             pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub text: String }
/// #             fanfare_sea_orm::model_signals!($name);
/// #         }
/// #     };
/// # }
/// # entity!(post, "post", "blog.Post");
/// # entity!(audit, "audit", "blog.Audit");
/// # use fanfare::Sender;
/// # use fanfare_django::model::POST_SAVE;
/// use fanfare_sea_orm::Executor;
/// # use fanfare_sea_orm::SignalConnection;
/// # use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, DbErr};
/// # use sea_orm::{EntityTrait, PaginatorTrait, Set};
/// # use sea_orm::{TransactionSession, TransactionTrait};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// # let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
/// # let table = "CREATE TABLE post (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
/// # db.execute_unprepared(table).await?;
/// # let table = "CREATE TABLE audit (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
/// # db.execute_unprepared(table).await?;
/// let posts = Sender::of::<post::Entity>();
/// POST_SAVE.options().sender(posts).connect_async(|_sender, event| {
///     Box::pin(async move {
///         let post = event.instance::<post::Model>().ok_or("not a post")?;
///         let db = event.connection::<Executor>().ok_or("saved outside of a SignalConnection")?;
///         let text = Set(format!("saved {}", post.text));
///         audit::ActiveModel { text, ..Default::default() }.insert(db).await?;
///         Ok(())
///     })
/// });
/// let hello = post::ActiveModel { text: Set("hello".to_owned()), ..Default::default() };
///
/// let transaction = db.begin().await?;
/// hello.clone().insert(&transaction).await?;
/// transaction.rollback().await?;
/// assert_eq!(audit::Entity::find().count(&db).await?, 0);
///
/// hello.insert(&db).await?;
/// assert_eq!(audit::Entity::find().count(&db).await?, 1);
/// # Ok(())
/// # }
/// ```
pub struct Executor {
    scope: Scope,
}

impl Executor {
    pub(crate) fn new(scope: Scope) -> Self {
        Executor { scope }
    }

    pub(crate) fn own_scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the name of the connection.
    pub fn using(&self) -> &str {
        &self.scope.using
    }

    /// Returns `true` if writes through it wait for a commit, and are undone by a rollback.
    pub fn is_in_transaction(&self) -> bool {
        matches!(self.scope.target, Target::Transaction(..))
    }

    pub(crate) async fn begun(
        &self,
        options: TransactionOptions,
    ) -> Result<SignalTransaction, DbErr> {
        match &self.scope.target {
            Target::Connection(connection) => {
                let inner = begin::outermost(connection, options).await?;
                Ok(SignalTransaction::outermost(inner, self.scope.clone()))
            }
            Target::Transaction(open, _) => {
                let (open, turn) = turn_at(open).await?;
                SignalTransaction::inside(&open, options, &self.scope, Some(turn)).await
            }
        }
    }
}

/// Runs one statement on the target.
macro_rules! on_target {
    ($executor:expr, $method:ident($argument:expr)) => {
        match &$executor.scope.target {
            Target::Connection(connection) => across(connection.$method($argument)).await,
            // This also happens while the statement waits for its turn, when other saves may have
            // their turns.
            Target::Transaction(open, _) => {
                across(async {
                    let (open, _turn) = turn_at(open).await?;
                    open.run(|it| it.$method($argument)).await
                })
                .await
            }
        }
    };
}

#[async_trait]
impl ConnectionTrait for Executor {
    fn get_database_backend(&self) -> DbBackend {
        scope::leave(&self.scope);
        match &self.scope.target {
            Target::Connection(connection) => connection.get_database_backend(),
            Target::Transaction(_, backend) => *backend,
        }
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        on_target!(self, execute_raw(stmt))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        on_target!(self, execute_unprepared(sql))
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        on_target!(self, query_one_raw(stmt))
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        on_target!(self, query_all_raw(stmt))
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("using", &self.scope.using)
            .field("is_in_transaction", &self.is_in_transaction())
            .finish_non_exhaustive()
    }
}
