//! The rows that PostgreSQL reads for a backlog. It makes its plans when the tables are empty, and
//! keeps them when there are many rows.

use fanfare_outbox::{Durable, DurableReceiver};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use crate::common::{LONG, databases, event, named, start, until, with_tables};

event!(Alone, "plans.Alone", ALONE);
event!(Shared, "plans.Shared", SHARED);

const EVENTS: i64 = 20_000;

/// The most rows that may be read for each delivery.
const ROWS: i64 = 30;

async fn number_of(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Delivers single events and then many, and checks the number of rows that were read.
async fn read_once(event: &str, receivers: Vec<DurableReceiver>) {
    let deliveries = EVENTS * receivers.len() as i64;
    databases::on_postgres_schema(async |mut options| {
        // One connection, so that all statements have their plans before there are many rows.
        options.max_connections(1);
        let plain = with_tables(options.clone()).await;
        let db = named(plain.clone());
        let outbox = start(&db).await;
        let store = async |count: i64| {
            let sql = format!(
                "INSERT INTO fanfare_outbox_event (name, version, sender, key, payload) \
                 SELECT '{event}', 1, 'none:', 'key:' || n, CAST(n AS TEXT) \
                 FROM generate_series(1, {count}) AS n"
            );
            plain.execute_unprepared(&sql).await.unwrap();
            outbox.advance(std::time::Duration::ZERO);
            outbox.settle(LONG).await.unwrap();
        };
        for _ in 0..20 {
            store(1).await;
        }
        store(EVENTS).await;
        outbox.shutdown().await;
        // The server reports the numbers of a connection when it ends.
        plain.close().await.unwrap();
        let other = Database::connect(options).await.unwrap();
        until("the numbers are there", async || {
            let deleted = "SELECT n_tup_del FROM pg_stat_user_tables \
                 WHERE schemaname = current_schema() AND relname = 'fanfare_outbox_event'";
            number_of(&other, deleted).await >= EVENTS
        })
        .await;
        let read = "SELECT CAST((SELECT sum(seq_tup_read) FROM pg_stat_user_tables \
                 WHERE schemaname = current_schema()) \
             + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes \
                 WHERE schemaname = current_schema()) AS BIGINT)";
        let read = number_of(&other, read).await;
        assert!(
            read <= ROWS * deliveries,
            "{read} rows were read for {deliveries} deliveries"
        );
    })
    .await;
    for receiver in receivers {
        receiver.disconnect();
    }
}

#[tokio::test]
async fn postgres_reads_each_event_of_a_backlog_a_few_times() {
    let receiver = ALONE.durable("plans.alone");
    let receiver =
        receiver.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }));
    read_once("plans.Alone", vec![receiver.unwrap()]).await;
}

#[tokio::test]
async fn postgres_reads_each_delivery_of_a_backlog_a_few_times() {
    let receivers = ["plans.shared.1", "plans.shared.2"].map(|name| {
        let receiver = SHARED.durable(name);
        let receiver =
            receiver.connect_async(|_sender, _event| Box::pin(async { Ok::<_, String>(()) }));
        receiver.unwrap()
    });
    read_once("plans.Shared", receivers.into()).await;
}
