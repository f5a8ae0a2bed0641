//! Events are stored with their transaction, by one INSERT, and delivered after its commit.

use std::sync::Arc;

use fanfare::Sender;
use fanfare_outbox::{ConnectError, Durable, DurableReceiver, SendDurable, SendError};
use fanfare_sea_orm::{Executor, fanfare_django};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, Set, Statement, TransactionError, TransactionSession,
    TransactionTrait,
};

use crate::common::{LONG, Log, event, named, on_each_database, on_each_plain, start, until};

/// Returns the number of stored events.
async fn stored(db: &impl ConnectionTrait) -> i64 {
    let sql = "SELECT count(*) AS events FROM fanfare_outbox_event";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "events").unwrap()
}

event!(Committed, "stored.Committed", COMMITTED);

#[tokio::test]
async fn an_event_is_stored_and_delivered_only_if_its_transaction_is_committed() {
    let log = Log::new();
    let seen = log.clone();
    let receiver = COMMITTED
        .durable("stored.committed")
        .connect_async(move |sender, event| {
            seen.push(format!("{sender} {}", event.0));
            Box::pin(async { Ok::<_, String>(()) })
        })
        .unwrap();
    on_each_database(async |db| {
        let outbox = start(&db).await;
        let transaction = db.begin().await.unwrap();
        transaction
            .send_durable(&COMMITTED, "till", &Committed(1))
            .await
            .unwrap();
        transaction.rollback().await.unwrap();
        let transaction = db.begin().await.unwrap();
        transaction
            .send_durable(&COMMITTED, "till", &Committed(2))
            .await
            .unwrap();
        drop(transaction);
        assert_eq!(stored(&db).await, 0);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.len(), 0);

        let transaction = db.begin().await.unwrap();
        transaction
            .send_durable(&COMMITTED, "till", &Committed(3))
            .await
            .unwrap();
        transaction
            .send_durable(&COMMITTED, 7, &Committed(4))
            .await
            .unwrap();
        assert_eq!(stored(&transaction).await, 0);
        assert_eq!(log.len(), 0);
        transaction.commit().await.unwrap();
        outbox.settle(LONG).await.unwrap();
        let mut seen = log.take();
        seen.sort();
        assert_eq!(seen, ["\"till\" 3", "key 7 4"]);
        until("they are gone", async || stored(&db).await == 0).await;
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

event!(Nested, "stored.Nested", NESTED);

#[tokio::test]
async fn a_savepoint_takes_its_events_with_it() {
    let log = Log::new();
    let receiver = log_events(&log);
    on_each_database(async |db| {
        let outbox = start(&db).await;
        let outer = db.begin().await.unwrap();
        send(&outer, 1).await;
        let undone = outer.begin().await.unwrap();
        send(&undone, 2).await;
        let inside = undone.begin().await.unwrap();
        send(&inside, 3).await;
        inside.commit().await.unwrap();
        undone.rollback().await.unwrap();
        let kept = outer.begin().await.unwrap();
        send(&kept, 4).await;
        kept.commit().await.unwrap();
        let dropped = outer.begin().await.unwrap();
        send(&dropped, 5).await;
        drop(dropped);
        send(&outer, 6).await;
        outer.commit().await.unwrap();
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 4, 6]);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

fn log_events(log: &Log<u64>) -> DurableReceiver {
    let log = log.clone();
    let receiver = NESTED.durable("stored.nested");
    let receiver = receiver.connect_async(move |_sender, event| {
        log.push(event.0);
        Box::pin(async { Ok::<_, String>(()) })
    });
    receiver.unwrap()
}

async fn send(db: &impl SendDurable, number: u64) {
    db.send_durable(&NESTED, Sender::NONE, &Nested(number))
        .await
        .unwrap();
}

event!(Many, "stored.Many", MANY);
event!(Other, "stored.Other", OTHER);

/// Two receivers make no second row, and no second statement.
#[tokio::test]
async fn a_transaction_stores_all_its_events_by_one_insert() {
    let ok = || async { Ok::<_, String>(()) };
    let receivers = [
        MANY.durable("stored.many.1")
            .connect_async(move |_sender, _event| Box::pin(ok())),
        MANY.durable("stored.many.2")
            .connect_async(move |_sender, _event| Box::pin(ok())),
    ];
    on_each_plain(async |mut db| {
        let statements = Log::new();
        let log = statements.clone();
        db.set_metric_callback(move |info| log.push(info.statement.sql.clone()));
        let db = named(db);
        let transaction = db.begin().await.unwrap();
        for number in 0..10 {
            transaction
                .send_durable(&MANY, number, &Many(number))
                .await
                .unwrap();
            transaction
                .send_durable(&OTHER, "other", &Other(number))
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        // On PostgreSQL it takes the locks of the keys as well.
        let mut inserts = statements.take();
        inserts.retain(|sql| !["BEGIN", "COMMIT"].contains(&&**sql));
        assert_eq!(inserts.len(), 1, "{inserts:?}");
        assert!(inserts[0].contains("INSERT INTO fanfare_outbox_event"));
        assert_eq!(stored(&db).await, 20);
    })
    .await;
    for receiver in receivers {
        receiver.unwrap().disconnect();
    }
}

event!(Alone, "stored.Alone", ALONE);

#[tokio::test]
async fn outside_of_a_transaction_an_event_has_its_own() {
    on_each_database(async |db| {
        db.send_durable(&ALONE, "till", &Alone(1)).await.unwrap();
        assert_eq!(stored(&db).await, 1);
    })
    .await;
}

event!(Refused, "stored.Refused", REFUSED);

#[tokio::test]
async fn a_failed_insert_rolls_the_transaction_back() {
    on_each_database(async |db| {
        db.execute_unprepared("CREATE TABLE change (id INTEGER)")
            .await
            .unwrap();
        let failed = db.transaction::<_, (), DbErr>(|transaction| {
            Box::pin(async move {
                transaction
                    .execute_unprepared("INSERT INTO change VALUES (1)")
                    .await?;
                transaction
                    .send_durable(&REFUSED, "till", &Refused(1))
                    .await?;
                transaction
                    .execute_unprepared("DROP TABLE fanfare_outbox_event")
                    .await?;
                Ok(())
            })
        });
        let error = failed.await.unwrap_err();
        assert!(
            error.to_string().contains("fanfare_outbox_event"),
            "{error}"
        );
        assert!(matches!(error, TransactionError::Connection(_)), "{error}");
        let sql = "SELECT id FROM change";
        let rows = Statement::from_string(db.get_database_backend(), sql);
        assert!(db.query_all_raw(rows).await.unwrap().is_empty());
        assert_eq!(stored(&db).await, 0);
    })
    .await;
}

event!(Named, "stored.Named", NAMED);
static NAMED_TOO: fanfare::Signal<Named> = fanfare::Signal::new();

#[tokio::test]
async fn names_are_unique_and_errors_display_the_fix() {
    let connect = |signal: &'static fanfare::Signal<Named>| {
        let options = signal.durable("stored.named");
        options.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }))
    };
    let receiver = connect(&NAMED).unwrap();
    assert_eq!(receiver.name(), "stored.named");
    let taken = connect(&NAMED).unwrap_err();
    assert!(matches!(taken, ConnectError::NameTaken { .. }));
    assert!(taken.to_string().contains("choose another name"), "{taken}");
    let other = connect(&NAMED_TOO).unwrap_err();
    assert!(matches!(other, ConnectError::AnotherSignal { .. }));
    assert!(receiver.disconnect());
    assert!(!receiver.disconnect());
    assert!(connect(&NAMED).unwrap().disconnect());

    on_each_database(async |db| {
        let other = db.send_durable(&NAMED_TOO, "till", &Named(1)).await;
        assert!(matches!(other, Err(SendError::AnotherSignal { .. })));
        let here = db.send_durable(&NAMED, Sender::of::<u8>(), &Named(1)).await;
        let error = here.unwrap_err();
        assert!(error.to_string().contains("send from a name"), "{error}");
        assert_eq!(stored(&db).await, 0);
    })
    .await;
}

