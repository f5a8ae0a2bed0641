//! Migrations that send signals: [`Signalled`] sends `PRE_MIGRATE` and `POST_MIGRATE` around the
//! operations of a SeaORM migrator.
//!
//! # Signals
//!
//! The sender is the app's label, [`AppMigrator::APP_LABEL`].
//!
//! | call | `operation` | `plan` | sent |
//! |---|---|---|---|
//! | `up(db, None)` | `Up` | the pending migrations, in order | both |
//! | `up(db, Some(n))` | `Up` | the first `n` of them | both |
//! | `down(db, None)` | `Down` | the applied migrations, last first | both |
//! | `down(db, Some(n))` | `Down` | the first `n` of these | both |
//! | `fresh(db)` | `Fresh` | every migration up; the drop of all tables before that is no step | both |
//! | `refresh(db)` | `Refresh` | the applied migrations down, last first, then every migration up | both |
//! | `reset(db)` | `Reset` | the applied migrations down, last first | both |
//! | any of these, with nothing to do | as above | empty | both |
//! | any of these, which then fails | as above | as above | `PRE_MIGRATE` |
//! | any of these, with an applied migration that has no file (except `fresh`) | | | no signal: it fails before |
//! | `status`, `install`, `uninstall`, and the lists of migrations | | | no signal |
//!
//! # Cost
//!
//! An operation needs at most two more queries, which do not write: one for the existence of the
//! table of migrations, and one for its contents. `fresh` needs none. It makes no difference
//! whether a receiver is connected.
//!
//! # Limitations
//!
//! - A migrator that is called by its own name sends no signal. Wrap it wherever it is called, and
//!   in `main` of its command line: `cli::run_cli(Signalled::<Migrator>::new())`.
//! - The plan is read before the operation starts. If two processes migrate one database at once,
//!   each has the plan that it found.
//! - A migrator of `MigratorTraitSelf` alone, whose list of migrations belongs to a value, cannot
//!   be wrapped.
//! - SeaORM has no `verbosity` and no `interactive`. Both are `None`.

use std::marker::PhantomData;

use fanfare::Sender;
use fanfare_django::management::{Migrate, Operation, POST_MIGRATE, PRE_MIGRATE, Step};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbErr, DynIden,
    IntoDatabaseExecutor,
};
use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::{Migration, MigrationTrait, MigratorTrait, seaql_migrations};

use crate::error::{refusal, signal_name};

/// A migrator that belongs to an app, and so can be [`Signalled`].
#[diagnostic::on_unimplemented(
    message = "the migrator `{Self}` belongs to no app",
    note = "write `impl AppMigrator for {Self} {{ const APP_LABEL: &'static str = \"app\"; }}`: the label is the sender of its signals"
)]
pub trait AppMigrator: MigratorTrait {
    /// The app's label, which is the sender: `"blog"`.
    const APP_LABEL: &'static str;

    /// The name of the database in the application.
    const USING: &'static str = "default";
}

/// The migrator `M`, with the signals.
///
/// A call on it does the same as a call on `M`, and sends the signals in the table of [this
/// module](self). It is a migrator like any other, so it can be used wherever SeaORM takes one.
/// Receivers are awaited, and find the connection in the event (see [`executor`]). While they run
/// no connection is kept, so a pool of one is enough. Inside a transaction they run inside of it.
///
/// # Errors
///
/// It returns the errors of `M`, and the first error of a receiver. After an error of a receiver of
/// `PRE_MIGRATE` no migration was run, and after one of `POST_MIGRATE` every migration was. An
/// error that is a `DbErr` stays unchanged. [`receiver_error`](crate::receiver_error) finds any
/// other inside the `DbErr`.
///
/// ```
/// use fanfare::Sender;
/// use fanfare_django::management::{POST_MIGRATE, PRE_MIGRATE};
/// use fanfare_sea_orm::migration::{AppMigrator, Signalled, executor};
/// use sea_orm::{ConnectionTrait, Database};
/// use sea_orm_migration::prelude::*;
///
/// struct Migrator;
///
/// impl MigratorTrait for Migrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         vec![Box::new(CreateTag)]
///     }
/// }
///
/// impl AppMigrator for Migrator {
///     const APP_LABEL: &'static str = "blog";
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// // A table that is not of use without its rows:
/// POST_MIGRATE.options().sender(Sender::named("blog")).connect_async(|_app, migrate| {
///     Box::pin(async move {
///         let db = executor(migrate).ok_or("sent by another migrator")?;
///         db.execute_unprepared("INSERT OR IGNORE INTO tag (name) VALUES ('news')").await?;
///         Ok(())
///     })
/// });
/// PRE_MIGRATE.connect(|app, migrate| {
///     println!("{app}: {} steps", migrate.plan().len());
///     Ok(())
/// });
///
/// let db = Database::connect("sqlite::memory:").await?;
/// Signalled::<Migrator>::up(&db, None).await?;
/// Signalled::<Migrator>::up(&db, None).await?;
/// let changed = db.execute_unprepared("DELETE FROM tag").await?;
/// assert_eq!(changed.rows_affected(), 1);
/// # Ok(())
/// # }
/// # struct CreateTag;
/// # impl MigrationName for CreateTag {
/// #     fn name(&self) -> &str { "m0001_tag" }
/// # }
/// # #[async_trait::async_trait]
/// # impl MigrationTrait for CreateTag {
/// #     async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
/// #         let db = manager.get_connection();
/// #         db.execute_unprepared("CREATE TABLE tag (name text PRIMARY KEY)").await.map(drop)
/// #     }
/// # }
/// ```
pub struct Signalled<M>(PhantomData<fn() -> M>);

