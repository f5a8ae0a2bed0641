//! The effects on a transaction when one inside it was not begun or committed to its end, or is
//! still open. Also, saves that wait for each other in one transaction keep their columns apart.

use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::common::entities::{person, tag};
use crate::common::rows::{person, tag};
use crate::common::{Log, databases, hear, hear_async, on_each_database};
use fanfare::{ScopedConnection, Signal};
use fanfare_django::model::POST_SAVE;
use fanfare_django::transaction::{COMMITTED, ROLLED_BACK};
use fanfare_sea_orm::{Executor, SignalConnection, SignalTransaction};
use futures_util::FutureExt;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, Database, DbBackend, EntityTrait, NotSet, PaginatorTrait,
    Set, Statement, TransactionSession, TransactionTrait,
};

/// Polls a begin once and drops it; false if it was always whole by then, as PostgreSQL's driver
/// has it.
async fn drop_as_it_begins(transaction: &SignalTransaction) -> bool {
    for _ in 0..10_000 {
        match transaction.begin().now_or_never() {
            None => return true,
            Some(begun) => begun.unwrap().rollback().await.unwrap(),
        }
    }
    false
}

/// The driver then undoes one level more than there is, and reports success for COMMIT.
#[tokio::test]
async fn one_that_is_dropped_as_it_begins_fails_the_commit_around_it() {
    static TOLD: Signal<()> = Signal::new();
    static TIMES: AtomicUsize = AtomicUsize::new(0);
    TOLD.connect(|_sender, ()| {
        TIMES.fetch_add(1, Ordering::SeqCst);
    });
    on_each_database(async |db: SignalConnection| {
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        transaction.after_commit().record(&TOLD, ());
        if !drop_as_it_begins(&transaction).await {
            assert_eq!(db.get_database_backend(), DbBackend::Postgres);
            return;
        }
        let refused = person("b").insert(&transaction).await.unwrap_err();
        assert!(
            refused.to_string().contains("roll back and begin again"),
            "{refused}"
        );
        transaction.begin().await.unwrap_err();
        transaction.commit().await.unwrap_err();
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
        assert_eq!(TIMES.load(Ordering::SeqCst), 0);

        let transaction = db.begin().await.unwrap();
        person("c").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn receivers_that_update_in_turn_keep_their_columns() {
    on_each_database(async |db: SignalConnection| {
        let first = person("first").insert(&db).await.unwrap().id;
        let last = person("last").insert(&db).await.unwrap().id;
        let log = Log::new();
        let lines = log.clone();
        let _written = hear(person::Entity, &POST_SAVE, move |_sender, event| {
            lines.push(format!("{:?}", event.update_fields()));
            Ok(())
        });
        // Until it has ended, the updates below wait for their turn, both after their
        // `before_save`.
        let holder = hear_async(tag::Entity, &POST_SAVE, |_sender, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                let savepoint = db.begin().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
                savepoint.commit().await?;
                Ok(())
            })
        });
        let renames = [true, false].map(|is_first| {
            hear_async(tag::Entity, &POST_SAVE, move |_sender, event| {
                Box::pin(async move {
                    let db = event.connection::<Executor>().ok_or("no connection")?;
                    let mut renamed = person::ActiveModel {
                        id: NotSet,
                        first_name: NotSet,
                        last_name: NotSet,
                    };
                    if is_first {
                        renamed.id = Set(first);
                        renamed.first_name = Set("Ada".into());
                    } else {
                        renamed.id = Set(last);
                        renamed.last_name = Set("Byron".into());
                    }
                    renamed.update(db).await?;
                    Ok(())
                })
            })
        });
        let transaction = db.begin().await.unwrap();
        tag("go").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        drop((holder, renames));
        let mut written = log.take();
        written.sort();
        assert_eq!(
            written,
            [r#"Some(["first_name"])"#, r#"Some(["last_name"])"#]
        );
    })
    .await;
}

/// The signal that is sent after a commit.
static TOLD: Signal<&'static str> = Signal::new();

/// Writes down the ends of transactions over `db`, and the deliveries.
fn watch(db: &SignalConnection, log: &Log) -> [ScopedConnection; 3] {
    let using = db.using();
    let [committed, undone, told] = [log.clone(), log.clone(), log.clone()];
    [
        COMMITTED
            .options()
            .sender(using)
            .connect(move |_sender, _event| committed.push("committed")),
        ROLLED_BACK
            .options()
            .sender(using)
            .connect(move |_sender, event| {
                let nested = if event.is_nested() { " nested" } else { "" };
                let doubt = if event.is_in_doubt() { " in doubt" } else { "" };
                undone.push(format!("rolled back{nested}{doubt}"));
            }),
        TOLD.connect(move |_sender, text| told.push(*text)),
    ]
    .map(|connection| connection.scoped())
}

/// Begins an outer transaction with a row and an event, and one inside it with another row.
async fn one_in_the_other(db: &SignalConnection) -> (SignalTransaction, SignalTransaction) {
    let outer = db.begin().await.unwrap();
    person("outer").insert(&outer).await.unwrap();
    outer.after_commit().record(&TOLD, "delivered");
    let inner = outer.begin().await.unwrap();
    person("inner").insert(&inner).await.unwrap();
    (outer, inner)
}

async fn undo(transaction: SignalTransaction, is_dropped: bool) {
    if is_dropped {
        drop(transaction);
    } else {
        transaction.rollback().await.unwrap();
    }
}

/// The driver would release the savepoint, call that a success, and undo all of it later.
#[tokio::test]
async fn a_commit_while_one_inside_is_open_fails_and_undoes_both() {
    on_each_database(async |db: SignalConnection| {
        for is_dropped in [true, false] {
            let log = Log::new();
            let _watch = watch(&db, &log);
            let (outer, inner) = one_in_the_other(&db).await;
            let refused = outer.commit().await.unwrap_err();
            assert!(refused.to_string().contains("still open"), "{refused}");
            undo(inner, is_dropped).await;
            assert_eq!(log.take(), ["rolled back", "rolled back nested"]);
            assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_commit_inside_a_transaction_that_has_ended_is_refused_and_undone() {
    on_each_database(async |db: SignalConnection| {
        for is_dropped in [true, false] {
            let log = Log::new();
            let _watch = watch(&db, &log);
            let (outer, inner) = one_in_the_other(&db).await;
            undo(outer, is_dropped).await;
            let refused = inner.commit().await.unwrap_err();
            assert!(refused.to_string().contains("out of order"), "{refused}");
            assert_eq!(log.take(), ["rolled back", "rolled back nested"]);
            assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
        }
    })
    .await;
}

/// Also one that a receiver began and put aside.
#[tokio::test]
async fn a_receivers_transaction_does_not_outlive_the_one_around_it() {
    static ASIDE: Mutex<Option<SignalTransaction>> = Mutex::new(None);
    on_each_database(async |db: SignalConnection| {
        let begins = hear_async(person::Entity, &POST_SAVE, |_sender, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                *ASIDE.lock().unwrap() = Some(db.begin().await?);
                Ok(())
            })
        });
        for commits in [true, false] {
            let outer = db.begin().await.unwrap();
            person("outer").insert(&outer).await.unwrap();
            if commits {
                outer.commit().await.unwrap_err();
            } else {
                outer.rollback().await.unwrap();
            }
            let aside = ASIDE.lock().unwrap().take().unwrap();
            aside.commit().await.unwrap_err();
            assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
        }
        drop(begins);
    })
    .await;
}

/// Polls a commit once and drops it; `None` if it was always done by then.
async fn drop_as_it_is_committed<T>(begin: impl AsyncFn() -> (T, SignalTransaction)) -> Option<T> {
    for _ in 0..1_000 {
        let (around, transaction) = begin().await;
        if transaction.commit().now_or_never().is_none() {
            return Some(around);
        }
    }
    None
}

/// It is then unknown whether the rows of the savepoint are with the outer transaction, and the
/// waiting events are gone.
#[tokio::test]
async fn a_savepoint_that_is_dropped_as_it_is_committed_fails_the_commit_around_it() {
    on_each_database(async |db: SignalConnection| {
        let around = drop_as_it_is_committed(async || one_in_the_other(&db).await).await;
        let outer = around.expect("a commit waits for the database");
        let refused = outer.commit().await.unwrap_err();
        assert!(refused.to_string().contains("begin or commit"), "{refused}");
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_is_dropped_as_it_is_committed_is_reported_in_doubt() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let watch = watch(&db, &log);
        let dropped = drop_as_it_is_committed(async || {
            log.take();
            ((), db.begin().await.unwrap())
        });
        dropped.await.expect("a commit waits for the database");
        assert_eq!(log.take(), ["rolled back in doubt"]);
        drop(db.begin().await.unwrap());
        assert_eq!(log.take(), ["rolled back"]);
        drop(watch);
    })
    .await;
}

/// The database itself reports that it did not commit.
#[tokio::test]
async fn a_commit_that_the_database_refuses_is_in_no_doubt() {
    on_each_database(async |db: SignalConnection| {
        for table in [
            "CREATE TABLE owner (id INTEGER PRIMARY KEY)",
            "CREATE TABLE owned (owner_id INTEGER REFERENCES owner (id) DEFERRABLE INITIALLY DEFERRED)",
        ] {
            db.execute_unprepared(table).await.unwrap();
        }
        let log = Log::new();
        let _watch = watch(&db, &log);
        let transaction = db.begin().await.unwrap();
        transaction.after_commit().record(&TOLD, "delivered");
        let orphan = transaction.execute_unprepared("INSERT INTO owned VALUES (1)");
        orphan.await.unwrap();
        transaction.commit().await.unwrap_err();
        assert_eq!(log.take(), ["rolled back"]);
    })
    .await;
}

/// A web framework drops a request whose client leaves. PostgreSQL's driver would give the
/// connection back with the transaction open, and the statements of others would be in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_that_is_dropped_leaves_no_transaction_open() {
    let dropped = AtomicUsize::new(0);
    databases::on_postgres_schema(async |mut options| {
        options.max_connections(1);
        let others = Database::connect(options.clone()).await.unwrap();
        let create = "CREATE TABLE note (text varchar)";
        others.execute_unprepared(create).await.unwrap();
        let db = SignalConnection::new(Database::connect(options).await.unwrap());
        for polls in (1..=6).cycle().take(30) {
            db.execute_unprepared("SELECT 1").await.unwrap();
            let mut begin = Box::pin(db.begin());
            let mut polled = 0;
            let begun = poll_fn(|cx| match begin.as_mut().poll(cx) {
                Poll::Ready(begun) => Poll::Ready(Some(begun)),
                Poll::Pending => {
                    polled += 1;
                    match polled == polls {
                        true => Poll::Ready(None),
                        false => Poll::Pending,
                    }
                }
            });
            match begun.await {
                Some(begun) => begun.unwrap().rollback().await.unwrap(),
                None => drop(dropped.fetch_add(1, Ordering::Relaxed)),
            }
            drop(begin);
            let insert = "INSERT INTO note VALUES ('by another')";
            db.execute_unprepared(insert).await.unwrap();
        }
        let seen = "SELECT text FROM note";
        let seen = Statement::from_string(DbBackend::Postgres, seen);
        assert_eq!(others.query_all_raw(seen).await.unwrap().len(), 30);
        assert_ne!(dropped.load(Ordering::Relaxed), 0, "each was whole");
    })
    .await;
}
