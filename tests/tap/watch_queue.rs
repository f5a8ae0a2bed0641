//! Observers of receivers on queues, whose starts and ends are on other threads.
#![cfg(feature = "queue")]

use std::time::Duration;

use fanfare::queue::{self, Overflow};
use fanfare::{Queue, Signal, watch};

use crate::queue_gate::Gated;
use crate::watch_lines::Lines;

type Asked = Signal<u32, Result<(), queue::Error>>;

const STARTS: &str = "Blocking from \"no sender\"";

/// Returns a queue that has room for one event, beside the one that its worker runs.
fn small(overflow: Overflow) -> Queue {
    let builder = Queue::builder().name("small").capacity(1);
    builder.overflow(overflow).build().unwrap()
}

/// Fills the queue: the worker runs event 0, and event 1 waits. Then sends event 2, and returns the
/// steps of that send, and those that follow when the worker may run on.
fn overflowed(overflow: Overflow) -> (Vec<String>, Vec<String>) {
    let (queue, signal, lines) = (small(overflow), Asked::new(), Lines::default());
    let _watch = watch::signal(&signal, lines.clone());
    let gated = Gated::connect(&signal, &queue);
    lines.take();
    signal.send(&0);
    gated.started();
    signal.send(&1);
    // A worker may start a receiver before the sender's thread has shown that it was queued.
    let mut seen = lines.take();
    seen.sort_unstable();
    let gated_steps = ["gated queued: true", "gated queued: true", "gated starts"];
    let expected = [&[STARTS; 2][..], &gated_steps, &["reached 1"; 2]];
    assert_eq!(seen, expected.concat());
    signal.send(&2);
    let sent = lines.take();
    gated.open(3);
    queue.flush().unwrap();
    (sent, lines.take())
}

#[test]
fn an_event_that_a_queue_accepts_is_seen() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    let queue = Queue::bounded(8).unwrap();
    let gated = Gated::connect(&signal, &queue);
    let _watch = watch::signal(&signal, lines.clone());
    // The gate keeps the worker from the second event.
    signal.send(&0);
    gated.started();
    lines.take();
    signal.send(&1);
    assert_eq!(lines.take(), [STARTS, "gated queued: true", "reached 1"]);
    gated.open(2);
    queue.flush().unwrap();
    assert_eq!(
        lines.take(),
        ["gated Returned", "gated starts", "gated Returned"]
    );
}

#[test]
fn an_event_that_a_queue_refuses_is_seen() {
    let (sent, then) = overflowed(Overflow::Reject);
    assert_eq!(sent, [STARTS, "gated queued: false", "reached 1"]);
    assert_eq!(then, ["gated Returned", "gated starts", "gated Returned"]);
}

#[test]
fn an_event_that_a_queue_drops_is_seen() {
    let (sent, then) = overflowed(Overflow::DropNewest);
    let discarded = "gated discarded";
    assert_eq!(sent, [STARTS, "gated queued: true", discarded, "reached 1"]);
    assert_eq!(then, ["gated Returned", "gated starts", "gated Returned"]);
    let (sent, then) = overflowed(Overflow::DropOldest);
    assert_eq!(sent, [STARTS, discarded, "gated queued: true", "reached 1"]);
    assert_eq!(then, ["gated Returned", "gated starts", "gated Returned"]);
}

#[test]
fn events_that_a_shutdown_leaves_are_seen() {
    let (queue, signal) = (Queue::bounded(8).unwrap(), Asked::new());
    let lines = Lines::default();
    let gated = Gated::connect(&signal, &queue);
    let _watch = watch::signal(&signal, lines.clone());
    signal.send(&0);
    gated.started();
    signal.send(&1);
    lines.take();
    let report = queue.shutdown(Duration::ZERO).unwrap();
    assert_eq!(report.undelivered.len(), 1);
    assert_eq!(report.undelivered[0].name(), "gated");
    assert_eq!(report.undelivered[0].event::<u32>(), Some(&1));
    assert!(lines.take().is_empty(), "the report has the event");
    drop(report);
    assert_eq!(lines.take(), ["gated discarded"]);
    gated.open(1);
    assert_eq!(lines.wait_for(1), ["gated Returned"]);
    signal.send(&2);
    assert_eq!(lines.take(), [STARTS, "gated queued: false", "reached 1"]);
}

#[test]
fn a_queued_receiver_that_panics_is_seen_and_may_be_watched_no_longer() {
    let (queue, signal, lines) = (small(Overflow::Block), Asked::new(), Lines::default());
    let named = signal.options().name("first").queued(&queue);
    named.connect(|_sender, _id| panic!("a receiver"));
    let watch = watch::signal(&signal, lines.clone());
    signal.send(&1);
    // The event in the queue is part of a send that is seen, whole.
    drop(watch);
    queue.flush().unwrap();
    assert_eq!(lines.take().last().unwrap(), "first Panicked");
    signal.send(&1);
    queue.flush().unwrap();
    assert!(lines.take().is_empty());
}

