//! Types and functions that the expansion of `#[receiver]` uses for model signals. Not part of the
//! interface.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use super::{
    Answer, ClassPrepared, Delete, M2mChanged, ModelEvent, ModelSender, PostInit, PostSave,
    PreInit, PreSave,
};
use crate::connection::connect_options::{ConnectOptions, Prepared};
use crate::connection::handle::Connection;
use crate::event::Event;
use crate::sender::Sender;
use crate::signal::Signal;

/// An event whose signal is sent from models only.
pub trait FromModels: Event {}

impl<E: ModelEvent> FromModels for E {}

impl FromModels for ClassPrepared<'static> {}

/// The signal that a receiver is declared for. Its methods `senders` differ by the event: the
/// expansion calls `(&Declares::of(signal)).senders()`, and the trait that needs no further
/// reference is taken.
pub struct Declares<E: Event, R: 'static>(PhantomData<fn() -> (E, R)>);

impl<E: Event, R: 'static> Declares<E, R> {
    pub fn of(_signal: &'static Signal<E, R>) -> Self {
        Declares(PhantomData)
    }
}

/// For the signals of models.
pub trait SendersOfModels {
    fn senders(&self) -> Models;
}

impl<E: FromModels, R: 'static> SendersOfModels for Declares<E, R> {
    fn senders(&self) -> Models {
        Models
    }
}

/// For all other signals.
pub trait SendersOfAny {
    fn senders(&self) -> AnySenders;
}

impl<E: Event, R: 'static> SendersOfAny for &Declares<E, R> {
    fn senders(&self) -> AnySenders {
        AnySenders
    }
}

/// The senders that a model signal has.
pub struct Models;

/// The senders that any other signal has.
pub struct AnySenders;

impl Models {
    pub fn of<S: ModelSender, E: FromModels, R: 'static>(
        self,
        options: ConnectOptions<'static, E, R>,
    ) -> Declaring<E, R> {
        Declaring::from(options.sender(Sender::of::<S>()))
    }

    pub fn named<N: NamesModel, E: ModelEvent, R: Send + 'static>(
        self,
        _form: N,
        options: ConnectOptions<'static, E, R>,
        name: &'static str,
    ) -> Declaring<E, R> {
        Declaring {
            options,
            model: Some(Model {
                name,
                connect: by_name,
            }),
        }
    }
}

impl AnySenders {
    pub fn of<S: Any, E: Event, R: 'static>(
        self,
        options: ConnectOptions<'static, E, R>,
    ) -> Declaring<E, R> {
        Declaring::from(options.sender(Sender::of::<S>()))
    }

    pub fn named<N, E: Event, R: 'static>(
        self,
        _form: N,
        options: ConnectOptions<'static, E, R>,
        name: &'static str,
    ) -> Declaring<E, R> {
        Declaring::from(options.sender(Sender::named(name)))
    }
}

/// A name, and whether it is of the form "app.Model".
pub struct Name<const IS_OF_MODEL: bool>;

/// The name of a model.
#[diagnostic::on_unimplemented(
    message = "the sender of a model signal is a model, and its name is of the form \"app.Model\"",
    label = "not of the form \"app.Model\""
)]
pub trait NamesModel {}

impl NamesModel for Name<true> {}

/// The options and the model of a declared receiver.
pub struct Declaring<E: Event, R: 'static> {
    pub(crate) options: ConnectOptions<'static, E, R>,
    pub(crate) model: Option<Model<E, R>>,
}

/// The model that a receiver waits for.
pub(crate) struct Model<E: Event, R: 'static> {
    name: &'static str,
    connect: ByName<E, R>,
}

type ByName<E, R> = fn(&'static Signal<E, R>, &'static str, Prepared<E, R>) -> Declared;

impl<E: Event, R: 'static> From<ConnectOptions<'static, E, R>> for Declaring<E, R> {
    fn from(options: ConnectOptions<'static, E, R>) -> Self {
        Declaring {
            options,
            model: None,
        }
    }
}

impl<E: Event, R: 'static> Model<E, R> {
    pub(crate) fn connect(
        self,
        signal: &'static Signal<E, R>,
        receiver: Prepared<E, R>,
    ) -> Declared {
        (self.connect)(signal, self.name, receiver)
    }
}

