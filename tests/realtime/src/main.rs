//! Sends under RealtimeSanitizer, while another thread changes the signal without pause.
//!
//! The sanitizer ends the program at the first call that may block, allocate or free, below a
//! function of `sends`. `fanfare` is built with `--cfg fanfare_realtime`, so that each of its locks
//! counts as such a call, also one that is free. `.ci/run realtime` is the way to run this.

#![feature(sanitize)]

mod changes;
mod controls;
mod sends;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use fanfare::connections::Connections;
use fanfare::{Signal, prepare_thread};

use changes::receiver;
use sends::{Desk, SENDER, WAYS, Way};

/// Each case makes at least this many sends, and continues until the other thread has made at least
/// this many changes.
const SENDS: u64 = 200_000;
const CHANGES: u64 = 10_000;
/// Threads of which each makes one send, its first.
const FIRST_SENDS: u64 = 1_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if let Some(control) = arguments.next() {
        // A control that works does not come back.
        controls::run(&control);
        println!("the sanitizer reported nothing in the control `{control}`");
        return ExitCode::SUCCESS;
    }
    for way in &WAYS {
        later_sends(way);
    }
    for way in WAYS.iter().filter(|way| way.receivers == 4) {
        first_sends(way);
    }
    ExitCode::SUCCESS
}

/// Sends from the second one of a thread on.
fn later_sends(way: &Way) {
    under_changes(way, "", |signal| {
        let mut desk = Desk::new(signal);
        // The thread's first nested send, and its first send, which are allowed to allocate. A send
        // without receivers takes no table, so that the next one is still the first.
        let mut nested = false;
        while !nested {
            let _ = signal.from(SENDER).send_each(&1, |_, ()| {
                nested |= !signal.from(SENDER).send(&1).is_empty();
                ControlFlow::<()>::Continue(())
            });
        }
        let mut sent = 0;
        while sent < SENDS || changes::made() < CHANGES {
            desk.send(way);
            sent += 1;
        }
        sent
    });
}

/// Runs the first send of each of many threads, after `prepare_thread`.
fn first_sends(way: &'static Way) {
    under_changes(way, ", the first of a prepared thread", |signal| {
        let mut sent = 0;
        while sent < FIRST_SENDS || changes::made() < CHANGES {
            let first = move || {
                let mut desk = Desk::new(signal);
                prepare_thread();
                desk.send(way);
            };
            thread::spawn(first).join().expect("a send does not panic");
            sent += 1;
        }
        sent
    });
}

/// Runs `sends` on a thread while another one changes the signal, and prints the counts.
fn under_changes(way: &Way, note: &str, sends: impl Fn(&'static Signal<u64>) -> u64 + Sync) {
    // It stays forever: the emitters of its threads borrow it.
    let signal: &'static Signal<u64> = Box::leak(Box::default());
    let held = connect(signal, way);
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let sent = thread::scope(|scope| {
        // Relaxed, here and below: a flag that guards no data.
        scope.spawn(|| changes::without_pause(signal, || stop.load(Ordering::Relaxed)));
        let sender = scope.spawn(|| {
            let sent = sends(signal);
            stop.store(true, Ordering::Relaxed);
            sent
        });
        sender.join().expect("a send does not panic")
    });
    assert_eq!(
        signal.receiver_count(),
        held.len(),
        "a change has left something"
    );
    println!(
        "{}{note}: {sent} sends, {} changes, {:.1} s",
        way.name,
        changes::made(),
        began.elapsed().as_secs_f64(),
    );
    signal.disconnect_all();
}

fn connect(signal: &Signal<u64>, way: &Way) -> Connections {
    signal.change(|changes| {
        for number in 0..way.receivers {
            let options = changes.options();
            let options = match way.for_sender && number % 2 == 0 {
                true => options.sender(SENDER),
                false => options,
            };
            options.connect(receiver(number));
        }
    })
}
