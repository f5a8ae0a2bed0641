//! Events that wait for a commit are delivered after it, in order, or never.

mod common;

use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::entities::person;
use common::rows::person;
use common::{Log, hear, on_each_database, sqlite, sqlite_in_turn, turn};
use fanfare::{ScopedConnection, Signal};
use fanfare_django::model::POST_SAVE;
use fanfare_django::transaction::{COMMITTED, ROLLED_BACK};
use fanfare_sea_orm::{Scopes, SignalConnection};
use futures_util::FutureExt;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, TransactionError,
    TransactionSession, TransactionTrait,
};

static MAIL: Signal<String> = Signal::new();
static SEEN: LazyLock<Log> = LazyLock::new(Log::new);

fn read_mail() -> ScopedConnection {
    MAIL.connect(|_sender, text| SEEN.push(text.clone()))
        .scoped()
}

/// Connects a `post_save` receiver that owes a mail for each new person.
fn owe_mails() -> [ScopedConnection; 2] {
    let owe = hear(person::Entity, &POST_SAVE, |_sender, event| {
        let person = event.instance::<person::Model>().ok_or("not a person")?;
        let after_commit = event.after_commit().ok_or("no transaction known")?;
        after_commit.record(&MAIL, person.last_name.clone());
        SEEN.push(format!("saved {}", person.last_name));
        Ok(())
    });
    [owe, read_mail()]
}

#[tokio::test]
async fn a_commit_delivers_in_order() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        person("b").insert(&transaction).await.unwrap();
        assert_eq!(SEEN.take(), ["saved a", "saved b"]);
        transaction.commit().await.unwrap();
        assert_eq!(SEEN.take(), ["a", "b"]);
    })
    .await;
}

/// Without a transaction the row is committed as it is written.
#[tokio::test]
async fn under_autocommit_it_is_delivered_after_the_save() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        person("a").insert(&db).await.unwrap();
        assert_eq!(SEEN.take(), ["saved a", "a"]);
    })
    .await;
}

#[tokio::test]
async fn a_rollback_and_a_drop_discard() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        transaction.rollback().await.unwrap();
        let transaction = db.begin().await.unwrap();
        person("b").insert(&transaction).await.unwrap();
        drop(transaction);
        assert_eq!(SEEN.take(), ["saved a", "saved b"]);
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn savepoints_hand_on_or_discard() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        let outer = db.begin().await.unwrap();
        person("a").insert(&outer).await.unwrap();
        let kept = outer.begin().await.unwrap();
        person("b").insert(&kept).await.unwrap();
        let deeper = kept.begin().await.unwrap();
        person("c").insert(&deeper).await.unwrap();
        deeper.rollback().await.unwrap();
        kept.commit().await.unwrap();
        let dropped = outer.begin().await.unwrap();
        person("d").insert(&dropped).await.unwrap();
        drop(dropped);
        person("e").insert(&outer).await.unwrap();
        assert_eq!(
            SEEN.take(),
            ["saved a", "saved b", "saved c", "saved d", "saved e"]
        );
        outer.commit().await.unwrap();
        assert_eq!(SEEN.take(), ["a", "b", "e"]);
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 3);
    })
    .await;
}

#[tokio::test]
async fn the_rollback_of_an_outer_transaction_discards_the_events_of_its_savepoints() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        let outer = db.begin().await.unwrap();
        let inner = outer.begin().await.unwrap();
        person("a").insert(&inner).await.unwrap();
        inner.commit().await.unwrap();
        outer.rollback().await.unwrap();
        assert_eq!(SEEN.take(), ["saved a"]);
    })
    .await;
}

#[tokio::test]
async fn a_closure_that_fails_discards_and_one_that_does_not_delivers() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        let failed = db.transaction::<_, (), DbErr>(|transaction| {
            Box::pin(async move {
                person("a").insert(transaction).await?;
                Err(DbErr::Custom("no".to_owned()))
            })
        });
        let error = failed.await.unwrap_err();
        assert!(matches!(
            error,
            TransactionError::Transaction(DbErr::Custom(_))
        ));
        assert_eq!(SEEN.take(), ["saved a"]);

        let done = db.transaction::<_, i32, DbErr>(|transaction| {
            Box::pin(async move { Ok(person("b").insert(transaction).await?.id) })
        });
        done.await.unwrap();
        assert_eq!(SEEN.take(), ["saved b", "b"]);
    })
    .await;
}

