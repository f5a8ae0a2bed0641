use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE, dispatch_uid = "bell")]
#[fanfare::receiver(PIZZA_DONE, priority = 1, dispatch_uid = "second-bell")]
fn ring(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

fn main() {}
