//! Registration, log-in and log-out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use fanfare::{Event, Sender, Signal};
use fanfare_django::auth::{
    USER_LOGGED_IN, USER_LOGGED_OUT, USER_LOGIN_FAILED, UserLoggedIn, UserLoggedOut,
    UserLoginFailed,
};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Set, SqlErr,
};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use crate::App;
use crate::email::{Email, EmailError};
use crate::limits::{Action, Client};
use crate::model::user;
use crate::password;
use crate::secret;
use crate::web::{Failure, Input, Reply};

fanfare::signals! {
    /// A password was reset with a one-time password. Sent after the commit. Sender: the type of
    /// the user.
    pub(crate) static PASSWORD_RESET: Signal<PasswordReset>;
}

#[derive(Clone, Event)]
pub(crate) struct PasswordReset {
    pub(crate) user_id: i32,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with `email` and `password`")]
pub(crate) struct Credentials {
    email: String,
    password: String,
}

/// The response does not show whether the address was new, because only its owner may know that.
pub(crate) async fn register(
    State(app): State<App>,
    client: Client,
    Input(form): Input<Credentials>,
) -> Result<Reply, Failure> {
    app.limits.check(Action::Register, client)?;
    let email = address(&form.email)?;
    let hash = secret::hash(chosen(&form.password, &email)?).await?;
    let user = user::ActiveModel {
        mailbox: Set(email.mailbox()),
        email: Set(email),
        password_hash: Set(hash),
        password_changes: Set(0),
        ..Default::default()
    };
    if let Err(error) = user.insert(&app.db).await
        && !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
    {
        return Err(error.into());
    }
    let told = "If that address is new here, it has an account now. Log in with the password.";
    Ok(Reply::new(StatusCode::OK, told))
}

/// The user of a session.
#[derive(Serialize, Deserialize)]
struct Login {
    user_id: i32,
    password_changes: i32,
}

const LOGIN: &str = "login";

pub(crate) async fn login(
    State(app): State<App>,
    client: Client,
    session: Session,
    head: Parts,
    Input(form): Input<Credentials>,
) -> Result<Reply, Failure> {
    app.limits.check(Action::LogIn, client)?;
    let email = address(&form.email)?;
    let user = find_user(&app.db, &email).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let is_right = secret::verify(password::normal(&form.password), hash).await?;
    let Some(user) = user.filter(|_| is_right) else {
        // Receivers get asterisks for the password, whatever it was.
        let email = email.to_string();
        let credentials = [("email", &*email), ("password", "")];
        let failed = UserLoginFailed::new(credentials).with_request(&head);
        USER_LOGIN_FAILED
            .from("forgot-password")
            .asend(&failed)
            .await;
        return Err(Failure::Refused("The e-mail or the password is wrong."));
    };
    // A client that had the session's number before does not have the new one.
    session.cycle_id().await?;
    let login = Login {
        user_id: user.id,
        password_changes: user.password_changes,
    };
    session.insert(LOGIN, login).await?;
    let logged_in = UserLoggedIn::new(&user).with_request(&head);
    USER_LOGGED_IN
        .from(Sender::of::<user::Model>())
        .asend(&logged_in)
        .await;
    Ok(Reply::new(StatusCode::OK, "You are logged in."))
}

pub(crate) async fn logout(
    State(app): State<App>,
    session: Session,
    head: Parts,
) -> Result<Reply, Failure> {
    let user = current_user(&app.db, &session).await?;
    let sender = user
        .as_ref()
        .map_or(Sender::NONE, |_| Sender::of::<user::Model>());
    let logged_out = user
        .as_ref()
        .map_or_else(UserLoggedOut::anonymous, UserLoggedOut::new);
    USER_LOGGED_OUT
        .from(sender)
        .asend(&logged_out.with_request(&head))
        .await;
    session.flush().await?;
    Ok(Reply::new(StatusCode::OK, "You are logged out."))
}

/// The user of this session, unless the password was changed since its log-in.
pub(crate) async fn current_user(
    db: &SignalConnection,
    session: &Session,
) -> Result<Option<user::Model>, Failure> {
    let Some(login) = session.get::<Login>(LOGIN).await? else {
        return Ok(None);
    };
    let user = user::Entity::find_by_id(login.user_id).one(db).await?;
    Ok(user.filter(|user| user.password_changes == login.password_changes))
}

pub(crate) async fn find_user<C: ConnectionTrait>(
    db: &C,
    email: &Email,
) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find()
        .filter(user::Column::Mailbox.eq(email.mailbox()))
        .one(db)
        .await
}

/// An address that mails can be sent to.
pub(crate) fn address(typed: &str) -> Result<Email, Failure> {
    let address = typed.parse();
    address.map_err(|error: EmailError| Failure::Invalid(error.message()))
}

/// A password that can be chosen for this address.
pub(crate) fn chosen(typed: &str, email: &Email) -> Result<String, Failure> {
    let chosen = password::choose(typed, email);
    chosen.map_err(|error| Failure::Invalid(error.message()))
}
