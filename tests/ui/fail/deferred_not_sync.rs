use std::cell::Cell;

use fanfare::{Deferred, Event, Signal};

#[derive(Event)]
struct Counted {
    times: Cell<u32>,
}

static COUNTED: Signal<Counted> = Signal::new();

fn main() {
    let mut deferred = Deferred::new();
    let times = Cell::new(0);
    deferred.record(&COUNTED, Counted { times });
}
