//! The mails that are owed: from their rows to the queues, and from there to the mailer.

use std::collections::HashSet;
use std::io;
use std::num::NonZeroU8;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanfare::queue::{self, Overflow};
use fanfare::{Event, Queue, Sender, Signal};
use fanfare_django::model::POST_SAVE;
use fanfare_sea_orm::SignalConnection;
use sea_orm::prelude::{ChronoUtc, Expr};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
};

use crate::log::log;
use crate::model::reset_request::{self, Column, State};
use crate::{App, Fatal, mailer, setting};

/// The mails that are under way at a time in each lane, by default.
const WORKERS: NonZeroU8 = NonZeroU8::new(16).expect("it is not 0");
/// The events that can wait, for each mail that is under way. A row that finds no room is found by
/// the sweep.
const LINE: usize = 32;
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

fanfare::signals! {
    /// A first mail is owed to an address with an account. Sent after the commit that wrote the
    /// row, and by the sweep.
    pub(crate) static FIRST: Signal<MailOwed>;

    /// Another mail is owed: a retry, at which the mail server may hang again, or a mail to an
    /// address without an account, of which a stranger can ask for thousands. Neither keeps a
    /// [`FIRST`] waiting.
    pub(crate) static LATER: Signal<MailOwed>;
}

#[derive(Clone, Event)]
pub(crate) struct MailOwed {
    pub(crate) request: i32,
    /// The row's tries when this was sent. If the row has more by now, this is out of date.
    pub(crate) tries: i32,
    _in_hand: Arc<InHand>,
}

/// The rows that are in a queue or with a worker, which the sweep leaves alone.
type Rows = Arc<Mutex<HashSet<i32>>>;

/// One of these rows. Dropping it gives the row back: the worker does so when it is done, a full
/// queue when it drops the event, and a transaction that is rolled back.
struct InHand {
    row: i32,
    rows: Rows,
}

impl InHand {
    /// Takes a row in hand. Returns `None` if it is in hand already.
    fn take(rows: &Rows, row: i32) -> Option<Arc<Self>> {
        let mut taken = rows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = taken.insert(row);
        is_new.then(|| {
            let rows = Arc::clone(rows);
            Arc::new(InHand { row, rows })
        })
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut taken = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.row);
    }
}

/// A signal, and the queue on which its receiver mails.
#[derive(Clone)]
struct Lane {
    signal: &'static Signal<MailOwed>,
    queue: Queue,
    /// The number of events that the queue has room for.
    capacity: usize,
}

impl Lane {
    fn open(
        signal: &'static Signal<MailOwed>,
        name: &str,
        workers: usize,
        app: &App,
    ) -> io::Result<Self> {
        // The rows are the outbox, not the queue. An event that finds no room is dropped, and the
        // sweep finds its row.
        let capacity = LINE * workers;
        // One thread drives all mails of the lane: they wait for the mail server most of the time.
        let queue = Queue::builder()
            .name(name)
            .workers(1)
            .concurrency(workers)
            .capacity(capacity)
            .overflow(Overflow::DropNewest);
        let queue = queue.on_tokio().build()?;
        let app = app.clone();
        signal
            .options()
            .name("mailer")
            .tag("mail")
            .queued(&queue)
            .connect_async(move |_sender, owed| {
                let (app, owed) = (app.clone(), owed.clone());
                Box::pin(async move {
                    let id = owed.request;
                    if let Err(failure) = mailer::mail(&app, owed).await {
                        log!("mail {id}: {failure}");
                    }
                })
            });
        Ok(Lane {
            signal,
            queue,
            capacity,
        })
    }

    /// Returns the number of events that the queue still has room for.
    fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.queue.depth()) as u64
    }
}

#[derive(Clone)]
pub(crate) struct Outbox {
    db: SignalConnection,
    rows: Rows,
    first: Lane,
    later: Lane,
}