event!(Shared, "stored.Shared", SHARED);

/// Each receiver gets each event, and an event stays until the last of them is done.
#[tokio::test]
async fn each_receiver_has_its_own_progress() {
    let log = Log::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (fast, slow, wait) = (log.clone(), log.clone(), Arc::clone(&gate));
    let receivers = [
        SHARED
            .durable("stored.shared.fast")
            .connect_async(move |_sender, event| {
                fast.push(format!("fast {}", event.0));
                Box::pin(async { Ok::<_, String>(()) })
            }),
        SHARED
            .durable("stored.shared.slow")
            .connect_async(move |_sender, event| {
                let (slow, wait) = (slow.clone(), Arc::clone(&wait));
                Box::pin(async move {
                    wait.acquire().await.unwrap().forget();
                    slow.push(format!("slow {}", event.0));
                    Ok::<_, String>(())
                })
            }),
    ];
    on_each_database(async |db| {
        let outbox = start(&db).await;
        for number in [1, 2] {
            db.send_durable(&SHARED, "till", &Shared(number))
                .await
                .unwrap();
        }
        until("the fast one is done", async || {
            let status = outbox.status().await.unwrap();
            let owner = &status.receiver("stored.shared.slow").unwrap().owner;
            let fast = status.receiver("stored.shared.fast").unwrap();
            status.new == 0 && fast.pending == 0 && owner.is_some()
        })
        .await;
        assert_eq!(log.take(), ["fast 1", "fast 2"]);
        let status = outbox.status().await.unwrap();
        let slow = status.receiver("stored.shared.slow").unwrap();
        assert_eq!((slow.pending, slow.is_connected), (2, true));
        assert!(slow.oldest.is_some() && slow.owner.is_some(), "{slow:?}");
        assert_eq!(stored(&db).await, 2);
        gate.add_permits(2);
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), ["slow 1", "slow 2"]);
        until("they are gone", async || stored(&db).await == 0).await;
        outbox.shutdown().await;
    })
    .await;
    for receiver in receivers {
        receiver.unwrap().disconnect();
    }
}

