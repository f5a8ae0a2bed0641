//! Busy, stuck and refused parts, which must not hold up the rest.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fanfare_outbox::{Durable, DurableReceiver, Outbox, SendDurable, Settings};
use sea_orm::{
    ConnectionTrait, Database, DbBackend, Statement, TransactionSession, TransactionTrait,
};

use crate::common::databases::{on_postgres, on_postgres_schema, quiet};
use crate::common::{
    LONG, Log, event, named, on_each_database, on_each_shared, start, until, with_tables,
};

const SHORT: Duration = Duration::from_millis(20);

async fn count(db: &impl ConnectionTrait, rows: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM {rows}");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

event!(Busy, "guards.Busy", BUSY);

/// Commits that never pause do not keep the relay in its hand-outs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_steady_stream_of_commits_is_delivered_and_can_be_shut_down() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = BUSY.durable("guards.busy");
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push(event.0);
        Box::pin(async { Ok::<_, String>(()) })
    });
    on_postgres_schema(async |mut options| {
        options.max_connections(24);
        let db = named(with_tables(options).await);
        let outbox = start(&db).await;
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..20_u64).map(|number| {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    // More than a hand-out takes in the time of one.
                    let transaction = db.begin().await.unwrap();
                    for _ in 0..300 {
                        let event = Busy(number);
                        let sent = transaction.send_durable(&BUSY, number, &event).await;
                        sent.unwrap();
                    }
                    transaction.commit().await.unwrap();
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        // This takes forever if the relay hands out until no event is left.
        let delivered = until("events are delivered", async || log.len() > 100);
        let delivered = tokio::time::timeout(LONG / 2, delivered).await;
        let ended = tokio::time::timeout(LONG, outbox.shutdown()).await;
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.unwrap();
        }
        delivered.unwrap();
        ended.unwrap();
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Blocks, "guards.Blocks", BLOCKS);

/// The lease is renewed by a task of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receiver_that_blocks_its_thread_keeps_its_lease() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = BLOCKS.durable("guards.blocks");
    let receiver = receiver.connect_async(move |_sender, event| {
        let (seen, number) = (seen.clone(), event.0);
        Box::pin(async move {
            seen.push(number);
            std::thread::sleep(Duration::from_millis(1_500));
            Ok::<_, String>(())
        })
    });
    on_each_shared(async |options| {
        let db = named(with_tables(options).await);
        let settings = Settings::default().lease(Duration::from_millis(500));
        let settings = settings.poll(Duration::from_millis(50));
        let one = Outbox::start(&db, settings.clone()).await.unwrap();
        let other = Outbox::start(&db, settings).await.unwrap();
        db.send_durable(&BLOCKS, "till", &Blocks(1)).await.unwrap();
        let settled = one.settle(Duration::from_secs(10)).await;
        assert_eq!(log.take(), [1]);
        settled.unwrap();
        one.shutdown().await;
        other.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Long, "guards.Long", LONG_KEY);

#[derive(fanfare::Event, serde::Serialize, serde::Deserialize)]
struct Keyed(String);

impl fanfare_outbox::DurableEvent for Keyed {
    const NAME: &'static str = "guards.Keyed";

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

event!(Unnoted, "guards.Unnoted", UNNOTED);

#[tokio::test]
async fn a_note_that_the_database_refuses_is_shown_and_given_up() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = UNNOTED.durable("guards.unnoted");
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push(event.0);
        Box::pin(async { Ok::<_, String>(()) })
    });
    // The note of an event that has one receiver is its deletion.
    refused_notes("DELETE ON fanfare_outbox_event", &log).await;
    let other = UNNOTED.durable("guards.unnoted.other");
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

event!(Foreign, "guards.Foreign", FOREIGN);

/// The database has the characters of LATIN1 only.
#[tokio::test]
async fn an_error_that_the_database_cannot_store_is_noted_in_ascii() {
    let receiver = FOREIGN.durable("guards.foreign").attempts(1);
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

event!(Unowed, "guards.Unowed", UNOWED);

/// Its event is deleted later.
#[tokio::test]
async fn a_delivered_event_that_cannot_be_deleted_is_delivered_once() {
    let log = Log::new();
    let seen = log.clone();
    // With another receiver, the events are handed out.
    let other = UNOWED.durable("guards.unowed.other");
    let other = other.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }));
    let receiver = UNOWED.durable("guards.unowed");
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

event!(Orphan, "guards.Orphan", ORPHAN);

