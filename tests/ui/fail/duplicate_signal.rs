use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();
static PIZZA_SENT: Signal<PizzaDone<'static>> = Signal::new();

struct PizzaStore;

#[receiver([PIZZA_DONE, PIZZA_DONE])]
fn listed(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

#[receiver(PIZZA_DONE, sender = PizzaStore)]
#[receiver(PIZZA_SENT)]
#[receiver(PIZZA_DONE, sender = PizzaStore)]
fn stacked(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

fn main() {}
