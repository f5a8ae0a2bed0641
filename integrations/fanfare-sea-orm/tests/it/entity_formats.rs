//! The one line does for each of SeaORM's ways to write an entity.

use crate::common::entities::follow;
use crate::common::{Log, hear, on_each_database};
use fanfare_django::model::{M2M_CHANGED, POST_SAVE};
use fanfare_sea_orm::{Links, Pk, SignalConnection};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Schema, Set};

#[allow(
    unreachable_pub,
    reason = "what the derives make is as visible as the entity"
)]
mod compact {
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "compact")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    fanfare_sea_orm::model_signals!("formats.Compact");
}

#[allow(
    unreachable_pub,
    reason = "what the derives make is as visible as the entity"
)]
mod expanded {
    use sea_orm::entity::prelude::*;

    #[derive(Copy, Clone, Default, Debug, DeriveEntity)]
    pub struct Entity;

    impl EntityName for Entity {
        fn table_name(&self) -> &'static str {
            "expanded"
        }
    }

    #[derive(Clone, Debug, PartialEq, Eq, DeriveModel, DeriveActiveModel)]
    pub struct Model {
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
    pub enum Column {
        Id,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DerivePrimaryKey)]
    pub enum PrimaryKey {
        Id,
    }

    impl PrimaryKeyTrait for PrimaryKey {
        type ValueType = i32;

        fn auto_increment() -> bool {
            true
        }
    }

    impl ColumnTrait for Column {
        type EntityName = Entity;

        fn def(&self) -> ColumnDef {
            ColumnType::Integer.def()
        }
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    fanfare_sea_orm::model_signals!("formats.Expanded");
}

/// `sea-orm-cli generate entity --impl-active-model-behavior=false` writes them this way.
#[allow(
    unreachable_pub,
    reason = "what the derives make is as visible as the entity"
)]
mod generated {
    pub mod post {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Eq)]
        #[sea_orm(table_name = "generated_post")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
            pub title: String,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
    }

    pub mod note {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Eq)]
        #[sea_orm(table_name = "generated_note")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
    }

    pub mod post_note {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Eq)]
        #[sea_orm(table_name = "generated_post_note")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub post_id: i32,
            #[sea_orm(primary_key, auto_increment = false)]
            pub note_id: i32,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
    }
}

/// The lines for them, in a module that no generation overwrites.
mod lines {
    use super::generated::{note, post};
    use fanfare_sea_orm::model_signals;
    use sea_orm::{ActiveModelBehavior, ConnectionTrait, DbErr};

    model_signals!("generated.Post", model = post);
    model_signals!(
        "generated.PostNote",
        model = super::generated::post_note,
        links(PostId: post::Entity, NoteId: super::note::Entity)
    );
    model_signals!(
        "generated.Note",
        model = crate::entity_formats::generated::note,
        custom
    );

    #[sea_orm::prelude::async_trait::async_trait]
    impl ActiveModelBehavior for note::ActiveModel {
        async fn after_save<C: ConnectionTrait>(
            note: note::Model,
            db: &C,
            insert: bool,
        ) -> Result<note::Model, DbErr> {
            fanfare_sea_orm::hooks::after_save::<Self, C>(note, db, insert).await
        }
    }
}

use generated::{note, post, post_note};

#[tokio::test]
async fn generated_entities_send_with_their_lines_in_another_module() {
    on_each_database(async |db: SignalConnection| {
        let schema = Schema::new(db.get_database_backend());
        for table in [
            schema.create_table_from_entity(post::Entity),
            schema.create_table_from_entity(note::Entity),
            schema.create_table_from_entity(post_note::Entity),
        ] {
            db.execute(&table).await.unwrap();
        }
        let log = Log::new();
        let (of_saves, of_links) = (log.clone(), log.clone());
        let saved = POST_SAVE.connect(move |_sender, event| {
            of_saves.push(event.model_name());
            Ok(())
        });
        let linked = M2M_CHANGED.connect(move |_sender, event| {
            of_links.push(format!("{} {}", event.model_name(), event.action()));
            Ok(())
        });
        let _watch = [saved.scoped(), linked.scoped()];
        let title = Set("Hello".to_owned());
        let post = post::ActiveModel {
            title,
            ..Default::default()
        };
        let post = post.insert(&db).await.unwrap();
        note::ActiveModel { id: Set(7) }.insert(&db).await.unwrap();
        let links = Links::<post_note::Entity>::of(&post).unwrap();
        links.add([7], &db).await.unwrap();
        assert_eq!(
            log.take(),
            [
                "generated.Post",
                "generated.Note",
                "generated.PostNote pre_add",
                "generated.PostNote post_add"
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn compact_and_expanded_entities_send() {
    on_each_database(async |db: SignalConnection| {
        let schema = Schema::new(db.get_database_backend());
        db.execute(&schema.create_table_from_entity(compact::Entity))
            .await
            .unwrap();
        db.execute(&schema.create_table_from_entity(expanded::Entity))
            .await
            .unwrap();
        let log = Log::new();
        let (of_compact, of_expanded) = (log.clone(), log.clone());
        let _watch = [
            hear(compact::Entity, &POST_SAVE, move |_sender, event| {
                let row = event
                    .instance::<compact::Model>()
                    .ok_or("of another type")?;
                of_compact.push(row.key.clone());
                Ok(())
            }),
            hear(expanded::Entity, &POST_SAVE, move |_sender, event| {
                let row = event
                    .instance::<expanded::Model>()
                    .ok_or("of another type")?;
                of_expanded.push(row.id.to_string());
                Ok(())
            }),
        ];
        let row = compact::ActiveModel {
            key: Set("k".to_owned()),
        };
        row.insert(&db).await.unwrap();
        expanded::ActiveModel { id: Set(7) }
            .insert(&db)
            .await
            .unwrap();
        assert_eq!(log.take(), ["k", "7"]);
    })
    .await;
}

/// A row of a junction that is saved or deleted by hand sends the signals of its link.
#[tokio::test]
async fn a_junction_row_sends_its_link() {
    on_each_database(async |db: SignalConnection| {
        let log = Log::new();
        let seen = log.clone();
        let _watch = hear(follow::Entity, &M2M_CHANGED, move |_sender, event| {
            assert_eq!(event.instance::<Pk>(), Some(&Pk(1.into())));
            seen.push(event.action().name());
            Ok(())
        });
        let row = follow::ActiveModel {
            fan_id: Set(1),
            idol_id: Set(2),
            ..Default::default()
        };
        let row = row.insert(&db).await.unwrap();
        let mut row: follow::ActiveModel = row.into();
        row.idol_id = Set(3);
        let row = row.update(&db).await.unwrap();
        let row: follow::ActiveModel = row.into();
        row.delete(&db).await.unwrap();
        assert_eq!(
            log.take(),
            ["pre_add", "post_add", "pre_remove", "post_remove"]
        );
    })
    .await;
}