#[tokio::test]
async fn a_delivery_without_its_event_is_removed() {
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receiver = ORPHAN.durable("guards.orphan");
    let receiver = receiver.connect_async(move |_sender, _event| ok());
    on_each_database(async |db| {
        let outbox = start(&db).await;
        db.execute_unprepared(
            "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             VALUES ('guards.orphan', 9, 1, '')",
        )
        .await
        .unwrap();
        outbox.settle(Duration::from_secs(10)).await.unwrap();
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Leaves, "guards.Leaves", LEAVES);

#[tokio::test]
async fn a_receiver_that_is_disconnected_gets_no_more_events_of_its_batch() {
    static RECEIVER: OnceLock<DurableReceiver> = OnceLock::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let receiver = LEAVES.durable("guards.leaves").keys_at_once(1);
    let receiver = receiver.connect_async(|_sender, _event| {
        Box::pin(async {
            CALLS.fetch_add(1, Ordering::Relaxed);
            RECEIVER.wait().disconnect();
            Ok::<_, String>(())
        })
    });
    RECEIVER.set(receiver.unwrap()).unwrap();
    let mut options = quiet("sqlite::memory:");
    options.max_connections(1);
    let db = named(with_tables(options).await);
    let transaction = db.begin().await.unwrap();
    for number in 0..30 {
        let sent = transaction
            .send_durable(&LEAVES, number, &Leaves(number))
            .await;
        sent.unwrap();
    }
    transaction.commit().await.unwrap();
    let outbox = start(&db).await;
    until("the first call is noted", async || {
        let status = outbox.status().await.unwrap();
        let receiver = status.receiver("guards.leaves").unwrap();
        receiver.pending < 30 && receiver.owner.is_none()
    })
    .await;
    outbox.shutdown().await;
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}

event!(Ever, "guards.Ever", EVER);

#[tokio::test]
async fn times_without_end_are_cut() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = EVER.durable("guards.ever");
    let receiver = receiver
        .timeout(Duration::MAX)
        .back_off(SHORT, Duration::MAX);
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push(event.attempt());
        let result = if event.attempt() < 3 {
            Err("not yet")
        } else {
            Ok(())
        };
        Box::pin(async move { result })
    });
    on_each_database(async |db| {
        let settings = Settings::default().lease(Duration::MAX);
        let settings = settings.poll(Duration::MAX).grace(Duration::MAX);
        let outbox = Outbox::start(&db, settings).await.unwrap();
        db.send_durable(&EVER, "till", &Ever(1)).await.unwrap();
        let settled = outbox.settle(Duration::MAX);
        tokio::time::timeout(LONG, settled).await.unwrap().unwrap();
        assert_eq!(log.take(), [1, 2, 3]);
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

#[test]
fn a_relay_whose_runtime_has_ended_shows_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let file = crate::common::File::new();
    let (first, second) = (runtime(), runtime());
    let outbox =
        first.block_on(async { start(&named(with_tables(quiet(&file.url())).await)).await });
    drop(first);
    let status = second.block_on(outbox.status()).unwrap();
    let error = status.relay_error.unwrap();
    assert!(error.contains("the relay has ended"), "{error}");
}

event!(Bomb, "guards.Bomb", BOMB);

/// Panics when it is dropped.
struct Panics(bool);

impl Drop for Panics {
    fn drop(&mut self) {
        assert!(!self.0, "dropped");
    }
}

#[tokio::test]
async fn a_future_that_panics_when_it_is_dropped_has_failed() {
    let receiver = BOMB
        .durable("guards.bomb")
        .timeout(SHORT)
        .back_off(SHORT, SHORT);
    let receiver = receiver.attempts(2).connect_async(|_sender, event| {
        let bomb = Panics(event.0 == 1);
        Box::pin(async move {
            if bomb.0 {
                std::future::pending::<()>().await;
            }
            drop(bomb);
            Ok::<_, String>(())
        })
    });
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in 1..=2 {
            let sent = db.send_durable(&BOMB, number, &Bomb(number)).await;
            sent.unwrap();
        }
        outbox.settle(Duration::from_secs(15)).await.unwrap();
        let status = outbox.status().await.unwrap();
        let receiver = status.receiver("guards.bomb").unwrap();
        assert_eq!((receiver.dead, receiver.attempts), (1, 2));
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Kept, "guards.Kept", KEPT);

#[tokio::test]
async fn a_receiver_in_use_is_not_removed() {
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receiver = KEPT.durable("guards.kept");
    let receiver = receiver.connect_async(move |_sender, _event| ok()).unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        let error = outbox.remove("guards.kept").await.unwrap_err().to_string();
        assert!(error.contains("connected"), "{error}");
        db.execute_unprepared(
            "INSERT INTO fanfare_outbox_receiver (name, event, owner, lease_until) \
             VALUES ('guards.kept.else', 'guards.Kept', 'another', 9000000000000)",
        )
        .await
        .unwrap();
        let error = outbox
            .remove("guards.kept.else")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("lease"), "{error}");
        assert_eq!(
            count(
                &db,
                "fanfare_outbox_receiver WHERE name LIKE 'guards.kept%'"
            )
            .await,
            2
        );
        let end = "UPDATE fanfare_outbox_receiver SET lease_until = 0";
        db.execute_unprepared(end).await.unwrap();
        assert!(outbox.remove("guards.kept.else").await.unwrap());
        assert!(!outbox.remove("guards.kept.else").await.unwrap());
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Stuck, "guards.Stuck", STUCK);

