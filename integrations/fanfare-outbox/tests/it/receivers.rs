//! Receivers that come, go, and are unknown.

use std::sync::Arc;
use std::time::Duration;

use fanfare::Signal;
use fanfare_outbox::{
    Durable, DurableEvent, DurableReceiver, Outbox, SendDurable, Settings, Start, StartError,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionSession, TransactionTrait};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::common::databases::on_postgres_schema;
use crate::common::{
    LONG, Log, event, named, on_each_database, on_each_plain, on_each_shared, start, statements_of,
    until, with_tables,
};

/// Connects a receiver that logs its events.
fn log_of<E: DurableEvent + Into<u64> + Clone>(
    signal: &'static Signal<E>,
    name: &str,
    start: Start,
) -> (DurableReceiver, Log<u64>) {
    let log = Log::new();
    let seen = log.clone();
    let receiver = signal.durable(name).start(start);
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push((**event).clone().into());
        Box::pin(async { Ok::<_, String>(()) })
    });
    (receiver.unwrap(), log)
}

macro_rules! numbered {
    ($($event:ident),*) => {
        $(impl From<$event> for u64 {
            fn from(event: $event) -> u64 {
                event.0
            }
        })*
    };
}

event!(Parked, "receivers.Parked", PARKED);
event!(Later, "receivers.Later", LATER);
event!(Gone, "receivers.Gone", GONE);
numbered!(Parked, Later, Gone);

