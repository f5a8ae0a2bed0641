//! The events of making, saving and deleting one instance.

use std::any::Any;
use std::fmt;

use fanfare::Event;

use super::context::{Context, context_accessors};
use super::instance::{InstanceMut, Lent};
use super::primary_key::PrimaryKey;
use crate::downcast;

/// The event of [`CLASS_PREPARED`](super::CLASS_PREPARED).
#[derive(Clone, Copy, Debug)]
pub struct ClassPrepared<'a> {
    name: &'a str,
}

impl<'a> ClassPrepared<'a> {
    /// Returns an event for the model of this name.
    pub fn new(name: &'a str) -> Self {
        ClassPrepared { name }
    }

    /// Returns the model's name, as "app.Model".
    pub fn name(&self) -> &'a str {
        self.name
    }
}

/// The accessors of the events of an init, which have no context.
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

        /// Returns the name of the model that the sender is, "app.Model". It is empty if the
        /// emitter does not give it.
        pub fn model_name(&self) -> &'a str {
            self.model_name
        }

        /// Returns the primary key of the instance, if the emitter gives it, as it was when the
        /// signal was sent.
        pub fn pk(&self) -> Option<PrimaryKey<'a>> {
            self.pk
        }
    };
}

/// The event of [`PRE_INIT`](super::PRE_INIT).
pub struct PreInit<'a> {
    values: Lent<'a>,
    model_name: &'a str,
    pk: Option<PrimaryKey<'a>>,
}

impl<'a> PreInit<'a> {
    /// Returns an event for an instance that will be made of `values`.
    pub fn new(values: &'a mut (dyn Any + Send)) -> Self {
        PreInit {
            values: Lent::new(values),
            model_name: "",
            pk: None,
        }
    }

    /// Returns the values that the instance will have, if they are a `T`.
    ///
    /// A receiver that changes them changes the instance. Django passes `args` and `kwargs`.
    ///
    /// # Panics
    ///
    /// Panics if this thread holds a guard of this event already.
    #[track_caller]
    pub fn instance<T: Any>(&self) -> Option<InstanceMut<'_, 'a, T>> {
        self.values.get()
    }

    /// Calls `change` with the values, and returns its result, or `None` if they are not a `T`.
    ///
    /// # Panics
    ///
    /// Panics if this thread holds a guard of this event already.
    #[track_caller]
    pub fn with_instance<T: Any, O>(&self, change: impl FnOnce(&mut T) -> O) -> Option<O> {
        self.values.with(change)
    }

    init_accessors!();
}

/// The event of [`POST_INIT`](super::POST_INIT).
#[derive(Clone, Copy)]
pub struct PostInit<'a> {
    instance: &'a (dyn Any + Sync),
    model_name: &'a str,
    pk: Option<PrimaryKey<'a>>,
}

impl<'a> PostInit<'a> {
    /// Returns an event for this new instance.
    pub fn new(instance: &'a (dyn Any + Sync)) -> Self {
        PostInit {
            instance,
            model_name: "",
            pk: None,
        }
    }

    /// Returns the instance, if it is a `T`.
    pub fn instance<T: Any>(&self) -> Option<&'a T> {
        downcast(self.instance)
    }

    init_accessors!();
}

/// The event of [`PRE_SAVE`](super::PRE_SAVE).
pub struct PreSave<'a> {
    instance: Lent<'a>,
    created: bool,
    update_fields: Option<&'a [&'a str]>,
    context: Context<'a>,
}

impl<'a> PreSave<'a> {
    /// Returns an event for `instance`, which is about to be inserted (`created`) or updated.
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

    /// Returns the instance, if it is a `T`. Changes to it are written.
    ///
    /// With `fanfare-sea-orm` it is the entity's `ActiveModel`.
    ///
    /// # Panics
    ///
    /// Panics if this thread holds a guard of this event already.
    #[track_caller]
    pub fn instance<T: Any>(&self) -> Option<InstanceMut<'_, 'a, T>> {
        self.instance.get()
    }

    /// Calls `change` with the instance, and returns its result, or `None` if it is not a `T`.
    ///
    /// Async receivers use this method. They cannot keep the guard of
    /// [`instance`](PreSave::instance) over an `.await`: the compiler then reports that the future
    /// is not `Send`. The instance is locked only during `change`. Between two calls another async
    /// receiver may change it.
    ///
    /// # Panics
    ///
    /// Panics if this thread holds a guard of this event already, also if `change` takes another
    /// one.
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

    /// Returns `true` if the save will be an INSERT. Django knows this only afterwards.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Returns the columns that an update was going to write before any receiver changed that, or
    /// `None` if it writes them all, as an insert does.
    ///
    /// With `fanfare-sea-orm` every update has them, because SeaORM always writes the columns that
    /// were set. Where Django's plain `save()` has `None`, it has `Some`. An update that writes no
    /// column has `Some` of an empty list.
    pub fn update_fields(&self) -> Option<&'a [&'a str]> {
        self.update_fields
    }

    context_accessors!(raw);
    context_accessors!(pk);
}

/// The event of [`POST_SAVE`](super::POST_SAVE).
#[derive(Clone, Copy)]
pub struct PostSave<'a> {
    instance: &'a (dyn Any + Sync),
    created: bool,
    update_fields: Option<&'a [&'a str]>,
    context: Context<'a>,
}

impl<'a> PostSave<'a> {
    /// Returns an event for `instance`, which has been inserted (`created`) or updated.
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

    /// Returns the instance as it is in the database, if it is a `T`.
    pub fn instance<T: Any>(&self) -> Option<&'a T> {
        downcast(self.instance)
    }

    /// Returns `true` if the save was an INSERT.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Returns the columns that were written, or `None` if all were written or the emitter does not
    /// know them. Otherwise it is like [`PreSave::update_fields`].
    pub fn update_fields(&self) -> Option<&'a [&'a str]> {
        self.update_fields
    }

    context_accessors!(raw);
    context_accessors!(pk);
}

/// The event of [`PRE_DELETE`](super::PRE_DELETE) and [`POST_DELETE`](super::POST_DELETE).
#[derive(Clone, Copy)]
pub struct Delete<'a> {
    instance: &'a (dyn Any + Sync),
    as_well: Option<&'a (dyn Any + Sync)>,
    context: Context<'a>,
}

impl<'a> Delete<'a> {
    /// Returns an event for `instance`, which is about to be deleted or has been deleted.
    pub fn new(instance: &'a (dyn Any + Sync), context: Context<'a>) -> Self {
        Delete {
            instance,
            as_well: None,
            context,
        }
    }

    /// Adds the same instance in a second type, for receivers that request that type.
    pub fn or_as(mut self, instance: &'a (dyn Any + Sync)) -> Self {
        self.as_well = Some(instance);
        self
    }

    /// Returns the instance, with its primary key, if it is a `T`.
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
