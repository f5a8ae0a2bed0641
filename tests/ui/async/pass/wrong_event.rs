use fanfare::{Event, Sender, Signal, receiver};

#[derive(Event)]
struct PizzaDone<'a> {
    toppings: &'a [&'a str],
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

#[derive(Event)]
struct OvenReady {
    degrees: u32,
}

static OVEN_READY: Signal<OvenReady> = Signal::new();

#[receiver(PIZZA_DONE)]
async fn ring(_sender: Sender<'_>, _pizza: &PizzaDone<'_>) {}

#[receiver(OVEN_READY)]
async fn bake(_sender: Sender<'_>, oven: &OvenReady) {
    println!("{}", oven.degrees);
}

fn main() {}
