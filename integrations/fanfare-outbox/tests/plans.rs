//! The rows that PostgreSQL reads for a backlog. It makes its plans when the tables are empty, or
//! by statistics of another moment, and keeps them when there are many rows. These tests are a
//! separate program, and take turns, because PostgreSQL reads deleted rows again and again while a
//! transaction of any test is open.

mod common;

use std::ops::Range;
use std::time::Duration;

use common::{LONG, databases, event, named, until, with_tables};
use fanfare_outbox::{Durable, DurableReceiver, Outbox, Settings};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

/// The lock of the test that runs.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

event!(Alone, "plans.Alone", ALONE);
event!(Shared, "plans.Shared", SHARED);
event!(Stuck, "plans.Stuck", STUCK);

const EVENTS: u32 = 20_000;

/// The most rows that may be read for each delivery.
const ROWS: i64 = 30;

async fn number_of(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// A relay over one connection, so that each statement has one plan.
struct Relay {
    db: DatabaseConnection,
    outbox: Outbox,
    event: &'static str,
}

impl Relay {
    /// Stores events, whose keys are an expression of the number `n`, and delivers them.
    async fn deliver(&self, key: &str, numbers: Range<u32>) {
        self.deliver_after(Duration::ZERO, key, numbers).await;
    }

    /// Delivers them after this time, for which they wait.
    async fn deliver_after(&self, pause: Duration, key: &str, numbers: Range<u32>) {
        let (event, first, last) = (self.event, numbers.start, numbers.end - 1);
        let sql = format!(
            "INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
             SELECT '{event}', 1, '', {key}, CAST(n AS TEXT) FROM generate_series({first}, {last}) AS n"
        );
        self.db.execute_unprepared(&sql).await.unwrap();
        tokio::time::sleep(pause).await;
        self.outbox.advance(Duration::ZERO);
        self.outbox.settle(LONG).await.unwrap();
    }

    /// Delivers single events, so that all statements have their plans.
    async fn plan(&self) {
        for number in 1..20 {
            self.deliver("'key:plan'", number..number + 1).await;
        }
    }

    /// Tells PostgreSQL what the tables have now.
    async fn analyze(&self) {
        self.db.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    }
}

/// Checks the number of rows that are read for this number of deliveries.
async fn read_few(event: &'static str, deliveries: u32, work: impl AsyncFn(&Relay)) {
    let _turn = TURN.lock().await;
    // Only `advance` wakes the relay.
    let settings = Settings::default().poll(LONG).notices(false);
    databases::on_postgres_schema(async |mut options| {
        options.max_connections(1);
        let db = with_tables(options.clone()).await;
        let relay = Relay {
            db: db.clone(),
            outbox: Outbox::start(&named(db.clone()), settings.clone())
                .await
                .unwrap(),
            event,
        };
        work(&relay).await;
        relay.outbox.shutdown().await;
        // The server reports the numbers of a connection when it ends.
        db.close().await.unwrap();
        let other = Database::connect(options).await.unwrap();
        until("the numbers are there", async || {
            let deleted = "SELECT n_tup_del FROM pg_stat_user_tables \
                 WHERE schemaname = current_schema() AND relname = 'fanfare_outbox_event'";
            number_of(&other, deleted).await > 19
        })
        .await;
        let read = "SELECT CAST((SELECT sum(seq_tup_read) FROM pg_stat_user_tables \
                 WHERE schemaname = current_schema()) \
             + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes \
                 WHERE schemaname = current_schema()) AS BIGINT)";
        let read = number_of(&other, read).await;
        assert!(
            read <= ROWS * i64::from(deliveries),
            "{read} rows were read for {deliveries} deliveries"
        );
    })
    .await;
}

fn connect_alone() -> DurableReceiver {
    let receiver = ALONE.durable("plans.alone");
    let receiver =
        receiver.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }));
    receiver.unwrap()
}

#[tokio::test]
async fn postgres_reads_each_event_of_a_backlog_a_few_times() {
    let receiver = connect_alone();
    read_few("plans.Alone", EVENTS, async |relay| {
        relay.plan().await;
        relay.deliver("'key:' || n", 0..EVENTS).await;
    })
    .await;
    // Now it knows that the tables are empty, until its plans are some seconds old.
    read_few("plans.Alone", EVENTS, async |relay| {
        relay.plan().await;
        relay.analyze().await;
        relay.plan().await;
        let pause = Duration::from_secs(6);
        relay.deliver_after(pause, "'key:' || n", 0..EVENTS).await;
    })
    .await;
    receiver.disconnect();
}

#[tokio::test]
async fn postgres_reads_each_delivery_of_a_backlog_a_few_times() {
    let receivers = ["plans.shared.1", "plans.shared.2"].map(|name| {
        let receiver = SHARED.durable(name);
        let receiver =
            receiver.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }));
        receiver.unwrap()
    });
    read_few("plans.Shared", 2 * EVENTS, async |relay| {
        relay.plan().await;
        relay.deliver("'key:' || n", 0..EVENTS).await;
    })
    .await;
    for receiver in receivers {
        receiver.disconnect();
    }
}

/// It believes that most keys have deliveries that wait, because one key has most of them.
#[tokio::test]
async fn postgres_reads_no_delivery_that_waits_for_another_key() {
    let receiver = STUCK.durable("plans.stuck").attempts(1);
    let receiver = receiver.connect_async(|_sender, event| {
        let is_dead = event.0 == 0;
        Box::pin(async move { if is_dead { Err("dead") } else { Ok(()) } })
    });
    read_few("plans.Stuck", EVENTS + EVENTS / 10, async |relay| {
        relay.deliver("'key:stuck'", 0..EVENTS).await;
        relay.analyze().await;
        relay.plan().await;
        relay.deliver("'key:' || n", 1..EVENTS / 10).await;
    })
    .await;
    receiver.unwrap().disconnect();
}
