//! The statements of an idle relay, and of one without a database. They are counted, so that no
//! other test of the process may connect receivers, which each relay stores.

mod common;

use std::time::Duration;

use common::{
    LONG, Log, databases, event, named, on_each_plain, start, statements_of, until, with_tables,
};
use fanfare_outbox::{Durable, Outbox, SendDurable, Settings};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionSession, TransactionTrait};

/// The tests take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

event!(Idle, "relays.Idle", IDLE);

#[tokio::test]
async fn an_idle_relay_asks_once_a_second() {
    let _turn = TURN.lock().await;
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receivers = ["relays.idle.1", "relays.idle.2"].map(|name| {
        let receiver = IDLE.durable(name);
        let receiver = receiver.connect_async(move |_sender, _event| ok());
        receiver.unwrap()
    });
    on_each_plain(async |mut db| {
        let statements = statements_of(&mut db);
        let db = named(db);
        let outbox = start(&db).await;
        db.send_durable(&IDLE, "till", &Idle(1)).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        // The last look after the work.
        tokio::time::sleep(Duration::from_secs(1)).await;
        statements.take();
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        let asked = statements.take();
        assert!(!asked.is_empty() && asked.len() <= 4, "{asked:?}");
        outbox.shutdown().await;
    })
    .await;
    for receiver in receivers {
        receiver.disconnect();
    }
}

event!(Away, "relays.Away", AWAY);

#[tokio::test]
async fn without_its_tables_a_relay_tries_once_a_second_and_then_goes_on() {
    let _turn = TURN.lock().await;
    let log = Log::new();
    let seen = log.clone();
    let receiver = AWAY
        .durable("relays.away")
        .connect_async(move |_sender, event| {
            seen.push(event.0);
            Box::pin(async { Ok::<_, String>(()) })
        })
        .unwrap();
    on_each_plain(async |mut db| {
        let statements = statements_of(&mut db);
        let db = named(db);
        let settings = Settings::default().poll(Duration::from_millis(10));
        let outbox = Outbox::start(&db, settings).await.unwrap();
        let rename = "ALTER TABLE fanfare_outbox_event RENAME TO away";
        db.execute_unprepared(rename).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        statements.take();
        // Commits in the meantime do not hurry it.
        for _ in 0..10 {
            db.send_durable(&AWAY, "till", &Away(0)).await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // The statements of the senders are not counted.
        let is_sent = |sql: &str| sql.contains("INSERT INTO fanfare_outbox_event");
        let asked = statements.take();
        let asked: Vec<_> = asked.iter().filter(|sql| !is_sent(sql)).collect();
        assert!(!asked.is_empty() && asked.len() <= 4, "{asked:?}");

        let back = "ALTER TABLE away RENAME TO fanfare_outbox_event";
        db.execute_unprepared(back).await.unwrap();
        db.send_durable(&AWAY, "till", &Away(1)).await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1]);
        assert_eq!(outbox.status().await.unwrap().relay_error, None);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Late, "relays.Late", LATE);

/// A sweep and a receiver that becomes known take turns.
#[tokio::test]
async fn an_event_that_a_new_receiver_takes_is_not_swept() {
    let _turn = TURN.lock().await;
    databases::on_postgres_schema(async |options| {
        let db = named(with_tables(options).await);
        db.send_durable(&LATE, "till", &Late(1)).await.unwrap();
        // Its event is left over: it is owed to no receiver.
        let left = "UPDATE fanfare_outbox_event SET state = 1";
        db.execute_unprepared(left).await.unwrap();
        // Another process makes a receiver known.
        let other = db.begin().await.unwrap();
        for sql in [
            "LOCK TABLE fanfare_outbox_delivery IN SHARE ROW EXCLUSIVE MODE",
            "INSERT INTO fanfare_outbox_receiver (name, event) VALUES ('late', 'relays.Late')",
            "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             SELECT 'late', id, version, key FROM fanfare_outbox_event",
        ] {
            other.execute_unprepared(sql).await.unwrap();
        }
        let started = tokio::spawn({
            let db = db.clone();
            async move { start(&db).await }
        });
        let waits = "SELECT 1 AS waits FROM pg_locks WHERE NOT granted \
             AND relation = CAST('fanfare_outbox_delivery' AS regclass)";
        until("the sweep waits or is over", async || {
            let waits = Statement::from_string(DbBackend::Postgres, waits);
            started.is_finished() || db.query_one_raw(waits).await.unwrap().is_some()
        })
        .await;
        other.commit().await.unwrap();
        let outbox = started.await.unwrap();
        let left = "SELECT id FROM fanfare_outbox_event";
        let left = Statement::from_string(DbBackend::Postgres, left);
        assert!(db.query_one_raw(left).await.unwrap().is_some());
        outbox.shutdown().await;
    })
    .await;
}