#[tokio::test]
async fn a_shutdown_gives_leases_back_after_the_grace_and_a_second_one_waits() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = STUCK.durable("guards.stuck");
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push(event.0);
        Box::pin(std::future::pending::<Result<(), String>>())
    });
    on_each_database(async |db| {
        let settings = Settings::default().grace(Duration::from_millis(300));
        let outbox = Outbox::start(&db, settings).await.unwrap();
        db.send_durable(&STUCK, "till", &Stuck(1)).await.unwrap();
        until("it runs", async || log.len() == 1).await;
        let first = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.shutdown().await }
        });
        tokio::task::yield_now().await;
        outbox.shutdown().await;
        let status = outbox.status().await.unwrap();
        let receiver = status.receiver("guards.stuck").unwrap();
        assert_eq!((receiver.pending, receiver.owner.as_deref()), (1, None));
        first.await.unwrap();
        log.take();
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Hangs, "guards.Hangs", HANGS);

/// Another transaction keeps the tables locked, as if the database hung.
#[tokio::test]
async fn a_settle_and_a_shutdown_end_while_the_database_hangs() {
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receiver = HANGS.durable("guards.hangs");
    let receiver = receiver.connect_async(move |_sender, _event| ok());
    on_postgres_schema(async |mut options| {
        options.max_connections(8);
        let db = named(with_tables(options).await);
        let settings = Settings::default().grace(Duration::from_millis(300));
        let settings = settings.poll(SHORT);
        let outbox = Outbox::start(&db, settings).await.unwrap();
        let hangs = db.begin().await.unwrap();
        hangs
            .execute_unprepared("LOCK TABLE fanfare_outbox_event, fanfare_outbox_delivery")
            .await
            .unwrap();
        let settled = outbox.settle(Duration::from_millis(300));
        let settled = tokio::time::timeout(LONG, settled).await;
        let ended = tokio::time::timeout(LONG, outbox.shutdown()).await;
        hangs.rollback().await.unwrap();
        let error = settled.unwrap().unwrap_err().to_string();
        assert!(error.contains("does not respond"), "{error}");
        ended.unwrap();
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Newer, "guards.Newer", NEWER);

/// The lease is free for a while, although events come all the time.
#[tokio::test]
async fn an_old_program_gives_way_when_it_has_parked_an_event() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = NEWER.durable("guards.newer");
    let receiver = receiver.connect_async(move |_sender, event| {
        let (seen, number) = (seen.clone(), event.0);
        Box::pin(async move {
            tokio::time::sleep(SHORT).await;
            seen.push(number);
            Ok::<_, String>(())
        })
    });
    on_each_database(async |db| {
        let settings = Settings::default()
            .poll(Duration::from_millis(100))
            .batch(1);
        let outbox = Outbox::start(&db, settings).await.unwrap();
        let transaction = db.begin().await.unwrap();
        for number in 0..200 {
            let sent = transaction
                .send_durable(&NEWER, number, &Newer(number))
                .await;
            sent.unwrap();
        }
        transaction.commit().await.unwrap();
        until("some are delivered", async || log.len() >= 2).await;
        db.execute_unprepared(
            "INSERT INTO fanfare_outbox_event (id, name, version, sender, key, payload, state) \
             VALUES (0, 'guards.Newer', 2, '', 'newer', '7', 1);
             INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             VALUES ('guards.newer', 0, 2, 'newer')",
        )
        .await
        .unwrap();
        let status = async || {
            let status = outbox.status().await.unwrap();
            status.receiver("guards.newer").unwrap().clone()
        };
        until("the lease is free", async || {
            let status = status().await;
            status.parked == 1 && status.owner.is_none()
        })
        .await;
        assert!(status().await.pending > 0);
        outbox.settle(LONG).await.unwrap();
        outbox.shutdown().await;
        assert_eq!(log.take().len(), 200);
    })
    .await;
    receiver.unwrap().disconnect();
}
