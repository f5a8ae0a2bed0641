use std::cell::Cell;

use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    slices: &'a Cell<u32>,
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
async fn ring(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{}", pizza.slices.get());
}

fn main() {}
