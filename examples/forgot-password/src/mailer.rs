//! Mails that are owed: from the row to the queue, and from there to a mail server.

use std::time::Duration;

use fanfare::signals::model::POST_SAVE;
use fanfare::{Event, Overflow, Queue, Sender, Signal};
use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::{ChronoUtc, DateTimeUtc, Expr};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany};

use crate::App;
use crate::model::reset_request::{self, Column, State};
use crate::one_time;
use crate::reset::WINDOW;
use crate::web::Failure;

/// The guesses that a one-time password allows. Of its 2^50 values, that is one in a billion; and
/// far more than strangers can send while it is good, who would otherwise void it.
pub(crate) const GUESSES: i32 = 1_000_000;
/// The time for which a one-time password is good. As long as the window of the requests: whoever
/// uses these up has mailed the owner one that is still good.
pub(crate) const GOOD_FOR: Duration = WINDOW;
/// The time for which a row is left to its mailer. Longer than `SMTP_TIMEOUT` can be.
pub(crate) const LEASE: Duration = Duration::from_secs(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A row says that a mail is owed, and that is committed. Sent after the commit that wrote the row,
/// and by the sweep. Sender: the row's number, so that the rows share the queue's workers.
static MAIL_OWED: Signal<MailOwed> = Signal::new();

#[derive(Clone, Event)]
struct MailOwed {
    request: i32,
    /// The row's tries when this was sent: if it has others by now, this is out of date.
    tries: i32,
}

impl MailOwed {
    async fn send(self) {
        MAIL_OWED
            .asend(self.request.unsigned_abs() as u64, &self)
            .await;
    }
}

/// Connects the row to the queue, and the queue to the mailer.
pub(crate) fn connect(app: &App) -> std::io::Result<Queue> {
    // What finds no room is dropped, and found by the sweep: the row is the outbox, not the queue.
    let queue = Queue::builder()
        .name("mail")
        .workers(4)
        .overflow(Overflow::DropNewest);
    let queue = queue.on_tokio().build()?;

    let requests = Sender::of::<reset_request::Entity>();
    POST_SAVE
        .options()
        .sender(requests)
        .connect(|_sender, event| {
            let row = event
                .instance::<reset_request::Model>()
                .ok_or("not a reset_request")?;
            let after_commit = event
                .after_commit()
                .ok_or("saved outside of a `SignalConnection`")?;
            if event.created() {
                let owed = MailOwed {
                    request: row.id,
                    tries: row.tries,
                };
                after_commit.send(&MAIL_OWED, row.id.unsigned_abs() as u64, owed);
            }
            Ok(())
        });

    let app = app.clone();
    MAIL_OWED
        .options()
        .queued(&queue)
        .connect_async(move |_sender, owed| {
            let (app, owed) = (app.clone(), owed.clone());
            Box::pin(async move {
                let id = owed.request;
                if let Err(failure) = mail(&app, owed).await {
                    eprintln!("mail {id}: {failure}");
                }
            })
        });
    Ok(queue)
}

/// Mails one row. Each change of the row asks for the number of tries that this one has made of it,
/// so that of two who try at once, or after a long stall, only the last changes anything.
async fn mail(app: &App, owed: MailOwed) -> Result<(), Failure> {
    let tries = owed.tries + 1;
    let one_time = one_time::draw();
    let hash = app.key.hash(owed.request, &one_time);
    let claim = still_owed(&owed)
        .col_expr(Column::Tries, Expr::value(tries))
        .col_expr(Column::NextTryAt, Expr::value(later(LEASE)))
        .col_expr(Column::OneTimeHash, Expr::value(hash))
        .col_expr(Column::GuessesLeft, Expr::value(GUESSES));
    if !applied(claim, &app.db).await? {
        return Ok(());
    }
    let owed = MailOwed { tries, ..owed };
    let row = reset_request::Entity::find_by_id(owed.request)
        .one(&app.db)
        .await?;
    let Some(row) = row else { return Ok(()) };

    let sent = match row.user_id {
        Some(_) => app.post.send(&row, &one_time).await,
        // Counts as mailed, or a guess at it would write nothing and be answered sooner.
        None => Ok(()),
    };
    let settle = still_owed(&owed);
    let settle = match &sent {
        Ok(()) => settle
            .col_expr(Column::State, Expr::value(State::Mailed))
            .col_expr(Column::ExpiresAt, Expr::value(later(GOOD_FOR))),
        Err(error) => {
            let pause = pause_after(tries);
            eprintln!(
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

/// Hands the queue what is owed and due, each second, for ever.
pub(crate) async fn sweep(db: SignalConnection, queue: Queue) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 0_u64.. {
        seconds.tick().await;
        let swept = async {
            if second % 3600 == 0 {
                forget(&db).await?;
            }
            hand_out(&db, &queue).await
        };
        if let Err(error) = swept.await {
            eprintln!("sweep: {error}");
        }
    }
}

/// What is owed when the program starts is due at once, for whoever had it in hand is gone. To be
/// called before anybody else has it in hand.
pub(crate) async fn make_due(db: &SignalConnection) -> Result<(), DbErr> {
    let owed = reset_request::Entity::update_many()
        .col_expr(Column::NextTryAt, Expr::value(ChronoUtc::now()))
        .filter(Column::State.eq(State::Owed));
    owed.exec(db).await.map(drop)
}

/// As many as the queue has room for. The lease keeps the next sweep from them.
async fn hand_out(db: &SignalConnection, queue: &Queue) -> Result<(), DbErr> {
    let room = queue.capacity().unwrap_or(1).saturating_sub(queue.depth());
    let due: Vec<(i32, i32)> = reset_request::Entity::find()
        .filter(Column::State.eq(State::Owed))
        .filter(Column::NextTryAt.lte(ChronoUtc::now()))
        .order_by_asc(Column::NextTryAt)
        .select_only()
        .columns([Column::Id, Column::Tries])
        .limit(room as u64)
        .into_tuple()
        .all(db)
        .await?;
    if due.is_empty() {
        return Ok(());
    }
    let lease = reset_request::Entity::update_many()
        .col_expr(Column::NextTryAt, Expr::value(later(LEASE)))
        .filter(Column::Id.is_in(due.iter().map(|(id, _)| *id)));
    lease.exec(db).await?;
    for (request, tries) in due {
        MailOwed { request, tries }.send().await;
    }
    Ok(())
}

/// Deletes what nobody waits for any more, also what is still owed.
async fn forget(db: &SignalConnection) -> Result<(), DbErr> {
    let old = Column::RequestedAt.lt(ChronoUtc::now() - KEPT_FOR);
    reset_request::Entity::delete_many()
        .filter(old)
        .exec(db)
        .await?;
    Ok(())
}
