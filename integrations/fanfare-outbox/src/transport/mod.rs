//! Transports carry messages to programs that do not use the database of the events.
//!
//! A relay delivers in programs that use the database. For others there is the trait [`Transport`].
//! [`DatabaseTransport`] is the transport over the tables of an outbox, and programs can add
//! others, over a broker for instance. [`conformance::check`] checks the promises of a transport.
//!
//! A durable receiver that publishes is the bridge from an outbox to a transport. The relay retries
//! a message that the transport refuses, and keeps the order of its key. The bridge must not lead
//! to the database that it comes from: it would publish its own messages again.
//!
//! ```
//! # use fanfare::{Event, Signal};
//! # use fanfare_outbox::transport::{Consumer, DatabaseTransport, Message, Transport};
//! # use fanfare_outbox::{Durable, DurableEvent, Outbox, SendDurable, Settings, create_tables};
//! # use fanfare_sea_orm::SignalConnection;
//! # use sea_orm::Database;
//! # use serde::{Deserialize, Serialize};
//! # use std::time::Duration;
//! # #[derive(Event, Serialize, Deserialize, DurableEvent)]
//! # #[durable(name = "shop.OrderPaid")]
//! # struct OrderPaid { order: u64 }
//! # static ORDER_PAID: Signal<OrderPaid> = Signal::new();
//! # async fn connect(url: &str) -> Result<SignalConnection, Box<dyn std::error::Error>> {
//! #     let mut options = sea_orm::ConnectOptions::new(url);
//! #     options.max_connections(1);
//! #     let db = SignalConnection::named(url, Database::connect(options).await?);
//! #     create_tables(&db).await?;
//! #     Ok(db)
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let shop = connect("sqlite::memory:").await?;
//! # let shipping = connect("sqlite:file:b?mode=memory").await?;
//! # let from_shop = DatabaseTransport::new(&shipping, Duration::from_secs(30))?;
//! # let parcels = Consumer::of::<OrderPaid>("shipping.parcels");
//! # assert!(from_shop.fetch(&parcels, 100).await?.is_empty());
//! // In the program that sends.
//! let to_shipping = DatabaseTransport::new(&shipping, Duration::from_secs(30))?;
//! ORDER_PAID.durable("shop.bridge").using(shop.using()).connect_async(move |sender, paid| {
//!     let (message, way) = (Message::new(sender, &**paid), to_shipping.clone());
//!     Box::pin(async move {
//!         let published = way.publish(&[message.map_err(|error| error.to_string())?]).await;
//!         published.into_iter().try_for_each(|it| it.map_err(|error| error.to_string()))
//!     })
//! })?;
//! let outbox = Outbox::start(&shop, Settings::default()).await?;
//! shop.send_durable(&ORDER_PAID, "till", &OrderPaid { order: 7 }).await?;
//! outbox.settle(Duration::from_secs(10)).await?;
//!
//! // In the program that receives. `from_shop` is its `DatabaseTransport`, whose first fetch has
//! // made `parcels` known: `Consumer::of::<OrderPaid>("shipping.parcels")`.
//! for fetched in from_shop.fetch(&parcels, 100).await? {
//!     assert_eq!(fetched.message.read::<OrderPaid>()?.order, 7);
//!     from_shop.acknowledge(&[fetched.receipt]).await.pop().unwrap()?;
//! }
//! assert!(from_shop.fetch(&parcels, 100).await?.is_empty());
//! # outbox.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod conformance;
mod database;
mod error;

use std::time::Duration;

pub use self::database::{DatabaseReceipt, DatabaseTransport};
pub use self::error::{PublishError, TransportError};
pub use crate::error::ReadError;
pub use crate::message::Message;

use crate::event::DurableEvent;

/// A consumer of one event, known by its name.
///
/// Consumers of different names each get all messages. Programs that use one name share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub(crate) name: String,
    pub(crate) event: String,
    pub(crate) version: u32,
}

impl Consumer {
    /// Returns the consumer of this name for the event `E`, at its version.
    pub fn of<E: DurableEvent>(name: impl Into<String>) -> Self {
        Consumer::new(name, E::NAME, E::VERSION)
    }

    /// Returns the consumer of this name for the event with the name `event`. Messages of a version
    /// that is higher than `version` wait for a newer program.
    pub fn new(name: impl Into<String>, event: impl Into<String>, version: u32) -> Self {
        Consumer {
            name: name.into(),
            event: event.into(),
            version,
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the event.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Returns the highest version that the consumer reads.
    pub fn version(&self) -> u32 {
        self.version
    }
}

/// A message that a consumer has for a while.
#[derive(Clone, Debug)]
pub struct Fetched<R> {
    /// The message.
    pub message: Message,
    /// The number of this attempt, counted from 1. Attempts that end with the process, or with the
    /// time of the receipt, may not be counted.
    pub attempt: u32,
    /// The receipt for [`acknowledge`](Transport::acknowledge) and [`delay`](Transport::delay).
    pub receipt: R,
}

/// Carries messages to consumers in other programs: at least once, and in order for each key.
///
/// [`conformance::check`] checks the promises, so that one transport can be exchanged for another.
///
/// 1. A message is stored when [`publish`](Transport::publish) returns `Ok` for it. A message that
///    [`Message::check`] does not let pass is refused, and the other messages of its batch are
///    stored.
/// 2. Each consumer gets each message that is published after its first fetch, until it
///    acknowledges it.
/// 3. The messages of a key are fetched in the order in which they were published. While a message
///    is out or delayed, a later one of its key is fetched only behind it in the same batch.
/// 4. A message that is neither acknowledged nor delayed comes again when the time of its receipt
///    is over. The old receipt then changes nothing.
/// 5. A message of a version that is too new for the consumer stays for a newer one.
///
/// A message may come more than once, and may be published more than once. The order between keys
/// is not promised.
///
/// A message that no program can read is acknowledged and noted elsewhere, or delayed until one
/// can. Nothing prolongs the time of a receipt: choose one that is longer than the work.
pub trait Transport: Send + Sync {
    /// Names a message that was fetched.
    type Receipt: Clone + Send + Sync;

    /// Publishes messages, and returns a result for each of them, in their order. If one is refused
    /// because of the transport, the later ones of its key are refused as well, so that they can be
    /// published again in their order.
    fn publish(
        &self,
        batch: &[Message],
    ) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send;

    /// Returns messages for the consumer, at most `limit`. It returns none if there are none now,
    /// and does not wait. The first fetch makes the consumer known.
    ///
    /// # Errors
    ///
    /// Returns an error if the transport cannot be reached, or refuses the consumer.
    fn fetch(
        &self,
        consumer: &Consumer,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Fetched<Self::Receipt>>, TransportError>> + Send;

    /// Notes that messages are done, and returns a result for each of them, in their order. The
    /// messages of a key are done in their order.
    ///
    /// The result is [`TransportError::Lost`] if the time of the receipt is over or the message is
    /// done, and [`TransportError::TooEarly`] while an earlier message of the key is out. Such a
    /// message comes again, unless it is done.
    fn acknowledge(
        &self,
        receipts: &[Self::Receipt],
    ) -> impl Future<Output = Vec<Result<(), TransportError>>> + Send;

    /// Gives a message back, which comes again after this time. The later ones of its key that were
    /// fetched with it are given back as well, and their receipts are lost.
    ///
    /// # Errors
    ///
    /// As those of [`acknowledge`](Transport::acknowledge). Then nothing has changed.
    fn delay(
        &self,
        receipt: &Self::Receipt,
        time: Duration,
    ) -> impl Future<Output = Result<(), TransportError>> + Send;
}
