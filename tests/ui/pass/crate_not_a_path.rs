mod my_api {
    pub use fanfare;
}

use my_api::fanfare::{Event, Sender, Signal, receiver};

static ORDERED: Signal<u32> = Signal::new();
static SHIPPED: Signal<Shipped<'static>> = Signal::new();

#[derive(Event)]
#[event(crate = my_api::fanfare)]
struct Shipped<'a> {
    street: &'a str,
}

#[receiver(ORDERED, crate = my_api::fanfare)]
fn path(_sender: Sender<'_>, _order: &u32) {}

#[receiver(SHIPPED, crate = "my_api::fanfare")]
fn text(_sender: Sender<'_>, shipped: &Shipped<'_>) {
    assert!(!shipped.street.is_empty());
}

fn main() {
    SHIPPED.connect(text);
    let street = String::from("Rye Lane");
    assert_eq!(SHIPPED.send(&Shipped { street: &street }).len(), 1);
}