impl<M: AppMigrator> Signalled<M> {
    /// Returns the value that SeaORM's command line takes. It is empty.
    pub const fn new() -> Self {
        Signalled(PhantomData)
    }
}

impl<M: AppMigrator> Default for Signalled<M> {
    fn default() -> Self {
        Signalled::new()
    }
}

/// Returns the connection of a migration signal, for queries of a receiver.
///
/// It is the database's connection, or the transaction that the migrator was given. It is `None` if
/// the signal was not sent by [`Signalled`].
pub fn executor<'a>(migrate: &Migrate<'a>) -> Option<DatabaseExecutor<'a>> {
    let connection = migrate.connection::<DatabaseConnection>();
    let transaction = || migrate.connection::<DatabaseTransaction>();
    connection
        .map(DatabaseExecutor::from)
        .or_else(|| transaction().map(DatabaseExecutor::from))
}

#[async_trait]
impl<M: AppMigrator> MigratorTrait for Signalled<M> {
    async fn up<'c, C>(db: C, steps: Option<u32>) -> Result<(), DbErr>
    where
        C: IntoDatabaseExecutor<'c>,
    {
        let db = db.into_database_executor();
        let pending = M::get_pending_migrations_read_only(&db).await?;
        let plan = limited(pending.iter().map(up), steps);
        let work = M::up(borrowed(&db), steps);
        tell::<M>(Operation::Up, &plan, &db, work).await
    }

    async fn down<'c, C>(db: C, steps: Option<u32>) -> Result<(), DbErr>
    where
        C: IntoDatabaseExecutor<'c>,
    {
        let db = db.into_database_executor();
        let applied = M::get_applied_migrations_read_only(&db).await?;
        let plan = limited(applied.iter().rev().map(down), steps);
        let work = M::down(borrowed(&db), steps);
        tell::<M>(Operation::Down, &plan, &db, work).await
    }

    async fn fresh<'c, C>(db: C) -> Result<(), DbErr>
    where
        C: IntoDatabaseExecutor<'c>,
    {
        let db = db.into_database_executor();
        let all = M::get_migration_files();
        let plan: Vec<_> = all.iter().map(up).collect();
        let work = M::fresh(borrowed(&db));
        tell::<M>(Operation::Fresh, &plan, &db, work).await
    }

    async fn refresh<'c, C>(db: C) -> Result<(), DbErr>
    where
        C: IntoDatabaseExecutor<'c>,
    {
        let db = db.into_database_executor();
        let applied = M::get_applied_migrations_read_only(&db).await?;
        let all = M::get_migration_files();
        let plan: Vec<_> = applied
            .iter()
            .rev()
            .map(down)
            .chain(all.iter().map(up))
            .collect();
        let work = M::refresh(borrowed(&db));
        tell::<M>(Operation::Refresh, &plan, &db, work).await
    }

    async fn reset<'c, C>(db: C) -> Result<(), DbErr>
    where
        C: IntoDatabaseExecutor<'c>,
    {
        let db = db.into_database_executor();
        let applied = M::get_applied_migrations_read_only(&db).await?;
        let plan: Vec<_> = applied.iter().rev().map(down).collect();
        let work = M::reset(borrowed(&db));
        tell::<M>(Operation::Reset, &plan, &db, work).await
    }

