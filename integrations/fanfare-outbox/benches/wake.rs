//! The time from a commit in another process to the start of the receiver, and the processor time
//! that an idle relay takes. Informs; fails nothing.
//!
//! It runs on a file of SQLite, and on PostgreSQL if `FANFARE_TEST_POSTGRES` is set. The other
//! process is this program once more. It sends, and has no relay.

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare_outbox::{Durable, Outbox, SendDurable, Settings};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectionTrait, Database};
use tokio::sync::mpsc;

use common::{File, databases, event, options_of, with_tables};

const ROUNDS: u64 = 301;

/// The time between two commits.
const PAUSE: Duration = Duration::from_millis(100);

/// The time that an idle relay is measured.
const IDLE: Duration = Duration::from_secs(10);

event!(Timed, "wake.Timed", TIMED);

/// Returns the time in microseconds, by a clock that both processes have.
fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(time.as_micros()).unwrap()
}

/// Commits events, and prints the time after each commit.
async fn send(url: &str) {
    let db = SignalConnection::new(Database::connect(options_of(url)).await.unwrap());
    for number in 0..ROUNDS {
        // At another moment of the relay's rounds each time.
        tokio::time::sleep(PAUSE + Duration::from_micros(number * 211 % 20_000)).await;
        let event = Timed(number);
        db.send_durable(&TIMED, number, &event).await.unwrap();
        println!("{}", now());
    }
    // A process that ends right after its commit sends no notice of it.
    tokio::time::sleep(PAUSE).await;
}

async fn latency(db: &SignalConnection, url: &str, settings: Settings) {
    let (started, mut starts) = mpsc::unbounded_channel();
    let receiver = TIMED.durable("wake.timed");
    let receiver = receiver.connect_async(move |_sender, event| {
        let _ = started.send((event.0, now()));
        Box::pin(async { Ok::<_, String>(()) })
    });
    let receiver = receiver.unwrap();
    let outbox = Outbox::start(db, settings).await.unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .env("FANFARE_OUTBOX_URL", url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let commits = tokio::task::spawn_blocking(move || {
        let lines = output.lines().map(|line| line.unwrap().parse().unwrap());
        lines.collect::<Vec<u64>>()
    });
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(starts.recv().await.unwrap());
    }
    let commits = commits.await.unwrap();
    let times = times.into_iter().zip(commits);
    let times = times.map(|((number, start), commit)| (start.saturating_sub(commit), number));
    let mut times: Vec<_> = times
        .map(|(micros, number)| (micros as f64 / 1e3, number))
        .collect();
    times.sort_by(|(time, _), (other, _)| time.total_cmp(other));
    let (longest, number) = times[times.len() - 1];
    let (median, most) = (times[times.len() / 2].0, times[times.len() * 99 / 100].0);
    println!(
        "  commit of another process to receiver, idle: median {median:.1} ms, 99 % {most:.1} ms, \
         longest {longest:.1} ms (that of event {number})"
    );
    child.wait().unwrap();
    outbox.shutdown().await;
    receiver.disconnect();
}

/// Returns the nanoseconds for which each thread of this process has run, by its id.
fn processor_times() -> HashMap<OsString, u64> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let times = threads.map(|thread| {
        let thread = thread.unwrap();
        let text = std::fs::read_to_string(thread.path().join("schedstat"));
        let text = text.unwrap_or_default();
        let time = text.split(' ').next().and_then(|time| time.parse().ok());
        (thread.file_name(), time.unwrap_or(0))
    });
    times.collect()
}

async fn idle(db: &SignalConnection, notices: bool) {
    let outbox = Outbox::start(db, Settings::default().notices(notices))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = processor_times();
    tokio::time::sleep(IDLE).await;
    // The threads of blocking work end when they are idle, and count no more.
    let times = processor_times().into_iter();
    let times = times.map(|(thread, time)| time - before.get(&thread).copied().unwrap_or(0));
    let share = times.sum::<u64>() as f64 / IDLE.as_nanos() as f64;
    println!(
        "  an idle relay, notices {notices}: {:.2} % of a core",
        share * 100.0
    );
    outbox.shutdown().await;
}

async fn measure(options: sea_orm::ConnectOptions) {
    let url = options.get_url().to_owned();
    let db = SignalConnection::new(with_tables(options).await);
    println!("{:?}", db.get_database_backend());
    latency(&db, &url, Settings::default()).await;
    if cfg!(target_os = "linux") {
        for notices in [true, false] {
            idle(&db, notices).await;
        }
    }
}

#[tokio::main]
async fn main() {
    if let Ok(url) = env::var("FANFARE_OUTBOX_URL") {
        return send(&url).await;
    }
    let file = File::new();
    measure(options_of(&file.url())).await;
    databases::on_postgres(async |options| measure(options_of(options.get_url())).await).await;
}
