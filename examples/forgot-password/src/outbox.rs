//! The mails that are owed: the events of new requests, and their durable receivers.

use std::num::NonZeroU8;
use std::time::Duration;

use fanfare::{Event, Sender, Signal, receiver};
use fanfare_django::ReceiverResult;
use fanfare_django::model::{POST_SAVE, PostSave};
use fanfare_outbox::{
    Durable, DurableEvent, DurableOptions, DurableReceiver, Outbox, SendDurable, Settings,
    StartError, Status,
};
use fanfare_sea_orm::{Executor, SignalConnection};
use sea_orm::prelude::ChronoUtc;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use tokio::time::{interval, sleep, timeout};

use crate::log::log;
use crate::mailer::{self, Unmailed};
use crate::model::reset_request::{self, Column};
use crate::{App, Fatal, setting};

/// The mails that are under way at a time in each lane, by default.
const WORKERS: NonZeroU8 = NonZeroU8::new(16).expect("it is not 0");
/// The time for which a request is kept, and its mail tried.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The pauses between tries. The outbox adds up to as much at random.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);
/// The time after which another program, or the next start, takes over from a program that was
/// killed.
const LEASE: Duration = Duration::from_secs(10);
/// The time for the statements of a try, beyond that which the mail server has.
const STATEMENTS: Duration = Duration::from_secs(60);
/// The time for the first tries of all mails when the connections have ended, and then that for the
/// tries that are under way.
const DRAIN: Duration = Duration::from_secs(20);
const GRACE: Duration = Duration::from_secs(5);

fanfare::signals! {
    /// A first mail is owed to an address with an account.
    pub(crate) static FIRST: Signal<FirstMail>;

    /// Another mail is owed: a retry, at which the mail server may hang again, or a mail to an
    /// address without an account, of which a stranger can ask for thousands. Neither keeps a
    /// [`FIRST`] waiting.
    pub(crate) static LATER: Signal<LaterMail>;
}

/// The event of [`FIRST`]. As each event of the outbox, it is sent by the number of its request,
/// which is its key: requests do not wait for each other.
#[derive(Event, Serialize, Deserialize)]
pub(crate) struct FirstMail {
    pub(crate) request: i32,
}

impl DurableEvent for FirstMail {
    const NAME: &'static str = "account.FirstMail";
}

/// The event of [`LATER`].
#[derive(Event, Serialize, Deserialize)]
pub(crate) struct LaterMail {
    request: i32,
    /// The error of the first try. `None` if there was no try.
    first_error: Option<String>,
}

impl DurableEvent for LaterMail {
    const NAME: &'static str = "account.LaterMail";
}

/// Owes the mail of a new request: the event is stored if and only if the request is.
#[receiver(POST_SAVE, sender = reset_request::Entity)]
async fn owe_mail(_sender: Sender<'_>, event: &PostSave<'_>) -> ReceiverResult {
    let row = event
        .instance::<reset_request::Model>()
        .ok_or("not a reset_request")?;
    let db = event
        .connection::<Executor>()
        .ok_or("saved outside of a `SignalConnection`")?;
    let request = row.id;
    match row.user_id {
        _ if !event.created() => {}
        Some(_) => {
            let owed = FirstMail { request };
            db.send_durable(&FIRST, request, &owed).await?;
        }
        None => {
            let first_error = None;
            let owed = LaterMail {
                request,
                first_error,
            };
            db.send_durable(&LATER, request, &owed).await?;
        }
    }
    Ok(())
}

