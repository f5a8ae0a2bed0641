//! Events of one receiver are read without deliveries, until something comes in between.

use std::sync::Arc;
use std::time::Duration;

use fanfare_outbox::{Durable, SendDurable, Start};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectionTrait, Statement, TransactionSession, TransactionTrait};
use tokio::sync::Semaphore;

use crate::common::{LONG, Log, event, on_each_database, start, until};

/// Returns the number that a query has.
async fn number(db: &SignalConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

const DELIVERIES: &str = "SELECT count(*) FROM fanfare_outbox_delivery";

event!(Together, "direct.Together", TOGETHER);

#[tokio::test]
async fn receivers_that_start_together_get_the_events_that_were_there_before() {
    on_each_database(async |db| {
        for number in [1, 2] {
            let sent = db.send_durable(&TOGETHER, "till", &Together(number)).await;
            sent.unwrap();
        }
        let logs = ["direct.together.1", "direct.together.2"].map(|name| {
            let log = Log::new();
            let seen = log.clone();
            let receiver = TOGETHER.durable(name);
            let receiver = receiver.connect_async(move |_sender, event| {
                seen.push(event.0);
                Box::pin(async { Ok::<_, String>(()) })
            });
            (receiver.unwrap(), log)
        });
        let outbox = start(&db).await;
        outbox.settle(LONG).await.unwrap();
        for (receiver, log) in logs {
            assert_eq!(log.take(), [1, 2], "{}", receiver.name());
            receiver.disconnect();
        }
        outbox.shutdown().await;
    })
    .await;
}

event!(Joined, "direct.Joined", JOINED);

/// The first receiver has read an event without a delivery when the other one becomes known.
#[tokio::test]
async fn a_receiver_that_joins_changes_nothing_for_the_event_that_runs() {
    for (start_of_other, owed) in [(Start::Now, vec![3]), (Start::Oldest, vec![1, 2, 3])] {
        on_each_database(async |db| {
            let (log, others) = (Log::new(), Log::new());
            let gate = Arc::new(Semaphore::new(0));
            let (seen, wait) = (log.clone(), Arc::clone(&gate));
            let first = JOINED.durable("direct.joined.first");
            let first = first.connect_async(move |_sender, event| {
                let (wait, number) = (Arc::clone(&wait), event.0);
                seen.push(number);
                Box::pin(async move {
                    wait.acquire().await.unwrap().forget();
                    Ok::<_, String>(())
                })
            });
            let outbox = start(&db).await;
            for number in [1, 2] {
                let sent = db.send_durable(&JOINED, "till", &Joined(number)).await;
                sent.unwrap();
            }
            until("the first event runs", async || log.len() == 1).await;
            assert_eq!(number(&db, DELIVERIES).await, 0);
            let seen = others.clone();
            let other = JOINED.durable("direct.joined.other").start(start_of_other);
            let other = other.connect_async(move |_sender, event| {
                seen.push(event.0);
                Box::pin(async { Ok::<_, String>(()) })
            });
            until("it is known", async || {
                let status = outbox.status().await.unwrap();
                status.receiver("direct.joined.other").is_some()
            })
            .await;
            gate.add_permits(3);
            db.send_durable(&JOINED, "till", &Joined(3)).await.unwrap();
            outbox.settle(LONG).await.unwrap();
            assert_eq!(log.take(), [1, 2, 3]);
            assert_eq!(others.take(), owed);
            until("the events are gone", async || {
                number(&db, "SELECT count(*) FROM fanfare_outbox_event").await == 0
            })
            .await;
            outbox.shutdown().await;
            for receiver in [first, other] {
                receiver.unwrap().disconnect();
            }
        })
        .await;
    }
}

event!(Raced, "direct.Raced", RACED);

/// A receiver that becomes known between the read of an event and its hand-out.
#[tokio::test]
async fn an_event_that_runs_is_kept_for_a_receiver_that_was_not_there_when_it_was_read() {
    let log = Log::new();
    let gate = Arc::new(Semaphore::new(0));
    let (seen, wait) = (log.clone(), Arc::clone(&gate));
    let receiver = RACED.durable("direct.raced");
    let receiver = receiver.connect_async(move |_sender, event| {
        let wait = Arc::clone(&wait);
        seen.push(event.0);
        Box::pin(async move {
            wait.acquire().await.unwrap().forget();
            Ok::<_, String>(())
        })
    });
    on_each_database(async |db| {
        let outbox = start(&db).await;
        db.send_durable(&RACED, "till", &Raced(1)).await.unwrap();
        until("it runs", async || log.len() == 1).await;
        let other = "INSERT INTO fanfare_outbox_receiver (name, event) \
             VALUES ('direct.raced.other', 'direct.Raced')";
        db.execute_unprepared(other).await.unwrap();
        gate.add_permits(1);
        until("it is owed to the other one", async || {
            let status = outbox.status().await.unwrap();
            let pending = |name: &str| status.receiver(name).unwrap().pending;
            (pending("direct.raced"), pending("direct.raced.other")) == (0, 1)
        })
        .await;
        outbox.shutdown().await;
        assert_eq!(log.take(), [1]);
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Behind, "direct.Behind", BEHIND);

/// More events than are read or released at once.
const BEHIND_IT: u64 = 1_200;

#[tokio::test]
async fn events_behind_a_dead_letter_are_set_aside_and_come_in_order_when_it_is_discarded() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = BEHIND.durable("direct.behind").attempts(1);
    let receiver = receiver.connect_async(move |_sender, event| {
        let number = event.0;
        seen.push(number);
        Box::pin(async move { if number == 0 { Err("no") } else { Ok(()) } })
    });
    on_each_database(async |db| {
        let outbox = start(&db).await;
        let transaction = db.begin().await.unwrap();
        for number in 0..=BEHIND_IT {
            let behind = Behind(number);
            let sent = transaction.send_durable(&BEHIND, "stuck", &behind);
            sent.await.unwrap();
        }
        transaction.commit().await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [0]);
        // A read meets none of them.
        let waiting = "SELECT count(*) FROM fanfare_outbox_delivery WHERE state = 5";
        assert_eq!(number(&db, waiting).await, BEHIND_IT as i64);
        let new = "SELECT count(*) FROM fanfare_outbox_event WHERE state = 0";
        assert_eq!(number(&db, new).await, 0);
        let status = outbox.status().await.unwrap();
        let state = status.receiver("direct.behind").unwrap();
        assert_eq!((state.dead, state.pending), (1, BEHIND_IT));
        // Another key goes on, and so does the same key after it.
        let free = BEHIND_IT + 1;
        for (sender, number) in [("free", free), ("stuck", free + 1)] {
            let sent = db.send_durable(&BEHIND, sender, &Behind(number)).await;
            sent.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [free]);

        let letter = outbox.dead_letters(1).await.unwrap().remove(0);
        let discarded = outbox.discard(&letter.receiver, letter.event_id).await;
        assert!(discarded.unwrap());
        outbox.settle(LONG).await.unwrap();
        let order: Vec<_> = (1..=BEHIND_IT).chain([free + 1]).collect();
        assert_eq!(log.take(), order);
        assert_eq!(number(&db, DELIVERIES).await, 0);
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Aged, "direct.Aged", AGED);

#[tokio::test]
async fn a_clock_that_is_moved_makes_failed_deliveries_due() {
    let log = Log::new();
    let seen = log.clone();
    let hour = Duration::from_secs(3_600);
    let receiver = AGED.durable("direct.aged").back_off(hour, hour);
    let receiver = receiver.connect_async(move |_sender, event| {
        let attempt = event.attempt();
        seen.push(attempt);
        Box::pin(async move { if attempt == 1 { Err("not yet") } else { Ok(()) } })
    });
    on_each_database(async |db| {
        let outbox = start(&db).await;
        db.send_durable(&AGED, "till", &Aged(1)).await.unwrap();
        let failed = async || {
            let status = outbox.status().await.unwrap();
            status.receiver("direct.aged").unwrap().failed
        };
        until("it has failed", async || failed().await == 1).await;
        outbox.advance(hour / 2);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(failed().await, 1);
        // With the jitter, it is due after two hours at most.
        outbox.advance(hour * 2);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 2]);
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}
