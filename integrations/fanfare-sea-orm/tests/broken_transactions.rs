//! What a transaction does when one inside it was not begun to its end, or not ended; and that saves
//! which wait for each other in one keep their columns apart.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::entities::{person, tag};
use common::rows::{person, tag};
use common::{Log, hear, hear_async, on_each_database};
use fanfare::signals::model::POST_SAVE;
use fanfare::{Sender, Signal};
use fanfare_sea_orm::{Executor, SignalConnection};
use futures_util::FutureExt;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, PaginatorTrait,
    Set, TransactionSession, TransactionTrait,
};

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
        // Polled once, and dropped. PostgreSQL's driver has it whole by then.
        if let Some(begun) = transaction.begin().now_or_never() {
            assert_eq!(db.get_database_backend(), DbBackend::Postgres);
            begun.unwrap();
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
        let renames = [true, false].map(|is_first| {
            hear_async(tag::Entity, &POST_SAVE, move |_sender, event| {
                Box::pin(async move {
                    let db = event.connection::<Executor>().ok_or("no connection")?;
                    let id = if is_first { first } else { last };
                    let found = person::Entity::find_by_id(id).one(db).await?;
                    let mut renamed = found.ok_or("no person")?.into_active_model();
                    if is_first {
                        renamed.first_name = Set("Ada".into());
                    } else {
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
        drop(renames);
        let mut written = log.take();
        written.sort();
        assert_eq!(
            written,
            [r#"Some(["first_name"])"#, r#"Some(["last_name"])"#]
        );
    })
    .await;
}
