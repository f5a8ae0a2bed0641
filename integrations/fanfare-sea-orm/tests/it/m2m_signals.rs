//! `Links` sends `m2m_changed` with the rules of Django's related manager.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::common::entities::{book, book_tag, follow, person, tag};
use crate::common::rows::{book, person_of_id, tag_of_id};
use crate::common::{Log, hear, on_each_database, refusal_of, sqlite_in_turn};
use fanfare::{ScopedConnection, Sender};
use fanfare_django::model::{M2M_CHANGED, M2mAction, M2mChanged};
use fanfare_sea_orm::{Links, Pk, PkSet, Scopes, SignalConnection};
use futures_util::FutureExt;
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DbErr, EntityTrait,
    PaginatorTrait, Schema, TransactionSession, TransactionTrait, Value,
};

type Tags<'i> = Links<'i, book_tag::Entity>;
type Follows<'i> = Links<'i, follow::Entity>;

fn keys(event: &M2mChanged<'_>) -> String {
    match event.pk_set::<PkSet>() {
        None => String::from("-"),
        Some(pks) => {
            let keys = pks.iter().map(|pk| match pk {
                Value::Int(Some(pk)) => pk.to_string(),
                other => format!("{other:?}"),
            });
            format!("{:?}", keys.collect::<Vec<_>>()).replace('"', "")
        }
    }
}

/// Writes down each signal of one junction.
fn watch(junction: impl EntityTrait, log: &Log) -> ScopedConnection {
    let log = log.clone();
    hear(junction, &M2M_CHANGED, move |_sender, event| {
        let reverse = if event.reverse() { " reverse" } else { "" };
        log.push(format!("{}{reverse} {}", event.action(), keys(event)));
        Ok(())
    })
}

/// Creates a book, and tags with these ids.
async fn book_and_tags(db: &SignalConnection, ids: RangeInclusive<i32>) -> book::Model {
    for id in ids {
        tag_of_id(id).insert(db).await.unwrap();
    }
    book(1).insert(db).await.unwrap()
}

/// Creates persons with these ids, and returns the first.
async fn persons(db: &SignalConnection, ids: RangeInclusive<i32>) -> person::Model {
    let first = person_of_id(*ids.start()).insert(db).await.unwrap();
    for id in ids.skip(1) {
        person_of_id(id).insert(db).await.unwrap();
    }
    first
}

async fn linked(db: &SignalConnection) -> u64 {
    book_tag::Entity::find().count(db).await.unwrap()
}

#[tokio::test]
async fn add_sends_the_missing_links_and_remove_the_given_ones() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=3).await;
        let links = Tags::of(&book).unwrap();
        let log = Log::new();
        let _watch = watch(book_tag::Entity, &log);

        links.add([1, 2], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_add [1, 2]", "post_add [1, 2]"]);
        links.add([2, 3, 3], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_add [3]", "post_add [3]"]);
        links.add([1, 2, 3], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_add []", "post_add []"]);
        assert_eq!(linked(&db).await, 3);

        links.remove([3, 99], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_remove [3, 99]", "post_remove [3, 99]"]);
        links.remove([3], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_remove [3]", "post_remove [3]"]);
        assert_eq!(linked(&db).await, 2);

        links.add(Vec::<i32>::new(), &db).await.unwrap();
        links.remove(Vec::<i32>::new(), &db).await.unwrap();
        assert!(log.take().is_empty());
    })
    .await;
}

#[tokio::test]
async fn clear_has_no_keys_and_is_sent_without_links_as_well() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=2).await;
        let links = Tags::of(&book).unwrap();
        links.add([1, 2], &db).await.unwrap();
        let log = Log::new();
        let _watch = watch(book_tag::Entity, &log);
        links.clear(&db).await.unwrap();
        links.clear(&db).await.unwrap();
        assert_eq!(
            log.take(),
            ["pre_clear -", "post_clear -", "pre_clear -", "post_clear -"]
        );
        assert_eq!(linked(&db).await, 0);
    })
    .await;
}

