//! The events that can be stored.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fanfare::OwnedEvent;
use fanfare_sea_orm::Scopes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::delivery::{Completes, Completion, Delivery};
use crate::error::CompleteError;

/// An event that can be stored in a database, and read again by another version of the program.
///
/// The name and the version are stored with each event. The payload is the event's JSON.
///
/// [`#[derive(DurableEvent)]`](macro@crate::DurableEvent) implements the trait, and adds a test
/// that fails if the fields change without a new version. Events that the derive does not fit
/// implement the trait by hand:
///
/// ```
/// use fanfare::Event;
/// use fanfare_outbox::DurableEvent;
/// use serde::{Deserialize, Serialize};
/// use serde_json::Value;
///
/// #[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
/// struct OrderPaid {
///     order: i64,
///     cents: u64,
/// }
///
/// impl DurableEvent for OrderPaid {
///     const NAME: &'static str = "shop.OrderPaid";
///     const VERSION: u32 = 2;
///
///     // Version 1 had euros.
///     fn upcast(version: u32, mut payload: Value) -> Option<Value> {
///         if version == 1 {
///             payload["cents"] = (payload["euros"].as_u64()? * 100).into();
///         }
///         Some(payload)
///     }
/// }
///
/// let old = serde_json::json!({ "order": 7, "euros": 9 });
/// let new = OrderPaid::upcast(1, old).unwrap();
/// let event: OrderPaid = serde_json::from_value(new)?;
/// assert_eq!(event, OrderPaid { order: 7, cents: 900 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored",
    label = "not a `DurableEvent`",
    note = "add `DurableEvent` to the derives of `{Self}`, beside serde's, and `#[durable(name = \"app.Event\")]`"
)]
pub trait DurableEvent: OwnedEvent + Serialize + DeserializeOwned + Send + Sync {
    /// The name of the event in the database. It is unique in all programs that use the database,
    /// and stays when the type is renamed.
    const NAME: &'static str;

    /// The version of the fields. Increase it when a stored event of the old version would not be
    /// read correctly, and write [`upcast`](DurableEvent::upcast).
    ///
    /// A program that has an older version leaves newer events to programs that have the newer one.
    const VERSION: u32 = 1;

    /// The fields of this version as text, for the test that the derive adds. It is `None` if the
    /// trait is implemented by hand.
    const SCHEMA: Option<&'static str> = None;

    /// Returns the key whose events are delivered in the order of their commits. `None` is the
    /// sender. A key has at most 1,000 bytes, and no NUL.
    fn key(&self) -> Option<String> {
        None
    }

    /// Returns the payload of this version for a payload that was stored by an older version, or
    /// `None` if there is none: the delivery is then a dead letter.
    fn upcast(version: u32, payload: Value) -> Option<Value> {
        let _ = (version, payload);
        None
    }
}

/// An event as a durable receiver gets it. It derefs to the event.
pub struct Delivered<E> {
    pub(crate) event: E,
    pub(crate) delivery: Delivery,
    pub(crate) attempt: u32,
    pub(crate) worker: Arc<dyn Completes>,
}

impl<E> Delivered<E> {
    /// Returns the id of the stored event. It is the same at each attempt, so that a receiver can
    /// recognize an event that it has already processed. It is unique in one database.
    pub fn id(&self) -> i64 {
        self.delivery.id
    }

    /// Returns the number of this attempt, counted from 1.
    ///
    /// An attempt that ended with the process is not counted.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Makes the delivery a part of a transaction of the receiver: the COMMIT notes that the
    /// delivery is done, together with the receiver's effect. So the effect happens exactly once,
    /// and no crash comes between the two.
    ///
    /// The transaction is one of the database that has the outbox. Its
    /// [`commit`](sea_orm::TransactionSession::commit) fails, and rolls back, if another process
    /// has the receiver by now, or has already done the delivery. Return that error: the process
    /// that has the receiver does the rest. An `Err` after the commit changes nothing, because the
    /// delivery is done. If the transaction is rolled back, or the savepoint in which this is
    /// called, the result of the receiver counts as usual.
    ///
    /// ```
    /// # use fanfare::{BoxFuture, Event, Sender};
    /// # use fanfare_outbox::{Delivered, DurableEvent};
    /// # use fanfare_sea_orm::SignalConnection;
    /// # use sea_orm::{ConnectionTrait, DbErr, TransactionSession, TransactionTrait};
    /// # #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// # struct OrderPaid { order: i64, cents: i64 }
    /// # impl DurableEvent for OrderPaid { const NAME: &'static str = "shop.OrderPaid"; }
    /// async fn book(db: &SignalConnection, paid: &Delivered<OrderPaid>) -> Result<(), DbErr> {
    ///     let transaction = db.begin().await?;
    ///     let book = format!("UPDATE book SET cents = cents + {}", paid.cents);
    ///     transaction.execute_unprepared(&book).await?;
    ///     paid.complete_in(&transaction)?;
    ///     transaction.commit().await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is in no transaction, or the transaction is being
    /// committed.
    pub fn complete_in(&self, transaction: &impl Scopes) -> Result<(), CompleteError> {
        let completion = Completion {
            delivery: self.delivery.clone(),
            worker: Arc::clone(&self.worker),
        };
        let noted = transaction.before_commit(completion);
        noted.map_err(|_| CompleteError::NoTransaction)
    }
}

impl<E> Deref for Delivered<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.event
    }
}

impl<E: fmt::Debug> fmt::Debug for Delivered<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivered")
            .field("event", &self.event)
            .field("id", &self.delivery.id)
            .field("attempt", &self.attempt)
            .finish()
    }
}
