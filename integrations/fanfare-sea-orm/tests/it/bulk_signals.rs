//! One statement for many rows sends one event, where it is asked to.

use crate::common::entities::person;
use crate::common::rows::person_of_id;
use crate::common::{Log, hear, on_each_database};
use fanfare::{ScopedConnection, Signal};
use fanfare_django::model::{BULK_CREATED, BULK_UPDATED, Bulk, ReceiverResult};
use fanfare_sea_orm::{ExecSignalled, SignalConnection};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ConnectionTrait, EntityTrait, PaginatorTrait, TransactionSession, TransactionTrait,
    TryInsertResult,
};

fn watch(signal: &'static Signal<Bulk<'static>, ReceiverResult>, log: &Log) -> ScopedConnection {
    let log = log.clone();
    hear(person::Entity, signal, move |_sender, event| {
        let instances = event.instances::<person::Model>();
        let ids = instances.map(|them| them.iter().map(|it| it.id).collect::<Vec<_>>());
        log.push(format!("{} {ids:?} {}", event.rows(), event.using()));
        Ok(())
    })
}

#[tokio::test]
async fn an_insert_sends_the_number_or_the_keys_of_its_rows() {
    on_each_database(async |db: SignalConnection| {
        let using = db.using();
        let log = Log::new();
        let _watch = watch(&BULK_CREATED, &log);
        let two = person::Entity::insert_many([person_of_id(1), person_of_id(2)]);
        assert_eq!(two.exec_signalled(&db).await.unwrap(), 2);
        assert_eq!(log.take(), [format!("2 None {using}")]);

        let none = person::Entity::insert_many(Vec::<person::ActiveModel>::new());
        assert_eq!(none.exec_signalled(&db).await.unwrap(), 0);
        assert!(log.take().is_empty());

        if db.support_returning() {
            let more = person::Entity::insert_many([person_of_id(3), person_of_id(4)]);
            assert_eq!(more.exec_returning_signalled(&db).await.unwrap().len(), 2);
            assert_eq!(log.take(), [format!("2 Some([3, 4]) {using}")]);
        }
    })
    .await;
}

#[tokio::test]
async fn an_insert_sends_its_rows_without_a_conflict() {
    on_each_database(async |db: SignalConnection| {
        let using = db.using();
        let log = Log::new();
        let _watch = watch(&BULK_CREATED, &log);
        let insert = |ids: &[i32]| {
            let rows: Vec<_> = ids.iter().copied().map(person_of_id).collect();
            person::Entity::insert_many(rows).on_conflict_do_nothing()
        };
        insert(&[1, 2]).exec_signalled(&db).await.unwrap();
        let result = insert(&[2, 3]).exec_signalled(&db).await.unwrap();
        assert!(matches!(result, TryInsertResult::Inserted(1)));
        assert_eq!(
            log.take(),
            [format!("2 None {using}"), format!("1 None {using}")]
        );
        insert(&[1, 2, 3]).exec_signalled(&db).await.unwrap();
        assert!(log.take().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_update_of_no_row_is_sent_as_well() {
    on_each_database(async |db: SignalConnection| {
        let using = db.using();
        let log = Log::new();
        let _watch = watch(&BULK_UPDATED, &log);
        let rename =
            || person::Entity::update_many().col_expr(person::Column::FirstName, Expr::value("y"));
        rename().exec_signalled(&db).await.unwrap();
        person::Entity::insert_many([person_of_id(1), person_of_id(2)])
            .exec(&db)
            .await
            .unwrap();
        let result = rename().exec_signalled(&db).await.unwrap();
        assert_eq!(result.rows_affected, 2);
        assert_eq!(
            log.take(),
            [format!("0 None {using}"), format!("2 None {using}")]
        );
        if db.support_returning() {
            let rows = rename().exec_returning_signalled(&db).await.unwrap();
            assert_eq!(rows.len(), 2);
            assert!(log.take()[0].starts_with("2 Some("));
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_of_a_receiver_lets_the_transaction_undo_it() {
    on_each_database(async |db: SignalConnection| {
        let refuse = BULK_CREATED.connect(|_sender, _event| Err("too many".into()));
        let _refuse = refuse.scoped();
        let transaction = db.begin().await.unwrap();
        let two = person::Entity::insert_many([person_of_id(1), person_of_id(2)]);
        assert!(two.exec_signalled(&transaction).await.is_err());
        transaction.rollback().await.unwrap();
        assert_eq!(person::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}
