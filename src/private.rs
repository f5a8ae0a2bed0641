//! Types and functions for two other crates of the project, and for no others: the expansion of
//! `#[receiver]` by `fanfare-macros`, and `fanfare-django`, whose signals are sent from senders
//! that have a name before they have a type. They are not part of the interface.
//!
//! The hooks for an event's crate are here without the feature `macros` as well. Otherwise the same
//! declaration would connect other receivers, depending on a feature of the event's crate.

pub use crate::declared::candidate::{
    AnySenders, ByName, Candidate, Declared, Declares, DeclaresSenders, Declaring, Name, Receiver,
    SendersOfAny, SendersOfCrate, options,
};
pub use crate::declared::instance::{
    HasInstance, InstanceResponse, IntoInstanceResponse, LendsInstance, respond,
};

#[cfg(feature = "macros")]
pub use crate::declared::registry::Registration;
#[cfg(feature = "macros")]
pub use inventory::submit;

use std::any::TypeId;

use crate::connection::connect_options::Prepared;
use crate::event::Event;
use crate::receiver::key::Identified;
use crate::sender::Sender;
use crate::signal::Signal;

/// The receiver's half of the key that makes two connections of a signal the same.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverKey(Identified);

impl ReceiverKey {
    /// Returns the key of a receiver, if it has one.
    pub fn of<E: Event, R: 'static>(receiver: &Prepared<E, R>) -> Option<Self> {
        receiver.identified().map(ReceiverKey)
    }

    /// Returns the key of a callable without state, by its type.
    pub fn function<F: 'static>() -> Self {
        ReceiverKey(Identified::Function(TypeId::of::<F>()))
    }

    /// Returns the key of a receiver with this uid.
    pub fn uid(uid: &str) -> Self {
        ReceiverKey(Identified::Uid(uid.to_owned().into()))
    }
}

/// Returns the receiver with another sender.
pub fn for_sender<E: Event, R: 'static>(
    receiver: Prepared<E, R>,
    sender: Sender<'_>,
) -> Prepared<E, R> {
    receiver.for_sender(sender)
}

/// Returns the senders that receivers were connected for and that are not in `known`, in words.
pub fn senders_beside<E: Event, R: 'static>(
    signal: &Signal<E, R>,
    known: &[Sender<'_>],
) -> Vec<String> {
    signal.senders_beside(known)
}
