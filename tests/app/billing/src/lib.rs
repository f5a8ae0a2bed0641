//! Receivers in a crate whose dependency is called `signals`, and whose own name is
//! `acme_billing`. The program calls it `billing`.

use api::{ORDERED, Ordered};
use signals::Sender;

#[signals::receiver(ORDERED, crate = signals, priority = -1)]
fn bill(_sender: Sender<'_>, _ordered: &Ordered<'_>) -> &'static str {
    "bill"
}
