//! fanfare-outbox beside other crates that deliver stored events: see the README.

mod apalis;
mod bare;
mod databases;
mod fanfare;
mod gears;
mod hexeract;
mod oxide;
mod report;
mod rival;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use databases::{Place, on_postgres};
use report::{Arrived, Measured, Report};
use rival::{Calls, Load, Rival};

/// The number of events that a transaction stores before a backlog is measured.
const TOGETHER: u64 = 5_000;
/// The time between two events that arrive.
const PERIOD: Duration = Duration::from_millis(5);
/// The number of the first events that arrive whose times are not counted.
const WARM: u64 = 100;
const LONG: Duration = Duration::from_secs(300);

/// The size of a run.
struct Scale {
    rounds: usize,
    /// What the backlogs are divided by.
    divisor: u64,
    /// The number of events that arrive, without the first.
    arrivals: u64,
}

const WHOLE: Scale = Scale {
    rounds: 3,
    divisor: 1,
    arrivals: 1_000,
};
const QUICK: Scale = Scale {
    rounds: 1,
    divisor: 100,
    arrivals: 20,
};

type Rivals = Vec<Box<dyn Rival>>;

#[tokio::main]
async fn main() {
    let mut arguments = pico_args::Arguments::from_env();
    let quick = arguments.contains("--quick");
    let out: Option<PathBuf> = arguments.opt_value_from_str("--out").unwrap();
    let only: Option<String> = arguments.opt_value_from_str("--only").unwrap();
    let rest = arguments.finish();
    assert!(rest.is_empty(), "unknown arguments: {rest:?}");
    let folder = env!("CARGO_MANIFEST_DIR");
    let out = out.unwrap_or_else(|| {
        let below = if quick { "target/quick" } else { "results" };
        [folder, below].iter().collect()
    });
    let scale = if quick { QUICK } else { WHOLE };
    let wanted = |it: &dyn Rival| only.as_ref().is_none_or(|only| it.name().contains(only));

    match std::env::var("FANFARE_TEST_POSTGRES") {
        Ok(server) => {
            on_postgres(&server, async |place| {
                let mut rivals = Rivals::new();
                for number in 0..ON_BOTH {
                    rivals.push(make(number, &place).await);
                }
                rivals.push(Box::new(gears::Gears::new(&place).await));
                rivals.push(Box::new(oxide::Oxide::new(&place).await));
                rivals.retain(|it| wanted(&**it));
                let db = place.connect().await;
                measure("postgres", &db, &rivals, &scale).await.write(&out);
                db.close().await.unwrap();
            })
            .await;
        }
        Err(_) => eprintln!("PostgreSQL is skipped: FANFARE_TEST_POSTGRES has no URL of a server"),
    }

    let files = tempfile::tempdir().unwrap();
    let mut rivals = Rivals::new();
    for number in 0..ON_BOTH {
        let file = files.path().join(format!("{number}.db"));
        let url = format!("sqlite://{}?mode=rwc", file.display());
        rivals.push(make(number, &Place { url }).await);
    }
    rivals.retain(|it| wanted(&**it));
    let url = "sqlite::memory:".to_string();
    let db = Place { url }.connect().await;
    measure("sqlite", &db, &rivals, &scale).await.write(&out);
}

/// The number of the rivals that have both databases.
const ON_BOTH: usize = 4;

/// Makes one of these.
async fn make(number: usize, place: &Place) -> Box<dyn Rival> {
    match number {
        0 => Box::new(bare::Bare::new(place).await),
        1 => Box::new(fanfare::Fanfare::new(place).await),
        2 => Box::new(apalis::Apalis::new(place).await),
        _ => Box::new(hexeract::Hexeract::new(place).await),
    }
}

