//! Which columns an update wrote: from `before_save`, which sees them, to `after_save`, which does
//! not.
//!
//! `ActiveModelTrait::update` runs `before_save`, its statements on the connection, and `after_save`
//! in one future. From the end of one to the start of the next it does not await, so it stays on its
//! thread and no other task runs there. So each leaves what it carries in a thread-local for the
//! next, which takes it at its first poll; while a statement waits, its own future carries it. No
//! two saves can meet, whatever rows they write and however their tasks are mixed. A statement that
//! fails leaves nothing behind. A save that fails between the steps leaves its columns until the next
//! step on the thread takes or overwrites them: an `after_save` of SeaORM's own never sees them, for
//! its `before_save` has overwritten them.

use std::any::TypeId;
use std::cell::Cell;

/// The columns that an update of this entity writes.
pub(crate) struct Written {
    pub(crate) entity: TypeId,
    pub(crate) columns: Vec<&'static str>,
}

thread_local! {
    static NEXT: Cell<Option<Box<Written>>> = const { Cell::new(None) };
}

/// Leaves it for the next step of the same save, or nothing.
pub(crate) fn leave(written: Option<Box<Written>>) {
    NEXT.set(written);
}

/// Takes what the last step left.
pub(crate) fn take() -> Option<Box<Written>> {
    NEXT.take()
}

/// Runs a statement, which carries it from the step before to the step after.
pub(crate) async fn across<T, E>(statement: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let written = take();
    let result = statement.await;
    leave(written.filter(|_| result.is_ok()));
    result
}
