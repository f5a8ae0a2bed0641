use std::sync::atomic::AtomicU32;

use fanfare::{Deferred, Event, Signal};

#[derive(Event)]
struct Counted {
    times: AtomicU32,
}

static COUNTED: Signal<Counted> = Signal::new();

fn main() {
    let mut deferred = Deferred::new();
    let times = AtomicU32::new(0);
    deferred.record(&COUNTED, Counted { times });
}
