//! Deliveries that a receiver's own transaction completes.

use std::time::Duration;

use fanfare_outbox::{CompleteError, Delivered, Durable, Outbox, SendDurable, Settings};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectionTrait, DbErr, Statement, TransactionSession, TransactionTrait};

use crate::common::{LONG, Log, event, named, on_each_shared, start, until, with_tables};

event!(Booked, "completing.Booked", BOOKED);

const SHORT: Duration = Duration::from_millis(20);

/// The ways in which a call of the receiver goes on after its effect.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Commits,
    FailsAfterTheCommit,
    RollsBackOnce,
    RollsASavepointBack,
    LosesItsLease,
}

const WAYS: [Way; 5] = [
    Way::Commits,
    Way::FailsAfterTheCommit,
    Way::RollsBackOnce,
    Way::RollsASavepointBack,
    Way::LosesItsLease,
];

async fn book(db: &SignalConnection, event: &Delivered<Booked>, way: Way) -> Result<(), DbErr> {
    let transaction = db.begin().await?;
    let effect = format!("INSERT INTO effect (number) VALUES ({})", event.0);
    transaction.execute_unprepared(&effect).await?;
    if way == Way::RollsASavepointBack {
        let savepoint = transaction.begin().await?;
        event.complete_in(&savepoint)?;
        savepoint.rollback().await?;
    } else {
        event.complete_in(&transaction)?;
    }
    match way {
        Way::LosesItsLease if event.0 == 1 && event.attempt() == 1 => {
            // As another relay does it that takes over, whose lease is over soon.
            let stolen = "UPDATE fanfare_outbox_receiver \
                 SET owner = 'another', token = token + 1, lease_until = 0";
            transaction.execute_unprepared(stolen).await?;
            transaction.commit().await
        }
        Way::RollsBackOnce if event.attempt() == 1 => {
            transaction.rollback().await?;
            Err(DbErr::Custom("rolled back".to_owned()))
        }
        Way::FailsAfterTheCommit => {
            transaction.commit().await?;
            Err(DbErr::Custom("after the commit".to_owned()))
        }
        // Its result counts, because the note of the delivery was rolled back.
        Way::RollsASavepointBack if event.attempt() == 1 => {
            transaction.commit().await?;
            Err(DbErr::Custom("after the savepoint".to_owned()))
        }
        _ => transaction.commit().await,
    }
}

/// The numbers of the effects, in the order in which they came.
async fn effects(db: &SignalConnection) -> Vec<i64> {
    let sql = "SELECT number FROM effect ORDER BY id";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// With one receiver, events are read without deliveries, and with two they have them.
#[tokio::test]
async fn a_delivery_that_its_transaction_completes_has_its_effect_exactly_once() {
    for (way, receivers) in WAYS.into_iter().flat_map(|way| [(way, 1), (way, 2)]) {
        on_each_shared(async |options| {
            let db = named(with_tables(options).await);
            let id = match db.get_database_backend() {
                sea_orm::DbBackend::Postgres => "BIGSERIAL PRIMARY KEY",
                _ => "INTEGER PRIMARY KEY",
            };
            let table = format!("CREATE TABLE effect (id {id}, number BIGINT NOT NULL)");
            db.execute_unprepared(&table).await.unwrap();
            let booking = db.clone();
            let receiver = BOOKED.durable("completing.booked").back_off(SHORT, SHORT);
            let errors = Log::new();
            let failed = errors.clone();
            let receiver = receiver.connect_async(move |_sender, event| {
                let (db, failed) = (booking.clone(), failed.clone());
                Box::pin(async move {
                    let booked = book(&db, event, way).await;
                    booked.inspect_err(|error| failed.push(error.to_string()))
                })
            });
            let ok = || Box::pin(async { Ok::<_, String>(()) });
            let other = (receivers == 2).then(|| {
                let other = BOOKED.durable("completing.other");
                other.connect_async(move |_sender, _event| ok()).unwrap()
            });
            let settings = Settings::default().poll(SHORT);
            let outbox = Outbox::start(&db, settings).await.unwrap();
            for number in 1..=3 {
                let sent = db.send_durable(&BOOKED, "till", &Booked(number)).await;
                sent.unwrap();
            }
            outbox.settle(LONG).await.unwrap();
            // A receiver may still run after its transaction has completed the delivery.
            outbox.shutdown().await;
            let (effects, errors) = (effects(&db).await, errors.take());
            let (seen, failed): (&[i64], usize) = match way {
                Way::Commits => (&[1, 2, 3], 0),
                Way::LosesItsLease => (&[1, 2, 3], 1),
                Way::FailsAfterTheCommit | Way::RollsBackOnce => (&[1, 2, 3], 3),
                Way::RollsASavepointBack => (&[1, 1, 2, 2, 3, 3], 3),
            };
            assert_eq!(effects, seen, "{way:?}, {receivers}");
            assert_eq!(errors.len(), failed, "{way:?}, {receivers}: {errors:?}");
            if way == Way::LosesItsLease {
                assert!(errors[0].contains("taken it over"), "{errors:?}");
            }
            receiver.unwrap().disconnect();
            other.inspect(|other| assert!(other.disconnect()));
        })
        .await;
    }
}

event!(Loose, "completing.Loose", LOOSE);

#[tokio::test]
async fn a_connection_without_a_transaction_completes_nothing() {
    let log = Log::new();
    on_each_shared(async |options| {
        let db = named(with_tables(options).await);
        let (errors, loose) = (log.clone(), db.clone());
        let receiver = LOOSE.durable("completing.loose");
        let receiver = receiver.connect_async(move |_sender, event| {
            errors.push(event.complete_in(&loose).unwrap_err());
            Box::pin(async { Ok::<_, String>(()) })
        });
        let outbox = start(&db).await;
        db.send_durable(&LOOSE, "till", &Loose(1)).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [CompleteError::NoTransaction]);
        outbox.shutdown().await;
        receiver.unwrap().disconnect();
    })
    .await;
}

event!(Late, "completing.Late", LATE);

/// The first attempt has failed when its transaction is committed, and the second event waits for
/// it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_completes_late_lets_the_later_events_of_its_key_go_on() {
    on_each_shared(async |options| {
        let db = named(with_tables(options).await);
        let log = Log::new();
        let (seen, late) = (log.clone(), db.clone());
        let receiver = LATE.durable("completing.late").back_off(LONG, LONG);
        let receiver = receiver.connect_async(move |_sender, event| {
            let (seen, db) = (seen.clone(), late.clone());
            Box::pin(async move {
                if event.0 == 3 {
                    // The relay has the lease until this one ends.
                    tokio::time::sleep(Duration::from_secs(4)).await;
                    return Ok(());
                }
                seen.push(event.0);
                if event.0 == 2 {
                    return Ok(());
                }
                let transaction = db.begin().await?;
                event.complete_in(&transaction)?;
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    transaction.commit().await
                });
                Err(DbErr::Custom("too early".to_owned()))
            })
        });
        let settings = Settings::default().poll(SHORT);
        let outbox = Outbox::start(&db, settings).await.unwrap();
        for (sender, number) in [("other", 3), ("till", 1), ("till", 2)] {
            db.send_durable(&LATE, sender, &Late(number)).await.unwrap();
        }
        until("the second event comes", async || log.len() == 2).await;
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 2]);
        outbox.shutdown().await;
        receiver.unwrap().disconnect();
    })
    .await;
}
