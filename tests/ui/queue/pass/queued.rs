use fanfare::{Event, Queue, Signal, queue};

#[derive(Clone, Event)]
struct Paid {
    by: String,
}

static PAID: Signal<Paid, Result<u32, queue::Error>> = Signal::new();

fn main() {
    let queue = Queue::bounded(1).unwrap();
    PAID.options().queued(&queue).connect(|_sender, paid| assert_ne!(paid.by, ""));
}
