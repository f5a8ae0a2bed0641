//! hexeract-outbox-sql. Its worker marks each event in a separate transaction.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexeract_core::HandlerContext;
use hexeract_outbox::{
    ErasedHandler, Event, Handler, OutboxError, OutboxPublisher, OutboxStore, OutboxWorker,
    OutboxWorkerConfig, TypedHandler,
};
use hexeract_outbox_sql::{PgOutboxPublisher, PgOutboxStore};
use hexeract_outbox_sql::{SqliteOutboxPublisher, SqliteOutboxStore, postgres, sqlite};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::databases::{Place, finds};
use crate::rival::{BATCH, Calls, Load, NAME, Rival, Stop, Stored};

const TABLE: &str = "hexeract";
impl Event for Stored {
    const EVENT_TYPE: &'static str = NAME;
}

struct Counting(Arc<Calls>);

impl Handler<Stored> for Counting {
    type Error = OutboxError;

    async fn handle(&self, event: Stored, _context: &HandlerContext) -> Result<(), OutboxError> {
        self.0.call(&event);
        Ok(())
    }
}

pub(crate) struct Hexeract {
    db: DatabaseConnection,
    pool: Pool,
}

enum Pool {
    Postgres(sqlx::PgPool),
    Sqlite(sqlx::SqlitePool),
}

impl Hexeract {
    pub(crate) async fn new(place: &Place) -> Self {
        let db = place.connect().await;
        let pool = if place.is_sqlite() {
            let pool = place.sqlite_0_8().await;
            sqlite::ensure_schema(&pool, TABLE).await.unwrap();
            Pool::Sqlite(pool)
        } else {
            let pool = place.postgres_0_8().await;
            postgres::ensure_schema(&pool, TABLE).await.unwrap();
            Pool::Postgres(pool)
        };
        Self { db, pool }
    }
}

#[async_trait]
impl Rival for Hexeract {
    fn name(&self) -> &'static str {
        "hexeract-outbox-sql 0.6.0"
    }

    fn backlog(&self) -> u64 {
        5_000
    }

    async fn store(&self, numbers: Range<u64>) {
        match &self.pool {
            Pool::Postgres(pool) => {
                let publisher = PgOutboxPublisher::new(pool.clone(), TABLE).unwrap();
                let mut transaction = pool.begin().await.unwrap();
                for number in numbers {
                    let event = Stored(number);
                    let stored = publisher.publish_in_tx(&mut transaction, &event).await;
                    stored.unwrap();
                }
                transaction.commit().await.unwrap();
            }
            Pool::Sqlite(pool) => {
                let publisher = SqliteOutboxPublisher::new(pool.clone(), TABLE).unwrap();
                let mut transaction = pool.begin().await.unwrap();
                for number in numbers {
                    let event = Stored(number);
                    let stored = publisher.publish_in_tx(&mut transaction, &event).await;
                    stored.unwrap();
                }
                transaction.commit().await.unwrap();
            }
        }
    }

    async fn start(&self, calls: Arc<Calls>, load: Load) -> Stop {
        // As many as were the fastest here. On SQLite there may be one only.
        let workers = match load {
            Load::Backlog => 4,
            Load::Arrivals => 8,
        };
        let cancel = CancellationToken::new();
        let workers: Vec<_> = match &self.pool {
            Pool::Postgres(pool) => (0..workers)
                .map(|_| {
                    let store = PgOutboxStore::new(pool.clone(), TABLE).unwrap();
                    work(store, &calls, &cancel)
                })
                .collect(),
            Pool::Sqlite(pool) => {
                let store = SqliteOutboxStore::new(pool.clone(), TABLE).unwrap();
                vec![work(store, &calls, &cancel)]
            }
        };
        Box::pin(async move {
            cancel.cancel();
            for worker in workers {
                worker.await.unwrap().unwrap();
            }
        })
    }

    async fn is_done(&self) -> bool {
        let query = format!("SELECT 1 FROM {TABLE} WHERE delivered_at IS NULL LIMIT 1");
        !finds(&self.db, &query).await
    }

    fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    async fn clear(&self) {
        let delete = format!("DELETE FROM {TABLE}");
        self.db.execute_unprepared(&delete).await.unwrap();
    }
}

/// Starts a worker that pauses after an empty read alone, and for one millisecond.
fn work<S: OutboxStore>(
    store: S,
    calls: &Arc<Calls>,
    cancel: &CancellationToken,
) -> JoinHandle<Result<(), OutboxError>> {
    let handler: Arc<dyn ErasedHandler> = Arc::new(TypedHandler::new(Counting(Arc::clone(calls))));
    let config = OutboxWorkerConfig {
        poll_interval: Duration::from_millis(1),
        batch_size: BATCH as usize,
        min_cycle_delay: Duration::ZERO,
        ..OutboxWorkerConfig::default()
    };
    let worker = OutboxWorker::new(store, HashMap::from([(NAME, handler)]), config);
    tokio::spawn(worker.run(cancel.clone()))
}