#[tokio::test]
async fn an_event_without_a_receiver_is_parked_until_one_comes() {
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in [1, 2] {
            let sent = db.send_durable(&PARKED, "till", &Parked(number)).await;
            sent.unwrap();
        }
        until("both are parked", async || {
            outbox.status().await.unwrap().parked == 2
        })
        .await;
        outbox.settle(LONG).await.unwrap();
        let (receiver, log) = log_of(&PARKED, "receivers.parked", Start::Now);
        until("both are delivered", async || log.len() == 2).await;
        assert_eq!(log.take(), [1, 2]);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(outbox.status().await.unwrap().parked, 0);
        receiver.disconnect();
        outbox.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_receiver_starts_where_the_user_chose() {
    on_each_database(async |db| {
        let gate = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&gate);
        // It keeps the events in the database.
        let slow = LATER.durable("receivers.later.slow");
        let slow = slow.connect_async(move |_sender, _event| {
            let wait = Arc::clone(&wait);
            Box::pin(async move {
                wait.acquire().await.unwrap().forget();
                Ok::<_, String>(())
            })
        });
        let before = start(&db).await;
        let send = async |number| {
            let sent = db.send_durable(&LATER, "till", &Later(number)).await;
            sent.unwrap();
        };
        send(1).await;
        send(2).await;
        until("they are handed out", async || {
            before.status().await.unwrap().new == 0
        })
        .await;
        let (now, seen_now) = log_of(&LATER, "receivers.later.now", Start::Now);
        let (oldest, seen_oldest) = log_of(&LATER, "receivers.later.oldest", Start::Oldest);
        let outbox = start(&db).await;
        send(3).await;
        gate.add_permits(3);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(seen_now.take(), [3]);
        assert_eq!(seen_oldest.take(), [1, 2, 3]);
        before.shutdown().await;
        outbox.shutdown().await;
        // It is known now, so that its start no longer counts.
        oldest.disconnect();
        let outbox = start(&db).await;
        send(4).await;
        gate.add_permits(1);
        until("it is owed to the absent one alone", async || {
            let status = outbox.status().await.unwrap();
            let pending = status.receivers.iter().map(|it| it.pending).sum::<u64>();
            (status.new, pending) == (0, 1)
        })
        .await;
        let status = outbox.status().await.unwrap();
        let absent = status.receiver("receivers.later.oldest").unwrap();
        assert_eq!((absent.pending, absent.is_connected), (1, false));
        let (oldest, seen_oldest) = log_of(&LATER, "receivers.later.oldest", Start::Oldest);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(seen_oldest.take(), [4]);
        for receiver in [slow.unwrap(), now, oldest] {
            receiver.disconnect();
        }
        outbox.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_removed_receiver_is_owed_nothing() {
    on_each_database(async |db| {
        let (receiver, _) = log_of(&GONE, "receivers.gone", Start::Now);
        let outbox = start(&db).await;
        receiver.disconnect();
        db.send_durable(&GONE, "till", &Gone(1)).await.unwrap();
        until("it is owed", async || {
            let status = outbox.status().await.unwrap();
            status.receiver("receivers.gone").unwrap().pending == 1
        })
        .await;
        outbox.settle(Duration::ZERO).await.unwrap_err();
        assert!(outbox.remove("receivers.gone").await.unwrap());
        assert!(!outbox.remove("receivers.gone").await.unwrap());
        outbox.settle(LONG).await.unwrap();
        let status = outbox.status().await.unwrap();
        assert!(status.receiver("receivers.gone").is_none());
        outbox.shutdown().await;
    })
    .await;
}

event!(Taken, "receivers.Taken", TAKEN);
numbered!(Taken);

/// The receiver was removed, and another program has given its name to another event.
#[tokio::test]
async fn deliveries_of_another_event_are_left_to_its_program() {
    on_each_database(async |db| {
        let (receiver, seen) = log_of(&TAKEN, "receivers.taken", Start::Now);
        let settings = Settings::default().poll(Duration::from_millis(20));
        let outbox = Outbox::start(&db, settings).await.unwrap();
        let take = "UPDATE fanfare_outbox_receiver SET event = 'receivers.Other' WHERE name = 'receivers.taken';
             INSERT INTO fanfare_outbox_event (id, name, version, sender, key, payload, state)
                 VALUES (7, 'receivers.Other', 1, '', '', '{}', 1);
             INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key)
                 VALUES ('receivers.taken', 7, 1, '')";
        db.execute_unprepared(take).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let status = outbox.status().await.unwrap();
        let taken = status.receiver("receivers.taken").unwrap();
        assert_eq!((taken.pending, taken.dead, seen.len()), (1, 0, 0));
        outbox.shutdown().await;
        receiver.disconnect();
    })
    .await;
}

event!(Many, "receivers.Many", MANY);

/// Some are events, and some are deliveries behind a dead letter.
#[tokio::test]
async fn a_receiver_is_removed_in_batches() {
    on_each_plain(async |mut db| {
        let statements = statements_of(&mut db);
        let db = named(db);
        let receiver = MANY.durable("receivers.many").attempts(1);
        let receiver = receiver.connect_async(|_sender, _event| Box::pin(async { Err("no") }));
        let receiver = receiver.unwrap();
        let outbox = start(&db).await;
        let send = async |first: u64, sender: Option<u64>| {
            let transaction = db.begin().await.unwrap();
            for number in first..first + 1_200 {
                let sent = Many(number);
                let sent = transaction.send_durable(&MANY, sender.unwrap_or(number), &sent);
                sent.await.unwrap();
            }
            transaction.commit().await.unwrap();
        };
        send(0, Some(7)).await;
        outbox.settle(LONG).await.unwrap();
        receiver.disconnect();
        send(1_200, None).await;
        let status = outbox.status().await.unwrap();
        let many = status.receiver("receivers.many").unwrap();
        assert_eq!((many.dead, many.pending), (1, 2_399));
        // The relay has given the lease back when it finds the receiver no more.
        until("it is removed", async || {
            outbox.remove("receivers.many").await.is_ok()
        })
        .await;
        let statements = statements.take();
        let of = |text: &str| statements.iter().filter(|sql| sql.contains(text)).count();
        assert!(of("DELETE FROM fanfare_outbox_delivery WHERE receiver = $1 AND") >= 3);
        assert!(of("DELETE FROM fanfare_outbox_event WHERE name") >= 3);
        let status = outbox.status().await.unwrap();
        assert_eq!(
            (status.receiver("receivers.many"), status.parked),
            (None, 0)
        );
        outbox.shutdown().await;
    })
    .await;
}

/// The same event in three versions of a program.
macro_rules! version {
    ($module:ident, $version:literal, $signal:ident, $field:ident) => {
        mod $module {
            #[derive(Clone, fanfare::Event, serde::Serialize, serde::Deserialize)]
            pub(super) struct Paid {
                pub(super) $field: u64,
            }
            impl fanfare_outbox::DurableEvent for Paid {
                const NAME: &'static str = concat!("receivers.Paid.", stringify!($module));
                const VERSION: u32 = $version;
                fn upcast(version: u32, payload: super::Value) -> Option<super::Value> {
                    super::upcast(version, payload)
                }
            }
            pub(super) static $signal: fanfare::Signal<Paid> = fanfare::Signal::new();
        }
    };
}

fn upcast(version: u32, mut payload: Value) -> Option<Value> {
    if version == 1 {
        return None;
    }
    payload["cents"] = (payload["euros"].as_u64()? * 100).into();
    Some(payload)
}

version!(old, 2, PAID, euros);
version!(new, 3, PAID, cents);

/// Makes the stored events of the old type events of the new one, as another program stores them.
async fn rename(db: &impl ConnectionTrait, version: u32, from: &str, to: &str) {
    let sql = format!(
        "UPDATE fanfare_outbox_event SET name = '{to}', version = {version} WHERE name = '{from}'"
    );
    db.execute_unprepared(&sql).await.unwrap();
}

#[tokio::test]
async fn older_versions_are_upcast_and_newer_ones_wait() {
    on_each_database(async |db| {
        let log = Log::new();
        let seen = log.clone();
        let new = new::PAID.durable("receivers.paid");
        let new = new.connect_async(move |_sender, event| {
            seen.push(event.cents);
            Box::pin(async { Ok::<_, String>(()) })
        });
        // Stored while no relay runs.
        for (key, version) in [(1_u64, 2), (2, 1), (3, 4)] {
            let paid = old::Paid { euros: key };
            db.send_durable(&old::PAID, key, &paid).await.unwrap();
            rename(&db, version, "receivers.Paid.old", "receivers.Paid.new").await;
        }
        let outbox = start(&db).await;
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [100]);
        let status = outbox.status().await.unwrap();
        let receiver = status.receiver("receivers.paid").unwrap();
        assert_eq!((receiver.dead, receiver.parked), (1, 1));
        let letter = outbox.dead_letters(1).await.unwrap().remove(0);
        assert!(letter.last_error.contains("has no event of version 1"));
        // A later event of the parked one's key waits behind it.
        let paid = new::Paid { cents: 7 };
        db.send_durable(&new::PAID, 3, &paid).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.len(), 0);
        outbox.shutdown().await;
        // As if a program with version 4 had taken it.
        let sql = "UPDATE fanfare_outbox_delivery SET version = 2 WHERE state = 3";
        db.execute_unprepared(sql).await.unwrap();
        let sql = "UPDATE fanfare_outbox_event SET version = 2 WHERE version = 4";
        db.execute_unprepared(sql).await.unwrap();
        let outbox = start(&db).await;
        until("both are delivered", async || log.len() == 2).await;
        assert_eq!(log.take(), [300, 7]);
        outbox.shutdown().await;
        new.unwrap().disconnect();
    })
    .await;
}

