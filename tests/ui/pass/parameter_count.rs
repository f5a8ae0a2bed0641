use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
fn none(_: Sender<'_>, _: &PizzaDone<'_>) {}

#[receiver(PIZZA_DONE)]
fn one(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

#[receiver(PIZZA_DONE)]
fn three(_sender: Sender<'_>, PizzaDone { .. }: &PizzaDone<'_>) {}

fn main() {}
