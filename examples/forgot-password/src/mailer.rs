//! Mailing one row: claiming it, mailing, and noting how that went.

use std::time::Duration;

use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::{ChronoUtc, DateTimeUtc, Expr};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, UpdateMany};

use crate::App;
use crate::log::log;
use crate::model::reset_request::{self, Column, State};
use crate::one_time;
use crate::outbox::MailOwed;
use crate::reset::WINDOW;
use crate::web::Failure;

/// The guesses that a one-time password allows: a chance of one in a billion, with 2^50 values.
/// They are more than strangers can send while it is good, so strangers cannot void it.
pub(crate) const GUESSES: i32 = 1_000_000;
/// The time for which a one-time password is good. It is the window of the requests: a stranger who
/// uses these up has the owner mailed one that is good until the next request is.
pub(crate) const GOOD_FOR: Duration = WINDOW;
/// The time for which other programs on the database leave a row to its mailer, beyond that which
/// the mail server has.
const LEASE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Mails one row. Each change of the row asks for the number of tries that this one has made of it,
/// so that of two who try at once, or after a long stall, only the last changes anything.
pub(crate) async fn mail(app: &App, mut owed: MailOwed) -> Result<(), Failure> {
    let tries = owed.tries + 1;
    let one_time = one_time::draw();
    let hash = app.key.hash(owed.request, &one_time);
    let claim = still_owed(&owed)
        .col_expr(Column::Tries, Expr::value(tries))
        .col_expr(
            Column::NextTryAt,
            Expr::value(later(app.post.timeout() + LEASE)),
        )
        .col_expr(Column::OneTimeHash, Expr::value(hash))
        .col_expr(Column::GuessesLeft, Expr::value(GUESSES));
    if !applied(claim, &app.db).await? {
        return Ok(());
    }
    owed.tries = tries;
    let row = reset_request::Entity::find_by_id(owed.request)
        .one(&app.db)
        .await?;
    let Some(row) = row else { return Ok(()) };

    let sent = match row.user_id {
        Some(_) => app.post.send(&row, &one_time).await,
        // It counts as mailed, because a guess at it would otherwise write no row and get its
        // response sooner.
        None => Ok(()),
    };
    let settle = still_owed(&owed);
    let settle = match &sent {
        Ok(()) => settle
            .col_expr(Column::State, Expr::value(State::Mailed))
            .col_expr(Column::ExpiresAt, Expr::value(later(GOOD_FOR))),
        Err(error) if error.is_permanent() => {
            log!("mail {}: given up at try {tries}: {error}", row.id);
            settle.col_expr(Column::State, Expr::value(State::Failed))
        }
        Err(error) => {
            let pause = pause_after(tries);
            log!(
                "mail {}: try {tries} failed, next in {pause:?}: {error}",
                row.id
            );
            settle.col_expr(Column::NextTryAt, Expr::value(later(pause)))
        }
    };
    applied(settle, &app.db).await?;
    Ok(())
}

fn still_owed(owed: &MailOwed) -> UpdateMany<reset_request::Entity> {
    reset_request::Entity::update_many()
        .filter(Column::Id.eq(owed.request))
        .filter(Column::State.eq(State::Owed))
        .filter(Column::Tries.eq(owed.tries))
}

async fn applied(
    update: UpdateMany<reset_request::Entity>,
    db: &SignalConnection,
) -> Result<bool, DbErr> {
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// 1 s, 2 s, 4 s, and so on.
fn pause_after(tries: i32) -> Duration {
    let doubled = u32::try_from(tries - 1).unwrap_or(0).min(20);
    Duration::from_secs(1 << doubled).min(LONGEST_PAUSE)
}

pub(crate) fn later(pause: Duration) -> DateTimeUtc {
    ChronoUtc::now() + pause
}
