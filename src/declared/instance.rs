//! Receivers that take the instance of an event in the place of the sender.

#![allow(missing_docs, reason = "no part of the interface")]

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use super::candidate::{Candidate, Declared};
use crate::connection::target::ConnectTarget;
use crate::event::Event;
#[cfg(feature = "async")]
use crate::kind::ReceiverKind;
use crate::receiver::callee::Callee;
#[cfg(feature = "async")]
use crate::receiver::entry::Entry;
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
#[cfg(feature = "async")]
use crate::receiver::pin::Pinned;
use crate::sender::Sender;

/// An event that has the instance which a receiver with `model` takes as a `T`.
#[diagnostic::on_unimplemented(
    message = "the signal's event `{Self}` has no instance that a receiver can take as `&{T}`",
    note = "`model` is for the signals of one row, whose events have its instance; for others write `sender = customer::Entity`, and `Sender<'_>` as the first parameter",
    note = "the instance of a signal that comes before the operation is copied, so its type has to be `Clone + Send + Sync`"
)]
pub trait HasInstance<T>: Event {
    type Instance<'e>: Deref<Target = T> + Send + Sync;

    fn instance<'e>(event: &'e Self::Args<'_>) -> Option<Self::Instance<'e>>;
}

/// An event whose instance a receiver with `model` may change.
#[diagnostic::on_unimplemented(
    message = "the signal's event `{Self}` has no instance that a receiver can take as `&mut {T}`",
    note = "only a signal that comes before the operation lends the instance to be changed: write `&{T}`"
)]
pub trait LendsInstance<T>: Event {
    fn with_instance<O>(event: &Self::Args<'_>, call: impl FnOnce(&mut T) -> O) -> Option<O>;
}

/// The response of a receiver that can fail.
type Fallible = Result<(), Box<dyn Error + Send + Sync>>;

/// A response that a send can get in place of a call.
pub trait InstanceResponse: Send + 'static {
    /// Returns the response to an event whose instance is not an `expected`.
    fn of_another_type(expected: &'static str) -> Self;
}

impl InstanceResponse for () {
    fn of_another_type(_expected: &'static str) -> Self {}
}

impl InstanceResponse for Fallible {
    fn of_another_type(expected: &'static str) -> Self {
        Err(Box::new(WrongInstance { expected }))
    }
}

fn of_another_type<T, R: InstanceResponse>() -> R {
    R::of_another_type(type_name::<T>())
}

#[derive(Debug)]
struct WrongInstance {
    expected: &'static str,
}

impl fmt::Display for WrongInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the instance of the event is not a {}: take the instance as the type that the emitter has",
            self.expected
        )
    }
}

impl Error for WrongInstance {}

/// A return type of a receiver with `model`: the response, or a value that becomes the response.
#[diagnostic::on_unimplemented(
    message = "a receiver with `model` cannot return `{Self}` to this signal",
    note = "it returns `()`, or `Result<(), E>` with an `E` that `?` turns into a `Box<dyn Error + Send + Sync>`; for a signal without errors it returns `()`"
)]
pub trait IntoInstanceResponse<R> {
    fn into_response(self) -> R;
}

impl IntoInstanceResponse<()> for () {
    fn into_response(self) {}
}

impl IntoInstanceResponse<Fallible> for () {
    fn into_response(self) -> Fallible {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> IntoInstanceResponse<Fallible> for Result<(), E> {
    fn into_response(self) -> Fallible {
        self.map_err(Into::into)
    }
}

pub fn respond<R, O: IntoInstanceResponse<R>>(returned: O) -> R {
    returned.into_response()
}

/// # Receivers that take the instance
impl<E, R, T, F> Candidate<E, R, T, F>
where
    E: Event,
    R: InstanceResponse,
    T: ConnectTarget<E, R, Connected: Into<Declared>>,
    F: Send + Sync + 'static,
{
    /// Connects a function that takes the instance, which `call` calls.
    #[track_caller]
    pub fn connect_instance<I, S>(self, call: S) -> Declared
    where
        E: HasInstance<I>,
        I: 'static,
        S: Fn(&I, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        let receiver = OfInstance {
            call,
            of: PhantomData::<fn() -> (F, I)>,
        };
        self.options.connect_callee(receiver).into()
    }

    /// Connects a function that changes the instance, which `call` calls.
    #[track_caller]
    pub fn connect_instance_mut<I, S>(self, call: S) -> Declared
    where
        E: LendsInstance<I>,
        I: 'static,
        S: Fn(&mut I, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        let receiver = OfInstanceMut {
            call,
            of: PhantomData::<fn() -> (F, I)>,
        };
        self.options.connect_callee(receiver).into()
    }

    /// Connects an async function that takes the instance, which `start` calls.
    #[cfg(feature = "async")]
    #[track_caller]
    pub fn connect_instance_async<I, S>(self, start: S) -> Declared
    where
        E: HasInstance<I>,
        for<'x> E::Args<'x>: Sync,
        I: Sync + 'static,
        S: for<'a> Fn(&'a I, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        let receiver = OfInstanceAsync {
            start,
            of: PhantomData::<fn() -> (F, I)>,
        };
        self.options.connect_callee(receiver).into()
    }
}

/// A function `F` that takes an instance `T`, identified by itself and not by the closure.
struct OfInstance<F, T, S> {
    call: S,
    of: PhantomData<fn() -> (F, T)>,
}

impl<E, R, F, T, S> Callee<E, R> for OfInstance<F, T, S>
where
    E: HasInstance<T>,
    R: InstanceResponse,
    F: 'static,
    T: 'static,
    S: Fn(&T, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    type Function = F;

    fn call(&self, _sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        match E::instance(event) {
            Some(instance) => (self.call)(&instance, event),
            None => of_another_type::<T, R>(),
        }
    }
}

/// A function `F` that changes an instance `T`. See [`OfInstance`].
struct OfInstanceMut<F, T, S> {
    call: S,
    of: PhantomData<fn() -> (F, T)>,
}

impl<E, R, F, T, S> Callee<E, R> for OfInstanceMut<F, T, S>
where
    E: LendsInstance<T>,
    R: InstanceResponse,
    F: 'static,
    T: 'static,
    S: Fn(&mut T, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    type Function = F;

    fn call(&self, _sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        let response = E::with_instance(event, |instance| (self.call)(instance, event));
        response.unwrap_or_else(of_another_type::<T, R>)
    }
}

/// An async function `F` that takes an instance `T`. See [`OfInstance`].
#[cfg(feature = "async")]
struct OfInstanceAsync<F, T, S> {
    start: S,
    of: PhantomData<fn() -> (F, T)>,
}

#[cfg(feature = "async")]
impl<E, R, F, T, S> Callee<E, R> for OfInstanceAsync<F, T, S>
where
    E: HasInstance<T>,
    for<'x> E::Args<'x>: Sync,
    R: InstanceResponse,
    F: 'static,
    T: Sync + 'static,
    S: for<'a> Fn(&'a T, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
{
    type Function = F;
    const KIND: ReceiverKind = ReceiverKind::Awaited;

    fn call(&self, _sender: &Sender<'_>, _event: &E::Args<'_>) -> R {
        unreachable!("an async receiver is started")
    }

    fn start<'a>(
        &'a self,
        _entry: &Entry<E, R>,
        _pin: Option<&'a Pinned<'_>>,
        _sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        Box::pin(async move {
            match E::instance(event) {
                Some(instance) => (self.start)(&instance, event).await,
                None => of_another_type::<T, R>(),
            }
        })
    }
}
