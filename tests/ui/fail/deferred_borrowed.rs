use fanfare::{Deferred, Event, Signal};

#[derive(Event)]
struct PizzaDone<'a> {
    topping: &'a str,
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

fn main() {
    let mut deferred = Deferred::new();
    let topping = String::from("olives");
    deferred.record(&PIZZA_DONE, PizzaDone { topping: &topping });
    deferred.commit();
}
