//! Receivers that are identified by their type.

use std::any::TypeId;
use std::sync::Arc;

use crate::event::Event;
use crate::receiver::key::Identified;
use crate::sender::Sender;

/// A function, or a closure that captures no variables, that can be a receiver of a signal with the
/// event `E`. Its type identifies it, so it can be disconnected by [`Signal::disconnect`].
///
/// The trait is implemented for the callables of every kind of receiver: sync, async and queued
/// ones, those that take slices, and the functions that `#[receiver]` declares. `K` is the kind,
/// which the compiler finds. The type of the response is not compared with that of the signal.
///
/// A closure that is written in the call of `disconnect` is another closure than each that was
/// connected. Keep the closure in a variable, with the types of its parameters.
///
/// A closure that captures variables implements it only if all of them are `Copy`. Such a closure
/// is refused when the program is built, because each value of its type is a different receiver.
/// (`cargo check` does not build, and does not refuse it.) Keep the
/// [`Connection`](crate::Connection) of such a receiver, or give it a
/// [`dispatch_uid`](crate::ConnectOptions::dispatch_uid).
///
/// ```
/// use fanfare::connections::ReceiverFn;
/// use fanfare::{Sender, Signal};
///
/// static SAVED: Signal<u32> = Signal::new();
/// fn index(_sender: Sender<'_>, _id: &u32) {}
///
/// fn disconnect_all_of<K>(receiver: impl ReceiverFn<u32, K>) -> bool {
///     SAVED.disconnect(receiver)
/// }
///
/// SAVED.connect(index);
/// assert!(disconnect_all_of(index));
/// ```
///
/// [`Signal::disconnect`]: crate::Signal::disconnect
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be disconnected by its type",
    label = "not a function, or a closure without captures, that fits the signal",
    note = "a closure that captures variables differs from others of its type: keep its `Connection`, and call `connection.disconnect()`",
    note = "a receiver with a uid is disconnected by `disconnect_uid(\"the uid\")`, and one with a known id by `disconnect_id(id)`"
)]
pub trait ReceiverFn<E: Event, K>: Copy + Send + Sync + 'static {}

/// The kinds of receivers, as types. No value of them exists.
mod kinds {
    use std::marker::PhantomData;

    /// It takes the sender and one event, and returns `O`: a value or a future.
    pub struct OfEvent<O>(PhantomData<O>);

    /// It takes the sender and a slice of events.
    pub struct OfSlice<O>(PhantomData<O>);

    /// It takes an instance `I` in the place of the sender.
    pub struct OfInstance<I: ?Sized, O>(PhantomData<(O, Box<I>)>);

    /// It changes an instance `I`.
    pub struct OfInstanceMut<I: ?Sized, O>(PhantomData<(O, Box<I>)>);
}

#[diagnostic::do_not_recommend]
impl<E: Event, F, O> ReceiverFn<E, kinds::OfEvent<O>> for F where
    F: Fn(Sender<'static>, &'static E::Args<'static>) -> O + Copy + Send + Sync + 'static
{
}

#[diagnostic::do_not_recommend]
impl<E: Event, F, O> ReceiverFn<E, kinds::OfSlice<O>> for F where
    F: Fn(Sender<'static>, &'static [E::Args<'static>]) -> O + Copy + Send + Sync + 'static
{
}

#[diagnostic::do_not_recommend]
impl<E: Event, F, I: 'static, O> ReceiverFn<E, kinds::OfInstance<I, O>> for F where
    F: Fn(&'static I, &'static E::Args<'static>) -> O + Copy + Send + Sync + 'static
{
}

#[diagnostic::do_not_recommend]
impl<E: Event, F, I: 'static, O> ReceiverFn<E, kinds::OfInstanceMut<I, O>> for F where
    F: Fn(&'static mut I, &'static E::Args<'static>) -> O + Copy + Send + Sync + 'static
{
}

/// Returns the identity of a receiver without captures.
pub(super) fn identity<F: 'static>(_receiver: F) -> Identified {
    const { refuse_state(size_of::<F>()) }
    Identified::Function(TypeId::of::<F>())
}

/// Returns the identity of a method without captures, of one object.
pub(super) fn identity_of_method<O, M>(object: &Arc<O>, _method: M) -> Identified
where
    O: ?Sized + Send + Sync + 'static,
    M: 'static,
{
    const { refuse_state(size_of::<M>()) }
    Identified::method::<M, O>(&Arc::downgrade(object)).expect("its size is 0")
}

const fn refuse_state(size: usize) {
    assert!(
        size == 0,
        "a callable with state differs from others of its type: keep its Connection and disconnect that, or connect it with a dispatch_uid and call disconnect_uid"
    );
}
