//! A save sends `pre_save` and `post_save`, with Django's arguments.

use crate::common::entities::{book_tag, person};
use crate::common::rows::{book, tag};
use crate::common::{Log, hear, hear_async, on_each_database, refusal_of, sqlite_in_turn};
use fanfare::{ScopedConnection, Sender};
use fanfare_django::model::{
    POST_DELETE, POST_SAVE, PRE_DELETE, PRE_SAVE, PostSave, PreSave, ReceiverResult,
};
use fanfare_sea_orm::{Links, Scopes, SignalConnection};
use sea_orm::{ActiveModelTrait, ActiveValue, DbErr, EntityTrait, IntoActiveModel, Set, Unchanged};

fn ada() -> person::ActiveModel {
    person::ActiveModel {
        first_name: Set("Ada".to_owned()),
        last_name: Set("Lovelace".to_owned()),
        ..Default::default()
    }
}

/// Writes down every save of a person.
fn watch(log: &Log) -> [ScopedConnection; 2] {
    let before = log.clone();
    let after = log.clone();
    [
        hear(person::Entity, &PRE_SAVE, move |sender, event| {
            assert_eq!(sender, Sender::of::<person::Entity>());
            let person = event
                .instance::<person::ActiveModel>()
                .ok_or("not a person")?;
            let name = person.first_name.try_as_ref().cloned().unwrap_or_default();
            let (created, raw) = (event.created(), event.raw());
            let fields = event.update_fields();
            before.push(format!("pre {name} created={created} raw={raw} {fields:?}"));
            Ok(())
        }),
        hear(person::Entity, &POST_SAVE, move |sender, event| {
            assert_eq!(sender, Sender::of::<person::Entity>());
            let person = event.instance::<person::Model>().ok_or("not a person")?;
            let (name, created, raw) = (&person.first_name, event.created(), event.raw());
            let fields = event.update_fields();
            after.push(format!(
                "post {name} created={created} raw={raw} {fields:?}"
            ));
            Ok(())
        }),
    ]
}

#[tokio::test]
async fn each_kind_of_save_sends_one_pair() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let _watch = watch(&log);

        let person = ada().insert(&db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "pre Ada created=true raw=false None",
                "post Ada created=true raw=false None"
            ]
        );

        let mut changed = person.clone().into_active_model();
        changed.first_name = Set("Augusta".to_owned());
        changed.update(&db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "pre Augusta created=false raw=false Some([\"first_name\"])",
                "post Augusta created=false raw=false Some([\"first_name\"])"
            ]
        );

        let mut changed = person.clone().into_active_model();
        changed.first_name = Set("Raw".to_owned());
        changed.update(&db.raw()).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "pre Raw created=false raw=true Some([\"first_name\"])",
                "post Raw created=false raw=true Some([\"first_name\"])"
            ]
        );

        // With a primary key chosen by hand SeaORM must be asked to insert; then `save` updates.
        let mut by_hand = ada();
        by_hand.id = Set(1_000);
        by_hand.last_name = Set("Byron".to_owned());
        by_hand.clone().insert(&db).await.unwrap();
        by_hand.save(&db).await.unwrap();
        let seen = log.take();
        assert!(seen[1].starts_with("post Ada created=true"), "{seen:?}");
        assert!(seen[3].starts_with("post Ada created=false"), "{seen:?}");
        assert_eq!(seen.len(), 4);
    })
    .await;
}

