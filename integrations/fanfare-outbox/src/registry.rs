//! The durable receivers of this process.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use fanfare::__private::DurableHook;
use fanfare::{BoxFuture, Signal};

use crate::delivery::{Completes, Delivery};
use crate::error::ConnectError;
use crate::event::{Delivered, DurableEvent};
use crate::message;
use crate::wake;

/// The place at which a receiver starts that the database does not know yet.
///
/// Events that no receiver has taken yet are delivered to the first one that comes, whatever its
/// start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// The receiver gets the events that are handed out after it was stored.
    #[default]
    Now,
    /// The receiver also gets the events that are in the database, because another receiver has
    /// not got them yet.
    Oldest,
}

/// A delivery, as it is stored.
pub(crate) struct Stored {
    pub(crate) delivery: Delivery,
    pub(crate) version: u32,
    pub(crate) sender: String,
    pub(crate) payload: String,
    pub(crate) attempt: u32,
    /// The origin of the event, as text.
    pub(crate) cause: Option<String>,
}

/// The reasons for which a delivery did not succeed.
pub(crate) enum Failure {
    /// The receiver returned an error. It is tried again.
    Error(String),
    /// The event cannot be read. No further attempt would help.
    Unreadable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Error(error) | Failure::Unreadable(error)) = self;
        f.write_str(error)
    }
}

type Call =
    dyn Fn(Stored, Arc<dyn Completes>) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync;

/// A durable receiver.
pub(crate) struct Receiver {
    pub(crate) name: String,
    pub(crate) event: &'static str,
    pub(crate) version: u32,
    pub(crate) options: Options,
    /// The function, if it is a declared receiver.
    function: Option<TypeId>,
    /// The receiver as observers see it.
    pub(crate) hook: DurableHook,
    call: Box<Call>,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The name of the connections whose relays have the receiver. `None` is all relays.
    pub(crate) using: Option<String>,
    /// The old name.
    pub(crate) was: Option<String>,
    pub(crate) start: Start,
    pub(crate) attempts: u32,
    pub(crate) first_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) timeout: Duration,
    pub(crate) keys_at_once: usize,
    pub(crate) sequenced: bool,
}

impl Receiver {
    pub(crate) fn new<E: DurableEvent>(
        name: String,
        options: Options,
        function: Option<TypeId>,
        hook: DurableHook,
        call: impl Fn(String, Delivered<E>) -> BoxFuture<'static, Result<(), String>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Receiver {
            name,
            event: E::NAME,
            version: E::VERSION,
            options,
            function,
            hook,
            call: Box::new(move |stored, worker| {
                match message::read::<E>(stored.version, &stored.payload) {
                    Ok(event) => {
                        let delivered = Delivered {
                            event,
                            delivery: stored.delivery,
                            attempt: stored.attempt,
                            worker,
                        };
                        let called = call(stored.sender, delivered);
                        Box::pin(async move { called.await.map_err(Failure::Error) })
                    }
                    Err(error) => Box::pin(async move { Err(Failure::Unreadable(error)) }),
                }
            }),
        }
    }

    /// Returns `true` if relays on connections of this name have the receiver.
    fn is_of(&self, using: &str) -> bool {
        let name = self.options.using.as_deref();
        name.is_none_or(|name| name == using)
    }

    /// Returns `true` if a relay could have both receivers, which it could not tell apart.
    fn clashes_with(&self, other: &Receiver) -> bool {
        let (using, other_using) = (&self.options.using, &other.options.using);
        let share_relays = using.is_none() || other_using.is_none() || using == other_using;
        share_relays && self.name == other.name
    }

    /// Returns `true` if both are declarations of one function for one event.
    fn is_same_declaration(&self, other: &Receiver) -> bool {
        self.function.is_some() && (self.function, self.event) == (other.function, other.event)
    }

    pub(crate) fn call(
        &self,
        stored: Stored,
        worker: Arc<dyn Completes>,
    ) -> BoxFuture<'static, Result<(), Failure>> {
        (self.call)(stored, worker)
    }
}

/// The receivers of this process, and the signals of their events.
struct Registry {
    /// In the order of their names.
    receivers: Vec<Arc<Receiver>>,
    /// The address of the signal that has each event.
    signals: BTreeMap<&'static str, usize>,
}

static REGISTRY: RwLock<Registry> = RwLock::new(Registry {
    receivers: Vec::new(),
    signals: BTreeMap::new(),
});

/// Returns the registry for a look, also after a panic.
fn look<T>(look: impl FnOnce(&Registry) -> T) -> T {
    look(
        &REGISTRY
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner()),
    )
}

fn change<T>(change: impl FnOnce(&mut Registry) -> T) -> T {
    change(
        &mut REGISTRY
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner()),
    )
}

/// Returns `true` if this is the signal of the event `E`. The first signal that is asked for is it.
pub(crate) fn is_signal_of<E: DurableEvent, R>(signal: &'static Signal<E, R>) -> bool {
    let address = std::ptr::from_ref(signal).addr();
    let known = look(|registry| registry.signals.get(E::NAME).copied());
    let known = known
        .unwrap_or_else(|| change(|registry| *registry.signals.entry(E::NAME).or_insert(address)));
    known == address
}

/// Adds a receiver. Returns the receiver of that name, and `true` if it is new: a declared receiver
/// that is already there stays.
pub(crate) fn add(receiver: Receiver) -> Result<(Arc<Receiver>, bool), ConnectError> {
    let added = change(|registry| {
        let receivers = &mut registry.receivers;
        if let Some(taken) = receivers.iter().find(|it| it.clashes_with(&receiver)) {
            if taken.is_same_declaration(&receiver) {
                return Ok((Arc::clone(taken), false));
            }
            return Err(ConnectError::NameTaken {
                name: receiver.name,
            });
        }
        let receiver = Arc::new(receiver);
        let place = receivers.partition_point(|it| it.name <= receiver.name);
        receivers.insert(place, Arc::clone(&receiver));
        Ok((receiver, true))
    })?;
    if let (receiver, true) = &added {
        receiver.hook.connect();
    }
    wake::all();
    Ok(added)
}

/// Removes a receiver, and returns `true` if it was there.
pub(crate) fn remove(receiver: &Arc<Receiver>) -> bool {
    let is_removed = change(|registry| {
        let before = registry.receivers.len();
        registry.receivers.retain(|it| !Arc::ptr_eq(it, receiver));
        registry.receivers.len() < before
    });
    if is_removed {
        receiver.hook.disconnect();
    }
    is_removed
}

/// Returns the receivers of the relays on connections of this name, in the order of their names.
pub(crate) fn receivers_of(using: &str) -> Vec<Arc<Receiver>> {
    look(|registry| {
        let receivers = registry.receivers.iter();
        receivers.filter(|it| it.is_of(using)).cloned().collect()
    })
}

/// Returns `true` if the receiver is still connected.
pub(crate) fn has(receiver: &Arc<Receiver>) -> bool {
    look(|registry| {
        let mut receivers = registry.receivers.iter();
        receivers.any(|it| Arc::ptr_eq(it, receiver))
    })
}
