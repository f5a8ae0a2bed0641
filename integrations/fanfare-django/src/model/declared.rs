//! The meaning of `#[receiver]` for the model signals: the senders that a receiver may name, and
//! the instance that it takes. This module is not part of the interface.

use std::any::Any;
use std::ops::Deref;

use fanfare::__private::{Declared, DeclaresSenders, Declaring, HasInstance, LendsInstance, Name};
use fanfare::connections::Prepared;
use fanfare::{ConnectOptions, Event, Sender, Signal};

use super::names;
use super::signals::{ModelEvent, ModelSender, Models};
use super::{ClassPrepared, Delete, M2mChanged, PostInit, PostSave, PreInit, PreSave};

impl Models {
    pub fn of<S: ModelSender, E: Event, R: 'static>(
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
        Declaring::by_name(options, name, by_name)
    }
}

impl DeclaresSenders for ClassPrepared<'static> {
    type Senders = Models;
}

/// The name of a model, as [`is_model_name`](super::is_model_name) accepts it.
#[diagnostic::on_unimplemented(
    message = "the sender of a model signal is a model, and its name is of the form \"app.Model\"",
    label = "not of the form \"app.Model\""
)]
pub trait NamesModel {}

impl NamesModel for Name<2> {}

fn by_name<E: ModelEvent, R: Send + 'static>(
    signal: &'static Signal<E, R>,
    name: &'static str,
    receiver: Prepared<E, R>,
) -> Declared {
    let declared = names::declare(signal, name, receiver);
    let (connection, is_new) = declared.unwrap_or_else(|error| panic!("{error}"));
    match connection.connection() {
        Some(connection) => connection.into(),
        None => Declared::waiting(format!("model {name:?}"), is_new),
    }
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

/// A copy of an instance that receivers change, made when the receiver began.
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