async fn measure(name: &str, db: &DatabaseConnection, rivals: &Rivals, scale: &Scale) -> Report {
    let mut measured: Vec<_> = rivals.iter().map(|it| Measured::new(it.name())).collect();
    let mut order = Order(0x9e37_79b9_7f4a_7c15);
    for round in 1..=scale.rounds {
        for at in order.shuffled(rivals.len()) {
            let rival = &*rivals[at];
            let rate = backlog(rival, scale).await;
            eprintln!("{name}, round {round}, {}: {rate:.0}/s", rival.name());
            measured[at].rates.push(rate);
            if rival.waits() {
                let arrived = arrivals(rival, scale).await;
                let Arrived { half, most } = arrived;
                eprintln!("  50 % within {half:.2} ms, 99 % within {most:.2} ms");
                measured[at].arrived.push(arrived);
            }
        }
    }
    Report {
        name: name.to_string(),
        server: about(db).await,
        measured,
    }
}

/// Returns the deliveries in a second, from the start until each row is marked or deleted.
async fn backlog(rival: &dyn Rival, scale: &Scale) -> f64 {
    let events = rival.backlog() / scale.divisor;
    rival.clear().await;
    for first in (0..events).step_by(TOGETHER as usize) {
        rival.store(first..events.min(first + TOGETHER)).await;
    }
    rival.prepare().await;
    // So that no rival runs beside the clean-up after another, or by statistics of an empty table.
    let clean_up = match rival.db().get_database_backend() {
        sea_orm::DbBackend::Postgres => ["VACUUM ANALYZE", "CHECKPOINT"],
        _ => ["ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"],
    };
    for statement in clean_up {
        rival.db().execute_unprepared(statement).await.unwrap();
    }
    let calls = Calls::new(0);
    let started = Instant::now();
    let stop = rival.start(calls.clone(), Load::Backlog).await;
    called(rival, &calls, events).await;
    while !rival.is_done().await {
        pause(rival, started).await;
    }
    let took = started.elapsed();
    stop.await;
    assert_eq!(calls.count(), events, "calls of {}", rival.name());
    events as f64 / took.as_secs_f64()
}

/// Returns the times from commits to calls, of events that come one by one.
async fn arrivals(rival: &dyn Rival, scale: &Scale) -> Arrived {
    let events = WARM + scale.arrivals;
    rival.clear().await;
    let calls = Calls::new(events);
    let stop = rival.start(calls.clone(), Load::Arrivals).await;
    let mut commits = Vec::new();
    let mut ticks = tokio::time::interval(PERIOD);
    for number in 0..events {
        ticks.tick().await;
        rival.store(number..number + 1).await;
        commits.push(calls.now());
    }
    called(rival, &calls, events).await;
    stop.await;
    let mut times = calls.since(&commits).split_off(WARM as usize);
    times.sort_by(f64::total_cmp);
    Arrived {
        half: times[times.len() / 2],
        most: times[times.len() * 99 / 100],
    }
}

/// Waits for the last call.
async fn called(rival: &dyn Rival, calls: &Calls, events: u64) {
    let started = Instant::now();
    while calls.count() < events {
        pause(rival, started).await;
    }
}

async fn pause(rival: &dyn Rival, started: Instant) {
    assert!(started.elapsed() < LONG, "{} does not end", rival.name());
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Returns the version of the database, and the settings that decide about its speed.
async fn about(db: &DatabaseConnection) -> String {
    let query = match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => {
            "SELECT 'PostgreSQL ' || current_setting('server_version') \
             || ', fsync ' || current_setting('fsync') \
             || ', synchronous_commit ' || current_setting('synchronous_commit')"
        }
        _ => "SELECT 'SQLite ' || sqlite_version() || ', a file for each, WAL, synchronous FULL'",
    };
    let statement = Statement::from_string(db.get_database_backend(), query);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// The order of the rivals: another one in each round, and the same in each run.
struct Order(u64);

impl Order {
    fn shuffled(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..length).collect();
        for at in (1..length).rev() {
            order.swap(at, self.next() as usize % (at + 1));
        }
        order
    }

    /// Xorshift.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
