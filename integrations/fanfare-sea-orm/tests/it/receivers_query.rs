//! A receiver reads and writes over the connection or the transaction of the operation that it is
//! called for.

use std::time::Duration;

use crate::common::entities::{book, book_tag, page, person, tag};
use crate::common::rows::{person, tag};
use crate::common::{Log, hear, hear_async, on_each_database, sqlite_in_turn};
use fanfare::{ScopedConnection, Signal};
use fanfare_django::model::{
    BULK_CREATED, M2M_CHANGED, POST_DELETE, POST_SAVE, PRE_DELETE, PRE_SAVE, ReceiverResult,
};
use fanfare_sea_orm::{ExecSignalled, Executor, Links, Scopes, SignalConnection, on_commit};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait,
    PaginatorTrait, Set, TransactionSession, TransactionTrait,
};

/// Returns a row, which the receivers here write.
fn audit(text: impl Into<String>) -> tag::ActiveModel {
    tag(&text.into())
}

async fn audited(db: &impl ConnectionTrait) -> Vec<String> {
    let rows = tag::Entity::find().all(db).await.unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

/// Writes a row for each save of a person, before it and after it.
fn audit_saves() -> [ScopedConnection; 2] {
    let before = hear_async(person::Entity, &PRE_SAVE, |_sender, event| {
        Box::pin(async move {
            let db = event.connection::<Executor>().ok_or("no connection")?;
            audit("before").insert(db).await?;
            Ok(())
        })
    });
    let after = hear_async(person::Entity, &POST_SAVE, |_sender, event| {
        Box::pin(async move {
            let db = event.connection::<Executor>().ok_or("no connection")?;
            let there = person::Entity::find().count(db).await?;
            audit(format!("after {there}")).insert(db).await?;
            Ok(())
        })
    });
    [before, after]
}

/// SQLite here has a pool of one: a second connection would be waited for until an error.
#[tokio::test]
async fn rows_that_a_receiver_writes_share_the_fate_of_the_save() {
    on_each_database(async |db: SignalConnection| {
        let _audit = audit_saves();
        person("autocommit").insert(&db).await.unwrap();
        assert_eq!(audited(&db).await, ["before", "after 1"]);

        let transaction = db.begin().await.unwrap();
        person("undone").insert(&transaction).await.unwrap();
        let seen = audited(&transaction).await;
        assert_eq!(seen, ["before", "after 1", "before", "after 2"]);
        transaction.rollback().await.unwrap();
        assert_eq!(audited(&db).await.len(), 2);

        let transaction = db.begin().await.unwrap();
        person("dropped").insert(&transaction).await.unwrap();
        drop(transaction);
        assert_eq!(audited(&db).await.len(), 2);

        let transaction = db.begin().await.unwrap();
        let savepoint = transaction.begin().await.unwrap();
        person("undone").insert(&savepoint).await.unwrap();
        savepoint.rollback().await.unwrap();
        person("kept").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let seen = audited(&db).await;
        assert_eq!(seen, ["before", "after 1", "before", "after 2"]);
    })
    .await;
}

/// A nested save, a cascade and `Links` begin a transaction that the caller does not see.
#[tokio::test]
async fn receivers_of_what_begins_a_transaction_itself_are_in_it() {
    on_each_database(async |db: SignalConnection| {
        let saves = hear_async(page::Entity, &POST_SAVE, move |_, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                assert!(db.is_in_transaction());
                audit("page").insert(db).await?;
                Ok(())
            })
        });
        let deletes = hear_async(page::Entity, &PRE_DELETE, move |_, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                assert!(db.is_in_transaction());
                audit("delete").insert(db).await?;
                Ok(())
            })
        });
        let m2m = hear_async(book_tag::Entity, &M2M_CHANGED, move |_, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                assert!(db.is_in_transaction());
                audit(event.action().name()).insert(db).await?;
                Ok(())
            })
        });
        let _scoped = [saves, deletes, m2m];

        let saved = book::ActiveModel::builder()
            .set_title("Emma")
            .add_page(page::ActiveModel::builder().set_text("one"))
            .insert(&db)
            .await
            .unwrap();
        assert_eq!(audited(&db).await, ["page"]);

        let book = book::Entity::find_by_id(saved.id)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        Links::<book_tag::Entity>::of(&book)
            .unwrap()
            .add([1], &db)
            .await
            .unwrap();
        assert_eq!(audited(&db).await, ["page", "pre_add", "post_add"]);
        Links::<book_tag::Entity>::of(&book)
            .unwrap()
            .clear(&db)
            .await
            .unwrap();

        book.cascade_delete(&db).await.unwrap();
        let last = audited(&db).await.pop();
        assert_eq!(last.as_deref(), Some("delete"));
    })
    .await;
}

