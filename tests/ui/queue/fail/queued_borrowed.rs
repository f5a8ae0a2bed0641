use fanfare::{Event, Queue, Signal};

#[derive(Clone, Event)]
struct Paid<'a> {
    by: &'a str,
}

static PAID: Signal<Paid<'static>> = Signal::new();

fn main() {
    let queue = Queue::bounded(1).unwrap();
    PAID.options().queued(&queue).connect(|_sender, _paid| ());
}
