//! An async receiver reads the database between a look at the instance and a change of it.

use crate::common::entities::{book, book_tag, person, tag};
use crate::common::rows::{book, person, tag_of_id};
use crate::common::{hear_async, on_each_database};
use fanfare_django::model::{M2M_CHANGED, M2mAction, PRE_SAVE};
use fanfare_sea_orm::{Executor, Links, PkSet, SignalConnection};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};

#[tokio::test]
async fn an_async_pre_save_receiver_looks_up_and_changes() {
    on_each_database(async |db: SignalConnection| {
        let _unique = hear_async(person::Entity, &PRE_SAVE, |_sender, event| {
            Box::pin(async move {
                let db = event.connection::<Executor>().ok_or("no connection")?;
                let name = event
                    .with_instance(|it: &mut person::ActiveModel| it.last_name.clone().take())
                    .ok_or("not a person")?
                    .ok_or("no name")?;
                let same = person::Column::LastName.starts_with(&name);
                let taken = person::Entity::find().filter(same).count(db).await?;
                if taken > 0 {
                    event.with_instance(|it: &mut person::ActiveModel| {
                        it.last_name = Set(format!("{name} {}", taken + 1));
                    });
                }
                Ok(())
            })
        });
        let mut names = Vec::new();
        for _ in 0..3 {
            names.push(person("Lovelace").insert(&db).await.unwrap().last_name);
        }
        assert_eq!(names, ["Lovelace", "Lovelace 2", "Lovelace 3"]);
    })
    .await;
}

/// They do not keep the lock while they wait, so the others go on.
#[tokio::test]
async fn async_receivers_of_one_save_change_it_side_by_side() {
    on_each_database(async |db: SignalConnection| {
        let append = |letter: char| {
            hear_async(person::Entity, &PRE_SAVE, move |_sender, event| {
                Box::pin(async move {
                    for _ in 0..3 {
                        event.with_instance(|it: &mut person::ActiveModel| {
                            if let Set(name) = &mut it.first_name {
                                name.push(letter);
                            }
                        });
                        tokio::task::yield_now().await;
                    }
                    Ok(())
                })
            })
        };
        let _append = [append('a'), append('b')];
        let ada = person("Lovelace").insert(&db).await.unwrap();
        assert_eq!(ada.first_name, "xababab");
    })
    .await;
}

#[tokio::test]
async fn an_async_pre_add_receiver_looks_up_and_takes_keys_out() {
    on_each_database(async |db: SignalConnection| {
        let book = book(7).insert(&db).await.unwrap();
        tag_of_id(2).insert(&db).await.unwrap();
        // Links to tags that there are.
        let _only = hear_async(book_tag::Entity, &M2M_CHANGED, |_sender, event| {
            Box::pin(async move {
                if event.action() != M2mAction::PreAdd {
                    return Ok(());
                }
                let db = event.connection::<Executor>().ok_or("no connection")?;
                let there = tag::Entity::find().all(db).await?;
                event.with_pk_set(|pks: &mut PkSet| {
                    for pk in [1, 2, 3] {
                        if there.iter().all(|tag| tag.id != pk) {
                            pks.remove(pk);
                        }
                    }
                });
                Ok(())
            })
        });
        let links = Links::<book_tag::Entity>::of(&book).unwrap();
        links.add([1, 2, 3], &db).await.unwrap();
        let linked = book_tag::Entity::find().all(&db).await.unwrap();
        assert_eq!(linked.iter().map(|it| it.tag_id).collect::<Vec<_>>(), [2]);
        assert_eq!(book::Entity::find().count(&db).await.unwrap(), 1);
    })
    .await;
}
