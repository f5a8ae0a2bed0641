//! Types and functions for the expansions of `apps!` and `signals!` and for three other crates of
//! the project, and for no others: the expansion of `#[receiver]` by `fanfare-macros`,
//! `fanfare-django`, whose signals are sent from senders that have a name before they have a type,
//! and `fanfare-outbox`, which calls the durable receivers, shows them to observers, and stores the
//! causes of its events. They are not part of the interface.
//!
//! The hooks for an event's crate are here without the feature `macros` as well. Otherwise the same
//! declaration would connect other receivers, depending on a feature of the event's crate.

pub use crate::declared::candidate::{
    AnySenders, Candidate, Declared, Declares, DeclaresSenders, Name, Options, Receiver,
    SendersOfAny, SendersOfCrate, WaitingReceiver, options, with_target,
};
pub use crate::declared::instance::{
    HasInstance, InstanceResponse, IntoInstanceResponse, LendsInstance, respond,
};

#[cfg(feature = "macros")]
pub use crate::declared::app::App;
#[cfg(feature = "macros")]
pub use crate::declared::registry::Registration;
#[cfg(feature = "macros")]
pub use crate::tap::declaration::{Declaration, Properties};
#[cfg(feature = "macros")]
pub use inventory::submit;

pub use crate::connection::connect::try_connect_prepared;
pub use crate::connection::prepared::{ConnectionKey, Prepared, ReceiverIdentity};

pub use crate::tap::durable::origin::Origin;
#[cfg(feature = "async")]
pub use crate::turn::observed_delivery::{DurableHook, ObservedAttempt, StoredEvent};

use crate::event::Event;
use crate::sender::Sender;
use crate::signal::Signal;

/// Returns the properties of a static signal. The expansion of `signals!` calls it.
#[cfg(feature = "macros")]
pub fn properties_of<E: Event, R: 'static>(signal: &'static Signal<E, R>) -> Properties {
    Properties::of::<E, R>(std::ptr::from_ref(signal).addr())
}

/// Returns the senders that receivers were connected for and that are not in `known`, in words.
pub fn senders_beside<E: Event, R: 'static>(
    signal: &Signal<E, R>,
    known: &[Sender<'_>],
) -> Vec<String> {
    signal.senders_beside(known)
}
