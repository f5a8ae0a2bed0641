//! Lists the signals of a program and their receivers, as `manage.py list_signals` of
//! django-extensions does. Any application can have the two lines of `main`:
//!
//! ```sh
//! cargo run --example list_signals
//! ```

use fanfare::{Sender, Signal, receiver};

fanfare::signals! {
    /// Sent when an order has been paid.
    static PAID: Signal<u32>;
    /// Sent when an order has been sent to its customer.
    static SHIPPED: Signal<u32>;
}

#[receiver(PAID, sender = "shop.Order", priority = 10)]
fn book(_sender: Sender<'_>, _order: &u32) {}

#[receiver([PAID, SHIPPED], tag = "mail")]
fn mail(_sender: Sender<'_>, _order: &u32) {}

fn main() {
    fanfare::connect_receivers();
    println!("{}", fanfare::watch::signals());
}
