//! The events of making, saving and deleting one instance.

use std::any::Any;
use std::fmt;

use fanfare::Event;

use super::context::{Context, context_accessors};
use super::instance::{InstanceMut, Lent};
use super::primary_key::PrimaryKey;
use crate::downcast;

/// What [`CLASS_PREPARED`](super::CLASS_PREPARED) carries.
#[derive(Clone, Copy, Debug)]
pub struct ClassPrepared<'a> {
    name: &'a str,
}

impl<'a> ClassPrepared<'a> {
    /// For the model of this name.
    pub fn new(name: &'a str) -> Self {
        ClassPrepared { name }
    }

    /// The model's name, as "app.Model".
    pub fn name(&self) -> &'a str {
        self.name
    }
}

/// What the events of an init have in the place of a context.
macro_rules! init_accessors {
    () => {
        /// Sets the name of the model, "app.Model".
        pub const fn with_model_name(mut self, model_name: &'a str) -> Self {
            self.model_name = model_name;
            self
        }

        /// Sets the primary key of the instance.
        pub const fn with_pk(mut self, pk: PrimaryKey<'a>) -> Self {
            self.pk = Some(pk);
            self
        }

        /// Returns the name of the model that the sender is, "app.Model"; empty where the emitter
        /// does not give it.
        pub fn model_name(&self) -> &'a str {
            self.model_name
        }

        /// Returns the primary key of the instance, where the emitter gives it, as it was when the
        /// signal was sent.
        pub fn pk(&self) -> Option<PrimaryKey<'a>> {
            self.pk
        }
    };
}

/// What [`PRE_INIT`](super::PRE_INIT) carries.
pub struct PreInit<'a> {
    values: Lent<'a>,
    model_name: &'a str,
    pk: Option<PrimaryKey<'a>>,
}

impl<'a> PreInit<'a> {
    /// For an instance that will be made of `values`.
    pub fn new(values: &'a mut (dyn Any + Send)) -> Self {
        PreInit {
            values: Lent::new(values),
            model_name: "",
            pk: None,
        }
    }

    /// The values that the instance will have, if they are a `T`: what is changed here is in the
    /// instance. Django passes `args` and `kwargs`.
    ///
    /// # Panics
    ///
    /// If this thread holds a guard of this event already.
    #[track_caller]
    pub fn instance<T: Any>(&self) -> Option<InstanceMut<'_, 'a, T>> {
        self.values.get()
    }

    /// Calls `change` with the values, and returns its result; `None` if they are not a `T`.
    ///
    /// # Panics
    ///
    /// If this thread holds a guard of this event already.
    #[track_caller]
    pub fn with_instance<T: Any, O>(&self, change: impl FnOnce(&mut T) -> O) -> Option<O> {
        self.values.with(change)
    }

    init_accessors!();
}

/// What [`POST_INIT`](super::POST_INIT) carries.
#[derive(Clone, Copy)]
pub struct PostInit<'a> {
    instance: &'a (dyn Any + Sync),
    model_name: &'a str,
    pk: Option<PrimaryKey<'a>>,
}

impl<'a> PostInit<'a> {
    /// For this new instance.
    pub fn new(instance: &'a (dyn Any + Sync)) -> Self {
        PostInit {
            instance,
            model_name: "",
            pk: None,
        }
    }

    /// The instance, if it is a `T`.
    pub fn instance<T: Any>(&self) -> Option<&'a T> {
        downcast(self.instance)
    }

    init_accessors!();
}

/// What [`PRE_SAVE`](super::PRE_SAVE) carries.
pub struct PreSave<'a> {
    instance: Lent<'a>,
    created: bool,
    update_fields: Option<&'a [&'a str]>,
    context: Context<'a>,
}

