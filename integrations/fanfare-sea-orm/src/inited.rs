//! Instances that send signals when they are made.

use std::ops::{Deref, DerefMut};

use fanfare::Sender;
use fanfare_django::model::{POST_INIT, PRE_INIT, PostInit, PreInit, PrimaryKey};
use sea_orm::{DbErr, FromQueryResult, ModelTrait, QueryResult};

use crate::ModelSignals;
use crate::keys::RowKey;

/// A model whose making sent [`PRE_INIT`] and [`POST_INIT`].
///
/// Request it query by query, with `find().into_model::<Inited<post::Model>>()`, or make one with
/// [`Inited::new`].
///
/// Receivers of `PRE_INIT` get the model, and may change it. After a change it differs from the
/// row.
///
/// The signals are sent with `send`, because SeaORM makes models where no code can await. On an
/// executor's thread an async receiver makes that panic.
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
/// use fanfare::Sender;
/// use fanfare_django::model::PRE_INIT;
/// use fanfare_sea_orm::Inited;
///
/// PRE_INIT.options().sender(Sender::of::<post::Entity>()).connect(|_sender, event| {
///     if let Some(mut post) = event.instance::<post::Model>() {
///         post.title.push('!');
///     }
/// });
/// let post = Inited::new(post::Model { id: 1, title: String::from("Hello") });
/// assert_eq!(post.title, "Hello!");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inited<M>(M);

impl<M> Inited<M>
where
    M: ModelTrait<Entity: ModelSignals> + Sync + 'static,
{
    /// Sends the signals for a model that is made here.
    pub fn new(mut model: M) -> Self {
        M::Entity::prepare();
        let sender = Sender::of::<M::Entity>();
        if PRE_INIT.from(sender).has_listeners() {
            let key = RowKey::from(model.get_primary_key_value());
            let event = PreInit::new(&mut model).with_model_name(M::Entity::NAME);
            PRE_INIT
                .from(sender)
                .send(&event.with_pk(PrimaryKey::new(&key)));
        }
        if POST_INIT.from(sender).has_listeners() {
            let key = RowKey::from(model.get_primary_key_value());
            let event = PostInit::new(&model).with_model_name(M::Entity::NAME);
            POST_INIT
                .from(sender)
                .send(&event.with_pk(PrimaryKey::new(&key)));
        }
        Inited(model)
    }
}

impl<M> Inited<M> {
    /// Returns the model.
    pub fn into_inner(self) -> M {
        self.0
    }
}

impl<M> Deref for Inited<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M> DerefMut for Inited<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.0
    }
}

impl<M> FromQueryResult for Inited<M>
where
    M: ModelTrait<Entity: ModelSignals> + FromQueryResult + Sync + 'static,
{
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Inited::new(M::from_query_result(row, prefix)?))
    }

    fn from_query_result_nullable(
        row: &QueryResult,
        prefix: &str,
    ) -> Result<Self, sea_orm::TryGetError> {
        Ok(Inited::new(M::from_query_result_nullable(row, prefix)?))
    }
}
