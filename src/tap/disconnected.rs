//! An observer that keeps the last receivers that were disconnected.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use super::info::ConnectionInfo;
use super::observer::{ObservedReceiver, Observer, ReceiverChange, SignalInfo};
use super::verdict::{ExplainedConnection, NotRun};
use crate::lock::lock;

/// An observer that keeps the last receivers that were disconnected, or that were taken out because
/// they had ended. [`Signal::explain`](crate::Signal::explain) lists them after the connections.
///
/// ```
/// use fanfare::Signal;
/// use fanfare::watch::{self, KeepDisconnected};
///
/// static SAVED: Signal<u32> = Signal::new();
///
/// let watch = watch::all(KeepDisconnected::last(100));
/// let index = SAVED.options().name("index").connect(|_sender, _id| ());
/// index.disconnect();
/// assert!(SAVED.explain("shop.Order").to_string().contains("would not run: disconnected: index"));
///
/// drop(watch);
/// assert!(SAVED.explain("shop.Order").connections.is_empty());
/// ```
///
/// As with each observer, a send of a signal to which it is attached takes the slower path. It
/// keeps the names and places of receivers, and no receiver.
pub struct KeepDisconnected(Arc<Kept>);

/// The receivers that one observer keeps.
struct Kept {
    limit: usize,
    /// The number of the signal, and the connection. The last one is the newest.
    connections: Mutex<VecDeque<(u64, ExplainedConnection)>>,
}

/// The kept receivers of all observers.
static KEPT: Mutex<Vec<Weak<Kept>>> = Mutex::new(Vec::new());

impl KeepDisconnected {
    /// Returns an observer that keeps the last `limit` receivers, of all signals together.
    pub fn last(limit: usize) -> Self {
        let kept = Arc::new(Kept {
            limit,
            connections: Mutex::default(),
        });
        let mut all = lock(&KEPT);
        all.retain(|kept| kept.strong_count() > 0);
        all.push(Arc::downgrade(&kept));
        KeepDisconnected(kept)
    }
}

/// Returns the receivers of the signal with this number that observers keep, in the order of their
/// ends.
pub(crate) fn kept_of(signal: u64) -> Vec<ExplainedConnection> {
    let all: Vec<_> = lock(&KEPT).iter().filter_map(Weak::upgrade).collect();
    let mut found: Vec<ExplainedConnection> = Vec::new();
    for kept in all {
        let connections = lock(&kept.connections);
        let of = connections.iter().filter(|(number, _)| *number == signal);
        for (_, explained) in of {
            let id = explained.connection.id;
            if found.iter().all(|other| other.connection.id != id) {
                found.push(explained.clone());
            }
        }
    }
    found
}

impl Observer for KeepDisconnected {
    fn receiver_changed(
        &self,
        signal: &SignalInfo,
        receiver: &ObservedReceiver<'_>,
        change: ReceiverChange,
    ) {
        let mut connection = receiver.0.info();
        connection.live = false;
        let Some(reason) = reason(&connection, change) else {
            return;
        };
        let explained = ExplainedConnection {
            verdict: reason.into(),
            connection,
        };
        let mut connections = lock(&self.0.connections);
        connections.push_back((signal.number(), explained));
        if connections.len() > self.0.limit {
            connections.pop_front();
        }
    }
}

/// Returns the reason for which the receiver is not connected any more, or `None` if it is.
fn reason(connection: &ConnectionInfo, change: ReceiverChange) -> Option<NotRun> {
    match change {
        ReceiverChange::Connected => None,
        ReceiverChange::Disconnected => Some(NotRun::Disconnected),
        ReceiverChange::Died => Some(NotRun::TargetDied),
        ReceiverChange::UsedUp => Some(NotRun::UsedUp {
            max_calls: connection.max_calls.unwrap_or_default(),
        }),
    }
}

impl fmt::Debug for KeepDisconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepDisconnected")
            .field("limit", &self.0.limit)
            .field("kept", &lock(&self.0.connections).len())
            .finish()
    }
}
