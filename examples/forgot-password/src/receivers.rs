//! The receivers of Django's signals: the access log, the log of accounts, and the work at a
//! log-in.
//!
//! `fanfare::connect_receivers()` connects the functions that `#[receiver]` marks. [`connect`]
//! connects the receiver that needs the database.

use fanfare::{Sender, receiver};
use fanfare_django::ReceiverResult;
use fanfare_django::auth::{
    USER_LOGGED_IN, USER_LOGGED_OUT, USER_LOGIN_FAILED, UserLoggedIn, UserLoggedOut,
    UserLoginFailed,
};
use fanfare_django::db::{CONNECTION_CREATED, ConnectionCreated};
use fanfare_django::management::{Migrate, POST_MIGRATE, PRE_MIGRATE};
use fanfare_django::request::{
    GOT_REQUEST_EXCEPTION, REQUEST_FINISHED, REQUEST_STARTED, RequestException, RequestFinished,
    RequestStarted,
};
use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::ChronoUtc;
use sea_orm::sqlx::{Executor, SqliteConnection};
use sea_orm::{ActiveModelTrait, Set, Unchanged};

use crate::account::{PASSWORD_RESET, PasswordReset};
use crate::log::log;
use crate::model::user;

/// With a write-ahead log, a commit costs one flush to the disk instead of several.
#[receiver(CONNECTION_CREATED, sender = SqliteConnection)]
async fn turn_on_write_ahead_log(
    _sender: Sender<'_>,
    created: &ConnectionCreated<'_>,
) -> ReceiverResult {
    let mut connection = created
        .connection::<SqliteConnection>()
        .await
        .ok_or("not SQLite")?;
    connection.execute("PRAGMA journal_mode = WAL").await?;
    Ok(())
}

#[receiver(PRE_MIGRATE)]
fn log_steps(app: Sender<'_>, migrate: &Migrate<'_>) -> ReceiverResult {
    for step in migrate.plan() {
        log!("migrate {app}: {}", step.name());
    }
    Ok(())
}

#[receiver(POST_MIGRATE)]
fn log_migrated(app: Sender<'_>, migrate: &Migrate<'_>) -> ReceiverResult {
    log!("migrate {app}: done, {} steps", migrate.plan().len());
    Ok(())
}

// The lines of the access log have numbers, methods and paths. Typed secrets are in bodies, and
// bodies are not logged.

#[receiver(REQUEST_STARTED)]
fn log_start(_sender: Sender<'_>, request: &RequestStarted<'_>) {
    let (id, method, path) = (request.id(), request.method(), request.path());
    log!("start {id} {method} {path}");
}

#[receiver(GOT_REQUEST_EXCEPTION)]
fn log_exception(_sender: Sender<'_>, exception: &RequestException<'_>) {
    log!("error {} {exception}", exception.id());
}

#[receiver(REQUEST_FINISHED)]
fn log_end(_sender: Sender<'_>, request: &RequestFinished<'_>) {
    let status = request.status().map(|status| status.to_string());
    let status = status.as_deref().unwrap_or("-");
    let (id, bytes, elapsed) = (request.id(), request.bytes(), request.elapsed());
    let outcome = request.outcome();
    log!("end {id} {status} {bytes} bytes {elapsed:.1?} {outcome}");
}

#[receiver(USER_LOGGED_IN)]
fn log_login(_sender: Sender<'_>, event: &UserLoggedIn<'_>) {
    let id = event.user::<user::Model>().map(|user| user.id);
    log!("account: logged in {id:?}");
}

#[receiver(USER_LOGGED_OUT)]
fn log_logout(_sender: Sender<'_>, event: &UserLoggedOut<'_>) {
    let id = event.user::<user::Model>().map(|user| user.id);
    log!("account: logged out {id:?}");
}

#[receiver(USER_LOGIN_FAILED)]
fn log_failed_login(_sender: Sender<'_>, event: &UserLoginFailed<'_>) {
    log!("account: login failed {:?}", event.credentials());
}

#[receiver(PASSWORD_RESET)]
fn log_reset(_sender: Sender<'_>, event: &PasswordReset) {
    log!("account: password reset {}", event.user_id);
}

/// Connects `update_last_login`, which needs the database.
pub(crate) fn connect(db: &SignalConnection) {
    let db = db.clone();
    let users = Sender::of::<user::Model>();
    USER_LOGGED_IN
        .options()
        .name("update_last_login")
        .sender(users)
        .connect_async(move |_sender, event| {
            let db = db.clone();
            Box::pin(async move {
                let Some(user) = event.user::<user::Model>() else {
                    return;
                };
                if let Err(error) = update_last_login(&db, user.id).await {
                    log!("last login of user {}: {error}", user.id);
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
