use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

struct PizzaStore;

#[receiver(PIZZA_DONE, sender = "42")]
fn number(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = u64)]
fn negative(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = bool)]
fn boolean(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = char)]
fn character(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = PizzaStore)]
fn call(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = crate::PizzaStore)]
fn value(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = Vec<(PizzaStore, u8)>)]
fn inferred(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

fn main() {}
