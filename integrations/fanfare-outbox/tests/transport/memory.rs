//! A transport in memory, and ones that each break a promise.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fanfare_outbox::transport::{
    Consumer, Fetched, Message, PublishError, Transport, TransportError,
};

/// The way in which a transport breaks a promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    RefusesTheWholeBatch,
    StoresWhatItRefuses,
    HasOneConsumer,
    LosesTheCause,
    IgnoresTheLimit,
    ReversesTheOrder,
    GivesKeysTwice,
    AcknowledgesTooEarly,
    AcknowledgesTwice,
    ForgetsAcknowledgements,
    NeverGivesAgain,
    TakesOldReceipts,
    DelaysByNothing,
    DelaysOtherKeys,
    LetsLaterOnesPass,
    KeepsReceiptsOfDelayed,
    CountsNoAttempt,
    GivesNewVersions,
    DropsNewVersions,
}

#[derive(Default)]
struct Carrier {
    messages: Vec<Message>,
    consumers: HashMap<String, Progress>,
    /// The number of fetches.
    fetches: u64,
}

/// The progress of a consumer. Messages are known by their places.
#[derive(Default)]
struct Progress {
    first: usize,
    done: BTreeSet<usize>,
    out: HashMap<String, Out>,
    delayed: BTreeMap<usize, Instant>,
    delays: HashMap<usize, u32>,
}

struct Out {
    fetch: u64,
    until: Instant,
    places: Vec<usize>,
}

#[derive(Clone)]
pub(crate) struct Memory {
    carrier: Arc<Mutex<Carrier>>,
    time: Duration,
    fault: Option<Fault>,
}

#[derive(Clone)]
pub(crate) struct Receipt {
    consumer: String,
    key: String,
    fetch: u64,
    place: usize,
}

