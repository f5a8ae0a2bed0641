//! The conformance suite of transports: the database and a transport in memory pass it, and each
//! transport with a fault fails it.

#[path = "../common/mod.rs"]
mod common;
mod memory;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::Sender;
use fanfare_outbox::transport::{
    Consumer, DatabaseTransport, Message, ReadError, Transport, TransportError, conformance,
};
use fanfare_outbox::{Durable, DurableEvent, SendDurable};
use futures_util::FutureExt;
use futures_util::future::join_all;
use sea_orm::{ConnectOptions, ConnectionTrait, DbBackend};

use common::{
    LONG, Log, event, is_full, named, on_each_database, on_each_shared, start, until, with_tables,
};
use memory::{Fault, Memory};

/// The time of receipts.
const TIME: Duration = Duration::from_millis(400);

/// Checks a transport in memory.
async fn check_memory(fault: Option<Fault>) {
    let carrier = Memory::new(TIME, fault);
    conformance::check(async || carrier.clone(), TIME).await;
}

#[tokio::test]
async fn a_transport_in_memory_conforms() {
    check_memory(None).await;
}

/// Some runs side by side, over two pools. A run fails if the machine takes longer for a step than
/// the time of a receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_conforms() {
    let (runs, seconds) = if is_full() { (20, 10) } else { (5, 4) };
    let time = Duration::from_secs(seconds);
    on_each_shared(async |options: ConnectOptions| {
        let pools = [
            named(with_tables(common::with_wal(options.clone())).await),
            named(with_tables(common::with_wal(options)).await),
        ];
        let runs = (0..runs).map(async |_| {
            let connections = AtomicUsize::new(0);
            let connect = async || {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                DatabaseTransport::new(&pools[number % 2], time).unwrap()
            };
            conformance::check(connect, time).await;
        });
        join_all(runs).await;
    })
    .await;
}

/// Each fault, and a part of the promise that it breaks.
const FAULTS: [(Fault, &str); 19] = [
    (Fault::RefusesTheWholeBatch, "keeps no other one back"),
    (Fault::StoresWhatItRefuses, "that was refused is not stored"),
    (Fault::HasOneConsumer, "that is not acknowledged comes"),
    (Fault::LosesTheCause, "with all its parts"),
    (Fault::IgnoresTheLimit, "at most `limit` messages"),
    (Fault::ReversesTheOrder, "come in the order"),
    (Fault::GivesKeysTwice, "nor a later one of its key comes"),
    (
        Fault::AcknowledgesTooEarly,
        "not acknowledged before an earlier one",
    ),
    (Fault::AcknowledgesTwice, "acknowledged once"),
    (Fault::ForgetsAcknowledgements, "a limit at a time"),
    (Fault::NeverGivesAgain, "that is not acknowledged comes"),
    (Fault::TakesOldReceipts, "whose time is over is lost"),
    (Fault::DelaysByNothing, "no other key"),
    (Fault::DelaysOtherKeys, "no other key"),
    (Fault::LetsLaterOnesPass, "no other key"),
    (
        Fault::KeepsReceiptsOfDelayed,
        "of later ones of its key are lost",
    ),
    (Fault::CountsNoAttempt, "a delay is an attempt"),
    (
        Fault::GivesNewVersions,
        "does not come to an older consumer",
    ),
    (Fault::DropsNewVersions, "that is not acknowledged comes"),
];

