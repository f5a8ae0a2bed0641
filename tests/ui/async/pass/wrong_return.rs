use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

static PIZZA_PRICED: Signal<PizzaDone<'static>, u32> = Signal::new();

#[receiver(PIZZA_DONE)]
async fn ring(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

#[receiver(PIZZA_PRICED)]
async fn price(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) -> u32 {
    7
}

fn main() {}
