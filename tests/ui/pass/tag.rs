use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE, tag = "mail")]
fn empty(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, tag = "mail", tag = "slow")]
fn path(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, tag = "mail", tag = "slow", tag = "late")]
fn twice(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

fn main() {}