/// A receiver's error inside a closure rolls back the rows that the closure wrote.
#[tokio::test]
async fn an_error_of_a_post_save_receiver_rolls_back_its_transaction() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        let _refuse = hear(person::Entity, &POST_SAVE, |_sender, _event| {
            Err("the audit table is full".into())
        });
        let failed = db.transaction::<_, (), DbErr>(|transaction| {
            Box::pin(async move {
                person("a").insert(transaction).await?;
                Ok(())
            })
        });
        assert!(failed.await.is_err());
        assert_eq!(SEEN.take(), ["saved a"]);
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn jobs_have_their_place_among_the_events() {
    on_each_database(async |db: SignalConnection| {
        let _read = read_mail();
        let transaction = db.begin().await.unwrap();
        transaction.after_commit().record(&MAIL, "first".to_owned());
        let over = db.clone();
        transaction.on_commit(async move || {
            let count = person::Entity::find().count(&over).await.unwrap();
            SEEN.push(format!("{count} persons"));
        });
        transaction.after_commit().record(&MAIL, "last".to_owned());
        person("a").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(SEEN.take(), ["first", "1 persons", "last"]);
    })
    .await;
}

/// An event that a receiver of a delivery records with the same handle is not lost.
#[tokio::test]
async fn events_recorded_during_the_delivery_are_delivered() {
    let (_turn, db) = sqlite_in_turn().await;
    let transaction = db.begin().await.unwrap();
    let handle = transaction.after_commit().clone();
    let again = MAIL.connect(move |_sender, text| {
        SEEN.push(text.clone());
        if text == "once" {
            handle.record(&MAIL, "more".to_owned());
        }
    });
    let _again = again.scoped();
    transaction.after_commit().record(&MAIL, "once".to_owned());
    transaction.commit().await.unwrap();
    assert_eq!(SEEN.take(), ["once", "more"]);
}

/// The transaction is committed by then; no other event is lost, and the panic is not hidden.
#[tokio::test]
async fn a_panic_keeps_no_other_event_from_being_delivered() {
    let (_turn, db) = sqlite_in_turn().await;
    let read = MAIL.connect(|_sender, text| {
        assert_ne!(text, "bad", "no such mail");
        SEEN.push(text.clone());
    });
    let _read = read.scoped();
    let transaction = db.begin().await.unwrap();
    person("a").insert(&transaction).await.unwrap();
    for text in ["first", "bad", "last"] {
        transaction.after_commit().record(&MAIL, text.to_owned());
    }
    let committed = AssertUnwindSafe(transaction.commit()).catch_unwind().await;
    assert!(committed.is_err());
    assert_eq!(SEEN.take(), ["first", "last"]);
    assert_eq!(person::Entity::find().count(&db).await.unwrap(), 1);
}

#[tokio::test]
async fn ends_of_transactions_are_sent() {
    on_each_database(async |db: SignalConnection| {
        let _told = [
            COMMITTED
                .options()
                .sender(db.using())
                .connect(|_sender, event| SEEN.push(format!("committed, {} wait", event.waiting())))
                .scoped(),
            ROLLED_BACK
                .options()
                .sender(db.using())
                .connect(|_sender, event| {
                    let (discarded, nested) = (event.discarded(), event.is_nested());
                    SEEN.push(format!(
                        "rolled back, {discarded} discarded, nested={nested}"
                    ));
                })
                .scoped(),
        ];
        let outer = db.begin().await.unwrap();
        let inner = outer.begin().await.unwrap();
        inner.after_commit().record(&MAIL, "a".to_owned());
        inner.after_commit().record(&MAIL, "b".to_owned());
        inner.rollback().await.unwrap();
        let inner = outer.begin().await.unwrap();
        inner.after_commit().record(&MAIL, "c".to_owned());
        inner.commit().await.unwrap();
        outer.commit().await.unwrap();
        assert_eq!(
            SEEN.take(),
            ["rolled back, 2 discarded, nested=true", "committed, 1 wait"]
        );
        drop(db.begin().await.unwrap());
        db.begin().await.unwrap().rollback().await.unwrap();
        let ended = "rolled back, 0 discarded, nested=false";
        assert_eq!(SEEN.take(), [ended, ended]);
    })
    .await;
}

