//! Receivers that fail, and dead letters.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fanfare_outbox::{Durable, Outbox, SendDurable, Unsettled};
use sea_orm::{ConnectionTrait, TransactionSession, TransactionTrait};

use crate::common::{
    LONG, Log, event, named, on_each_database, on_each_plain, start, statements_of, until,
};

const SHORT: Duration = Duration::from_millis(20);

event!(Tried, "failures.Tried", TRIED);

#[tokio::test]
async fn attempts_come_later_and_later_until_one_succeeds() {
    let log = Log::new();
    let times = log.clone();
    let first = Duration::from_millis(40);
    let receiver = TRIED
        .durable("failures.tried")
        .back_off(first, LONG)
        .connect_async(move |_sender, event| {
            times.push((event.attempt(), Instant::now()));
            let attempt = event.attempt();
            Box::pin(async move {
                match attempt {
                    1..4 => Err(format!("attempt {attempt} failed")),
                    _ => Ok(()),
                }
            })
        })
        .unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        db.send_durable(&TRIED, "till", &Tried(1)).await.unwrap();
        until("it has failed", async || {
            let status = outbox.status().await.unwrap();
            let receiver = status.receiver("failures.tried").unwrap();
            receiver.failed == 1 && {
                let attempts = receiver.attempts;
                assert_eq!(
                    receiver.last_error.as_deref(),
                    Some(&*format!("attempt {attempts} failed"))
                );
                true
            }
        })
        .await;
        outbox.settle(LONG).await.unwrap();
        let times = log.take();
        let attempts: Vec<_> = times.iter().map(|(attempt, _)| *attempt).collect();
        assert_eq!(attempts, [1, 2, 3, 4]);
        for (n, pair) in times.windows(2).enumerate() {
            let doubled = first * (1 << n);
            // The note of the failure takes a moment, and the database counts in milliseconds.
            assert!(
                pair[1].1 - pair[0].1 + Duration::from_millis(2) >= doubled,
                "pause {n} is shorter than {doubled:?}: {times:?}"
            );
        }
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Dead, "failures.Dead", DEAD);

/// Later events of the key wait behind a dead letter, and those of other keys do not.
#[tokio::test]
async fn a_dead_letter_is_sequenced() {
    static FAILS: AtomicU32 = AtomicU32::new(0);
    let log = Log::new();
    let seen = log.clone();
    let receiver = DEAD
        .durable("failures.dead")
        .attempts(2)
        .back_off(SHORT, SHORT)
        .connect_async(move |_sender, event| {
            let number = event.0;
            let fails = number == 1 && FAILS.load(Ordering::SeqCst) > 0;
            seen.push(number);
            Box::pin(async move { if fails { Err("no such order") } else { Ok(()) } })
        })
        .unwrap();
    on_each_database(async |db| {
        FAILS.store(1, Ordering::SeqCst);
        let outbox = start(&db).await;
        send(&db, &[("a", 1), ("a", 2), ("b", 3), ("a", 4)]).await;
        outbox.settle(LONG).await.unwrap();
        assert_eq!(counted(log.take()), [(1, 2), (3, 1)]);
        let letters = outbox.dead_letters(10).await.unwrap();
        assert_eq!(letters.len(), 1);
        let letter = &letters[0];
        assert_eq!(
            (&*letter.receiver, &*letter.payload, letter.attempts),
            ("failures.dead", "1", 2)
        );
        assert_eq!(letter.last_error, "no such order");
        let status = outbox.status().await.unwrap();
        let receiver = status.receiver("failures.dead").unwrap();
        assert_eq!((receiver.dead, receiver.pending), (1, 2));
        // They still wait when another event of the key comes.
        send(&db, &[("a", 5), ("b", 6)]).await;
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [6]);

        // It dies again.
        assert!(resubmit(&outbox).await);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 1]);
        FAILS.store(0, Ordering::SeqCst);
        assert!(resubmit(&outbox).await);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 2, 4, 5]);
        assert!(!resubmit(&outbox).await);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();

    async fn send(db: &impl SendDurable, events: &[(&str, u64)]) {
        let transaction = db.begin().await.unwrap();
        for (sender, number) in events {
            let sent = transaction
                .send_durable(&DEAD, *sender, &Dead(*number))
                .await;
            sent.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn resubmit(outbox: &Outbox) -> bool {
        let letters = outbox.dead_letters(1).await.unwrap();
        let Some(letter) = letters.first() else {
            return false;
        };
        let again = outbox.resubmit(&letter.receiver, letter.event_id).await;
        again.unwrap()
    }
}

/// Returns each number with its count.
fn counted(mut numbers: Vec<u64>) -> Vec<(u64, usize)> {
    numbers.sort_unstable();
    let runs = numbers.chunk_by(|one, other| one == other);
    runs.map(|run| (run[0], run.len())).collect()
}

event!(Discarded, "failures.Discarded", DISCARDED);

#[tokio::test]
async fn a_discarded_dead_letter_lets_the_key_go_on() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = DISCARDED
        .durable("failures.discarded")
        .attempts(1)
        .connect_async(move |_sender, event| {
            let number = event.0;
            seen.push(number);
            Box::pin(async move { if number == 1 { Err("no") } else { Ok(()) } })
        })
        .unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in [1, 2] {
            let sent = db
                .send_durable(&DISCARDED, "till", &Discarded(number))
                .await;
            sent.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1]);
        let letter = outbox.dead_letters(1).await.unwrap().remove(0);
        let discard = || outbox.discard(&letter.receiver, letter.event_id);
        assert!(discard().await.unwrap());
        assert!(!discard().await.unwrap());
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [2]);
        assert!(outbox.dead_letters(1).await.unwrap().is_empty());
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Loose, "failures.Loose", LOOSE);

