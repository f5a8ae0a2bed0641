use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

struct OrderSent;

#[receiver(PIZZA_DONE)]
fn other_event(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

#[receiver(PIZZA_DONE)]
fn by_value(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

#[receiver(PIZZA_DONE)]
fn to_change(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

#[receiver(PIZZA_DONE, crate = fanfare)]
fn with_a_path_of_fanfare(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

fn main() {}
