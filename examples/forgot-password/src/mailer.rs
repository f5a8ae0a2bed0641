//! One try to mail the one-time password of a request.

use std::fmt;
use std::time::Duration;

use fanfare_outbox::SendError;
use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::{ChronoUtc, Expr};
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, UpdateMany};

use crate::App;
use crate::model::reset_request::{self, Column};
use crate::one_time;
use crate::outbox::KEPT_FOR;
use crate::post::PostError;
use crate::reset::WINDOW;

/// The guesses that a one-time password allows: a chance of one in a billion, with 2^50 values.
/// They are more than strangers can send while it is good, so strangers cannot void it.
pub(crate) const GUESSES: i32 = 1_000_000;
/// The time for which a one-time password is good. It is the window of the requests: a stranger who
/// uses these up has the owner mailed one that is good until the next request is.
pub(crate) const GOOD_FOR: Duration = WINDOW;

/// The reasons for which a mail has not left.
#[derive(Debug)]
pub(crate) enum Unmailed {
    /// Another try may succeed.
    Post(PostError),
    /// The mail server refuses the mail for good.
    Refused(PostError),
    /// The request is older than a day.
    TooLate,
    Database(DbErr),
    /// The event of the next try cannot be stored.
    HandOn(SendError),
    /// The error of a try before this attempt.
    Before(String),
}

/// Mails the one-time password of a request, unless that was done before.
///
/// A try draws another password, and changes the request only while its hash is there. So of two
/// that try at once, or after a long stall, only the last changes anything.
pub(crate) async fn mail(app: &App, request: i32) -> Result<(), Unmailed> {
    let row = reset_request::Entity::find_by_id(request)
        .one(&app.db)
        .await?;
    let oldest = ChronoUtc::now() - KEPT_FOR;
    let row = row.filter(|row| row.requested_at >= oldest);
    let row = row.ok_or(Unmailed::TooLate)?;
    let one_time = one_time::draw();
    let hash = app.key.hash(request, &one_time);
    let claim = not_mailed(request)
        .col_expr(Column::OneTimeHash, Expr::value(hash.clone()))
        .col_expr(Column::GuessesLeft, Expr::value(GUESSES));
    if !applied(claim, &app.db).await? {
        return Ok(());
    }
    let sent = match row.user_id {
        Some(_) => app.post.send(&row, &one_time).await,
        // It counts as mailed, because a guess at it would otherwise write no row and get its
        // response sooner.
        None => Ok(()),
    };
    let (expires_at, result) = match sent {
        Ok(()) => (Expr::value(ChronoUtc::now() + GOOD_FOR), Ok(())),
        Err(error) if error.is_permanent() => (over(), Err(Unmailed::Refused(error))),
        Err(error) => return Err(Unmailed::Post(error)),
    };
    let settle = not_mailed(request)
        .col_expr(Column::ExpiresAt, expires_at)
        .filter(Column::OneTimeHash.eq(hash));
    applied(settle, &app.db).await?;
    result
}

/// Returns the time that a request has as its end if it is used, void or given up: its beginning.
pub(crate) fn over() -> SimpleExpr {
    Expr::col(Column::RequestedAt)
}

fn not_mailed(request: i32) -> UpdateMany<reset_request::Entity> {
    reset_request::Entity::update_many()
        .filter(Column::Id.eq(request))
        .filter(Column::ExpiresAt.is_null())
}

async fn applied(
    update: UpdateMany<reset_request::Entity>,
    db: &SignalConnection,
) -> Result<bool, DbErr> {
    Ok(update.exec(db).await?.rows_affected == 1)
}

impl From<DbErr> for Unmailed {
    fn from(error: DbErr) -> Self {
        Unmailed::Database(error)
    }
}

impl fmt::Display for Unmailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmailed::Post(error) | Unmailed::Refused(error) => error.fmt(f),
            Unmailed::TooLate => f.write_str("the request is older than a day"),
            Unmailed::Database(error) => error.fmt(f),
            Unmailed::HandOn(error) => write!(f, "the next try cannot be stored: {error}"),
            Unmailed::Before(error) => f.write_str(error),
        }
    }
}
