//! A batch does not allocate, except for responses that have a size.
//!
//! Allocations are counted for each thread, so the tests do not disturb one another.

use std::hint::black_box;
use std::sync::Arc;

use fanfare::{Sender, Signal};

const EVENTS: [usize; 3] = [1, 16, 1_024];
const RECEIVERS: [u64; 5] = [1, 4, 16, 65, 1_024];

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1_u64)))), 1);
}

#[test]
fn responses_without_content_do_not_allocate() {
    for receivers in RECEIVERS {
        let signal = Signal::<u64>::new();
        for n in 0..receivers {
            let options = signal.options();
            let options = if n % 3 == 2 {
                options.sender("s")
            } else {
                options
            };
            if n % 2 == 0 {
                options.connect(move |_, event| touch(n + event));
            } else {
                options.connect_batch(move |_, events| touch(events[0] + n));
            }
        }
        for sender in [Sender::NONE, Sender::named("s")] {
            for events in EVENTS {
                let events: Vec<u64> = (0..).take(events).collect();
                let expected = signal.from(sender).send_batch(&events).len();
                let made = allocations(|| {
                    for _ in 0..5 {
                        assert_eq!(
                            black_box(signal.from(sender).send_batch(&events)).len(),
                            expected
                        );
                    }
                });
                assert_eq!(made, 0, "{receivers} receivers, {} events", events.len());
            }
        }
    }
}

#[test]
fn a_few_weak_receivers_do_not_allocate() {
    let signal = Signal::<u64>::new();
    let target = Arc::new(1_u64);
    for n in 0..16 {
        signal.connect_weak(&target, move |target: &u64, _, event| {
            black_box(target + event + n);
        });
    }
    signal.send_batch(&[1]);
    let made = allocations(|| {
        assert_eq!(black_box(signal.send_batch(&[1, 2, 3])).len(), 48);
    });
    assert_eq!(made, 0);
}

/// Two vectors, as large as is needed.
#[test]
fn responses_with_a_size_are_allocated_for_before_the_first_call() {
    for receivers in RECEIVERS {
        let signal = Signal::<u64, u64>::new();
        for n in 0..receivers {
            if n % 2 == 0 {
                signal.connect(move |_, event| n + event);
            } else {
                signal
                    .options()
                    .connect_batch(move |_, events| n + events[0]);
            }
        }
        for events in EVENTS {
            let events: Vec<u64> = (0..).take(events).collect();
            signal.send_batch(&events);
            let made = allocations(|| drop(black_box(signal.send_batch(&events))));
            assert_eq!(made, 2, "{receivers} receivers, {} events", events.len());
        }
    }
    let signal = Signal::<u64, u64>::new();
    signal.connect(|_, event| *event);
    let nothing = allocations(|| drop(black_box(signal.send_batch(&[]))));
    assert_eq!(nothing, 0);
}

/// A receiver of slices returns one response for all events, so the vector needs no place for more.
#[test]
fn responses_to_slices_take_the_same_memory_for_any_number_of_events() {
    let signal = Signal::<u64, u64>::new();
    signal.options().connect_batch(|_, events| events[0]);
    let bytes = |events: usize| {
        let events: Vec<u64> = (0..).take(events).collect();
        let send = || assert_eq!(black_box(signal.send_batch(&events)).len(), 1);
        allocation_counter::measure(send).bytes_total
    };
    bytes(1);
    assert_eq!(bytes(1), bytes(1_000));
}

/// A receiver that runs once returns one response, whatever the number of events is.
#[test]
fn responses_of_limited_receivers_take_the_same_memory_for_any_number_of_events() {
    let bytes = |events: usize| {
        let signal = Signal::<u64, u64>::new();
        signal.options().once().connect(|_, event| *event);
        let events: Vec<u64> = (0..).take(events).collect();
        let send = || assert_eq!(black_box(signal.send_batch(&events)).len(), 1);
        allocation_counter::measure(send).bytes_total
    };
    bytes(1);
    assert_eq!(bytes(1), bytes(1_000));
}

fn touch(number: u64) {
    black_box(number);
}

/// Returns how often `work` allocated or grew an allocation on this thread.
fn allocations(work: impl FnOnce()) -> usize {
    allocation_counter::measure(work).count_total as usize
}