#[tokio::test]
async fn a_refusal_undoes_what_other_receivers_wrote() {
    on_each_database(async |db: SignalConnection| {
        let _audit = audit_saves();
        let _refuse = hear_async(person::Entity, &POST_SAVE, |_sender, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                audit("refused").insert(db).await?;
                Err("refused".into())
            })
        });
        let result = db
            .transaction::<_, _, DbErr>(|transaction| {
                Box::pin(async move { person("a").insert(transaction).await.map(drop) })
            })
            .await;
        assert!(result.is_err());
        assert!(audited(&db).await.is_empty());
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

/// The same is true for bulk statements and deletes. Over a connection of SeaORM's no connection is
/// lent.
#[tokio::test]
async fn each_event_of_a_connection_of_ours_lends_it() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let (bulk, delete, save) = (log.clone(), log.clone(), log.clone());
        let _scoped = [
            BULK_CREATED
                .connect(move |_sender, event| {
                    let lent = event.connection::<Executor>();
                    bulk.push(format!("bulk {:?}", lent.map(Executor::using)));
                    Ok(())
                })
                .scoped(),
            POST_DELETE
                .connect(move |_sender, event| {
                    let lent = event.connection::<Executor>();
                    delete.push(format!(
                        "delete {:?}",
                        lent.map(Executor::is_in_transaction)
                    ));
                    Ok(())
                })
                .scoped(),
            POST_SAVE
                .connect(move |_sender, event| {
                    let lent = event.connection::<Executor>();
                    save.push(format!("save {}", lent.is_some()));
                    Ok(())
                })
                .scoped(),
        ];
        let many = person::Entity::insert_many([person("a"), person("b")]);
        many.exec_signalled(&db).await.unwrap();
        let kept = person("c").insert(&db).await.unwrap();
        kept.delete(&db).await.unwrap();
        person("d").insert(db.inner()).await.unwrap();
        let bulk = format!("bulk {:?}", Some(db.using()));
        assert_eq!(
            log.take(),
            [&*bulk, "save true", "delete Some(false)", "save false"]
        );
    })
    .await;
}

/// Saves over it are saves of the operation's connection: they have its `using`, `update_fields`
/// and `after_commit`, and are neither raw nor of its origin.
#[tokio::test]
async fn a_save_in_a_receiver_is_as_complete_as_any_other() {
    static LATER: Signal<String> = Signal::new();
    on_each_database(async |db: SignalConnection| {
        let db = SignalConnection::named("archive", db.into_inner());
        let tag = audit("old").insert(&db).await.unwrap();
        let log = Log::new();
        let rename = hear_async(person::Entity, &POST_SAVE, move |_, event| {
            let mut tag = tag.clone().into_active_model();
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                tag.name = Set("new".to_owned());
                tag.update(db).await?;
                Ok(())
            })
        });
        let (seen, delivered) = (log.clone(), log.clone());
        let heard = hear(tag::Entity, &POST_SAVE, move |_, event| {
            let (using, raw, fields) = (event.using(), event.raw(), event.update_fields());
            seen.push(format!("{using} raw={raw} {fields:?}"));
            let later = event.after_commit().ok_or("no transaction")?;
            later.record(&LATER, "delivered".to_owned());
            Ok(())
        });
        let deliver = LATER.connect(move |_sender, text| delivered.push(text.clone()));
        let _scoped = [rename, heard, deliver.scoped()];

        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction.raw()).await.unwrap();
        let expected = r#"archive raw=false Some(["name"])"#;
        assert_eq!(log.take(), [expected]);
        transaction.commit().await.unwrap();
        assert_eq!(log.take(), ["delivered"]);
        person("b").insert(&db).await.unwrap();
        assert_eq!(log.take(), [expected, "delivered"]);
    })
    .await;
}

