//! What the events of a save, a delete and their kind have in common.

use std::any::Any;
use std::fmt;

use super::primary_key::PrimaryKey;
use crate::transaction::AfterCommit;

/// What an emitter knows beside the instance: the connection, the transaction, the reason.
///
/// For emitters; receivers ask the event.
///
/// ```
/// use fanfare_django::model::{Context, PostSave};
///
/// struct User;
/// let event_of_a_fixture = PostSave::new(&User, true, None, Context::new("replica").raw(true));
/// assert!(event_of_a_fixture.raw());
/// assert_eq!(event_of_a_fixture.using(), "replica");
/// ```
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub(super) using: &'a str,
    pub(super) raw: bool,
    pub(super) origin: Option<&'a (dyn Any + Sync)>,
    pub(super) connection: Option<&'a (dyn Any + Sync)>,
    pub(super) after_commit: Option<&'a AfterCommit>,
    pub(super) model_name: &'a str,
    pub(super) pk: Option<PrimaryKey<'a>>,
}

impl<'a> Context<'a> {
    /// An operation over the connection that goes by the name `using`.
    pub const fn new(using: &'a str) -> Self {
        Context {
            using,
            raw: false,
            origin: None,
            connection: None,
            after_commit: None,
            model_name: "",
            pk: None,
        }
    }

    /// Whether the data is loaded as it is, as from a fixture: receivers should then leave other
    /// rows alone, which may not be there yet.
    pub const fn raw(mut self, raw: bool) -> Self {
        self.raw = raw;
        self
    }

    /// What the operation started from: for a delete the instance or the query that was deleted.
    pub const fn origin(mut self, origin: &'a (dyn Any + Sync)) -> Self {
        self.origin = Some(origin);
        self
    }

    /// What receivers run queries of their own on: the operation's connection or its transaction, in
    /// whatever type the emitter has.
    pub const fn connection(mut self, connection: &'a (dyn Any + Sync)) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Where receivers record what is to be sent after the commit.
    pub const fn after_commit(mut self, after_commit: &'a AfterCommit) -> Self {
        self.after_commit = Some(after_commit);
        self
    }

    /// Sets the name of the model, "app.Model", as given to [`prepare`](super::prepare).
    pub const fn with_model_name(mut self, model_name: &'a str) -> Self {
        self.model_name = model_name;
        self
    }

    /// Sets the primary key of the instance.
    pub const fn with_pk(mut self, pk: PrimaryKey<'a>) -> Self {
        self.pk = Some(pk);
        self
    }
}

impl Default for Context<'_> {
    /// The connection named "default".
    fn default() -> Self {
        Context::new("default")
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("using", &self.using)
            .field("raw", &self.raw)
            .field("has_origin", &self.origin.is_some())
            .field("has_connection", &self.connection.is_some())
            .field("model_name", &self.model_name)
            .field("pk", &self.pk)
            .field("after_commit", &self.after_commit)
            .finish()
    }
}

/// The accessors that every event with a context has.
macro_rules! context_accessors {
    () => {
        /// The name of the connection; "default" where the emitter does not know.
        pub fn using(&self) -> &'a str {
            self.context.using
        }

        /// Returns the name of the model that the sender is, "app.Model"; empty where the emitter
        /// does not give it. `fanfare-sea-orm` always does.
        ///
        /// So one receiver for any sender serves all models.
        pub fn model_name(&self) -> &'a str {
            self.context.model_name
        }

        /// What to run queries on, if the emitter lends it and it is a `T`: the operation's
        /// connection, or the transaction that it runs in, so that what a receiver writes is undone
        /// with it. `fanfare-sea-orm` lends its `Executor`.
        pub fn connection<T: ::std::any::Any>(&self) -> Option<&'a T> {
            crate::downcast(self.context.connection?)
        }

        /// Where to record what is to be sent after the commit. Without a transaction the events of
        /// what has happened have one that is sent right after them; those of what is about to
        /// happen have none. `None` as well where the emitter cannot tell when the commit is.
        pub fn after_commit(&self) -> Option<&'a $crate::transaction::AfterCommit> {
            self.context.after_commit
        }
    };
    (pk) => {
        /// Returns the primary key of the instance, where the emitter gives it.
        ///
        /// It is that of the moment when the signal was sent: before an INSERT whose key the
        /// database makes it is `None`.
        pub fn pk(&self) -> Option<$crate::model::PrimaryKey<'a>> {
            self.context.pk
        }
    };
    (raw) => {
        context_accessors!();

        /// Whether the data is loaded as it is, as from a fixture: then leave other rows alone.
        pub fn raw(&self) -> bool {
            self.context.raw
        }
    };
    (origin) => {
        context_accessors!();

        /// What the delete started from, if the emitter knows it and it is a `T`: the instance or
        /// the query that was deleted, also for what went with it.
        pub fn origin<T: ::std::any::Any>(&self) -> Option<&'a T> {
            crate::downcast(self.context.origin?)
        }
    };
}

pub(super) use context_accessors;
