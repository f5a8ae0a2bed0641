//! The error type of a receiver reaches the caller of the operation, whatever the operation is.

use std::error::Error;
use std::fmt;

use crate::common::entities::{book, book_tag, person};
use crate::common::rows::{book, emma, person, tag};
use crate::common::{hear, hear_async, on_each_database, sqlite_in_turn};
use fanfare_django::model::{
    BULK_CREATED, BULK_DELETED, BULK_UPDATED, M2M_CHANGED, POST_DELETE, POST_SAVE, PRE_DELETE,
    PRE_SAVE, ReceiverResult,
};
use fanfare_sea_orm::{
    ExecSignalled, Executor, Links, ReceiverError, SignalConnection, receiver_error,
};
use sea_orm::{
    ActiveModelTrait, DbErr, EntityTrait, Set, TransactionError, TransactionSession,
    TransactionTrait,
};

#[derive(Debug, PartialEq, Eq)]
struct ShopError(&'static str);

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the shop refuses: {}", self.0)
    }
}

impl Error for ShopError {}

fn refuse(reason: &'static str) -> ReceiverResult {
    Err(ShopError(reason).into())
}

/// Checks each way from an error of an operation to the receiver's error.
fn assert_typed(error: &DbErr, signal: &str, reason: &'static str) {
    assert_eq!(receiver_error(error), Some(&ShopError(reason)), "{error:?}");
    let of_receiver = ReceiverError::find(error).unwrap();
    assert_eq!(of_receiver.signal(), signal);
    assert_eq!(of_receiver.to_string(), ShopError(reason).to_string());
    assert!(of_receiver.error().is::<ShopError>());
    assert!(receiver_error::<fmt::Error>(error).is_none());
    assert_eq!(
        error.to_string(),
        format!(
            "Error converting `an error of a {signal} receiver` into `DbErr`: the shop refuses: {reason}"
        )
    );
    let sources =
        std::iter::successors(error.source(), |&error| error.source()).collect::<Vec<_>>();
    assert!(
        sources.iter().any(|it| it.is::<ShopError>()),
        "the chain of sources ends before the receiver's error: {sources:?}"
    );
    // SeaORM clones its errors.
    assert_eq!(receiver_error(&error.clone()), Some(&ShopError(reason)));
}

#[tokio::test]
async fn the_type_of_a_sync_receivers_error_survives_each_operation() {
    on_each_database(async |db: SignalConnection| {
        let ada = person("Lovelace").insert(&db).await.unwrap();
        let failed = |signal, error: Option<DbErr>, reason| {
            assert_typed(&error.expect("a refusal"), signal, reason);
        };
        {
            let _refuse = hear(person::Entity, &PRE_SAVE, |_, _| refuse("before"));
            let error = person("King").insert(&db).await.err();
            failed("PRE_SAVE", error, "before");
            let mut changed: person::ActiveModel = ada.clone().into();
            changed.first_name = Set("Augusta".to_owned());
            failed("PRE_SAVE", changed.update(&db).await.err(), "before");
        }
        {
            let _refuse = hear(person::Entity, &POST_SAVE, |_, _| refuse("after"));
            failed("POST_SAVE", person("King").insert(&db).await.err(), "after");
        }
        {
            let _refuse = hear(person::Entity, &PRE_DELETE, |_, _| refuse("kept"));
            let active: person::ActiveModel = ada.clone().into();
            failed("PRE_DELETE", active.delete(&db).await.err(), "kept");
        }
        {
            let _refuse = hear(person::Entity, &POST_DELETE, |_, _| refuse("gone"));
            let active: person::ActiveModel = ada.into();
            failed("POST_DELETE", active.delete(&db).await.err(), "gone");
        }
        let _refuse = [
            BULK_CREATED.connect(|_, _| refuse("created")).scoped(),
            BULK_UPDATED.connect(|_, _| refuse("updated")).scoped(),
            BULK_DELETED.connect(|_, _| refuse("deleted")).scoped(),
        ];
        let inserted = person::Entity::insert_many([person("a"), person("b")]);
        let error = inserted.exec_signalled(&db).await.err();
        failed("BULK_CREATED", error, "created");
        let updated = person::Entity::update_many().set(person::ActiveModel {
            first_name: Set("y".to_owned()),
            ..Default::default()
        });
        let error = updated.exec_signalled(&db).await.err();
        failed("BULK_UPDATED", error, "updated");
        let error = person::Entity::delete_many().exec_signalled(&db).await;
        failed("BULK_DELETED", error.err(), "deleted");
    })
    .await;
}

#[tokio::test]
async fn the_type_of_an_error_survives_links_and_nested_saves() {
    on_each_database(async |db: SignalConnection| {
        let _refuse = hear(book_tag::Entity, &M2M_CHANGED, |_, _| refuse("no links"));
        let book = book(7).insert(&db).await.unwrap();
        let links = Links::<book_tag::Entity>::of(&book).unwrap();
        let error = links.add([1], &db).await.unwrap_err();
        assert_typed(&error, "M2M_CHANGED", "no links");
        let error = emma().add_tag(tag("novel")).save(&db).await.unwrap_err();
        assert_typed(&error, "M2M_CHANGED", "no links");
    })
    .await;
}

