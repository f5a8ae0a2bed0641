//! outbox-core, with outbox-postgres.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use outbox_core::prelude::*;
use outbox_postgres::{PostgresOutbox, PostgresWriter};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::sync::watch;

use crate::databases::{Place, finds};
use crate::rival::{BATCH, Calls, Load, NAME, Rival, Stop, Stored};

/// The table, from the migrations of outbox-postgres 0.3.0.
const TABLES: &str = include_str!("oxide.sql");

struct Counting(Arc<Calls>);

#[async_trait]
impl Transport<Stored> for Counting {
    async fn publish(&self, event: Event<Stored>) -> Result<(), OutboxError> {
        self.0.call(event.payload.as_value());
        Ok(())
    }
}

pub(crate) struct Oxide {
    db: DatabaseConnection,
    pool: sqlx::PgPool,
    config: Arc<OutboxConfig<Stored>>,
}

impl Oxide {
    pub(crate) async fn new(place: &Place) -> Self {
        let db = place.connect().await;
        db.execute_unprepared(TABLES).await.unwrap();
        let pool = place.postgres_0_8().await;
        let mut config = OutboxConfig::default();
        config.batch_size = BATCH;
        // The least that there is. A trigger wakes the manager before.
        config.poll_interval_secs = 1;
        let config = Arc::new(config);
        Self { db, pool, config }
    }
}

#[async_trait]
impl Rival for Oxide {
    fn name(&self) -> &'static str {
        "outbox-core 0.6.0"
    }

    fn backlog(&self) -> u64 {
        50_000
    }

    async fn store(&self, numbers: Range<u64>) {
        let service = OutboxService::new(Arc::new(PostgresWriter), Arc::clone(&self.config));
        let mut transaction = self.pool.begin().await.unwrap();
        for number in numbers {
            service
                .add_event(NAME, Stored(number), None, &mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn start(&self, calls: Arc<Calls>, load: Load) -> Stop {
        // As many as were the fastest here.
        let managers = match load {
            Load::Backlog => 4,
            Load::Arrivals => 1,
        };
        let (stop, stopped) = watch::channel(false);
        let managers: Vec<_> = (0..managers)
            .map(|_| {
                let storage = PostgresOutbox::new(self.pool.clone(), Arc::clone(&self.config));
                let manager = OutboxManagerBuilder::new()
                    .storage(Arc::new(storage))
                    .publisher(Arc::new(Counting(Arc::clone(&calls))))
                    .config(Arc::clone(&self.config))
                    .shutdown_rx(stopped.clone())
                    .build()
                    .unwrap();
                tokio::spawn(manager.run())
            })
            .collect();
        Box::pin(async move {
            stop.send(true).unwrap();
            for manager in managers {
                manager.await.unwrap().unwrap();
            }
        })
    }

    async fn is_done(&self) -> bool {
        let query = "SELECT 1 FROM outbox_events WHERE status <> 'Sent' LIMIT 1";
        !finds(&self.db, query).await
    }

    fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    async fn clear(&self) {
        let truncate = "TRUNCATE outbox_events";
        self.db.execute_unprepared(truncate).await.unwrap();
    }
}