/// A row of which only some columns were loaded: Django's deferred instance.
#[tokio::test]
async fn a_partial_instance_has_the_same_sender() {
    on_each_database(async |db: SignalConnection| {
        let id = ada().insert(&db).await.unwrap().id;
        let log = Log::new();
        let _watch = watch(&log);
        let partial = person::ActiveModel {
            id: Unchanged(id),
            first_name: Set("Augusta".to_owned()),
            last_name: ActiveValue::NotSet,
        };
        partial.update(&db).await.unwrap();
        assert_eq!(log.take().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_pre_save_receiver_changes_the_written_row() {
    on_each_database(async |db: SignalConnection| {
        let _shout = hear(person::Entity, &PRE_SAVE, |_sender, event| {
            let mut person = event
                .instance::<person::ActiveModel>()
                .ok_or("not a person")?;
            if let ActiveValue::Set(name) = &mut person.first_name {
                *name = name.to_uppercase();
            }
            Ok(())
        });
        let person = ada().insert(&db).await.unwrap();
        assert_eq!(person.first_name, "ADA");
        let there = person::Entity::find_by_id(person.id)
            .one(db.inner())
            .await
            .unwrap();
        assert_eq!(there.unwrap().first_name, "ADA");
    })
    .await;
}

/// The columns that a receiver sets are written as well, and the event lists them.
#[tokio::test]
async fn update_fields_after_a_save_have_what_receivers_set() {
    let (_turn, db) = sqlite_in_turn().await;
    let person = ada().insert(&db).await.unwrap();
    let log = Log::new();
    let _watch = watch(&log);
    let _rename = hear(person::Entity, &PRE_SAVE, |_sender, event| {
        let mut person = event
            .instance::<person::ActiveModel>()
            .ok_or("not a person")?;
        person.last_name = Set("King".to_owned());
        Ok(())
    });
    let mut changed = person.into_active_model();
    changed.first_name = Set("Augusta".to_owned());
    changed.update(&db).await.unwrap();
    assert_eq!(
        log.take(),
        [
            "pre Augusta created=false raw=false Some([\"first_name\"])",
            "post Augusta created=false raw=false Some([\"first_name\", \"last_name\"])"
        ]
    );
}

#[tokio::test]
async fn an_error_of_a_pre_save_receiver_refuses_the_save() {
    on_each_database(async |db: SignalConnection| {
        let _refuse = hear(person::Entity, &PRE_SAVE, |_sender, _event| {
            Err("not today".into())
        });
        let log = Log::new();
        let _watch = watch(&log);

        let error = ada().insert(&db).await.unwrap_err();
        assert_eq!(refusal_of(&error), "not today");
        assert!(log.take().is_empty());
        assert!(person::Entity::find().one(&db).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_database_error_of_a_receiver_stays_one() {
    let (_turn, db) = sqlite_in_turn().await;
    let _refuse = hear(person::Entity, &PRE_SAVE, |_sender, _event| {
        Err(DbErr::RecordNotFound("her mother".to_owned()).into())
    });
    let error = ada().insert(&db).await.unwrap_err();
    assert_eq!(error, DbErr::RecordNotFound("her mother".to_owned()));
}

/// As in Django, the row is committed by then outside a transaction.
#[tokio::test]
async fn an_error_of_a_post_save_receiver_comes_too_late() {
    on_each_database(async |db: SignalConnection| {
        let _fail = hear(person::Entity, &POST_SAVE, |_sender, _event| {
            Err("too late".into())
        });
        assert!(ada().insert(&db).await.is_err());
        assert!(person::Entity::find().one(&db).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn an_async_receiver_is_awaited_and_may_query() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let (told, over) = (log.clone(), db.clone());
        let _count = hear_async(person::Entity, &POST_SAVE, move |_sender, event| {
            let (told, over) = (told.clone(), over.clone());
            Box::pin(async move {
                let person = event.instance::<person::Model>().ok_or("not a person")?;
                let there = person::Entity::find_by_id(person.id).one(&over).await?;
                told.push(format!("{}", there.is_some()));
                Ok(())
            })
        });
        ada().insert(&db).await.unwrap();
        assert_eq!(log.take(), ["true"]);
    })
    .await;
}

fn of_any(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    ANY.push("any");
    Ok(())
}

fn of_persons(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
    ANY.push("persons");
    Ok(())
}

static ANY: std::sync::LazyLock<Log> = std::sync::LazyLock::new(Log::new);

#[tokio::test]
async fn receivers_with_and_without_a_sender_both_run() {
    on_each_database(async |db: SignalConnection| {
        let _any = POST_SAVE.connect(of_any).scoped();
        let _persons = hear(person::Entity, &POST_SAVE, of_persons);
        ada().insert(&db).await.unwrap();
        assert_eq!(ANY.take(), ["any", "persons"]);
        tag("x").insert(&db).await.unwrap();
        assert_eq!(ANY.take(), ["any"]);
    })
    .await;
}

/// Creating rows sends save pairs; setting and clearing their links sends neither saves nor
/// deletes.
#[tokio::test]
async fn links_send_no_saves() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let (a, b, c, d) = (log.clone(), log.clone(), log.clone(), log.clone());
        let _all = [
            PRE_SAVE.connect(move |_, event: &PreSave<'_>| {
                a.push(format!("pre {}", event.created()));
                Ok(())
            }),
            POST_SAVE.connect(move |_, event| {
                b.push(format!("post {}", event.created()));
                Ok(())
            }),
            PRE_DELETE.connect(move |_, _| {
                c.push("pre_delete");
                Ok(())
            }),
            POST_DELETE.connect(move |_, _| {
                d.push("post_delete");
                Ok(())
            }),
        ]
        .map(fanfare::Connection::scoped);

        let book = book(1).insert(&db).await.unwrap();
        let tag = tag("novel").insert(&db).await.unwrap();
        assert_eq!(
            log.take(),
            ["pre true", "post true", "pre true", "post true"]
        );

        let links = Links::<book_tag::Entity>::of(&book).unwrap();
        links.set([tag.id], &db).await.unwrap();
        links.clear(&db).await.unwrap();
        assert!(log.take().is_empty());
    })
    .await;
}

/// Two receivers that disconnect themselves while they run both run, once.
#[tokio::test]
async fn receivers_may_disconnect_themselves() {
    fn first(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
        ANY.push("first");
        assert!(
            POST_SAVE
                .options()
                .sender(Sender::of::<person::Entity>())
                .disconnect(first)
        );
        Ok(())
    }
    fn second(_sender: Sender<'_>, _event: &PostSave<'_>) -> ReceiverResult {
        ANY.push("second");
        assert!(
            POST_SAVE
                .options()
                .sender(Sender::of::<person::Entity>())
                .disconnect(second)
        );
        Ok(())
    }
    on_each_database(async |db: SignalConnection| {
        let persons = Sender::of::<person::Entity>();
        POST_SAVE.options().sender(persons).connect(first);
        POST_SAVE.options().sender(persons).connect(second);
        ada().insert(&db).await.unwrap();
        assert_eq!(ANY.take(), ["first", "second"]);
        assert!(!POST_SAVE.from(persons).has_listeners());
    })
    .await;
}

/// Django returns at once from `save(update_fields=[])`; SeaORM runs its hooks.
#[tokio::test]
async fn an_update_without_columns_sends_with_no_fields() {
    let (_turn, db) = sqlite_in_turn().await;
    let person = ada().insert(&db).await.unwrap();
    let log = Log::new();
    let _watch = watch(&log);
    person.into_active_model().update(&db).await.unwrap();
    assert_eq!(
        log.take(),
        [
            "pre Ada created=false raw=false Some([])",
            "post Ada created=false raw=false Some([])"
        ]
    );
}

/// `Set` or not, it is in the WHERE of an update and not among the columns that are written.
#[tokio::test]
async fn the_primary_key_is_no_update_field() {
    on_each_database(async |db: SignalConnection| {
        let id = ada().insert(&db).await.unwrap().id;
        let log = Log::new();
        let _watch = watch(&log);
        let renamed = person::ActiveModel {
            id: Set(id),
            first_name: Set("Augusta".to_owned()),
            ..Default::default()
        };
        renamed.update(&db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "pre Augusta created=false raw=false Some([\"first_name\"])",
                "post Augusta created=false raw=false Some([\"first_name\"])"
            ]
        );
    })
    .await;
}