/// After a statement has failed PostgreSQL responds to COMMIT with a rollback, which its driver
/// takes for success.
#[tokio::test]
async fn a_commit_that_the_database_turns_into_a_rollback_delivers_no_event() {
    on_each_database(async |db: SignalConnection| {
        let _owe = owe_mails();
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        transaction
            .execute_unprepared("SELECT nonsense")
            .await
            .unwrap_err();
        let committed = transaction.commit().await.is_ok();
        let rows = person::Entity::find().count(&db).await.unwrap();
        let mails = SEEN.take().into_iter().filter(|line| line == "a").count();
        assert_eq!(
            (committed, rows, mails),
            if committed {
                (true, 1, 1)
            } else {
                (false, 0, 0)
            }
        );
    })
    .await;
}

#[tokio::test]
async fn the_name_of_the_connection_and_raw_reach_into_transactions() {
    let _turn = turn().await;
    let db = SignalConnection::named("archive", sqlite().await.into_inner());
    let _watch = hear(person::Entity, &POST_SAVE, |_sender, event| {
        SEEN.push(format!("{} {}", event.using(), event.raw()));
        Ok(())
    });
    let transaction = db.raw().begin().await.unwrap();
    let nested = transaction.begin().await.unwrap();
    person("a").insert(&nested).await.unwrap();
    nested.commit().await.unwrap();
    transaction.commit().await.unwrap();
    person("b").insert(&db).await.unwrap();
    person("c").insert(db.inner()).await.unwrap();
    assert_eq!(
        SEEN.take(),
        ["archive true", "archive false", "default false"]
    );
}

/// The row is written, and its mail is owed, whatever happens to the receivers after.
#[tokio::test]
async fn under_autocommit_a_receiver_that_fails_keeps_no_event_back() {
    let (_turn, db) = sqlite_in_turn().await;
    let _owe = owe_mails();
    let _fail = hear(person::Entity, &POST_SAVE, |_sender, event| {
        let person = event.instance::<person::Model>().ok_or("not a person")?;
        assert_ne!(person.last_name, "panic");
        Err("refused".into())
    });
    assert!(person("error").insert(&db).await.is_err());
    assert_eq!(SEEN.take(), ["saved error", "error"]);
    let panicked = AssertUnwindSafe(person("panic").insert(&db))
        .catch_unwind()
        .await;
    assert!(panicked.is_err());
    assert_eq!(SEEN.take(), ["saved panic", "panic"]);
}

/// A destructor cannot await, and must not block the runtime's thread either: a task sends to them.
/// No panic is printed on the way, also where an error ends the function that had begun the
/// transaction.
#[tokio::test]
async fn a_dropped_transaction_sends_to_async_receivers_in_a_task() {
    let (_turn, db) = sqlite_in_turn().await;
    let (done, mut told) = tokio::sync::mpsc::unbounded_channel();
    let slow = ROLLED_BACK
        .options()
        .sender(db.using())
        .connect_async(move |_sender, event| {
            let done = done.clone();
            let discarded = event.discarded();
            Box::pin(async move {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                done.send(discarded).unwrap();
            })
        });
    let sync = ROLLED_BACK
        .options()
        .sender(db.using())
        .connect(|_sender, _event| SEEN.push("sync"));
    let _scoped = [slow.scoped(), sync.scoped()];

    static PRINTED: AtomicUsize = AtomicUsize::new(0);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {
        PRINTED.fetch_add(1, Ordering::SeqCst);
    }));
    let transaction = db.begin().await.unwrap();
    transaction
        .after_commit()
        .record(&MAIL, String::from("never sent"));
    drop(transaction);
    let discarded = told.recv().await;
    std::panic::set_hook(hook);

    assert_eq!(discarded, Some(1));
    assert_eq!(PRINTED.load(Ordering::SeqCst), 0);
    assert_eq!(SEEN.take(), ["sync"]);
    db.begin().await.unwrap().rollback().await.unwrap();
    assert_eq!(
        (SEEN.take(), told.recv().await),
        (vec!["sync".to_owned()], Some(0))
    );
}
