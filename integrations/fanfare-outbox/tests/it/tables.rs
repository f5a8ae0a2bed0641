//! The tables, made by hand and by a migration.

use fanfare_outbox::{Migration, POSTGRES, SQLITE, create_tables, drop_tables};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::common::databases::on_each;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Migration)]
    }
}

async fn insert(db: &DatabaseConnection) -> Result<(), DbErr> {
    let sql = "INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
         VALUES ('a', 1, '', '', '1')";
    db.execute_unprepared(sql).await.map(drop)
}

#[tokio::test]
async fn a_migration_makes_the_tables_and_drops_them() {
    on_each(async |db| {
        insert(&db).await.unwrap_err();
        Migrator::up(&db, None).await.unwrap();
        insert(&db).await.unwrap();
        Migrator::down(&db, None).await.unwrap();
        insert(&db).await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn tables_that_exist_are_left_as_they_are() {
    on_each(async |db| {
        for _ in 0..2 {
            create_tables(&db).await.unwrap();
            insert(&db).await.unwrap();
        }
        drop_tables(&db).await.unwrap();
        let sql = match db.get_database_backend() {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        db.execute_unprepared(sql).await.unwrap();
        insert(&db).await.unwrap();
    })
    .await;
}
