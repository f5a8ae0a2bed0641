//! Parts that are busy, stuck or gone, which must not hold up the rest.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fanfare_outbox::{Durable, DurableReceiver, Outbox, SendDurable, Settings};
use sea_orm::{ConnectionTrait, TransactionSession, TransactionTrait};

use crate::common::databases::{on_postgres_schema, quiet};
use crate::common::{
    LONG, Log, event, named, on_each_database, on_each_shared, start, until, with_tables,
};

const SHORT: Duration = Duration::from_millis(20);

event!(Busy, "stuck.Busy", BUSY);

/// Commits that never pause do not keep the relay in its hand-outs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_steady_stream_of_commits_is_delivered_and_can_be_shut_down() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = BUSY.durable("stuck.busy");
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

event!(Blocks, "stuck.Blocks", BLOCKS);

/// The lease is renewed by a task of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receiver_that_blocks_its_thread_keeps_its_lease() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = BLOCKS.durable("stuck.blocks");
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

event!(Orphan, "stuck.Orphan", ORPHAN);

#[tokio::test]
async fn a_delivery_without_its_event_is_removed() {
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receiver = ORPHAN.durable("stuck.orphan");
    let receiver = receiver.connect_async(move |_sender, _event| ok());
    on_each_database(async |db| {
        let outbox = start(&db).await;
        db.execute_unprepared(
            "INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             VALUES ('stuck.orphan', 9, 1, '')",
        )
        .await
        .unwrap();
        outbox.settle(Duration::from_secs(10)).await.unwrap();
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Leaves, "stuck.Leaves", LEAVES);

#[tokio::test]
async fn a_receiver_that_is_disconnected_gets_no_more_events_of_its_batch() {
    static RECEIVER: OnceLock<DurableReceiver> = OnceLock::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let receiver = LEAVES.durable("stuck.leaves").keys_at_once(1);
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
        let receiver = status.receiver("stuck.leaves").unwrap();
        receiver.pending < 30 && receiver.owner.is_none()
    })
    .await;
    outbox.shutdown().await;
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}

event!(Ever, "stuck.Ever", EVER);

#[tokio::test]
async fn times_without_end_are_cut() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = EVER.durable("stuck.ever");
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

event!(Bomb, "stuck.Bomb", BOMB);

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
        .durable("stuck.bomb")
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
        let receiver = status.receiver("stuck.bomb").unwrap();
        assert_eq!((receiver.dead, receiver.attempts), (1, 2));
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Stuck, "stuck.Stuck", STUCK);

#[tokio::test]
async fn a_shutdown_gives_leases_back_after_the_grace_and_a_second_one_waits() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = STUCK.durable("stuck.stuck");
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
        let receiver = status.receiver("stuck.stuck").unwrap();
        assert_eq!((receiver.pending, receiver.owner.as_deref()), (1, None));
        first.await.unwrap();
        log.take();
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Hangs, "stuck.Hangs", HANGS);

/// Another transaction keeps the tables locked, as if the database hung.
#[tokio::test]
async fn a_settle_and_a_shutdown_end_while_the_database_hangs() {
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receiver = HANGS.durable("stuck.hangs");
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

event!(Newer, "stuck.Newer", NEWER);

/// The lease is free for a while, although events come all the time.
#[tokio::test]
async fn an_old_program_gives_way_when_it_has_parked_an_event() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = NEWER.durable("stuck.newer");
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
             VALUES (0, 'stuck.Newer', 2, '', 'newer', '7', 1);
             INSERT INTO fanfare_outbox_delivery (receiver, event_id, version, key) \
             VALUES ('stuck.newer', 0, 2, 'newer')",
        )
        .await
        .unwrap();
        let status = async || {
            let status = outbox.status().await.unwrap();
            status.receiver("stuck.newer").unwrap().clone()
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
