//! The forgotten password: asking for a one-time password, and using it.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use fanfare::Sender;
use fanfare::watch::Context;
use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::{ChronoUtc, Expr};
use sea_orm::sea_query::{ExprTrait, NullOrdering};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    Order, PaginatorTrait, QueryFilter, QueryOrder, Set, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionSession, TransactionTrait,
};
use serde::Deserialize;

use crate::App;
use crate::account::{PASSWORD_RESET, PasswordReset, address, chosen, find_user};
use crate::email::Email;
use crate::limits::{Action, Client};
use crate::mailer::{GUESSES, over};
use crate::model::reset_request::{self, Column};
use crate::model::user;
use crate::one_time;
use crate::secret;
use crate::web::{Failure, Input, Reply};

/// The number of requests that each mailbox has in `WINDOW`: further requests get the same
/// response, and no mail.
const REQUESTS: u64 = 3;
pub(crate) const WINDOW: Duration = Duration::from_secs(60 * 60);

#[derive(Deserialize)]
#[serde(expecting = "an object with `email`")]
pub(crate) struct Forgot {
    email: String,
}

pub(crate) async fn forgot(
    State(app): State<App>,
    client: Client,
    Input(form): Input<Forgot>,
) -> Result<Reply, Failure> {
    app.limits.check(Action::Forgot, client)?;
    let email = address(&form.email)?;
    owe_mail(&app.db, email).await?;
    let told = "If that address has an account, a one-time password is on its way to it.";
    Ok(Reply::new(StatusCode::ACCEPTED, told))
}

/// Writes a request. Its `post_save` receiver has the outbox mail it after the commit. Addresses
/// that nobody has take the same way, up to the mail itself.
async fn owe_mail(db: &SignalConnection, typed: Email) -> Result<(), DbErr> {
    let now = ChronoUtc::now();
    // It reads before it writes: another program on the same file of SQLite's could write in
    // between, and SQLite then refuses instead of waiting.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    let transaction = db.begin_with_options(options).await?;
    let user = find_user(&transaction, &typed).await?;
    let mailbox = typed.mailbox();
    if transaction.get_database_backend() == DbBackend::Postgres {
        // Requests at the same time would each count before the others have written. Until the
        // commit.
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            [mailbox.clone().into()],
        );
        transaction.execute_raw(lock).await?;
    }
    let recent = reset_request::Entity::find()
        .filter(Column::Mailbox.eq(&mailbox))
        .filter(Column::RequestedAt.gt(now - WINDOW));
    if recent.count(&transaction).await? < REQUESTS {
        let request = reset_request::ActiveModel {
            user_id: Set(user.as_ref().map(|user| user.id)),
            email: Set(user.map_or(typed, |user| user.email)),
            mailbox: Set(mailbox),
            requested_at: Set(now),
            guesses_left: Set(GUESSES),
            ..Default::default()
        };
        request.insert(&transaction).await?;
    }
    transaction.commit().await
}

#[derive(Deserialize)]
#[serde(expecting = "an object with `email`, `one_time_password` and `new_password`")]
pub(crate) struct Reset {
    email: String,
    one_time_password: String,
    new_password: String,
}

const REFUSED: Failure = Failure::Refused("The one-time password is wrong, used or too old.");

pub(crate) async fn reset(
    State(app): State<App>,
    client: Client,
    Input(form): Input<Reset>,
) -> Result<Reply, Failure> {
    app.limits.check(Action::Reset, client)?;
    let email = address(&form.email)?;
    let chosen = chosen(&form.new_password, &email)?;
    let request = guess(&app.db, &email).await?.ok_or(REFUSED)?;
    let typed = one_time::from_people(&form.one_time_password);
    let hash = request.one_time_hash.as_deref().unwrap_or_default();
    if !app.key.is_right(request.id, &typed, hash) {
        return Err(REFUSED);
    }
    let hash = secret::hash(chosen).await?;
    // A client that hangs up drops its request, and a dropped commit may lose `PASSWORD_RESET`. In
    // a task of its own, each change of a password gets its line in the log. The task takes the
    // context along, so that the scope of a test sees its sends.
    let change = async move { change_password(&app.db, request, hash).await };
    tokio::spawn(Context::current().follow(change)).await??;
    Ok(Reply::new(
        StatusCode::OK,
        "The password is changed. Log in with the new one.",
    ))
}

/// Takes one guess from the one-time password that the mailbox was mailed last, before it is looked
/// at: so guesses at the same time are counted as well. `None` if there is none to guess at.
///
/// One is taken from each latest request, also if its mail has not left, so that the time is the
/// same for an address with an account and one without.
async fn guess(
    db: &SignalConnection,
    email: &Email,
) -> Result<Option<reset_request::Model>, DbErr> {
    let latest = reset_request::Entity::find()
        .filter(Column::Mailbox.eq(email.mailbox()))
        .order_by_with_nulls(Column::ExpiresAt, Order::Desc, NullOrdering::Last)
        .order_by_desc(Column::Id);
    let latest = latest.one(db).await?;
    let taken = reset_request::Entity::update_many()
        .col_expr(Column::GuessesLeft, Expr::col(Column::GuessesLeft).sub(1))
        .filter(Column::Id.eq(latest.as_ref().map_or(0, |request| request.id)))
        .filter(Column::GuessesLeft.gt(0));
    let is_taken = taken.exec(db).await?.rows_affected == 1;
    let is_good = |then| then > ChronoUtc::now();
    Ok(latest.filter(|request| is_taken && request.expires_at.is_some_and(is_good)))
}

/// Uses the request up, voids the user's others, and changes the password: all of it or nothing.
async fn change_password(
    db: &SignalConnection,
    request: reset_request::Model,
    hash: String,
) -> Result<(), Failure> {
    let transaction = db.begin().await?;
    let end = reset_request::Entity::update_many().col_expr(Column::ExpiresAt, over());
    let now = ChronoUtc::now();
    let used = end
        .clone()
        .filter(Column::Id.eq(request.id))
        .filter(Column::ExpiresAt.gt(now));
    if used.exec(&transaction).await?.rows_affected != 1 {
        // Somebody was quicker with the same one.
        return Err(REFUSED);
    }
    let is_open = Column::ExpiresAt.is_null().or(Column::ExpiresAt.gt(now));
    let others = end
        .filter(Column::Mailbox.eq(&request.mailbox))
        .filter(is_open);
    others.exec(&transaction).await?;

    let id = request.user_id.ok_or(REFUSED)?;
    let user = user::Entity::find_by_id(id)
        .one(&transaction)
        .await?
        .ok_or(REFUSED)?;
    let changes = user.password_changes + 1;
    let mut user = user.into_active_model();
    user.password_hash = Set(hash);
    user.password_changes = Set(changes);
    user.update(&transaction).await?;
    let reset = PasswordReset { user_id: id };
    transaction
        .after_commit()
        .record(PASSWORD_RESET.from(Sender::of::<user::Model>()), reset);
    transaction.commit().await?;
    Ok(())
}