#[tokio::test]
async fn set_sends_the_links_that_it_changes() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=3).await;
        let links = Tags::of(&book).unwrap();
        let log = Log::new();
        let _watch = watch(book_tag::Entity, &log);

        links.set([1, 2], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_add [1, 2]", "post_add [1, 2]"]);
        links.set([2, 3], &db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "pre_remove [1]",
                "post_remove [1]",
                "pre_add [3]",
                "post_add [3]"
            ]
        );
        links.set([3, 2], &db).await.unwrap();
        assert!(log.take().is_empty());
        links.set_cleared([2], &db).await.unwrap();
        assert_eq!(
            log.take(),
            ["pre_clear -", "post_clear -", "pre_add [2]", "post_add [2]"]
        );
        links.set(Vec::<i32>::new(), &db).await.unwrap();
        assert_eq!(log.take(), ["pre_remove [2]", "post_remove [2]"]);
        assert_eq!(linked(&db).await, 0);
    })
    .await;
}

#[tokio::test]
async fn both_sides_have_their_instance_and_model() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 2..=2).await;
        let tag = tag::Entity::find_by_id(2).one(&db).await.unwrap().unwrap();
        let log = Log::new();
        let seen = log.clone();
        let using = db.using().to_owned();
        let _watch = hear(book_tag::Entity, &M2M_CHANGED, move |sender, event| {
            assert_eq!(sender, Sender::of::<book_tag::Entity>());
            assert_eq!(event.using(), using);
            if event.reverse() {
                assert_eq!(event.instance::<tag::Model>().map(|it| it.id), Some(2));
                assert_eq!(event.instance(), Some(&Pk(2.into())));
                assert_eq!(event.model(), Sender::of::<book::Entity>());
            } else {
                assert_eq!(event.instance::<book::Model>().map(|it| it.id), Some(1));
                assert_eq!(event.instance(), Some(&Pk(1.into())));
                assert_eq!(event.model(), Sender::of::<tag::Entity>());
            }
            seen.push(format!(
                "{} {} raw={}",
                event.action(),
                keys(event),
                event.raw()
            ));
            Ok(())
        });
        Tags::of(&book).unwrap().add([2], &db).await.unwrap();
        Tags::of_reverse(&tag)
            .unwrap()
            .remove([1], &db)
            .await
            .unwrap();
        Tags::of_reverse(&tag)
            .unwrap()
            .set_cleared([1], &db.raw())
            .await
            .unwrap();
        assert_eq!(
            log.take(),
            [
                "pre_add [2] raw=false",
                "post_add [2] raw=false",
                "pre_remove [1] raw=false",
                "post_remove [1] raw=false",
                "pre_clear - raw=true",
                "post_clear - raw=true",
                "pre_add [1] raw=true",
                "post_add [1] raw=true"
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_pre_add_receiver_may_take_keys_out() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=2).await;
        let log = Log::new();
        let without_two = M2M_CHANGED.connect(|_sender, event| {
            if event.action() == M2mAction::PreAdd {
                let mut pks = event.pk_set::<PkSet>().ok_or("no keys")?;
                assert!(pks.contains(2) && pks.remove(2) && !pks.remove(2));
            }
            Ok(())
        });
        let _without_two = without_two.scoped();
        let _watch = watch(book_tag::Entity, &log);
        Tags::of(&book).unwrap().add([1, 2], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_add [1]", "post_add [1]"]);
        assert_eq!(linked(&db).await, 1);
    })
    .await;
}

/// All pairs of a call are in one transaction.
#[tokio::test]
async fn an_error_of_a_receiver_undoes_the_call() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=2).await;
        let links = Tags::of(&book).unwrap();
        links.add([1], &db).await.unwrap();
        let refuse = M2M_CHANGED.connect(|_sender, event| match event.action() {
            M2mAction::PostAdd => Err("full".into()),
            _ => Ok(()),
        });
        let _refuse = refuse.scoped();
        let error = links.set([2], &db).await.unwrap_err();
        assert_eq!(refusal_of(&error), "full");
        let left = book_tag::Entity::find().all(&db).await.unwrap();
        assert_eq!(left.iter().map(|it| it.tag_id).collect::<Vec<_>>(), [1]);
    })
    .await;
}

