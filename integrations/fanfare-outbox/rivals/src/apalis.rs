//! apalis-postgres and apalis-sqlite: a queue of jobs.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apalis::prelude::*;
use apalis_postgres::{PgPool, PostgresStorage, Pubsub};
use apalis_sqlite::{SqlitePool, SqliteStorage};
use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::task::JoinHandle;

use crate::databases::{Place, finds};
use crate::rival::{BATCH, Calls, Load, NAME, Rival, Stop, Stored};

/// The pause after an empty read, and the time after which the last jobs are marked. If it is
/// shorter than a read, the worker may miss its end, and sleeps until the next heartbeat.
const PAUSE: Duration = Duration::from_millis(20);
const HEARTBEAT: Duration = Duration::from_secs(1);

pub(crate) struct Apalis {
    db: DatabaseConnection,
    pool: Pool,
}

enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Apalis {
    pub(crate) async fn new(place: &Place) -> Self {
        let db = place.connect().await;
        let pool = if place.is_sqlite() {
            let pool = db.get_sqlite_connection_pool().clone();
            // Without the PRAGMAs of `setup`, so that all rivals have the same.
            SqliteStorage::migrations().run(&pool).await.unwrap();
            Pool::Sqlite(pool)
        } else {
            let pool = db.get_postgres_connection_pool().clone();
            PostgresStorage::setup(&pool).await.unwrap();
            Pool::Postgres(pool)
        };
        Self { db, pool }
    }
}

#[async_trait]
impl Rival for Apalis {
    fn name(&self) -> &'static str {
        match self.pool {
            Pool::Postgres(_) => "apalis-postgres 1.0.0",
            Pool::Sqlite(_) => "apalis-sqlite 1.0.0",
        }
    }

    fn backlog(&self) -> u64 {
        match self.pool {
            Pool::Postgres(_) => 50_000,
            Pool::Sqlite(_) => 10_000,
        }
    }

    async fn store(&self, numbers: Range<u64>) {
        let jobs: Vec<_> = numbers
            .map(|number| {
                let job = serde_json::to_vec(&Stored(number)).unwrap();
                TaskBuilder::new(job).build()
            })
            .collect();
        match &self.pool {
            Pool::Postgres(pool) => {
                let mut transaction = pool.begin().await.unwrap();
                let pushed = apalis_postgres::queries::push_tasks(&mut *transaction, NAME, jobs);
                pushed.await.unwrap();
                transaction.commit().await.unwrap();
            }
            Pool::Sqlite(pool) => {
                let mut transaction = pool.begin().await.unwrap();
                let pushed = apalis_sqlite::queries::push_tasks(&mut *transaction, NAME, &jobs);
                pushed.await.unwrap();
                transaction.commit().await.unwrap();
            }
        }
    }

    async fn start(&self, calls: Arc<Calls>, load: Load) -> Stop {
        let (context, worker) = self.work(calls, load);
        Box::pin(async move {
            context.stop().unwrap();
            worker.await.unwrap();
        })
    }

    async fn is_done(&self) -> bool {
        let table = self.table();
        let query = format!("SELECT 1 FROM {table} WHERE status <> 'Done' LIMIT 1");
        !finds(&self.db, &query).await
    }

    fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    async fn clear(&self) {
        let delete = format!("DELETE FROM {}", self.table());
        self.db.execute_unprepared(&delete).await.unwrap();
    }
}

impl Apalis {
    fn table(&self) -> &'static str {
        match self.pool {
            Pool::Postgres(_) => "apalis.jobs",
            Pool::Sqlite(_) => "Jobs",
        }
    }

    /// Starts a worker. More than one were not faster here.
    fn work(&self, calls: Arc<Calls>, load: Load) -> (WorkerContext, JoinHandle<()>) {
        // A new name for each, because a name that was used a moment ago is refused.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let context = WorkerContext::new(&format!("rivals-{number}"));
        let worker = WorkerBuilder::new(&context);
        let task = match &self.pool {
            Pool::Postgres(pool) => {
                let config = apalis_postgres::Config::default()
                    .queue(NAME)
                    .batch_size(BATCH as usize)
                    .heartbeat_interval(HEARTBEAT)
                    .lock_tasks(false);
                let mut strategy = Strategy::new();
                if load == Load::Arrivals {
                    strategy = strategy.stream(Pubsub::new(pool.clone(), NAME.to_string()));
                }
                let backend = PostgresStorage::<Stored>::new(pool)
                    .with_config(config)
                    .poll_with_strategy(strategy.interval(PAUSE));
                let worker = worker.backend(backend).data(calls).build(count);
                tokio::spawn(async move { worker.run().await.unwrap() })
            }
            Pool::Sqlite(pool) => {
                let config = apalis_sqlite::Config::default()
                    .queue(NAME)
                    .batch_size(BATCH as usize)
                    .heartbeat_interval(HEARTBEAT)
                    .lock_tasks(false);
                let backend = SqliteStorage::<Stored>::new(pool)
                    .with_config(config)
                    .poll_with_interval(PAUSE);
                let worker = worker.backend(backend).data(calls).build(count);
                tokio::spawn(async move { worker.run().await.unwrap() })
            }
        };
        (context, task)
    }
}

async fn count(event: Stored, calls: Data<Arc<Calls>>) {
    calls.call(&event);
}
