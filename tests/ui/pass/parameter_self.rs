use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

struct Bell;

impl Bell {
    fn ring(&self, _sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}
}

#[receiver(PIZZA_DONE)]
fn ring(sender: Sender<'_>, pizza: &PizzaDone<'_>) {
    Bell.ring(sender, pizza);
}

fn main() {}
