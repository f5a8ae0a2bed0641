//! Items are written just before the outermost COMMIT, together, or not at all.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::BoxFuture;
use fanfare_django::model::POST_SAVE;
use fanfare_django::transaction::ROLLED_BACK;
use fanfare_sea_orm::{BeforeCommit, Executor, Scopes};
use futures_util::FutureExt;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, PaginatorTrait, TransactionSession, TransactionTrait,
};
use tokio::sync::Notify;

use crate::common::entities::{book, person};
use crate::common::rows::{book, person};
use crate::common::{hear_async, on_each_database};

/// An item whose write makes a book with the number of items as its id.
struct Counted;

static COMMITTED: AtomicUsize = AtomicUsize::new(0);

impl BeforeCommit for Counted {
    fn write(items: Vec<Counted>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            let id = i32::try_from(items.len()).unwrap();
            book::Entity::insert(book(id)).exec(db).await.map(drop)
        })
    }

    fn committed(using: &str, _db: &DatabaseConnection) {
        assert!(using.starts_with("test_"));
        COMMITTED.fetch_add(1, Ordering::SeqCst);
    }
}

fn add(db: &impl Scopes) {
    assert!(db.before_commit(Counted).is_ok());
}

/// Returns the number that the write has noted.
async fn written(db: &impl ConnectionTrait) -> Option<i32> {
    let book = book::Entity::find().one(db).await.unwrap();
    book.map(|book| book.id)
}

#[tokio::test]
async fn items_of_a_transaction_are_written_together() {
    on_each_database(async |db| {
        let before = COMMITTED.load(Ordering::SeqCst);
        let transaction = db.begin().await.unwrap();
        add(&transaction);
        let undone = transaction.begin().await.unwrap();
        add(&undone);
        undone.rollback().await.unwrap();
        let kept = transaction.begin().await.unwrap();
        add(&kept);
        add(&kept.raw());
        kept.commit().await.unwrap();
        assert_eq!(written(&transaction).await, None);
        transaction.commit().await.unwrap();
        assert_eq!(written(&db).await, Some(3));
        assert_eq!(COMMITTED.load(Ordering::SeqCst), before + 1);
    })
    .await;
}