impl<'a> PreSave<'a> {
    /// For `instance`, which is about to be inserted (`created`) or updated.
    pub fn new(
        instance: &'a mut (dyn Any + Send),
        created: bool,
        update_fields: Option<&'a [&'a str]>,
        context: Context<'a>,
    ) -> Self {
        PreSave {
            instance: Lent::new(instance),
            created,
            update_fields,
            context,
        }
    }

    /// The instance, if it is a `T`: what is changed here is written. With `fanfare-sea-orm` it is
    /// the entity's `ActiveModel`.
    ///
    /// # Panics
    ///
    /// If this thread holds a guard of this event already.
    #[track_caller]
    pub fn instance<T: Any>(&self) -> Option<InstanceMut<'_, 'a, T>> {
        self.instance.get()
    }

    /// Calls `change` with the instance, and returns its result; `None` if it is not a `T`.
    ///
    /// This is the way for an async receiver: the guard of [`instance`](PreSave::instance) cannot be
    /// kept over an `.await`, and makes the compiler say that the future is not `Send`. The instance
    /// is locked only during `change`. Between two calls another async receiver may change it.
    ///
    /// # Panics
    ///
    /// If this thread holds a guard of this event already, also if `change` asks for another.
    ///
    /// ```
    /// use fanfare::Sender;
    /// use fanfare_django::model::{Context, PRE_SAVE, PreSave};
    ///
    /// struct Post {
    ///     title: String,
    ///     slug: String,
    /// }
    ///
    /// async fn is_taken(slug: &str) -> bool {
    ///     slug == "news" // a query, in earnest
    /// }
    ///
    /// PRE_SAVE.options().sender(Sender::of::<Post>()).connect_async(|_sender, event| {
    ///     Box::pin(async move {
    ///         let slug = event.with_instance(|post: &mut Post| post.title.to_lowercase());
    ///         let mut slug = slug.ok_or("not a post")?;
    ///         if is_taken(&slug).await {
    ///             slug.push_str("-2");
    ///         }
    ///         event.with_instance(|post: &mut Post| post.slug = slug);
    ///         Ok(())
    ///     })
    /// });
    ///
    /// # pollster::block_on(async {
    /// let mut post = Post { title: String::from("News"), slug: String::new() };
    /// let event = PreSave::new(&mut post, true, None, Context::default());
    /// PRE_SAVE.from(Sender::of::<Post>()).asend_until_err(&event).await.unwrap();
    /// assert_eq!(post.slug, "news-2");
    /// # });
    /// ```
    #[track_caller]
    pub fn with_instance<T: Any, O>(&self, change: impl FnOnce(&mut T) -> O) -> Option<O> {
        self.instance.with(change)
    }

    /// Whether it will be an INSERT. Django knows this only afterwards.
    pub fn created(&self) -> bool {
        self.created
    }

    /// The columns that an update was going to write before any receiver changed that; `None` if it
    /// writes them all, which an insert does. With `fanfare-sea-orm` every update has them, for SeaORM
    /// always writes what was set: where Django's plain `save()` has `None`, it has `Some`, and an update
    /// of nothing has `Some` of none.
    pub fn update_fields(&self) -> Option<&'a [&'a str]> {
        self.update_fields
    }

    context_accessors!(raw);
    context_accessors!(pk);
}

/// What [`POST_SAVE`](super::POST_SAVE) carries.
#[derive(Clone, Copy)]
pub struct PostSave<'a> {
    instance: &'a (dyn Any + Sync),
    created: bool,
    update_fields: Option<&'a [&'a str]>,
    context: Context<'a>,
}

impl<'a> PostSave<'a> {
    /// For `instance`, which has been inserted (`created`) or updated.
    pub fn new(
        instance: &'a (dyn Any + Sync),
        created: bool,
        update_fields: Option<&'a [&'a str]>,
        context: Context<'a>,
    ) -> Self {
        PostSave {
            instance,
            created,
            update_fields,
            context,
        }
    }

    /// The instance as it is in the database, if it is a `T`.
    pub fn instance<T: Any>(&self) -> Option<&'a T> {
        downcast(self.instance)
    }

    /// Whether it was an INSERT.
    pub fn created(&self) -> bool {
        self.created
    }

    /// The columns that were written; `None` if they all were, or if the emitter does not know. As
    /// [`PreSave::update_fields`] otherwise.
    pub fn update_fields(&self) -> Option<&'a [&'a str]> {
        self.update_fields
    }

    context_accessors!(raw);
    context_accessors!(pk);
}

/// What [`PRE_DELETE`](super::PRE_DELETE) and [`POST_DELETE`](super::POST_DELETE) carry.
#[derive(Clone, Copy)]
pub struct Delete<'a> {
    instance: &'a (dyn Any + Sync),
    as_well: Option<&'a (dyn Any + Sync)>,
    context: Context<'a>,
}

impl<'a> Delete<'a> {
    /// For `instance`, which is about to be deleted or has been.
    pub fn new(instance: &'a (dyn Any + Sync), context: Context<'a>) -> Self {
        Delete {
            instance,
            as_well: None,
            context,
        }
    }

    /// The same instance in a second type, for receivers that ask for that.
    pub fn or_as(mut self, instance: &'a (dyn Any + Sync)) -> Self {
        self.as_well = Some(instance);
        self
    }

    /// The instance, with its primary key, if it is a `T`.
    pub fn instance<T: Any>(&self) -> Option<&'a T> {
        let as_well = self.as_well.and_then(downcast);
        downcast(self.instance).or(as_well)
    }

    context_accessors!(origin);
    context_accessors!(pk);
}

macro_rules! borrowed_events {
    ($($name:ident)*) => {
        $(impl Event for $name<'static> {
            type Args<'a> = $name<'a>;
        })*
    };
}

borrowed_events! { ClassPrepared PreInit PostInit PreSave PostSave Delete }

impl fmt::Debug for PreInit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreInit")
            .field("model_name", &self.model_name)
            .field("pk", &self.pk)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PostInit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostInit")
            .field("model_name", &self.model_name)
            .field("pk", &self.pk)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PreSave<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreSave")
            .field("created", &self.created)
            .field("update_fields", &self.update_fields)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PostSave<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostSave")
            .field("created", &self.created)
            .field("update_fields", &self.update_fields)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Delete<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delete")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
