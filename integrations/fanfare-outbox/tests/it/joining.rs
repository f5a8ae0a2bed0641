//! Receivers that become known when many events wait for another one.

use std::sync::Arc;

use fanfare::Signal;
use fanfare_outbox::{Durable, DurableReceiver, Outbox, SendDurable, Settings, Start};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{TransactionSession, TransactionTrait};
use tokio::sync::Notify;

use crate::common::{LONG, Log, event, named, on_each_plain, start};

event!(Many, "joining.Many", MANY);

/// More than two batches.
const COUNT: u64 = 1_200;
const KEYS: u64 = 7;

type Seen = Log<(String, u64)>;

fn connect(signal: &'static Signal<Many>, name: &str, start: Start) -> (DurableReceiver, Seen) {
    let log = Log::new();
    let seen = log.clone();
    let receiver = signal.durable(name).start(start);
    let receiver = receiver.connect_async(move |sender, event| {
        seen.push((sender.to_string(), event.0));
        Box::pin(async { Ok::<_, String>(()) })
    });
    (receiver.unwrap(), log)
}

async fn send(db: &SignalConnection, numbers: std::ops::Range<u64>) {
    let transaction = db.begin().await.unwrap();
    for number in numbers {
        let sent = transaction
            .send_durable(&MANY, number % KEYS, &Many(number))
            .await;
        sent.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Checks that each number came once, and those of a key in order.
fn assert_all(log: &Seen, numbers: std::ops::Range<u64>) {
    let mut seen = log.take();
    let by_key = |entry: &(String, u64)| entry.0.clone();
    // Stable, so that the order of each key stays.
    seen.sort_by_key(by_key);
    let mut expected: Vec<_> = numbers
        .map(|number| (format!("key {}", number % KEYS), number))
        .collect();
    expected.sort_by_key(by_key);
    assert_eq!(seen, expected);
}

/// The waiting events are handed out in batches. The process ends after the first one, and another
/// process goes on.
#[tokio::test]
async fn many_events_are_handed_out_in_batches_before_another_receiver_becomes_known() {
    on_each_plain(async |mut db| {
        let (first, of_first) = connect(&MANY, "joining.first", Start::Now);
        let batches = Log::new();
        let (counted, handed_out) = (batches.clone(), Arc::new(Notify::new()));
        let notify = Arc::clone(&handed_out);
        db.set_metric_callback(move |info| {
            if info.statement.sql.contains("SET state = 1") {
                counted.push(());
                notify.notify_one();
            }
        });
        let db = named(db);
        start(&db).await.shutdown().await;
        send(&db, 0..COUNT).await;
        assert_eq!(batches.len(), 0);

        let (second, of_second) = connect(&MANY, "joining.second", Start::Now);
        let (third, of_third) = connect(&MANY, "joining.third", Start::Oldest);
        let started = tokio::spawn({
            let db = db.clone();
            async move { Outbox::start(&db, Settings::default()).await }
        });
        handed_out.notified().await;
        started.abort();
        // It has ended, unless it was done before.
        if let Ok(outbox) = started.await {
            outbox.unwrap().shutdown().await;
        }
        let outbox = start(&db).await;
        assert!(batches.take().len() > 2, "each batch is a statement");
        send(&db, COUNT..COUNT + 10).await;
        outbox.settle(LONG).await.unwrap();
        assert_all(&of_first, 0..COUNT + 10);
        assert_all(&of_second, COUNT..COUNT + 10);
        assert_all(&of_third, 0..COUNT + 10);
        outbox.shutdown().await;
        for receiver in [first, second, third] {
            receiver.disconnect();
        }
    })
    .await;
}
