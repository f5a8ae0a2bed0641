//! The tables of the outbox.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// The SQL that makes the tables on PostgreSQL.
pub const POSTGRES: &str = include_str!("../sql/postgres.sql");

/// The SQL that makes the tables on SQLite.
pub const SQLITE: &str = include_str!("../sql/sqlite.sql");

/// The SQL that adds the causes of events to tables of PostgreSQL that were made without them.
pub const POSTGRES_CAUSE: &str = include_str!("../sql/postgres-cause.sql");

/// The SQL that adds the causes of events to tables of SQLite that were made without them. It is an
/// error if the tables have them.
pub const SQLITE_CAUSE: &str = include_str!("../sql/sqlite-cause.sql");

/// Makes the tables of the outbox that do not exist, and brings older ones up to date. Their events
/// stay.
///
/// # Errors
///
/// Returns an error if the database is neither SQLite nor PostgreSQL, or refuses.
pub async fn create_tables(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => POSTGRES,
        DbBackend::Sqlite => SQLITE,
        _ => return Err(unsupported()),
    };
    db.execute_unprepared(sql).await?;
    add_causes(db).await
}

/// Adds the causes of events to the table of events, if it has none.
async fn add_causes(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    // PostgreSQL's ALTER takes a lock on the table even if it changes nothing.
    if has_causes(db).await? {
        return Ok(());
    }
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => POSTGRES_CAUSE,
        _ => SQLITE_CAUSE,
    };
    match db.execute_unprepared(sql).await {
        // Another process may have added them meanwhile.
        Err(error) if !has_causes(db).await.unwrap_or(false) => Err(error),
        _ => Ok(()),
    }
}

async fn has_causes(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('fanfare_outbox_event') \
             AND attname = 'cause' AND NOT attisdropped"
        }
        _ => "SELECT 1 FROM pragma_table_info('fanfare_outbox_event') WHERE name = 'cause'",
    };
    let found = db.query_one_raw(Statement::from_string(backend, sql)).await;
    Ok(found?.is_some())
}

/// Drops the tables of the outbox, and the events in them.
///
/// # Errors
///
/// Returns an error if the database refuses.
pub async fn drop_tables(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = "DROP TABLE IF EXISTS fanfare_outbox_delivery;
        DROP TABLE IF EXISTS fanfare_outbox_receiver;
        DROP TABLE IF EXISTS fanfare_outbox_event;";
    db.execute_unprepared(sql).await.map(drop)
}

/// Returns the error of a database that has no tables for an outbox.
pub(crate) fn unsupported() -> DbErr {
    let text = "the outbox runs on SQLite and PostgreSQL only: connect to one of them";
    DbErr::Custom(text.to_owned())
}

/// The migration that makes the tables, for the list of a migrator. [`CauseMigration`] comes after
/// it.
#[cfg(feature = "migration")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Migration;

#[cfg(feature = "migration")]
impl sea_orm_migration::MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261130_000001_fanfare_outbox"
    }
}

#[cfg(feature = "migration")]
#[sea_orm_migration::async_trait::async_trait]
impl sea_orm_migration::MigrationTrait for Migration {
    async fn up(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), DbErr> {
        create_tables(manager.get_connection()).await
    }

    async fn down(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager.get_connection()).await
    }
}

/// The migration that adds the causes of events to tables that were made without them, for the list
/// of a migrator. The events stay. It changes nothing if [`Migration`] has just made the tables.
#[cfg(feature = "migration")]
#[derive(Clone, Copy, Debug, Default)]
pub struct CauseMigration;

#[cfg(feature = "migration")]
impl sea_orm_migration::MigrationName for CauseMigration {
    fn name(&self) -> &str {
        "m20261130_000002_fanfare_outbox_cause"
    }
}

#[cfg(feature = "migration")]
#[sea_orm_migration::async_trait::async_trait]
impl sea_orm_migration::MigrationTrait for CauseMigration {
    async fn up(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), DbErr> {
        add_causes(manager.get_connection()).await
    }

    async fn down(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), DbErr> {
        let sql = "ALTER TABLE fanfare_outbox_event DROP COLUMN cause";
        let db = manager.get_connection();
        db.execute_unprepared(sql).await.map(drop)
    }
}
