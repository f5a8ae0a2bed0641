//! The macro that makes an entity send its signals.

/// Makes an entity send its signals, with one line in the place of
/// `impl ActiveModelBehavior for ActiveModel {}`.
///
/// ```
/// mod post {
///     use sea_orm::entity::prelude::*;
///
///     #[sea_orm::model]
///     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
///     #[sea_orm(table_name = "post")]
///     pub struct Model {
///         #[sea_orm(primary_key)]
///         pub id: i32,
///         pub title: String,
///     }
///
///     fanfare_sea_orm::model_signals!("blog.Post");
/// }
/// use fanfare_sea_orm::ModelSignals;
/// assert_eq!(post::Entity::NAME, "blog.Post");
/// ```
///
/// - `model_signals!("blog.Post")` implements the hooks.
/// - `model_signals!("blog.Post", custom)` leaves the hooks to you: see [`hooks`](crate::hooks).
/// - `model_signals!("blog.PostTag",
///   links(PostId: super::post::Entity, TagId: super::tag::Entity))`
///   is for the junction of a many-to-many relation. Its rows send only
///   [`M2M_CHANGED`](fanfare_django::model::M2M_CHANGED), like the rows of a junction that Django
///   makes itself. A junction with a life of its own, which is saved like any model and sends
///   `POST_SAVE`, uses `model_signals!("blog.PostTag")`. The entity that declares the relation
///   comes first. Each entity follows the column of the junction that refers to it. See
///   [`Links`](crate::Links).
///
/// The line stands beside the entity. If the entity's file is generated, the line stands in another
/// module of the same crate and names the module of the entity first:
///
/// - `model_signals!("blog.Post", model = crate::entities::post)`,
///   `model_signals!("blog.Post", model = post, custom)` and
///   `model_signals!("blog.PostTag", model = post_tag, links(..))`.
///
/// `sea-orm-cli generate entity --impl-active-model-behavior=false` leaves out the `impl` that the
/// line replaces.
///
/// ```
/// mod entities {
///     pub mod post {
///         // As sea-orm-cli writes it, and overwrites it.
///         use sea_orm::entity::prelude::*;
///
///         #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Eq)]
///         #[sea_orm(table_name = "post")]
///         pub struct Model {
///             #[sea_orm(primary_key)]
///             pub id: i32,
///             pub title: String,
///         }
///
///         #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
///         pub enum Relation {}
///     }
/// }
///
/// mod signals {
///     use super::entities::post;
///
///     fanfare_sea_orm::model_signals!("blog.Post", model = post);
/// }
/// use fanfare_sea_orm::ModelSignals;
///
/// # fn main() {
/// assert_eq!(entities::post::Entity::NAME, "blog.Post");
/// # }
/// ```
///
/// A name that is not of the form "app.Model" does not compile. "Conflicting implementations of
/// trait `ActiveModelBehavior`" (E0119) means that the entity has an implementation as well. Remove
/// that implementation, or use `custom`.
#[macro_export]
macro_rules! model_signals {
    ($name:literal) => {
        $crate::model_signals!($name, custom);

        $crate::model_signals!(@hooks hooks);
    };

    ($name:literal, custom) => {
        const _: () = assert!(
            $crate::__private::is_model_name($name),
            "a model's name is of the form \"app.Model\""
        );

        impl $crate::__private::ModelSender for Entity {}

        impl $crate::ModelSignals for Entity {
            const NAME: &'static str = $name;

            fn prepare() {
                use ::std::sync::atomic::{AtomicBool, Ordering};
                static IS_PREPARED: AtomicBool = AtomicBool::new(false);
                // Acquire, with the release below: a thread that reads `true` also sees the
                // connections that waited. Otherwise its send would miss them. Row M1.
                if !IS_PREPARED.load(Ordering::Acquire) {
                    if let Err(error) = $crate::__private::prepare::<Entity>($name) {
                        panic!("{error}");
                    }
                    IS_PREPARED.store(true, Ordering::Release);
                }
            }
        }

        $crate::__private::inventory::submit! {
            $crate::__private::Registered {
                name: $name,
                prepare: $crate::__private::prepare::<Entity>,
            }
        }
    };

    ($name:literal, links($left_column:ident: $left:ty, $right_column:ident: $right:ty)) => {
        $crate::model_signals!($name, custom);

        impl $crate::Through for Entity {
            type Left = $left;
            type Right = $right;

            fn left() -> Column {
                Column::$left_column
            }

            fn right() -> Column {
                Column::$right_column
            }
        }

        $crate::model_signals!(@hooks links);
    };

    // This is for the entity of another module. The items below stand in a block where its types
    // have their names.
    ($name:literal, model = $($module:ident)::+ $(, $($rest:tt)+)?) => {
        const _: () = {
            #[allow(unused_imports, reason = "which of them are used depends on the rest")]
            use $($module)::+::{ActiveModel, Column, Entity, Model};

            $crate::model_signals!($name $(, $($rest)+)?);
        };
    };

    // `hooks` or `links`, whose functions have the same names.
    (@hooks $hooks:ident) => {
        #[$crate::__private::async_trait]
        impl $crate::__private::sea_orm::ActiveModelBehavior for ActiveModel {
            async fn before_save<C>(
                self,
                db: &C,
                insert: bool,
            ) -> ::std::result::Result<Self, $crate::__private::sea_orm::DbErr>
            where
                C: $crate::__private::sea_orm::ConnectionTrait,
            {
                $crate::__private::$hooks::before_save(self, db, insert).await
            }

            async fn after_save<C>(
                model: Model,
                db: &C,
                insert: bool,
            ) -> ::std::result::Result<Model, $crate::__private::sea_orm::DbErr>
            where
                C: $crate::__private::sea_orm::ConnectionTrait,
            {
                $crate::__private::$hooks::after_save::<Self, C>(model, db, insert).await
            }

            async fn before_delete<C>(
                self,
                db: &C,
            ) -> ::std::result::Result<Self, $crate::__private::sea_orm::DbErr>
            where
                C: $crate::__private::sea_orm::ConnectionTrait,
            {
                $crate::__private::$hooks::before_delete(self, db).await
            }

            async fn after_delete<C>(
                self,
                db: &C,
            ) -> ::std::result::Result<Self, $crate::__private::sea_orm::DbErr>
            where
                C: $crate::__private::sea_orm::ConnectionTrait,
            {
                $crate::__private::$hooks::after_delete(self, db).await
            }
        }
    };
}