#[tokio::test]
async fn an_unsequenced_receiver_goes_on_after_a_dead_letter() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = LOOSE
        .durable("failures.loose")
        .attempts(2)
        .back_off(SHORT, SHORT)
        .unsequenced()
        .connect_async(move |_sender, event| {
            let number = event.0;
            seen.push(number);
            Box::pin(async move { if number == 1 { Err("no") } else { Ok(()) } })
        })
        .unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in [1, 2] {
            let sent = db.send_durable(&LOOSE, "till", &Loose(number)).await;
            sent.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        // The later event waits for the attempts, and not for the dead letter.
        assert_eq!(log.take(), [1, 1, 2]);
        assert_eq!(outbox.dead_letters(9).await.unwrap().len(), 1);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Panics, "failures.Panics", PANICS);

#[tokio::test]
async fn a_panic_and_a_timeout_are_failures() {
    let receiver = PANICS
        .durable("failures.panics")
        .attempts(1)
        .timeout(Duration::from_millis(50))
        .connect_async(|_sender, event| {
            assert_ne!(event.0, 1, "one is refused");
            let number = event.0;
            Box::pin(async move {
                assert_ne!(number, 2, "two is refused");
                if number == 3 {
                    std::future::pending::<()>().await;
                }
                Ok::<_, String>(())
            })
        })
        .unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in 1..=4 {
            let sent = db.send_durable(&PANICS, number, &Panics(number)).await;
            sent.unwrap();
        }
        outbox.settle(LONG).await.unwrap();
        let letters = outbox.dead_letters(9).await.unwrap();
        let errors: Vec<_> = letters.iter().map(|it| &*it.last_error).collect();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[0].starts_with("panicked: ") && errors[0].contains("one is refused"));
        assert!(errors[1].contains("two is refused"), "{errors:?}");
        assert_eq!(errors[2], "did not end within 50ms");
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Slow, "failures.Slow", SLOW);