impl Memory {
    pub(crate) fn new(time: Duration, fault: Option<Fault>) -> Self {
        Memory {
            carrier: Arc::default(),
            time,
            fault,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Returns an error if the receipt is lost, or too early.
    fn check(&self, progress: &Progress, receipt: &Receipt) -> Result<(), TransportError> {
        if progress.done.contains(&receipt.place) {
            let is_lost = !self.has(Fault::AcknowledgesTwice);
            return if is_lost {
                Err(TransportError::Lost)
            } else {
                Ok(())
            };
        }
        let out = progress.out.get(&receipt.key);
        let is_valid = |out: &&Out| {
            let is_of_fetch = out.fetch == receipt.fetch && Instant::now() < out.until;
            is_of_fetch || self.has(Fault::TakesOldReceipts)
        };
        let out = out.filter(is_valid).ok_or(TransportError::Lost)?;
        match out.places.first() {
            Some(first) if *first == receipt.place => Ok(()),
            Some(_) if self.has(Fault::AcknowledgesTooEarly) => Ok(()),
            Some(_) if out.places.contains(&receipt.place) => Err(TransportError::TooEarly),
            _ => Err(TransportError::Lost),
        }
    }
}

impl Transport for Memory {
    type Receipt = Receipt;

    async fn publish(&self, batch: &[Message]) -> Vec<Result<(), PublishError>> {
        let checked = batch.iter().map(Message::check);
        let checked: Result<(), _> = checked.collect();
        let mut carrier = self.carrier.lock().unwrap();
        if let (Err(unfit), true) = (checked, self.has(Fault::RefusesTheWholeBatch)) {
            return vec![Err(PublishError::Unfit(unfit)); batch.len()];
        }
        let results = batch.iter().map(|message| {
            let checked = message.check();
            if checked.is_ok() || self.has(Fault::StoresWhatItRefuses) {
                carrier.messages.push(message.clone());
            }
            checked.map_err(PublishError::Unfit)
        });
        results.collect()
    }

    async fn fetch(
        &self,
        consumer: &Consumer,
        limit: u32,
    ) -> Result<Vec<Fetched<Receipt>>, TransportError> {
        let mut carrier = self.carrier.lock().unwrap();
        carrier.fetches += 1;
        let Carrier {
            messages,
            consumers,
            fetches,
        } = &mut *carrier;
        let first = messages.len();
        let progress = consumers.entry(consumer.name().to_owned());
        let progress = progress.or_insert_with(|| Progress {
            first,
            ..Progress::default()
        });
        let now = Instant::now();
        if !self.has(Fault::NeverGivesAgain) {
            progress.out.retain(|_, out| now < out.until);
        }
        let mut blocked = BTreeSet::new();
        let mut fetched = Vec::new();
        for (place, message) in messages.iter().enumerate().skip(progress.first) {
            let key = message.key().to_owned();
            if message.name() != consumer.event() || progress.done.contains(&place) {
                continue;
            }
            if self.has(Fault::HasOneConsumer) && consumer.name().ends_with("two") {
                continue;
            }
            let is_out = progress.out.get(&key);
            let is_out = is_out.is_some_and(|out| out.fetch != *fetches);
            let is_delayed = progress
                .delayed
                .get(&place)
                .is_some_and(|until| now < *until);
            let is_new = message.version() > consumer.version();
            if is_new && self.has(Fault::DropsNewVersions) {
                progress.done.insert(place);
                continue;
            }
            if is_out && !self.has(Fault::GivesKeysTwice) || blocked.contains(&key) {
                continue;
            }
            if is_delayed && self.has(Fault::DelaysOtherKeys) {
                break;
            }
            if is_delayed || is_new && !self.has(Fault::GivesNewVersions) {
                if !self.has(Fault::LetsLaterOnesPass) {
                    blocked.insert(key);
                }
                continue;
            }
            if fetched.len() == limit as usize && !self.has(Fault::IgnoresTheLimit) {
                break;
            }
            let until = now + self.time;
            let out = progress.out.entry(key.clone()).or_insert_with(|| Out {
                fetch: *fetches,
                until,
                places: Vec::new(),
            });
            out.places.push(place);
            let mut message = message.clone();
            if self.has(Fault::LosesTheCause) {
                let mut fields = serde_json::to_value(&message).unwrap();
                fields.as_object_mut().unwrap().remove("cause");
                message = serde_json::from_value(fields).unwrap();
            }
            let delays = progress.delays.get(&place).copied().unwrap_or(0);
            fetched.push(Fetched {
                message,
                attempt: 1 + if self.has(Fault::CountsNoAttempt) {
                    0
                } else {
                    delays
                },
                receipt: Receipt {
                    consumer: consumer.name().to_owned(),
                    key,
                    fetch: *fetches,
                    place,
                },
            });
        }
        if self.has(Fault::ReversesTheOrder) {
            fetched.reverse();
            progress.out.values_mut().for_each(|out| {
                if out.fetch == *fetches {
                    out.places.reverse();
                }
            });
        }
        Ok(fetched)
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Vec<Result<(), TransportError>> {
        let mut carrier = self.carrier.lock().unwrap();
        let results = receipts.iter().map(|receipt| {
            let progress = carrier.consumers.get_mut(&receipt.consumer);
            let progress = progress.ok_or(TransportError::Lost)?;
            self.check(progress, receipt)?;
            if !self.has(Fault::ForgetsAcknowledgements) {
                progress.done.insert(receipt.place);
            }
            if let Some(out) = progress.out.get_mut(&receipt.key) {
                out.places.retain(|place| *place != receipt.place);
                if out.places.is_empty() {
                    progress.out.remove(&receipt.key);
                }
            }
            Ok(())
        });
        results.collect()
    }

    async fn delay(&self, receipt: &Receipt, time: Duration) -> Result<(), TransportError> {
        let mut carrier = self.carrier.lock().unwrap();
        let progress = carrier.consumers.get_mut(&receipt.consumer);
        let progress = progress.ok_or(TransportError::Lost)?;
        self.check(progress, receipt)?;
        let time = if self.has(Fault::DelaysByNothing) {
            Duration::ZERO
        } else {
            time
        };
        progress
            .delayed
            .insert(receipt.place, Instant::now() + time);
        *progress.delays.entry(receipt.place).or_default() += 1;
        if !self.has(Fault::KeepsReceiptsOfDelayed) {
            progress.out.remove(&receipt.key);
        }
        Ok(())
    }
}
