use fanfare::{Deferred, Event, Signal};

#[derive(Event)]
struct PizzaDone<'a> {
    topping: &'a str,
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

fn main() {
    let mut deferred = Deferred::new();
    deferred.record(&PIZZA_DONE, PizzaDone { topping: "olives" });
    deferred.commit();
}