event!(One, "receivers.One", ONE);
event!(Two, "receivers.Two", TWO);
numbered!(One, Two);

#[tokio::test]
async fn a_name_of_another_event_is_refused() {
    on_each_database(async |db| {
        let (receiver, _) = log_of(&ONE, "receivers.two_events", Start::Now);
        start(&db).await.shutdown().await;
        receiver.disconnect();
        let (receiver, _) = log_of(&TWO, "receivers.two_events", Start::Now);
        let error = Outbox::start(&db, Settings::default()).await.unwrap_err();
        assert!(matches!(error, StartError::OtherEvent { .. }));
        assert!(
            error.to_string().contains("give it another name"),
            "{error}"
        );
        receiver.disconnect();
    })
    .await;
}

#[tokio::test]
async fn a_start_without_tables_displays_the_fix() {
    let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
    let started = Outbox::start(&crate::common::named(db), Settings::default()).await;
    let error = started.unwrap_err().to_string();
    assert!(error.contains("make them with `create_tables`"), "{error}");
}

event!(Early, "receivers.Early", EARLY);
numbered!(Early);

/// Each event is either handed out to the new receiver, or found when it is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receiver_that_comes_while_events_are_handed_out_misses_none() {
    on_each_shared(async |options| {
        let db = named(with_tables(options).await);
        let gate = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&gate);
        // It keeps the events in the database.
        let slow = EARLY.durable("receivers.early.slow");
        let slow = slow.connect_async(move |_sender, _event| {
            let wait = Arc::clone(&wait);
            Box::pin(async move {
                wait.acquire().await.unwrap().forget();
                Ok::<_, String>(())
            })
        });
        let outbox = start(&db).await;
        let sends = tokio::spawn({
            let db = db.clone();
            async move {
                for number in 0..200 {
                    let sent = db.send_durable(&EARLY, number, &Early(number)).await;
                    sent.unwrap();
                }
            }
        });
        let mut receivers = Vec::new();
        for n in 0..5 {
            let name = format!("receivers.early.{n}");
            receivers.push(log_of(&EARLY, &name, Start::Oldest));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sends.await.unwrap();
        gate.add_permits(200);
        outbox.settle(LONG).await.unwrap();
        for (receiver, log) in receivers {
            let mut seen = log.take();
            seen.sort_unstable();
            assert!(
                seen.into_iter().eq(0..200),
                "{} misses some",
                receiver.name()
            );
            receiver.disconnect();
        }
        slow.unwrap().disconnect();
        outbox.shutdown().await;
    })
    .await;
}

event!(Between, "receivers.Between", BETWEEN);
numbered!(Between);

