//! Checks of the promises of a [`Transport`].
//!
//! ```no_run
//! use fanfare_outbox::transport::{DatabaseTransport, conformance};
//! # use fanfare_sea_orm::SignalConnection;
//! # use std::time::Duration;
//! # async fn checked(db: SignalConnection) {
//! let time = Duration::from_millis(500);
//! let connect = async || DatabaseTransport::new(&db, time).unwrap();
//! conformance::check(connect, time).await;
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use super::{Consumer, Fetched, Message, Transport, TransportError};

/// The time in which messages have to come.
const LONG: Duration = Duration::from_secs(10);

/// Checks the promises of a transport, one after the other. Each call of `connect` returns another
/// connection to the same carrier, as another process has one. `time` is the time of its receipts:
/// the checks wait for its end, so a second or less is useful.
///
/// The checks use their own events and consumers, so that several calls can run side by side, and
/// they leave their messages behind.
///
/// # Panics
///
/// Panics if a promise is broken, with the promise as the message.
pub async fn check<T: Transport>(connect: impl AsyncFn() -> T, time: Duration) {
    publishing(&connect().await).await;
    fetching(&connect().await, &connect().await).await;
    limits(&connect().await).await;
    order(&connect().await, &connect().await).await;
    acknowledging(&connect().await, time).await;
    times(&connect().await, &connect().await, time).await;
    delays(&connect().await, time).await;
    versions(&connect().await).await;
}

/// An event and consumers that no other check uses.
struct Names(String);

impl Names {
    fn new() -> Self {
        let random = RandomState::new().build_hasher().finish();
        Names(format!("conformance.{random:016x}"))
    }

    fn consumer(&self, name: &str) -> Consumer {
        Consumer::new(format!("{}.{name}", self.0), self.0.clone(), 1)
    }

    /// Returns a message with a number.
    fn message(&self, key: &str, number: u32) -> Message {
        Message {
            name: self.0.clone().into(),
            version: 1,
            sender: format!("name:{key}"),
            key: format!("event:{key}"),
            payload: number.to_string(),
            cause: None,
        }
    }
}

async fn publish<T: Transport>(transport: &T, batch: &[Message]) {
    for result in transport.publish(batch).await {
        if let Err(error) = result {
            panic!("a fit message is published: {error}");
        }
    }
}

async fn fetch<T: Transport>(
    transport: &T,
    consumer: &Consumer,
    limit: u32,
) -> Vec<Fetched<T::Receipt>> {
    match transport.fetch(consumer, limit).await {
        Ok(fetched) => fetched,
        Err(error) => panic!("a fetch succeeds: {error}"),
    }
}

/// Fetches until as many messages are there.
async fn fetch_all<T: Transport>(
    transport: &T,
    consumer: &Consumer,
    count: usize,
) -> Vec<Fetched<T::Receipt>> {
    fetch_late(transport, consumer, count, Duration::ZERO).await
}

