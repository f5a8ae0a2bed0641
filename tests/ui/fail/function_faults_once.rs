use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();
static PIZZA_SENT: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
#[receiver(PIZZA_SENT)]
#[must_use]
unsafe extern "C" fn ring(_sender: Sender<'_>) {}

fn main() {}
