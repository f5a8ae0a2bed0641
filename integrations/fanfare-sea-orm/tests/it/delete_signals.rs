//! A delete sends `pre_delete` and `post_delete`, for the row and for the rows that it takes along.

use crate::common::entities::{book, page, person};
use crate::common::rows::{emma, page, person_of_id};
use crate::common::{Log, hear, on_each_database, refusal_of};
use fanfare::{Connection, ScopedConnection, Signal};
use fanfare_django::model::{Delete, POST_DELETE, PRE_DELETE, ReceiverResult};
use fanfare_sea_orm::{ExecSignalled, Scopes, SignalConnection};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    ModelTrait, PaginatorTrait, QueryFilter, Set,
};

/// Inserts a book and its pages.
async fn emma_of_two_pages(db: &SignalConnection) -> book::Model {
    let emma = emma().add_page(page("1")).add_page(page("2"));
    emma.insert(db).await.unwrap().into()
}

fn watch(
    entity: impl EntityTrait,
    signal: &'static Signal<Delete<'static>, ReceiverResult>,
    see: impl Fn(&Delete<'_>) + Send + Sync + 'static,
) -> ScopedConnection {
    hear(entity, signal, move |_sender, event| {
        see(event);
        Ok(())
    })
}

#[tokio::test]
async fn a_delete_sends_a_pair_with_the_primary_key() {
    on_each_database(async |db: SignalConnection| {
        let using = db.using();
        let log = Log::new();
        let (before, after) = (log.clone(), log.clone());
        let _watch = [
            watch(person::Entity, &PRE_DELETE, move |event| {
                let person = event.instance::<person::Model>().unwrap();
                before.push(format!("pre {} {}", person.id, event.using()));
            }),
            watch(person::Entity, &POST_DELETE, move |event| {
                let person = event.instance::<person::Model>().unwrap();
                assert!(event.instance::<person::ActiveModel>().is_some());
                after.push(format!("post {} {}", person.id, event.using()));
            }),
        ];
        let person = person_of_id(7).insert(&db).await.unwrap();

        // A save under another primary key makes a second row; the delete takes only that one.
        let mut second = person.into_active_model();
        second.id = Set(8);
        second.last_name = Set("King".to_owned());
        second.first_name.reset();
        let second = second.insert(&db).await.unwrap();
        second.delete(&db).await.unwrap();
        assert_eq!(
            log.take(),
            [format!("pre 8 {using}"), format!("post 8 {using}")]
        );
        let left = person::Entity::find().all(&db).await.unwrap();
        assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), [7]);
    })
    .await;
}

#[tokio::test]
async fn a_partial_instance_is_an_active_model_only() {
    on_each_database(async |db: SignalConnection| {
        person_of_id(7).insert(&db).await.unwrap();
        let log = Log::new();
        let seen = log.clone();
        let _watch = watch(person::Entity, &PRE_DELETE, move |event| {
            let active = event.instance::<person::ActiveModel>().unwrap();
            let model = event.instance::<person::Model>();
            seen.push(format!("{:?} {}", active.id.as_ref(), model.is_some()));
        });
        let partial = person::ActiveModel {
            id: ActiveValue::Unchanged(7),
            ..Default::default()
        };
        partial.delete(&db).await.unwrap();
        assert_eq!(log.take(), ["7 false"]);
    })
    .await;
}

#[tokio::test]
async fn an_error_of_a_pre_delete_receiver_refuses_the_delete() {
    on_each_database(async |db: SignalConnection| {
        let refuse: Connection =
            PRE_DELETE.connect(|_sender, _event| Err("she is still needed".into()));
        let _refuse = refuse.scoped();
        let person = person_of_id(7).insert(&db).await.unwrap();
        let error = person.delete(&db).await.unwrap_err();
        assert_eq!(refusal_of(&error), "she is still needed");
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 1);
    })
    .await;
}

