use fanfare::{Event, Sender, Signal};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

async fn ring(_sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    println!("{:?}", pizza.toppings);
}

fn main() {
    PIZZA_DONE.connect_async(|sender, pizza| Box::pin(ring(sender, pizza)));
}
