//! A receiver for all models has the name of the model and the primary key of the row.

use crate::common::entities::{book, book_tag, person, tag};
use crate::common::rows::{book, person, person_of_id, tag, tag_of_id};
use crate::common::{Log, on_each_database, sqlite_in_turn};
use fanfare::ScopedConnection;
use fanfare_django::model::{
    BULK_CREATED, BULK_DELETED, BULK_UPDATED, M2M_CHANGED, POST_DELETE, POST_INIT, POST_SAVE,
    PRE_DELETE, PRE_INIT, PRE_SAVE, PrimaryKey,
};
use fanfare_sea_orm::{ExecSignalled, Inited, Links, RowKey, SignalConnection};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, ModelTrait, Set};

/// Returns the primary key as the text that a receiver without SeaORM has.
fn key(pk: Option<PrimaryKey<'_>>) -> String {
    pk.map_or_else(|| "no key".to_owned(), |pk| pk.to_string())
}

/// Notes the signal, the model and the key of each event, from any sender.
macro_rules! notes {
    ($log:ident, $response:expr, $($signal:ident)+) => {
        [$({
            let log = $log.clone();
            let receiver = $signal.connect(move |_sender, event| {
                let signal = stringify!($signal);
                log.push(format!("{signal} {} {}", event.model_name(), key(event.pk())));
                $response
            });
            receiver.scoped()
        }),+]
    };
}

/// Notes the signal and the model of each event of many rows.
macro_rules! notes_of_many {
    ($log:ident, $($signal:ident)+) => {
        [$({
            let log = $log.clone();
            let receiver = $signal.connect(move |_sender, event| {
                log.push(format!("{} {}", stringify!($signal), event.model_name()));
                Ok(())
            });
            receiver.scoped()
        }),+]
    };
}

#[tokio::test]
async fn events_of_rows_have_the_models_name_and_the_key() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let _notes: [ScopedConnection; 5] =
            notes!(log, Ok(()), PRE_SAVE POST_SAVE PRE_DELETE POST_DELETE M2M_CHANGED);

        // The database makes the key.
        let ada = person("Lovelace").insert(&db).await.unwrap();
        let id = ada.id;
        let saved = format!("POST_SAVE library.Person {id}");
        assert_eq!(log.take(), ["PRE_SAVE library.Person no key", &saved]);

        let mut changed = ada.into_active_model();
        changed.first_name = Set("Augusta".to_owned());
        let ada = changed.update(&db).await.unwrap();
        let of_ada = |signal: &str| format!("{signal} library.Person {id}");
        assert_eq!(log.take(), ["PRE_SAVE", "POST_SAVE"].map(of_ada));

        ada.delete(&db).await.unwrap();
        assert_eq!(log.take(), ["PRE_DELETE", "POST_DELETE"].map(of_ada));

        let book = book(7).insert(&db).await.unwrap();
        tag_of_id(3).insert(&db).await.unwrap();
        log.take();
        let links = Links::<book_tag::Entity>::of(&book).unwrap();
        links.add([3], &db).await.unwrap();
        assert_eq!(log.take(), vec!["M2M_CHANGED library.BookTag 7"; 2]);

        // A row of a junction by itself has the key of the instance too.
        let link = book_tag::ActiveModel {
            book_id: Set(7),
            tag_id: Set(3),
        };
        link.delete(&db).await.unwrap();
        assert_eq!(log.take(), vec!["M2M_CHANGED library.BookTag 7"; 2]);
    })
    .await;
}

#[tokio::test]
async fn events_of_many_rows_have_the_models_name() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let _notes: [ScopedConnection; 3] =
            notes_of_many!(log, BULK_CREATED BULK_UPDATED BULK_DELETED);
        let inserted = tag::Entity::insert_many([tag("a"), tag("b")]);
        inserted.exec_signalled(&db).await.unwrap();
        let renamed = tag::ActiveModel {
            name: Set("c".to_owned()),
            ..Default::default()
        };
        let updated = tag::Entity::update_many().set(renamed);
        updated.exec_signalled(&db).await.unwrap();
        tag::Entity::delete_many()
            .exec_signalled(&db)
            .await
            .unwrap();
        let of_tags = |signal: &str| format!("{signal} library.Tag");
        assert_eq!(
            log.take(),
            ["BULK_CREATED", "BULK_UPDATED", "BULK_DELETED"].map(of_tags)
        );
    })
    .await;
}

#[tokio::test]
async fn events_of_an_init_have_the_models_name_and_the_key() {
    let (_turn, db) = sqlite_in_turn().await;
    book(7).insert(&db).await.unwrap();
    let log = Log::new();
    let _notes: [ScopedConnection; 2] = notes!(log, (), PRE_INIT POST_INIT);
    let books = book::Entity::find().into_model::<Inited<book::Model>>();
    books.one(&db).await.unwrap().unwrap();
    assert_eq!(
        log.take(),
        ["PRE_INIT library.Book 7", "POST_INIT library.Book 7"]
    );
}

#[tokio::test]
async fn the_key_has_the_type_of_the_column() {
    let (_turn, db) = sqlite_in_turn().await;
    let receiver = POST_SAVE.connect(|_sender, event| {
        let pk = event.pk().ok_or("no key")?;
        let key: &RowKey = pk.downcast_ref().ok_or("not of SeaORM")?;
        assert_eq!(key.get::<i32>(), Some(7));
        assert_eq!(key.get::<String>(), None);
        Ok(())
    });
    let _receiver = receiver.scoped();
    person_of_id(7).insert(&db).await.unwrap();
    assert!(
        person::Entity::find_by_id(7)
            .one(&db)
            .await
            .unwrap()
            .is_some()
    );
}
