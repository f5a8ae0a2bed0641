use std::rc::Rc;

use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

async fn yield_now() {}

#[receiver(PIZZA_DONE)]
async fn ring(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    let toppings = Rc::new(pizza.toppings.len());
    yield_now().await;
    println!("{toppings}");
}

fn main() {}