#[tokio::test]
async fn a_rollback_and_a_transaction_without_items_write_nothing() {
    on_each_database(async |db| {
        assert!(db.before_commit(Counted).is_err());
        let transaction = db.begin().await.unwrap();
        add(&transaction);
        transaction.rollback().await.unwrap();
        let transaction = db.begin().await.unwrap();
        add(&transaction);
        drop(transaction);
        db.begin().await.unwrap().commit().await.unwrap();
        assert_eq!(written(&db).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_failed_write_rolls_the_transaction_back() {
    on_each_database(async |db| {
        book(1).insert(&db).await.unwrap();
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        add(&transaction);
        // The id is taken.
        transaction.commit().await.unwrap_err();
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_receiver_adds_to_the_transaction_of_its_operation() {
    on_each_database(async |db| {
        let _add = hear_async(person::Entity, &POST_SAVE, |_sender, event| {
            Box::pin(async move {
                add(event.connection::<Executor>().ok_or("no connection")?);
                Ok(())
            })
        });
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        person("b").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(written(&db).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn a_savepoint_of_one_receiver_discards_no_item_of_another() {
    on_each_database(async |db| {
        let (begun, added) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, waits) = (Arc::clone(&begun), Arc::clone(&added));
        let _rolls_back = hear_async(person::Entity, &POST_SAVE, move |_sender, event| {
            let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
            Box::pin(async move {
                let executor = event.connection::<Executor>().ok_or("no connection")?;
                let savepoint = executor.begin().await?;
                add(&savepoint);
                let inner = savepoint.begin().await?;
                add(&inner);
                inner.commit().await?;
                begins.notify_one();
                waits.notified().await;
                savepoint.rollback().await?;
                Ok(())
            })
        });
        let _adds = hear_async(person::Entity, &POST_SAVE, move |_sender, event| {
            let (begun, added) = (Arc::clone(&begun), Arc::clone(&added));
            Box::pin(async move {
                begun.notified().await;
                add(event.connection::<Executor>().ok_or("no connection")?);
                added.notify_one();
                Ok(())
            })
        });
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(written(&db).await, Some(1));
    })
    .await;
}

/// An item whose write makes a book, and keeps the error of another statement to itself.
struct Hiding;

impl BeforeCommit for Hiding {
    fn write(_items: Vec<Hiding>, db: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move {
            book::Entity::insert(book(1)).exec(db).await?;
            let _ = db.execute_unprepared("SELECT * FROM nowhere").await;
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_commit_succeeds_only_if_the_database_has_committed() {
    on_each_database(async |db| {
        let transaction = db.begin().await.unwrap();
        assert!(transaction.before_commit(Hiding).is_ok());
        let committed = transaction.commit().await;
        // SQLite goes on after the statement that has failed, and PostgreSQL does not.
        assert_eq!(committed.is_ok(), written(&db).await.is_some());
        let is_sqlite = db.get_database_backend() == DbBackend::Sqlite;
        assert_eq!(committed.is_ok(), is_sqlite);
    })
    .await;
}

/// An item that keeps the connection of the commit.
struct Kept;

static KEPT: Mutex<Option<DatabaseConnection>> = Mutex::new(None);

impl BeforeCommit for Kept {
    fn write(_: Vec<Kept>, _: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async { Ok(()) })
    }

    fn committed(_using: &str, db: &DatabaseConnection) {
        *KEPT.lock().unwrap() = Some(db.clone());
    }
}

#[tokio::test]
async fn a_commit_hands_on_the_connection_of_its_transaction() {
    on_each_database(async |db| {
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        let savepoint = transaction.raw().begin().await.unwrap();
        assert!(savepoint.before_commit(Kept).is_ok());
        savepoint.commit().await.unwrap();
        assert!(KEPT.lock().unwrap().is_none());
        transaction.commit().await.unwrap();
        let kept = KEPT.lock().unwrap().take().unwrap();
        assert_eq!(person::Entity::find().count(&kept).await.unwrap(), 1);
    })
    .await;
}

/// An item that panics after the commit.
struct Panicking;

impl BeforeCommit for Panicking {
    fn write(_: Vec<Panicking>, _: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async { Ok(()) })
    }

    fn committed(_using: &str, _db: &DatabaseConnection) {
        panic!("expected");
    }
}

#[tokio::test]
async fn a_panic_after_the_commit_travels_when_the_events_are_delivered() {
    on_each_database(async |db| {
        let delivered = Arc::new(AtomicUsize::new(0));
        let transaction = db.begin().await.unwrap();
        assert!(transaction.before_commit(Panicking).is_ok());
        let counts = Arc::clone(&delivered);
        transaction.on_commit(async move || {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        let committed = AssertUnwindSafe(transaction.commit()).catch_unwind().await;
        assert!(committed.is_err());
        assert_eq!(delivered.load(Ordering::SeqCst), 1);
    })
    .await;
}

/// An item whose drop panics.
struct Undroppable;

impl Drop for Undroppable {
    fn drop(&mut self) {
        panic!("expected");
    }
}

impl BeforeCommit for Undroppable {
    fn write(_: Vec<Undroppable>, _: &DatabaseTransaction) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_transaction_is_rolled_back_although_an_item_panics_when_dropped() {
    on_each_database(async |db| {
        let rolled_back = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&rolled_back);
        let using = db.using().to_owned();
        let _count = ROLLED_BACK
            .options()
            .sender(using.as_str())
            .connect(move |_sender, _event| {
                counts.fetch_add(1, Ordering::SeqCst);
            })
            .scoped();
        let transaction = db.begin().await.unwrap();
        assert!(transaction.before_commit(Undroppable).is_ok());
        drop(transaction);
        let transaction = db.begin().await.unwrap();
        assert!(transaction.before_commit(Undroppable).is_ok());
        transaction.rollback().await.unwrap();
        assert_eq!(rolled_back.load(Ordering::SeqCst), 2);
    })
    .await;
}
