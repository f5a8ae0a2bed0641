//! Operations on many rows, which SeaORM runs without hooks.

use std::any::Any;

use fanfare::{Sender, Signal};
use fanfare_django::model::{BULK_CREATED, BULK_DELETED, BULK_UPDATED, Bulk, ReceiverResult};
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, DeleteMany, DeleteResult, EntityTrait, InsertMany,
    IntoActiveModel, TryInsert, TryInsertResult, UpdateMany, UpdateResult,
};

use crate::ModelSignals;
use crate::error::{SignalName, signal_name};
use crate::operation::Operation;
use crate::scope;

/// A statement for many rows that sends one event: `insert_many`, `update_many` or `delete_many`.
///
/// The signal is [`BULK_CREATED`], [`BULK_UPDATED`] or [`BULK_DELETED`], and is sent after the
/// statement. An update or a delete that touched no row sends, and an insert that inserted no row
/// does not. An insert that updates on a conflict sends [`BULK_CREATED`] for all its rows, because
/// the database does not report which rows existed. An `Err` of a receiver reaches the caller, and
/// a surrounding transaction undoes the statement.
///
/// ```
/// # mod post {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "post")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub title: String }
/// #     fanfare_sea_orm::model_signals!("blog.Post");
/// # }
/// # use fanfare_django::model::BULK_CREATED;
/// use fanfare_sea_orm::ExecSignalled;
/// # use sea_orm::{ConnectionTrait, Database, DbErr, EntityTrait, Set};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// # let db = Database::connect("sqlite::memory:").await?;
/// # let table = "CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT NOT NULL)";
/// # db.execute_unprepared(table).await?;
/// BULK_CREATED.connect(|_sender, event| {
///     assert_eq!(event.rows(), 2);
///     Ok(())
/// });
/// let titled = |title: &str| post::ActiveModel {
///     title: Set(title.to_owned()),
///     ..Default::default()
/// };
/// let rows = post::Entity::insert_many([titled("a"), titled("b")]).exec_signalled(&db).await?;
/// assert_eq!(rows, 2);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run with signals",
    note = "it is for `insert_many`, `update_many` and `delete_many` of an entity that has `model_signals!`"
)]
#[async_trait]
pub trait ExecSignalled: Sized {
    /// The result of the statement.
    type Output;
    /// The rows, if the statement returns them.
    type Rows;

    /// Runs the statement. Receivers get the number of rows.
    ///
    /// # Errors
    ///
    /// Returns an error of the database or of a receiver.
    async fn exec_signalled<C: ConnectionTrait>(self, db: &C) -> Result<Self::Output, DbErr>;

    /// Runs the statement and lets it return its rows, for the caller and, as
    /// [`Bulk::instances`], for the receivers.
    ///
    /// # Errors
    ///
    /// Returns an error of the database or of a receiver. It is `DbErr::BackendNotSupported` if
    /// SeaORM's backend has no RETURNING. For SQLite that is a feature of SeaORM,
    /// `sqlite-use-returning-for-3_35`.
    async fn exec_returning_signalled<C: ConnectionTrait>(
        self,
        db: &C,
    ) -> Result<Self::Rows, DbErr>;
}

type Named = (&'static Signal<Bulk<'static>, ReceiverResult>, SignalName);

static CREATED: Named = (&BULK_CREATED, signal_name!(BULK_CREATED));
static UPDATED: Named = (&BULK_UPDATED, signal_name!(BULK_UPDATED));
static DELETED: Named = (&BULK_DELETED, signal_name!(BULK_DELETED));

async fn tell<E: ModelSignals, C: ConnectionTrait>(
    &(signal, name): &Named,
    rows: u64,
    instances: Option<&(dyn Any + Sync)>,
    db: &C,
) -> Result<(), DbErr> {
    E::prepare();
    let sender = Sender::of::<E>();
    if signal.from(sender).has_listeners() {
        let operation = Operation::done(scope::of(db));
        let event = Bulk::new(rows, instances, operation.context(E::NAME, None));
        operation
            .tell(name, signal.from(sender).asend_until_err(&event))
            .await?;
    }
    Ok(())
}

