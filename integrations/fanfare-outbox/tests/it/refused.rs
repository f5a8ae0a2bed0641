//! Texts, notes and removals that the outbox or the database refuses.

use std::time::Duration;

use fanfare_outbox::{Durable, SendDurable};
use sea_orm::{
    ConnectionTrait, Database, DbBackend, Statement, TransactionSession, TransactionTrait,
};

use crate::common::databases::{on_postgres, quiet};
use crate::common::{LONG, Log, event, named, on_each_database, start, until, with_tables};

event!(Long, "refused.Long", LONG_KEY);

#[derive(fanfare::Event, serde::Serialize, serde::Deserialize)]
struct Keyed(String);

impl fanfare_outbox::DurableEvent for Keyed {
    const NAME: &'static str = "refused.Keyed";

    fn key(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

static KEYED: fanfare::Signal<Keyed> = fanfare::Signal::new();

/// The database could store such an event, and not note its results.
#[tokio::test]
async fn a_text_that_no_database_can_index_is_refused() {
    on_each_database(async |db| {
        let long = "k".repeat(1_001);
        for (text, part) in [(&*long, "1001 bytes"), ("a\0b", "NUL")] {
            let errors = [
                db.send_durable(&LONG_KEY, text, &Long(1)).await,
                db.send_durable(&KEYED, "till", &Keyed(text.to_owned()))
                    .await,
            ];
            for error in errors {
                let error = error.unwrap_err().to_string();
                assert!(error.contains(part), "{error}");
            }
            let ok = |_: &_| Box::pin(async { Ok::<_, String>(()) });
            let connected = LONG_KEY.durable(text);
            let connected = connected.connect_async(move |_sender, event| ok(event));
            let error = connected.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let fits = "k".repeat(1_000);
        db.send_durable(&LONG_KEY, &*fits, &Long(1)).await.unwrap();
        // In a payload a NUL is an escape.
        db.send_durable(&KEYED, "till", &Keyed("fits".to_owned()))
            .await
            .unwrap();
        assert_eq!(count(&db, "fanfare_outbox_event").await, 2);
    })
    .await;
}

async fn count(db: &impl ConnectionTrait, rows: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM {rows}");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

/// Makes the database refuse a statement on each row of a table, or no longer.
async fn refuse(db: &impl ConnectionTrait, on: &str, refuses: bool) {
    let (_, table) = on.split_once(" ON ").unwrap();
    let sql = match (db.get_database_backend(), refuses) {
        (DbBackend::Sqlite, true) => format!(
            "CREATE TRIGGER refusal BEFORE {on} BEGIN SELECT RAISE(ABORT, 'no thanks'); END"
        ),
        (DbBackend::Sqlite, false) => "DROP TRIGGER refusal".to_owned(),
        (_, true) => format!(
            "CREATE FUNCTION refusal() RETURNS trigger LANGUAGE plpgsql \
                 AS 'BEGIN RAISE EXCEPTION ''no thanks''; END';
             CREATE TRIGGER refusal BEFORE {on} FOR EACH ROW EXECUTE FUNCTION refusal()"
        ),
        (_, false) => format!("DROP TRIGGER refusal ON {table}; DROP FUNCTION refusal()"),
    };
    db.execute_unprepared(&sql).await.unwrap();
}

event!(Unnoted, "refused.Unnoted", UNNOTED);

#[tokio::test]
async fn a_note_that_the_database_refuses_is_shown_and_given_up() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = UNNOTED.durable("refused.unnoted");
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push(event.0);
        Box::pin(async { Ok::<_, String>(()) })
    });
    // The note of an event that has one receiver is its deletion.
    refused_notes("DELETE ON fanfare_outbox_event", &log).await;
    let other = UNNOTED.durable("refused.unnoted.other");
    let other = other.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }));
    refused_notes("DELETE ON fanfare_outbox_delivery", &log).await;
    for receiver in [receiver, other] {
        receiver.unwrap().disconnect();
    }
}

async fn refused_notes(note: &str, log: &Log<u64>) {
    on_each_database(async |db| {
        refuse(&db, note, true).await;
        let outbox = start(&db).await;
        db.send_durable(&UNNOTED, "till", &Unnoted(1))
            .await
            .unwrap();
        let error = async || outbox.status().await.unwrap().relay_error;
        let shown = until("the error is shown", async || {
            error()
                .await
                .is_some_and(|error| error.contains("no thanks"))
        });
        tokio::time::timeout(Duration::from_secs(10), shown)
            .await
            .unwrap();
        let again = until("the event is delivered again", async || log.len() >= 2);
        tokio::time::timeout(Duration::from_secs(20), again)
            .await
            .unwrap();
        refuse(&db, note, false).await;
        outbox.settle(LONG).await.unwrap();
        until("the relay works again", async || error().await.is_none()).await;
        outbox.shutdown().await;
        log.take();
    })
    .await;
}