mod book {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "book")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) id: i32,
    }

    fanfare_sea_orm::model_signals!("library.Book");
}

event!(Saved, "stored.Saved", SAVED);

/// A receiver of a model's signal stores its event in the transaction of the save.
#[tokio::test]
async fn a_receiver_sends_in_the_transaction_of_its_operation() {
    let books = Sender::of::<book::Entity>();
    let save = fanfare_django::model::POST_SAVE.options().sender(books);
    let save = save.connect_async(|_sender, event| {
        Box::pin(async move {
            let book = event.instance::<book::Model>().ok_or("not a book")?;
            let db = event.connection::<Executor>().ok_or("no connection")?;
            let saved = Saved(u64::try_from(book.id)?);
            db.send_durable(&SAVED, "library", &saved).await?;
            Ok(())
        })
    });
    on_each_database(async |db| {
        db.execute_unprepared("CREATE TABLE book (id INTEGER PRIMARY KEY)")
            .await
            .unwrap();
        let transaction = db.begin().await.unwrap();
        insert(1, &transaction).await;
        transaction.rollback().await.unwrap();
        assert_eq!(stored(&db).await, 0);
        let transaction = db.begin().await.unwrap();
        insert(2, &transaction).await;
        insert(3, &transaction).await;
        assert_eq!(stored(&transaction).await, 0);
        transaction.commit().await.unwrap();
        assert_eq!(stored(&db).await, 2);
    })
    .await;
    save.disconnect();

    async fn insert(id: i32, db: &impl ConnectionTrait) {
        let book = book::ActiveModel { id: Set(id) };
        book.insert(db).await.unwrap();
    }
}
