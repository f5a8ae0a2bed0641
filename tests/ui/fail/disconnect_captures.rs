use std::sync::Arc;

use fanfare::{Sender, Signal};

static DONE: Signal<u32> = Signal::new();

fn main() {
    let captured = Arc::new(7);
    DONE.disconnect(move |_: Sender<'_>, number: &u32| assert_ne!(*number, *captured));
}
