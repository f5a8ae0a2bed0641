//! The common properties of the events of saves, deletes and other operations.

use std::any::Any;
use std::fmt;

use super::primary_key::PrimaryKey;
use crate::transaction::AfterCommit;

/// The properties of an operation beside the instance: the connection, the transaction, the reason.
///
/// Emitters make it. Receivers use the methods of the event.
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
    /// Returns the context of an operation over the connection that has the name `using`.
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

    /// Sets whether the data is loaded as it is, as from a fixture.
    ///
    /// If so, receivers should leave other rows alone, because they may not be there yet.
    pub const fn raw(mut self, raw: bool) -> Self {
        self.raw = raw;
        self
    }

    /// Sets the origin of the operation: for a delete, the instance or the query that was deleted.
    pub const fn origin(mut self, origin: &'a (dyn Any + Sync)) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Sets the connection on which receivers run queries of their own.
    ///
    /// It is the operation's connection or its transaction, in whatever type the emitter has.
    pub const fn connection(mut self, connection: &'a (dyn Any + Sync)) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Sets the handle in which receivers record events that are to be sent after the commit.
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
    /// Returns the context of an operation over the connection named "default".
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
        /// Returns the name of the connection, or "default" if the emitter does not know it.
        pub fn using(&self) -> &'a str {
            self.context.using
        }

        /// Returns the name of the model that the sender is, "app.Model". It is empty if the
        /// emitter does not give it. `fanfare-sea-orm` always does.
        ///
        /// So one receiver for any sender serves all models.
        pub fn model_name(&self) -> &'a str {
            self.context.model_name
        }

        /// Returns the connection for queries of the receiver, if the emitter lends it and it is a
        /// `T`.
        ///
        /// It is the operation's connection or the transaction that the operation runs in. So the
        /// writes of a receiver are undone with the transaction. `fanfare-sea-orm` lends its
        /// `Executor`.
        pub fn connection<T: ::std::any::Any>(&self) -> Option<&'a T> {
            crate::downcast(self.context.connection?)
        }

        /// Returns the handle in which to record events that are to be sent after the commit.
        ///
        /// Without a transaction, an event that is sent after its operation has a handle whose
        /// events are sent right after the operation. For an event that is sent before its
        /// operation it is `None`. It is also `None` if the emitter cannot detect the commit.
        pub fn after_commit(&self) -> Option<&'a $crate::transaction::AfterCommit> {
            self.context.after_commit
        }
    };
    (pk) => {
        /// Returns the primary key of the instance, if the emitter gives it.
        ///
        /// It is the key at the time when the signal was sent. Before an INSERT whose key the
        /// database makes it is `None`.
        pub fn pk(&self) -> Option<$crate::model::PrimaryKey<'a>> {
            self.context.pk
        }
    };
    (raw) => {
        context_accessors!();

        /// Returns `true` if the data is loaded as it is, as from a fixture. Then leave other rows
        /// alone.
        pub fn raw(&self) -> bool {
            self.context.raw
        }
    };
    (origin) => {
        context_accessors!();

        /// Returns the origin of the delete, if the emitter knows it and it is a `T`.
        ///
        /// It is the instance or the query that was deleted, also for rows that were deleted with
        /// it.
        pub fn origin<T: ::std::any::Any>(&self) -> Option<&'a T> {
            crate::downcast(self.context.origin?)
        }
    };
}

pub(super) use context_accessors;
