//! The events of a signal that a test keeps.

use std::any::Any;
use std::sync::Arc;

use super::cause::SendId;
use super::context::Context;
use crate::event::Event;

/// A place that keeps events of one type.
pub(crate) trait Keep<E: Event>: Send + Sync {
    /// Keeps the event of a send that was made in `context`, if it concerns this.
    fn keep(&self, send: SendId, context: &Context, event: &E::Args<'_>);
}

/// A [`Keep`] without its type.
pub(crate) struct Keeper(Arc<dyn Any + Send + Sync>);

impl Keeper {
    pub(crate) fn new<E: Event>(keep: Box<dyn Keep<E>>) -> Self {
        Keeper(Arc::new(keep))
    }

    /// Returns the place, if it is for events of this type.
    pub(crate) fn get<E: Event>(&self) -> Option<&dyn Keep<E>> {
        let keep = self.0.downcast_ref::<Box<dyn Keep<E>>>();
        keep.map(Box::as_ref)
    }
}
