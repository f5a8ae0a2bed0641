//! Ten million events through four queued receivers, with every overflow policy: the counts add
//! up exactly.
//!
//! ```console
//! $ cargo test --release --features queue --test queue_soak -- --ignored --nocapture
//! $ FAN_SOAK_EVENTS=100000 cargo test --release --features queue --test queue_soak -- --ignored
//! ```
#![cfg(feature = "queue")]

use std::env;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use fanfare::queue::{self, Overflow};
use fanfare::{Queue, Sender, Signal};

const RECEIVERS: usize = 4;
const SENDERS: u64 = 2;
const CAPACITY: usize = 256;

/// The events that one receiver got from one sender.
#[derive(Default)]
struct Got {
    count: AtomicU64,
    sum: AtomicU64,
    /// The last event, and one more.
    next: AtomicU64,
}

#[test]
#[ignore = "runs for a minute; see the top of the file"]
fn the_counts_add_up() {
    let events = match env::var("FAN_SOAK_EVENTS") {
        Ok(number) => number
            .parse()
            .expect("FAN_SOAK_EVENTS is a number of events"),
        Err(_) => 10_000_000,
    };
    for workers in [1, 2] {
        for overflow in [
            Overflow::Block,
            Overflow::DropNewest,
            Overflow::DropOldest,
            Overflow::Reject,
        ] {
            soak(events, workers, overflow);
        }
    }
}

fn soak(events: u64, workers: usize, overflow: Overflow) {
    let builder = Queue::builder().workers(workers).capacity(CAPACITY);
    let queue = builder.overflow(overflow).build().unwrap();
    let signal = Signal::<u64, Result<(), queue::Error>>::new();
    let got: Arc<[[Got; SENDERS as usize]; RECEIVERS]> = Arc::default();
    for receiver in 0..RECEIVERS {
        let got = Arc::clone(&got);
        signal
            .options()
            .queued(&queue)
            .connect(move |sender, event| {
                // All events of one sender come to one receiver from one worker, in order: the
                // sender's number is in the event.
                let from = event % SENDERS;
                assert_eq!(sender, Sender::key(u128::from(from)));
                let got = &got[receiver][from as usize];
                assert!(*event >= got.next.load(Ordering::Relaxed), "out of order");
                got.next.store(event + 1, Ordering::Relaxed);
                got.count.fetch_add(1, Ordering::Relaxed);
                got.sum.fetch_add(*event, Ordering::Relaxed);
            });
    }
    let began = Instant::now();
    let sums = thread::scope(|threads| {
        let send = |sender: u64| {
            let signal = &signal;
            threads.spawn(move || send_all(signal, sender, events))
        };
        let sending = Vec::from_iter((0..SENDERS).map(send));
        Vec::from_iter(sending.into_iter().map(|sender| sender.join().unwrap()))
    });
    queue.flush().unwrap();
    let took = began.elapsed();
    let stats = queue.stats();
    println!(
        "{overflow:?}, {workers} workers: {events} events to {RECEIVERS} receivers in {:.1} s, {stats:?}",
        took.as_secs_f64()
    );

    let asked = events * RECEIVERS as u64;
    let accepted: u64 = sums.iter().map(|sums| sums.accepted).sum();
    let refused: u64 = sums.iter().map(|sums| sums.refused).sum();
    assert_eq!(
        accepted + refused,
        asked,
        "every receiver has responded each send"
    );
    assert_eq!(stats.pushed, accepted);
    assert_eq!(stats.rejected, refused);
    assert_eq!(stats.delivered + stats.dropped, stats.pushed);
    assert_eq!((stats.panicked, stats.undelivered), (0, 0));
    assert_eq!((stats.depth, stats.running), (0, 0));
    match overflow {
        Overflow::Block => assert_eq!((stats.dropped, stats.rejected), (0, 0)),
        Overflow::Reject => assert_eq!(stats.dropped, 0),
        _ => assert_eq!(stats.rejected, 0),
    }
    let of_all = |value: fn(&Got) -> &AtomicU64| {
        let got = got
            .iter()
            .flatten()
            .map(|got| value(got).load(Ordering::Relaxed));
        got.sum::<u64>()
    };
    assert_eq!(of_all(|got| &got.count), stats.delivered);
    if stats.dropped == 0 {
        let sum: u64 = sums.iter().map(|sums| sums.sum).sum();
        assert_eq!(
            of_all(|got| &got.sum),
            sum,
            "what was accepted is what came"
        );
    }
    let report = queue.shutdown(std::time::Duration::MAX).unwrap();
    assert_eq!((report.undelivered.len(), report.still_running), (0, 0));
}

/// The sums of the responses to one sender's sends.
#[derive(Default)]
struct Sums {
    accepted: u64,
    refused: u64,
    /// The sum of the events, each counted once for each receiver that accepted it.
    sum: u64,
}

/// Sends the share of `sender` of the events `0..events`.
fn send_all(signal: &Signal<u64, Result<(), queue::Error>>, sender: u64, events: u64) -> Sums {
    let mut sums = Sums::default();
    for event in (sender..events).step_by(SENDERS as usize) {
        let flow = signal.from(sender).send_each(&event, |_, response| {
            match response {
                Ok(()) => {
                    sums.accepted += 1;
                    sums.sum += event;
                }
                Err(queue::Error::Full { .. }) => sums.refused += 1,
                Err(error) => panic!("{error}"),
            }
            ControlFlow::<()>::Continue(())
        });
        assert!(flow.is_continue());
    }
    sums
}
