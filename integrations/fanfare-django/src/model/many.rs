//! The events of many-to-many relations, and of operations on many rows.

use std::any::Any;
use std::fmt;

use fanfare::{Event, Sender};

use super::context::{Context, context_accessors};
use super::instance::{InstanceMut, Lent};
use crate::downcast;

/// A change of a many-to-many relation, before it happens or after it has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum M2mAction {
    /// Links are about to be added.
    PreAdd,
    /// Links have been added.
    PostAdd,
    /// Links are about to be removed.
    PreRemove,
    /// Links have been removed.
    PostRemove,
    /// All links of the instance are about to be removed.
    PreClear,
    /// All links of the instance have been removed.
    PostClear,
}

impl M2mAction {
    /// Returns Django's name of the action: "pre_add" and so on.
    pub fn name(self) -> &'static str {
        match self {
            M2mAction::PreAdd => "pre_add",
            M2mAction::PostAdd => "post_add",
            M2mAction::PreRemove => "pre_remove",
            M2mAction::PostRemove => "post_remove",
            M2mAction::PreClear => "pre_clear",
            M2mAction::PostClear => "post_clear",
        }
    }
}

impl fmt::Display for M2mAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The event of [`M2M_CHANGED`](super::M2M_CHANGED).
pub struct M2mChanged<'a> {
    action: M2mAction,
    instance: &'a (dyn Any + Sync),
    as_well: Option<&'a (dyn Any + Sync)>,
    reverse: bool,
    model: Sender<'a>,
    pk_set: Option<Lent<'a>>,
    context: Context<'a>,
}

impl Event for M2mChanged<'static> {
    type Args<'a> = M2mChanged<'a>;
}

impl<'a> M2mChanged<'a> {
    /// Returns an event for the links between `instance` and rows of the model whose sender is
    /// `model`.
    ///
    /// `pk_set` has the primary keys of those rows. It is `None` for a clear.
    pub fn new(
        action: M2mAction,
        instance: &'a (dyn Any + Sync),
        reverse: bool,
        model: Sender<'a>,
        pk_set: Option<&'a mut (dyn Any + Send)>,
        context: Context<'a>,
    ) -> Self {
        M2mChanged {
            action,
            instance,
            as_well: None,
            reverse,
            model,
            pk_set: pk_set.map(Lent::new),
            context,
        }
    }

    /// Adds the same instance in a second type, for receivers that request that type.
    pub fn or_as(mut self, instance: &'a (dyn Any + Sync)) -> Self {
        self.as_well = Some(instance);
        self
    }

    /// Returns the change, which is about to happen or has happened.
    pub fn action(&self) -> M2mAction {
        self.action
    }

    /// Returns the instance whose links these are, if it is a `T`.
    pub fn instance<T: Any>(&self) -> Option<&'a T> {
        let as_well = self.as_well.and_then(downcast);
        downcast(self.instance).or(as_well)
    }

    /// Returns `true` if the relation was changed from the side that does not declare it.
    pub fn reverse(&self) -> bool {
        self.reverse
    }

    /// Returns the model at the other end, whose primary keys are in the set.
    ///
    /// Compare it with `Sender::of::<Entity>()`.
    pub fn model(&self) -> Sender<'a> {
        self.model
    }

    /// Returns the primary keys at the other end, if the emitter has them as a `T`, or `None` for a
    /// clear.
    ///
    /// Keys that a receiver takes out during [`M2mAction::PreAdd`] are not added.
    ///
    /// # Panics
    ///
    /// Panics if this thread holds a guard of this event already.
    #[track_caller]
    pub fn pk_set<T: Any>(&self) -> Option<InstanceMut<'_, 'a, T>> {
        self.pk_set.as_ref()?.get()
    }

    /// Calls `change` with the primary keys at the other end, and returns its result. Returns
    /// `None` for a clear, or if they are not a `T`. Otherwise it is like
    /// [`PreSave::with_instance`](super::PreSave::with_instance).
    ///
    /// # Panics
    ///
    /// Panics if this thread holds a guard of this event already.
    #[track_caller]
    pub fn with_pk_set<T: Any, O>(&self, change: impl FnOnce(&mut T) -> O) -> Option<O> {
        self.pk_set.as_ref()?.with(change)
    }

    context_accessors!(raw);
    context_accessors!(pk);
}

impl fmt::Debug for M2mChanged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("M2mChanged")
            .field("action", &self.action)
            .field("reverse", &self.reverse)
            .field("model", &self.model)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// The event of [`BULK_CREATED`](super::BULK_CREATED), [`BULK_UPDATED`](super::BULK_UPDATED) and
/// [`BULK_DELETED`](super::BULK_DELETED): one event for one statement.
#[derive(Clone, Copy)]
pub struct Bulk<'a> {
    rows: u64,
    instances: Option<&'a (dyn Any + Sync)>,
    context: Context<'a>,
}

impl Event for Bulk<'static> {
    type Args<'a> = Bulk<'a>;
}

impl<'a> Bulk<'a> {
    /// Returns an event for a statement that touched `rows` rows.
    ///
    /// `instances` is a `Vec` of the rows, if the statement returned them.
    pub fn new(rows: u64, instances: Option<&'a (dyn Any + Sync)>, context: Context<'a>) -> Self {
        Bulk {
            rows,
            instances,
            context,
        }
    }

    /// Returns the number of rows that the statement touched.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the rows, if the statement returned them and they are `T`s.
    pub fn instances<T: Any>(&self) -> Option<&'a [T]> {
        let instances: &Vec<T> = downcast(self.instances?)?;
        Some(instances)
    }

    context_accessors!(raw);
}

impl fmt::Debug for Bulk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulk")
            .field("rows", &self.rows)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