#[tokio::test]
async fn each_fault_of_a_transport_is_found() {
    let runs = FAULTS.map(async |(fault, promise)| {
        let run = AssertUnwindSafe(check_memory(Some(fault))).catch_unwind();
        let Err(panic) = run.await else {
            return Some(format!("{fault:?} was not found"));
        };
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        let text = text.unwrap_or_default();
        (!text.contains(promise)).then(|| format!("{fault:?} was found by: {text}"))
    });
    let missed: Vec<_> = join_all(runs).await.into_iter().flatten().collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

event!(Bridged, "transport.Bridged", BRIDGED);

/// The bridge of the docs: a durable receiver that publishes.
#[tokio::test]
async fn a_durable_receiver_is_a_bridge_to_a_transport() {
    let there = Memory::new(LONG, None);
    let consumer = Consumer::of::<Bridged>("transport.consumer");
    there.fetch(&consumer, 1).await.unwrap();
    let receiver = BRIDGED.durable("transport.bridge");
    let receiver = receiver.connect_async({
        let there = there.clone();
        move |sender, event| {
            let (message, there) = (Message::new(sender, &**event), there.clone());
            Box::pin(async move {
                let message = message.map_err(|error| error.to_string())?;
                let published = there.publish(&[message]).await;
                let mut published = published.into_iter();
                published.try_for_each(|it| it.map_err(|error| error.to_string()))
            })
        }
    });
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in 0..3 {
            let event = Bridged(number);
            db.send_durable(&BRIDGED, "till", &event).await.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        let fetched = there.fetch(&consumer, 10).await.unwrap();
        for (number, it) in (0..3).zip(&fetched) {
            assert_eq!(it.message.sender(), Sender::named("till"));
            assert_eq!(it.message.read::<Bridged>(), Ok(Bridged(number)));
            there
                .acknowledge(std::slice::from_ref(&it.receipt))
                .await
                .pop()
                .unwrap()
                .unwrap();
        }
        assert_eq!(fetched.len(), 3);
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Published, "transport.Published", PUBLISHED);

/// An event that no signal of this program has.
#[derive(Debug, PartialEq, fanfare::Event, serde::Serialize, serde::Deserialize)]
struct Other(u64);

impl DurableEvent for Other {
    const NAME: &'static str = "transport.Other";
}

#[tokio::test]
async fn a_published_message_is_an_event_of_the_database() {
    let log = Log::new();
    let receiver = PUBLISHED.durable("transport.published");
    let receiver = receiver.connect_async({
        let log = log.clone();
        move |sender, event| {
            log.push((sender.to_string(), event.0));
            Box::pin(async { Ok::<_, String>(()) })
        }
    });
    on_each_database(async |db| {
        let transport = DatabaseTransport::new(&db, LONG).unwrap();
        let outbox = start(&db).await;
        let message = Message::new(7_u64, &Published(1)).unwrap();
        for result in transport.publish(&[message]).await {
            result.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [("key 7".to_owned(), 1)]);
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

#[tokio::test]
async fn a_consumer_keeps_its_event() {
    on_each_database(async |db| {
        let transport = DatabaseTransport::new(&db, LONG).unwrap();
        let consumer = Consumer::of::<Published>("transport.kept");
        assert_eq!(
            (consumer.name(), consumer.event()),
            ("transport.kept", Published::NAME)
        );
        transport.fetch(&consumer, 1).await.unwrap();
        let other = Consumer::of::<Other>("transport.kept");
        for transport in [transport, DatabaseTransport::new(&db, LONG).unwrap()] {
            let refused = transport.fetch(&other, 1).await.map(|_| ()).unwrap_err();
            let TransportError::OtherEvent { known, .. } = &refused else {
                panic!("{refused}");
            };
            assert_eq!(known, Published::NAME);
        }
    })
    .await;
}

#[tokio::test]
async fn a_closed_transport_gives_its_messages_back() {
    on_each_database(async |db| {
        let transports = [(); 2].map(|()| DatabaseTransport::new(&db, LONG).unwrap());
        let consumer = Consumer::of::<Other>("transport.closed");
        let message = Message::new("till", &Other(1)).unwrap();
        for result in transports[0].publish(&[message]).await {
            result.unwrap();
        }
        let fetched = transports[0].fetch(&consumer, 1).await.unwrap();
        assert!(transports[1].fetch(&consumer, 1).await.unwrap().is_empty());
        transports[0].close().await.unwrap();
        let again = transports[1].fetch(&consumer, 1).await.unwrap();
        assert_eq!(again[0].message, fetched[0].message);
        let lost = transports[0]
            .acknowledge(&[fetched[0].receipt.clone()])
            .await;
        assert!(matches!(lost[..], [Err(TransportError::Lost)]), "{lost:?}");
        transports[1]
            .acknowledge(&[again[0].receipt.clone()])
            .await
            .pop()
            .unwrap()
            .unwrap();
    })
    .await;
}

/// Publishes events of one key, and expects that all are published.
async fn publish(transport: &DatabaseTransport, numbers: &[u64]) {
    let messages = numbers
        .iter()
        .map(|number| Message::new("till", &Other(*number)).unwrap());
    let messages: Vec<_> = messages.collect();
    for result in transport.publish(&messages).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_refused_message_holds_back_the_later_ones_of_its_key() {
    on_each_database(async |db| {
        let refuse = match db.get_database_backend() {
            DbBackend::Postgres => {
                "ALTER TABLE fanfare_outbox_event ADD CONSTRAINT no CHECK (payload <> '2')"
            }
            _ => {
                "CREATE TRIGGER no BEFORE INSERT ON fanfare_outbox_event WHEN NEW.payload = '2' \
                 BEGIN SELECT RAISE(ABORT, 'no'); END"
            }
        };
        db.execute_unprepared(refuse).await.unwrap();
        let transport = DatabaseTransport::new(&db, LONG).unwrap();
        let of = |sender: &str, number| Message::new(sender, &Other(number)).unwrap();
        let batch = [of("a", 1), of("a", 2), of("a", 3), of("b", 4)];
        let results = transport.publish(&batch).await;
        let are_published: Vec<_> = results.iter().map(Result::is_ok).collect();
        assert_eq!(are_published, [true, false, false, true]);
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_was_removed_comes_again() {
    on_each_database(async |db| {
        let transport = DatabaseTransport::new(&db, LONG).unwrap();
        let consumer = Consumer::of::<Other>("transport.removed");
        transport.fetch(&consumer, 1).await.unwrap();
        let outbox = start(&db).await;
        assert!(outbox.remove("transport.removed").await.unwrap());
        outbox.shutdown().await;
        publish(&transport, &[1]).await;
        until("it comes again", async || {
            let fetched = transport.fetch(&consumer, 1).await.unwrap();
            fetched.len() == 1
        })
        .await;
    })
    .await;
}

/// An event that a person has deleted leaves its deliveries behind.
#[tokio::test]
async fn deliveries_without_an_event_stop_no_consumer() {
    on_each_database(async |db| {
        let transport = DatabaseTransport::new(&db, LONG).unwrap();
        let consumers = ["one", "two"].map(Consumer::of::<Other>);
        for consumer in &consumers {
            transport.fetch(consumer, 1).await.unwrap();
        }
        publish(&transport, &[1, 2]).await;
        // It hands the events out.
        transport.fetch(&consumers[1], 1).await.unwrap();
        db.execute_unprepared("DELETE FROM fanfare_outbox_event WHERE payload = '1'")
            .await
            .unwrap();
        until("the other event comes", async || {
            let fetched = transport.fetch(&consumers[0], 1).await.unwrap();
            fetched.iter().any(|it| it.message.payload() == "2")
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_receipt_is_of_one_transport() {
    on_each_database(async |db| {
        let transports = [(); 2].map(|()| DatabaseTransport::new(&db, LONG).unwrap());
        let consumer = Consumer::of::<Other>("transport.receipts");
        publish(&transports[0], &[1]).await;
        let fetched = transports[0].fetch(&consumer, 1).await.unwrap();
        transports[0].close().await.unwrap();
        transports[1].fetch(&consumer, 1).await.unwrap();
        let receipts = [fetched[0].receipt.clone()];
        let lost = transports[1].acknowledge(&receipts).await;
        assert!(matches!(lost[..], [Err(TransportError::Lost)]), "{lost:?}");
    })
    .await;
}

/// Otherwise a consumer that always fetches before it acknowledges would keep the newer one out.
#[tokio::test]
async fn a_consumer_makes_way_for_a_newer_version() {
    on_each_database(async |db| {
        let transport = DatabaseTransport::new(&db, LONG).unwrap();
        let consumer = Consumer::of::<Other>("transport.older");
        publish(&transport, &[1]).await;
        let first = transport.fetch(&consumer, 1).await.unwrap();
        assert_eq!(first.len(), 1);
        let newer = Message::new("newer", &Other(2)).unwrap();
        let mut newer = serde_json::to_value(newer).unwrap();
        newer["version"] = 2.into();
        let newer: Message = serde_json::from_value(newer).unwrap();
        let later = Message::new("later", &Other(3)).unwrap();
        for message in [newer, later] {
            transport.publish(&[message]).await.pop().unwrap().unwrap();
            let fetched = transport.fetch(&consumer, 1).await.unwrap();
            assert!(fetched.is_empty(), "{fetched:?}");
        }
        let receipts = [first[0].receipt.clone()];
        transport
            .acknowledge(&receipts)
            .await
            .pop()
            .unwrap()
            .unwrap();
        let other = DatabaseTransport::new(&db, LONG).unwrap();
        let newer = Consumer::new(consumer.name(), consumer.event(), 2);
        let fetched = other.fetch(&newer, 2).await.unwrap();
        assert_eq!(fetched.len(), 2);
    })
    .await;
}

#[test]
fn a_message_of_another_program_is_checked_with_its_prefix() {
    let message = Message::new("till", &Published(1)).unwrap();
    message.check().unwrap();
    let with = |field: &str, text: String| {
        let mut fields = serde_json::to_value(&message).unwrap();
        fields[field] = text.into();
        let message: Message = serde_json::from_value(fields).unwrap();
        message.check()
    };
    with("key", format!("event:{}", "x".repeat(1_000))).unwrap();
    with("key", format!("{}:k", "x".repeat(1_000))).unwrap_err();
    with("sender", "a\0b:c".to_owned()).unwrap_err();
}

#[test]
fn a_message_is_read_as_its_own_event_only() {
    let message = Message::new(Sender::NONE, &Published(1)).unwrap();
    assert_eq!(message.read::<Published>(), Ok(Published(1)));
    let error = message.read::<Other>().unwrap_err();
    assert!(matches!(error, ReadError::OtherEvent { .. }), "{error}");
    let text = serde_json::to_string(&message)
        .unwrap()
        .replace("\"1\"", "\"x\"");
    let message: Message = serde_json::from_str(&text).unwrap();
    let error = message.read::<Published>().unwrap_err();
    assert!(matches!(error, ReadError::Payload(_)), "{error}");
}