#[tokio::test]
async fn without_receivers_add_skips_the_links_that_exist() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=2).await;
        let links = Tags::of(&book).unwrap();
        links.add([1], &db).await.unwrap();
        links.add([1, 2], &db).await.unwrap();
        links.add([1, 2], &db).await.unwrap();
        assert_eq!(linked(&db).await, 2);
    })
    .await;
}

/// The junction's key is of its own there, so the database would take a link twice.
#[tokio::test]
async fn without_receivers_add_asks_where_the_database_would_not_refuse() {
    on_each_database(async |db: SignalConnection| {
        let ada = persons(&db, 1..=2).await;
        let links = Follows::of(&ada).unwrap();
        links.add([2], &db).await.unwrap();
        links.add([2], &db).await.unwrap();
        assert_eq!(follow::Entity::find().count(&db).await.unwrap(), 1);
    })
    .await;
}

/// Fans and idols: the two directions of a relation of persons with persons.
#[tokio::test]
async fn a_relation_with_itself_has_two_directions() {
    on_each_database(async |db: SignalConnection| {
        let ada = persons(&db, 1..=2).await;
        let log = Log::new();
        let _watch = watch(follow::Entity, &log);
        Follows::of(&ada).unwrap().add([2], &db).await.unwrap();
        Follows::of_reverse(&ada)
            .unwrap()
            .add([2], &db)
            .await
            .unwrap();
        assert_eq!(
            log.take(),
            [
                "pre_add [2]",
                "post_add [2]",
                "pre_add reverse [2]",
                "post_add reverse [2]"
            ]
        );
        let rows = follow::Entity::find().all(&db).await.unwrap();
        let rows: Vec<_> = rows.iter().map(|it| (it.fan_id, it.idol_id)).collect();
        assert_eq!(rows, [(1, 2), (2, 1)]);
    })
    .await;
}

/// Friends: two rows, one pair of signals.
#[tokio::test]
async fn a_symmetrical_relation_sends_one_pair() {
    on_each_database(async |db: SignalConnection| {
        let ada = persons(&db, 1..=3).await;
        let friends = Follows::of(&ada).unwrap().symmetrical();
        let log = Log::new();
        let _watch = watch(follow::Entity, &log);
        friends.add([1, 2, 3], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_add [1, 2, 3]", "post_add [1, 2, 3]"]);
        assert_eq!(follow::Entity::find().count(&db).await.unwrap(), 5);
        friends.remove([2], &db).await.unwrap();
        assert_eq!(log.take(), ["pre_remove [2]", "post_remove [2]"]);
        assert_eq!(follow::Entity::find().count(&db).await.unwrap(), 3);
        friends.clear(&db).await.unwrap();
        assert_eq!(follow::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_key_of_another_type_is_refused() {
    on_each_database(async |db: SignalConnection| {
        let book = book(1).insert(&db).await.unwrap();
        let links = Tags::of(&book).unwrap();
        let Err(DbErr::Type(why)) = links.add(["one"], &db).await else {
            panic!("it is taken");
        };
        for part in ["`tag_id`", "`library.BookTag`", "\"one\"", "Integer"] {
            assert!(why.contains(part), "{part} in {why}");
        }
        assert_eq!(linked(&db).await, 0);
    })
    .await;
}

#[tokio::test]
async fn links_in_a_transaction_wait_with_it() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=1).await;
        let transaction = db.begin().await.unwrap();
        Tags::of(&book)
            .unwrap()
            .add([1], &transaction)
            .await
            .unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(linked(&db).await, 0);
    })
    .await;
}

/// A guard that asks for a key in another integer type must not let it through.
#[tokio::test]
async fn integers_are_the_same_keys_in_every_type() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=3).await;
        let veto = hear(book_tag::Entity, &M2M_CHANGED, |_sender, event| {
            let mut pks = event.pk_set::<PkSet>().ok_or("no keys")?;
            if event.action() == M2mAction::PreAdd {
                assert!(pks.contains(1_u8) && !pks.contains(-1_i64));
                assert!(pks.remove(3_i64) && !pks.remove(3_i64));
            }
            Ok(())
        });
        Tags::of(&book).unwrap().add([1, 3], &db).await.unwrap();
        assert_eq!(linked(&db).await, 1);
        drop(veto);

        let _asks_for_text = hear(book_tag::Entity, &M2M_CHANGED, |_sender, event| {
            let mut pks = event.pk_set::<PkSet>().ok_or("no keys")?;
            pks.remove("3");
            Ok(())
        });
        let links = Tags::of(&book).unwrap();
        let add = std::panic::AssertUnwindSafe(links.add([3], &db));
        let panic = add.catch_unwind().await.unwrap_err();
        let message = panic.downcast::<String>().unwrap();
        assert!(message.contains("pass a key of the same type"), "{message}");
        assert_eq!(linked(&db).await, 1);

        assert_eq!(Pk(Value::from(3_i32)), Pk(Value::from(3_u64)));
        assert_ne!(Pk(Value::from(3)), Pk(Value::from("3")));
    })
    .await;
}

