//! A nested save sends for each row that it writes, links included.

use crate::common::entities::{book, book_tag, page, tag};
use crate::common::rows::{self, emma, page};
use crate::common::{Log, hear, on_each_database, refusal_of};
use fanfare::{ScopedConnection, Signal};
use fanfare_django::model::{M2M_CHANGED, M2mAction, POST_DELETE, POST_SAVE};
use fanfare_django::transaction::COMMITTED;
use fanfare_sea_orm::{Pk, PkSet, SignalConnection};
use sea_orm::{EntityTrait, PaginatorTrait};

fn watch(db: &SignalConnection, log: &Log) -> Vec<ScopedConnection> {
    let (saved, deleted, linked, committed) = (log.clone(), log.clone(), log.clone(), log.clone());
    vec![
        POST_SAVE
            .connect(move |_sender, event| {
                let created = if event.created() {
                    "created"
                } else {
                    "updated"
                };
                let what = if let Some(book) = event.instance::<book::Model>() {
                    book.title.clone()
                } else if let Some(page) = event.instance::<page::Model>() {
                    format!("page {}", page.text)
                } else if let Some(tag) = event.instance::<tag::Model>() {
                    format!("tag {}", tag.name)
                } else {
                    "?".to_owned()
                };
                saved.push(format!("{created} {what}"));
                Ok(())
            })
            .scoped(),
        POST_DELETE
            .connect(move |_sender, event| {
                let page = event.instance::<page::Model>().map(|it| it.text.clone());
                deleted.push(format!("deleted page {page:?}"));
                Ok(())
            })
            .scoped(),
        hear(book_tag::Entity, &M2M_CHANGED, move |_sender, event| {
            assert!(event.instance::<Pk>().is_some());
            assert_eq!(event.pk_set::<PkSet>().ok_or("no keys")?.len(), 1);
            linked.push(event.action().name());
            Ok(())
        }),
        COMMITTED
            .options()
            .sender(db.using())
            .connect(move |_sender, _event| committed.push("committed"))
            .scoped(),
    ]
}

fn tag(name: &str) -> tag::ActiveModelEx {
    rows::tag(name).into_ex()
}

#[tokio::test]
async fn every_row_is_sent_in_one_transaction() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let _watch = watch(&db, &log);
        let emma = emma().add_page(page("1"));
        let emma = emma
            .add_page(page("2"))
            .add_tag(tag("novel"))
            .add_tag(tag("old"));
        let emma = emma.save(&db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "created Emma",
                "created page 1",
                "created page 2",
                "created tag novel",
                "created tag old",
                "pre_add",
                "pre_add",
                "post_add",
                "post_add",
                "committed"
            ]
        );
        // The table is unchanged. SeaORM tries the links again, and the database leaves them as
        // they are.
        emma.save(&db).await.unwrap();
        assert_eq!(log.take(), ["pre_add", "pre_add", "committed"]);
    })
    .await;
}

#[tokio::test]
async fn replaced_links_and_children_are_sent() {
    on_each_database(async |db: SignalConnection| {
        let emma = emma().add_page(page("1"));
        let emma = emma
            .add_tag(tag("novel"))
            .add_tag(tag("old"))
            .save(&db)
            .await
            .unwrap();
        let log = Log::new();
        let _watch = watch(&db, &log);
        let mut emma = emma;
        let novel = emma.tags[0].clone();
        emma.tags.replace_all([novel]);
        emma.pages.replace_all([]);
        emma.save(&db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "deleted page Some(\"1\")",
                "pre_remove",
                "post_remove",
                "committed"
            ]
        );
        assert_eq!(book_tag::Entity::find().count(&db).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_error_anywhere_undoes_the_whole() {
    on_each_database(async |db: SignalConnection| {
        let refuse = M2M_CHANGED.connect(|_sender, event| match event.action() {
            M2mAction::PreAdd => Err("no links today".into()),
            _ => Ok(()),
        });
        let _refuse = refuse.scoped();
        let emma = emma().add_tag(tag("novel"));
        let error = emma.save(&db).await.unwrap_err();
        assert_eq!(refusal_of(&error), "no links today");
        assert_eq!(book::Entity::find().count(&db).await.unwrap(), 0);
        assert_eq!(tag::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

/// SeaORM inserts the row all the same, so to take it out must not look as if it worked.
#[tokio::test]
async fn a_key_taken_out_of_a_nested_save_is_an_error() {
    on_each_database(async |db: SignalConnection| {
        let take = M2M_CHANGED.connect(|_sender, event| {
            let mut pks = event.pk_set::<PkSet>().ok_or("no keys")?;
            let first = pks.iter().next().cloned();
            first.map(|it| pks.remove(it));
            Ok(())
        });
        let _take = take.scoped();
        let emma = emma().add_tag(tag("novel"));
        assert!(emma.save(&db).await.is_err());
        assert_eq!(book_tag::Entity::find().count(&db).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_the_commit_waits_for_the_whole() {
    static TOLD: Signal<String> = Signal::new();
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let told = log.clone();
        let _told = TOLD
            .connect(move |_sender, text| told.push(text.clone()))
            .scoped();
        let rows = log.clone();
        let defer = POST_SAVE.connect(move |_sender, event| {
            let after_commit = event.after_commit().ok_or("no transaction known")?;
            after_commit.record(&TOLD, "safe".to_owned());
            rows.push("row");
            Ok(())
        });
        let _defer = defer.scoped();
        let emma = emma().add_page(page("1"));
        emma.save(&db).await.unwrap();
        assert_eq!(log.take(), ["row", "row", "safe", "safe"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nested_save_runs_in_a_task_of_its_own() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let _watch = watch(&db, &log);
        let over = db.clone();
        let task = tokio::spawn(async move {
            let emma = emma().add_page(page("1")).add_tag(tag("novel"));
            let emma: book::ModelEx = emma.insert(&over).await?;
            emma.delete(&over).await
        });
        task.await.unwrap().unwrap();
        let committed = log.take().into_iter().filter(|it| it == "committed");
        assert_eq!(committed.count(), 2);
    })
    .await;
}
