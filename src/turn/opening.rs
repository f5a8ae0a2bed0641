//! The steps before the first turn of a send.

use std::ops::Deref;
use std::sync::Arc;

use super::discards::Discards;
use crate::event::Event;
use crate::nesting::Running;
use crate::receiver::{Hub, Selection, Table};
use crate::sender::Sender;

/// A table as a send holds it, or none.
///
/// Every send marks its thread first, then opens its [`Discards`], and then takes the table. So it
/// releases the table first, takes out the receivers that have ended next, and runs the destructors
/// that this may call while the mark is still there.
pub(crate) trait Snapshot<E: Event, R: 'static>:
    Deref<Target = Option<Arc<Table<E, R>>>>
{
}

impl<E: Event, R: 'static, S: Deref<Target = Option<Arc<Table<E, R>>>>> Snapshot<E, R> for S {}

/// Opens a send: marks the thread, takes the table by `take`, and passes the selected receivers to
/// `walk`. Returns `None` if there is no table.
///
/// The mark outlives the table and the responses, because their destructors are the user's.
#[inline(always)]
pub(crate) fn open<E: Event, R: 'static, S: Snapshot<E, R>, T>(
    hub: &Hub<E, R>,
    take: impl FnOnce() -> S,
    sender: &Sender<'_>,
    walk: impl FnOnce(&mut Discards<'_, E, R>, &Selection<'_, E, R>) -> T,
) -> Option<T> {
    let _running = Running::send(hub);
    let mut discards = Discards::of(hub);
    let snapshot = take();
    let table = snapshot.as_deref()?;
    Some(walk(&mut discards, &table.select(sender)))
}
