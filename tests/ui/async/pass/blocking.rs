use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
async fn ring(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

#[receiver(PIZZA_DONE, blocking)]
fn write_down(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

fn main() {}
