//! Functions in which the sanitizer must report something.

use std::hint::black_box;
use std::thread;

use fanfare::Signal;

static SIGNAL: Signal<u64> = Signal::new();

pub(crate) fn run(control: &str) {
    let connection = SIGNAL.connect(|_sender, event| {
        black_box(event);
    });
    match control {
        "allocates" => allocates(),
        "locks" => locks(),
        "unprepared" => thread::spawn(sends).join().expect("a send does not panic"),
        _ => panic!("no control is named `{control}`: allocates, locks and unprepared are"),
    }
    connection.disconnect();
}

#[sanitize(realtime = "nonblocking")]
fn allocates() {
    drop(black_box(Box::new(1_u64)));
}

/// Takes the lock of those who change a signal, which is free.
#[sanitize(realtime = "nonblocking")]
fn locks() {
    SIGNAL.purge();
}

/// Runs the first send of its thread, which takes a node: one more than the connect has made.
#[sanitize(realtime = "nonblocking")]
fn sends() {
    black_box(SIGNAL.send(&1));
}
