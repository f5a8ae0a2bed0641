//! What the expansion of `#[receiver]` stands on. Not part of the interface.

pub use crate::registry::Registration;
pub use crate::signals::model::declared::{
    Declared, Declares, Declaring, Name, SendersOfAny, SendersOfModels, respond,
};
pub use crate::signals::model::is_model_name;
pub use inventory::submit;

use std::marker::PhantomData;

#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::connection::connect_options::{ConnectOptions, Prepared};
use crate::event::Event;
use crate::receiver::callee::Callee;
#[cfg(feature = "async")]
use crate::receiver::entry::{Entry, Pinned};
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
#[cfg(feature = "async")]
use crate::receiver::kind::ReceiverKind;
use crate::sender::Sender;
use crate::signal::Signal;
use crate::signals::model::declared::{
    HasInstance, LendsInstance, Model, ModelResponse, of_another_type,
};

/// The options of a signal that lives for ever. A `const` signal does not: each use of it
/// makes a new one, and does not compile here.
pub fn options<E: Event, R: 'static>(
    signal: &'static Signal<E, R>,
) -> ConnectOptions<'static, E, R> {
    signal.options()
}

/// A function that `#[receiver]` is about to connect.
///
/// Passed as an argument of `connect`, a function that does not fit would get the
/// compiler's advice for arguments, which makes no sense where it is declared.
pub struct Candidate<E: Event, R: 'static, F> {
    /// How it is to be connected.
    pub options: Declaring<E, R>,
    /// The function.
    pub function: F,
}

impl<E: Event, R: 'static, F> Candidate<E, R, F> {
    /// Connects it.
    #[track_caller]
    pub fn connect(self) -> Declared
    where
        F: Receiver<E, R>,
    {
        let Declaring { options, model } = self.options;
        finish(options.signal(), model, self.function.prepare(options))
    }
}

/// Connects a receiver to the signal, or to the model that it waits for. The receiver is made before,
/// in a function that tracks its caller, which a closure cannot.
fn finish<E: Event, R: 'static>(
    signal: &'static Signal<E, R>,
    model: Option<Model<E, R>>,
    receiver: Prepared<E, R>,
) -> Declared {
    match model {
        Some(model) => model.connect(signal, receiver),
        None => signal.connect_one(receiver).into(),
    }
}

/// What fits a signal. One bound where `Fn` would be two, arguments and answer, and so
/// one error where there would be two.
pub trait Receiver<E: Event, R: 'static> {
    /// Makes it a receiver.
    #[track_caller]
    fn prepare(self, options: ConnectOptions<'static, E, R>) -> Prepared<E, R>;
}

impl<E: Event, R: 'static, F> Receiver<E, R> for F
where
    F: Fn(Sender<'_>, &E::Args<'_>) -> R + Send + Sync + 'static,
{
    #[track_caller]
    fn prepare(self, options: ConnectOptions<'static, E, R>) -> Prepared<E, R> {
        options.prepare(self)
    }
}

#[cfg(feature = "async")]
impl<E: Event, R: 'static, F: Send + Sync + 'static> Candidate<E, R, F> {
    /// Connects the async function that `start` calls.
    ///
    /// The expansion writes `start`, and not this a bound on the function: what keeps its
    /// future from being boxed is then explained by what the future holds.
    #[track_caller]
    pub fn connect_async<S>(self, start: S) -> Declared
    where
        S: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        let receiver = Started {
            start: Awaited(start),
            function: PhantomData::<F>,
        };
        let Declaring { options, model } = self.options;
        finish(options.signal(), model, options.slot(receiver))
    }
}

/// An async function, known by itself and not by the closure that starts it: each
/// expansion has another one.
#[cfg(feature = "async")]
struct Started<F, S> {
    start: Awaited<S>,
    function: PhantomData<F>,
}

#[cfg(feature = "async")]
impl<E, R, F, S> Callee<E, R> for Started<F, S>
where
    E: Event,
    R: 'static,
    F: Send + Sync + 'static,
    S: for<'a> Fn(Sender<'a>, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
{
    type Function = F;
    const KIND: ReceiverKind = ReceiverKind::Awaited;

    fn call(&self, sender: &Sender<'_>, event: &E::Args<'_>) -> R {
        Callee::<E, R>::call(&self.start, sender, event)
    }

    fn start<'a>(
        &'a self,
        entry: &Entry<E, R>,
        pin: Option<&'a Pinned>,
        sender: Sender<'a>,
        event: &'a E::Args<'_>,
    ) -> BoxFuture<'a, R> {
        self.start.start(entry, pin, sender, event)
    }
}

/// # Receivers that take the instance
impl<E: Event, R: ModelResponse, F: Send + Sync + 'static> Candidate<E, R, F> {
    /// Connects a function that takes the instance, which `call` calls.
    #[track_caller]
    pub fn connect_instance<T, S>(self, call: S) -> Declared
    where
        E: HasInstance<T>,
        T: 'static,
        S: Fn(&T, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        let receiver = OfInstance {
            call,
            of: PhantomData::<fn() -> (F, T)>,
        };
        let Declaring { options, model } = self.options;
        finish(options.signal(), model, options.slot(receiver))
    }

    /// Connects a function that changes the instance, which `call` calls.
    #[track_caller]
    pub fn connect_instance_mut<T, S>(self, call: S) -> Declared
    where
        E: LendsInstance<T>,
        T: 'static,
        S: Fn(&mut T, &E::Args<'_>) -> R + Send + Sync + 'static,
    {
        let receiver = OfInstanceMut {
            call,
            of: PhantomData::<fn() -> (F, T)>,
        };
        let Declaring { options, model } = self.options;
        finish(options.signal(), model, options.slot(receiver))
    }

    /// Connects an async function that takes the instance, which `start` calls.
    #[cfg(feature = "async")]
    #[track_caller]
    pub fn connect_instance_async<T, S>(self, start: S) -> Declared
    where
        E: HasInstance<T>,
        for<'x> E::Args<'x>: Sync,
        T: Sync + 'static,
        S: for<'a> Fn(&'a T, &'a E::Args<'_>) -> BoxFuture<'a, R> + Send + Sync + 'static,
    {
        let receiver = OfInstanceAsync {
            start,
            of: PhantomData::<fn() -> (F, T)>,
        };
        let Declaring { options, model } = self.options;
        finish(options.signal(), model, options.slot(receiver))
    }
}

/// A function `F` that takes an instance `T`, known by itself and not by the closure.
struct OfInstance<F, T, S> {
    call: S,
    of: PhantomData<fn() -> (F, T)>,
}

impl<E, R, F, T, S> Callee<E, R> for OfInstance<F, T, S>
where
    E: HasInstance<T>,
    R: ModelResponse,
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

/// As [`OfInstance`], for a function that changes the instance.
struct OfInstanceMut<F, T, S> {
    call: S,
    of: PhantomData<fn() -> (F, T)>,
}

impl<E, R, F, T, S> Callee<E, R> for OfInstanceMut<F, T, S>
where
    E: LendsInstance<T>,
    R: ModelResponse,
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

/// As [`OfInstance`], for an async function.
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
    R: ModelResponse,
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
        _pin: Option<&'a Pinned>,
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
