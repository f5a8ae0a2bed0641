//! What a transaction does when one inside it was not begun to its end, or not ended; and that saves
//! which wait for each other in one keep their columns apart.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::entities::{person, tag};
use common::rows::{person, tag};
use common::{Log, hear, hear_async, on_each_database};
use fanfare::signals::model::POST_SAVE;
use fanfare::{Sender, Signal};
use fanfare_sea_orm::{Executor, SignalConnection, SignalTransaction};
use futures_util::FutureExt;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, EntityTrait, NotSet, PaginatorTrait, Set,
    TransactionSession, TransactionTrait,
};

/// Polls a begin once and drops it; false if it was always whole by then, as PostgreSQL's driver has it.
async fn drop_as_it_begins(transaction: &SignalTransaction) -> bool {
    for _ in 0..10_000 {
        match transaction.begin().now_or_never() {
            None => return true,
            Some(begun) => begun.unwrap().rollback().await.unwrap(),
        }
    }
    false
}

/// The driver then undoes one level more than there is, and answers COMMIT with success.
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
        transaction.after_commit().send(&TOLD, Sender::NONE, ());
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
        // Until it has ended, the updates below wait for their turn, both after their `before_save`.
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
