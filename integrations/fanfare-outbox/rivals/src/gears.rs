//! The outbox of cf-gears-toolkit-db.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::sync::Mutex;
use toolkit_db::migration_runner::run_migrations_for_testing;
use toolkit_db::outbox::{
    LeasedMessageHandler, MessageResult, Outbox, OutboxHandle, OutboxMessage, OutboxProfile,
    Partitions, Records, WorkerTuning, outbox_migrations,
};
use toolkit_db::{ConnectOpts, Db, DbError, connect_db};

use crate::databases::{CONNECTIONS, Place, finds};
use crate::rival::{BATCH, Calls, Load, NAME, Rival, Stop, Stored};

/// The number of partitions, within which the order is kept.
const PARTITIONS: u16 = 4;

struct Counting(Arc<Calls>);

#[async_trait]
impl LeasedMessageHandler for Counting {
    async fn handle(&self, message: &OutboxMessage) -> MessageResult {
        let event: Stored = serde_json::from_slice(&message.payload).unwrap();
        self.0.call(&event);
        MessageResult::Ok
    }
}

pub(crate) struct Gears {
    plain: DatabaseConnection,
    db: Db,
    storing: Mutex<Storing>,
}

/// The outbox that stores events: one must run.
enum Storing {
    Nothing,
    /// By an outbox that is not woken.
    Asleep(OutboxHandle),
    /// By the outbox that is measured.
    Awake(Arc<Outbox>),
}

impl Gears {
    pub(crate) async fn new(place: &Place) -> Self {
        let plain = place.connect().await;
        let options = ConnectOpts {
            max_conns: Some(2 * CONNECTIONS),
            ..ConnectOpts::default()
        };
        let db = connect_db(&place.url, options).await.unwrap();
        let migrations = run_migrations_for_testing(&db, outbox_migrations());
        migrations.await.unwrap();
        let storing = Mutex::new(Storing::Nothing);
        Self { plain, db, storing }
    }

    async fn run(&self, calls: Arc<Calls>, load: Load) -> OutboxHandle {
        let builder = Outbox::builder(self.db.clone()).processors(8);
        let builder = match load {
            Load::Backlog => {
                let tuning = WorkerTuning::processor_high_throughput()
                    .batch_size(BATCH)
                    .active_interval(Duration::from_millis(1))
                    .min_interval(Duration::from_millis(1));
                let sequencer = WorkerTuning::sequencer_high_throughput()
                    .active_interval(Duration::from_millis(1))
                    .min_interval(Duration::from_millis(1));
                builder
                    .profile(OutboxProfile::high_throughput())
                    .sequencer_tuning(sequencer)
                    .processor_tuning(tuning)
            }
            Load::Arrivals => builder.profile(OutboxProfile::low_latency()),
        };
        builder
            .queue(NAME, Partitions::of(PARTITIONS))
            .leased(Counting(calls))
            .start()
            .await
            .unwrap()
    }
}

#[async_trait]
impl Rival for Gears {
    fn name(&self) -> &'static str {
        "cf-gears-toolkit-db 0.17.2"
    }

    fn backlog(&self) -> u64 {
        100_000
    }

    async fn store(&self, numbers: Range<u64>) {
        let mut storing = self.storing.lock().await;
        if let Storing::Nothing = *storing {
            let asleep = self.run(Calls::new(0), Load::Arrivals).await;
            *storing = Storing::Asleep(asleep);
        }
        let (outbox, wakes) = match &*storing {
            Storing::Nothing => unreachable!(),
            Storing::Asleep(handle) => (Arc::clone(handle.outbox()), false),
            Storing::Awake(outbox) => (Arc::clone(outbox), true),
        };
        let wake = self.db.transaction_ref(|transaction| {
            Box::pin(async move {
                let mut records = Records::to(NAME).payload_type("application/json");
                for number in numbers {
                    let payload = serde_json::to_vec(&Stored(number)).unwrap();
                    let partition = (number % u64::from(PARTITIONS)) as u32;
                    records = records.push(partition, payload);
                }
                let records = records.build().unwrap();
                let wake = outbox.enqueue_batch(transaction, records).await.unwrap();
                Ok::<_, DbError>(wake)
            })
        });
        let wake = wake.await.unwrap();
        match wakes {
            true => wake.fire(),
            false => wake.discard(),
        }
    }

    async fn prepare(&self) {
        let storing = std::mem::replace(&mut *self.storing.lock().await, Storing::Nothing);
        if let Storing::Asleep(handle) = storing {
            handle.stop().await;
        }
    }

    async fn start(&self, calls: Arc<Calls>, load: Load) -> Stop {
        let handle = self.run(calls, load).await;
        *self.storing.lock().await = Storing::Awake(Arc::clone(handle.outbox()));
        Box::pin(handle.stop())
    }

    async fn is_done(&self) -> bool {
        let behind = "SELECT 1 FROM toolkit_outbox_partitions JOIN toolkit_outbox_processor \
                      ON partition_id = id WHERE processed_seq < sequence LIMIT 1";
        !finds(&self.plain, "SELECT 1 FROM toolkit_outbox_incoming LIMIT 1").await
            && !finds(&self.plain, behind).await
    }

    fn db(&self) -> &DatabaseConnection {
        &self.plain
    }

    async fn clear(&self) {
        *self.storing.lock().await = Storing::Nothing;
        for table in ["incoming", "outgoing", "body"] {
            let delete = format!("DELETE FROM toolkit_outbox_{table}");
            self.plain.execute_unprepared(&delete).await.unwrap();
        }
    }
}
