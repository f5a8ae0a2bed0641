//! A receiver that ends the process is not dropped while its send still runs.
//!
//! `std::process::exit` runs the thread-local destructors of its thread over the send that is
//! under way, and other threads go on meanwhile.
#![cfg(not(miri))]

use std::cell::Cell;
use std::env;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fanfare::{Connection, Signal};

const CHILD: &str = "FANFARE_EXIT_INSIDE_TEST";
const WHOLE: u64 = 7;
const DROPPED: u64 = 8;

static CLOSING: Signal<()> = Signal::new();
static OTHER: Signal<()> = Signal::new();

struct Captured(AtomicU64);

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.store(DROPPED, Ordering::SeqCst);
        // Long enough for the thread that borrows it to look.
        thread::sleep(Duration::from_millis(100));
    }
}

/// Sends and disconnects as its thread ends.
struct AtEnd(Cell<Option<Connection>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        OTHER.send(&());
        if let Some(connection) = self.0.take() {
            connection.disconnect();
        }
    }
}

thread_local! {
    static AT_END: AtEnd = const { AtEnd(Cell::new(None)) };
}

fn exit_inside() {
    // First, so that it is dropped after the values that the sends below register.
    AT_END.with(|_| ());
    OTHER.connect(|_, ()| ());
    let captured = Captured(AtomicU64::new(WHOLE));
    let connection = CLOSING.connect(move |_, ()| {
        let captured = &captured;
        thread::scope(|threads| {
            threads.spawn(move || {
                loop {
                    if captured.0.load(Ordering::SeqCst) != WHOLE {
                        eprintln!("dropped while its send runs");
                        process::abort();
                    }
                }
            });
            process::exit(0);
        });
    });
    AT_END.with(|at_end| at_end.0.set(Some(connection)));
    CLOSING.send(&());
}

#[test]
fn the_captures_of_a_receiver_stay_after_an_exit() {
    if env::var_os(CHILD).is_some() {
        return exit_inside();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "exit_inside::the_captures_of_a_receiver_stay_after_an_exit",
            "--nocapture",
        ])
        .env(CHILD, "")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}: {printed}", child.status);
    // The child ends inside its test, so that no summary follows.
    let ran = String::from_utf8_lossy(&child.stdout);
    assert!(ran.contains("running 1 test"), "{ran}");
}
