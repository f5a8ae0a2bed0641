//! The end of a relay.

use std::sync::Arc;
use std::time::Duration;

use fanfare_outbox::{Durable, Outbox, SendDurable, Settings};
use tokio::sync::Semaphore;

use crate::common::{
    LONG, Log, event, named, on_each_database, on_each_plain, start, statements_of, until,
};

event!(Ends, "relays.Ends", ENDS);

#[tokio::test]
async fn a_shutdown_waits_for_receivers_and_leaves_the_other_events() {
    let log = Log::new();
    let gate = Arc::new(Semaphore::new(0));
    let (seen, wait) = (log.clone(), Arc::clone(&gate));
    let receiver = ENDS
        .durable("relays.ends")
        .connect_async(move |_sender, event| {
            let (seen, wait, number) = (seen.clone(), Arc::clone(&wait), event.0);
            seen.push(format!("{number} starts"));
            Box::pin(async move {
                wait.acquire().await.unwrap().forget();
                seen.push(format!("{number} ends"));
                Ok::<_, String>(())
            })
        })
        .unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in [1, 2] {
            let sent = db.send_durable(&ENDS, "till", &Ends(number)).await;
            sent.unwrap();
        }
        until("the first one starts", async || log.len() == 1).await;
        let ends = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.shutdown().await }
        });
        tokio::task::yield_now().await;
        assert!(!ends.is_finished());
        gate.add_permits(1);
        ends.await.unwrap();
        assert_eq!(log.take(), ["1 starts", "1 ends"]);
        let status = outbox.status().await.unwrap();
        let receiver = status.receiver("relays.ends").unwrap();
        // Perhaps the other one is not handed out.
        let left = status.new + receiver.pending;
        assert_eq!((left, receiver.owner.as_deref()), (1, None));

        // A receiver that does not end is dropped, and its event is not lost.
        let short = Settings::default().grace(Duration::from_millis(50));
        let outbox = Outbox::start(&db, short.lease(Duration::from_millis(300))).await;
        let outbox = outbox.unwrap();
        until("the second one starts", async || log.len() == 1).await;
        outbox.shutdown().await;
        assert_eq!(log.take(), ["2 starts"]);

        let outbox = start(&db).await;
        gate.add_permits(1);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), ["2 starts", "2 ends"]);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

/// A drop of the handle stops the relay, so that the test's runtime has no task left.
#[tokio::test]
async fn a_dropped_handle_stops_the_relay() {
    on_each_plain(async |mut db| {
        let statements = statements_of(&mut db);
        let db = named(db);
        let settings = Settings::default().poll(Duration::from_millis(10));
        let outbox = Outbox::start(&db, settings).await.unwrap();
        until("it polls", async || statements.len() > 5).await;
        drop(outbox);
        until("it is silent", async || {
            statements.take();
            tokio::time::sleep(Duration::from_millis(100)).await;
            statements.len() == 0
        })
        .await;
    })
    .await;
}

event!(Uneven, "relays.Uneven", UNEVEN);

#[tokio::test]
async fn a_slow_event_holds_up_its_own_key_only() {
    let log = Log::new();
    let gate = Arc::new(Semaphore::new(0));
    let (seen, wait) = (log.clone(), Arc::clone(&gate));
    let receiver = UNEVEN
        .durable("relays.uneven")
        .connect_async(move |_sender, event| {
            let (seen, wait, number) = (seen.clone(), Arc::clone(&wait), event.0);
            Box::pin(async move {
                if number == 1 {
                    seen.push(0);
                    wait.acquire().await.unwrap().forget();
                }
                seen.push(number);
                Ok::<_, String>(())
            })
        })
        .unwrap();
    on_each_database(async |db| {
        let settings = Settings::default().poll(Duration::from_millis(50));
        let outbox = Outbox::start(&db, settings).await.unwrap();
        let send = async |sender, number| {
            let sent = db.send_durable(&UNEVEN, sender, &Uneven(number)).await;
            sent.unwrap();
        };
        send("slow", 1).await;
        until("it runs", async || log.len() == 1).await;
        for number in 2..=4 {
            send("slow", number).await;
            send("fast", number + 10).await;
        }
        until("the other key is delivered", async || log.len() == 4).await;
        assert_eq!(log.take(), [0, 12, 13, 14]);
        gate.add_permits(1);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 2, 3, 4]);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Woken, "relays.Woken", WOKEN);

/// With polls an hour apart, nothing but the commit can be the reason.
#[tokio::test]
async fn a_commit_wakes_the_relay_of_its_process() {
    let ok = || Box::pin(async { Ok::<_, String>(()) });
    let receiver = WOKEN.durable("relays.woken");
    let receiver = receiver.connect_async(move |_sender, _event| ok());
    on_each_database(async |db| {
        let settings = Settings::default().poll(Duration::from_secs(3_600));
        let outbox = Outbox::start(&db, settings).await.unwrap();
        for number in 0..3 {
            let sent = db.send_durable(&WOKEN, "till", &Woken(number)).await;
            sent.unwrap();
            outbox.settle(LONG).await.unwrap();
        }
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}
