//! Slow events, and the number of keys that run side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare_outbox::{Durable, Outbox, SendDurable, Settings};
use sea_orm::{TransactionSession, TransactionTrait};
use tokio::sync::Semaphore;

use crate::common::{LONG, Log, event, on_each_database, until};

event!(Counted, "lanes.Counted", COUNTED);

/// The batches are smaller than the number of keys, so that several lanes have work.
#[tokio::test]
async fn keys_at_once_counts_the_keys_of_all_lanes() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let receiver = COUNTED.durable("lanes.counted").keys_at_once(3);
    let receiver = receiver
        .connect_async(|_sender, _event| {
            Box::pin(async {
                let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
                MOST.fetch_max(running, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                RUNNING.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, String>(())
            })
        })
        .unwrap();
    on_each_database(async |db| {
        MOST.store(0, Ordering::SeqCst);
        let transaction = db.begin().await.unwrap();
        for number in 0..40 {
            let event = Counted(number);
            let sent = transaction.send_durable(&COUNTED, number, &event);
            sent.await.unwrap();
        }
        transaction.commit().await.unwrap();
        let outbox = Outbox::start(&db, Settings::default().batch(4)).await;
        let outbox = outbox.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(MOST.load(Ordering::SeqCst), 3);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Hangs, "lanes.Hangs", HANGS);

/// Each slow event comes when the others run, so that it has a batch of its own.
#[tokio::test]
async fn slow_events_hold_up_other_keys_only_if_they_are_as_many_as_keys_at_once() {
    const SLOW: u64 = 7;
    let (log, gate) = (Log::new(), Arc::new(Semaphore::new(0)));
    let (seen, wait) = (log.clone(), Arc::clone(&gate));
    let receiver = HANGS.durable("lanes.hangs").keys_at_once(8);
    let receiver = receiver
        .connect_async(move |_sender, event| {
            let (seen, wait, number) = (seen.clone(), Arc::clone(&wait), event.0);
            Box::pin(async move {
                seen.push(number);
                if number < SLOW {
                    wait.acquire().await.unwrap().forget();
                }
                Ok::<_, String>(())
            })
        })
        .unwrap();
    on_each_database(async |db| {
        let settings = Settings::default().poll(Duration::from_millis(20)).batch(2);
        let outbox = Outbox::start(&db, settings).await.unwrap();
        let send = async |number| {
            let sent = db.send_durable(&HANGS, number, &Hangs(number)).await;
            sent.unwrap();
        };
        for number in 0..SLOW {
            send(number).await;
            until("it runs", async || log.len() as u64 == number + 1).await;
        }
        log.take();
        for number in 0..20 {
            send(SLOW + number).await;
        }
        until("the others are delivered", async || log.len() == 20).await;
        log.take();
        gate.add_permits(SLOW as usize);
        outbox.settle(LONG).await.unwrap();
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Shared, "lanes.Shared", SHARED);

#[tokio::test]
async fn a_slow_event_does_not_hold_up_the_keys_of_its_batch() {
    let (log, gate) = (Log::new(), Arc::new(Semaphore::new(0)));
    let (seen, wait) = (log.clone(), Arc::clone(&gate));
    let receiver = SHARED.durable("lanes.shared");
    let receiver = receiver
        .connect_async(move |_sender, event| {
            let (seen, wait, number) = (seen.clone(), Arc::clone(&wait), event.0);
            Box::pin(async move {
                seen.push(number);
                if number == 1 {
                    wait.acquire().await.unwrap().forget();
                }
                Ok::<_, String>(())
            })
        })
        .unwrap();
    on_each_database(async |db| {
        let transaction = db.begin().await.unwrap();
        for (key, number) in [("slow", 1), ("fast", 2)] {
            let event = Shared(number);
            let sent = transaction.send_durable(&SHARED, key, &event);
            sent.await.unwrap();
        }
        transaction.commit().await.unwrap();
        let settings = Settings::default().poll(Duration::from_millis(20));
        let outbox = Outbox::start(&db, settings).await.unwrap();
        until("both run", async || log.len() == 2).await;
        let sent = db.send_durable(&SHARED, "fast", &Shared(3)).await;
        sent.unwrap();
        until("the next one of the key runs", async || log.len() == 3).await;
        assert_eq!(log.take(), [1, 2, 3]);
        gate.add_permits(1);
        outbox.settle(LONG).await.unwrap();
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}
