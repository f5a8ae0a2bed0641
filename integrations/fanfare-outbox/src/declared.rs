//! Durable receivers that `#[receiver(SIGNAL, durable = "app.receiver")]` declares. This module is
//! not part of the interface.

use std::any::{TypeId, type_name};
use std::fmt;

use fanfare::__private::{Declared, WaitingReceiver};
use fanfare::{BoxFuture, Connection, Sender, Signal};

use crate::connect::{Durable, DurableOptions, DurableReceiver};
use crate::event::{Delivered, DurableEvent};

/// Returns the options of a declared receiver. A function, unlike a method of a trait, reports an
/// event that cannot be stored.
pub fn options<E: DurableEvent, R: 'static>(
    signal: &'static Signal<E, R>,
    name: &'static str,
) -> DurableOptions<E> {
    signal.durable(name)
}

/// Connects the async function that `start` calls.
///
/// # Panics
///
/// Panics if the receiver cannot be connected, as when another one has its name.
#[track_caller]
pub fn declare<E: DurableEvent, F: 'static, X: fmt::Display>(
    options: DurableOptions<E>,
    _function: F,
    start: impl for<'a> Fn(Sender<'a>, &'a Delivered<E>) -> BoxFuture<'a, Result<(), X>>
    + Send
    + Sync
    + 'static,
) -> Declared {
    match options.connect(Some(TypeId::of::<F>()), start) {
        Ok((receiver, is_new)) => Declared::durable(receiver.name().to_owned(), is_new, receiver),
        Err(error) => {
            let function = type_name::<F>();
            panic!("the durable receiver `{function}` could not be connected: {error}");
        }
    }
}

impl WaitingReceiver for DurableReceiver {
    fn connection(&self) -> Option<Connection> {
        None
    }

    fn is_waiting(&self) -> bool {
        self.is_connected()
    }

    fn stop_waiting(&self) -> bool {
        self.disconnect()
    }
}