/// SeaORM deletes one row after the other, children first. Django sends all signals before it
/// deletes a row.
#[tokio::test]
async fn a_cascade_sends_the_origin_for_every_row() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let mut watches = Vec::new();
        for (name, signal) in [("pre", &PRE_DELETE), ("post", &POST_DELETE)] {
            let (of_page, of_book) = (log.clone(), log.clone());
            watches.push(watch(page::Entity, signal, move |event| {
                let page = event.instance::<page::Model>().unwrap();
                let origin = event.origin::<book::Model>().unwrap();
                of_page.push(format!("{name} page {} of {}", page.text, origin.title));
            }));
            watches.push(watch(book::Entity, signal, move |event| {
                let book = event.instance::<book::Model>().unwrap();
                assert_eq!(event.origin(), Some(book));
                of_book.push(format!("{name} book"));
            }));
        }
        let emma = emma_of_two_pages(&db).await;
        emma.clone()
            .cascade_delete(&db.with_origin(emma))
            .await
            .unwrap();
        assert_eq!(
            log.take(),
            [
                "pre page 1 of Emma",
                "post page 1 of Emma",
                "pre page 2 of Emma",
                "post page 2 of Emma",
                "pre book",
                "post book"
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn an_error_in_a_cascade_undoes_all_of_it() {
    on_each_database(async |db: SignalConnection| {
        let emma = emma_of_two_pages(&db).await;
        let _refuse = hear(book::Entity, &POST_DELETE, |_, _| Err("no".into()));
        emma.cascade_delete(&db).await.unwrap_err();
        assert_eq!(page::Entity::find().count(&db).await.unwrap(), 2);
        assert_eq!(book::Entity::find().count(&db).await.unwrap(), 1);
    })
    .await;
}

/// A delete by a query that wants a signal for each row reads the rows, and has the query as its
/// origin.
#[tokio::test]
async fn a_query_may_be_the_origin() {
    on_each_database(async |db: SignalConnection| {
        #[derive(Debug, PartialEq)]
        struct Pages(&'static str);
        let log = Log::new();
        let seen = log.clone();
        let _watch = watch(page::Entity, &POST_DELETE, move |event| {
            assert_eq!(event.origin::<Pages>(), Some(&Pages("of Emma")));
            seen.push(event.instance::<page::Model>().unwrap().text.clone());
        });
        emma_of_two_pages(&db).await;
        let origin = db.with_origin(Pages("of Emma"));
        for page in page::Entity::find().all(&db).await.unwrap() {
            page.delete(&origin).await.unwrap();
        }
        assert_eq!(log.take(), ["1", "2"]);
    })
    .await;
}

/// One statement sends one event of its own, and no event for each row.
#[tokio::test]
async fn delete_many_sends_one_event_if_asked() {
    on_each_database(async |db: SignalConnection| {
        use fanfare_django::model::BULK_DELETED;
        let log = Log::new();
        let (each, all) = (log.clone(), log.clone());
        let _watch = watch(page::Entity, &PRE_DELETE, move |_| each.push("each"));
        let _bulk = hear(page::Entity, &BULK_DELETED, move |_sender, event| {
            let texts = event.instances::<page::Model>();
            let texts = texts.map(|them| them.iter().map(|it| it.text.clone()).collect::<Vec<_>>());
            all.push(format!("{} {texts:?}", event.rows()));
            Ok(())
        });
        emma_of_two_pages(&db).await;
        let first = page::Entity::delete_many().filter(page::Column::Text.eq("1"));
        first.exec_signalled(&db).await.unwrap();
        assert_eq!(log.take(), ["1 None"]);
        if db.support_returning() {
            let rest = page::Entity::delete_many()
                .exec_returning_signalled(&db)
                .await
                .unwrap();
            assert_eq!(rest.len(), 1);
            assert_eq!(log.take(), ["1 Some([\"2\"])"]);
        }
    })
    .await;
}

/// Only the code that starts a delete can pass its origin to the hook.
#[tokio::test]
async fn a_delete_has_the_origin_that_it_was_given() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let mut watches = Vec::new();
        for (name, signal) in [("pre", &PRE_DELETE), ("post", &POST_DELETE)] {
            let log = log.clone();
            watches.push(watch(person::Entity, signal, move |event| {
                let is_it = event.origin::<person::Model>() == event.instance();
                log.push(format!("{name} {is_it}"));
            }));
        }
        let ada = person_of_id(1).insert(&db).await.unwrap();
        ada.clone().delete(&db.with_origin(ada)).await.unwrap();
        assert_eq!(log.take(), ["pre true", "post true"]);
        let eve = person_of_id(2).insert(&db).await.unwrap();
        eve.delete(&db).await.unwrap();
        assert_eq!(log.take(), ["pre false", "post false"]);
    })
    .await;
}
