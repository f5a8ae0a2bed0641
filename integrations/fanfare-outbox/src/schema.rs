//! The tables of the outbox.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// The SQL that makes the tables on PostgreSQL.
pub const POSTGRES: &str = include_str!("../sql/postgres.sql");

/// The SQL that makes the tables on SQLite.
pub const SQLITE: &str = include_str!("../sql/sqlite.sql");

/// Makes the tables of the outbox that do not exist.
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
    db.execute_unprepared(sql).await.map(drop)
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

/// The migration that makes the tables, for the list of a migrator.
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