/// Receivers of one send run side by side: a rollback of one does not affect the others.
#[tokio::test]
async fn savepoints_of_two_receivers_do_not_mix() {
    on_each_database(async |db: SignalConnection| {
        let mut scoped = Vec::new();
        for number in 0..6 {
            scoped.push(hear_async(
                person::Entity,
                &POST_SAVE,
                move |_sender, event| {
                    Box::pin(async move {
                        let db = event.connection::<Executor>().ok_or("no connection")?;
                        match number % 3 {
                            0 => {
                                let savepoint = db.begin().await?;
                                audit(format!("kept {number}")).insert(&savepoint).await?;
                                tokio::task::yield_now().await;
                                savepoint.commit().await?;
                            }
                            1 => {
                                let savepoint = db.begin().await?;
                                audit(format!("undone {number}")).insert(&savepoint).await?;
                                tokio::task::yield_now().await;
                                savepoint.rollback().await?;
                            }
                            _ => {
                                tokio::task::yield_now().await;
                                audit(format!("kept {number}")).insert(db).await?;
                            }
                        }
                        Ok(())
                    })
                },
            ));
        }
        let transaction = db.begin().await.unwrap();
        person("a").insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let mut seen = audited(&db).await;
        seen.sort();
        assert_eq!(seen, ["kept 0", "kept 2", "kept 3", "kept 5"]);
    })
    .await;
}

/// A receiver that fails drops the others where they are: no turn stays taken.
#[tokio::test]
async fn a_receiver_that_is_dropped_gives_its_turn_back() {
    static WRITTEN: tokio::sync::Notify = tokio::sync::Notify::const_new();
    let (_turn, db) = sqlite_in_turn().await;
    let slow = hear_async(person::Entity, &POST_SAVE, |_sender, event| {
        Box::pin(async move {
            let db = event.connection::<Executor>().ok_or("no connection")?;
            let savepoint = db.begin().await?;
            audit("dropped").insert(&savepoint).await?;
            WRITTEN.notify_one();
            std::future::pending::<()>().await;
            Ok(())
        })
    });
    let failing = hear_async(person::Entity, &POST_SAVE, |_sender, _event| {
        Box::pin(async move {
            // One that is dropped as it begins its own breaks the transaction: another test's
            // matter.
            WRITTEN.notified().await;
            Err("refused".into())
        })
    });
    let scoped = [slow, failing];
    let transaction = db.begin().await.unwrap();
    person("a").insert(&transaction).await.unwrap_err();
    drop(scoped);
    let _audit = audit_saves();
    person("b").insert(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(audited(&db).await, ["before", "after 2"]);
}

/// Renames a person once.
async fn rename(person: person::Model, db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut person = person.into_active_model();
    person.first_name = Set("renamed".to_owned());
    person.update(db).await.map(drop)
}

/// Notes the rows of saves, in a receiver that runs at once and in one that waits before it looks.
fn note_names(log: &Log) -> [ScopedConnection; 2] {
    fn note(log: &Log, kind: &str, person: Option<&person::Model>) -> ReceiverResult {
        let person = person.ok_or("not a person")?;
        log.push(format!("{kind} {}", person.first_name));
        Ok(())
    }
    let (sync, late) = (log.clone(), log.clone());
    let sync = hear(person::Entity, &POST_SAVE, move |_, event| {
        note(&sync, "sync", event.instance())
    });
    let late = hear_async(person::Entity, &POST_SAVE, move |_, event| {
        let log = late.clone();
        Box::pin(async move {
            if event.created() {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            note(&log, "late", event.instance())
        })
    });
    [sync, late]
}

/// The pitfall that the README has, and its way out, in and outside of a transaction.
#[tokio::test]
async fn a_save_inside_a_receiver_overtakes_one_that_waits_unless_it_is_put_off() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let renames = hear_async(person::Entity, &POST_SAVE, |_, event| {
            Box::pin(async move {
                let person = event.instance::<person::Model>().ok_or("not a person")?;
                if event.created() {
                    let db = event.connection::<Executor>().ok_or("no connection")?;
                    rename(person.clone(), db).await?;
                }
                Ok(())
            })
        });
        let _notes = note_names(&log);
        person("a").insert(&db).await.unwrap();
        let overtaken = ["sync x", "sync renamed", "late renamed", "late x"];
        assert_eq!(log.take(), overtaken);
        drop(renames);

        let later = db.clone();
        let _renames = hear(person::Entity, &POST_SAVE, move |_, event| {
            let person = event.instance::<person::Model>().ok_or("not a person")?;
            if event.created() {
                let after_commit = event.after_commit().ok_or("no connection")?;
                let (person, db) = (person.clone(), later.clone());
                on_commit(after_commit, async move || {
                    rename(person, &db).await.unwrap();
                });
            }
            Ok(())
        });
        person("b").insert(&db).await.unwrap();
        let in_order = ["sync x", "late x", "sync renamed", "late renamed"];
        assert_eq!(log.take(), in_order);

        let transaction = db.begin().await.unwrap();
        person("c").insert(&transaction).await.unwrap();
        assert_eq!(log.take(), in_order[..2]);
        transaction.commit().await.unwrap();
        assert_eq!(log.take(), in_order[2..]);
    })
    .await;
}