#[async_trait]
impl<A> ExecSignalled for InsertMany<A>
where
    A: ActiveModelTrait + Send,
    A::Entity: ModelSignals,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    type Output = u64;
    type Rows = Vec<<A::Entity as EntityTrait>::Model>;

    async fn exec_signalled<C: ConnectionTrait>(self, db: &C) -> Result<u64, DbErr> {
        let rows = self.exec_without_returning(db).await?;
        if rows > 0 {
            tell::<A::Entity, C>(&CREATED, rows, None, db).await?;
        }
        Ok(rows)
    }

    async fn exec_returning_signalled<C: ConnectionTrait>(
        self,
        db: &C,
    ) -> Result<Self::Rows, DbErr> {
        let rows = self.exec_with_returning(db).await?;
        if !rows.is_empty() {
            tell::<A::Entity, C>(&CREATED, rows.len() as u64, Some(&rows), db).await?;
        }
        Ok(rows)
    }
}

#[async_trait]
impl<A> ExecSignalled for TryInsert<A>
where
    A: ActiveModelTrait + Send,
    A::Entity: ModelSignals,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    type Output = TryInsertResult<u64>;
    type Rows = TryInsertResult<Vec<<A::Entity as EntityTrait>::Model>>;

    async fn exec_signalled<C: ConnectionTrait>(self, db: &C) -> Result<Self::Output, DbErr> {
        let result = self.exec_without_returning(db).await?;
        if let TryInsertResult::Inserted(rows) = result
            && rows > 0
        {
            tell::<A::Entity, C>(&CREATED, rows, None, db).await?;
        }
        Ok(result)
    }

    async fn exec_returning_signalled<C: ConnectionTrait>(
        self,
        db: &C,
    ) -> Result<Self::Rows, DbErr> {
        let result = self.exec_with_returning_many(db).await?;
        if let TryInsertResult::Inserted(rows) = &result
            && !rows.is_empty()
        {
            tell::<A::Entity, C>(&CREATED, rows.len() as u64, Some(rows), db).await?;
        }
        Ok(result)
    }
}

#[async_trait]
impl<E: ModelSignals> ExecSignalled for UpdateMany<E> {
    type Output = UpdateResult;
    type Rows = Vec<E::Model>;

    async fn exec_signalled<C: ConnectionTrait>(self, db: &C) -> Result<UpdateResult, DbErr> {
        let result = self.exec(db).await?;
        tell::<E, C>(&UPDATED, result.rows_affected, None, db).await?;
        Ok(result)
    }

    async fn exec_returning_signalled<C: ConnectionTrait>(
        self,
        db: &C,
    ) -> Result<Vec<E::Model>, DbErr> {
        let rows = self.exec_with_returning(db).await?;
        tell::<E, C>(&UPDATED, rows.len() as u64, Some(&rows), db).await?;
        Ok(rows)
    }
}

#[async_trait]
impl<E: ModelSignals> ExecSignalled for DeleteMany<E> {
    type Output = DeleteResult;
    type Rows = Vec<E::Model>;

    async fn exec_signalled<C: ConnectionTrait>(self, db: &C) -> Result<DeleteResult, DbErr> {
        let result = self.exec(db).await?;
        tell::<E, C>(&DELETED, result.rows_affected, None, db).await?;
        Ok(result)
    }

    async fn exec_returning_signalled<C: ConnectionTrait>(
        self,
        db: &C,
    ) -> Result<Vec<E::Model>, DbErr> {
        let rows = self.exec_with_returning(db).await?;
        tell::<E, C>(&DELETED, rows.len() as u64, Some(&rows), db).await?;
        Ok(rows)
    }
}
