//! fanfare-outbox.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use fanfare::Signal;
use fanfare_outbox::{Durable, DurableEvent, Outbox, SendDurable, Settings, create_tables};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionSession, TransactionTrait};

use crate::databases::{Place, finds};
use crate::rival::{BATCH, Calls, Load, NAME, Rival, Stop, Stored};

static STORED: Signal<Stored> = Signal::new();

impl DurableEvent for Stored {
    const NAME: &'static str = NAME;
}

pub(crate) struct Fanfare(SignalConnection);

impl Fanfare {
    pub(crate) async fn new(place: &Place) -> Self {
        let db = place.connect().await;
        create_tables(&db).await.unwrap();
        // A name, so that commits on one database do not wake relays of another.
        let name = match place.is_sqlite() {
            true => "sqlite",
            false => "postgres",
        };
        let fanfare = Self(SignalConnection::named(name, db));
        // The database knows the receiver from now on, so that it gets the events that are stored.
        fanfare.start(Calls::new(0), Load::Backlog).await.await;
        fanfare
    }
}

#[async_trait]
impl Rival for Fanfare {
    fn name(&self) -> &'static str {
        "fanfare-outbox"
    }

    fn backlog(&self) -> u64 {
        100_000
    }

    async fn store(&self, numbers: Range<u64>) {
        let transaction = self.0.begin().await.unwrap();
        for number in numbers {
            transaction
                .send_durable(&STORED, number, &Stored(number))
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn start(&self, calls: Arc<Calls>, _load: Load) -> Stop {
        let receiver = STORED
            .durable("rivals.count")
            .connect_async(move |_sender, event| {
                calls.call(event);
                Box::pin(async { Ok::<_, String>(()) })
            })
            .unwrap();
        let settings = Settings::default().batch(BATCH);
        let outbox = Outbox::start(&self.0, settings).await.unwrap();
        Box::pin(async move {
            outbox.shutdown().await;
            receiver.disconnect();
        })
    }

    async fn is_done(&self) -> bool {
        let db = self.0.inner();
        !finds(db, "SELECT 1 FROM fanfare_outbox_event LIMIT 1").await
            && !finds(db, "SELECT 1 FROM fanfare_outbox_delivery LIMIT 1").await
    }

    fn db(&self) -> &DatabaseConnection {
        self.0.inner()
    }

    async fn clear(&self) {
        for table in ["fanfare_outbox_delivery", "fanfare_outbox_event"] {
            let delete = format!("DELETE FROM {table}");
            self.0.execute_unprepared(&delete).await.unwrap();
        }
    }
}
