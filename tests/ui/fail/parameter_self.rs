use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

struct Bell;

impl Bell {
    #[receiver(PIZZA_DONE)]
    fn ring(&self, _sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}
}

fn main() {}
