use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
fn typed<'a>(_sender: Sender<'_>, pizza: &PizzaDone<'a>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE)]
fn sized<'s, 'p, 'a>(_sender: Sender<'s>, pizza: &'p PizzaDone<'a>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE)]
fn opaque(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

fn main() {}
