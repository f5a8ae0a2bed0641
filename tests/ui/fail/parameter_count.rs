use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
fn none() {}

#[receiver(PIZZA_DONE)]
fn one(_pizza: &PizzaDone<'_>) {}

#[receiver(PIZZA_DONE)]
fn three(_sender: Sender<'_>, _pizza: &PizzaDone<'_>, _oven: u32) {}

fn main() {}