event!(Foreign, "refused.Foreign", FOREIGN);

/// The database has the characters of LATIN1 only.
#[tokio::test]
async fn an_error_that_the_database_cannot_store_is_noted_in_ascii() {
    let receiver = FOREIGN.durable("refused.foreign").attempts(1);
    let receiver =
        receiver.connect_async(|_sender, _event| Box::pin(async { Err::<(), _>("no \u{2713}") }));
    on_postgres(async |options| {
        let admin = Database::connect(options.clone()).await.unwrap();
        let (server, name) = options.get_url().rsplit_once('/').unwrap();
        let name = format!("{name}_latin1");
        let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0");
        admin.execute_unprepared(&create).await.unwrap();
        let db = named(with_tables(quiet(&format!("{server}/{name}"))).await);
        let outbox = start(&db).await;
        db.send_durable(&FOREIGN, "till", &Foreign(1))
            .await
            .unwrap();
        let settled = outbox.settle(Duration::from_secs(15)).await;
        let letters = outbox.dead_letters(1).await.unwrap();
        outbox.shutdown().await;
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        admin.execute_unprepared(&drop).await.unwrap();
        settled.unwrap();
        assert_eq!(letters[0].last_error, "no \\u{2713}");
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Unowed, "refused.Unowed", UNOWED);

/// Its event is deleted later.
#[tokio::test]
async fn a_delivered_event_that_cannot_be_deleted_is_delivered_once() {
    let log = Log::new();
    let seen = log.clone();
    // With another receiver, the events are handed out.
    let other = UNOWED.durable("refused.unowed.other");
    let other = other.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }));
    let receiver = UNOWED.durable("refused.unowed");
    let receiver = receiver.connect_async(move |_sender, event| {
        let (seen, number) = (seen.clone(), event.0);
        Box::pin(async move {
            seen.push(number);
            if number == 2 {
                // The other note would have been tried again by then.
                tokio::time::sleep(Duration::from_millis(1_500)).await;
            }
            Ok::<_, String>(())
        })
    });
    on_each_database(async |db| {
        refuse(&db, "DELETE ON fanfare_outbox_event", true).await;
        let outbox = start(&db).await;
        let transaction = db.begin().await.unwrap();
        for number in 1..=2 {
            let sent = transaction
                .send_durable(&UNOWED, number, &Unowed(number))
                .await;
            sent.unwrap();
        }
        transaction.commit().await.unwrap();
        let settled = outbox.settle(Duration::from_secs(10)).await;
        settled.unwrap();
        outbox.shutdown().await;
        assert_eq!(outbox.status().await.unwrap().relay_error, None);
        assert_eq!(log.take(), [1, 2]);
        refuse(&db, "DELETE ON fanfare_outbox_event", false).await;
        start(&db).await.shutdown().await;
        assert_eq!(count(&db, "fanfare_outbox_event").await, 0);
    })
    .await;
    other.unwrap().disconnect();
    receiver.unwrap().disconnect();
}

event!(Kept, "refused.Kept", KEPT);

#[tokio::test]
async fn a_receiver_in_use_is_not_removed() {
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receiver = KEPT.durable("refused.kept");
    let receiver = receiver.connect_async(move |_sender, _event| ok()).unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        let error = outbox.remove("refused.kept").await.unwrap_err().to_string();
        assert!(error.contains("connected"), "{error}");
        db.execute_unprepared(
            "INSERT INTO fanfare_outbox_receiver (name, event, owner, lease_until) \
             VALUES ('refused.kept.else', 'refused.Kept', 'another', 9000000000000)",
        )
        .await
        .unwrap();
        let error = outbox
            .remove("refused.kept.else")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("lease"), "{error}");
        assert_eq!(
            count(
                &db,
                "fanfare_outbox_receiver WHERE name LIKE 'refused.kept%'"
            )
            .await,
            2
        );
        let end = "UPDATE fanfare_outbox_receiver SET lease_until = 0";
        db.execute_unprepared(end).await.unwrap();
        assert!(outbox.remove("refused.kept.else").await.unwrap());
        assert!(!outbox.remove("refused.kept.else").await.unwrap());
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}