/// More keys than a statement has parameters.
#[tokio::test]
async fn seventy_thousand_links_at_once() {
    on_each_database(async |db: SignalConnection| {
        let ada = persons(&db, 1..=1).await;
        let links = Follows::of(&ada).unwrap();
        let linked = async || follow::Entity::find().count(&db).await.unwrap();
        links.add(1..=70_000, &db).await.unwrap();
        assert_eq!(linked().await, 70_000);
        let log = Log::new();
        let _watch = hear(follow::Entity, &M2M_CHANGED, {
            let log = log.clone();
            move |_sender, event| {
                let count = event.pk_set::<PkSet>().ok_or("no keys")?.len();
                log.push(format!("{} {count}", event.action()));
                Ok(())
            }
        });
        links.add(1..=70_001, &db).await.unwrap();
        links.remove(2..=70_001, &db).await.unwrap();
        let pairs = [
            "pre_add 1",
            "post_add 1",
            "pre_remove 70000",
            "post_remove 70000",
        ];
        assert_eq!(log.take(), pairs);
        assert_eq!(linked().await, 1);
    })
    .await;
}

/// A second junction between the same two models.
mod favourite {
    #![allow(unreachable_pub, reason = "SeaORM's derives want it")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "favourite")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub book_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tag_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    fanfare_sea_orm::model_signals!(
        "library.Favourite",
        links(BookId: super::book::Entity, TagId: super::tag::Entity)
    );
}

/// Django's `default_parts` and `optional_parts`: each relation has its junction as the sender.
#[tokio::test]
async fn a_second_relation_to_the_same_model_has_its_own_sender() {
    on_each_database(async |db: SignalConnection| {
        let schema = Schema::new(db.get_database_backend());
        let table = schema.create_table_from_entity(favourite::Entity);
        db.execute(&table).await.unwrap();
        let book = book_and_tags(&db, 1..=1).await;
        let (of_tags, of_favourites) = (Log::new(), Log::new());
        let _watches = (
            watch(book_tag::Entity, &of_tags),
            watch(favourite::Entity, &of_favourites),
        );
        Tags::of(&book).unwrap().add([1], &db).await.unwrap();
        assert_eq!(of_tags.take(), ["pre_add [1]", "post_add [1]"]);
        assert!(of_favourites.take().is_empty());

        let favourites = Links::<favourite::Entity>::of(&book).unwrap();
        favourites.add([1], &db).await.unwrap();
        assert_eq!(of_favourites.take(), ["pre_add [1]", "post_add [1]"]);
        favourites.clear(&db).await.unwrap();
        assert_eq!(of_favourites.take(), ["pre_clear -", "post_clear -"]);
        assert!(of_tags.take().is_empty());
        assert_eq!(linked(&db).await, 1);
    })
    .await;
}

