//! The bodies of the hooks of `ActiveModelBehavior`.
//!
//! [`model_signals!`](crate::model_signals) calls these functions. An entity with hooks of its own
//! uses `model_signals!("blog.Post", custom)` and calls them itself: [`before_save`] and
//! [`before_delete`] last in its hook, [`after_save`] and [`after_delete`] first. An `.await`
//! between [`before_save`] and the end of the hook, or between the start of the hook and
//! [`after_save`], loses `update_fields` of `post_save`. If two such saves of one row are mixed,
//! the event of one may have the columns of the other.
//!
//! ```
//! mod post {
//!     use sea_orm::entity::prelude::*;
//!
//!     #[sea_orm::model]
//!     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
//!     #[sea_orm(table_name = "post")]
//!     pub struct Model {
//!         #[sea_orm(primary_key)]
//!         pub id: i32,
//!         pub title: String,
//!     }
//!
//!     fanfare_sea_orm::model_signals!("blog.Post", custom);
//!
//!     #[async_trait::async_trait]
//!     impl ActiveModelBehavior for ActiveModel {
//!         async fn before_save<C>(mut self, db: &C, insert: bool) -> Result<Self, DbErr>
//!         where
//!             C: ConnectionTrait,
//!         {
//!             self.title = sea_orm::Set(self.title.take().unwrap_or_default().to_uppercase());
//!             fanfare_sea_orm::hooks::before_save(self, db, insert).await
//!         }
//!     }
//! }
//! # use fanfare::Sender;
//! # use fanfare_django::model::PRE_SAVE;
//! # use fanfare_sea_orm::SignalConnection;
//! # use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, Set};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sea_orm::DbErr> {
//! # let db = SignalConnection::new(Database::connect("sqlite::memory:").await?);
//! # let table = "CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT NOT NULL)";
//! # db.execute_unprepared(table).await?;
//! # PRE_SAVE.options().sender(Sender::of::<post::Entity>()).connect(|_sender, event| {
//! #     assert_eq!(event.instance::<post::ActiveModel>().unwrap().title, Set("HOOKS".to_owned()));
//! #     Ok(())
//! # });
//! # let post = post::ActiveModel { title: Set("hooks".to_owned()), ..Default::default() };
//! # assert_eq!(post.insert(&db).await?.title, "HOOKS");
//! # Ok(())
//! # }
//! ```

use std::any::Any;

use fanfare::Sender;
use fanfare_django::model::{
    Context, Delete, POST_DELETE, POST_SAVE, PRE_DELETE, PRE_SAVE, PostSave, PreSave,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, ModelTrait, TryIntoModel};

use crate::ModelSignals;
use crate::error::signal_name;
use crate::handover::{self, Written, set_columns};
use crate::keys::RowKey;
use crate::operation::Operation;
use crate::scope;

/// Sends [`PRE_SAVE`], and returns the instance as receivers left it.
///
/// # Errors
///
/// Returns the first error of a receiver: unchanged if it is a `DbErr`, otherwise inside a `DbErr`,
/// where [`receiver_error`](crate::receiver_error) finds it.
pub async fn before_save<A, C>(mut instance: A, db: &C, insert: bool) -> Result<A, DbErr>
where
    A: ActiveModelTrait + Send + 'static,
    A::Entity: ModelSignals,
    C: ConnectionTrait,
{
    A::Entity::prepare();
    let sender = Sender::of::<A::Entity>();
    if PRE_SAVE.from(sender).has_listeners() {
        let columns = (!insert).then(|| set_columns(&instance));
        let operation = Operation::ahead(scope::of(db));
        let key = instance.get_primary_key_value().map(RowKey::from);
        let context = operation.context(A::Entity::NAME, key.as_ref());
        let event = PreSave::new(&mut instance, insert, columns.as_deref(), context);
        let signal = signal_name!(PRE_SAVE);
        operation
            .tell(signal, PRE_SAVE.from(sender).asend_until_err(&event))
            .await?;
    }
    let is_asked_for = !insert && POST_SAVE.from(sender).has_listeners();
    handover::leave(is_asked_for.then(|| Box::new(Written::by(&instance))));
    Ok(instance)
}

