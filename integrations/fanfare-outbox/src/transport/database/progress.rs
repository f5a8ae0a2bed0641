//! The progress of one consumer.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::delivery::Delivery;
use crate::store::lease::Lease;
use crate::transport::TransportError;

/// A consumer of this transport.
#[derive(Default)]
pub(super) struct Progress {
    /// The name of the event for which the database knows the consumer, if it does.
    pub(super) event: Option<String>,
    /// The lease, while messages are out.
    pub(super) taken: Option<Taken>,
}

/// A lease, and the messages that are out.
pub(super) struct Taken {
    pub(super) lease: Lease,
    pub(super) out: Messages,
}

/// The messages that are out, by their keys.
#[derive(Clone, Default)]
pub(super) struct Messages(HashMap<String, OfKey>);

#[derive(Clone)]
struct OfKey {
    fetch: u64,
    until: Instant,
    /// The ids in their order.
    ids: VecDeque<i64>,
}

/// The receipt of a message that was fetched from a
/// [`DatabaseTransport`](super::DatabaseTransport).
#[derive(Clone, Debug)]
pub struct DatabaseReceipt {
    pub(super) consumer: String,
    /// The token of the lease.
    pub(super) token: i64,
    /// The number of the fetch.
    pub(super) fetch: u64,
    pub(super) attempt: u32,
    pub(super) delivery: Delivery,
}

impl Taken {
    /// Takes a message back from `out`, those that are out after earlier ones were taken back.
    /// Returns an error if the receipt is lost, or if it is not the first one of its key.
    pub(super) fn take_back(
        &self,
        out: &mut Messages,
        receipt: &DatabaseReceipt,
    ) -> Result<(), TransportError> {
        let (key, id) = (&receipt.delivery.key, receipt.delivery.id);
        let of_key = out.0.get_mut(key).filter(|of_key| {
            receipt.token == self.lease.token
                && receipt.fetch == of_key.fetch
                && Instant::now() < of_key.until
                && of_key.ids.contains(&id)
        });
        let of_key = of_key.ok_or(TransportError::Lost)?;
        if of_key.ids.front() != Some(&id) {
            return Err(TransportError::TooEarly);
        }
        of_key.ids.pop_front();
        if of_key.ids.is_empty() {
            out.0.remove(key);
        }
        Ok(())
    }
}

impl Messages {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(super) fn add(&mut self, delivery: &Delivery, fetch: u64, until: Instant) {
        let of_key = self.0.entry(delivery.key.clone());
        let of_key = of_key.or_insert_with(|| OfKey {
            fetch,
            until,
            ids: VecDeque::new(),
        });
        of_key.ids.push_back(delivery.id);
    }

    /// Takes all messages of a key back.
    pub(super) fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Takes the messages back whose time is over.
    pub(super) fn remove_late(&mut self) {
        let now = Instant::now();
        self.0.retain(|_, of_key| now < of_key.until);
    }
}
