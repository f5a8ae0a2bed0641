//! Operations that SeaORM runs without hooks send no signal, and a signal without receivers costs
//! no query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::entities::{book, book_tag, person};
use crate::common::rows::{book, emma, page, person_of_id, tag, tag_of_id};
use crate::common::{Log, on_each_database, sqlite, turn};
use fanfare::{Connection, ScopedConnection};
use fanfare_django::model::{
    BULK_CREATED, BULK_DELETED, BULK_UPDATED, M2M_CHANGED, POST_DELETE, POST_INIT, POST_SAVE,
    PRE_DELETE, PRE_INIT, PRE_SAVE,
};
use fanfare_sea_orm::{Links, SignalConnection};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait, Set};

/// Writes down every signal of a model.
fn watch_all(log: &Log) -> Vec<ScopedConnection> {
    macro_rules! watch {
        ($($signal:ident => $response:expr),*) => {
            [$({
                let log = log.clone();
                $signal.connect(move |_sender, _event| {
                    log.push(stringify!($signal));
                    $response
                })
            }),*]
        };
    }
    let all = watch! {
        PRE_INIT => (), POST_INIT => (), PRE_SAVE => Ok(()), POST_SAVE => Ok(()),
        PRE_DELETE => Ok(()), POST_DELETE => Ok(()), M2M_CHANGED => Ok(()),
        BULK_CREATED => Ok(()), BULK_UPDATED => Ok(()), BULK_DELETED => Ok(())
    };
    all.map(Connection::scoped).into()
}

#[tokio::test]
async fn statements_without_hooks_are_silent() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let _watch = watch_all(&log);
        type Persons = person::Entity;
        Persons::insert(person_of_id(1)).exec(&db).await.unwrap();
        Persons::insert_many([person_of_id(2), person_of_id(3)])
            .exec(&db)
            .await
            .unwrap();
        let conflict = OnConflict::column(person::Column::Id)
            .update_column(person::Column::FirstName)
            .to_owned();
        Persons::insert(person_of_id(3))
            .on_conflict(conflict)
            .exec(&db)
            .await
            .unwrap();
        Persons::update(person_of_id(1)).exec(&db).await.unwrap();
        let rename = Persons::update_many().col_expr(person::Column::FirstName, Expr::value("y"));
        rename.exec(&db).await.unwrap();
        Persons::find().all(&db).await.unwrap();
        Persons::delete_by_id(1).exec(&db).await.unwrap();
        Persons::delete_many().exec(&db).await.unwrap();
        db.execute_unprepared("DELETE FROM person").await.unwrap();
        assert!(log.take().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_update_without_returning_sends_before_and_not_after() {
    on_each_database(async |db: SignalConnection| {
        person_of_id(1).insert(&db).await.unwrap();
        let log = Log::new();
        let _watch = watch_all(&log);
        person_of_id(1).update_without_returning(&db).await.unwrap();
        assert_eq!(log.take(), ["PRE_SAVE"]);
    })
    .await;
}

/// The links go by `delete_many`, as Django's go without `m2m_changed`.
#[tokio::test]
async fn a_cascade_takes_links_along_in_silence() {
    on_each_database(async |db: SignalConnection| {
        let emma = emma().add_page(page("1")).add_tag(tag("novel").into_ex());
        let emma: book::ModelEx = emma.insert(&db).await.unwrap();
        let log = Log::new();
        let _watch = watch_all(&log);
        emma.delete(&db).await.unwrap();
        assert_eq!(
            log.take(),
            ["PRE_DELETE", "POST_DELETE", "PRE_DELETE", "POST_DELETE"]
        );
        assert!(book_tag::Entity::find().one(&db).await.unwrap().is_none());
    })
    .await;
}

/// SeaORM does not report to its hook whether there was a row.
#[tokio::test]
async fn a_delete_of_no_row_sends_all_the_same() {
    on_each_database(async |db: SignalConnection| {
        let gone = person_of_id(1).insert(&db).await.unwrap();
        gone.clone().delete(&db).await.unwrap();
        let log = Log::new();
        let _watch = watch_all(&log);
        assert_eq!(gone.delete(&db).await.unwrap().rows_affected, 0);
        assert_eq!(log.take(), ["PRE_DELETE", "POST_DELETE"]);
    })
    .await;
}

/// Returns the number of statements that `work` runs.
async fn statements(work: impl AsyncFnOnce(&SignalConnection)) -> u32 {
    let mut inner = sqlite().await.into_inner();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    inner.set_metric_callback(move |_info| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    work(&SignalConnection::new(inner)).await;
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn no_signal_costs_a_query() {
    let _turn = turn().await;
    let work = async |db: &SignalConnection| {
        let person = person_of_id(1).insert(db).await.unwrap();
        let mut changed = person.into_active_model();
        changed.first_name = Set("y".to_owned());
        let person = changed.update(db).await.unwrap();
        person.delete(db).await.unwrap();
    };
    let unheard = statements(work).await;
    let log = Log::new();
    let _watch = watch_all(&log);
    assert_eq!(statements(work).await, unheard);
    assert_eq!(log.take().len(), 6);
}

/// As in Django: receivers of links cost the query for the new ones.
#[tokio::test]
async fn links_cost_a_query_more_only_if_somebody_listens() {
    let _turn = turn().await;
    let work = async |db: &SignalConnection| {
        let book = book(1).insert(db).await.unwrap();
        tag_of_id(2).insert(db).await.unwrap();
        Links::<book_tag::Entity>::of(&book)
            .unwrap()
            .add([2], db)
            .await
            .unwrap();
    };
    let unheard = statements(work).await;
    let log = Log::new();
    let _watch = watch_all(&log);
    assert_eq!(statements(work).await, unheard + 1);
}
