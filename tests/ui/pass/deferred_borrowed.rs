use fanfare::{Deferred, Event, Sender, Signal};

#[derive(Event)]
struct PizzaDone<'a> {
    topping: &'a str,
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

fn main() {
    let mut deferred = Deferred::new();
    deferred.send(&PIZZA_DONE, Sender::NONE, PizzaDone { topping: "olives" });
    deferred.commit();
}
