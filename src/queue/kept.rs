//! The events that can be kept after their send.

use crate::event::OwnedEvent;

/// A `Self` that can keep events of the type `E` after their send.
///
/// It is a [`Queue`](crate::Queue), or a stream of events. The trait is implemented for each
/// [`OwnedEvent`](crate::OwnedEvent). It exists for its error message: the compiler reports an
/// event that borrows as a trait that is missing, and not as a mismatch of lifetimes. `K` is a type
/// that the compiler finds. Generic code that requires an `OwnedEvent` need not name this trait.
///
/// ```
/// use fanfare::{OwnedEvent, Queue, Signal};
///
/// fn count<E: OwnedEvent + Clone + Send + Sync>(signal: &Signal<E>, queue: &Queue) -> usize {
///     signal.options().queued(queue).connect(|_sender, _event| ());
///     signal.receiver_count()
/// }
/// assert_eq!(count(&Signal::<u32>::new(), &Queue::bounded(1)?), 1);
/// # std::io::Result::Ok(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{E}` borrows, and `{Self}` cannot keep it after its send",
    label = "this needs an event that owns its contents",
    note = "a queue can keep a value that is made of the event: `.queued(&queue).connect_owned(|event| /* the value */, |sender, value| ..)`",
    note = "so can a future or a stream: `.next_with(|sender, event| Some(/* the value */))`, and `.stream_with(..)`"
)]
pub trait Keeps<E, K> {}

/// The types that stand for `K`.
mod kinds {
    /// The event owns its contents.
    pub struct Owned;

    /// No event is of this kind.
    pub struct Unused;

    /// A trait that no type implements.
    pub trait Never {}
}

impl<Q, E: OwnedEvent> Keeps<E, kinds::Owned> for Q {}

// If there are two implementations, the compiler evaluates each, and that evaluation fails for an
// event that borrows. A single one is taken without, and the lifetimes are reported later.
//
// `E` is not the type that implements the trait, because `(E,)` is an event as well: the compiler
// would suggest a tuple of the borrowing type.
impl<Q, E: OwnedEvent + kinds::Never> Keeps<E, kinds::Unused> for Q {}
