use fanfare::{Queue, Signal};

static PAID: Signal<u32, u32> = Signal::new();

fn main() {
    let queue = Queue::bounded(1).unwrap();
    PAID.options().queued(&queue).connect(|_sender, _order| ());
}