#[tokio::test]
async fn settle_reports_the_pending_events() {
    let receiver = SLOW
        .durable("failures.slow")
        .back_off(LONG, LONG)
        .connect_async(|_sender, _event| Box::pin(async { Err("the mail server is away") }))
        .unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        outbox.settle(LONG).await.unwrap();
        db.send_durable(&SLOW, "till", &Slow(1)).await.unwrap();
        until("it has failed", async || {
            let status = outbox.status().await.unwrap();
            status.receiver("failures.slow").unwrap().failed == 1
        })
        .await;
        let error = outbox.settle(SHORT).await.unwrap_err();
        assert!(matches!(error, Unsettled::Pending(_)));
        let text = error.to_string();
        assert!(
            text.contains("failures.slow: 0 pending, 1 failed"),
            "{text}"
        );
        assert!(text.contains("the mail server is away"), "{text}");
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Chosen, "failures.Chosen", CHOSEN);

#[tokio::test]
async fn dead_letters_are_resubmitted_and_discarded_by_a_filter() {
    static FAILS: AtomicU32 = AtomicU32::new(0);
    let log = Log::new();
    let seen = log.clone();
    let receiver = CHOSEN.durable("failures.chosen").attempts(1);
    let receiver = receiver.connect_async(move |_sender, event| {
        seen.push(event.0);
        let fails = FAILS.load(Ordering::SeqCst) > 0;
        Box::pin(async move { if fails { Err("no") } else { Ok(()) } })
    });
    on_each_database(async |db| {
        FAILS.store(1, Ordering::SeqCst);
        let outbox = start(&db).await;
        // More than are read at a time.
        let transaction = db.begin().await.unwrap();
        for number in 0..250 {
            let sent = transaction
                .send_durable(&CHOSEN, number, &Chosen(number))
                .await;
            sent.unwrap();
        }
        transaction.commit().await.unwrap();
        outbox.settle(LONG).await.unwrap();
        log.take();
        FAILS.store(0, Ordering::SeqCst);
        let old =
            "UPDATE fanfare_outbox_event SET stored_at = stored_at - 7200000 WHERE payload = '7'";
        db.execute_unprepared(old).await.unwrap();
        let hour = Duration::from_secs(3_600);
        let discarded = outbox.discard_where(|letter| letter.age > hour).await;
        assert_eq!(discarded.unwrap(), 1);
        let is_even = |payload: &str| payload.parse::<u64>().unwrap() % 2 == 0;
        let resubmitted = outbox
            .resubmit_where(|letter| letter.event == "failures.Chosen" && is_even(&letter.payload))
            .await;
        assert_eq!(resubmitted.unwrap(), 125);
        outbox.settle(LONG).await.unwrap();
        let mut seen = log.take();
        seen.sort_unstable();
        assert!(seen.into_iter().eq((0..250).step_by(2)));
        let letters = outbox.dead_letters(1_000).await.unwrap();
        assert_eq!(letters.len(), 124);
        outbox.shutdown().await;
    })
    .await;
    receiver.unwrap().disconnect();
}

event!(Noted, "failures.Noted", NOTED);

/// After a crash between the two, the later event would come before the earlier one.
#[tokio::test]
async fn a_failure_is_noted_after_the_earlier_events_of_its_key() {
    let receiver = NOTED.durable("failures.noted").back_off(LONG, LONG);
    let receiver = receiver.connect_async(|_sender, event| {
        let number = event.0;
        Box::pin(async move { if number == 2 { Err("no") } else { Ok(()) } })
    });
    on_each_plain(async |mut db| {
        let statements = statements_of(&mut db);
        let db = named(db);
        let transaction = db.begin().await.unwrap();
        for number in 1..=3 {
            let sent = transaction
                .send_durable(&NOTED, "till", &Noted(number))
                .await;
            sent.unwrap();
        }
        transaction.commit().await.unwrap();
        let outbox = start(&db).await;
        until("it has failed", async || {
            let status = outbox.status().await.unwrap();
            status.receiver("failures.noted").unwrap().failed == 1
        })
        .await;
        outbox.shutdown().await;
        let statements = statements.take();
        let place = |text: &str| statements.iter().position(|sql| sql.contains(text));
        let done = place("DELETE FROM fanfare_outbox_event WHERE name").unwrap();
        let failed = place("UPDATE fanfare_outbox_delivery SET state = $3").unwrap();
        assert!(done < failed, "{statements:#?}");
    })
    .await;
    receiver.unwrap().disconnect();
}
