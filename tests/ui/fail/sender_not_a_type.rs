use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

struct PizzaStore;

#[receiver(PIZZA_DONE, sender = 42)]
fn number(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = -42)]
fn negative(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = true)]
fn boolean(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = 's')]
fn character(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = PizzaStore::new())]
fn call(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = PizzaStore { branch: 1 })]
fn value(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = _)]
fn inferred(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

fn main() {}