#[tokio::test]
async fn the_type_of_an_async_receivers_error_survives_in_a_transaction() {
    on_each_database(async |db: SignalConnection| {
        let _refuse = hear_async(person::Entity, &PRE_SAVE, |_, _| {
            Box::pin(async {
                tokio::task::yield_now().await;
                refuse("later")
            })
        });
        let transaction = db.begin().await.unwrap();
        let error = person("a").insert(&transaction).await.unwrap_err();
        assert_typed(&error, "PRE_SAVE", "later");
        transaction.rollback().await.unwrap();

        // `TransactionError` has no source.
        let failed = db.transaction::<_, (), DbErr>(|transaction| {
            Box::pin(async move { person("b").insert(transaction).await.map(drop) })
        });
        let error = failed.await.unwrap_err();
        assert!(matches!(error, TransactionError::Transaction(_)));
        assert_eq!(receiver_error(&error), Some(&ShopError("later")));
    })
    .await;
}

/// The inner save's error passes through the outer receiver's `?`.
#[tokio::test]
async fn the_type_of_an_error_survives_a_save_inside_a_receiver() {
    on_each_database(async |db: SignalConnection| {
        let _refuse = hear(book::Entity, &PRE_SAVE, |_, _| refuse("inner"));
        let _save = hear_async(person::Entity, &POST_SAVE, |_, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                book(7).insert(db).await?;
                Ok(())
            })
        });
        let error = person("a").insert(&db).await.unwrap_err();
        assert_typed(&error, "PRE_SAVE", "inner");
    })
    .await;
}

/// A receiver's own enum has a `DbErr` inside, which has the error of an inner save.
#[tokio::test]
async fn a_receivers_error_that_wraps_another_is_found_by_either_type() {
    #[derive(Debug)]
    struct Wrapped(DbErr);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the book was not saved")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    let (_turn, db) = sqlite_in_turn().await;
    let _refuse = hear(book::Entity, &PRE_SAVE, |_, _| refuse("inner"));
    let _save = hear_async(person::Entity, &POST_SAVE, |_, event| {
        Box::pin(async move {
            let db = event.connection::<Executor>().ok_or("no connection")?;
            book(7).insert(db).await.map_err(Wrapped)?;
            Ok(())
        })
    });
    let error = person("a").insert(&db).await.unwrap_err();
    assert!(receiver_error::<Wrapped>(&error).is_some());
    assert_eq!(receiver_error(&error), Some(&ShopError("inner")));
    assert_eq!(ReceiverError::find(&error).unwrap().signal(), "POST_SAVE");
}

#[cfg(all(
    feature = "migration",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
#[tokio::test]
async fn the_type_of_an_error_survives_a_migration() {
    use crate::common::databases::on_each;
    use crate::migrators::{App, Migrator, apps};
    use fanfare::Sender;
    use fanfare_django::management::{POST_MIGRATE, PRE_MIGRATE};
    use fanfare_sea_orm::migration::Signalled;
    use sea_orm_migration::MigratorTrait;

    apps!(TypedBefore TypedAfter);

    on_each(async |db| {
        let before = PRE_MIGRATE
            .options()
            .sender(Sender::named(TypedBefore::LABEL));
        let _refuse = before.connect(|_, _| refuse("not today")).scoped();
        let after = POST_MIGRATE
            .options()
            .sender(Sender::named(TypedAfter::LABEL));
        let _fail = after.connect(|_, _| refuse("no rows")).scoped();
        let error = Signalled::<Migrator<TypedBefore>>::up(&db, None).await;
        assert_typed(&error.unwrap_err(), "PRE_MIGRATE", "not today");
        let error = Signalled::<Migrator<TypedAfter>>::up(&db, None).await;
        assert_typed(&error.unwrap_err(), "POST_MIGRATE", "no rows");
    })
    .await;
}

#[cfg(all(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
#[tokio::test]
async fn the_type_of_an_error_survives_a_hook_of_a_pool() {
    use fanfare_django::db::CONNECTION_CREATED;
    use fanfare_sea_orm::pool::connection_created;
    use sea_orm::RuntimeErr;
    use sea_orm::sqlx::{Connection, SqliteConnection};
    use std::sync::Arc;

    let refuse = CONNECTION_CREATED.connect(|_, event| match event.using() {
        "typed" => refuse("no more"),
        _ => Ok(()),
    });
    let _refuse = refuse.scoped();
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let created = connection_created("typed", "sqlite", &mut connection).await;
    let error = created.unwrap_err();
    assert_eq!(receiver_error(&error), Some(&ShopError("no more")));
    // SeaORM's error of the driver has no source.
    let error = DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)));
    assert_eq!(receiver_error(&error), Some(&ShopError("no more")));
}
