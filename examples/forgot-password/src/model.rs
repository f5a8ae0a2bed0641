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

/// Somebody has asked for a one-time password. The table is the outbox: a row that is `Owed` is
/// mailed sooner or later, even if the process ends.
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
        pub state: State,
        /// The number of attempts to send the mail. The task that counts it up is the only one that
        /// may try.
        pub tries: i32,
        /// When the sweep looks at the row, while it is `Owed`.
        pub next_try_at: DateTimeUtc,
        pub one_time_hash: Option<Vec<u8>>,
        pub expires_at: Option<DateTimeUtc>,
        pub guesses_left: i32,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(8))")]
    pub enum State {
        #[sea_orm(string_value = "owed")]
        Owed,
        #[sea_orm(string_value = "mailed")]
        Mailed,
        #[sea_orm(string_value = "used")]
        Used,
        /// Another one was used.
        #[sea_orm(string_value = "void")]
        Void,
        /// The mail server refuses it for good.
        #[sea_orm(string_value = "failed")]
        Failed,
    }

    fanfare_sea_orm::model_signals!("account.ResetRequest");
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateTables)]
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
        requests.col(string(Request::State));
        requests.col(integer(Request::Tries));
        requests.col(timestamp_with_time_zone(Request::NextTryAt));
        requests.col(blob_null(Request::OneTimeHash));
        requests.col(timestamp_with_time_zone_null(Request::ExpiresAt));
        requests.col(integer(Request::GuessesLeft));
        manager.create_table(requests).await?;

        for (name, first, second) in [
            (
                "reset_request_mailbox",
                Request::Mailbox,
                Request::RequestedAt,
            ),
            ("reset_request_state", Request::State, Request::NextTryAt),
        ] {
            let mut index = Index::create();
            index
                .name(name)
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

/// Connects to the database at `url`, or else to a file of SQLite in `folder`, and migrates.
pub(crate) async fn connect(folder: &Path, url: Option<String>) -> Result<SignalConnection, Fatal> {
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
    send_connection_created(&mut options, "default");
    let db = Database::connect(options).await;
    let db = db.map_err(|error| {
        // Without the value, which may have a password in it.
        let why = error.to_string().replace(&url, "(hidden)");
        format!("{name}: {why}")
    })?;
    Signalled::<Migrator>::up(&db, None).await?;
    Ok(SignalConnection::new(db))
}
