use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[receiver(PIZZA_DONE)]
pub struct Bell {
    pub tone: u32,
}

trait Ring {
    #[receiver(PIZZA_DONE)]
    fn ring(_: Sender<'_>, _: &PizzaDone<'_>);
}

fn main() {}