/// The new receiver waits for a hand-out that does not know it, and then finds its events.
#[tokio::test]
async fn a_new_receiver_waits_for_the_hand_out_that_runs() {
    on_postgres_schema(async |options| {
        let db = named(with_tables(options).await);
        db.send_durable(&BETWEEN, "till", &Between(1))
            .await
            .unwrap();
        // The hand-out of another relay, to a receiver of its own.
        let hand_out = db.begin().await.unwrap();
        for sql in [
            "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             SELECT 'receivers.between.other', id, version, key FROM fanfare_outbox_event",
            "UPDATE fanfare_outbox_event SET state = 1",
        ] {
            hand_out.execute_unprepared(sql).await.unwrap();
        }
        let (receiver, log) = log_of(&BETWEEN, "receivers.between.new", Start::Oldest);
        let started = tokio::spawn({
            let db = db.clone();
            async move { start(&db).await }
        });
        let waits = "SELECT 1 AS waits FROM pg_locks WHERE NOT granted \
             AND relation = CAST('fanfare_outbox_delivery' AS regclass)";
        until("the new receiver waits", async || {
            let waits = Statement::from_string(DbBackend::Postgres, waits);
            db.query_one_raw(waits).await.unwrap().is_some()
        })
        .await;
        hand_out.commit().await.unwrap();
        let outbox = started.await.unwrap();
        until("the event is delivered", async || log.len() == 1).await;
        receiver.disconnect();
        outbox.shutdown().await;
    })
    .await;
}

event!(Renamed, "receivers.Renamed", RENAMED);
numbered!(Renamed);

#[tokio::test]
async fn a_renamed_receiver_takes_its_deliveries_along() {
    on_each_database(async |db| {
        let failing = RENAMED.durable("receivers.renamed.old").attempts(1);
        let failing = failing.connect_async(|_sender, event| {
            let number = event.0;
            Box::pin(async move { if number == 1 { Err("no") } else { Ok(()) } })
        });
        let outbox = start(&db).await;
        let send = async |number| {
            let sent = db.send_durable(&RENAMED, "till", &Renamed(number)).await;
            sent.unwrap();
        };
        send(1).await;
        outbox.settle(LONG).await.unwrap();
        outbox.shutdown().await;
        failing.unwrap().disconnect();
        send(2).await;
        let log = Log::new();
        let seen = log.clone();
        let renamed = RENAMED.durable("receivers.renamed.new");
        let renamed = renamed.was("receivers.renamed.old");
        let renamed = renamed.connect_async(move |_sender, event| {
            seen.push(event.0);
            Box::pin(async { Ok::<_, String>(()) })
        });
        let lease = async |until: i64| {
            let sql = format!(
                "UPDATE fanfare_outbox_receiver SET owner = 'another', lease_until = {until}"
            );
            db.execute_unprepared(&sql).await.unwrap();
        };
        lease(9_000_000_000_000).await;
        let error = Outbox::start(&db, Settings::default()).await.unwrap_err();
        assert!(matches!(error, StartError::InUse { .. }), "{error}");
        lease(0).await;
        let outbox = start(&db).await;
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.len(), 0);
        let status = outbox.status().await.unwrap();
        assert!(status.receiver("receivers.renamed.old").is_none());
        let resubmitted = outbox.resubmit_where(|letter| letter.event_id > 0).await;
        assert_eq!(resubmitted.unwrap(), 1);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 2]);
        outbox.shutdown().await;
        renamed.unwrap().disconnect();
    })
    .await;
}

event!(Twice, "receivers.Twice", TWICE);
numbered!(Twice);

/// Both would otherwise wait for one row of the database.
#[tokio::test]
async fn of_two_receivers_with_one_old_name_the_second_is_a_new_one() {
    on_each_database(async |db| {
        let (old, _) = log_of(&TWICE, "receivers.twice.old", Start::Now);
        start(&db).await.shutdown().await;
        old.disconnect();
        let logs = ["receivers.twice.1", "receivers.twice.2"].map(|name| {
            let log = Log::new();
            let seen = log.clone();
            let receiver = TWICE.durable(name).was("receivers.twice.old");
            // More keys than a receiver can have are as many as it can have.
            let receiver = receiver.keys_at_once(usize::MAX);
            let receiver = receiver.connect_async(move |_sender, event| {
                seen.push(event.0);
                Box::pin(async { Ok::<_, String>(()) })
            });
            (receiver.unwrap(), log)
        });
        let outbox = start(&db).await;
        db.send_durable(&TWICE, "till", &Twice(1)).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        for (receiver, log) in logs {
            assert_eq!(log.take(), [1], "{}", receiver.name());
            receiver.disconnect();
        }
        outbox.shutdown().await;
    })
    .await;
}
