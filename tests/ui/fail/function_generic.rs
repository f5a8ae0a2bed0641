use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
fn typed<T>(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE)]
fn sized<const N: usize>(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE)]
fn opaque(_sender: Sender<'_>, _pizza: &impl Sized) {}

fn main() {}
