//! The tables, their migration, and the connection.

use std::path::Path;

use fanfare_sea_orm::SignalConnection;
use fanfare_sea_orm::migration::{AppMigrator, Signalled};
use fanfare_sea_orm::pool::send_connection_created;
use sea_orm::{ConnectOptions, Database, DbErr};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    blob_null, integer, integer_null, pk_auto, string, string_uniq, timestamp_with_time_zone,
    timestamp_with_time_zone_null,
};

use crate::Fatal;
use crate::private::{create_private, keep_private};

// SeaORM's derives want their types to be public.
#[expect(unreachable_pub)]
pub(crate) mod user {
    use sea_orm::entity::prelude::*;

    use crate::email::Email;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub email: Email,
        /// `Email::mailbox`: its aliases are one account.
        #[sea_orm(unique)]
        pub mailbox: String,
        pub password_hash: String,
        /// Counts the changes of the password: sessions of an older one have ended.
        pub password_changes: i32,
        pub last_login: Option<DateTimeUtc>,
    }

    fanfare_sea_orm::model_signals!("account.User");
}

/// Somebody has asked for a one-time password.
#[expect(unreachable_pub)]
pub(crate) mod reset_request {
    use sea_orm::entity::prelude::*;

    use crate::email::Email;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "reset_request")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        /// The account's address; the typed one, if there is no account.
        pub email: Email,
        pub mailbox: String,
        /// `None` for an address that nobody has. The row is written all the same, so that the time
        /// of the request does not reveal the account.
        pub user_id: Option<i32>,
        pub requested_at: DateTimeUtc,
        /// The hash of the password of the last try to mail it.
        pub one_time_hash: Option<Vec<u8>>,
        /// The end of the time for which the one-time password is good. `None` until its mail has
        /// left. A request that was used, void or given up has its beginning here.
        pub expires_at: Option<DateTimeUtc>,
        pub guesses_left: i32,
    }

    fanfare_sea_orm::model_signals!("account.ResetRequest");
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(CreateTables),
            Box::new(fanfare_outbox::Migration),
            Box::new(fanfare_outbox::CauseMigration),
            Box::new(MoveMailsToOutbox),
        ]
    }
}

impl AppMigrator for Migrator {
    const APP_LABEL: &'static str = "account";
}

struct CreateTables;

impl MigrationName for CreateTables {
    fn name(&self) -> &str {
        "m0001_create_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use reset_request::Column as Request;
        use user::Column as User;

        let mut users = Table::create();
        users.table(user::Entity);
        users.col(pk_auto(User::Id));
        users.col(string(User::Email));
        users.col(string_uniq(User::Mailbox));
        users.col(string(User::PasswordHash));
        users.col(integer(User::PasswordChanges).default(0));
        users.col(timestamp_with_time_zone_null(User::LastLogin));
        manager.create_table(users).await?;

        let mut owner = ForeignKey::create();
        owner.from(reset_request::Entity, Request::UserId);
        owner.to(user::Entity, User::Id);
        owner.on_delete(ForeignKeyAction::Cascade);
        let mut requests = Table::create();
        requests
            .table(reset_request::Entity)
            .foreign_key(&mut owner);
        requests.col(pk_auto(Request::Id));
        requests.col(string(Request::Email));
        requests.col(string(Request::Mailbox));
        requests.col(integer_null(Request::UserId));
        requests.col(timestamp_with_time_zone(Request::RequestedAt));
        requests.col(string("state"));
        requests.col(integer("tries"));
        requests.col(timestamp_with_time_zone("next_try_at"));
        requests.col(blob_null(Request::OneTimeHash));
        requests.col(timestamp_with_time_zone_null(Request::ExpiresAt));
        requests.col(integer(Request::GuessesLeft));
        manager.create_table(requests).await?;

        let columns = [
            [
                Request::Mailbox.into_iden(),
                Request::RequestedAt.into_iden(),
            ],
            ["state".into_iden(), "next_try_at".into_iden()],
        ];
        for [first, second] in columns {
            let mut index = Index::create();
            index
                .name(format!("reset_request_{first}"))
                .table(reset_request::Entity)
                .col(first)
                .col(second);
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            reset_request::Entity.into_table_ref(),
            user::Entity.into_table_ref(),
        ] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}

/// The mails were owed by rows of `reset_request`, whose columns were a queue: `owed`, `mailed`,
/// `used`, `void` or `failed`. Now an event of the outbox owes each of them.
struct MoveMailsToOutbox;

impl MigrationName for MoveMailsToOutbox {
    fn name(&self) -> &str {
        "m0002_move_mails_to_outbox"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for MoveMailsToOutbox {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = "\
            INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
                SELECT CASE WHEN user_id IS NULL THEN 'account.LaterMail' \
                    ELSE 'account.FirstMail' END, \
                1, 'key:' || id, 'key:' || id, '{\"request\":' || id || '}' \
                FROM reset_request WHERE state = 'owed' ORDER BY id;
            UPDATE reset_request SET expires_at = requested_at \
                WHERE state IN ('used', 'void', 'failed');
            DROP INDEX reset_request_state;
            ALTER TABLE reset_request DROP COLUMN state;
            ALTER TABLE reset_request DROP COLUMN tries;
            ALTER TABLE reset_request DROP COLUMN next_try_at;";
        let db = manager.get_connection();
        db.execute_unprepared(statements).await.map(drop)
    }
}

/// Makes the files of a database its owner's alone. SQLite gives the mode of the database to the
/// files that it creates beside it, but not to those that a killed program has left.
fn keep_all_private(database: &Path) -> Result<(), Fatal> {
    let named = |file: &Path, error| format!("{}: {error}", file.display());
    create_private(database).map_err(|error| named(database, error))?;
    for ending in ["db", "db-journal", "db-shm", "db-wal"] {
        let file = database.with_extension(ending);
        keep_private(&file).map_err(|error| named(&file, error))?;
    }
    Ok(())
}

/// Connects to the database at `url`, or else to a file of SQLite in `folder`, and migrates. The
/// connection has the name `using`.
pub(crate) async fn connect(
    using: &str,
    folder: &Path,
    url: Option<String>,
) -> Result<SignalConnection, Fatal> {
    let file = folder.join("forgot-password.db");
    let (name, url) = match url {
        Some(url) => (String::from("DATABASE_URL"), url),
        None => {
            let name = file.display().to_string();
            keep_all_private(&file)?;
            let url = format!("sqlite://{name}?mode=rwc");
            (name, url)
        }
    };
    let mut options = ConnectOptions::new(&url);
    options.sqlx_logging(false);
    // sqlx 0.9 looks after old connections with a count that can be wrong for a moment, and then
    // spins forever.
    options.idle_timeout(None).max_lifetime(None);
    if url.starts_with("sqlite:") {
        // It has one writer at a time anyway, and a second connection would get the error that it
        // is busy.
        options.max_connections(1);
    }
    send_connection_created(&mut options, using);
    let db = Database::connect(options).await;
    let db = db.map_err(|error| {
        // Without the value, which may have a password in it.
        let why = error.to_string().replace(&url, "(hidden)");
        format!("{name}: {why}")
    })?;
    Signalled::<Migrator>::up(&db, None).await?;
    Ok(SignalConnection::named(using, db))
}
