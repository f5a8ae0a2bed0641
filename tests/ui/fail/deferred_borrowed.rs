use fanfare::{Deferred, Event, Sender, Signal};

#[derive(Event)]
struct PizzaDone<'a> {
    topping: &'a str,
}

static PIZZA_DONE: Signal<PizzaDone<'static>> = Signal::new();

fn main() {
    let mut deferred = Deferred::new();
    let topping = String::from("olives");
    deferred.send(&PIZZA_DONE, Sender::NONE, PizzaDone { topping: &topping });
    deferred.commit();
}
