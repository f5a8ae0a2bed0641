use std::sync::Arc;

use fanfare::{Sender, Signal};

static DONE: Signal<u32> = Signal::new();

fn main() {
    let captured = Arc::new(7);
    let connection = DONE.connect(move |_: Sender<'_>, number: &u32| assert_ne!(*number, *captured));
    assert!(connection.disconnect());
    let without = |_: Sender<'_>, number: &u32| assert_ne!(*number, 7);
    DONE.connect(without);
    assert!(DONE.disconnect(without));
}
