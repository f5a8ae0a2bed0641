//! A send to queued receivers allocates one block for all of them.
//!
//! Allocations are counted for each thread, so the workers do not disturb the count.
#![cfg(feature = "queue")]

use std::hint::black_box;

use crate::queue_gate::Gated;
use fanfare::queue::Overflow;
use fanfare::{Queue, Sender, Signal};

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1_u64)))), 1);
}

#[test]
fn a_send_allocates_once_for_all_queued_receivers() {
    for workers in [1, 3] {
        let queue = Queue::builder().workers(workers).build().unwrap();
        for receivers in [1, 4, 16] {
            let signal = Signal::<u32>::new();
            for receiver in 0..receivers {
                let options = signal.options().queued(&queue);
                options.connect(move |_, event| assert_ne!(*event, 1_000 + receiver));
            }
            // The first of a thread sets up what sends of this thread use again.
            signal.from(Sender::key(1)).send(&0);
            queue.flush().unwrap();
            let made = allocations(|| {
                for event in 0..10 {
                    signal.from(Sender::key(1)).send(&event);
                }
            });
            assert_eq!(made, 10, "{receivers} receivers");
            let made = allocations(|| {
                for event in 0..10 {
                    signal.from("shop").send(&event);
                }
            });
            assert_eq!(
                made, 20,
                "{receivers} receivers, and the name of the sender"
            );
            queue.flush().unwrap();
        }
    }
}

#[test]
fn events_that_a_full_queue_drops_cost_no_more() {
    for overflow in [Overflow::DropNewest, Overflow::DropOldest, Overflow::Reject] {
        let queue = Queue::builder()
            .capacity(1)
            .overflow(overflow)
            .build()
            .unwrap();
        let signal = Signal::<u32>::new();
        let gated = Gated::connect(&signal, &queue);
        signal.send(&0);
        assert_eq!(gated.started(), 0);
        signal.send(&1);
        let made = allocations(|| {
            for event in 2..12 {
                signal.send(&event);
            }
        });
        assert_eq!(made, 10, "{overflow:?}");
        assert_eq!(queue.dropped() + queue.rejected(), 10);
        gated.open(2);
        queue.flush().unwrap();
    }
}

/// Returns how often `work` allocated or grew an allocation on this thread.
fn allocations(work: impl FnOnce()) -> usize {
    allocation_counter::measure(work).count_total as usize
}
