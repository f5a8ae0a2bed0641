//! Who listens: the access log, the log of accounts, and what is done at a log-in.

use fanfare::Sender;
use fanfare::signals::auth::{USER_LOGGED_IN, USER_LOGGED_OUT, USER_LOGIN_FAILED};
use fanfare::signals::db::CONNECTION_CREATED;
use fanfare::signals::management::{POST_MIGRATE, PRE_MIGRATE};
use fanfare::signals::request::{GOT_REQUEST_EXCEPTION, REQUEST_FINISHED, REQUEST_STARTED};
use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::ChronoUtc;
use sea_orm::sqlx::{Executor, SqliteConnection};
use sea_orm::{ActiveModelTrait, Set, Unchanged};

use crate::account::PASSWORD_RESET;
use crate::model::user;

/// Connects what must hear of the database's own start.
pub(crate) fn connect_early() {
    let sqlite = Sender::of::<SqliteConnection>();
    CONNECTION_CREATED
        .options()
        .sender(sqlite)
        .connect_async(|_sender, created| {
            Box::pin(async move {
                let mut connection = created
                    .connection::<SqliteConnection>()
                    .await
                    .ok_or("not SQLite")?;
                // Commits cost one flush to the disk in the place of several.
                connection.execute("PRAGMA journal_mode = WAL").await?;
                Ok(())
            })
        });
    PRE_MIGRATE.connect(|app, migrate| {
        for step in migrate.plan() {
            eprintln!("migrate {app}: {}", step.name());
        }
        Ok(())
    });
    POST_MIGRATE.connect(|app, migrate| {
        eprintln!("migrate {app}: done, {} steps", migrate.plan().len());
        Ok(())
    });
}

/// Connects the rest.
pub(crate) fn connect(db: &SignalConnection) {
    access_log();
    account_log();
    let db = db.clone();
    let users = Sender::of::<user::Model>();
    USER_LOGGED_IN
        .options()
        .sender(users)
        .connect_async(move |_sender, event| {
            let db = db.clone();
            Box::pin(async move {
                let Some(user) = event.user::<user::Model>() else {
                    return;
                };
                if let Err(error) = update_last_login(&db, user.id).await {
                    eprintln!("last login of user {}: {error}", user.id);
                }
            })
        });
}

/// Django's receiver of that name.
async fn update_last_login(db: &SignalConnection, id: i32) -> Result<(), sea_orm::DbErr> {
    let user = user::ActiveModel {
        id: Unchanged(id),
        last_login: Set(Some(ChronoUtc::now())),
        ..Default::default()
    };
    user.update(db).await.map(drop)
}

/// The lines have numbers, methods and paths: what was typed is in bodies, and not here.
fn access_log() {
    REQUEST_STARTED.connect(|_sender, request| {
        eprintln!(
            "start {} {} {}",
            request.id(),
            request.method(),
            request.path()
        );
    });
    GOT_REQUEST_EXCEPTION.connect(|_sender, exception| {
        eprintln!("error {} {exception}", exception.id());
    });
    REQUEST_FINISHED.connect(|_sender, request| {
        let status = request
            .status()
            .map_or("-".to_owned(), |status| status.to_string());
        let (id, bytes, elapsed) = (request.id(), request.bytes(), request.elapsed());
        eprintln!(
            "end {id} {status} {bytes} bytes {elapsed:.1?} {}",
            request.outcome()
        );
    });
}

fn account_log() {
    USER_LOGGED_IN.connect(|_sender, event| {
        let id = event.user::<user::Model>().map(|user| user.id);
        eprintln!("account: logged in {id:?}");
    });
    USER_LOGGED_OUT.connect(|_sender, event| {
        let id = event.user::<user::Model>().map(|user| user.id);
        eprintln!("account: logged out {id:?}");
    });
    USER_LOGIN_FAILED.connect(|_sender, event| {
        // In quotes and escaped, for it is what somebody typed.
        eprintln!("account: login failed {:?}", event.credentials());
    });
    PASSWORD_RESET.connect(|_sender, event| eprintln!("account: password reset {}", event.user_id));
}
