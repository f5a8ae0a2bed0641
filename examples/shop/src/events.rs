//! The signals, and their events as the database keeps them.

use fanfare::{Event, Signal};
use fanfare_outbox::DurableEvent;
use serde::{Deserialize, Serialize};

fanfare::signals! {
    /// An order is placed. Sent by the number of the customer, in the transaction that takes the
    /// goods out of the stock.
    pub(crate) static ORDER_PLACED: Signal<OrderPlaced>;

    /// An order is paid. Sent by the number of the customer, in the transaction that writes the
    /// invoice.
    pub(crate) static ORDER_PAID: Signal<OrderPaid>;
}

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
pub(crate) struct OrderPlaced {
    pub(crate) order: i64,
    pub(crate) customer: i64,
    /// The number of the order among those of its customer, counted from 1.
    pub(crate) nth: i64,
    pub(crate) item: i64,
    pub(crate) quantity: i64,
    pub(crate) cents: i64,
    pub(crate) address: String,
}

impl DurableEvent for OrderPlaced {
    const NAME: &'static str = "shop.OrderPlaced";
}

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
pub(crate) struct OrderPaid {
    pub(crate) order: i64,
    pub(crate) customer: i64,
    pub(crate) nth: i64,
    pub(crate) item: i64,
    pub(crate) quantity: i64,
    pub(crate) address: String,
}

impl DurableEvent for OrderPaid {
    const NAME: &'static str = "shop.OrderPaid";
}
