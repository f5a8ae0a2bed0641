use fanfare::{Event, Signal};

#[derive(Clone, Event)]
struct Paid<'a> {
    by: &'a str,
}

static PAID: Signal<Paid<'static>> = Signal::new();

fn main() {
    let _next = PAID.next();
}
