//! A crate that has nothing but receivers. Its only dependency exports fanfare.

use api::fanfare::{Event, Sender, Signal, receiver};
use api::{ORDERED, Ordered};

static PACKED: Signal<Packed<'static, u32>> = Signal::new();

#[derive(Event)]
#[event(crate = api::fanfare)]
struct Packed<'a, T> {
    weight: &'a T,
}

#[receiver(ORDERED, crate = api::fanfare, sender = "web")]
fn pack(_sender: Sender<'_>, ordered: &Ordered<'_>) -> &'static str {
    let weight = u32::try_from(ordered.street.len()).unwrap();
    PACKED.send(&Packed { weight: &weight });
    "pack"
}

#[receiver(PACKED, crate = "api::fanfare")]
fn weigh(_sender: Sender<'_>, packed: &Packed<'_, u32>) {
    println!("weighed: {}", packed.weight);
}

api::on_order!(thank);