/// Django's `set_base`: a set by a fixture is sent as raw, with and without a clear.
#[tokio::test]
async fn a_raw_set_is_sent_as_raw() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=4).await;
        let links = Tags::of(&book).unwrap();
        links.add([1], &db).await.unwrap();
        let log = Log::new();
        let seen = log.clone();
        let watch = M2M_CHANGED.connect(move |_sender, event| {
            seen.push(format!("{} raw={}", event.action(), event.raw()));
            Ok(())
        });
        let _watch = watch.scoped();
        links.set([2], &db.raw()).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "pre_remove raw=true",
                "post_remove raw=true",
                "pre_add raw=true",
                "post_add raw=true"
            ]
        );
        links.set_cleared([3], &db.raw()).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "pre_clear raw=true",
                "post_clear raw=true",
                "pre_add raw=true",
                "post_add raw=true"
            ]
        );
        links.set([4], &db).await.unwrap();
        let seen = log.take();
        assert!(
            seen.iter().all(|line| line.ends_with("raw=false")),
            "{seen:?}"
        );
    })
    .await;
}

/// The other direction is there already: it is neither an error nor a second row.
#[tokio::test]
async fn a_symmetrical_add_completes_a_link_of_one_direction() {
    on_each_database(async |db: SignalConnection| {
        let ada = persons(&db, 1..=1).await;
        let eve = persons(&db, 2..=2).await;
        Follows::of(&eve).unwrap().add([1], &db).await.unwrap();
        let friends = Follows::of(&ada).unwrap().symmetrical();
        friends.add([2], &db).await.unwrap();
        assert_eq!(follow::Entity::find().count(&db).await.unwrap(), 2);
    })
    .await;
}

/// Each finds the links missing, and all are there in the end. With one connection they take turns.
#[tokio::test]
async fn tasks_that_add_the_same_links_at_once_all_succeed() {
    on_each_database(async |db: SignalConnection| {
        let book = book_and_tags(&db, 1..=9).await;
        let hold = M2M_CHANGED.connect_async(|_sender, event| {
            let is_before = event.action() == M2mAction::PreAdd;
            Box::pin(async move {
                if is_before {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok(())
            })
        });
        let _hold = hold.scoped();
        let links = Tags::of(&book).unwrap();
        let add = || links.add(1..=9, &db);
        let (first, second, third) = tokio::join!(add(), add(), add());
        assert_eq!((first, second, third), (Ok(()), Ok(()), Ok(())));
        assert_eq!(linked(&db).await, 9);
    })
    .await;
}

/// With receivers it reads before it writes. Two such transactions of SQLite that begin as readers
/// cannot both become writers, and it refuses one at once.
#[tokio::test]
async fn links_of_several_connections_wait_for_each_other() {
    let (_turn, memory) = sqlite_in_turn().await;
    drop(memory);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("links_{}.sqlite", std::process::id()));
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
    options.max_connections(4).sqlx_logging(false);
    options.idle_timeout(None).max_lifetime(None);
    options.map_sqlx_sqlite_opts(|options| options.busy_timeout(Duration::from_secs(60)));
    let db = SignalConnection::new(Database::connect(options).await.unwrap());
    let table =
        "CREATE TABLE book_tag (book_id INTEGER, tag_id INTEGER, PRIMARY KEY (book_id, tag_id))";
    db.execute_unprepared("PRAGMA journal_mode = WAL")
        .await
        .unwrap();
    db.execute_unprepared(table).await.unwrap();

    let heard = hear(book_tag::Entity, &M2M_CHANGED, |_sender, _event| Ok(()));
    for round in 0..20 {
        let books = [2 * round, 2 * round + 1].map(|id| book::Model {
            id,
            title: String::new(),
        });
        let [one, other] = [0, 1].map(|n| Tags::of(&books[n]).unwrap());
        let done = tokio::join!(one.add([1], &db), other.set([1, 2], &db));
        assert_eq!(done, (Ok(()), Ok(())), "round {round}");
    }
    drop(heard);
    assert_eq!(linked(&db).await, 60);
    db.into_inner().close().await.unwrap();
    std::fs::remove_file(file).unwrap();
}

/// Handlers of web frameworks and tasks of tokio's pool want this.
#[test]
fn the_futures_of_links_are_send() {
    fn assert_send(_: impl Send) {}
    fn all<C: TransactionTrait + Sync>(links: &Tags<'_>, db: &C) {
        assert_send(links.add([1], db));
        assert_send(links.remove([1], db));
        assert_send(links.set([1], db));
        assert_send(links.set_cleared([1], db));
        assert_send(links.clear(db));
    }
    let _ = all::<SignalConnection>;
}
