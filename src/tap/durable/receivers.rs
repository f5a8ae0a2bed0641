//! The durable receivers of the process, as observers and explanations see them.
//!
//! No table has them, because no send calls them: a relay of fanfare-outbox does.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::stored_cause::{DeliveryParts, ObservedDelivery};
use crate::id::ReceiverId;
use crate::kind::ReceiverKind;
use crate::lock::lock;
use crate::tap::info::ConnectionInfo;
use crate::tap::observer::{Described, SignalInfo};
use crate::tap::verdict::{ExplainedConnection, NotRun};

/// A durable receiver.
pub(crate) struct DurableReceiver {
    id: ReceiverId,
    signal: Arc<SignalInfo>,
    name: String,
    location: &'static Location<'static>,
}

/// The durable receivers that are connected, in the order of their connects.
static CONNECTED: Mutex<Vec<Arc<DurableReceiver>>> = Mutex::new(Vec::new());

impl DurableReceiver {
    pub(crate) fn new(
        signal: Arc<SignalInfo>,
        name: String,
        location: &'static Location<'static>,
    ) -> Arc<Self> {
        Arc::new(DurableReceiver {
            id: ReceiverId::of(ReceiverId::next()),
            signal,
            name,
            location,
        })
    }

    /// Adds the receiver to those that are connected.
    pub(crate) fn connect(self: &Arc<Self>) {
        let mut connected = lock(&CONNECTED);
        connected.push(Arc::clone(self));
    }

    /// Removes the receiver from those that are connected. Returns `true` if it was there.
    pub(crate) fn disconnect(self: &Arc<Self>) -> bool {
        let mut connected = lock(&CONNECTED);
        let before = connected.len();
        connected.retain(|it| !Arc::ptr_eq(it, self));
        connected.len() < before
    }

    /// Returns the connection as a look shows it.
    fn info(&self) -> ConnectionInfo {
        ConnectionInfo {
            id: self.id,
            name: self.name.clone(),
            location: self.location,
            sender: None,
            dispatch_uid: None,
            tags: Vec::new(),
            priority: 0,
            max_calls: None,
            weak: false,
            kind: ReceiverKind::Awaited,
            live: false,
        }
    }
}

/// Returns the names of the signal and of the durable receiver with this id, if it is connected.
pub(super) fn name_of(receiver: ReceiverId) -> Option<(String, String)> {
    let connected = lock(&CONNECTED);
    let found = connected.iter().find(|it| it.id == receiver)?;
    Some((found.signal.name().to_owned(), found.name.clone()))
}

/// Returns the durable receivers of the signal with this number, which no send calls.
pub(crate) fn durable_of(signal: u64) -> Vec<ExplainedConnection> {
    let connected = lock(&CONNECTED);
    let of = connected.iter().filter(|it| it.signal.number == signal);
    let explained = of.map(|it| ExplainedConnection {
        verdict: NotRun::Durable.into(),
        connection: it.info(),
    });
    explained.collect()
}

/// A durable receiver as observers see it.
pub(crate) struct ObservedDurable {
    pub(crate) receiver: Arc<DurableReceiver>,
    /// The attempt, if the receiver gets a stored event.
    pub(crate) delivery: Option<DeliveryParts>,
}

impl ObservedDurable {
    /// Notes the error that the receiver has returned.
    pub(crate) fn note_error(&self, error: String) {
        if let Some(delivery) = &self.delivery {
            let _ = delivery.error.set(error);
        }
    }
}

impl Described for ObservedDurable {
    fn id(&self) -> ReceiverId {
        self.receiver.id
    }

    fn name(&self) -> Cow<'static, str> {
        self.receiver.name.clone().into()
    }

    fn location(&self) -> &'static Location<'static> {
        self.receiver.location
    }

    fn sender_in_words(&self) -> Option<String> {
        None
    }

    fn tags(&self) -> &[Cow<'static, str>] {
        &[]
    }

    fn budget(&self) -> Option<Duration> {
        None
    }

    fn info(&self) -> ConnectionInfo {
        self.receiver.info()
    }

    fn delivery(&self) -> Option<ObservedDelivery<'_>> {
        self.delivery.as_ref().map(ObservedDelivery)
    }
}