#[test]
fn queued_receivers_in_a_batch_are_seen() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    let queue = Queue::bounded(8).unwrap();
    let gated = Gated::connect(&signal, &queue);
    signal.send(&0);
    gated.started();
    let _watch = watch::signal(&signal, lines.clone());
    signal.send_batch(&[1, 2]);
    assert_eq!(
        lines.take(),
        [
            "Batch from \"no sender\"",
            "gated queued: true",
            "gated queued: true",
            "reached 2"
        ]
    );
    gated.open(3);
    queue.flush().unwrap();
    assert_eq!(lines.take(), ["gated starts", "gated Returned"].repeat(2));
}

#[cfg(feature = "async")]
#[test]
fn events_of_a_stream_are_seen() {
    let (signal, lines) = (Signal::<u32>::new(), Lines::default());
    let watch = watch::signal(&signal, lines.clone());
    let mut stream = signal
        .options()
        .name("stream")
        .stream(1, Overflow::DropOldest);
    signal.send(&1);
    signal.send(&2);
    let queued = [STARTS, "stream queued: true", "reached 1"];
    assert_eq!(
        lines.take(),
        [&["stream Connected"][..], &queued, &queued].concat()
    );
    assert_eq!(stream.try_next(), Some(2));
    drop(stream);
    assert_eq!(lines.take(), ["stream Disconnected"]);
    drop(watch);
}

#[cfg(feature = "async")]
mod of_async_receivers {
    use super::*;

    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    #[test]
    fn a_queued_async_receiver_is_seen() {
        for at_once in [1, 2] {
            let (signal, lines) = (Signal::<u32>::new(), Lines::default());
            let queue = Queue::builder().concurrency(at_once).build().unwrap();
            let named = signal.options().name("async").queued(&queue);
            named.connect_async(|_sender, id| {
                let mut is_first = true;
                Box::pin(std::future::poll_fn(move |cx| {
                    assert!(watch::Context::current().cause().is_some());
                    assert_ne!(*id, 2);
                    cx.waker().wake_by_ref();
                    match std::mem::take(&mut is_first) {
                        true => std::task::Poll::Pending,
                        false => std::task::Poll::Ready(()),
                    }
                }))
            });
            let _watch = watch::signal(&signal, lines.clone());
            for (event, end) in [(1, "async Returned"), (2, "async Panicked")] {
                pollster::block_on(signal.asend(&event));
                queue.flush().unwrap();
                let mut seen = lines.take();
                seen.sort_unstable();
                assert_eq!(
                    seen,
                    [
                        "Async from \"no sender\"",
                        end,
                        "async queued: true",
                        "async starts",
                        "reached 1"
                    ]
                );
            }
        }
    }

    /// The queue has one worker, which drives two futures that wait for each other.
    #[test]
    fn queued_async_receivers_run_at_once_while_they_are_observed() {
        let (signal, lines) = (Signal::<u32>::new(), Lines::default());
        let queue = Queue::builder().concurrency(2).build().unwrap();
        let both = Arc::new(tokio::sync::Barrier::new(2));
        let named = signal.options().name("async").queued(&queue);
        named.connect_async(move |_sender, _id| {
            let both = Arc::clone(&both);
            Box::pin(async move {
                both.wait().await;
            })
        });
        let named = signal.options().name("blocking").queued(&queue);
        named.connect(|_sender, _id| ());
        let _watch = watch::signal(&signal, lines.clone());
        signal.send(&1);
        signal.send(&2);
        let flushed = queue.flush_timeout(Duration::from_secs(20));
        // If they have not met, the drop of the queue would wait for them.
        let report = queue.shutdown(Duration::ZERO).unwrap();
        flushed.unwrap();
        assert_eq!(report.still_running, 0);
        let seen = lines.take();
        for name in ["async", "blocking"] {
            for step in ["starts", "Returned"] {
                let line = format!("{name} {step}");
                let count = seen.iter().filter(|seen| **seen == line).count();
                assert_eq!(count, 2, "{line} of {seen:?}");
            }
        }
    }

    #[test]
    fn queued_receivers_run_after_a_panic_of_the_send() {
        let (signal, lines) = (Signal::<u32>::new(), Lines::default());
        let queue = Queue::bounded(8).unwrap();
        signal
            .options()
            .name("queued")
            .queued(&queue)
            .connect(|_sender, _id| ());
        signal
            .options()
            .name("sync")
            .connect(|_sender, _id| panic!("a receiver"));
        let _watch = watch::signal(&signal, lines.clone());
        catch_unwind(AssertUnwindSafe(|| signal.send(&1))).unwrap_err();
        queue.flush().unwrap();
        let mut seen = lines.take();
        seen.sort_unstable();
        assert_eq!(
            seen,
            [
                STARTS,
                "queued Returned",
                "queued queued: true",
                "queued starts",
                "reached 2, cut off",
                "sync Panicked",
                "sync starts"
            ]
        );
    }
}
