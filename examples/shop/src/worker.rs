//! The worker: the process that takes the orders and runs the receivers, until it is killed.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use fanfare_outbox::{Outbox, Settings};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ActiveModelTrait, EntityTrait, PaginatorTrait, Set};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Fatal;
use crate::books::BATCH;
use crate::events::OrderPaid;
use crate::mails::Post;
use crate::options::Options;
use crate::orders;
use crate::receivers;
use crate::report::{Report, Row, State};
use crate::tables::{self, invoice, order, repeat, returned, run, shipment};

/// The commands of the supervisor, a line each on standard input. Its end is the end of the
/// supervisor.
pub(crate) const CLOSE: &str = "close";
pub(crate) const DISCARD: &str = "discard";

/// The time for the deliveries after the last order.
const TO_SETTLE: Duration = Duration::from_secs(120);

/// The time between two reports of the state.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn main(options: &Options) -> ExitCode {
    let folder = options.folder.as_deref().unwrap_or(Path::new("."));
    match work(folder, options.seed.unwrap_or_default()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = error.to_string();
            // If the supervisor has ended, it needs no report.
            let _ = Report::Failed { error }.send();
            ExitCode::FAILURE
        }
    }
}

async fn work(folder: &Path, seed: u64) -> Result<(), Fatal> {
    let mut commands = commands();
    let db = tables::open(folder).await?;
    let row = run::ActiveModel {
        has_ended: Set(false),
        ..Default::default()
    };
    let run = row.insert(&db).await?.id;
    receivers::connect(&db, Post::open(folder, run)?)?;
    // A worker that is killed keeps its leases until they are over.
    let settings = Settings::default()
        .lease(Duration::from_secs(1))
        .poll(Duration::from_millis(100))
        .batch(BATCH)
        .grace(Duration::from_secs(2));
    let outbox = Outbox::start(&db, settings).await?;
    let owed = owed(&state(&db, &outbox).await?);
    Report::Started { run, owed }.send()?;

    let (close, is_closed) = watch::channel(false);
    let mut tills = JoinSet::new();
    for till in orders::tills(&db, run, seed) {
        tills.spawn(till.work(is_closed.clone()));
    }
    let mut closing = JoinSet::new();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            command = commands.recv() => match command.as_deref() {
                Some(CLOSE) => {
                    close.send_replace(true);
                    let tills = std::mem::take(&mut tills);
                    closing.spawn(settle(tills, db.clone(), outbox.clone()));
                }
                Some(DISCARD) => discard(&db, &outbox).await?,
                Some(other) => return Err(format!("unknown command {other:?}").into()),
                None => break,
            },
            Some(ended) = tills.join_next() => ended??,
            Some(settled) = closing.join_next() => {
                settled??;
                Report::State(state(&db, &outbox).await?).send()?;
                break;
            }
            _ = looks.tick() => Report::State(state(&db, &outbox).await?).send()?,
        }
    }
    // Without a supervisor the orders end here, and the deliveries in the next run.
    close.send_replace(true);
    tills.shutdown().await;
    outbox.shutdown().await;
    let row = run::ActiveModel {
        id: Set(run),
        has_ended: Set(true),
    };
    row.update(&db).await?;
    Report::Closed.send()?;
    Ok(())
}

/// Returns the lines of standard input, which a thread reads. It ends with the supervisor.
fn commands() -> UnboundedReceiver<String> {
    let (sender, commands) = unbounded_channel();
    thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.send(line))
    });
    commands
}

/// Waits for the last orders and for all deliveries. Dead letters are discarded, so that the
/// deliveries behind them go on.
async fn settle(
    mut tills: JoinSet<Result<(), Fatal>>,
    db: SignalConnection,
    outbox: Outbox,
) -> Result<(), Fatal> {
    while let Some(ended) = tills.join_next().await {
        ended??;
    }
    outbox.settle(TO_SETTLE).await?;
    discard(&db, &outbox).await?;
    Ok(outbox.settle(TO_SETTLE).await?)
}

/// Discards the dead letters of the mails. The orders are noted first: if the worker is killed
/// between, the dead letters are still there, and the next run discards them.
async fn discard(db: &SignalConnection, outbox: &Outbox) -> Result<(), Fatal> {
    for letter in outbox.dead_letters(100).await? {
        if letter.receiver != receivers::MAIL {
            continue;
        }
        let paid: OrderPaid = serde_json::from_str(&letter.payload)?;
        let order = paid.order;
        if returned::Entity::find_by_id(order).one(db).await?.is_none() {
            let row = returned::ActiveModel { number: Set(order) };
            row.insert(db).await?;
        }
        outbox.discard(&letter.receiver, letter.event_id).await?;
        let error = letter.last_error;
        Report::Returned { order, error }.send()?;
    }
    Ok(())
}

/// Returns the number of deliveries that are owed, and of events that are not handed out yet.
fn owed(state: &State) -> u64 {
    let receivers = state.receivers.iter();
    state.new + receivers.map(|it| it.pending + it.failed).sum::<u64>()
}

async fn state(db: &SignalConnection, outbox: &Outbox) -> Result<State, Fatal> {
    let status = outbox.status().await?;
    let row = |it: fanfare_outbox::ReceiverStatus| Row {
        name: it.name,
        pending: it.pending,
        failed: it.failed,
        dead: it.dead,
        oldest_millis: it
            .oldest
            .and_then(|age| u64::try_from(age.as_millis()).ok()),
        last_error: it.last_error,
    };
    Ok(State {
        orders: order::Entity::find().count(db).await?,
        invoices: invoice::Entity::find().count(db).await?,
        shipments: shipment::Entity::find().count(db).await?,
        recognized: repeat::Entity::find().count(db).await?,
        new: status.new,
        receivers: status.receivers.into_iter().map(row).collect(),
        relay_error: status.relay_error,
    })
}
