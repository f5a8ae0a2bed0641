use fanfare::{Event, Signal};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

fn main() {
    PIZZA_DONE.connect_async(|_sender, pizza| Box::pin(async move { println!("{:?}", pizza.toppings) }));
}