/// Connects the rows to the queues, and the queues to the mailer. `MAIL_WORKERS` mails are under
/// way at a time in each of two lanes.
pub(crate) fn connect(app: &App) -> Result<Outbox, Fatal> {
    let workers = setting("MAIL_WORKERS")?.unwrap_or_else(|| WORKERS.to_string());
    let workers: NonZeroU8 = workers
        .parse()
        .map_err(|error| format!("MAIL_WORKERS is {workers:?}: {error}"))?;
    let workers = usize::from(workers.get());
    let outbox = Outbox {
        db: app.db.clone(),
        rows: Rows::default(),
        first: Lane::open(&FIRST, "mail-first", workers, app)?,
        later: Lane::open(&LATER, "mail-later", workers, app)?,
    };

    let rows = Arc::clone(&outbox.rows);
    POST_SAVE
        .options()
        .name("outbox")
        .sender(Sender::of::<reset_request::Entity>())
        .connect(move |_sender, event| {
            let row = event
                .instance::<reset_request::Model>()
                .ok_or("not a reset_request")?;
            let after_commit = event
                .after_commit()
                .ok_or("saved outside of a `SignalConnection`")?;
            if event.created()
                && let Some(in_hand) = InHand::take(&rows, row.id)
            {
                let signal = if row.user_id.is_some() {
                    &FIRST
                } else {
                    &LATER
                };
                let (request, tries) = (row.id, row.tries);
                let owed = MailOwed {
                    request,
                    tries,
                    _in_hand: in_hand,
                };
                after_commit.record(signal, owed);
            }
            Ok(())
        });
    Ok(outbox)
}

impl Outbox {
    /// Makes each owed row due, because the program that had it in hand has ended. To be called at
    /// the start, before a row is in hand.
    pub(crate) async fn make_due(&self) -> Result<(), DbErr> {
        let owed = reset_request::Entity::update_many()
            .col_expr(Column::NextTryAt, Expr::value(ChronoUtc::now()))
            .filter(Column::State.eq(State::Owed));
        owed.exec(&self.db).await.map(drop)
    }

    /// Hands the queues the rows that are owed and due, each second, forever.
    pub(crate) async fn sweep(self) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        for second in 0_u64.. {
            seconds.tick().await;
            let swept = async {
                if second % 3600 == 0 {
                    forget(&self.db).await?;
                }
                self.hand_out_due().await
            };
            if let Err(error) = swept.await {
                log!("sweep: {error}");
            }
        }
    }

    /// Hands the queues the rows that are owed and due, once.
    pub(crate) async fn hand_out_due(&self) -> Result<(), DbErr> {
        let is_first = Condition::all()
            .add(Column::UserId.is_not_null())
            .add(Column::Tries.eq(0));
        self.hand_out(&self.first, is_first.clone()).await?;
        self.hand_out(&self.later, is_first.not()).await
    }

    /// Hands a queue as many rows as it has room for, those of accounts first.
    async fn hand_out(&self, lane: &Lane, is_its: Condition) -> Result<(), DbErr> {
        let in_hand: Vec<i32> = {
            let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            rows.iter().copied().collect()
        };
        let due: Vec<(i32, i32)> = reset_request::Entity::find()
            .filter(Column::State.eq(State::Owed))
            .filter(Column::NextTryAt.lte(ChronoUtc::now()))
            .filter(Column::Id.is_not_in(in_hand))
            .filter(is_its)
            .order_by(Column::UserId.is_null(), Order::Asc)
            .order_by_asc(Column::NextTryAt)
            .select_only()
            .columns([Column::Id, Column::Tries])
            .limit(lane.room())
            .into_tuple()
            .all(&self.db)
            .await?;
        for (request, tries) in due {
            if let Some(in_hand) = InHand::take(&self.rows, request) {
                let owed = MailOwed {
                    request,
                    tries,
                    _in_hand: in_hand,
                };
                lane.signal.asend(&owed).await;
            }
        }
        Ok(())
    }

    /// Ends both queues within the timeout; returns how many mails are left in them. Blocking.
    pub(crate) fn shutdown(&self, timeout: Duration) -> Result<usize, queue::WaitError> {
        let deadline = Instant::now() + timeout;
        let mut left = 0;
        for lane in [&self.first, &self.later] {
            let rest = deadline.saturating_duration_since(Instant::now());
            let report = lane.queue.shutdown(rest)?;
            left += report.undelivered.len() + report.still_running;
        }
        Ok(left)
    }
}

/// Deletes the rows that are older than a day, and gives up those that are still owed.
async fn forget(db: &SignalConnection) -> Result<(), DbErr> {
    let old = Column::RequestedAt.lt(ChronoUtc::now() - KEPT_FOR);
    let given_up = reset_request::Entity::find()
        .filter(old.clone())
        .filter(Column::State.eq(State::Owed))
        .filter(Column::UserId.is_not_null());
    for row in given_up.all(db).await? {
        let (id, tries) = (row.id, row.tries);
        log!("mail {id}: given up after {KEPT_FOR:?} and {tries} tries");
    }
    reset_request::Entity::delete_many()
        .filter(old)
        .exec(db)
        .await?;
    Ok(())
}