fn by_name<E: ModelEvent, R: Send + 'static>(
    signal: &'static Signal<E, R>,
    name: &'static str,
    receiver: Prepared<E, R>,
) -> Declared {
    let declared = signal.declare_model(name, receiver);
    let (connection, is_new) = declared.unwrap_or_else(|error| panic!("{error}"));
    Declared {
        sender: Some(match connection.connection() {
            Some(connection) => connection.sender_in_words().unwrap_or_default(),
            None => format!("model {name:?}"),
        }),
        is_new,
    }
}

/// The result of connecting a declared receiver, for the report.
pub struct Declared {
    sender: Option<String>,
    is_new: bool,
}

impl From<Connection> for Declared {
    fn from(connection: Connection) -> Self {
        Declared {
            sender: connection.sender_in_words(),
            is_new: connection.is_new(),
        }
    }
}

impl Declared {
    pub(crate) fn sender_in_words(&self) -> Option<String> {
        self.sender.clone()
    }

    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }
}

/// An event that has the instance which a receiver with `model` takes as a `T`.
#[diagnostic::on_unimplemented(
    message = "the signal's event `{Self}` has no instance that a receiver can take as `&{T}`",
    note = "`model` is for the signals of one row: of inits, saves and deletes, and for `M2M_CHANGED`; for others write `sender = customer::Entity`, and `Sender<'_>` as the first parameter",
    note = "the instance of a signal that comes before the operation is copied, so its type has to be `Clone + Send + Sync`"
)]
pub trait HasInstance<T>: Event {
    type Instance<'e>: Deref<Target = T> + Send + Sync;

    fn instance<'e>(event: &'e Self::Args<'_>) -> Option<Self::Instance<'e>>;
}

/// An event whose instance a receiver with `model` may change.
#[diagnostic::on_unimplemented(
    message = "the signal's event `{Self}` has no instance that a receiver can take as `&mut {T}`",
    note = "only `PRE_SAVE` and `PRE_INIT` lend the instance to be changed: write `&{T}`"
)]
pub trait LendsInstance<T>: Event {
    fn with_instance<O>(event: &Self::Args<'_>, call: impl FnOnce(&mut T) -> O) -> Option<O>;
}

macro_rules! shares_instance {
    ($($event:ident)*) => {
        $(impl<T: Any + Send + Sync> HasInstance<T> for $event<'static> {
            type Instance<'e> = &'e T;

            fn instance<'e>(event: &'e $event<'_>) -> Option<&'e T> {
                event.instance()
            }
        })*
    };
}

shares_instance! { PostInit PostSave Delete M2mChanged }

/// A copy of an instance that receivers change, as it was when the receiver began.
pub struct Copied<T>(T);

impl<T> Deref for Copied<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

macro_rules! lends_instance {
    ($($event:ident)*) => {
        $(impl<T: Any + Clone + Send + Sync> HasInstance<T> for $event<'static> {
            type Instance<'e> = Copied<T>;

            fn instance<'e>(event: &'e $event<'_>) -> Option<Self::Instance<'e>> {
                event.with_instance(|instance: &mut T| Copied(instance.clone()))
            }
        }

        impl<T: Any> LendsInstance<T> for $event<'static> {
            fn with_instance<O>(
                event: &$event<'_>,
                call: impl FnOnce(&mut T) -> O,
            ) -> Option<O> {
                event.with_instance(call)
            }
        })*
    };
}

lends_instance! { PreInit PreSave }

/// A response that a model signal can get in place of a call.
pub trait ModelResponse: Send + 'static {
    /// For an event whose instance is not an `expected`.
    fn of_another_type(expected: &'static str) -> Self;
}

impl ModelResponse for () {
    fn of_another_type(_expected: &'static str) -> Self {}
}

impl ModelResponse for Answer {
    fn of_another_type(expected: &'static str) -> Self {
        Err(Box::new(WrongInstance { expected }))
    }
}

pub(crate) fn of_another_type<T, R: ModelResponse>() -> R {
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
pub trait IntoModelResponse<R> {
    fn into_response(self) -> R;
}

impl IntoModelResponse<()> for () {
    fn into_response(self) {}
}

impl IntoModelResponse<Answer> for () {
    fn into_response(self) -> Answer {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> IntoModelResponse<Answer> for Result<(), E> {
    fn into_response(self) -> Answer {
        self.map_err(Into::into)
    }
}

pub fn respond<R, O: IntoModelResponse<R>>(returned: O) -> R {
    returned.into_response()
}