    // The other methods call `M`, which may have replaced any of them.

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        M::migrations()
    }

    fn migration_table_name() -> DynIden {
        M::migration_table_name()
    }

    fn get_migration_files() -> Vec<Migration> {
        M::get_migration_files()
    }

    async fn get_migration_models<C>(db: &C) -> Result<Vec<seaql_migrations::Model>, DbErr>
    where
        C: ConnectionTrait,
    {
        M::get_migration_models(db).await
    }

    async fn get_migration_with_status<C>(db: &C) -> Result<Vec<Migration>, DbErr>
    where
        C: ConnectionTrait,
    {
        M::get_migration_with_status(db).await
    }

    async fn get_pending_migrations<C>(db: &C) -> Result<Vec<Migration>, DbErr>
    where
        C: ConnectionTrait,
    {
        M::get_pending_migrations(db).await
    }

    async fn get_applied_migrations<C>(db: &C) -> Result<Vec<Migration>, DbErr>
    where
        C: ConnectionTrait,
    {
        M::get_applied_migrations(db).await
    }

    async fn get_migration_with_status_read_only<C>(db: &C) -> Result<Vec<Migration>, DbErr>
    where
        C: ConnectionTrait,
    {
        M::get_migration_with_status_read_only(db).await
    }

    async fn get_pending_migrations_read_only<C>(db: &C) -> Result<Vec<Migration>, DbErr>
    where
        C: ConnectionTrait,
    {
        M::get_pending_migrations_read_only(db).await
    }

    async fn get_applied_migrations_read_only<C>(db: &C) -> Result<Vec<Migration>, DbErr>
    where
        C: ConnectionTrait,
    {
        M::get_applied_migrations_read_only(db).await
    }

    async fn install<C>(db: &C) -> Result<(), DbErr>
    where
        C: ConnectionTrait,
    {
        M::install(db).await
    }

    async fn uninstall<'c, C>(db: C) -> Result<(), DbErr>
    where
        C: IntoDatabaseExecutor<'c>,
    {
        M::uninstall(db).await
    }

    async fn status<C>(db: &C) -> Result<(), DbErr>
    where
        C: ConnectionTrait,
    {
        M::status(db).await
    }
}

fn up(migration: &Migration) -> Step<'_> {
    Step::up(migration.name())
}

fn down(migration: &Migration) -> Step<'_> {
    Step::down(migration.name())
}

fn limited<'a>(steps: impl Iterator<Item = Step<'a>>, most: Option<u32>) -> Vec<Step<'a>> {
    let most = most.and_then(|most| usize::try_from(most).ok());
    steps.take(most.unwrap_or(usize::MAX)).collect()
}

/// Returns the same connection for `M`, which takes its connection by value.
fn borrowed<'a>(db: &'a DatabaseExecutor<'_>) -> DatabaseExecutor<'a> {
    match db {
        DatabaseExecutor::Connection(connection) => DatabaseExecutor::Connection(connection),
        DatabaseExecutor::Transaction(transaction) => DatabaseExecutor::Transaction(transaction),
        DatabaseExecutor::OwnedTransaction(transaction) => {
            DatabaseExecutor::Transaction(transaction)
        }
    }
}

async fn tell<M: AppMigrator>(
    operation: Operation,
    plan: &[Step<'_>],
    db: &DatabaseExecutor<'_>,
    work: impl Future<Output = Result<(), DbErr>> + Send,
) -> Result<(), DbErr> {
    let migrate = Migrate::new(operation, plan).with_using(M::USING);
    let migrate = match db {
        DatabaseExecutor::Connection(connection) => migrate.with_connection(*connection),
        DatabaseExecutor::Transaction(transaction) => migrate.with_connection(*transaction),
        DatabaseExecutor::OwnedTransaction(transaction) => migrate.with_connection(transaction),
    };
    let app = Sender::named(M::APP_LABEL);
    let announced = PRE_MIGRATE.from(app).asend_until_err(&migrate).await;
    announced.map_err(|refused| refusal(signal_name!(PRE_MIGRATE), refused.error))?;
    work.await?;
    let done = POST_MIGRATE.from(app).asend_until_err(&migrate).await;
    done.map_err(|failure| refusal(signal_name!(POST_MIGRATE), failure.error))?;
    Ok(())
}
