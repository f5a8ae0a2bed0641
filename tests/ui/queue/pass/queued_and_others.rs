use std::sync::LazyLock;

use fanfare::{Queue, Sender, Signal, receiver};

static PIZZA_DONE: Signal<u32> = Signal::new();
static MAILS: LazyLock<Queue> = LazyLock::new(|| Queue::bounded(8).unwrap());

#[receiver(PIZZA_DONE, queued = MAILS)]
fn on_a_queue(_sender: Sender<'_>, _size_cm: &u32) {}

fn main() {
    PIZZA_DONE.send(&32);
}