/// Sends [`POST_SAVE`], and returns the instance.
///
/// # Errors
///
/// Returns the errors of [`before_save`]. The row is written.
pub async fn after_save<A, C>(
    instance: <A::Entity as EntityTrait>::Model,
    db: &C,
    insert: bool,
) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
where
    A: ActiveModelTrait,
    A::Entity: ModelSignals,
    <A::Entity as EntityTrait>::Model: Any + Send + Sync,
    C: ConnectionTrait,
{
    let written = handover::take();
    let sender = Sender::of::<A::Entity>();
    if POST_SAVE.from(sender).has_listeners() {
        let scope = scope::of(db);
        // The columns of an update are not carried over a connection that is not ours.
        let is_known = !insert && scope.is_some();
        let columns = written
            .filter(|_| is_known)
            .and_then(|written| written.of(&instance));
        let operation = Operation::done(scope);
        let key = RowKey::from(instance.get_primary_key_value());
        let context = operation.context(A::Entity::NAME, Some(&key));
        let event = PostSave::new(&instance, insert, columns.as_deref(), context);
        let signal = signal_name!(POST_SAVE);
        operation
            .tell(signal, POST_SAVE.from(sender).asend_until_err(&event))
            .await?;
    }
    Ok(instance)
}

/// Sends [`PRE_DELETE`]. Receivers get the `ActiveModel`, and the `Model` if every column is known.
///
/// # Errors
///
/// Returns the errors of [`before_save`].
pub async fn before_delete<A, C>(instance: A, db: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait + TryIntoModel<<A::Entity as EntityTrait>::Model> + Send + Sync + 'static,
    A::Entity: ModelSignals,
    <A::Entity as EntityTrait>::Model: Any + Send + Sync,
    C: ConnectionTrait,
{
    A::Entity::prepare();
    let sender = Sender::of::<A::Entity>();
    if PRE_DELETE.from(sender).has_listeners() {
        let operation = Operation::ahead(scope::of(db));
        let model = instance.clone().try_into_model().ok();
        let key = instance.get_primary_key_value().map(RowKey::from);
        let context = operation.context(A::Entity::NAME, key.as_ref());
        let event = delete(&instance, model.as_ref(), context);
        let signal = signal_name!(PRE_DELETE);
        operation
            .tell(signal, PRE_DELETE.from(sender).asend_until_err(&event))
            .await?;
    }
    Ok(instance)
}

/// Sends [`POST_DELETE`], as [`before_delete`] does.
///
/// # Errors
///
/// Returns the errors of [`before_save`]. The row is deleted.
pub async fn after_delete<A, C>(instance: A, db: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait + TryIntoModel<<A::Entity as EntityTrait>::Model> + Send + Sync + 'static,
    A::Entity: ModelSignals,
    <A::Entity as EntityTrait>::Model: Any + Send + Sync,
    C: ConnectionTrait,
{
    let sender = Sender::of::<A::Entity>();
    if POST_DELETE.from(sender).has_listeners() {
        let operation = Operation::done(scope::of(db));
        let model = instance.clone().try_into_model().ok();
        let key = instance.get_primary_key_value().map(RowKey::from);
        let context = operation.context(A::Entity::NAME, key.as_ref());
        let event = delete(&instance, model.as_ref(), context);
        let signal = signal_name!(POST_DELETE);
        operation
            .tell(signal, POST_DELETE.from(sender).asend_until_err(&event))
            .await?;
    }
    Ok(instance)
}

fn delete<'a, A: Any + Sync, M: Any + Sync>(
    instance: &'a A,
    model: Option<&'a M>,
    context: Context<'a>,
) -> Delete<'a> {
    let event = Delete::new(instance, context);
    match model {
        Some(model) => event.or_as(model),
        None => event,
    }
}
