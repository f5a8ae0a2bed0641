//! The columns that an update wrote, from `before_save`, which has them, to `after_save`, which
//! does not.
//!
//! `ActiveModelTrait::update` runs `before_save`, its statements on the connection, and
//! `after_save` in one future. From the end of one step to the start of the next it does not await.
//! So it stays on its thread, and no other task runs there. Each step leaves its columns in a
//! thread-local for the next step, which takes them at its first poll. While a statement waits, its
//! own future carries them.
//!
//! No two saves can meet, whatever rows they write and however their tasks are mixed, unless other
//! code awaits between two steps. Even then a save gets the columns of another save only if both
//! write the same row. A statement that fails leaves no columns behind. A save that fails between
//! the steps leaves its columns until the next step on the thread takes or overwrites them. An
//! `after_save` of SeaORM's own never gets them, because its `before_save` has overwritten them.

use std::any::TypeId;
use std::cell::Cell;

use sea_orm::{
    ActiveModelTrait, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn, Value,
};

/// The columns that an update of one row writes.
pub(crate) struct Written {
    entity: TypeId,
    /// The values of the primary key.
    key: Vec<Value>,
    columns: Vec<&'static str>,
}

impl Written {
    /// Returns the columns that this instance writes into its row.
    pub(crate) fn by<A: ActiveModelTrait>(instance: &A) -> Self {
        Written {
            entity: TypeId::of::<A::Entity>(),
            key: key::<A::Entity>()
                .filter_map(|column| instance.get(column).into_value())
                .collect(),
            columns: set_columns(instance),
        }
    }

    /// Returns the columns, if they were written into this row.
    pub(crate) fn of<M: ModelTrait>(self, row: &M) -> Option<Vec<&'static str>> {
        let key = key::<M::Entity>().map(|column| row.get(column));
        let is_same = self.entity == TypeId::of::<M::Entity>() && key.eq(self.key);
        is_same.then_some(self.columns)
    }
}

fn key<E: EntityTrait>() -> impl Iterator<Item = E::Column> {
    E::PrimaryKey::iter().map(|key| key.into_column())
}

/// Returns the columns that an UPDATE writes. The primary key is in its WHERE, also if it is `Set`.
pub(crate) fn set_columns<A: ActiveModelTrait>(instance: &A) -> Vec<&'static str> {
    let is_written = |column: &<A::Entity as EntityTrait>::Column| {
        <A::Entity as EntityTrait>::PrimaryKey::from_column(*column).is_none()
            && instance.get(*column).is_set()
    };
    let columns = <A::Entity as EntityTrait>::Column::iter().filter(is_written);
    columns.map(|column| column.as_str()).collect()
}

thread_local! {
    static NEXT: Cell<Option<Box<Written>>> = const { Cell::new(None) };
}

/// Leaves the columns for the next step of the same save, or clears them.
pub(crate) fn leave(written: Option<Box<Written>>) {
    NEXT.set(written);
}

/// Takes the columns that the last step left.
pub(crate) fn take() -> Option<Box<Written>> {
    NEXT.take()
}

/// Runs a statement, and carries the columns from the step before it to the step after it.
pub(crate) async fn across<T, E>(statement: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let written = take();
    let result = statement.await;
    leave(written.filter(|_| result.is_ok()));
    result
}