/// Connects the durable receivers of both lanes. `MAIL_WORKERS` mails are under way at a time in
/// each of them.
pub(crate) fn connect(app: &App) -> Result<[DurableReceiver; 2], Fatal> {
    let workers = setting("MAIL_WORKERS")?.unwrap_or_else(|| WORKERS.to_string());
    let workers: NonZeroU8 = workers
        .parse()
        .map_err(|error| format!("MAIL_WORKERS is {workers:?}: {error}"))?;
    let to_first = app.clone();
    let first = lane(&FIRST, "mail.first", workers, app).connect_async(move |_sender, owed| {
        let (app, request, tries) = (to_first.clone(), owed.request, owed.attempt());
        Box::pin(async move {
            let tried = mailer::mail(&app, request).await;
            let tried = logged(request, tries, tried);
            let Err(Unmailed::Post(error)) = tried else {
                return tried;
            };
            // The other lane makes the retries.
            let first_error = Some(error.to_string());
            let retry = LaterMail {
                request,
                first_error,
            };
            let handed_on = app.db.send_durable(&LATER, request, &retry).await;
            handed_on.map_err(Unmailed::HandOn)
        })
    })?;
    let to_later = app.clone();
    let later = lane(&LATER, "mail.later", workers, app).connect_async(move |_sender, owed| {
        let (app, request, tries) = (to_later.clone(), owed.request, owed.attempt());
        let first_error = owed.first_error.clone().filter(|_| tries == 1);
        Box::pin(async move {
            if let Some(error) = first_error {
                // It counts as this attempt, which begins the back-off.
                return Err(Unmailed::Before(error));
            }
            let tried = mailer::mail(&app, request).await;
            logged(request, tries, tried)
        })
    })?;
    Ok([first, later])
}

/// Returns the options of a lane: it tries until the mail has left or is given up.
fn lane<E: DurableEvent>(
    signal: &'static Signal<E>,
    name: &str,
    workers: NonZeroU8,
    app: &App,
) -> DurableOptions<E> {
    signal
        .durable(name)
        .using(app.db.using())
        .keys_at_once(workers.get().into())
        .attempts(u32::MAX)
        .back_off(FIRST_PAUSE, LONGEST_PAUSE)
        .timeout(app.post.timeout() + STATEMENTS)
}

/// Logs the error of a try. A mail that is given up is done.
fn logged(request: i32, tries: u32, tried: Result<(), Unmailed>) -> Result<(), Unmailed> {
    match &tried {
        Ok(()) => {}
        Err(Unmailed::TooLate) => {
            let tries = tries - 1;
            log!("mail {request}: given up after {KEPT_FOR:?} and {tries} tries");
            return Ok(());
        }
        Err(Unmailed::Refused(error)) => {
            log!("mail {request}: given up at try {tries}: {error}");
            return Ok(());
        }
        Err(error) => log!("mail {request}: try {tries} failed: {error}"),
    }
    tried
}

/// Starts to send the mails that are owed.
pub(crate) async fn start(db: &SignalConnection) -> Result<Outbox, StartError> {
    let settings = Settings::default().lease(LEASE).grace(GRACE);
    Outbox::start(db, settings).await
}

/// Deletes the requests that are older than a day, each hour, and logs an error that keeps mails
/// from being sent, each minute. Forever.
pub(crate) async fn upkeep(db: SignalConnection, outbox: Outbox) {
    let mut minutes = interval(Duration::from_secs(60));
    for minute in 0_u64.. {
        minutes.tick().await;
        if minute % 60 == 0
            && let Err(error) = forget(&db).await
        {
            log!("requests of yesterday: {error}");
        }
        match outbox.status().await {
            Ok(status) => {
                if let Some(error) = status.relay_error {
                    log!("outbox: {error}");
                }
            }
            Err(error) => log!("outbox: {error}"),
        }
    }
}

/// Deletes the requests that are older than a day. The receivers give up a mail without a request.
async fn forget(db: &SignalConnection) -> Result<(), DbErr> {
    let old = Column::RequestedAt.lt(ChronoUtc::now() - KEPT_FOR);
    let deleted = reset_request::Entity::delete_many().filter(old);
    deleted.exec(db).await.map(drop)
}

/// Waits until each mail was tried once, ends the outbox, and returns the number of mails that are
/// still owed. It takes 25 seconds at most, and a few more if the database does not respond.
pub(crate) async fn end(outbox: Outbox) -> Result<u64, Fatal> {
    let tried = async {
        while untried(&outbox.status().await?) > 0 {
            sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, DbErr>(())
    };
    // The mails that are left after it, or after an error, are sent at the next start.
    _ = timeout(DRAIN, tried).await;
    outbox.shutdown().await;
    let status = timeout(GRACE, outbox.status()).await??;
    let failed: u64 = status.receivers.iter().map(|lane| lane.failed).sum();
    Ok(untried(&status) + failed)
}

/// Returns the number of mails that were not tried yet, or are being tried for the first time.
fn untried(status: &Status) -> u64 {
    let pending: u64 = status.receivers.iter().map(|lane| lane.pending).sum();
    status.new + pending
}
