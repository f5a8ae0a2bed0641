//! The tables, made by hand and by a migration.

use fanfare_outbox::{
    CauseMigration, Durable, Migration, POSTGRES, POSTGRES_CAUSE, SQLITE, SQLITE_CAUSE,
    SendDurable, create_tables, drop_tables,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::common::databases::on_each;
use crate::common::{LONG, Log, event, named, start};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Migration), Box::new(CauseMigration)]
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

event!(Older, "tables.Older", OLDER);

/// Makes the tables as they were before events had causes, with an event.
async fn make_older_tables(db: &DatabaseConnection) {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => POSTGRES,
        _ => SQLITE,
    };
    let (before, cause) = sql.split_once("    -- The process").unwrap();
    let (_, after) = cause.split_once("cause TEXT,\n").unwrap();
    let older = format!("{before}{after}");
    db.execute_unprepared(&older).await.unwrap();
    let event = "INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
         VALUES ('tables.Older', 1, 'name:till', 'name:till', '1')";
    db.execute_unprepared(event).await.unwrap();
}

/// Tests each way to bring older tables up to date.
async fn brings_up_to_date(upgrade: impl AsyncFn(&DatabaseConnection)) {
    let log = Log::new();
    let seen = log.clone();
    let receiver = OLDER
        .durable("tables.older")
        .connect_async(move |_sender, event| {
            seen.push(event.0);
            Box::pin(async { Ok::<_, String>(()) })
        });
    let receiver = receiver.unwrap();
    on_each(async |db| {
        make_older_tables(&db).await;
        upgrade(&db).await;
        let db = named(db);
        db.send_durable(&OLDER, "till", &Older(2)).await.unwrap();
        let outbox = start(&db).await;
        outbox.settle(LONG).await.unwrap();
        assert_eq!(log.take(), [1, 2]);
        outbox.shutdown().await;
    })
    .await;
    receiver.disconnect();
}

#[tokio::test]
async fn older_tables_are_brought_up_to_date_and_keep_their_events() {
    brings_up_to_date(async |db| {
        // Twice, as at each start of a program.
        create_tables(db).await.unwrap();
        create_tables(db).await.unwrap();
    })
    .await;
    brings_up_to_date(async |db| {
        let sql = match db.get_database_backend() {
            DbBackend::Postgres => POSTGRES_CAUSE,
            _ => SQLITE_CAUSE,
        };
        db.execute_unprepared(sql).await.unwrap();
    })
    .await;
    brings_up_to_date(async |db| {
        // The first migration has made the tables long ago.
        Migrator::up(db, Some(1)).await.unwrap();
        let drop = "ALTER TABLE fanfare_outbox_event DROP COLUMN cause";
        db.execute_unprepared(drop).await.unwrap();
        Migrator::up(db, None).await.unwrap();
    })
    .await;
}