/// Fetches until as many messages are there, which come after this time.
async fn fetch_late<T: Transport>(
    transport: &T,
    consumer: &Consumer,
    count: usize,
    time: Duration,
) -> Vec<Fetched<T::Receipt>> {
    let started = Instant::now();
    let mut all = Vec::new();
    while all.len() < count {
        let fetched = fetch(transport, consumer, 100).await;
        if fetched.is_empty() {
            assert!(
                started.elapsed() < LONG + time,
                "each message that is not acknowledged comes: {} of {count} came",
                all.len()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        all.extend(fetched);
    }
    all
}

async fn acknowledge<T: Transport>(transport: &T, fetched: &[Fetched<T::Receipt>]) {
    let receipts: Vec<_> = fetched.iter().map(|it| it.receipt.clone()).collect();
    let results = transport.acknowledge(&receipts).await;
    assert_eq!(
        results.len(),
        fetched.len(),
        "`acknowledge` returns a result for each message"
    );
    for result in results {
        if let Err(error) = result {
            panic!("a message whose receipt is not lost is acknowledged: {error}");
        }
    }
}

/// Acknowledges one message, and returns the result.
async fn acknowledge_one<T: Transport>(
    transport: &T,
    fetched: &Fetched<T::Receipt>,
) -> Result<(), TransportError> {
    let receipts = [fetched.receipt.clone()];
    let mut results = transport.acknowledge(&receipts).await;
    assert_eq!(
        results.len(),
        1,
        "`acknowledge` returns a result for each message"
    );
    results.swap_remove(0)
}

fn numbers<R>(fetched: &[Fetched<R>]) -> Vec<&str> {
    fetched.iter().map(|it| it.message.payload()).collect()
}

async fn publishing<T: Transport>(transport: &T) {
    let names = Names::new();
    let consumer = names.consumer("one");
    fetch(transport, &consumer, 1).await;
    assert!(
        transport.publish(&[]).await.is_empty(),
        "`publish` of no message returns no result"
    );
    let unfit = Message {
        key: format!("event:{}", "x".repeat(10_000)),
        ..names.message("unfit", 2)
    };
    let batch = [names.message("a", 1), unfit, names.message("b", 3)];
    let results = transport.publish(&batch).await;
    let are_published: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(
        are_published,
        [true, false, true],
        "`publish` returns a result for each message, in their order, and a message that is refused \
         keeps no other one back"
    );
    let fetched = fetch_all(transport, &consumer, 2).await;
    let came: BTreeSet<_> = fetched
        .iter()
        .map(|it| it.message.clone().payload)
        .collect();
    let expected = ["1", "3"].map(str::to_owned);
    assert_eq!(
        came,
        BTreeSet::from(expected),
        "a message that was refused is not stored"
    );
    acknowledge(transport, &fetched).await;
}

async fn fetching<T: Transport>(transport: &T, other: &T) {
    let names = Names::new();
    let consumers = ["one", "two"].map(|name| names.consumer(name));
    for consumer in &consumers {
        fetch(transport, consumer, 1).await;
    }
    let message = Message {
        cause: Some("{}".to_owned()),
        ..names.message("a", 1)
    };
    publish(transport, std::slice::from_ref(&message)).await;
    for consumer in &consumers {
        let fetched = fetch_all(other, consumer, 1).await;
        assert_eq!(
            fetched[0].message, message,
            "each consumer gets each message, with all its parts"
        );
        assert_eq!(fetched[0].attempt, 1, "the first attempt has the number 1");
        acknowledge(other, &fetched).await;
    }
}

async fn limits<T: Transport>(transport: &T) {
    let names = Names::new();
    let consumer = names.consumer("one");
    fetch(transport, &consumer, 1).await;
    let batch: Vec<_> = (0..5).map(|n| names.message(&format!("{n}"), n)).collect();
    publish(transport, &batch).await;
    assert!(
        fetch(transport, &consumer, 0).await.is_empty(),
        "a fetch returns at most `limit` messages"
    );
    let mut all = 0;
    let started = Instant::now();
    while all < 5 && started.elapsed() < LONG {
        let fetched = fetch(transport, &consumer, 2).await;
        assert!(
            fetched.len() <= 2,
            "a fetch returns at most `limit` messages, and returned {}",
            fetched.len()
        );
        all += fetched.len();
        acknowledge(transport, &fetched).await;
    }
    assert_eq!(all, 5, "each message comes, a limit at a time");
    // Delayed messages and new ones count together.
    publish(transport, &[names.message("delayed", 6)]).await;
    let delayed = fetch_all(transport, &consumer, 1).await;
    if let Err(error) = transport.delay(&delayed[0].receipt, Duration::ZERO).await {
        panic!("a message whose receipt is not lost is delayed: {error}");
    }
    publish(transport, &[names.message("new", 7)]).await;
    for _ in 0..2 {
        let fetched = fetch(transport, &consumer, 1).await;
        assert!(
            fetched.len() <= 1,
            "a fetch returns at most `limit` messages, and returned {}",
            fetched.len()
        );
        acknowledge(transport, &fetched).await;
    }
}

/// The messages of three keys, published in small batches over two connections.
async fn order<T: Transport>(transport: &T, other: &T) {
    let names = Names::new();
    let consumer = names.consumer("one");
    fetch(transport, &consumer, 1).await;
    for number in 0..10 {
        let batch = ["a", "b", "c"].map(|key| names.message(key, number));
        let publisher = if number % 2 == 0 { transport } else { other };
        publish(publisher, &batch).await;
    }
    let mut came: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let started = Instant::now();
    while came.values().map(Vec::len).sum::<usize>() < 30 && started.elapsed() < LONG {
        let fetched = fetch(transport, &consumer, 7).await;
        if fetched.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for it in &fetched {
            let number = it.message.payload().parse().unwrap_or(u32::MAX);
            let key = it.message.key().to_owned();
            came.entry(key).or_default().push(number);
        }
        acknowledge(transport, &fetched).await;
    }
    let expected: Vec<_> = (0..10).collect();
    for key in ["a", "b", "c"] {
        assert_eq!(
            came.get(&format!("event:{key}")),
            Some(&expected),
            "the messages of the key {key} come in the order in which they were published"
        );
    }
}

async fn acknowledging<T: Transport>(transport: &T, time: Duration) {
    let names = Names::new();
    let consumer = names.consumer("one");
    fetch(transport, &consumer, 1).await;
    publish(transport, &[names.message("a", 1), names.message("a", 2)]).await;
    let mut fetched = fetch_all(transport, &consumer, 1).await;
    if fetched.len() == 2 {
        let early = acknowledge_one(transport, &fetched[1]).await;
        assert!(
            matches!(early, Err(TransportError::TooEarly)),
            "a message is not acknowledged before an earlier one of its key: {early:?}"
        );
    } else {
        let second = fetch(transport, &consumer, 100).await;
        assert!(
            second.is_empty(),
            "no message comes while an earlier one of its key is out"
        );
        acknowledge(transport, &fetched).await;
        fetched = fetch_all(transport, &consumer, 1).await;
    }
    acknowledge(transport, &fetched).await;
    let again = acknowledge_one(transport, &fetched[0]).await;
    assert!(
        matches!(again, Err(TransportError::Lost)),
        "a message is acknowledged once: {again:?}"
    );
    tokio::time::sleep(time + time / 2).await;
    let fetched = fetch(transport, &consumer, 100).await;
    assert!(
        fetched.is_empty(),
        "a message that is acknowledged does not come again: {:?}",
        numbers(&fetched)
    );
}

async fn times<T: Transport>(transport: &T, other: &T, time: Duration) {
    let names = Names::new();
    let consumer = names.consumer("one");
    fetch(transport, &consumer, 1).await;
    publish(transport, &[names.message("a", 1)]).await;
    let fetched = fetch_all(transport, &consumer, 1).await;
    publish(transport, &[names.message("a", 2)]).await;
    for connection in [transport, other] {
        let early = fetch(connection, &consumer, 100).await;
        assert!(
            early.is_empty(),
            "neither a message that is out nor a later one of its key comes: {:?}",
            numbers(&early)
        );
    }
    tokio::time::sleep(time + time / 2).await;
    // A lease may last longer than the receipt.
    let again = fetch_late(other, &consumer, 1, time).await;
    assert_eq!(
        numbers(&again)[0],
        "1",
        "a message that was not acknowledged comes again after its time, before later ones of its key"
    );
    let acknowledged = acknowledge_one(transport, &fetched[0]).await;
    let delayed = transport.delay(&fetched[0].receipt, time).await;
    for late in [acknowledged, delayed] {
        assert!(
            matches!(late, Err(TransportError::Lost)),
            "a receipt whose time is over is lost: {late:?}"
        );
    }
    // The same connection gets it again, too.
    tokio::time::sleep(time + time / 2).await;
    let again = fetch_late(other, &consumer, 1, time).await;
    assert_eq!(
        numbers(&again)[0],
        "1",
        "a message that was not acknowledged comes again after its time, before later ones of its key"
    );
    acknowledge(other, &again).await;
    if again.len() == 1 {
        let second = fetch_all(other, &consumer, 1).await;
        assert_eq!(numbers(&second), ["2"], "each message comes");
        acknowledge(other, &second).await;
    }
}

async fn delays<T: Transport>(transport: &T, time: Duration) {
    let names = Names::new();
    let consumer = names.consumer("one");
    fetch(transport, &consumer, 1).await;
    publish(transport, &[names.message("a", 1), names.message("a", 2)]).await;
    let fetched = fetch_all(transport, &consumer, 1).await;
    // Longer than it takes to publish and fetch another one.
    let time = time * 2;
    let delayed = Instant::now();
    if let Err(error) = transport.delay(&fetched[0].receipt, time).await {
        panic!("a message whose receipt is not lost is delayed: {error}");
    }
    for it in &fetched {
        let lost = acknowledge_one(transport, it).await;
        assert!(
            matches!(lost, Err(TransportError::Lost)),
            "the receipts of a delayed message and of later ones of its key are lost: {lost:?}"
        );
    }
    publish(transport, &[names.message("b", 3)]).await;
    let beside = fetch_all(transport, &consumer, 1).await;
    assert_eq!(
        numbers(&beside),
        ["3"],
        "a delayed message holds up the later ones of its key, and no other key"
    );
    acknowledge(transport, &beside).await;
    let (mut came, mut attempt) = (Vec::new(), None);
    while came.len() < 2 {
        for it in fetch_late(transport, &consumer, 1, time).await {
            if it.message.payload() == "1" {
                attempt = Some(it.attempt);
                assert!(
                    delayed.elapsed() >= time,
                    "a delayed message comes after its time: it came after {:?}",
                    delayed.elapsed()
                );
            }
            came.push(it.message.payload().to_owned());
            acknowledge(transport, &[it]).await;
        }
    }
    assert_eq!(
        came,
        ["1", "2"],
        "a delayed message comes before the later ones of its key"
    );
    assert_eq!(attempt, Some(2), "a delay is an attempt");
}

async fn versions<T: Transport>(transport: &T) {
    let names = Names::new();
    let consumer = names.consumer("one");
    fetch(transport, &consumer, 1).await;
    let newer = Message {
        version: 2,
        ..names.message("a", 1)
    };
    publish(transport, &[newer, names.message("b", 2)]).await;
    let fetched = fetch_all(transport, &consumer, 1).await;
    assert_eq!(
        numbers(&fetched),
        ["2"],
        "a message of a newer version does not come to an older consumer"
    );
    acknowledge(transport, &fetched).await;
    let newer = Consumer::new(consumer.name(), consumer.event(), 2);
    let fetched = fetch_all(transport, &newer, 1).await;
    assert_eq!(
        numbers(&fetched),
        ["1"],
        "a message of a newer version stays for a newer consumer"
    );
    acknowledge(transport, &fetched).await;
}
