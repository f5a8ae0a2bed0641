//! The meaning of `#[receiver]` for the model signals: the senders that a receiver may name, and
//! the instance that it takes. This module is not part of the interface.

use std::any::Any;
use std::ops::Deref;

use fanfare::__private::{
    ConnectionKey, Declared, DeclaresSenders, HasInstance, LendsInstance, Name, Options, Prepared,
    WaitingReceiver, with_target,
};
use fanfare::connections::ConnectTarget;
use fanfare::{ConnectOptions, Connection, Event, Sender};

use super::names::NamedModel;
use super::signals::{ModelEvent, ModelSender, Models};
use super::waiting::ModelConnection;
use super::{ClassPrepared, Delete, M2mChanged, PostInit, PostSave, PreInit, PreSave};

impl Models {
    pub fn of<S: ModelSender, E: Event, R: 'static>(self, options: Options<E, R>) -> Options<E, R> {
        options.sender(Sender::of::<S>())
    }

    pub fn named<N: NamesModel, E: ModelEvent, R: Send + 'static>(
        self,
        _form: N,
        options: Options<E, R>,
        name: &'static str,
    ) -> ConnectOptions<E, R, DeclaredModel<E, R>> {
        with_target(options, |signal| DeclaredModel(NamedModel { signal, name }))
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

/// A model by its name, for a receiver of which `connect_receivers` reports.
pub struct DeclaredModel<E: ModelEvent, R: 'static>(NamedModel<'static, E, R>);

impl<E: ModelEvent, R: Send + 'static> ConnectTarget<E, R> for DeclaredModel<E, R> {
    type Connected = Declared;
    type Disconnected = bool;

    fn connect(self, receiver: Prepared<E, R>) -> Declared {
        let name = self.0.name;
        let uid = receiver.dispatch_uid().map(str::to_owned);
        let declared = self.0.declare(receiver);
        let model = declared.unwrap_or_else(|error| panic!("{error}"));
        let is_new = model.is_new();
        match model.connection() {
            // A duplicate of a receiver that waited until now has the connection of the first.
            Some(connection) if connection.is_new() == is_new => connection.into(),
            _ => Declared::waiting(format!("model {name:?}"), uid, is_new, model),
        }
    }

    fn disconnect(self, receiver: ConnectionKey) -> bool {
        let disconnected = self.0.disconnect(receiver);
        disconnected.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl WaitingReceiver for ModelConnection {
    fn connection(&self) -> Option<Connection> {
        ModelConnection::connection(self)
    }

    fn is_waiting(&self) -> bool {
        ModelConnection::is_waiting(self)
    }

    fn stop_waiting(&self) -> bool {
        ModelConnection::stop_waiting(self)
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
